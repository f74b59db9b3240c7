"""The ``.gp`` accessor of a Dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from xgamma import fluxpoints, onoff, predict, simulate, statistic, summary, validate
from xgamma import geoms as _geoms
from xgamma.accessor.fluxpoints import SEDAccessor
from xgamma.accessor.hints import advice
from xgamma.accessor.irf import EDispAccessor, PSFAccessor
from xgamma.accessor.pictures import PlotMethods
from xgamma.models import Models
from xgamma.predict import residuals as _residuals
from xgamma.predict.flux import flux_pred
from xgamma.reduce import downsample as _downsample
from xgamma.reduce import masks, select, spectrum
from xgamma.reduce import pad as _pad
from xgamma.reduce import resample as _resample
from xgamma.reduce import stack as _stack

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["DatasetAccessor"]


@xr.register_dataset_accessor("gp")
class DatasetAccessor(PlotMethods):
    """Gamma-ray methods of a Dataset.

    It holds the dataset and nothing else: every result is computed from the data as they are.
    """

    def __init__(self, obj: xr.Dataset) -> None:
        self._obj = obj

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "models":
            raise AttributeError("The models of a dataset are read-only: use ds = ds.gp.assign_models(models).")
        if name == "name":
            raise AttributeError("The name of a dataset is read-only: use ds = ds.assign_attrs(name=...).")
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        # Only names that are not found come here, or properties that fail with an AttributeError of their own.
        use = None if name.startswith("_") or hasattr(type(self), name) else advice(self._obj, name)
        if use is None:
            return object.__getattribute__(self, name)
        raise AttributeError(f"ds.gp has no {name!r}: use {use}")

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return summary.html(self._obj)

    # Properties

    @property
    def name(self) -> str:
        """Name of the dataset, by which models refer to it."""
        return str(self._obj.attrs.get("name", ""))

    @property
    def models(self) -> Models:
        """Read-only view of the models stored with the dataset."""
        return Models.from_yaml(self._obj.attrs.get("models", ""), read_only=True)

    @property
    def stat_type(self) -> str:
        """Name of the fit statistic."""
        return statistic.stat_type(self._obj)

    @property
    def mask(self) -> xr.DataArray:
        """Bins inside both masks, see `xgamma.reduce.masks.mask`."""
        return masks.mask(self._obj)

    @property
    def mask_safe(self) -> xr.DataArray:
        """Bins in which the data can be trusted and used, see `xgamma.reduce.masks.mask_safe`."""
        return masks.mask_safe(self._obj)

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Number of bins along each dim."""
        return tuple(masks.mask(self._obj).shape)

    @property
    def mask_image(self) -> xr.DataArray:
        """Pixels with a bin inside both masks, see `xgamma.reduce.masks.mask_image`."""
        return masks.mask_image(self._obj)

    @property
    def excess(self) -> xr.DataArray:
        """Counts less predicted background, see `xgamma.predict.excess`."""
        return predict.excess(self._obj)

    @property
    def alpha(self) -> xr.DataArray:
        """Background expected for each count in the off regions, see `xgamma.onoff.alpha`."""
        return onoff.alpha(self._obj)

    @property
    def background(self) -> xr.DataArray:
        """Background that the data tell, that of off regions included, see `xgamma.onoff.background`."""
        return onoff.background(self._obj)

    @property
    def energy_range(self) -> tuple[xr.DataArray, xr.DataArray]:
        """Maps of the lowest and highest energy inside both masks."""
        return masks.energy_range(self._obj)

    @property
    def energy_range_safe(self) -> tuple[xr.DataArray, xr.DataArray]:
        """Maps of the lowest and highest energy inside ``mask_safe``."""
        return masks.energy_range(self._obj, which="safe")

    @property
    def energy_range_fit(self) -> tuple[xr.DataArray, xr.DataArray]:
        """Maps of the lowest and highest energy inside ``mask_fit``."""
        return masks.energy_range(self._obj, which="fit")

    @property
    def psf(self) -> PSFAccessor:
        """Look-ups in the point spread function."""
        return PSFAccessor(self._obj)

    @property
    def edisp(self) -> EDispAccessor:
        """Look-ups in the energy dispersion."""
        return EDispAccessor(self._obj)

    @property
    def sed(self) -> SEDAccessor:
        """Fluxes, errors and limits of flux points in any quantity."""
        return SEDAccessor(self._obj)

    @property
    def geoms(self) -> dict[str, _geoms.Geom]:
        """Geometry of the counts and of each response, see `xgamma.geoms.geoms`."""
        return _geoms.geoms(self._obj)

    # Printouts and checks

    def info(self, models: Any = None) -> dict[str, Any]:
        """Key figures, see `xgamma.summary.info`."""
        return summary.info(self._obj, models)

    def summary(self, models: Any = None) -> str:
        """Printout of the key figures, see `xgamma.summary.summary`."""
        return summary.summary(self._obj, models)

    def validate(self) -> None:
        """Check structure and values, see `xgamma.validate.validate`."""
        validate.validate(self._obj)

    def decode(self) -> xr.Dataset:
        """Rebuild indexes and attrs of an archive that plain xarray opened, see `xgamma.io.layout.unpack`."""
        from xgamma.io.layout import unpack

        return unpack(self._obj)

    # Models, predictions, statistics

    def assign_models(self, models: Any) -> xr.Dataset:
        """Store models with the dataset, see `xgamma.predict.assign_models`."""
        return predict.assign_models(self._obj, models)

    def npred(self, models: Any = None, parameters: Mapping[str, Any] | None = None) -> xr.DataArray:
        """Predicted counts, see `xgamma.predict.npred`, and `xgamma.likelihood.scan.npred` for values by label."""
        return predict.npred(self._obj, models) if parameters is None else _scan().npred(self._obj, models, parameters)

    def npred_signal(
        self, models: Any = None, names: str | Iterable[str] | None = None, stack: bool = True
    ) -> xr.DataArray:
        """Predicted counts of the sources, see `xgamma.predict.npred_signal`."""
        return predict.npred_signal(self._obj, models, names=names, stack=stack)

    def npred_background(self, models: Any = None) -> xr.DataArray:
        """Predicted counts of the background, see `xgamma.predict.npred_background`."""
        return predict.npred_background(self._obj, models)

    def npred_off(self, models: Any = None) -> xr.DataArray:
        """Predicted counts in the off regions, see `xgamma.predict.onoff.npred_off`."""
        return predict.npred_off(self._obj, models)

    def stat_array(self, models: Any = None) -> xr.DataArray:
        """Fit statistic of each bin, see `xgamma.statistic.stat_array`."""
        return statistic.stat_array(self._obj, models)

    def wstat(self, models: Any = None) -> xr.DataArray:
        """W statistic of each bin, see `xgamma.statistic.wstat`."""
        return statistic.wstat(self._obj, models)

    def cash(self, models: Any = None) -> xr.DataArray:
        """Cash statistic of each bin, see `xgamma.statistic.cash`."""
        return statistic.cash(self._obj, models)

    def stat_sum(self, models: Any = None, parameters: Mapping[str, Any] | None = None) -> xr.DataArray:
        """Fit statistic inside the masks, see `xgamma.statistic.stat_sum`, and `xgamma.likelihood.scan.stat_sum`."""
        if parameters is None:
            return statistic.stat_sum(self._obj, models)
        return _scan().stat_sum(self._obj, models, parameters)

    def flux_pred(self, models: Any = None, sed_type: str = "dnde") -> xr.DataArray:
        """Predicted fluxes of flux points, see `xgamma.predict.flux.flux_pred`."""
        return flux_pred(self._obj, models, sed_type=sed_type)

    def to_sed_type(self, sed_type: str) -> xr.Dataset:
        """Give flux points in another quantity, see `xgamma.fluxpoints.to_sed_type`."""
        return fluxpoints.to_sed_type(self._obj, sed_type)

    # Masks and selections

    def region_mask(self, regions: Any, inside: bool = True) -> xr.DataArray:
        """Pixels inside regions, see `xgamma.reduce.masks.region_mask`."""
        return masks.region_mask(self._obj, regions, inside=inside)

    def energy_mask(self, energy_min: Any = None, energy_max: Any = None) -> xr.DataArray:
        """Bins inside an energy range, see `xgamma.reduce.masks.energy_mask`."""
        return masks.energy_mask(self._obj, energy_min, energy_max)

    def cutout(self, position: SkyCoord, width: Any, mode: str = "trim", name: str | None = None) -> xr.Dataset:
        """Cut out a rectangle of the sky, see `xgamma.reduce.select.cutout`."""
        return select.cutout(self._obj, position, width, mode=mode, name=name)

    def slice_by_energy(self, energy_min: Any = None, energy_max: Any = None, name: str | None = None) -> xr.Dataset:
        """Cut out an energy range, see `xgamma.reduce.select.slice_by_energy`."""
        return select.slice_by_energy(self._obj, energy_min, energy_max, name=name)

    def slice_by_idx(self, slices: Mapping[str, slice | int], name: str | None = None) -> xr.Dataset:
        """Cut out ranges of bins, see `xgamma.reduce.select.slice_by_idx`."""
        return select.slice_by_idx(self._obj, slices, name=name)

    # Off regions

    def to_onoff(
        self, acceptance: Any = 1.0, acceptance_off: Any = 1.0, counts_off: Any = None, name: str | None = None
    ) -> xr.Dataset:
        """Measure the background in off regions, see `xgamma.onoff.to_onoff`."""
        return onoff.to_onoff(self._obj, acceptance, acceptance_off, counts_off, name=name)

    def to_cash(self, name: str | None = None) -> xr.Dataset:
        """Take the background of off regions as known, see `xgamma.onoff.to_cash`."""
        return onoff.to_cash(self._obj, name=name)

    # Reductions

    def downsample(self, factor: int, axis_name: str | None = None, name: str | None = None) -> xr.Dataset:
        """Merge pixels, or bins of energy, by a whole number, see `xgamma.reduce.downsample.downsample`."""
        return _downsample.downsample(self._obj, factor, axis_name=axis_name, name=name)

    def resample_energy_axis(self, edges: Any, name: str | None = None) -> xr.Dataset:
        """Merge bins of reconstructed energy, see `xgamma.reduce.resample.resample_energy_axis`."""
        return _resample.resample_energy_axis(self._obj, edges, name=name)

    def to_image(self, name: str | None = None) -> xr.Dataset:
        """Merge all bins of reconstructed energy, see `xgamma.reduce.resample.to_image`."""
        return _resample.to_image(self._obj, name=name)

    def pad(self, pad_width: int | tuple[int, int], mode: str = "constant", name: str | None = None) -> xr.Dataset:
        """Add pixels around the map, see `xgamma.reduce.pad.pad`."""
        return _pad.pad(self._obj, pad_width, mode=mode, name=name)

    def to_masked(self, name: str | None = None) -> xr.Dataset:
        """Set everything outside ``mask_safe`` to zero, see `xgamma.reduce.stack.to_masked`."""
        return _stack.to_masked(self._obj, name=name)

    def stack(self, other: xr.Dataset, name: str | None = None) -> xr.Dataset:
        """Add another dataset, see `xgamma.reduce.stack.stack`."""
        return _stack.stack(self._obj, other, name=name)

    def to_region_map_dataset(self, region: Any, name: str | None = None) -> xr.Dataset:
        """Sum over a region, see `xgamma.reduce.spectrum.to_region_map_dataset`."""
        return spectrum.to_region_map_dataset(self._obj, region, name=name)

    def to_spectrum_dataset(
        self, region: Any, containment_correction: bool = False, name: str | None = None
    ) -> xr.Dataset:
        """Sum over a region to a spectrum, see `xgamma.reduce.spectrum.to_spectrum_dataset`."""
        return spectrum.to_spectrum_dataset(self._obj, region, containment_correction, name=name)

    def residuals(self, method: str = "diff", models: Any = None, **options: Any) -> xr.DataArray:
        """Compare the counts with the prediction, see `xgamma.predict.residuals.residuals`."""
        return _residuals.residuals(self._obj, method, models, **options)

    def fake(self, seed: int = 0, models: Any = None, npred_background: Any = None) -> xr.Dataset:
        """Draw random counts about the prediction, see `xgamma.simulate.fake`."""
        return simulate.fake(self._obj, seed, models, npred_background)

    def asimov(self, models: Any = None, npred_background: Any = None) -> xr.Dataset:
        """Replace the counts by the prediction, see `xgamma.simulate.asimov`."""
        return simulate.asimov(self._obj, models, npred_background)

    # Files

    def to_fits(self, path: str | Path, overwrite: bool = False) -> None:
        """Write a FITS file, see `xgamma.io.fits.write_fits`."""
        from xgamma.io.fits import write_fits

        write_fits(self._obj, path, overwrite=overwrite)

    def to_ogip(self, path: str | Path, overwrite: bool = False) -> list[Path]:
        """Write the OGIP files of a spectrum, see `xgamma.io.ogip.write_ogip`."""
        from xgamma.io.ogip import write_ogip

        return write_ogip(self._obj, path, overwrite=overwrite)

    def to_netcdf(self, path: str | Path, overwrite: bool = False, **options: Any) -> None:
        """Write a NetCDF file, see `xgamma.io.netcdf.write_netcdf`."""
        from xgamma.io.netcdf import write_netcdf

        write_netcdf(self._obj, path, overwrite=overwrite, **options)

    def to_zarr(self, path: str | Path, overwrite: bool = False, **options: Any) -> None:
        """Write a Zarr store, see `xgamma.io.zarr.write_zarr`."""
        from xgamma.io.zarr import write_zarr

        write_zarr(self._obj, path, overwrite=overwrite, **options)


def _scan() -> Any:
    """Return the module of scans, which most processes never need."""
    from xgamma.likelihood import scan

    return scan
