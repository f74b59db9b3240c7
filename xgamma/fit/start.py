"""Where a fit starts, and how far its first steps go: what data resolve, not a part of a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from xgamma.coords.labels import parse_unit
from xgamma.fit.objective import Objective
from xgamma.likelihood.expansion import Expansion

__all__ = ["Start", "limits_of", "positions_of", "scale_of", "scales_of", "start_of"]

Array = NDArray[np.float64]

_RESOLUTION = 0.05
"""Degrees that stand for the resolution where there is no map."""
_SCALES = ("amplitude", "norm", "const", "value")
_POSITIONS = ("lon_0", "lat_0")
_SIZES = ("sigma", "r_0", "radius", "width", "edge_width")


@dataclass(frozen=True)
class Start:
    """Start of a fit.

    Attributes
    ----------
    x : ndarray, shape (parameter,)
        Values inside the limits.
    scale : ndarray, shape (parameter,)
        About the error of each.
    step : ndarray, shape (parameter,)
        What is plausible as a first step.
    lower, upper : ndarray, shape (parameter,)
        Limits, infinite for none.
    moved : tuple of str
        Parameters that were outside of their limits.
    """

    x: Array
    scale: Array
    step: Array
    lower: Array
    upper: Array
    moved: tuple[str, ...]


def limits_of(likelihood: Any) -> tuple[Array, Array]:
    """Limits of the parameters, and of priors that allow nothing beyond.

    Raises
    ------
    ValueError
        If they leave no value.
    """
    vector = likelihood.vector
    lower, upper = vector.lower.copy(), vector.upper.copy()
    for i, prior in enumerate(vector.priors):
        # Duck typing: a prior with limits of its own is infinite beyond them.
        if prior is not None and hasattr(prior, "min"):
            lower[i], upper[i] = max(lower[i], prior.min), min(upper[i], prior.max)
    for name, low, high in zip(vector.names, lower, upper, strict=True):
        if low > high:
            raise ValueError(f"The limits of {name} leave no value: the lower one is {low}, the upper one {high}.")
    return lower, upper


def _steps(vector: Any, resolution: float) -> Array:
    """Return first steps: a part of a pixel, of an amplitude, or of an index."""
    out = np.ones(vector.value.size)
    for i, (name, unit, value) in enumerate(zip(vector.names, vector.units, vector.value, strict=True)):
        key = name.rpartition(".")[2]
        angle = unit != "" and parse_unit(unit, name).is_equivalent(u.deg)
        if angle and (key in _POSITIONS or key in _SIZES):
            out[i] = (0.2 * resolution * u.deg).to_value(unit)
            if key == "lon_0":
                latitude = [j for j, other in enumerate(vector.names) if other == name.replace("lon_0", "lat_0")]
                lat = (vector.value[latitude[0]] * u.Unit(vector.units[latitude[0]])).to_value("rad") if latitude else 0
                out[i] /= max(np.cos(lat), 1e-3)
        elif angle:
            out[i] = (1 * u.deg).to_value(unit)
        elif key in _SCALES or unit:
            out[i] = 0.1 * abs(value) or 1.0
        else:
            out[i] = 0.1
    return out


def scales_of(names: Iterable[str]) -> NDArray[np.bool_]:
    """Return which parameters scale a prediction: a statistic has one minimum along them."""
    return np.array([name.rpartition(".")[2] in _SCALES for name in names], dtype=bool)


def positions_of(names: Iterable[str]) -> NDArray[np.bool_]:
    """Return which parameters are positions."""
    return np.array([name.rpartition(".")[2] in _POSITIONS for name in names], dtype=bool)


def start_of(objective: Objective, lower: Array, upper: Array) -> tuple[Start, Expansion]:
    """Return values and scales with which to begin.

    Scales are the curvature of the statistic along each parameter, as far as it agrees with what is plausible. Where
    amplitudes or norms are free, which come first, that of positions and shapes is not taken.

    Parameters
    ----------
    objective : Objective
        The statistic.
    lower, upper : ndarray, shape (parameter,)
        The limits, see `limits_of`.

    Returns
    -------
    start : Start
        The values and scales.
    found : Expansion
        The statistic there.
    """
    likelihood = objective.likelihood
    vector = likelihood.vector
    resolution = likelihood.resolution if np.isfinite(likelihood.resolution) else _RESOLUTION
    step = _steps(vector, resolution)
    width = upper - lower
    step = np.where(np.isfinite(width) & (width > 0), np.minimum(step, 0.1 * width), step)
    x = np.clip(vector.value, lower, upper)
    moved = tuple(name for name, a, b in zip(vector.names, x, vector.value, strict=True) if a != b)
    norms = scales_of(vector.names)
    found = objective.expand(x, norms if norms.any() else None)
    return Start(x, scale_of(found.hessian, step), step, lower, upper, moved), found


def scale_of(hessian: Array, step: Array) -> Array:
    """Return about the error of each parameter, given second derivatives and plausible steps."""
    bend = np.diag(hessian)
    scale = np.sqrt(2 / np.where(bend > 0, bend, 1.0))
    return np.where(bend > 0, np.clip(scale, 1e-3 * step, 10 * step), step)
