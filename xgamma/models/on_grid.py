"""Spatial models on the pixels of a map, as an array with labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from astropy import units as u

from xgamma.models.units import energies

if TYPE_CHECKING:
    from xgamma.coords import SkyGrid
    from xgamma.models.spatial_base import SpatialModel

__all__ = ["evaluate_geom", "plot_spatial"]

_FINEST = 5
"""Into how many parts of its sides a pixel is cut at most."""

_SHOWN, _SHOWN_POINT = 201, 21
"""Rows and columns of the map on which a model, or a point, is drawn by default; an odd number has a pixel in the
middle."""

_MARGIN, _NARROWEST = 1.1, 0.1
"""Half the width of that map as a multiple of the radius of the model, which counts for at least so many degrees."""


def evaluate_geom(model: SpatialModel, geom: Any, energy: Any = None) -> xr.DataArray:
    """Return the mean of a spatial model over each pixel of a map.

    Parameters
    ----------
    model : SpatialModel
        A point source fills the pixel that holds it: its mean there is one over the pixel's solid angle.
    geom : DataArray, Dataset, Geom or SkyGrid
        What has the pixels, such as ``ds.counts`` or ``ds.gp.geoms["geom"]``.
    energy : Quantity or str, optional
        One energy; only models that depend on energy need it.

    Returns
    -------
    DataArray (y, x)
        In the unit of the model; nan off the projection. Where the model changes within a pixel, the mean is taken over
        up to 5 x 5 points in it.

    Raises
    ------
    ValueError
        If `geom` has no dims on the sky, or a model that depends on energy gets none or several.
    """
    grid = _grid_of(geom)
    at = None if energy is None else np.ravel(energies(energy))
    if at is not None and at.size != 1:
        raise ValueError(f"energy holds {at.size} values: a map shows a spatial model at one")
    values = _point(model, grid) if model.scale_deg == 0 and model.position is not None else _mean(model, grid, at)
    array = xr.DataArray(values, grid.to_coords(), dims=("y", "x"), name="spatial_model")
    return array.assign_attrs(units=model.unit.to_string("fits"))


def plot_spatial(model: SpatialModel, ax: Any, geom: Any, energy: Any, options: dict[str, Any]) -> Any:
    """Draw a spatial model, see `xgamma.models.SpatialModel.plot`."""
    array = evaluate_geom(model, _around(model) if geom is None else geom, energy)
    # The accessor draws, as drawing stands above the models.
    return array.gp.plot(ax, **options)


def _grid_of(geom: Any) -> SkyGrid:
    from xgamma.coords import SkyGrid

    grid = geom.gp.grid if isinstance(geom, xr.DataArray) else getattr(geom, "grid", geom)
    if isinstance(geom, xr.Dataset):
        grid = SkyGrid.from_dataset(geom)
    if not isinstance(grid, SkyGrid):
        raise ValueError(f"geom must be a map, its geometry or a SkyGrid, not {type(geom).__name__}")
    return grid


def _around(model: SpatialModel) -> SkyGrid:
    from xgamma.coords import SkyGrid

    radius = model.radius_deg
    if radius is None or model.position is None:
        raise ValueError(f"{type(model).__name__} has no size of its own: pass geom, such as ds.counts")
    half = _MARGIN * max(radius, _NARROWEST)
    n = _SHOWN if radius else _SHOWN_POINT
    return SkyGrid.create(model.position, binsz=2 * half / n, frame=model.frame, proj="TAN", shape=(n, n))


def _point(model: SpatialModel, grid: SkyGrid) -> np.ndarray:
    y, x = (np.floor(label + 0.5) for label in grid.position_to_labels(model.position))
    area = grid.solid_angle()
    inside = (grid.y == y)[:, None] & (grid.x == x)
    return np.where(inside, 1 / area, np.where(np.isfinite(area), 0.0, np.nan))


def _mean(model: SpatialModel, grid: SkyGrid, energy: Any) -> np.ndarray:
    if model.has_means:
        return _exact_mean(model, grid)
    scale = model.scale_deg
    steps = int(np.clip(np.ceil(2 * max(grid.pixel_scale) / scale), 1, _FINEST)) if scale > 0 else _FINEST
    offsets = (np.arange(steps) + 0.5) / steps - 0.5
    total = np.zeros(grid.shape)
    for dy in offsets:
        for dx in offsets:
            total += _values(model, grid, grid.y[:, None] + dy, grid.x + dx, energy)
    return total / steps**2


def _exact_mean(model: SpatialModel, grid: SkyGrid) -> np.ndarray:
    edges = (np.arange(labels[0], labels[-1] + 2) - 0.5 for labels in (grid.y, grid.x))
    y, x = next(edges), next(edges)
    means = model.means(*_directions(model, grid, y[:, None], x))
    means = means[np.ix_((grid.y - grid.y[0]).astype(int), (grid.x - grid.x[0]).astype(int))]
    # Next to the rim of a projection, where corners are missing, the value at the centre stands for the mean.
    return np.where(np.isfinite(means), means, _values(model, grid, grid.y[:, None], grid.x, None))


def _values(model: SpatialModel, grid: SkyGrid, y: Any, x: Any, energy: Any) -> np.ndarray:
    lon, lat = _directions(model, grid, y, x)
    there = np.isfinite(lon)
    values = np.full(lon.shape, np.nan)
    values[there] = model.evaluate_lonlat(lon[there], lat[there], energy)
    return values


def _directions(model: SpatialModel, grid: SkyGrid, y: Any, x: Any) -> np.ndarray:
    """Longitudes and latitudes of labels in deg in the frame of a model; nan off the projection."""
    lonlat = np.stack(np.broadcast_arrays(*grid.labels_to_lonlat(y, x)))
    there = np.isfinite(lonlat).all(axis=0)
    sky = grid.position(*lonlat[:, there]).transform_to(model.frame).spherical
    out = np.full(lonlat.shape, np.nan)
    out[:, there] = sky.lon.to_value(u.deg), sky.lat.to_value(u.deg)
    return out
