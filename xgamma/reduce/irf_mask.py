"""Where on the grid of a response the data are trusted."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import SkyGrid
from xgamma.coords.plane import labels_on_plane
from xgamma.reduce.rebuild import grid_dims

__all__ = ["Lookup", "any_energy", "irf_mask", "lookup"]

_STEPS = np.array([-0.99, -0.5, 0.0, 0.5, 0.99])
"""Places around a pixel of a response, in pixels, for which an interpolation looks at it."""


Lookup = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows and columns, which broadcast to (y, step, x, step)."""


def irf_mask(ds: xr.Dataset, suffix: str | None, found: Lookup | None = None) -> xr.Variable:
    """Safe mask on the grid of a response.

    Parameters
    ----------
    ds : Dataset
        With ``mask_safe``.
    suffix : str or None
        Of the grid; None for a response without dims on the sky.
    found : (ndarray, ndarray), optional
        What `lookup` finds, if that is known.

    Returns
    -------
    Variable, dims (energy,) and those of the grid
        True for a pixel of the response if the data are trusted anywhere within a pixel's width of it: there its values
        enter interpolations. Places beyond the map count as the nearest pixel of the map.
    """
    mask = ds.variables["mask_safe"]
    if not {"y", "x"} <= set(mask.dims):
        return mask
    if suffix is None:
        return mask.any(("y", "x"))
    if suffix == "":
        return mask
    y, x = grid_dims(suffix)
    rows, columns = lookup(SkyGrid.from_dataset(ds), SkyGrid.from_dataset(ds, suffix)) if found is None else found
    if isinstance(mask.data, np.ndarray):
        rest = [dim for dim in mask.dims if dim not in ("y", "x")]
        return xr.Variable((*rest, y, x), _near(mask.transpose(..., "y", "x").data, rows, columns))
    dims = (y, "step_y", x, "step_x")
    rows, columns = np.broadcast_arrays(rows, columns)
    return mask.isel(y=xr.Variable(dims, rows), x=xr.Variable(dims, columns)).any(("step_y", "step_x"))


def _near(data: NDArray[np.bool_], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether a mask (..., y, x) holds at any of the places that belong to each pixel."""
    rest, steps = data.shape[:-2], _STEPS.size
    if rows.size == rows.shape[0] * steps and columns.size == columns.shape[2] * steps:
        # one axis after the other, by places first: the processor compares many pixels at once
        tall = data.take(rows.reshape(-1, steps).T, axis=-2).any(axis=-3)
        return np.asarray(tall.take(columns.reshape(-1, steps).T, axis=-1).any(axis=-2))
    places = (rows * data.shape[-1] + columns).transpose(1, 3, 0, 2)
    flat = data.reshape(*rest, -1).take(places.reshape(steps**2, -1), axis=-1)
    return np.asarray(flat.any(axis=-2).reshape(*rest, rows.shape[0], columns.shape[2]))


def any_energy(mask: xr.Variable) -> xr.Variable:
    """Whether a mask over ``energy`` holds for any, where xarray's way takes longer than the numbers."""
    dims = [dim for dim in mask.dims if dim != "energy"]
    return xr.Variable(dims, mask.data.any(axis=mask.get_axis_num("energy")))


def lookup(grid: SkyGrid, other: SkyGrid) -> Lookup:
    """Rows and columns of the map that are nearest to places about each pixel of a response, (y, step, x, step).

    They broadcast to that shape: on grids about one reference point rows do not depend on columns.
    """
    rows, columns = ((labels[:, None] + _STEPS).ravel() for labels in (other.y, other.x))
    found = labels_on_plane(grid, other, rows, columns)
    if found is not None:
        nearest = [_position(own, wanted) for own, wanted in zip((grid.y, grid.x), found, strict=True)]
        return nearest[0].reshape(-1, _STEPS.size, 1, 1), nearest[1].reshape(1, 1, -1, _STEPS.size)
    shape = (other.y.size, _STEPS.size, other.x.size, _STEPS.size)
    y, x = grid.labels_of(other, rows[:, None], columns)
    return _position(grid.y, y).reshape(shape), _position(grid.x, x).reshape(shape)


def _position(labels: NDArray[np.int64], wanted: NDArray[np.float64]) -> NDArray[np.intp]:
    order = np.argsort(labels, kind="stable")
    ascending = labels[order]
    middles = (ascending[1:] + ascending[:-1]) / 2
    return order[np.searchsorted(middles, np.where(np.isnan(wanted), ascending[0], wanted))]
