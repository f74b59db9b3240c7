"""Drawing along an axis: steps, points with errors, bands of masks; one unit on each side of a picture."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from xgamma.coords import Axis
from xgamma.plot.labels import axis_label
from xgamma.units import unit_on

__all__ = ["axes_along", "band", "join_labels", "pair_of_axes", "points", "scaled", "steps"]

_GAMMA_RAYS = 1e6
"""In keV: spectra of the X-ray formats whose energies all lie above are drawn in TeV."""


def axes_along(ax: Any, axis: Axis) -> tuple[Any, Axis]:
    """Return axes for values along an axis, with name, unit and scale of that.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Made anew in a new figure if None.
    axis : Axis
        What runs to the right.

    Returns
    -------
    ax : Axes
    axis : Axis
        In the unit that `ax` shows already, or else in its own; in TeV if it has gamma rays in keV.

    Raises
    ------
    ValueError
        If `ax` shows something of another unit.
    """
    import matplotlib.pyplot as plt

    ax = plt.figure(layout="constrained").add_subplot() if ax is None else ax
    far = axis.unit == "keV" and axis.lower.min() >= _GAMMA_RAYS
    shown = axis.to(unit_on(ax.xaxis, "TeV" if far else axis.unit))
    ax.set_xscale("log" if axis.interp == "log" else "linear")
    ax.set_xlabel(axis_label(shown))
    return ax, shown


def scaled(ax: Any, values: NDArray[Any], unit: Any) -> tuple[NDArray[np.float64], u.UnitBase]:
    """Return values in the unit that the upright side of axes shows, and that unit; by default their own."""
    shown = unit_on(ax.yaxis, unit)
    return np.asarray(values, dtype=np.float64) * u.Unit(unit).to(shown), shown


def steps(ax: Any, axis: Axis, values: NDArray[Any], **options: Any) -> Any:
    """Draw a value for each bin as steps; as joined points where bins do not touch or are given by their centres."""
    order = np.argsort(axis.center)
    if axis.node_type == "center" or not axis.is_contiguous:
        return ax.plot(axis.center[order], values[order], **{"marker": ".", **options})
    return ax.stairs(values[order], np.sort(axis.edges), **{"baseline": None, **options})


def points(ax: Any, axis: Axis, values: NDArray[Any], errors: NDArray[Any] | None = None, **options: Any) -> Any:
    """Draw a value for each bin as a point with its error, across the width of the bin."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    options = normalize_kwargs(options, Line2D)
    width = np.stack([axis.center - axis.lower, axis.upper - axis.center])
    style = {} if "fmt" in options else {"marker": "o", "linestyle": "none"}
    defaults = {"markersize": 4, **style}
    return ax.errorbar(axis.center, values, yerr=errors, xerr=np.maximum(width, 0), **{**defaults, **options})


def band(ax: Any, axis: Axis, inside: NDArray[np.bool_], **options: Any) -> Any:
    """Shade the bins inside a mask, from the bottom to the top of the axes."""
    lower, upper = (np.where(inside, edge, np.nan) for edge in (axis.lower, axis.upper))
    corners = np.stack([lower, upper, np.full(axis.size, np.nan)], axis=1).ravel()
    return ax.fill_between(corners, 0, 1, transform=ax.get_xaxis_transform(), linewidth=0, **options)


def pair_of_axes(ax: Any) -> tuple[Any, Any]:
    """Return axes for a spectrum and, below, for residuals; made anew, or in the room of one."""
    if np.iterable(ax):
        upper, lower = ax
    elif ax is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(7, 6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(7, 3))
    else:
        from mpl_toolkits.axes_grid1 import make_axes_locatable

        upper = ax
        lower = make_axes_locatable(ax).append_axes("bottom", size="40%", pad=0.1, sharex=ax)
        upper.tick_params(labelbottom=False)
    return upper, lower


def join_labels(upper: Any, lower: Any) -> None:
    """Leave the label of the energy to the lower axes, and let that of the residuals fit their height."""
    upper.set_xlabel("")
    lower.set_ylabel(lower.get_ylabel().replace(" / ", "\n/ "))
