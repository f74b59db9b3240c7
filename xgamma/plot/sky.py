"""Images on the sky: the pixels of a map as an array without gaps, and axes with its WCS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import SkyGrid
from xgamma.irf.lookup import sky_dims
from xgamma.plot.labels import sky_labels
from xgamma.schema import suffix_of

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from matplotlib.figure import Figure

__all__ = ["decorate", "image", "is_round", "outline", "projection", "sky_axes"]

_ELLIPSES = ("AIT", "MOL")
_HALF_WIDTH = 2 * np.sqrt(2) * np.degrees(1)
"""Half the width of the ellipse that holds the whole sky, in the plane of those projections, in degrees."""


def _spread(labels: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Positions of labels on an even lattice, its first label and its step."""
    if labels.size == 1:
        return np.zeros(1, dtype=int), int(labels[0]), 1
    ordered = np.sort(labels)
    steps = np.diff(ordered)
    if not steps.all():
        raise ValueError(f"The map holds pixels twice, at the labels {ordered[:-1][steps == 0]}: select each once.")
    step = int(np.gcd.reduce(steps))
    return (labels - ordered[0]) // step, int(ordered[0]), step


def image(da: xr.DataArray) -> tuple[np.ndarray, WCS]:
    """Return the pixels of a map as an image, and the WCS of that image.

    Parameters
    ----------
    da : DataArray
        With dims on the sky and no others. Pixels may be missing or in any order.

    Returns
    -------
    values : ndarray (rows, columns)
        Where every other pixel is missing the others take its place; other gaps are nan.
    wcs : WCS
        Of the rows and columns of `values`.
    """
    sky = sky_dims(da)
    if sky is None or set(da.dims) != set(sky):
        raise ValueError(
            f"'{da.name}' has the dims {da.dims}: select or sum until those on the sky are left, or use plot_grid."
        )
    grid = SkyGrid.from_dataset(da, suffix_of(sky[0]))
    if 0 in grid.shape:
        raise ValueError(f"'{da.name}' has no pixels: its shape is {grid.shape}.")
    (at_y, first_y, step_y), (at_x, first_x, step_x) = _spread(grid.y), _spread(grid.x)
    values = np.full((at_y.max() + 1, at_x.max() + 1), np.nan)
    values[np.ix_(at_y, at_x)] = da.transpose(*sky).values
    wcs = grid.wcs
    # The middle of a pixel stays where it is: label first + step * i lies at i, both counted from zero.
    first, step = np.array([first_x, first_y]), np.array([step_x, step_y])
    wcs.wcs.crpix = (wcs.wcs.crpix - 1 - first) / step + 1
    wcs.wcs.cdelt = wcs.wcs.cdelt * step
    wcs.wcs.set()
    wcs.array_shape = values.shape
    return values, wcs


def projection(da: xr.DataArray) -> dict[str, Any]:
    """Return what ``figure.add_subplot`` needs for axes that show a map."""
    from astropy.visualization.wcsaxes import WCSAxes
    from astropy.visualization.wcsaxes.frame import EllipticalFrame

    sky = sky_dims(da)
    assert sky is not None
    grid = SkyGrid.from_dataset(da, suffix_of(sky[0]))
    _, wcs = image(xr.zeros_like(da.isel({dim: 0 for dim in da.dims if dim not in sky}), dtype=float))
    options: dict[str, Any] = {"axes_class": WCSAxes, "wcs": wcs}
    if _is_whole_sky(grid):
        options["frame_class"] = EllipticalFrame
    return options


def sky_axes(da: xr.DataArray, figure: Figure | None = None, position: tuple[int, ...] = (1, 1, 1)) -> Any:
    """Return new axes for a map, in a new figure if none is given."""
    import matplotlib.pyplot as plt

    figure = plt.figure() if figure is None else figure
    return figure.add_subplot(*position, **projection(da))


def is_round(ax: Any) -> bool:
    """Whether axes have the frame of a map of the whole sky."""
    from astropy.visualization.wcsaxes.frame import EllipticalFrame

    return isinstance(ax.coords.frame, EllipticalFrame)


def _is_whole_sky(grid: SkyGrid) -> bool:
    return grid.proj in _ELLIPSES and grid.width[0] >= 2 * _HALF_WIDTH


def _wrap(grid: SkyGrid) -> float:
    """Longitude at which tick labels jump: a map across 0 has negative ones, as -1 and 1 are closer than 359 and 1."""
    y, x = (np.linspace(labels.min(), labels.max(), 33) for labels in (grid.y, grid.x))
    lon, _ = grid.labels_to_lonlat(y[:, None], x)
    lon = lon[np.isfinite(lon)]
    return 180.0 if lon.size and np.floor(lon.min() / 360) != np.floor(lon.max() / 360) else 360.0


def decorate(ax: Any, da: xr.DataArray) -> None:
    """Name the axes of a map after its frame, with ticks in degrees."""
    sky = sky_dims(da)
    assert sky is not None
    grid = SkyGrid.from_dataset(da, suffix_of(sky[0]))
    lon, lat = ax.coords[0], ax.coords[1]
    lon.set_coord_type("longitude", coord_wrap=_wrap(grid) * u.deg)
    for axis, text in zip((lon, lat), sky_labels(grid.frame), strict=True):
        axis.set_format_unit("deg", decimal=True)
        axis.set_axislabel(text)
    if _is_whole_sky(grid):
        (cx, cy), (dx, dy) = ax.wcs.wcs.crpix - 1, np.abs(ax.wcs.wcs.cdelt)
        ax.set_xlim(cx - _HALF_WIDTH / dx, cx + _HALF_WIDTH / dx)
        ax.set_ylim(cy - _HALF_WIDTH / 2 / dy, cy + _HALF_WIDTH / 2 / dy)
        lon.set_ticks(spacing=60 * u.deg)
        lat.set_ticks(spacing=30 * u.deg)
        ax.coords.grid(color="white", alpha=0.6, linestyle="dotted")


def outline(ax: Any, inside: xr.DataArray, **options: Any) -> None:
    """Draw the border of the pixels inside a mask on axes that show its map; options are for ``contour``."""
    values, _ = image(inside)
    # A frame of pixels outside closes lines at the end of the map.
    framed = np.pad(np.nan_to_num(values), 1)
    rows, columns = (np.arange(-1, n - 1) for n in framed.shape)
    limits = ax.axis()
    ax.contour(columns, rows, framed, levels=[0.5], **{"linewidths": 1.2, **options})
    ax.axis(limits)
