"""Selection of pixels by longitude and latitude."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords.labels import LabelError, to_value
from xgamma.coords.projection import is_separable
from xgamma.coords.skygrid import SkyGrid

__all__ = ["select"]

_SLACK = 1e-9
"""Degrees by which a centre may lie outside a box: rounding of the projection."""


def select(grid: SkyGrid, names: Sequence[Hashable], lon: Any, lat: Any, nearest: bool) -> tuple[Any, Any]:
    """Return positional indexers of rows and columns.

    Parameters
    ----------
    grid : SkyGrid
        The map.
    names : (str, str)
        Names of the coordinates, for messages.
    lon, lat : slice, angle, DataArray or Variable, or None
        Two slices (one may be left out) make a box; two angles a position; two arrays many.
    nearest : bool
        Whether a position in a gap of the map takes the nearest pixel.

    Raises
    ------
    LabelError
        If no pixel is there.
    ValueError
        If the two labels do not go together.
    """
    if all(label is None or isinstance(label, slice) for label in (lon, lat)):
        return _box(grid, names, lon or slice(None), lat or slice(None))
    if lon is None or lat is None or isinstance(lon, slice) or isinstance(lat, slice):
        raise ValueError(
            f"select by {names[0]!r} and {names[1]!r} together: two values make a position, two slices a sky box"
        )
    values = [to_value(label, u.deg, f"a label of {name!r}") for label, name in zip((lon, lat), names, strict=True)]
    labelled = [label for label in (lon, lat) if isinstance(label, xr.DataArray | xr.Variable)]
    if not labelled and any(v.ndim for v in values):
        raise ValueError(
            f"arrays of {names[0]!r} and {names[1]!r} are taken as a list of positions and need a dim to go by: "
            "give DataArrays or Variables"
        )
    if not labelled:
        rows, columns = _pixels(grid, values[0], values[1], nearest)
        return int(rows), int(columns)
    arrays = [
        label.copy(data=v) if isinstance(label, xr.DataArray | xr.Variable) else xr.Variable((), v)
        for label, v in zip((lon, lat), values, strict=True)
    ]
    as_array = next((a for a in arrays if isinstance(a, xr.DataArray)), None)
    lon_all, lat_all = xr.broadcast(*(a if isinstance(a, xr.DataArray) else xr.DataArray(a) for a in arrays))
    rows, columns = _pixels(grid, lon_all.to_numpy(), lat_all.to_numpy(), nearest=nearest)
    if as_array is None:
        return xr.Variable(lon_all.dims, rows), xr.Variable(lon_all.dims, columns)
    return tuple(xr.DataArray(p, coords=lon_all.coords, dims=lon_all.dims) for p in (rows, columns))  # type: ignore


def _covers(grid: SkyGrid) -> str:
    if 0 in grid.shape:
        return "the map has no pixels"
    middle = grid.center.spherical
    return (
        f"the map has its middle at lon {middle.lon.deg:.6g}, lat {middle.lat.deg:.6g} deg ({grid.frame}) "
        f"and spans {grid.width[0]:.6g} x {grid.width[1]:.6g} deg"
    )


def _pixels(grid: SkyGrid, lon: np.ndarray, lat: np.ndarray, nearest: bool) -> tuple[np.ndarray, np.ndarray]:
    labels = grid.lonlat_to_labels(lon, lat)
    found, good = [], np.ones(np.shape(lon), dtype=bool)
    for values, own in zip(labels, (grid.y, grid.x), strict=True):
        if not own.size:
            raise LabelError(f"no pixel is selected: {_covers(grid)}")
        order = np.argsort(own, kind="stable")
        ordered = own[order]
        wanted = np.where(np.isfinite(values), values, ordered[0] - 1e9)
        right = np.clip(np.searchsorted(ordered, wanted), 1, max(own.size - 1, 1)).clip(max=own.size - 1)
        left = np.maximum(right - 1, 0)
        position = np.where(wanted - ordered[left] <= ordered[right] - wanted, left, right)
        inside = (wanted >= ordered[0] - 0.5) & (wanted <= ordered[-1] + 0.5)
        if not nearest:
            inside &= np.abs(wanted - ordered[position]) <= 0.5
        good &= inside
        found.append(order[position])
    if not good.all():
        bad = np.argwhere(np.atleast_1d(~good))[0]
        where = f"lon {np.atleast_1d(lon)[tuple(bad)]:.6g}, lat {np.atleast_1d(lat)[tuple(bad)]:.6g} deg"
        raise LabelError(f"no pixel is at {where}: {_covers(grid)}")
    return found[0], found[1]


def _limits(label: slice, name: Hashable) -> tuple[float | None, float | None]:
    if label.step is not None:
        raise ValueError(f"a slice of {name!r} has no step: select the box first, then stride with isel")
    what = f"a limit of {name!r}"
    return tuple(None if v is None else float(to_value(v, u.deg, what)) for v in (label.start, label.stop))  # type: ignore


def _inside_lon(grid: SkyGrid, label: slice, name: Hashable) -> Any:
    """Return a function that tells which longitudes are inside."""
    start, stop = _limits(label, name)
    if start is None and stop is None:
        return np.isfinite
    if start is not None and stop is not None:
        span = stop - start if stop - start >= 0 else (stop - start) % 360
        if span >= 360:
            return np.isfinite
        return lambda lon: (lon - start + _SLACK) % 360 <= span + 2 * _SLACK
    # a half-open slice goes by the continuous longitudes of the map
    middle, _ = grid.labels_to_lonlat(*((labels.min() + labels.max()) / 2 for labels in (grid.y, grid.x)))
    limit = start if start is not None else stop
    limit = limit + 360 * np.round((float(middle) - limit) / 360)  # type: ignore[operator]
    return (lambda lon: lon >= limit - _SLACK) if start is not None else (lambda lon: lon <= limit + _SLACK)


def _inside_lat(label: slice, name: Hashable) -> Any:
    start, stop = _limits(label, name)
    low, high = -np.inf if start is None else start, np.inf if stop is None else stop
    if low > high:
        raise LabelError(f"the limits {low:.6g} and {high:.6g} deg of {name!r} are swapped")
    return lambda lat: (lat >= low - _SLACK) & (lat <= high + _SLACK)


def _box(grid: SkyGrid, names: Sequence[Hashable], lon: slice, lat: slice) -> tuple[slice, slice]:
    if 0 in grid.shape:
        raise LabelError(f"no pixel is selected: {_covers(grid)}")
    inside_lon, inside_lat = _inside_lon(grid, lon, names[0]), _inside_lat(lat, names[1])
    rows, columns = np.zeros(grid.y.size, dtype=bool), np.zeros(grid.x.size, dtype=bool)
    if is_separable(grid.keywords):
        columns = inside_lon(grid.isel(y=slice(0, 1)).labels_to_lonlat(0.0, grid.x)[0])
        rows = inside_lat(grid.labels_to_lonlat(grid.y, 0.0)[1])
        if not (rows.any() and columns.any()):
            rows, columns = rows & False, columns & False
    else:
        # a few rows at a time, as positions of a large map do not fit into memory
        piece = max(1, 2**18 // grid.x.size)
        for start in range(0, grid.y.size, piece):
            part = slice(start, start + piece)
            lons, lats = grid.isel(y=part).lonlat()
            inside = inside_lon(lons) & inside_lat(lats)
            rows[part] = inside.any(1)
            columns |= inside.any(0)
    if not rows.any():
        raise LabelError(f"no pixel has its centre in the box {names[0]}={lon}, {names[1]}={lat}: {_covers(grid)}")
    box = [np.flatnonzero(hit) for hit in (rows, columns)]
    return tuple(slice(int(hit[0]), int(hit[-1]) + 1) for hit in box)  # type: ignore[return-value]
