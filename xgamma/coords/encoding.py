"""Between datasets in memory and plain ones, as archives hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xgamma.coords.axes import Axis
from xgamma.coords.edge_index import EdgeIndex
from xgamma.coords.grid_map import lonlat_data
from xgamma.coords.labels import parse_unit
from xgamma.coords.names import GridNames, suffixes
from xgamma.coords.skygrid import SkyGrid
from xgamma.coords.wcs_index import WcsIndex
from xgamma.schema import AXES, SUFFIXES, base_name

__all__ = ["decode", "encode"]


def encode(ds: xr.Dataset, lonlat: bool = True) -> xr.Dataset:
    """Return the dataset with ordinary variables and indexes only.

    Parameters
    ----------
    ds : Dataset
        Decoded.
    lonlat : bool
        Whether ``lon`` and ``lat`` are written out as two-dimensional CF coordinates, for readers that do not know
        the WCS. They are lazy, in the chunks of the data, where the dataset is.

    Returns
    -------
    Dataset
        `decode` gives back an identical dataset; without `lonlat`, those of a transposed one become (y, x).
    """
    made: dict[Any, Any] = {}
    lost: list[str] = []
    for suffix in suffixes(ds):
        names = GridNames(suffix)
        if isinstance(ds.xindexes.get(names["lon"]), WcsIndex):
            lost += [names["lon"], names["lat"]]
            arrays = lonlat_data(ds, suffix) if lonlat else ()
            for name, data in zip(lost[-2:], arrays, strict=lonlat):
                old = ds.variables[name]
                made[name] = xr.Variable((names["y"], names["x"]), data, old.attrs).transpose(*old.dims)
    bins = {str(name): index.axis for name, index in ds.xindexes.items() if isinstance(index, EdgeIndex)}
    for name, axis in bins.items():
        made[name] = (ds.variables[name].dims, axis.center.copy(), ds.variables[name].attrs)
    return ds.drop_vars(lost).drop_indexes(list(bins)).assign_coords(made) if lost or bins else ds


def decode(ds: xr.Dataset) -> xr.Dataset:
    """Return the dataset with the indexes of its axes and maps.

    Parameters
    ----------
    ds : Dataset
        As `encode` left it, or as a file or store that holds such a dataset was opened.

    Returns
    -------
    Dataset
        Axes have an `EdgeIndex`; ``lon`` and ``lat`` are computed on demand by a `WcsIndex` and any that were stored
        are dropped. A decoded dataset is returned as it is.

    Raises
    ------
    ValueError
        If a coordinate, its edges, WCS or units are missing or damaged; the variable is named.
    """
    made: dict[Any, Any] = {}
    indexes: dict[Any, Any] = {}
    for name in [dim for dim in ds.dims if base_name(str(dim)) in AXES]:
        if not isinstance(ds.xindexes.get(name), EdgeIndex):
            made |= _decode_axis(ds, str(name), indexes)
    for suffix in ("", *SUFFIXES):
        names = GridNames(suffix)
        present = [names[key] for key in ("y", "x") if names[key] in ds.dims]
        if len(present) == 2 and not isinstance(ds.xindexes.get(names["lon"]), WcsIndex):
            made |= _decode_grid(ds, suffix, indexes)
    lost = [name for name in made if name in ds.variables]
    return ds.drop_vars(lost).assign_coords(xr.Coordinates(made, indexes=indexes)) if made else ds


def _decode_axis(ds: xr.Dataset, name: str, indexes: dict[Any, Any]) -> dict[Any, xr.Variable]:
    """Return the coordinates of an axis, and put its index into `indexes`."""
    axis = Axis.from_dataset(ds, name)
    physical = AXES[base_name(name)].physical
    if not parse_unit(axis.unit, f"coordinate {name!r}").is_equivalent(physical):
        raise ValueError(f"coordinate {name!r} is in {axis.unit!r}, which cannot be converted to {physical!r}")
    steps = np.diff(axis.center)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError(f"coordinate {name!r} neither rises nor falls throughout: {axis.center}")
    index = indexes[name] = EdgeIndex(axis)
    edges = {edge: ds.variables[edge] for edge in (f"{name}_min", f"{name}_max")}
    return {name: index.create_variables({name: ds.variables[name]})[name], **edges}


def _decode_grid(ds: xr.Dataset, suffix: str, indexes: dict[Any, Any]) -> dict[Any, xr.Variable]:
    """Return the coordinates of a map, and put its indexes into `indexes`."""
    names = GridNames(suffix)
    grid = SkyGrid.from_dataset(ds, suffix)
    coords = grid.to_coords(suffix)
    made: dict[Any, Any] = {name: coords.variables[name] for name in coords}
    for name in (names["lon"], names["lat"]):
        if name in ds.variables:
            dims = ds.variables[name].dims
            if set(dims) != {names["y"], names["x"]}:
                raise ValueError(f"variable {name!r} has dims {dims}: it needs ({names['y']!r}, {names['x']!r})")
            made[name] = made[name].transpose(*dims)
    for name in ("y", "x", "wcs"):
        made[names[name]].attrs = {**ds.variables[names[name]].attrs, **made[names[name]].attrs}
    indexes |= dict(coords.xindexes)
    return made
