"""Archives: datasets in NetCDF files and Zarr stores, opened as they were written."""

from __future__ import annotations

import os
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from xgamma.io.errors import FileFormatError
from xgamma.io.guard import guard, naming
from xgamma.io.layout import unpack
from xgamma.io.netcdf import NetcdfGroup, open_netcdf
from xgamma.io.zarr import open_zarr
from xgamma.paths import absolute
from xgamma.validate import check_structure

__all__ = ["archive_kind", "open_archive", "open_plain"]

_MAGIC = {b"\x89HDF\r\n\x1a\n": "netcdf", b"CDF\x01": "netcdf", b"CDF\x02": "netcdf", b"CDF\x05": "netcdf"}

# Coordinates and tables up to this size are read at once.
_SMALL = 2**20


def open_archive(
    path: str | os.PathLike[str] | NetcdfGroup,
    chunks: int | str | dict[Any, Any] | None = None,
    name: str | None = None,
    verify: bool = True,
) -> xr.Dataset:
    """Open a dataset that `write_netcdf` or `write_zarr` wrote, identical to what was written.

    Nothing but metadata, axes and tables is read; data are read, and their checksums compared, when they are needed.

    Parameters
    ----------
    path : path-like, str or NetcdfGroup
        A NetCDF file or a group of one, the folder of a Zarr store, or the URL of a Zarr store that fsspec can read.
    chunks : int, dict or "auto", optional
        As for `xarray.open_dataset`: with ``{}`` data are dask arrays in the chunks of the archive.
    name : str, optional
        Name of the dataset. Left out, it is the one in the archive.
    verify : bool
        Whether metadata are compared with their checksums, and a store is refused that lacks chunks or in which a
        write was broken off. Switch it off to rescue what is left of an archive, or one that was edited on purpose.

    Returns
    -------
    Dataset
        With all variables, coordinates, indexes and attrs.

    Raises
    ------
    FileNotFoundError
        There is no such file or folder.
    FileFormatError
        It is no archive of this package, too new, incomplete or damaged. A ValueError that names file and part.
    """
    if isinstance(path, NetcdfGroup):
        text = f"{path.path}, group {path.name!r}"
        plain = open_plain(path, chunks, verify)
    else:
        text = os.fspath(path)
        if "://" not in text:
            text = absolute(text)
        plain = open_plain(text, chunks, verify)
    try:
        ds = unpack(plain)
        check_structure(ds)
    except BaseException as error:
        plain.close()
        if isinstance(error, ValueError | KeyError | TypeError) and not isinstance(error, FileFormatError):
            raise FileFormatError(text, "", f"does not hold a dataset of xgamma: {error}") from error
        raise
    ds = ds if name is None else ds.assign_attrs(name=name)
    ds.set_close(plain.close)
    return ds


def open_plain(path: str | NetcdfGroup, chunks: Any = None, verify: bool = True) -> xr.Dataset:
    """Open an archive without the indexes of this package.

    Parameters
    ----------
    path : str or NetcdfGroup
        An absolute path, a URL, or a group.
    chunks, verify
        As for `open_archive`.

    Returns
    -------
    Dataset
        As `xgamma.io.layout.pack` made it.
    """
    source: Any = path  # xarray hands on what it does not know
    with naming(path if isinstance(path, str) else path.path, "" if isinstance(path, str) else path.name):
        ds = xr.open_dataset(source, engine=_ArchiveBackend, chunks=chunks, verify=verify)
        try:
            return ds if chunks is None else _read_tables(ds)
        except BaseException:
            ds.close()
            raise


def _read_tables(ds: xr.Dataset) -> xr.Dataset:
    """Read axes and tables: as dask arrays they would only be slow."""
    import dask

    small = {n: v for n, v in ds.variables.items() if v.chunks and v.ndim < 2 and v.nbytes <= _SMALL}
    # It is opening that reads them, here and now, whatever scheduler is set for the data.
    (read,) = dask.compute(small, scheduler="synchronous")
    # An order of bytes that is spelled out, as Zarr does it, is none that NetCDF takes for the machine's own.
    for name, variable in read.items():
        if variable.dtype.byteorder == "<":
            read[name] = variable.copy(data=variable.to_numpy().astype(variable.dtype.newbyteorder("=")))
    result = ds.assign(read)
    result.set_close(ds.close)
    return result


class _ArchiveBackend(BackendEntrypoint):
    """Lets xarray do what it does for its own formats: cache, chunk and close."""

    open_dataset_parameters = ("filename_or_obj", "drop_variables", "verify")

    def open_dataset(self, filename_or_obj: Any, *, drop_variables: Any = None, verify: bool = True) -> xr.Dataset:
        group = ""
        if isinstance(filename_or_obj, NetcdfGroup):
            path, group = filename_or_obj.path, filename_or_obj.name
            raw = open_netcdf(filename_or_obj, verify)
        else:
            path = os.fspath(filename_or_obj)
            raw = (open_zarr if archive_kind(path) == "zarr" else open_netcdf)(path, verify)
        try:
            return _decode_cf(raw, path, group)
        except BaseException:
            raw.close()
            raise


def _decode_cf(raw: xr.Dataset, path: str, group: str) -> xr.Dataset:
    # Units of time stand here for plain numbers; a user's own timedeltas carry their type as an attr.
    deltas = {
        str(name): str(variable.attrs.get("dtype", "")).startswith("timedelta64")
        for name, variable in raw.variables.items()
    }
    ds = xr.decode_cf(guard(raw, path, group), mask_and_scale=False, decode_timedelta=deltas)
    ds.set_close(raw.close)
    return ds


def archive_kind(path: str) -> str:
    """Tell what an archive is, by its content.

    Parameters
    ----------
    path : str
        A path or a URL.

    Returns
    -------
    {"zarr", "netcdf"}

    Raises
    ------
    FileNotFoundError
        There is no such file or folder.
    FileFormatError
        It is neither.
    """
    if "://" in path:
        return "zarr"
    if os.path.isdir(path):
        if any(os.path.isfile(os.path.join(path, name)) for name in ("zarr.json", ".zgroup")):
            return "zarr"
        raise FileFormatError(path, "", "is a folder without a zarr.json in it, and so no Zarr store")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    with open(path, "rb") as stream:
        start = stream.read(80)
    if not start:
        raise FileFormatError(path, "", "is empty")
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    if start.startswith((b"SIMPLE", b"\x1f\x8b")):
        raise FileFormatError(path, "", "is a FITS or a compressed file, no archive: open it with xgamma.open_dataset")
    raise FileFormatError(path, "", f"is neither NetCDF nor Zarr: it begins with {start[:8]!r}")
