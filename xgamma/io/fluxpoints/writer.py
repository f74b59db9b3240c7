"""From flux points to a table."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.table import Column, Table

from xgamma.coords import Axis
from xgamma.fluxpoints import has_scan_of_unknown_reference, is_ul, n_sigma_ul, reference, sed_type, to_sed_type
from xgamma.io.fits.extras import Extras, extras_json
from xgamma.schema import FLUX_VARIABLES, SED_TYPES, is_flux_points
from xgamma.validate import check_structure

__all__ = ["MASKS", "extras_of_points", "flux_points_to_table", "with_extras"]

MASKS = ("mask_safe", "mask_fit")
_TIMES = ("gti_start", "gti_stop", "livetime")
_GIVEN = ("units", "interp", "node_type", "mjdrefi", "mjdreff", "timesys")
"""Attrs that the tables themselves tell."""


def flux_points_to_table(ds: xr.Dataset, sed_type: str | None = None) -> Table:
    """Return flux points as a table in the form ``gadf-sed``.

    Parameters
    ----------
    ds : Dataset
        Flux points. Lazy ones are computed.
    sed_type : {"dnde", "e2dnde", "flux", "eflux", "likelihood"}, optional
        The quantity, by default that of the dataset.

    Returns
    -------
    Table
        With the columns of gamma-astro-data-formats and the keywords SED_TYPE and UL_CONF. Energy ranges are left out
        where they are not known, ``is_ul`` is told wherever there are limits.

    Raises
    ------
    ValueError
        If there are no flux points, they cannot be converted, or have a dim for which a table has no place.
    """
    if not is_flux_points(ds):
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' holds no flux points: there is nothing to tabulate.")
    check_structure(ds)
    ds = (ds if sed_type is None else to_sed_type(ds, sed_type)).compute()
    own = _own(ds)
    axis = Axis.from_dataset(ds, "energy")
    table = Table(meta={"SED_TYPE": own})
    table["e_ref"] = _column("e_ref", axis.center, axis.unit)
    if axis.node_type == "edges":
        table["e_min"] = _column("e_min", axis.lower, axis.unit)
        table["e_max"] = _column("e_max", axis.upper, axis.unit)
    # Norms, those of a scan too, mean nothing without their model.
    if own == "likelihood" or ("norm_scan" in ds and not has_scan_of_unknown_reference(ds)):
        for name in ("dnde", "flux", "eflux"):
            if name == "dnde" or axis.node_type == "edges":
                table[f"ref_{name}"] = _column(f"ref_{name}", reference(ds, name).values, reference(ds, name).units)
    names = [key for key in FLUX_VARIABLES if key in ds and key not in _TIMES]
    names += [str(key) for key in ds.data_vars if key not in FLUX_VARIABLES]
    for name in names:
        variable = ds[name].variable
        if variable.dims[:1] != ("energy",):
            if "energy" not in variable.dims:
                raise ValueError(
                    f"variable '{name}' has dims {variable.dims}, for which a table of points has no place: "
                    "drop it with drop_vars, or write NetCDF or Zarr"
                )
            variable = variable.transpose("energy", ...)
        if name not in table.colnames:
            table[name] = _column(name, variable.values, variable.attrs.get("units", ""))
    if f"{SED_TYPES[own]}_ul" in ds and "is_ul" not in ds:
        table["is_ul"] = _column("is_ul", is_ul(ds).values, "")
    sigmas = n_sigma_ul(ds)
    if sigmas is not None:
        table.meta["UL_CONF"] = float(ds.attrs.get("ul_conf", _confidence(sigmas)))
    # Programs look for these under names in small letters.
    table.meta |= {name: float(ds.attrs[name]) for name in ("n_sigma", "sqrt_ts_threshold_ul") if name in ds.attrs}
    return table


def extras_of_points(ds: xr.Dataset) -> str:
    """Return as JSON text what a table of flux points has no place for: attrs, scalar coordinates, the livetime.

    Raises
    ------
    ValueError
        An attr cannot be expressed in JSON, or a coordinate is none of these.
    """
    bins = {"energy", "energy_min", "energy_max"}
    others = [str(name) for name in ds.coords if name not in bins]
    strange = [name for name in others if ds[name].ndim or ds[name].dtype.kind not in "iuf"]
    if strange:
        raise ValueError(
            f"coordinate '{strange[0]}' has no place in a table of flux points: drop it with drop_vars, make it a "
            "variable with reset_coords, or write NetCDF or Zarr"
        )
    attrs = {key: value for key, value in ds.attrs.items() if key not in ("format", "format_version")}
    return extras_json(ds, attrs, others, "livetime" in ds)


def with_extras(ds: xr.Dataset, extras: Extras) -> xr.Dataset:
    """Return a dataset with what `extras_of_points` kept of it."""
    out = ds.assign_coords(extras.coords)
    if extras.variables:
        out = _without_derived(out, set(extras.variables))
    for name, kept in extras.variables.items():
        if name in out.variables:
            own = out[name].attrs
            units = {key: own[key] for key in _GIVEN if key in own}
            out[name].attrs = {**units, **kept}
    if extras.livetime is not None:
        out["livetime"] = ((), extras.livetime, {"units": "s", **extras.variables.get("livetime", {})})
    # What the table itself says comes first, for another program may have changed it.
    told = {key: ds.attrs[key] for key in ("format", "format_version", "sed_type")}
    numbers = {key: ds.attrs[key] for key in ("ul_conf",) if key in extras.attrs and key in ds.attrs}
    return out.assign_attrs({**extras.attrs, **told, **numbers})


def _without_derived(ds: xr.Dataset, known: set[str]) -> xr.Dataset:
    """Drop what was written for other programs alone, since it follows from the rest."""
    derived = ("ref_dnde", "ref_flux", "ref_eflux", *MASKS)
    out = ds.drop_vars([name for name in derived if name in ds and name not in known])
    if "is_ul" in ds and "is_ul" not in known:
        without = out.drop_vars("is_ul")
        out = without if is_ul(without).equals(is_ul(out)) else out
    return out


def _own(ds: xr.Dataset) -> str:
    return sed_type(ds)


def _confidence(sigmas: float) -> float:
    from scipy.special import ndtr

    return float(2 * ndtr(sigmas) - 1)


def _column(name: str, values: np.ndarray, units: Any) -> Column:
    unit = u.Unit(units) if units else None
    return Column(np.array(values), name=name, unit=unit)
