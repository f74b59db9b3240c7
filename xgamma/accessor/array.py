"""The ``.gp`` accessor of a DataArray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

from xgamma import interp as _interp
from xgamma.coords import SkyGrid
from xgamma.irf.lookup import sky_dims
from xgamma.schema import suffix_of
from xgamma.units import quantity, to_unit

if TYPE_CHECKING:
    import astropy.units as u
    from astropy.wcs import WCS

__all__ = ["DataArrayAccessor"]


@xr.register_dataarray_accessor("gp")
class DataArrayAccessor:
    """Gamma-ray methods of a DataArray."""

    def __init__(self, obj: xr.DataArray) -> None:
        self._obj = obj

    @property
    def quantity(self) -> u.Quantity:
        """The values with their unit, see `xgamma.units.quantity`."""
        return quantity(self._obj)

    def to_unit(self, unit: Any) -> xr.DataArray:
        """Convert to another unit, see `xgamma.units.to_unit`."""
        return to_unit(self._obj, unit)

    @property
    def grid(self) -> SkyGrid:
        """Sky grid of the array."""
        sky = sky_dims(self._obj)
        if sky is None:
            what = "the array" if self._obj.name is None else f"'{self._obj.name}'"
            raise ValueError(f"{what} has no dims on the sky, its dims are {self._obj.dims}.")
        return SkyGrid.from_dataset(self._obj, suffix_of(sky[0]))

    @property
    def wcs(self) -> WCS:
        """WCS of the array's own pixels, see `xgamma.coords.SkyGrid.fits_header`."""
        return self.grid.fits_header()

    def interp_by_coord(self, coords: Mapping[str, Any]) -> xr.DataArray:
        """Interpolate at points, see `xgamma.interp.interp_by_coord`."""
        return _interp.interp_by_coord(self._obj, coords)

    def smooth(self, width: Any, kernel: str = "gauss") -> xr.DataArray:
        """Smooth on the sky, see `xgamma.reduce.smooth.smooth`."""
        from xgamma.reduce.smooth import smooth

        return smooth(self._obj, width, kernel=kernel)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw an image or a spectrum, see `xgamma.plot.plot`."""
        from xgamma.plot import plot

        return plot(self._obj, ax=ax, **options)

    def plot_grid(self, **options: Any) -> Any:
        """Draw one panel for each bin, see `xgamma.plot.plot_grid`."""
        from xgamma.plot import plot_grid

        return plot_grid(self._obj, **options)
