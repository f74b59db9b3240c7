"""NetCDF archives."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import xarray as xr

from xgamma.io.atomic import write_beside
from xgamma.io.header import CHECKSUMS, check_checksums, check_format, checksums
from xgamma.io.layout import chunk_shapes, pack
from xgamma.io.trailer import add_trailer, check_trailer

__all__ = ["open_netcdf", "write_netcdf"]


def write_netcdf(ds: xr.Dataset, path: str | os.PathLike[str], overwrite: bool = False, lonlat: bool = True) -> None:
    """Write a dataset to a NetCDF-4 file, whole: `open_archive` gives back an identical one.

    Lazy data are computed and written chunk by chunk. The file is written beside its target and renamed when it is
    complete. Data are compressed and carry checksums.

    Parameters
    ----------
    ds : Dataset
        Any dataset that fits the schema. Variables that the schema does not know are kept.
    path : path-like or str
        The file, in a folder that exists.
    overwrite : bool
        Whether a file that exists is replaced, once the new one is complete.
    lonlat : bool
        Whether longitudes and latitudes of the pixels are stored, for readers that do not know the WCS.

    Raises
    ------
    FileExistsError, FileNotFoundError
        The file exists and `overwrite` is not set, or its folder does not exist.
    ValueError
        The dataset does not fit the schema, or holds what NetCDF cannot; the variable is named.
    """
    plain = pack(ds, lonlat=lonlat)
    for name, variable in plain.variables.items():
        if variable.dtype.kind == "c" or variable.dtype == np.float16:
            raise ValueError(
                f"variable {name!r} is of type {variable.dtype}, which NetCDF does not know: "
                "convert it with astype, split off its imaginary part, or write Zarr"
            )
    with write_beside(path, overwrite=overwrite) as beside:
        plain.to_netcdf(beside, engine="netcdf4", format="NETCDF4", encoding=_encoding(plain))
        _seal(beside)


def _encoding(ds: xr.Dataset) -> dict[str, dict[str, Any]]:
    shapes = chunk_shapes(ds)
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in ds.variables.items():
        options = encoding[str(name)] = {}
        if variable.dtype.kind in "biuf":
            options["_FillValue"] = None
            if name in shapes:
                options |= {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}
                options["chunksizes"] = shapes[str(name)]
    return encoding


def _seal(path: os.PathLike[str]) -> None:
    """Add the checksums of the metadata as they are in the file."""
    import netCDF4

    with _open(path) as raw:
        text = checksums(_describe(raw))
    with netCDF4.Dataset(path, "a") as file:
        file.setncattr(CHECKSUMS, text)
    add_trailer(path)


def open_netcdf(path: str, verify: bool) -> xr.Dataset:
    """Open the plain, raw variables of a file.

    Parameters
    ----------
    path : str
        The file.
    verify : bool
        Whether the file and its metadata are compared with their checksums.

    Returns
    -------
    Dataset
        Lazy, neither decoded nor indexed.

    Raises
    ------
    FileFormatError
        It is no archive of this package, too new, or its metadata are damaged.
    """
    if verify:
        check_trailer(path)
    raw = _open(path)
    try:
        check_format(path, raw.attrs)
        if verify:
            check_checksums(path, raw.attrs, _describe(raw))
    except BaseException:
        raw.close()
        raise
    return raw


def _open(path: str | os.PathLike[str]) -> xr.Dataset:
    return xr.open_dataset(
        path, engine="netcdf4", chunks=None, cache=False, decode_cf=False, create_default_indexes=False
    )


def _describe(raw: xr.Dataset) -> dict[str, Any]:
    description: dict[str, Any] = {"": {key: _json(value) for key, value in raw.attrs.items() if key != CHECKSUMS}}
    for name, variable in raw.variables.items():
        description[str(name)] = [
            list(map(str, variable.dims)),
            list(variable.shape),
            str(variable.dtype),
            {key: _json(value) for key, value in variable.attrs.items()},
            # Unlike chunks, single values carry no checksum of their own in HDF5.
            _json(variable.values) if variable.ndim == 0 else None,
        ]
    return description


def _json(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return _json(value.tolist())
    return value if isinstance(value, str | int | float | list) else str(value)
