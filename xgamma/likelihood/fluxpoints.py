"""The fit statistic of flux points as a function of the parameter vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import Axis
from xgamma.fluxpoints.statistics import statistic_of
from xgamma.likelihood.expansion import Expansion, add_bends
from xgamma.likelihood.many import flux_many
from xgamma.likelihood.parameters import part_of
from xgamma.likelihood.spectrum import Spectrum
from xgamma.models import SkyModel
from xgamma.predict.flux import spectra_of
from xgamma.reduce.masks import mask
from xgamma.schema import FLUX_VARIABLES

__all__ = ["FLUX_FRAME", "FluxTerm", "flux_term"]

Array = NDArray[np.float64]

_STEP = 1e-3
"""Largest relative step of predicted fluxes for second derivatives of their statistic."""

FLUX_FRAME = "flux_pred", FLUX_VARIABLES["dnde"].unit, f"predicted {FLUX_VARIABLES['dnde'].meaning}"
"""Name, unit and meaning of a prediction."""


@dataclass(frozen=True)
class FluxTerm:
    """Fit statistic of flux points, compiled.

    Attributes
    ----------
    name : str
        Name of the dataset.
    statistic : object
        Of `xgamma.kernels.fluxpoints`, for the points inside the masks.
    spectra : tuple of Spectrum
        The models at the energies of these points.
    everywhere : tuple of Spectrum
        The models at the energies of all points.
    size : int
        Number of all points.
    n_bins : int
        Number of points inside the masks.
    """

    name: str
    statistic: Any
    spectra: tuple[Spectrum, ...]
    everywhere: tuple[Spectrum, ...]
    size: int
    n_bins: int

    def _flux(self, x: Array) -> Array:
        return sum((spectrum(x) for spectrum in self.spectra), np.zeros(()))

    def __call__(self, x: Array) -> float:
        """Statistic for a parameter vector."""
        return float(self.statistic(self._flux(x)).sum())

    def gradient(self, x: Array) -> Array:
        """Return the derivatives of the statistic."""
        slope = self.statistic.slope(self._flux(x))
        out = np.zeros(x.size)
        for spectrum in self.spectra:
            for free, row in zip(spectrum.free, spectrum.jacobian(x), strict=True):
                out[free.slot] += float(slope @ row)
        return out

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return the statistic and its derivatives."""
        return self(x), self.gradient(x)

    def many(self, x: Array) -> Array:
        """Statistic (point,) for parameter vectors (point, parameter)."""
        return flux_many(self, x)

    def expand(self, x: Array, free: NDArray[np.bool_] | None = None) -> Expansion:
        """Return the statistic with first and second derivatives, see `xgamma.likelihood.Likelihood.expand`."""
        flux = self._flux(x)
        slope = self.statistic.slope(flux)
        rows, hessian = np.zeros((x.size, *slope.shape)), np.zeros((x.size, x.size))
        for spectrum in self.spectra:
            _, slopes, bends = spectrum.expand(x, 2)
            for own, row in zip(spectrum.free, slopes, strict=True):
                rows[own.slot] += row
            add_bends(hessian, bends, slope)
        # By differences along each parameter, so small that the prediction changes by a thousandth at most.
        for i, row in enumerate(rows):
            largest = np.abs(row / flux).max(initial=0.0, where=flux != 0)
            if largest > 0:
                step = _STEP / largest
                bend = self.statistic.slope(flux + step * row) - self.statistic.slope(flux - step * row)
                hessian[i] += rows @ bend / (2 * step)
        hessian = (hessian + hessian.T) / 2
        return Expansion(self(x), rows @ slope, hessian, np.zeros(x.size, dtype=bool))

    def npred(self, x: Array) -> Array:
        """Predicted differential flux of every point in TeV-1 s-1 cm-2, with two dims of length one behind it."""
        flux = sum((spectrum(x) for spectrum in self.everywhere), np.zeros(self.size))
        return flux[:, np.newaxis, np.newaxis]


def flux_term(ds: xr.Dataset, models: list[Any], slots: dict[int, int]) -> FluxTerm:
    """Compile the fit statistic of flux points.

    Parameters
    ----------
    ds : Dataset
        Flux points with what their statistic needs. Lazy ones are computed.
    models : list of models
        Those that apply to the dataset.
    slots : dict
        The place in the vector of each free parameter by its identity.

    Raises
    ------
    ValueError
        If a variable that the statistic needs is missing, or a model has no spectrum.
    """
    ds = ds.compute()
    statistic = statistic_of(ds)
    inside = mask(ds).values
    arrays = [np.asarray(array.transpose("energy", ...).values)[inside] for array in statistic.inputs(ds)]
    energy = Axis.from_dataset(ds, "energy").to("TeV").center
    chosen = energy[inside]
    spectra_of(ds, models)
    parts = [part_of(model.spectral_model, slots) for model in models if isinstance(model, SkyModel)]
    return FluxTerm(
        name=str(ds.attrs.get("name", "")),
        statistic=statistic.kernel(*arrays).compiled(),
        spectra=tuple(Spectrum(part, chosen, chosen).scaled() for part in parts),
        everywhere=tuple(Spectrum(part, energy, energy) for part in parts),
        size=energy.size,
        n_bins=int(np.count_nonzero(inside)),
    )
