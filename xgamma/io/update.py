"""Changes to a Zarr store that exists: pieces appended to it or written into a part of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from xgamma import coords
from xgamma.atomic import local_path
from xgamma.coords.keywords import same_keywords
from xgamma.io.archive import open_plain
from xgamma.io.errors import FileFormatError
from xgamma.io.guard import naming
from xgamma.io.layout import pack
from xgamma.io.zarr import MARKER, read_root, refuse_incomplete, seal, storable
from xgamma.schema import base_name

__all__ = ["append", "restore_zarr", "write_region"]

_APPEND = f"{MARKER}append"

# Labels closer than this count as equal: they went through float32 in some files.
_RTOL = 1e-6


def append(ds: xr.Dataset, path: str | os.PathLike[str], dim: str) -> None:
    """Lengthen a store along a dim; see `xgamma.io.zarr.write_zarr`.

    Parameters
    ----------
    ds : Dataset
        Of the same variables, types and units as the store. Those without the dim are equal in both.
    path : path-like or str
        The store.
    dim : str
        The dim. Its labels or bins follow upon those of the store.

    Raises
    ------
    ValueError
        The dataset does not fit. The store stays as it is.
    FileFormatError
        The store is incomplete or damaged.
    """
    target = _existing(path)
    held = open_plain(str(target), chunks=_chunks_like(ds))
    piece = _packed_like(ds, held)
    where = f"cannot be appended to {target} along {dim!r}"
    if dim not in held.dims or dim not in piece.dims:
        raise ValueError(f"the dataset {where}: both need this dim, they have {list(piece.dims)} and {list(held.dims)}")
    lacking = sorted(map(str, held.variables.keys() - piece.variables.keys()))
    if lacking:
        raise ValueError(f"the dataset {where}: it lacks {', '.join(lacking)}, which the store holds")
    _check_variables(piece, held, where)
    for other, size in piece.sizes.items():
        if other != dim and size != held.sizes[other]:
            raise ValueError(
                f"the dataset {where}: dim {other!r} has {size} elements, in the store {held.sizes[other]}"
            )
    grown = [name for name, variable in piece.variables.items() if dim in variable.dims]
    _check_equal(piece.drop_vars({*grown, *_lonlat(piece)}), held, where)
    _check_continues(piece, held, dim, where)
    start = held.sizes[dim]
    held.close()

    _check_arrays(target)
    plan = {"dim": dim, "size": start}
    with _marked(target, _APPEND, {"xgamma_incomplete": f"an append along {dim!r}", **plan}):
        try:
            _resize(target, dim, start + piece.sizes[dim])
            data = piece.drop_vars([name for name in piece.variables if name not in grown])
            _write(data, target, {dim: slice(start, start + piece.sizes[dim])})
        except BaseException:
            _resize(target, dim, start)
            raise
        seal(target)


def restore_zarr(path: str | os.PathLike[str]) -> None:
    """Cut a store back to what it held before an append that was killed.

    Parameters
    ----------
    path : path-like or str
        The store. No process may be writing to it. One without such an append stays as it is.

    Raises
    ------
    FileFormatError
        The record of the append is damaged.
    """
    target = _existing(path)
    marker = target / _APPEND
    if not marker.exists():
        return
    with naming(str(target), marker.name):
        plan = json.loads((marker / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        _resize(target, plan["dim"], plan["size"])
        seal(target)
        shutil.rmtree(marker)


def write_region(
    ds: xr.Dataset, path: str | os.PathLike[str], region: Mapping[str, slice] | Literal["auto"] = "auto"
) -> None:
    """Write a dataset into a part of a store; see `xgamma.io.zarr.write_zarr`.

    Parameters
    ----------
    ds : Dataset
        Its variables are in the store with the same types and units.
    path : path-like or str
        The store.
    region : mapping of str to slice, or "auto"
        Positions along dims. Labels and bins there have to be those of the dataset.

    Raises
    ------
    ValueError
        The dataset does not fit. The store stays as it is.
    FileFormatError
        The store is incomplete or damaged.
    """
    target = _existing(path)
    # Other regions may be in the making, by other processes; metadata and chunks are all there even so.
    held = open_plain(str(target), chunks=_chunks_like(ds), verify=not list(target.glob(f"{MARKER}region-*")))
    if (target / _APPEND).exists():
        refuse_incomplete(target)
    piece = _packed_like(ds, held)
    where = f"cannot be written into {target}"
    _check_variables(piece, held, where)
    asked = {} if region == "auto" else dict(region)
    strange = sorted(asked.keys() - set(piece.dims))
    if strange:
        raise ValueError(f"the dataset {where}: the region names {strange}, the dims are {list(piece.dims)}")
    slices = {str(dim): _locate(piece, held, str(dim), asked.get(str(dim)), where) for dim in piece.dims}
    partial = {dim for dim, part in slices.items() if part != slice(0, held.sizes[dim])} | asked.keys()
    partial = partial or set(slices)
    written = [name for name in piece.data_vars if partial & set(piece[name].dims)]
    rest = piece.drop_vars({*written, *_lonlat(piece)})
    _check_equal(rest, held.isel(slices), where)
    held.close()

    _check_arrays(target)
    data = piece.drop_vars([name for name in piece.variables if name not in written])
    used = {dim: part for dim, part in slices.items() if dim in data.dims}
    text = "a write into " + ", ".join(f"{dim}={part.start}:{part.stop}" for dim, part in sorted(used.items()))
    text += " of " + ", ".join(sorted(map(str, written)))
    digest = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    # A write that is repeated has the same name, and takes the mark of the one that was broken off with it.
    with _marked(target, f"{MARKER}region-{digest}", {"xgamma_incomplete": text}, keep=True):
        _write(data, target, used)


def _existing(path: str | os.PathLike[str]) -> Path:
    target = local_path(path)
    if not target.is_dir():
        raise FileNotFoundError(f"{target}: there is no such store; leave out append_dim and region to write a new one")
    return target


def _chunks_like(ds: xr.Dataset) -> dict[Any, Any] | None:
    return {} if any(variable.chunks for variable in ds.variables.values()) else None


def _packed_like(ds: xr.Dataset, held: xr.Dataset) -> xr.Dataset:
    return storable(pack(ds, lonlat=bool(_lonlat(held))))


def _lonlat(plain: xr.Dataset) -> list[str]:
    names = [coords.GridNames(suffix)[key] for suffix in coords.suffixes(plain) for key in ("lon", "lat")]
    return [name for name in names if name in plain.variables]


def _check_variables(piece: xr.Dataset, held: xr.Dataset, where: str) -> None:
    for name, variable in piece.variables.items():
        if name not in held.variables:
            raise ValueError(f"the dataset {where}: {name!r} is not in the store, leave it out with drop_vars")
        other = held.variables[name]
        for what, mine, theirs in (
            ("dims", variable.dims, other.dims),
            ("type", str(variable.dtype), str(other.dtype)),
            ("units", variable.attrs.get("units"), other.attrs.get("units")),
        ):
            if mine != theirs:
                raise ValueError(f"the dataset {where}: the {what} of {name!r} are {mine!r}, in the store {theirs!r}")


def _check_equal(piece: xr.Dataset, held: xr.Dataset, where: str) -> None:
    # Labels first: where they differ, so does what they label.
    for name, variable in sorted(piece.variables.items(), key=lambda item: item[0] not in piece.coords):
        other = held.variables[name]
        if base_name(str(name)) == "wcs":
            if not same_keywords(variable.attrs, other.attrs):
                raise ValueError(f"the dataset {where}: {name!r} is of another map than that of the store")
        elif name in piece.coords and variable.dtype.kind in "iuf":
            if variable.shape != other.shape or not np.allclose(variable.values, other.values, rtol=_RTOL, atol=0):
                raise ValueError(f"the dataset {where}: {name!r} is {variable.values}, in the store {other.values}")
        elif not variable.equals(other):
            raise ValueError(
                f"the dataset {where}: {name!r} differs from that of the store; "
                "make them equal, or leave it out with drop_vars where only a region is written"
            )


def _check_continues(piece: xr.Dataset, held: xr.Dataset, dim: str, where: str) -> None:
    """Raise unless the labels or bins rise or fall over the seam as they do before it."""
    names = [name for name in held.coords if held[name].dims == (dim,)]
    if dim not in names:
        return
    joined = xr.Dataset(
        coords={
            name: (dim, np.concatenate([held[name].values, piece[name].values]), held[name].attrs) for name in names
        }
    )
    steps = np.diff(joined[dim].values)
    overlap = False
    if f"{dim}_min" in names:
        try:
            axis = coords.decode(joined).xindexes[dim].axis  # type: ignore[attr-defined]
        except ValueError as error:
            raise ValueError(f"the dataset {where}: its bins do not follow upon those of the store: {error}") from None
        order = np.argsort(axis.center)
        lower, upper = axis.lower[order], axis.upper[order]
        overlap = axis.node_type == "edges" and bool(np.any(lower[1:] < upper[:-1] * (1 - 1e-6)))
    if overlap or not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError(
            f"the dataset {where}: its {dim} {piece[dim].values} does not follow upon that of the store, "
            f"which ends at {held[dim].values[-1]}"
        )


def _locate(piece: xr.Dataset, held: xr.Dataset, dim: str, asked: slice | None, where: str) -> slice:
    size, whole = piece.sizes[dim], held.sizes[dim]
    start, stop, step = (asked or slice(None)).indices(whole)
    if step != 1 or (asked is not None and stop - start != size):
        raise ValueError(f"the dataset {where}: region {asked} does not hold the {size} elements of {dim!r}")
    if dim not in held.coords:
        if stop - start != size:
            raise ValueError(f"the dataset {where}: {dim!r} has no labels, so its positions must stand in region")
        return slice(start, stop)
    mine, theirs = piece[dim].values, held[dim].values
    near = np.flatnonzero(np.isclose(theirs, mine[0], rtol=_RTOL, atol=0)) if size else np.array([start])
    first = int(near[0]) if near.size else whole
    part = theirs[first : first + size]
    if part.size != size or not np.allclose(part, mine, rtol=_RTOL, atol=0):
        raise ValueError(f"the dataset {where}: its labels along {dim!r} are no stretch of those of the store")
    if asked is not None and first != start:
        raise ValueError(f"the dataset {where}: its labels along {dim!r} are at {first}, the region begins at {start}")
    return slice(first, first + size)


def _check_arrays(path: Path) -> None:
    """Raise if the metadata of an array are not those with which the store was closed."""
    for name, document in read_root(str(path))["consolidated_metadata"]["metadata"].items():
        with naming(str(path), f"variable {name!r}"):
            own = json.loads((path / name / "zarr.json").read_text(encoding="utf-8"))
        if own != document:
            raise FileFormatError(str(path), f"variable {name!r}", "its zarr.json differs from that of the store")


@contextmanager
def _marked(path: Path, name: str, attrs: Mapping[str, Any], keep: bool = False) -> Iterator[None]:
    """Keep a mark in a store while the block runs, and after an error if what it wrote cannot be taken back.

    The mark is an empty group, for zarr warns of whatever else it finds in a store; and to make a folder either
    works or fails, whoever else tries.
    """
    marker = path / name
    try:
        marker.mkdir(exist_ok=keep)
    except FileExistsError:
        raise FileFormatError(str(path), "", "something else is being appended at this moment") from None
    document = {"zarr_format": 3, "node_type": "group", "attributes": dict(attrs)}
    (marker / "zarr.json").write_text(json.dumps(document), encoding="utf-8")
    try:
        yield
    except BaseException:
        if not keep:
            shutil.rmtree(marker)
        raise
    shutil.rmtree(marker)


def _resize(path: Path, dim: str, size: int) -> None:
    import zarr

    group = zarr.open_group(path, mode="r+", zarr_format=3, use_consolidated=False)
    for name in read_root(str(path))["consolidated_metadata"]["metadata"]:
        array = group[name]
        dims = getattr(array.metadata, "dimension_names", None) or ()
        if isinstance(array, zarr.Array) and dim in dims:
            array.resize(tuple(size if own == dim else old for own, old in zip(dims, array.shape, strict=True)))


def _write(data: xr.Dataset, path: Path, region: Mapping[str, slice]) -> None:
    parts = {dim: part for dim, part in region.items() if dim in data.dims}
    data = data.drop_indexes(list(data.xindexes))  # xarray would leave out what is indexed
    data.to_zarr(path, mode="r+", region=parts, consolidated=False, align_chunks=True, write_empty_chunks=True)
