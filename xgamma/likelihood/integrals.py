"""The PSF around a point source as integrals of its profiles, in which its counts are linear."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import edges
from xgamma.likelihood.lookup import Table

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
        Their rows (energy, number), or the profiles (energy, rad) where there are many.
    matrix : ndarray or None
        From the energies of these profiles to those of the exposure; None for no more to do.
    radii : Radii
        Those of the profiles.
    made : bool
        Whether the table has the rows.
    negative : bool
        Whether any profile has negative values.
    """

    table: Table
    matrix: Array | None
    radii: edges.Radii
    made: bool
    negative: bool

    def at(self, labels: list[float]) -> Array:
        """Rows (energy, number) at labels y, x on the grid of the PSF."""
        values = self.table.at_labels(*labels)
        if self.made:
            return values
        return self.radii.terms(values if self.matrix is None else self.matrix @ values).rows


def integrals_of(psf: tuple[Table, Array | None], radii: edges.Radii, lon: Array, lat: Array) -> Integrals:
    """Integrate the profiles of a PSF, see `xgamma.likelihood.lookup.Lookups`, that positions in deg need."""
    table, matrix = psf
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
    return Integrals(replace(near, values=rows), None, radii, True, negative)
