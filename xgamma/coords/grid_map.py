"""Arrays over a sky grid, made chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from xgamma.coords.names import GridNames
from xgamma.coords.skygrid import SkyGrid
from xgamma.schema import SUFFIXES

__all__ = ["from_grid", "lonlat", "solid_angle"]


def from_grid(
    obj: xr.Dataset | xr.DataArray,
    function: Callable[[SkyGrid], np.ndarray],
    suffix: str = "",
    dtype: Any = float,
    attrs: dict[str, Any] | None = None,
    name: str | None = None,
) -> xr.DataArray:
    """Return an array over the pixels of a map.

    Parameters
    ----------
    obj : Dataset or DataArray
        With the sky grid; where its data are chunked, so is the result.
    function : callable
        Takes a `SkyGrid`, a part of the map, and returns an array (y, x) of its shape.
    suffix : str
        Which of the grids.
    dtype : dtype
        Of the result.
    attrs : dict, optional
        Of the result.
    name : str, optional
        Of the result.

    Returns
    -------
    DataArray
        (y, x), lazy if `obj` is chunked along one of them.
    """
    names = GridNames(suffix)
    dims = (names["y"], names["x"])
    data = _grid_data(obj, function, suffix, dtype)
    other = {GridNames(s)["wcs"] for s in SUFFIXES if s != suffix} | ({"wcs"} if suffix else set())
    drop = [key for key in obj.coords if key in other or not set(obj.coords[key].dims) <= set(dims)]
    coords = obj.coords.to_dataset().drop_vars(drop).coords
    return xr.DataArray(data, coords=coords, dims=dims, attrs=attrs, name=name)


def _grid_data(
    obj: xr.Dataset | xr.DataArray, function: Callable[[SkyGrid], np.ndarray], suffix: str, dtype: Any = float
) -> Any:
    """Return the values of `from_grid`, numpy or dask."""
    names = GridNames(suffix)
    grid = SkyGrid.from_dataset(obj, suffix)
    chunks = _sky_chunks(obj, (names["y"], names["x"]))
    if chunks == [None, None]:
        return function(grid)
    import dask.array as da

    full = tuple(c or (n,) for c, n in zip(chunks, grid.shape, strict=True))
    y = da.from_array(np.asarray(grid.y), chunks=(full[0],))[:, None]
    x = da.from_array(np.asarray(grid.x), chunks=(full[1],))[None, :]
    return da.map_blocks(
        _block,
        y,
        x,
        chunks=full,
        dtype=dtype,
        meta=np.empty((0, 0), dtype),
        keywords=dict(grid.keywords),
        function=function,
    )


def lonlat_data(obj: xr.Dataset | xr.DataArray, suffix: str = "") -> tuple[Any, Any]:
    """Return the values of `lonlat`, numpy or dask."""
    return _grid_data(obj, _lon, suffix), _grid_data(obj, _lat, suffix)


def _sky_chunks(obj: xr.Dataset | xr.DataArray, dims: tuple[str, str]) -> list[tuple[int, ...] | None]:
    """Chunks along the sky of the first lazy map; other maps may be cut differently."""
    arrays = [obj.variable] if isinstance(obj, xr.DataArray) else [obj.variables[name] for name in obj.data_vars]
    maps = [array for array in arrays if array.chunks is not None and set(dims) <= set(array.dims)]
    lazy = maps or [array for array in arrays if array.chunks is not None and set(dims) & set(array.dims)]
    return [lazy[0].chunksizes.get(dim) if lazy else None for dim in dims]


def _block(y: np.ndarray, x: np.ndarray, keywords: dict[str, Any], function: Callable[[SkyGrid], np.ndarray]) -> Any:
    return function(SkyGrid(keywords, y[:, 0], x[0]))


def _lon(grid: SkyGrid) -> np.ndarray:
    return grid.lonlat()[0]


def _lat(grid: SkyGrid) -> np.ndarray:
    return grid.lonlat()[1]


def _area(grid: SkyGrid) -> np.ndarray:
    return grid.solid_angle()


def lonlat(obj: xr.Dataset | xr.DataArray, suffix: str = "") -> tuple[xr.DataArray, xr.DataArray]:
    """Return longitude and latitude (y, x) of the pixels in degrees, chunked as the data are.

    The coordinates ``lon`` and ``lat`` hold the same numbers, but come into memory as a whole.
    """
    names = GridNames(suffix)
    made = (from_grid(obj, function, suffix, name=names[key]) for key, function in (("lon", _lon), ("lat", _lat)))
    lon, lat = (array.assign_attrs(units="deg") for array in made)
    return lon, lat


def solid_angle(obj: xr.Dataset | xr.DataArray, suffix: str = "") -> xr.DataArray:
    """Return the solid angle (y, x) of the pixels in sr, chunked as the data are."""
    return from_grid(obj, _area, suffix, attrs={"units": "sr"}, name="solid_angle")
