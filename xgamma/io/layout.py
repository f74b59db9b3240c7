"""How datasets are laid out in an archive: order of dims, chunks, and attrs that every format can hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from xgamma import coords
from xgamma.schema import FORMAT, FORMAT_VERSION, variables_of
from xgamma.validate import check_structure, schema_order

__all__ = ["CONVENTIONS", "chunk_shapes", "pack", "unpack"]

CONVENTIONS = "CF-1.11"

_BAG = "xgamma_attrs"
_ORDER = "xgamma_dims"
_OURS = ("Conventions", "xgamma_checksums", _BAG, _ORDER)

# Attrs by which NetCDF, Zarr and xarray steer themselves; a user's attr of such a name must not do so.
_RESERVED = {"add_offset", "calendar", "coordinates", "dtype", "missing_value", "scale_factor", *_OURS}

_TARGET = 8 * 2**20
_SMALLEST, _LARGEST = 2**16, 2**26


def pack(ds: xr.Dataset, lonlat: bool = True) -> xr.Dataset:
    """Turn a dataset into one without custom indexes, in the schema's order, that any format can hold.

    Parameters
    ----------
    ds : Dataset
        Any dataset that fits the schema; it may hold further variables. Nothing is computed.
    lonlat : bool
        Whether longitudes and latitudes of the pixels are included, for readers without xgamma.

    Returns
    -------
    Dataset
        Plain variables. Attrs other than finite numbers and text stand as JSON in the attr ``xgamma_attrs``, the dims
        of variables that stood in another order in ``xgamma_dims``.

    Raises
    ------
    ValueError
        The dataset does not fit the schema, or a name or an attr cannot be stored.
    """
    check_structure(ds)
    for name in ds.variables:
        if not isinstance(name, str) or not name or "/" in name:
            raise ValueError(f"variable {name!r} cannot be stored under this name: rename it to text without '/'")
    specs = variables_of(ds)
    orders = {str(name): schema_order(str(name), ds.variables[name].dims, specs) for name in ds.data_vars}
    plain = coords.encode(ds, lonlat=lonlat)
    for names in map(coords.GridNames, coords.suffixes(plain)):
        orders |= {names[key]: (names["y"], names["x"]) for key in ("lon", "lat") if names[key] in plain.coords}
    turned = {
        name: plain.variables[name].transpose(*dims)
        for name, dims in orders.items()
        if plain.variables[name].dims != dims
    }
    plain = (plain.assign(turned) if turned else plain).drop_encoding()
    attrs = {**plain.attrs, "format": FORMAT, "format_version": FORMAT_VERSION}
    order = _other_order(ds, plain)
    plain.attrs = _pack_attrs(attrs, "the dataset") | {"Conventions": CONVENTIONS} | order
    for name, variable in plain.variables.items():
        variable.attrs = _pack_attrs(variable.attrs, f"variable {name!r}")
    return plain


def unpack(plain: xr.Dataset) -> xr.Dataset:
    """Turn what `pack` made, or what came back from a file, into the dataset that it was.

    Parameters
    ----------
    plain : Dataset
        Variables of an archive, as plain xarray opens them.

    Returns
    -------
    Dataset
        With indexes and attrs restored. Nothing is computed.
    """
    ds = _restore_order(plain)
    ds.attrs = _unpack_attrs(ds.attrs)
    for variable in ds.variables.values():
        variable.attrs = _unpack_attrs(variable.attrs)
    return coords.decode(ds)


def _other_order(ds: xr.Dataset, plain: xr.Dataset) -> dict[str, str]:
    """Return an attr with the dims of variables that archives lay out in another order, so that they come back."""
    grids = [coords.GridNames(suffix) for suffix in coords.suffixes(ds)]
    stored = {str(name): variable.dims for name, variable in plain.variables.items()}
    stored |= {names[key]: (names["y"], names["x"]) for names in grids for key in ("lon", "lat")}
    changed = {
        name: list(map(str, ds.variables[name].dims))
        for name, dims in stored.items()
        if name in ds.variables and ds.variables[name].dims != dims
    }
    return {_ORDER: json.dumps(changed)} if changed else {}


def _restore_order(plain: xr.Dataset) -> xr.Dataset:
    ds = plain.copy()
    text = ds.attrs.get(_ORDER)
    if text is None:
        return ds
    for name, dims in json.loads(text).items():
        if name in ds.variables and set(ds[name].dims) == set(dims):
            ds = ds.assign({name: ds[name].variable.transpose(*dims)})
        elif name not in ds.variables and set(dims) <= set(ds.dims):
            # Longitudes that were not stored: decoding takes the order from here, and the values from the WCS.
            empty = np.broadcast_to(0.0, [ds.sizes[dim] for dim in dims])
            ds = ds.assign_coords({name: (dims, empty)})
    return ds


def chunk_shapes(ds: xr.Dataset) -> dict[str, tuple[int, ...]]:
    """Choose the chunks in which variables are stored.

    All maps of a grid are cut alike on the sky, so that an opened dataset has one way of being chunked: as the dask
    arrays among them where their chunks are regular and neither tiny nor huge, else into chunks of at most 8 MiB before
    compression with whole energy axes.

    Parameters
    ----------
    ds : Dataset
        A packed dataset.

    Returns
    -------
    dict of str to tuple of int
        A shape for each variable that has dims and values.
    """
    sky = _sky_chunks(ds)
    return {
        str(name): _shape(variable, sky) for name, variable in ds.variables.items() if variable.ndim and variable.size
    }


def _sky_chunks(ds: xr.Dataset) -> dict[str, int]:
    """Return the chunk of each sky dim, such that the deepest map of the grid has chunks of the target size."""
    chunks: dict[str, int] = {}
    for suffix in coords.suffixes(ds):
        y, x = (f"{dim}_{suffix}" if suffix else dim for dim in "yx")
        ny, nx = ds.sizes[y], ds.sizes[x]
        maps = [variable for variable in ds.variables.values() if {y, x} <= set(variable.dims)]
        kept = [dict(zip(m.dims, shape, strict=True)) for m in maps if (shape := _dask_shape(m))]
        if kept:
            chunks |= {dim: kept[0][dim] for dim in (y, x)}
            continue
        depth = max((variable.nbytes // max(ny * nx, 1) for variable in maps), default=1)
        pixels = max(_TARGET // max(depth, 1), 1)
        chunk_y = min(ny, max(math.isqrt(pixels), pixels // max(nx, 1)))
        chunk_x = min(nx, max(pixels // max(chunk_y, 1), 1))
        for dim, size, chunk in ((y, ny, chunk_y), (x, nx, chunk_x)):
            chunks[dim] = math.ceil(size / math.ceil(size / max(chunk, 1))) if size else 1
    return chunks


def _shape(variable: xr.Variable, sky: Mapping[str, int]) -> tuple[int, ...]:
    own = _dask_shape(variable) or variable.shape
    shape = [sky.get(str(dim), size) for dim, size in zip(variable.dims, own, strict=True)]
    while math.prod(shape) * variable.dtype.itemsize > _LARGEST:
        longest = shape.index(max(shape))
        shape[longest] = math.ceil(shape[longest] / 2)
    return tuple(shape)


def _dask_shape(variable: xr.Variable) -> tuple[int, ...] | None:
    if variable.chunks is None:
        return None
    regular = all(
        all(left == right for left, right in pairwise(sizes[:-1])) and sizes[-1] <= sizes[0]
        for sizes in variable.chunks
    )
    shape = tuple(sizes[0] for sizes in variable.chunks)
    size = math.prod(shape) * variable.dtype.itemsize
    return shape if regular and min(_SMALLEST, variable.nbytes) <= size <= _LARGEST else None


def _pack_attrs(attrs: Mapping[Any, Any], owner: str) -> dict[str, Any]:
    for name in attrs:
        if not isinstance(name, str):
            raise ValueError(f"{owner} has an attr named {name!r}, which is not text: rename or remove it")
    plain = {name: value for name, value in attrs.items() if _is_plain(name, value)}
    rest = {name: value for name, value in attrs.items() if name not in plain}
    for name, value in rest.items():
        try:
            json.dumps(value, default=_to_python)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"attr {name!r} of {owner} is of type {type(value).__name__}, which no archive can hold: "
                "turn it into text or numbers, or remove it"
            ) from error
    return plain | ({_BAG: json.dumps(rest, default=_to_python)} if rest else {})


def _is_plain(name: str, value: object) -> bool:
    if name in _RESERVED or not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        return False
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, bool | np.bool_):
        return False
    if isinstance(value, int | np.integer):
        return bool(-(2**63) <= value < 2**63)
    return isinstance(value, float | np.floating) and math.isfinite(float(value))


def _to_python(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufU":
        return value.tolist()
    raise TypeError


def _unpack_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    bag = attrs.get(_BAG)
    return {name: value for name, value in attrs.items() if name not in _OURS} | (json.loads(bag) if bag else {})
