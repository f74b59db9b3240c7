"""From a dataset to a FITS file that gammapy reads."""

from __future__ import annotations

import gzip
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import xarray as xr
from astropy.io import fits

from xgamma.atomic import write_beside
from xgamma.coords import Axis, GridNames, SkyGrid, suffixes
from xgamma.io.fits.extras import EXTRAS_HDU, extras_json, meta_columns, meta_json
from xgamma.io.fits.header import axis_cards, bands_hdu, data_hdu, make_header, sky_cards
from xgamma.io.fits.region import region_hdu
from xgamma.io.fits.stream import STORED, write_image, write_primary, write_table
from xgamma.schema import AXES, FORMAT, VARIABLES, base_name, is_flux_points, suffix_of
from xgamma.validate import check_structure

__all__ = ["write_fits", "write_jobs"]

_GTI = ("gti_start", "gti_stop")
_ATTRS_ELSEWHERE = ("format", "format_version")

Job = Callable[[BinaryIO], None]


def write_fits(ds: xr.Dataset, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a dataset to a FITS file, with checksums, that gammapy reads.

    Models, history and whatever else FITS maps have no place for go into a table XGAMMA, from which
    `xgamma.open_dataset` restores them. Dask arrays are computed and written some chunks at a time.

    Parameters
    ----------
    ds : Dataset
        A dataset that holds what `xgamma.schema` declares; the order of its dims carries no meaning. Flux points become
        a table, see `xgamma.io.fluxpoints.write_flux_fits`.
    path : path-like or str
        The file. It is gzipped if the name ends in ``.gz``. It appears when it is complete.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    ValueError
        The dataset cannot be expressed in FITS: its map or axes have gaps, or there are variables that the schema
        does not know. The way out is named.
    FileExistsError
        The file exists and `overwrite` is not set.
    """
    if is_flux_points(ds):
        from xgamma.io.fluxpoints import write_flux_fits

        return write_flux_fits(ds, path, overwrite=overwrite)
    write_jobs(_jobs(ds), path, overwrite)


def write_jobs(jobs: list[Job], path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write the extensions of a file, gzipped if its name ends in ``.gz``; it appears when it is complete."""
    with write_beside(path, overwrite) as beside:
        if beside.suffix != ".gz":
            with beside.open("wb+") as stream:
                _run(jobs, stream)
            return
        # The checksums go before the data, so that a compressed file cannot be written in one pass.
        with tempfile.TemporaryFile(dir=beside.parent) as plain:
            _run(jobs, plain)
            plain.seek(0)
            with beside.open("wb") as target, gzip.GzipFile("", "wb", 6, target, mtime=0) as packed:
                shutil.copyfileobj(plain, packed, 1 << 20)


def _run(jobs: list[Job], stream: BinaryIO) -> None:
    for job in jobs:
        job(stream)


def _jobs(ds: xr.Dataset) -> list[Job]:
    """Return what is to be written, in order; whatever is wrong with the dataset is found here."""
    strangers = [str(name) for name in ds.data_vars if name not in VARIABLES]
    if strangers:
        raise ValueError(
            f"the variables {strangers} have no place in a FITS file of this format: "
            "drop them with drop_vars (--drop of the command xgamma convert), or write NetCDF or Zarr"
        )
    check_structure(ds)
    scalars = _scalar_coords(ds)
    jobs: list[Job] = []
    for name in VARIABLES:
        if name in ds.data_vars and VARIABLES[name].hdu is not None:
            jobs += _map_jobs(ds, name)
    if not jobs:
        raise ValueError(f"the dataset holds no map: there are the variables {sorted(map(str, ds.data_vars))}")
    if any(name in ds.data_vars for name in _GTI):
        jobs.append(partial(write_table, hdu=_gti_hdu(ds)))
    attrs = {str(key): value for key, value in ds.attrs.items() if key not in _ATTRS_ELSEWHERE}
    primary: dict[str, Any] = {}
    title = attrs.get("name")
    if isinstance(title, str) and title and title == title.strip() and title.isascii() and title.isprintable():
        primary["NAME"] = attrs.pop("name")
    meta = meta_columns(attrs["meta"]) if isinstance(attrs.get("meta"), str) else {}
    if meta:
        jobs.append(partial(write_table, hdu=_meta_hdu(meta)))
        if meta_json(meta) == attrs["meta"]:
            del attrs["meta"]
    text = extras_json(ds, attrs, scalars, "livetime" in ds and "exposure" not in ds)
    column = fits.Column("JSON", f"{len(text)}A", array=np.array([text.encode("ascii")]))
    jobs.append(partial(write_table, hdu=fits.BinTableHDU.from_columns([column], name=EXTRAS_HDU)))
    header = make_header({"NEXTEND": len(jobs), **primary, "CREATOR": FORMAT})
    return [partial(write_primary, header=header), *jobs]


def _scalar_coords(ds: xr.Dataset) -> list[str]:
    """Return the names of scalar coordinates of no grid, and refuse coordinates that would be lost."""
    known = {f"{dim}{end}" for dim in ds.dims for end in ("", "_min", "_max") if base_name(str(dim)) in AXES}
    for suffix in suffixes(ds):
        known |= {GridNames(suffix)[name] for name in ("y", "x", "lon", "lat", "wcs")}
    others = [str(name) for name in ds.coords if name not in known]
    wrong = [name for name in others if ds[name].ndim or ds[name].dtype.kind not in "iuf"]
    if wrong:
        raise ValueError(f"the coordinates {wrong} have no place in a FITS file: drop them with drop_vars")
    return others


def _map_jobs(ds: xr.Dataset, name: str) -> list[Job]:
    spec = VARIABLES[name]
    hdu = str(spec.hdu)
    jobs: list[Job]
    dims = _dims(ds[name], name)
    variable = ds[name].variable.transpose(*dims)
    if variable.dtype.str[1:] not in STORED:
        raise ValueError(f"variable {name!r} has the type {variable.dtype}, which FITS does not have: convert it")
    if 0 in variable.shape:
        raise ValueError(f"variable {name!r} is empty, with the shape {variable.shape}: there is nothing to write")
    sky = [dim for dim in dims if base_name(dim) in ("y", "x")]
    axes = [Axis.from_dataset(ds, dim) for dim in dims if dim not in sky]
    axes, variable = _with_single_bin(ds, name, axes, variable)
    units = "" if spec.dtype == "b" else str(ds[name].attrs.get("units", spec.unit))
    cards: dict[str, Any] = {"BANDSHDU": f"{hdu}_BANDS", "META": _meta_text(ds, name)}
    bands = partial(write_table, hdu=bands_hdu(f"{hdu}_BANDS", axes))
    if not sky:
        values = np.asarray(variable.values)
        values = values.astype({"b1": "u1", "i1": "i2", "u2": "i4", "u4": "i8"}.get(values.dtype.str[1:], values.dtype))
        jobs = [partial(write_table, hdu=data_hdu(hdu, values, units, axes, cards)), bands]
        if spec.grid not in ("psf", "edisp") and "region" in ds.attrs:
            jobs.append(partial(write_table, hdu=region_hdu(ds, f"{hdu}_REGION")))
        return jobs
    grid = SkyGrid.from_dataset(ds, suffix_of(sky[0]))
    try:
        sky_part = sky_cards(grid, axes)
    except ValueError as error:
        raise ValueError(f"variable {name!r} cannot be written to a FITS file: {error}") from error
    header = make_header({**sky_part, **axis_cards(axes), "EXTNAME": hdu, "BUNIT": units, **cards})
    return [partial(write_image, header=header, variable=variable), bands]


def _dims(array: xr.DataArray, name: str) -> list[str]:
    """Return the dims of a variable in the order of the schema."""
    spec = VARIABLES[name]
    bases = {base_name(str(dim)): str(dim) for dim in array.dims}
    order = [spec.alternatives.get(dim, dim) if dim not in bases else dim for dim in spec.dims]
    if not {"y", "x"} & bases.keys():
        order = order[:-2]
    if sorted(order) != sorted(bases):
        raise ValueError(
            f"variable {name!r} has the dims {array.dims}, but a FITS file needs {tuple(order)}: "
            "select single bins with slices, which keep the dim"
        )
    return [bases[dim] for dim in order]


def _with_single_bin(
    ds: xr.Dataset, name: str, axes: list[Axis], variable: xr.Variable
) -> tuple[list[Axis], xr.Variable]:
    """Give exposures of responses the axis of one bin, over the range of the response's own, that gammapy expects."""
    owner = name.removesuffix("_exposure")
    if owner == name or owner not in ds:
        return axes, variable
    bases = {
        axis.name: axis for axis in (Axis.from_dataset(ds, d) for d in ds[owner].dims if base_name(str(d)) in AXES)
    }
    extra = [axis for dim, axis in bases.items() if dim not in variable.dims]
    if len(extra) != 1:
        return axes, variable
    (axis,) = extra
    single = Axis.from_edges(axis.name, [axis.lower.min(), axis.upper.max()], axis.unit, axis.interp)
    expanded = variable.set_dims({axis.name: 1, **variable.sizes})
    return [axes[0], single], expanded.transpose(variable.dims[0], axis.name, *variable.dims[1:])


def _meta_text(ds: xr.Dataset, name: str) -> str:
    if name != "exposure" or "livetime" not in ds:
        return "{}"
    livetime = ds["livetime"]
    return json.dumps({"livetime": f"{float(livetime)!r} {livetime.attrs.get('units', 's')}"})


def _gti_hdu(ds: xr.Dataset) -> fits.BinTableHDU:
    missing = [name for name in _GTI if name not in ds.data_vars]
    if missing:
        raise ValueError(f"the variable {missing[0]!r} is missing, without which good time intervals have no meaning")
    attrs = ds[_GTI[0]].attrs
    keys = ("mjdrefi", "mjdreff", "timesys", "units")
    for name in _GTI:
        lacking = [key for key in keys if key not in ds[name].attrs or ds[name].attrs[key] != attrs[key]]
        if lacking:
            raise ValueError(f"the attrs {lacking} of {name!r} are missing, or differ from those of {_GTI[0]!r}")
    columns = [
        fits.Column(column, "D", unit=str(attrs["units"]), array=np.asarray(ds[name].values, float))
        for name, column in zip(_GTI, ("START", "STOP"), strict=True)
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="GTI")
    day, fraction = int(attrs["mjdrefi"]), float(attrs["mjdreff"])
    hdu.header += make_header({"MJDREFI": day, "MJDREFF": fraction, "TIMESYS": str(attrs["timesys"])})
    return hdu


def _meta_hdu(columns: dict[str, np.ndarray]) -> fits.BinTableHDU:
    made = []
    for name, values in columns.items():
        count = math.prod(values.shape[1:])
        if values.dtype.kind == "S":
            width = values.dtype.itemsize
            form, dim = f"{count * width}A", f"({width},{count})" if values.ndim > 1 else None
        else:
            code = {"i": "K", "f": "D", "b": "L"}[values.dtype.kind]
            form, dim = f"{count}{code}", f"({count})" if values.ndim > 1 else None
        made.append(fits.Column(name, form, dim=dim, array=values))
    return fits.BinTableHDU.from_columns(made, name="META_TABLE")
