"""NetCDF archives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xgamma.atomic import write_beside
from xgamma.io.header import CHECKSUMS, check_checksums, check_format, checksums
from xgamma.io.layout import chunk_shapes, pack
from xgamma.io.trailer import add_trailer, check_trailer

__all__ = ["NetcdfGroup", "open_netcdf", "open_netcdf_groups", "write_netcdf", "write_netcdf_groups"]


@dataclass(frozen=True)
class NetcdfGroup:
    """A dataset in a file with many: they share one open file, since to open a large one takes seconds.

    Attributes
    ----------
    path : str
        The file.
    name : str
        The group.
    mtime : float
        When the file was changed last, which tells its dask arrays from those of a later file.
    store : NetCDF4DataStore
        What reads the group.
    """

    path: str
    name: str
    mtime: float
    store: Any

    def __dask_tokenize__(self) -> tuple[str, str, float]:
        return self.path, self.name, self.mtime


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
    plain = _storable(ds, lonlat)
    with write_beside(path, overwrite=overwrite) as beside:
        plain.to_netcdf(beside, engine="netcdf4", format="NETCDF4", encoding=_encoding(plain))
        _seal(beside)


def write_netcdf_groups(
    groups: Mapping[str, xr.Dataset],
    path: str | os.PathLike[str],
    attrs: Mapping[str, str],
    overwrite: bool = False,
    lonlat: bool = True,
) -> None:
    """Write datasets to one NetCDF-4 file, a group each.

    Parameters
    ----------
    groups : mapping of str to Dataset
        Names of groups, and what `write_netcdf` could write.
    path, overwrite, lonlat
        As for `write_netcdf`.
    attrs : mapping of str to str
        Attrs of the file, as `xgamma.io.header.check_format` wants them.

    Raises
    ------
    FileExistsError, FileNotFoundError, ValueError
        As for `write_netcdf`.
    """
    plain = {f"/{name}": _storable(ds, lonlat) for name, ds in groups.items()}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=dict(attrs)), **plain})
    with write_beside(path, overwrite=overwrite) as beside:
        encoding = {name: _encoding(part) for name, part in plain.items()}
        tree.to_netcdf(beside, engine="netcdf4", format="NETCDF4", encoding=encoding)
        _seal(beside, list(groups))


def _storable(ds: xr.Dataset, lonlat: bool) -> xr.Dataset:
    plain = pack(ds, lonlat=lonlat)
    for name, variable in plain.variables.items():
        if variable.dtype.kind == "c" or variable.dtype == np.float16:
            raise ValueError(
                f"variable {name!r} is of type {variable.dtype}, which NetCDF does not know: "
                "convert it with astype, split off its imaginary part, or write Zarr"
            )
    return plain


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


def _seal(path: os.PathLike[str], groups: list[str] | None = None) -> None:
    """Add the checksums of the metadata as they are in the file."""
    import netCDF4
    from xarray.backends import NetCDF4DataStore

    store = NetCDF4DataStore.open(path)
    try:
        texts = {group: _checksums(store.get_child_store(group)) for group in groups or ()} | {"": _checksums(store)}
    finally:
        store.close()
    with netCDF4.Dataset(path, "a") as file:
        for group, text in texts.items():
            (file.groups[group] if group else file).setncattr(CHECKSUMS, text)
    add_trailer(path)


def _checksums(store: Any) -> str:
    return checksums(_describe(_open(store)))


def open_netcdf(source: str | NetcdfGroup, verify: bool) -> xr.Dataset:
    """Open the plain, raw variables of a file, or of a group in it.

    Parameters
    ----------
    source : str or NetcdfGroup
        The file, or the group.
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
    if isinstance(source, NetcdfGroup):
        raw, path = _open(source.store), f"{source.path}, group {source.name!r}"
    else:
        if verify:
            check_trailer(source)
        raw, path = _open(source), source
    try:
        check_format(path, raw.attrs)
        if verify:
            check_checksums(path, raw.attrs, _describe(raw))
    except BaseException:
        raw.close()
        raise
    return raw


def open_netcdf_groups(path: str, verify: bool = True) -> tuple[dict[str, Any], dict[str, NetcdfGroup]]:
    """Open a file with many datasets.

    Parameters
    ----------
    path : str
        The file.
    verify : bool
        As for `open_netcdf`.

    Returns
    -------
    attrs : dict
        Attrs of the file.
    groups : dict of str to NetcdfGroup
        Each opened by `xgamma.io.archive.open_archive`.

    Raises
    ------
    FileFormatError
        It is no such file, too new, or damaged.
    """
    from xarray.backends import NetCDF4DataStore

    if verify:
        check_trailer(path)
    mtime = os.path.getmtime(path)
    store = NetCDF4DataStore.open(path)
    try:
        raw = _open(store)
        check_format(path, raw.attrs, many=True)
        if verify:
            check_checksums(path, raw.attrs, _describe(raw))
        names = list(store.ds.groups)
    except BaseException:
        store.close()
        raise
    return raw.attrs, {name: NetcdfGroup(path, name, mtime, store.get_child_store(name)) for name in names}


def _open(source: Any) -> xr.Dataset:
    engine = "netcdf4" if isinstance(source, str | os.PathLike) else "store"
    return xr.open_dataset(
        source, engine=engine, chunks=None, cache=False, decode_cf=False, create_default_indexes=False
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
