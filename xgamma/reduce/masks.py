"""Masks of pixels and bins, and what they leave."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from xgamma.coords import Axis, SkyGrid, from_grid
from xgamma.coords.axes import RTOL
from xgamma.coords.labels import to_number
from xgamma.fluxpoints import mask_valid
from xgamma.reduce.regions import Area, areas, inside_areas
from xgamma.schema import is_flux_points

__all__ = ["energy_mask", "energy_range", "mask", "mask_image", "mask_safe", "region_mask"]

_DIMS = ("energy", "y", "x")


def region_mask(ds: xr.Dataset | xr.DataArray, regions: Any, inside: bool = True) -> xr.DataArray:
    """Return which pixels of a map lie inside regions.

    A pixel is inside if its centre is. As everywhere in the `regions` package, a sky region keeps its shape in the
    plane of the pixels; the ``SphericalSkyRegion`` kinds are areas of the sphere itself. A point is the pixel that
    contains it; lines and texts contain nothing.

    Parameters
    ----------
    ds : Dataset or DataArray
        With dims y, x.
    regions : region, SkyCoord, str, or a sequence of regions
        Sky or pixel regions of the `regions` package, or text in DS9 format; several make their union. Pixel regions
        count the rows and columns of the array from zero.
    inside : bool
        Whether pixels inside are True. With False they are the ones that are not.

    Returns
    -------
    DataArray
        (y, x) of bool, lazy where `ds` is.

    Raises
    ------
    ValueError
        If there is no map, or a region or text is none.
    """
    grid = SkyGrid.from_dataset(ds)
    function = partial(_region_block, parts=areas(regions, grid), inside=inside)
    return from_grid(ds, function, dtype=bool, name="region_mask")


def _region_block(grid: SkyGrid, parts: tuple[Area, ...], inside: bool) -> np.ndarray:
    found = inside_areas(parts, grid)
    return found if inside else ~found


def energy_mask(ds: xr.Dataset | xr.DataArray, energy_min: Any = None, energy_max: Any = None) -> xr.DataArray:
    """Return which bins lie wholly inside an energy range.

    Parameters
    ----------
    ds : Dataset or DataArray
        With dim energy.
    energy_min, energy_max : str, Quantity or number, optional
        Limits, which may miss the edge of a bin by 1e-6 of it; plain numbers are in the unit of the axis. Left out,
        there is no limit.

    Returns
    -------
    DataArray
        (energy) of bool.

    Raises
    ------
    ValueError
        If there is no energy axis, or a limit is no energy or both are swapped.
    """
    axis = Axis.from_dataset(ds, "energy")
    what = "a limit of the energy mask"
    low = -np.inf if energy_min is None else to_number(energy_min, axis.unit, what)
    high = np.inf if energy_max is None else to_number(energy_max, axis.unit, what)
    if not low <= high:
        raise ValueError(f"the limits {low:.6g} and {high:.6g} {axis.unit} of the energy mask are swapped or nan")
    found = (axis.lower >= low - RTOL * axis.lower) & (axis.upper <= high + RTOL * axis.upper)
    keep = [key for key in ds.coords if ds.coords[key].dims == ("energy",)]
    return xr.DataArray(found, coords=ds.coords.to_dataset()[keep].coords, dims="energy", name="energy_mask")


def mask(ds: xr.Dataset) -> xr.DataArray:
    """Return the bins inside ``mask_safe`` and ``mask_fit``, whichever of them exist, and all if none does.

    Parameters
    ----------
    ds : Dataset
        With dims energy, y, x, or energy alone. Of flux points those that their fit statistic cannot use, such as upper
        limits, are outside as well (`xgamma.fluxpoints.mask_valid`).

    Returns
    -------
    DataArray
        (energy, y, x) of bool, lazy where `ds` is.

    Raises
    ------
    ValueError
        If there are no bins to mask.
    """
    return _mask(ds, ("mask_safe", "mask_fit"))


def mask_safe(ds: xr.Dataset) -> xr.DataArray:
    """Return the bins inside ``mask_safe``, all if there is none; of flux points those that can be used.

    Parameters
    ----------
    ds : Dataset
        As for `mask`.

    Returns
    -------
    DataArray
        (energy, y, x) of bool, lazy where `ds` is.
    """
    return _mask(ds, ("mask_safe",)).rename("mask_safe")


def _mask(ds: xr.Dataset, names: tuple[str, ...]) -> xr.DataArray:
    parts = [ds[name].astype(bool) for name in names if name in ds]
    if is_flux_points(ds) and "mask_safe" in names:
        parts.append(mask_valid(ds))
    dims = [dim for dim in _DIMS if dim in ds.dims]
    if "energy" not in dims:
        raise ValueError(f"there are no bins to mask here, for want of a dim 'energy': the dims are {tuple(ds.dims)}")
    # a mask of pixels or of energies alone holds for all bins
    if not parts or any(set(dims) - set(part.dims) for part in parts):
        parts.append(_all_true(ds, dims))
    parts = list(xr.align(*parts, join="exact"))
    result = parts[0]
    for part in parts[1:]:
        result = result & part
    return result.transpose(*dims).drop_attrs(deep=False).rename("mask")


def _all_true(ds: xr.Dataset, dims: list[str]) -> xr.DataArray:
    like = next((ds[name] for name in ("counts", "background") if name in ds), None)
    if like is not None and set(like.dims) == set(dims):
        return xr.ones_like(like, dtype=bool)
    coords = ds.coords.to_dataset()
    keep = [key for key in coords.coords if set(coords[key].dims) <= set(dims)]
    shape = tuple(ds.sizes[dim] for dim in dims)
    return xr.DataArray(np.broadcast_to(np.True_, shape), coords=coords[keep].coords, dims=dims)


def mask_image(ds: xr.Dataset) -> xr.DataArray:
    """Return the pixels with a bin inside both masks.

    Parameters
    ----------
    ds : Dataset
        As for `mask`.

    Returns
    -------
    DataArray
        (y, x) of bool, lazy where `ds` is.
    """
    return mask(ds).any("energy").rename("mask_image")


_WHICH = {None: ("mask_safe", "mask_fit"), "safe": ("mask_safe",), "fit": ("mask_fit",)}


def energy_range(ds: xr.Dataset, which: str | None = None) -> tuple[xr.DataArray, xr.DataArray]:
    """Return maps of the lowest and the highest energy inside the masks.

    Parameters
    ----------
    ds : Dataset
        As for `mask`.
    which : {None, "safe", "fit"}
        Whether both masks count, or one of them. A mask that does not exist leaves all bins.

    Returns
    -------
    lowest, highest : DataArray
        (y, x): the lower edge of the first and the upper edge of the last bin inside, in the unit of the axis, and nan
        in pixels without any. Lazy where `ds` is.

    Raises
    ------
    ValueError
        If there is no energy axis or `which` is none of the three.
    """
    if which not in _WHICH:
        raise ValueError(f"which is {which!r}: it is None for both masks, 'safe' or 'fit'")
    axis = Axis.from_dataset(ds, "energy")
    chosen = _mask(ds, _WHICH[which])
    # Bins of flux points at single energies are made up, where bins of counts are not.
    points = axis.node_type == "center" and is_flux_points(ds)
    ends = (axis.center, axis.center) if points else (axis.lower, axis.upper)
    lower, upper = (xr.DataArray(edges, dims="energy") for edges in ends)
    # infinities in place of nan, of which dask warns where a pixel has no bin
    lowest = lower.where(chosen, np.inf).min("energy").rename("energy_min")
    highest = upper.where(chosen, -np.inf).max("energy").rename("energy_max")
    lowest, highest = lowest.where(lowest < np.inf), highest.where(highest > -np.inf)
    order = [dim for dim in _DIMS if dim in lowest.dims]
    units = {"units": axis.unit}
    return lowest.transpose(*order).assign_attrs(units), highest.transpose(*order).assign_attrs(units)
