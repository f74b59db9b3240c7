"""Between datasets in memory and plain ones, as archives hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xgamma.coords.axes import Axis
from xgamma.coords.edge_index import EdgeIndex
from xgamma.coords.grid_map import lonlat as lazy_lonlat
from xgamma.coords.labels import parse_unit
from xgamma.coords.skygrid import GridNames, SkyGrid, suffixes
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
    for suffix in suffixes(ds):
        names = GridNames(suffix)
        if not isinstance(ds.xindexes.get(names["lon"]), WcsIndex):
            continue
        parts = lazy_lonlat(ds, suffix) if lonlat else ()
        old = [ds[names[key]].variable for key in ("lon", "lat")]
        ds = ds.drop_vars([names["lon"], names["lat"]])
        for part, var in zip(parts, old, strict=lonlat):
            ds = ds.assign_coords({part.name: part.variable.transpose(*var.dims)._replace(attrs=dict(var.attrs))})
    for name, index in list(ds.xindexes.items()):
        if isinstance(index, EdgeIndex):
            plain = ds[name].variable.copy(data=index.axis.center.copy())
            ds = ds.drop_indexes(name).assign_coords({name: (plain.dims, plain.to_numpy(), plain.attrs)})
    return ds


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
    for name in [dim for dim in ds.dims if base_name(str(dim)) in AXES]:
        if not isinstance(ds.xindexes.get(name), EdgeIndex):
            ds = _decode_axis(ds, str(name))
    for suffix in ("", *SUFFIXES):
        names = GridNames(suffix)
        present = [names[key] for key in ("y", "x") if names[key] in ds.dims]
        if len(present) == 1:
            continue
        if present and not isinstance(ds.xindexes.get(names["lon"]), WcsIndex):
            ds = _decode_grid(ds, suffix)
    return ds


def _decode_axis(ds: xr.Dataset, name: str) -> xr.Dataset:
    axis = Axis.from_dataset(ds, name)
    physical = AXES[base_name(name)].physical
    if not parse_unit(axis.unit, f"coordinate {name!r}").is_equivalent(physical):
        raise ValueError(f"coordinate {name!r} is in {axis.unit!r}, which cannot be converted to {physical!r}")
    steps = np.diff(axis.center)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError(f"coordinate {name!r} neither rises nor falls throughout: {axis.center}")
    index = EdgeIndex(axis)
    coords = {name: index.create_variables({name: ds[name].variable})[name]}
    edges = {edge: ds[edge].variable for edge in (f"{name}_min", f"{name}_max")}
    return ds.drop_vars([name, *edges]).assign_coords(xr.Coordinates({**coords, **edges}, indexes={name: index}))


def _decode_grid(ds: xr.Dataset, suffix: str) -> xr.Dataset:
    names = GridNames(suffix)
    grid = SkyGrid.from_dataset(ds, suffix)
    coords = grid.to_coords(suffix)
    stored = [names[key] for key in ("lon", "lat") if names[key] in ds.variables]
    made: dict[Any, Any] = {name: coords[name].variable for name in coords}
    for name in stored:
        var = ds[name].variable
        if set(var.dims) != {names["y"], names["x"]}:
            raise ValueError(f"variable {name!r} has dims {var.dims}: it needs ({names['y']!r}, {names['x']!r})")
        made[name] = made[name].transpose(*var.dims)
    for name in ("y", "x", "wcs"):
        made[names[name]].attrs = {**ds[names[name]].attrs, **made[names[name]].attrs}
    return ds.drop_vars([*stored, *(names[key] for key in ("y", "x", "wcs"))]).assign_coords(
        xr.Coordinates(made, indexes=dict(coords.xindexes))
    )
