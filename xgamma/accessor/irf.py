"""Look-ups in the responses of a Dataset: ``ds.gp.psf`` and ``ds.gp.edisp``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr

from xgamma.irf import edisp as _edisp
from xgamma.irf import psf as _psf

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["EDispAccessor", "PSFAccessor"]


@dataclass(frozen=True)
class PSFAccessor:
    """Look-ups in the point spread function of a dataset, see `xgamma.irf.psf`."""

    _obj: xr.Dataset

    def containment(self, rad: Any, energy_true: Any = None, position: SkyCoord | None = None) -> xr.DataArray:
        """Fraction of the events inside a radius, see `xgamma.irf.psf.containment`."""
        return _psf.containment(self._obj, rad, energy_true, position)

    def containment_radius(
        self, fraction: float = 0.68, energy_true: Any = None, position: SkyCoord | None = None
    ) -> xr.DataArray:
        """Radius that holds a fraction of the events, see `xgamma.irf.psf.containment_radius`."""
        return _psf.containment_radius(self._obj, fraction, energy_true, position)

    def kernel(self, position: SkyCoord | None = None, binsz: Any = None, max_radius: Any = None) -> xr.DataArray:
        """Image of a point source, see `xgamma.irf.psf.kernel`."""
        return _psf.kernel(self._obj, position, binsz, max_radius)

    def plot_containment_radius(self, *args: Any, **options: Any) -> Any:
        """Draw containment radii along true energy, see `xgamma.plot.plot_containment_radius`."""
        from xgamma.plot import plot_containment_radius

        return plot_containment_radius(self._obj, *args, **options)

    def plot_psf_vs_rad(self, *args: Any, **options: Any) -> Any:
        """Draw profiles, see `xgamma.plot.plot_psf_vs_rad`."""
        from xgamma.plot import plot_psf_vs_rad

        return plot_psf_vs_rad(self._obj, *args, **options)


@dataclass(frozen=True)
class EDispAccessor:
    """Look-ups in the energy dispersion of a dataset, see `xgamma.irf.edisp`."""

    _obj: xr.Dataset

    def kernel(self, position: SkyCoord | None = None) -> xr.DataArray:
        """Probabilities of reconstructed energies, see `xgamma.irf.edisp.kernel`."""
        return _edisp.kernel(self._obj, position)

    def bias(self, energy_true: Any = None, position: SkyCoord | None = None) -> xr.DataArray:
        """Mean relative error of energies, see `xgamma.irf.edisp.bias`."""
        return _edisp.bias(self._obj, energy_true, position)

    def resolution(self, energy_true: Any = None, position: SkyCoord | None = None) -> xr.DataArray:
        """Relative spread of energies, see `xgamma.irf.edisp.resolution`."""
        return _edisp.resolution(self._obj, energy_true, position)

    def plot_matrix(self, *args: Any, **options: Any) -> Any:
        """Draw the probabilities of reconstructed energies, see `xgamma.plot.plot_matrix`."""
        from xgamma.plot import plot_matrix

        return plot_matrix(self._obj, *args, **options)

    def plot_bias(self, *args: Any, **options: Any) -> Any:
        """Draw the mean relative error of energies, see `xgamma.plot.plot_bias`."""
        from xgamma.plot import plot_bias

        return plot_bias(self._obj, *args, **options)
