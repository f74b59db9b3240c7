"""Values of maps at any coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis, SkyGrid
from xgamma.irf.lookup import sky_dims
from xgamma.kernels.interpolate import bracket
from xgamma.schema import suffix_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["interp_by_coord"]


def interp_by_coord(array: xr.DataArray, coords: Mapping[str, Any]) -> xr.DataArray:
    """Interpolate a map linearly at points.

    Parameters
    ----------
    array : DataArray
        A map.
    coords : mapping
        ``skycoord``, a SkyCoord in any frame, or ``lon`` and ``lat`` in the frame of the map, and axes by name; numbers
        are in the unit of the axis. The values broadcast against each other. Axes that are left out stay as dims.

    Returns
    -------
    DataArray
        Dims ``point_0``, ``point_1``, ... for the dims of the points, then those of the map that are left. Axes are
        interpolated in their own scale, linear or logarithmic. Beyond the outermost bins their values are taken; points
        off the sky map are nan. Lazy where the map is.

    Raises
    ------
    ValueError
        If a coordinate is unknown or its unit does not fit.
    """
    given = dict(coords)
    nodes: dict[str, np.ndarray] = {}
    points: dict[str, np.ndarray] = {}
    outside: np.ndarray | bool = False
    sky = sky_dims(array)
    if {"skycoord", "lon", "lat"} & set(given):
        if sky is None:
            raise ValueError(f"'{array.name}' has no dims on the sky to interpolate on.")
        grid = SkyGrid.from_dataset(array, suffix_of(sky[0]))
        if "skycoord" in given:
            y, x = grid.position_to_labels(given.pop("skycoord"))
        else:
            lon, lat = (_number(given.pop(name, None), "deg", name) for name in ("lon", "lat"))
            y, x = grid.lonlat_to_labels(*np.broadcast_arrays(lon, lat))
        for dim, label, labels in ((sky[0], y, grid.y), (sky[1], x, grid.x)):
            nodes[dim], points[dim] = labels, np.asarray(label, dtype=np.float64)
            outside = outside | ~((label >= labels.min() - 0.5) & (label <= labels.max() + 0.5))
    for name, value in given.items():
        if name not in array.dims:
            raise ValueError(f"'{array.name}' has no axis '{name}', its dims are {array.dims}.")
        axis = Axis.from_dataset(array, name)
        center, value = axis.center, _number(value, axis.unit, name)
        log = axis.interp == "log"
        nodes[name], points[name] = (np.log(center), np.log(value)) if log else (center, value)
    return _gather(array, nodes, points, outside)


def _number(value: Any, unit: str, name: str) -> np.ndarray:
    if value is None:
        raise ValueError(f"Both lon and lat are needed, '{name}' is missing.")
    quantity = u.Quantity(value)
    if quantity.unit == u.one and unit:
        return np.asarray(quantity.value, dtype=np.float64)
    try:
        return np.asarray(quantity.to_value(unit), dtype=np.float64)
    except u.UnitConversionError as error:
        raise ValueError(f"'{name}' needs a unit that converts to '{unit}', not '{quantity.unit}'.") from error


def _gather(
    array: xr.DataArray, nodes: dict[str, np.ndarray], points: dict[str, np.ndarray], outside: np.ndarray | bool
) -> xr.DataArray:
    """Add the corners of the cell around each point with their weights."""
    shape = np.broadcast_shapes(*(p.shape for p in points.values()))
    dims = tuple(f"point_{i}" for i in range(len(shape)))
    corners: list[tuple[dict[str, xr.Variable], Any]] = [({}, 1.0)]
    for dim, known in nodes.items():
        order = np.argsort(known, kind="stable")
        index, weight = bracket(known[order], np.nan_to_num(points[dim]))
        index, weight = np.broadcast_to(index, shape), np.broadcast_to(weight, shape)
        upper = np.minimum(index + 1, known.size - 1)
        corners = [
            ({**at, dim: xr.Variable(dims, order[i])}, w * factor)
            for at, factor in corners
            for i, w in ((index, 1 - weight), (upper, weight))
        ]
    plain = xr.DataArray(array.variable)
    total: Any = 0.0
    for at, weight in corners:
        total = total + plain.isel(at) * xr.DataArray(np.broadcast_to(weight, shape), dims=dims)
    total = total.where(~xr.DataArray(np.broadcast_to(outside, shape), dims=dims))
    left = [str(dim) for dim in array.dims if dim not in nodes]
    gone = [name for name, c in array.coords.items() if not set(c.dims) <= set(left) or (not c.dims and dims)]
    coords = array.coords.to_dataset().drop_vars(gone).coords
    out = total.transpose(*dims, *left).rename(array.name).assign_coords(coords)
    out.attrs = dict(array.attrs)
    return out
