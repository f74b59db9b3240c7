"""Parts of a dataset: cutouts of the sky, ranges of energy and of bins."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from astropy.coordinates import SkyCoord

from xgamma.coords import Axis, GridNames, SkyGrid
from xgamma.coords.cutout import cutout_box, positions_in_box
from xgamma.coords.labels import pair_of_degrees
from xgamma.coords.plane import labels_on_plane
from xgamma.history import record
from xgamma.schema import is_flux_points

__all__ = ["cutout", "slice_by_energy", "slice_by_idx"]

_MAPS = ("", "exposure")
"""Suffixes of the grids that are cut to the pixel; responses keep what interpolation needs around them."""


def cutout(ds: xr.Dataset, position: SkyCoord, width: Any, mode: str = "trim", name: str | None = None) -> xr.Dataset:
    """Cut a rectangle out of all maps of a dataset.

    Parameters
    ----------
    ds : Dataset
        With dims y, x. It stays as it is.
    position : SkyCoord
        Middle of the cutout, in any frame.
    width : str, Quantity or number, or a pair of them
        Extent in longitude and latitude; plain numbers are degrees.
    mode : {"trim", "partial", "strict"}
        Where the rectangle reaches beyond the map: keep what is on it, fill what is not with zeros (masks with False),
        or raise.
    name : str, optional
        Name of the new dataset. It keeps its own if left out.

    Returns
    -------
    Dataset
        Lazy where `ds` is. The maps on the grid of the counts, and an exposure on its own, have exactly the pixels of
        `astropy.nddata.Cutout2D`. Responses keep at least 3 x 3 pixels and all those that are needed to interpolate
        at any pixel that is left.

    Raises
    ------
    ValueError
        If there is no map, the rectangle misses it, or is not wholly inside with ``strict``.
    """
    grids, extent = _shared(SkyGrid.all_of(ds, "")), pair_of_degrees(width, "width")
    found = {suffix: cutout_box(grids[suffix], position, extent, mode) for suffix in grids if suffix in _MAPS}
    boxes, (_, middle) = {suffix: box for suffix, (box, _) in found.items()}, found[""]
    rows, columns = positions_in_box(grids[""], boxes[""])
    left = grids[""].y[rows], grids[""].x[columns]
    indexers: dict[str, slice] = {}
    around: dict[int, tuple[slice, slice]] = {}
    for suffix, grid in grids.items():
        if suffix in boxes:
            rows, columns = positions_in_box(grid, boxes[suffix])
        else:
            if id(grid) not in around:
                around[id(grid)] = _around(grid, grids[""], left, middle)
            rows, columns = around[id(grid)]
        names = GridNames(suffix)
        indexers |= {names["y"]: rows, names["x"]: columns}
    part = ds.isel(indexers)
    if mode == "partial":
        for suffix, ((bottom, top), (start, stop)) in boxes.items():
            whole = SkyGrid(grids[suffix].keywords, np.arange(bottom, top), np.arange(start, stop))
            part = _fill(part, whole, suffix)
    sky, (lon, lat) = position.spherical, extent
    where = f"{sky.lon.deg:.6f} {sky.lat.deg:.6f} {position.frame.name}"
    return record(part, f"cutout(position={where!r}, width=({lon:.6g}, {lat:.6g}) deg, mode={mode!r})", name)


def _shared(grids: Mapping[str, SkyGrid]) -> dict[str, SkyGrid]:
    """Return one object for all grids that are equal, as those of responses often are."""
    found: dict[str, SkyGrid] = {}
    for suffix, grid in grids.items():
        found[suffix] = next((one for one in found.values() if one.equals(grid)), grid)
    return found


def _around(
    grid: SkyGrid, whole: SkyGrid, left: tuple[np.ndarray, np.ndarray], middle: tuple[float, float]
) -> tuple[slice, slice]:
    """Return the pixels of a response between which labels of a map lie, and those next to the middle."""
    y, x = left
    rim_y = np.concatenate([[middle[0]], y, y, np.repeat(y[[0, -1]], x.size)])
    rim_x = np.concatenate([[middle[1]], np.repeat(x[[0, -1]], y.size), x, x])
    there = labels_on_plane(grid, whole, rim_y, rim_x) or grid.labels_of(whole, rim_y, rim_x)
    # a pixel's centre must not need a neighbour by rounding of the projections
    rim = np.round(there, 9)
    slices = []
    for labels, values in zip((grid.y, grid.x), rim, strict=True):
        wanted = np.append(values[np.isfinite(values)], [values[0] - 1, values[0] + 1])
        first = labels[labels <= np.min(wanted)].max(initial=labels.min())
        last = labels[labels >= np.max(wanted)].min(initial=labels.max())
        inside = np.flatnonzero((labels >= first) & (labels <= last))
        slices.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return slices[0], slices[1]


def _fill(part: xr.Dataset, whole: SkyGrid, suffix: str) -> xr.Dataset:
    """Return the maps of a cutout on a grid that reaches beyond them."""
    names = GridNames(suffix)
    if not whole.is_contiguous or any(np.any(np.diff(part[names[key]]) != 1) for key in ("y", "x")):
        raise ValueError("a map with gaps or reversed rows or columns cannot be filled: use mode 'trim'")
    values = {key: False if var.dtype == bool else 0 for key, var in part.data_vars.items()}
    return part.reindex_like(xr.Dataset(coords=whole.to_coords(suffix)), fill_value=values)


def slice_by_energy(
    ds: xr.Dataset, energy_min: Any = None, energy_max: Any = None, name: str | None = None
) -> xr.Dataset:
    """Cut out a range of reconstructed energies, whose limits snap to the nearest edge of a bin.

    Of the three rules for energies this is the one for slicing and resampling: ``ds.sel(energy=slice(...))`` keeps bins
    whose centre is inside, and `xgamma.reduce.masks.energy_mask` those that are wholly inside.

    Parameters
    ----------
    ds : Dataset
        With dim energy. It stays as it is. Of flux points whose bins are not known those between the limits are kept.
    energy_min, energy_max : str, Quantity or number, optional
        Limits; plain numbers are in the unit of the axis. Left out, they are the ends of the axis.
    name : str, optional
        Name of the new dataset. It keeps its own if left out.

    Returns
    -------
    Dataset
        Lazy where `ds` is. True energies stay as they are.

    Raises
    ------
    ValueError
        If there is no energy axis, its bins do not touch, or no bin lies between the limits.
    """
    axis = Axis.from_dataset(ds, "energy")
    if axis.node_type == "center" and is_flux_points(ds):
        # Points at single energies have no edges to snap to.
        part = ds.sel(energy=slice(energy_min, energy_max))
    else:
        part = ds.isel(energy=axis.snap(energy_min, energy_max))
    limits = ", ".join("None" if v is None else str(v) for v in (energy_min, energy_max))
    return record(part, f"slice_by_energy({limits})", name)


def slice_by_idx(ds: xr.Dataset, slices: Mapping[str, slice | int], name: str | None = None) -> xr.Dataset:
    """Cut out ranges of bins by their positions.

    Parameters
    ----------
    ds : Dataset
        Any dataset. It stays as it is.
    slices : mapping of str to slice or int
        For each dim the bins to keep. An integer keeps one bin, and the dim.
    name : str, optional
        Name of the new dataset. It keeps its own if left out.

    Returns
    -------
    Dataset
        Lazy where `ds` is. Each variable is cut along those of the dims that it has.

    Raises
    ------
    ValueError
        If a dim is not there, its bins are neither slice nor whole number, or no bin is left.
    """
    if not isinstance(slices, Mapping):
        raise ValueError(f"slices is {slices!r}: give a mapping such as {{'energy': slice(0, 3)}}")
    indexers = {}
    for dim, bins in slices.items():
        if dim not in ds.dims:
            raise ValueError(f"there is no dim {dim!r} to slice here: the dims are {tuple(ds.dims)}")
        size = ds.sizes[dim]
        whole = bins if isinstance(bins, slice) else _single(bins, dim, size)
        try:
            left = len(range(size)[whole])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{whole} along dim {dim!r} is no range of positions: {error}") from error
        if not left:
            raise ValueError(f"{whole} leaves none of the {size} bins along dim {dim!r}")
        indexers[dim] = whole
    text = ", ".join(f"{dim}={_text(bins)}" for dim, bins in indexers.items())
    return record(ds.isel(indexers), f"slice_by_idx({text})", name)


def _single(position: Any, dim: str, size: int) -> slice:
    try:
        where = operator.index(position)
    except TypeError as error:
        raise ValueError(
            f"the bins along dim {dim!r} are given as {position!r}: give a slice or a whole number, or take single "
            f"bins with isel({dim}=[0, 1])"
        ) from error
    if not -size <= where < size:
        raise ValueError(f"dim {dim!r} has {size} bins: there is none at position {where}")
    return slice(where, where + 1 or None)


def _text(bins: slice) -> str:
    parts = [bins.start, bins.stop] + ([] if bins.step is None else [bins.step])
    return ":".join("" if part is None else str(part) for part in parts)
