"""Open a dataset, whatever file holds it."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import xarray as xr

from xgamma.io.engine import XgammaBackendEntrypoint
from xgamma.io.errors import FileFormatError
from xgamma.paths import expanded

__all__ = ["open_dataset"]


def open_dataset(
    path: str | os.PathLike[str], chunks: int | str | dict[Any, Any] | None = None, name: str | None = None
) -> xr.Dataset:
    """Open a dataset of a FITS, NetCDF, Zarr or ECSV file.

    Nothing but headers, tables and coordinates is read; data are read when they are needed. The files of a spectrum in
    OGIP format and tables of flux points are small, and read at once: `xgamma.io.ogip.open_ogip` and
    `xgamma.io.fluxpoints.open_flux_fits` tell how.

    Parameters
    ----------
    path : path-like or str
        A FITS file (plain or gzipped) with a map dataset, an OGIP file of counts (PHA) beside the files that it names,
        a table of flux points in FITS or ECSV, or an archive that xgamma wrote. What it is follows from its content.
        Environment variables and ``~`` are put in.
    chunks : int, dict or "auto", optional
        As for `xarray.open_dataset`: with ``{}`` data are dask arrays in the chunks of the file. Left out, they are
        numpy arrays that are loaded when they are used first.
    name : str, optional
        Name of the dataset. Left out, it is what the file tells.

    Returns
    -------
    Dataset
        With the variables, dims and units that `xgamma.schema` declares.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    FileFormatError
        The file is damaged, or of another kind. A ValueError that names the file and its part.
    ValueError
        The chunks name a dim that the dataset does not have.

    Examples
    --------
    >>> ds = xg.open_dataset("cta-1dc-gc.fits.gz", chunks={})  # doctest: +SKIP
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(f"a path is needed, as str or Path, not {type(path).__name__}")
    ds = _open(path, chunks, name)
    unknown = [dim for dim in chunks if dim not in ds.dims] if isinstance(chunks, dict) else []
    if unknown:
        ds.close()
        raise ValueError(
            f"chunks names {unknown}, and {os.fspath(path)} has no such dims: it has {', '.join(map(str, ds.dims))}"
        )
    return ds


def _open(path: str | os.PathLike[str], chunks: Any, name: str | None) -> xr.Dataset:
    text = os.fspath(path)
    if _is_table(text):
        from xgamma.io.fluxpoints import open_ecsv

        return _chunked(open_ecsv(text, name=name), chunks)
    if _is_fits(text):
        return _open_fits(text, chunks, name)
    from xgamma.io.archive import open_archive

    return open_archive(path, chunks=chunks, name=name)


def _open_fits(path: str, chunks: Any, name: str | None) -> xr.Dataset:
    options: dict[str, Any] = {} if name is None else {"name": name}
    try:
        return _with_plain_coords(xr.open_dataset(path, engine=XgammaBackendEntrypoint, chunks=chunks, **options))
    except FileFormatError:
        # Looked at second, so that maps, which may have to be unpacked, are opened once.
        opener = _opener_of_tables(path)
        if opener is None:
            raise
    return _chunked(opener(path, name=name), chunks)


def _opener_of_tables(path: str) -> Callable[..., xr.Dataset] | None:
    """Return what opens a FITS file that holds tables in place of maps, None if nothing does."""
    from xgamma.io.fluxpoints import is_flux_fits, open_flux_fits
    from xgamma.io.ogip import check_ogip, open_ogip

    if check_ogip(path):
        return open_ogip
    with suppress(FileFormatError):
        if is_flux_fits(path):
            return open_flux_fits
    return None


def _chunked(ds: xr.Dataset, chunks: Any) -> xr.Dataset:
    if isinstance(chunks, dict):
        chunks = {dim: size for dim, size in chunks.items() if dim in ds.dims}
    return ds if chunks is None else ds.chunk(chunks)


def _with_plain_coords(ds: xr.Dataset) -> xr.Dataset:
    """Take coordinates from their indexes: xarray turns all but one-dimensional indexes into dask arrays."""
    from xgamma.coords import EdgeIndex, WcsIndex, suffixes

    made = xr.Coordinates()
    for index in dict.fromkeys(ds.xindexes.values()):
        if isinstance(index, EdgeIndex):
            made = made | index.axis.to_coords()
    for suffix in suffixes(ds):
        index = ds.xindexes[f"lon_{suffix}" if suffix else "lon"]
        if isinstance(index, WcsIndex):
            made = made | index.grid.to_coords(suffix)
    attrs = {name: ds[name].attrs for name in made}
    close = ds.close
    ds = ds.assign_coords(made)
    for name in made:
        ds[name].attrs = attrs[name]
    ds.set_close(close)
    return ds


def _is_table(path: str) -> bool:
    """Tell whether a file is an ECSV table by its first bytes."""
    full = expanded(path)
    if "://" in path or not os.path.isfile(full):
        return False
    with open(full, "rb") as stream:
        return stream.read(7) == b"# %ECSV"


def _is_fits(path: str) -> bool:
    """Tell whether a file is FITS by its first bytes; raise if it is nothing that can be opened."""
    if "://" in path:
        return False
    full = expanded(path)
    if not os.path.exists(full):
        raise FileNotFoundError(f"there is no file {path}")
    if os.path.isdir(full):
        if _ends_as_fits(full):
            raise FileFormatError(full, "", "it is a folder, not a file")
        return False
    with open(full, "rb") as stream:
        start = stream.read(9)
    if start.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(full) as stream:
                start = stream.read(9)
        except (OSError, EOFError, zlib.error) as error:
            raise FileFormatError(full, "", f"the gzip stream is damaged ({error})") from error
    if start == b"SIMPLE  =" or _ends_as_fits(full):
        return True
    if start[:8] == b"\x89HDF\r\n\x1a\n" or start[:3] == b"CDF" or full.lower().endswith((".nc", ".nc4", ".zip")):
        return False
    if not start:
        raise FileFormatError(full, "", "the file is empty")
    way_out = "choose another file"
    if full.lower().endswith((".yaml", ".yml")):
        way_out = "lists of datasets are read by xgamma.Datasets.read, models by xgamma.models.Models.read"
    raise FileFormatError(
        full, "", f"it is neither FITS nor NetCDF nor Zarr, since it starts with {start!r}: {way_out}"
    )


def _ends_as_fits(path: str) -> bool:
    return XgammaBackendEntrypoint().guess_can_open(path)
