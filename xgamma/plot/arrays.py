"""Pictures of one array."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.irf.lookup import sky_dims
from xgamma.plot.labels import bin_titles, title_of, value_label
from xgamma.plot.sky import decorate, image, is_round, sky_axes
from xgamma.plot.steps import axes_along, scaled, steps
from xgamma.schema import AXES, base_name
from xgamma.units import unit_of

__all__ = ["draw_map", "plot", "plot_grid"]

_BAR_WIDTH = 0.04
"""Width of a colour bar as a part of that of its map."""


def plot(da: xr.DataArray, ax: Any = None, *, colorbar: bool = True, **options: Any) -> Any:
    """Draw a map as an image on the sky, or an array along an axis as steps.

    Parameters
    ----------
    da : DataArray
        With dims on the sky, or along one axis; dims of size 1 do not count. Computed if lazy.
    ax : matplotlib Axes, optional
        For a map, axes with a WCS: made anew if left out, in a new figure.
    colorbar : bool
        Whether a map gets a colour bar, with name and unit.
    **options
        For ``imshow`` of a map, such as ``cmap``, ``norm``, ``vmin``; for ``stairs`` or ``plot`` otherwise.

    Returns
    -------
    Axes
        Those that it drew on. Longitudes are continuous over the map and in the frame of the map. Of a map from which
        every other pixel was taken, those that are left fill the gaps.

    Raises
    ------
    ValueError
        If other dims are left, or `ax` has no WCS.
    """
    da = da.squeeze([d for d in da.dims if da.sizes[d] == 1 and base_name(str(d)) not in ("y", "x")])
    if sky_dims(da) is not None:
        return draw_map(da, ax, colorbar=colorbar, **options)
    if da.ndim != 1 or base_name(str(da.dims[0])) not in AXES:
        raise ValueError(
            f"'{da.name}' has the dims {da.dims}: select until those on the sky or one axis of {sorted(AXES)} are left."
        )
    return _plot_steps(da, ax, options)


def draw_map(da: xr.DataArray, ax: Any = None, *, colorbar: bool = True, label: str = "", **options: Any) -> Any:
    """Draw a map on the sky, with a text at its colour bar that is its name and unit by default."""
    values, _ = image(da)
    if ax is None:
        ax = sky_axes(da)
    elif not hasattr(ax, "coords"):
        raise ValueError("These axes have no WCS: make them with projection=array.gp.wcs, or leave ax out.")
    drawn = ax.imshow(values, **{"origin": "lower", "interpolation": "nearest", **options})
    decorate(ax, da)
    ax.set_title(title_of(da))
    if colorbar:
        slimness = values.shape[0] / values.shape[1] / _BAR_WIDTH
        bar = ax.figure.colorbar(drawn, ax=ax, label=label or value_label(da), aspect=slimness)
        bar.ax.set_axes_locator(partial(_beside, ax))
    return ax


def _beside(ax: Any, bar: Any, renderer: Any) -> Any:
    """Place of a colour bar: beside its map and as high as that, whatever room its aspect leaves it."""
    from matplotlib.transforms import Bbox

    ax.apply_aspect()
    box = ax.get_position()
    # a round frame has tick labels there
    gap = 0.12 if is_round(ax) else 0.03
    return Bbox.from_bounds(box.x1 + gap * box.width, box.y0, _BAR_WIDTH * box.width, box.height)


def _plot_steps(da: xr.DataArray, ax: Any, options: dict[str, Any]) -> Any:
    ax, axis = axes_along(ax, Axis.from_dataset(da, str(da.dims[0])))
    values, unit = scaled(ax, da.values, unit_of(da))
    steps(ax, axis, values, **{"label": title_of(da) or None, **options})
    ax.set_ylabel(value_label(da, unit))
    return ax


def plot_grid(da: xr.DataArray, ncols: int = 3, figsize: tuple[float, float] | None = None, **options: Any) -> Any:
    """Draw one panel for each bin of a map.

    Parameters
    ----------
    da : DataArray
        With dims on the sky and one more; dims of size 1 do not count. Computed if lazy.
    ncols : int
        Number of panels side by side.
    figsize : pair of float, optional
        Size of the figure in inches; follows from the number of panels if left out.
    **options
        As for `plot`. Each panel has a colour scale of its own unless ``vmin``, ``vmax`` or ``norm`` say otherwise.

    Returns
    -------
    ndarray of Axes
        One a bin, in one dimension; each is titled with the edges of its bin and their unit. Those at the left and at
        the bottom name longitude and latitude.

    Raises
    ------
    ValueError
        If there are no dims on the sky, or not exactly one besides.
    """
    import matplotlib.pyplot as plt

    sky = sky_dims(da)
    if sky is None:
        raise ValueError(f"'{da.name}' has no dims on the sky, its dims are {da.dims}: use plot.")
    long = [dim for dim in da.dims if dim not in sky and da.sizes[dim] != 1]
    others = long or [dim for dim in da.dims if dim not in sky][:1]
    if len(others) != 1:
        raise ValueError(f"'{da.name}' has the dims {others} besides those on the sky: select until one is left.")
    dim = others[0]
    da = da.squeeze([d for d in da.dims if da.sizes[d] == 1 and d not in (*sky, dim)])
    known = base_name(str(dim)) in AXES
    titles = bin_titles(Axis.from_dataset(da, str(dim))) if known else [f"{dim} {v}" for v in da[dim].values]
    ncols = min(ncols, da.sizes[dim])
    nrows = -(-da.sizes[dim] // ncols)
    figure = plt.figure(figsize=figsize or (4.2 * ncols, 3.2 * nrows), layout="constrained")
    axes = np.empty(da.sizes[dim], dtype=object)
    for i, title in enumerate(titles):
        panel = da.isel({dim: i})
        axes[i] = plot(panel, ax=sky_axes(panel, figure, (nrows, ncols, i + 1)), **options)
        axes[i].set_title(title)
        # Names of the axes stand at the rim of the grid.
        for axis, inner in zip(axes[i].coords, (i + ncols < len(titles), i % ncols != 0), strict=False):
            if inner:
                axis.set_auto_axislabel(False)
                axis.set_axislabel("")
    return axes
