"""The responses around a point source: the PSF as integrals of its profiles, in which counts are linear."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import edges
from xgamma.likelihood.lookup import Lookups, Table

__all__ = ["Integrals", "integrals_of"]

Array = NDArray[np.float64]

_PIXELS = 100
"""Number of pixels of the PSF up to which all their integrals are made at once."""


@dataclass(frozen=True)
class Integrals:
    """Integrals of profiles on the sky, see `xgamma.kernels.edges.Terms`.

    Attributes
    ----------
    table : Table
        Their rows (energy, number), behind which the energy dispersion may stand; or the profiles (energy, rad) where
        there are many.
    matrix : ndarray or None
        From the energies of these profiles to those of the exposure; None for no more to do.
    radii : Radii
        Those of the profiles.
    made : bool
        Whether the table has the rows.
    negative : bool
        Whether any profile has negative values.
    beside : int
        Number of reconstructed energies of the dispersion in the table; 0 where it has to be looked up by itself.
    """

    table: Table
    matrix: Array | None
    radii: edges.Radii
    made: bool
    negative: bool
    beside: int = 0

    def at(self, labels: list[float]) -> tuple[Array, Array | None]:
        """Rows (energy, number) at labels y, x on the grid of the PSF, and the dispersion (energy_true, energy)."""
        values = self.table.at_labels(*labels)
        if self.beside:
            return values[:, : -self.beside], values[:, -self.beside :]
        if self.made:
            return values, None
        return self.radii.terms(values if self.matrix is None else self.matrix @ values).rows, None


def integrals_of(lookups: Lookups, radii: edges.Radii, lon: Array, lat: Array, use_edisp: bool) -> Integrals:
    """Integrate the profiles of the PSF that positions in deg need."""
    assert lookups.psf is not None
    table, matrix = lookups.psf
    chosen = []
    for labels, at in zip((table.y, table.x), table.labels(lon, lat), strict=True):
        known = at[np.isfinite(at)] if np.isfinite(at).any() else np.array(labels)
        # One more on each side: those next to a place at the border are looked at as well.
        low, high = np.searchsorted(labels, [known.min(), known.max()])
        chosen.append(slice(max(int(low) - 2, 0), int(high) + 2))
    y, x = chosen
    near = replace(table, values=table.values[y, x], y=table.y[y], x=table.x[x])
    negative = bool((near.values < 0).any())
    if len(near.y) * len(near.x) > _PIXELS:
        return Integrals(near, matrix, radii, False, negative)
    values = near.values if matrix is None else matrix @ near.values
    rows = radii.terms(values.reshape(-1, values.shape[-1])).rows
    rows = rows.reshape(*values.shape[:-1], -1)
    beside = 0
    if use_edisp and lookups.edisp is not None and lookups.migration is None:
        other, own = lookups.edisp
        # One look-up does for both where they are known at the same places and energies.
        if own is None and table.is_like(other) and rows.shape[2] == other.values.shape[2]:
            rows, beside = np.concatenate([rows, other.values[y, x]], axis=3), other.values.shape[3]
    return Integrals(replace(near, values=rows), None, radii, True, negative, beside)
