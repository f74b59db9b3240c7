"""Errors that are not symmetric, and lines of equal statistic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.fit.around import Best, best_of

__all__ = ["confidence", "stat_contour"]

Array = NDArray[np.float64]

_TOLERANCE = 1e-4
"""Distance to a crossing, relative to that from the best fit, at which the search ends."""
_FAR = 30.0
"""Multiple of the expected distance at which a crossing is given up."""


def confidence(fit: Any, parameter: Any, sigma: float = 1.0, *, models: Any = None, datasets: Any = None) -> xr.Dataset:
    """Asymmetric errors: where the statistic, with all other parameters fitted, is sigma squared above its minimum.

    Parameters
    ----------
    fit : FitResult, Dataset, iterable of Dataset, Datasets or Likelihood
        A result, or datasets with models that are at their best fit.
    parameter : str or Parameter
        A free parameter.
    sigma : float
        Number of standard deviations.
    models : Models, list of models, or model, optional
        As for `Fit.run`.
    datasets : Dataset, iterable of Dataset, Datasets or Likelihood, optional
        Data for a result that was read from a file.

    Returns
    -------
    Dataset, no dims
        ``value``, ``errn`` and ``errp`` (both positive), ``lower`` and ``upper``, in the unit of the parameter, whose
        name is the coordinate ``parameter``. Where the statistic does not rise so much up to a limit or anywhere, an
        error is nan, ``success`` False, and ``attrs["message"]`` says so.

    Raises
    ------
    ValueError
        If the parameter is unknown or frozen, or sigma is not above zero.
    """
    if not sigma > 0:
        raise ValueError(f"sigma must be above zero, not {sigma}.")
    best = best_of(fit, models, datasets)
    i = best.place(parameter)
    reach = sigma * (best.errors[i] if np.isfinite(best.errors[i]) else best.scale[i])
    found, said = [], []
    for sign, limit in ((-1.0, best.lower[i]), (1.0, best.upper[i])):
        room = abs(limit - best.x[i])
        distance = _crossing(_height(best, [i], np.array([sign])), sigma**2, reach, room)
        found.append(distance)
        if np.isnan(distance):
            side = "below" if sign < 0 else "above"
            where = f"up to the limit {limit:.6g}" if np.isfinite(limit) else "anywhere"
            said.append(f"The statistic does not rise by {sigma**2:.4g} {side} the best fit {where}.")
    attrs = {"units": best.units[i]}
    return xr.Dataset(
        {
            "value": ((), best.x[i], attrs),
            "errn": ((), found[0], attrs | {"long_name": "error to lower values"}),
            "errp": ((), found[1], attrs | {"long_name": "error to higher values"}),
            "lower": ((), best.x[i] - found[0], attrs),
            "upper": ((), best.x[i] + found[1], attrs),
            "success": ((), not said),
        },
        coords={"parameter": best.names[i]},
        attrs={"sigma": float(sigma), "message": " ".join(said)},
    )


def stat_contour(
    fit: Any, x: Any, y: Any, *, sigma: float = 1.0, npoints: int = 24, models: Any = None, datasets: Any = None
) -> xr.Dataset:
    """Line about the best fit that encloses two parameters with the probability of some standard deviations.

    On it the statistic, with all other parameters fitted, is above its minimum by the quantile of the chi-square
    distribution with two degrees of freedom: 2.30 for one standard deviation (68.3 %), 6.18 for two.

    Parameters
    ----------
    fit : FitResult, Dataset, iterable of Dataset, Datasets or Likelihood
        A result, or datasets with models that are at their best fit.
    x, y : str or Parameter
        Free parameters.
    sigma : float
        Number of standard deviations.
    npoints : int
        Number of points on the line.
    models : Models, list of models, or model, optional
        As for `Fit.run`.
    datasets : Dataset, iterable of Dataset, Datasets or Likelihood, optional
        Data for a result that was read from a file.

    Returns
    -------
    Dataset, dims (point,)
        The two parameters under their names, ``stat`` and ``success``; nan where a limit comes first. Counterclockwise
        and not closed.

    Raises
    ------
    ValueError
        If a parameter is unknown or frozen, or both are the same, or their errors are unknown.
    """
    from scipy.stats import chi2

    if not sigma > 0:
        raise ValueError(f"sigma must be above zero, not {sigma}.")
    best = best_of(fit, models, datasets)
    places = [best.place(x), best.place(y)]
    if places[0] == places[1]:
        raise ValueError(f"A contour needs two parameters, not {best.names[places[0]]} twice.")
    level = float(chi2.ppf(chi2.cdf(sigma**2, 1), 2))
    axes = _ellipse(best, places) * np.sqrt(level)
    points = []
    for angle in np.linspace(0, 2 * np.pi, npoints, endpoint=False):
        direction = axes @ [np.cos(angle), np.sin(angle)]
        here, ends = best.x[places], (best.lower[places], best.upper[places])
        with np.errstate(divide="ignore", invalid="ignore"):
            rooms = np.where(direction > 0, (ends[1] - here) / direction, (ends[0] - here) / direction)
        room = float(np.min(np.where(direction == 0, np.inf, rooms)))
        t = _crossing(_height(best, places, direction), level, 1.0, room)
        points.append(here + t * direction)
    line = np.array(points)
    good = np.isfinite(line).all(axis=1)
    names = [best.names[i] for i in places]
    out = xr.Dataset(
        {name: ("point", line[:, k], {"units": best.units[places[k]]}) for k, name in enumerate(names)},
        attrs={"sigma": float(sigma), "delta_stat": level, "best_stat": best.stat},
    )
    out["stat"] = ("point", np.where(good, best.stat + level, np.nan), {"units": "", "long_name": "fit statistic"})
    out["success"] = ("point", good)
    return out


def _ellipse(best: Best, places: list[int]) -> Array:
    """Matrix from the unit circle to the line on which a parabola of the statistic is 1 above its minimum."""
    from xgamma.fit.newton import spectral

    part = 2 * spectral(best.matrix, best.scale).inverse()[np.ix_(places, places)]
    if not np.isfinite(best.errors[places]).all() or np.linalg.det(part / np.outer(*[best.errors[places]] * 2)) <= 0:
        names = ", ".join(best.names[i] for i in places)
        raise ValueError(f"The errors of {names} are unknown: fit first.")
    return np.asarray(np.linalg.cholesky(part), dtype=np.float64)


def _height(best: Best, places: list[int], direction: Array) -> Callable[[float], float]:
    """Return the lowest statistic above the best fit as a function of the distance in a direction."""

    def height(t: float) -> float:
        return best.lowest(places, best.x[places] + t * direction).stat - best.stat

    return height


def _crossing(height: Callable[[float], float], level: float, reach: float, room: float) -> float:
    """Distance at which a height is a level; nan if that is not before the end of the room.

    The height is about a parabola, so that its root is about a line: steps go to where that line is at the level.
    """
    goal = np.sqrt(level)
    low, low_root, high, high_root = 0.0, 0.0, np.inf, np.inf
    t = min(reach, room)
    if not t > 0:
        return np.nan
    for _ in range(40):
        root = np.sqrt(max(height(t), 0.0))
        if abs(root - goal) < _TOLERANCE * goal or high - low < _TOLERANCE * t:
            return t
        if np.isnan(root):
            high, high_root = t, np.inf
        elif root < goal:
            low, low_root = t, root
            if t >= room or t > _FAR * reach:
                return np.nan
        else:
            high, high_root = t, root
        if np.isfinite(high_root):
            new = low + (goal - low_root) * (high - low) / (high_root - low_root)
            # Keep off the ends, so that both close in.
            new = min(max(new, low + 0.02 * (high - low)), high - 0.02 * (high - low))
        elif np.isfinite(high):
            new = (low + high) / 2
        else:
            new = min(room, 2 * t, 1.05 * t * goal / max(root, 0.5 * goal))
        t = new
    return t
