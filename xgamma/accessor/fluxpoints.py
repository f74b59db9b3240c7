"""Flux points in other quantities, and as tables: ``ds.gp.sed``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from xgamma import fluxpoints as _flux
from xgamma.accessor.hints import USE_INSTEAD_OF_FLUX
from xgamma.schema import SED_SUFFIXES, SED_TYPES

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["SEDAccessor"]


@dataclass(frozen=True)
class SEDAccessor:
    """Fluxes, errors and limits of flux points, see `xgamma.fluxpoints`."""

    _obj: xr.Dataset

    def __getattr__(self, name: str) -> xr.DataArray:
        """Return errors, limits and references by name: ``dnde_err``, ``flux_ul``, ``dnde_ref``."""
        base, _, end = name.rpartition("_")
        if base in SED_TYPES.values() and end == "ref":
            return _flux.reference(self._obj, base)
        if base in SED_TYPES.values() and f"_{end}" in SED_SUFFIXES:
            return _flux.quantity(self._obj, name)
        if name in USE_INSTEAD_OF_FLUX:
            raise AttributeError(f"flux points have no {name!r} here: use {USE_INSTEAD_OF_FLUX[name]}")
        raise AttributeError(f"flux points have no quantity, error or limit {name!r}")

    @property
    def type(self) -> str:
        """In which quantity the fluxes are given, see `xgamma.fluxpoints.sed_type`."""
        return _flux.sed_type(self._obj)

    @property
    def norm(self) -> xr.DataArray:
        """Norms of the reference model."""
        return _flux.quantity(self._obj, "norm")

    @property
    def dnde(self) -> xr.DataArray:
        """Differential fluxes."""
        return _flux.quantity(self._obj, "dnde")

    @property
    def e2dnde(self) -> xr.DataArray:
        """Energy squared x differential fluxes."""
        return _flux.quantity(self._obj, "e2dnde")

    @property
    def flux(self) -> xr.DataArray:
        """Fluxes in the bins."""
        return _flux.quantity(self._obj, "flux")

    @property
    def eflux(self) -> xr.DataArray:
        """Energy fluxes in the bins."""
        return _flux.quantity(self._obj, "eflux")

    @property
    def is_ul(self) -> xr.DataArray:
        """Points that are upper limits, see `xgamma.fluxpoints.is_ul`."""
        return _flux.is_ul(self._obj)

    @property
    def sqrt_ts(self) -> xr.DataArray:
        """Significances, see `xgamma.fluxpoints.sqrt_ts`."""
        return _flux.sqrt_ts(self._obj)

    @property
    def mask_valid(self) -> xr.DataArray:
        """Points that the fit statistic can use, see `xgamma.fluxpoints.mask_valid`."""
        return _flux.mask_valid(self._obj)

    @property
    def n_sigma_ul(self) -> float | None:
        """How many standard deviations upper limits are, see `xgamma.fluxpoints.n_sigma_ul`."""
        return _flux.n_sigma_ul(self._obj)

    @property
    def reference_model(self) -> Any:
        """The model that converts between quantities, see `xgamma.fluxpoints.reference_model`."""
        return _flux.reference_model(self._obj)

    def quantity(self, name: str) -> xr.DataArray:
        """Fluxes, errors or limits by name, such as ``e2dnde_ul``, see `xgamma.fluxpoints.quantity`."""
        return _flux.quantity(self._obj, name)

    def reference(self, name: str) -> xr.DataArray:
        """Return what the reference model predicts, see `xgamma.fluxpoints.reference`."""
        return _flux.reference(self._obj, name)

    def assign_reference_model(self, model: Any) -> xr.Dataset:
        """Convert by another model, see `xgamma.fluxpoints.assign_reference_model`."""
        return _flux.assign_reference_model(self._obj, model)

    def to_table(self, sed_type: str | None = None) -> Table:
        """Return an astropy table, see `xgamma.io.fluxpoints.flux_points_to_table`."""
        from xgamma.io.fluxpoints import flux_points_to_table

        return flux_points_to_table(self._obj, sed_type)

    def to_fits(self, path: str | Path, sed_type: str | None = None, overwrite: bool = False) -> None:
        """Write a FITS file, see `xgamma.io.fluxpoints.write_flux_fits`."""
        from xgamma.io.fluxpoints import write_flux_fits

        write_flux_fits(self._obj, path, sed_type=sed_type, overwrite=overwrite)

    def to_ecsv(self, path: str | Path, sed_type: str | None = None, overwrite: bool = False) -> None:
        """Write an ECSV file, see `xgamma.io.fluxpoints.write_ecsv`."""
        from xgamma.io.fluxpoints import write_ecsv

        write_ecsv(self._obj, path, sed_type=sed_type, overwrite=overwrite)
