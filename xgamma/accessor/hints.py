"""What to use here in place of attributes that users know from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import xarray as xr

from xgamma.schema import VARIABLES

__all__ = ["USE_INSTEAD", "USE_INSTEAD_OF_FLUX", "advice"]

USE_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "background_model": "ds.gp.models",
        "copy": "ds.copy(), and ds.assign_attrs(name=...) for another name",
        "create": "xgamma.create_map_dataset(...) or xgamma.create_spectrum_dataset(...)",
        "energy_range_total": "ds.gp.energy_range",
        "from_geoms": "xgamma.create_map_dataset(like=...)",
        "from_map_dataset": "ds.gp.to_onoff(acceptance, acceptance_off)",
        "from_spectrum_dataset": "ds.gp.to_onoff(acceptance, acceptance_off)",
        "gti": "ds[['gti_start', 'gti_stop']]",
        "info_dict": "ds.gp.info()",
        "mask_fit_image": "ds.mask_fit.any('energy')",
        "mask_safe_image": "ds.mask_safe.any('energy')",
        "mask_valid": "ds.gp.sed.mask_valid",
        "meta": "ds.attrs",
        "meta_table": "ds.attrs['meta']",
        "read": "xgamma.open_dataset(path)",
        "to_map_dataset": "ds.gp.to_cash()",
        "to_table": "ds.gp.sed.to_table()",
        "write": "ds.gp.to_fits(path), to_netcdf(path), to_zarr(path) or to_ogip(path)",
    }
)
"""Names of gammapy's datasets, and what does the same."""

USE_INSTEAD_OF_FLUX: Mapping[str, str] = MappingProxyType(
    {
        "available_quantities": "ds.data_vars",
        "energy_axis": "ds.energy",
        "energy_max": "ds.energy_max",
        "energy_min": "ds.energy_min",
        "energy_ref": "ds.energy",
        "n_sigma": "ds.attrs['n_sigma']",
        "sed_type_init": "ds.attrs['sed_type_init']",
        "slice_by_energy": "ds.gp.slice_by_energy(energy_min, energy_max)",
        "sqrt_ts_threshold_ul": "ds.attrs['sqrt_ts_threshold_ul']",
        "stat_scan": "ds.stat_scan",
        "ts": "ds.ts",
        "write": "to_fits(path) or to_ecsv(path)",
    }
)
"""Names of gammapy's flux points, and what does the same."""


def advice(ds: xr.Dataset, name: str) -> str | None:
    """Tell what to use for an attribute that ``ds.gp`` does not have; None where nothing is known."""
    if name in ds.variables:
        return f"ds[{name!r}]"
    if name in VARIABLES:
        return f"ds[{name!r}], which this dataset does not have"
    return USE_INSTEAD.get(name)
