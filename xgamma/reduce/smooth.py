"""Smoothing of maps on the sky."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import SkyGrid
from xgamma.irf.lookup import sky_dims
from xgamma.schema import suffix_of

__all__ = ["smooth"]

_TRUNCATE = 4.0
"""Standard deviations at which a Gaussian is cut off."""

Filter = Callable[[NDArray[Any]], NDArray[Any]]


def _gauss(width: float) -> tuple[Filter, int]:
    from scipy import ndimage

    return (
        lambda image: ndimage.gaussian_filter(image, width, truncate=_TRUNCATE, axes=(-2, -1)),
        int(_TRUNCATE * width + 0.5),
    )


def _disk(width: float) -> tuple[Filter, int]:
    from scipy import ndimage

    half = int(np.floor(width + 1e-9))
    step = np.arange(-half, half + 1)
    inside = np.hypot(*np.meshgrid(step, step)) <= width + 1e-9
    weights = inside / inside.sum()
    return lambda image: ndimage.convolve(image, weights[(None,) * (image.ndim - 2)]), half


def _box(width: float) -> tuple[Filter, int]:
    from scipy import ndimage

    side = max(int(width + 1e-9), 1)
    return lambda image: ndimage.uniform_filter(image, side, axes=(-2, -1)), side // 2


_KERNELS: dict[str, Callable[[float], tuple[Filter, int]]] = {"gauss": _gauss, "disk": _disk, "box": _box}


def _in_pixels(width: Any, grid: SkyGrid) -> float:
    if isinstance(width, str | u.Quantity):
        quantity = u.Quantity(width)
        if not quantity.unit.is_equivalent("deg"):
            raise ValueError(f"width is {width}: give an angle such as '0.1 deg', or a number of pixels.")
        pixels = quantity.to_value("deg") / np.mean(grid.pixel_scale)
    else:
        pixels = width
    if not np.isfinite(pixels) or pixels < 0:
        raise ValueError(f"width is {width}: give an angle or a number of pixels that is not negative.")
    return float(pixels)


def _lazily(function: Filter, data: Any, depth: int) -> Any:
    """Apply a filter of the last two axes chunk by chunk, with the margin that it looks into."""
    # Without a margin at the outer border the filter reflects there, as it does on the whole array.
    for axis in (data.ndim - 2, data.ndim - 1):
        if min(data.chunks[axis]) < depth:
            data = data.rechunk({axis: "auto"})
        if min(data.chunks[axis]) < depth:
            data = data.rechunk({axis: -1})
    margin = {axis: depth if data.numblocks[axis] > 1 else 0 for axis in (data.ndim - 2, data.ndim - 1)}
    return data.map_overlap(function, depth=margin, boundary="none", dtype=np.float64, meta=np.empty((0,) * data.ndim))


def smooth(da: xr.DataArray, width: Any, kernel: str = "gauss") -> xr.DataArray:
    """Smooth a map on the sky, image by image, and keep its total.

    Pixels beyond the border are mirrored at it.

    Parameters
    ----------
    da : DataArray
        With dims ``y`` and ``x``, or those of another grid, and any others.
    width : Quantity, str or float
        An angle, or a number of pixels: the standard deviation of a Gaussian, the radius of a disk, or the side of a
        box, of which whole pixels count. An angle is divided by the mean size of a pixel at the reference point.
    kernel : {"gauss", "disk", "box"}
        A Gaussian is cut off at four standard deviations.

    Returns
    -------
    DataArray, dims, coords and attrs as `da`
        Floating point numbers. Lazy where the array is.

    Raises
    ------
    ValueError
        If the array has no dims on the sky or gaps there, or the width or kernel is none.
    """
    sky = sky_dims(da)
    if sky is None:
        raise ValueError(f"'{da.name}' has no dims on the sky, its dims are {da.dims}: there is nothing to smooth.")
    grid = SkyGrid.from_dataset(da, suffix_of(sky[0]))
    if not grid.is_contiguous:
        raise ValueError(f"'{da.name}' has gaps or reversed rows or columns: smooth before selecting with a stride.")
    if kernel not in _KERNELS:
        raise ValueError(f"kernel is '{kernel}', it must be one of {sorted(_KERNELS)}.")
    function, depth = _KERNELS[kernel](_in_pixels(width, grid))
    variable = da.variable.transpose(..., *sky).astype(np.float64)
    data = variable.data
    out = _lazily(function, data, depth) if hasattr(data, "dask") else function(data)
    return da.copy(data=variable.copy(data=out).transpose(*da.dims).data)
