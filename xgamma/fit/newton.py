"""Curvature at a minimum, and Newton steps towards it that heed limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xgamma.fit.objective import Objective

__all__ = ["Minimum", "Spectral", "descend", "hessian", "spectral"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_STEP = 0.02
"""Step of the differences of the gradient, in standard errors."""
_FLAT = 1e-7
"""Curvature, relative to that of each parameter alone, below which a direction is flat."""
_GOAL = 1e-9
"""Distance to the minimum, as an expected decrease of the statistic, at which steps end."""
_ROUNDING = 1e-9
"""Relative error of a statistic."""


@dataclass(frozen=True)
class Minimum:
    """Where steps ended.

    Attributes
    ----------
    x : ndarray, shape (parameter,)
        The point.
    stat : float
        The statistic there.
    gradient : ndarray, shape (parameter,)
        Its derivatives.
    hessian : ndarray, shape (parameter, parameter)
        Its second derivatives, or what steps made of those they began with.
    edm : float
        How much lower the statistic is expected to be at the minimum.
    at_limit : ndarray of bool, shape (parameter,)
        Which parameters a limit holds.
    """

    x: Array
    stat: float
    gradient: Array
    hessian: Array
    edm: float
    at_limit: Flags


@dataclass(frozen=True)
class Spectral:
    """A matrix of second derivatives by its eigenvectors, in units of the errors of each parameter alone.

    Attributes
    ----------
    scale : ndarray, shape (k,)
        Unit of each parameter, 0 for one on which the statistic does not depend.
    values : ndarray, shape (k,)
        Eigenvalues, 2 without correlation.
    vectors : ndarray, shape (k, k)
        Eigenvectors as columns.
    """

    scale: Array
    values: Array
    vectors: Array

    @property
    def flat(self) -> Flags:
        """Which eigenvectors are flat."""
        return np.abs(self.values) < _FLAT

    @property
    def falling(self) -> Flags:
        """Which eigenvectors lead downwards on both sides."""
        return self.values <= -_FLAT

    def inverse(self) -> Array:
        """Return the inverse of the matrix, without its flat and falling directions."""
        good = self.values >= _FLAT
        part = self.vectors[:, good] * self.scale[:, None]
        return (part / self.values[good]) @ part.T


def spectral(matrix: Array, like: Array) -> Spectral:
    """Decompose second derivatives.

    Parameters
    ----------
    matrix : ndarray, shape (k, k)
        The second derivatives.
    like : ndarray, shape (k,)
        Sizes of the parameters, which tell a curvature from rounding.
    """
    diagonal = np.diag(matrix)
    known = np.abs(diagonal) * like**2 > 1e-9
    scale = np.where(known, np.sqrt(2 / np.where(known, np.abs(diagonal), 1.0)), 0.0)
    values, vectors = np.linalg.eigh(matrix * np.outer(scale, scale))
    return Spectral(scale, values, vectors)


def hessian(objective: Objective, x: Array, scale: Array, lower: Array, upper: Array, free: Flags) -> Array:
    """Second derivatives by differences of the gradient.

    Parameters
    ----------
    objective : Objective
        The statistic.
    x, scale, lower, upper : ndarray, shape (parameter,)
        The point, about the errors, and the limits, beyond which nothing is evaluated.
    free : ndarray of bool, shape (parameter,)
        The parameters to vary; the rows and columns of others are zero.

    Returns
    -------
    ndarray, shape (parameter, parameter)
        Symmetric.
    """
    out = np.zeros((x.size, x.size))
    for i in map(int, np.flatnonzero(free)):
        step = _STEP * scale[i]
        for _ in range(3):
            row = _row(objective, x, i, step, lower[i], upper[i])
            if not row[i] > 0:
                break
            wanted = _STEP * np.sqrt(2 / row[i])
            if 1 / 3 < wanted / step < 3:
                break
            step = np.clip(wanted, 1e-3 * step, 1e3 * step)
        out[i] = row
    out[:, ~free] = 0.0
    return (out + out.T) / 2


def _row(objective: Objective, x: Array, i: int, step: float, lower: float, upper: float) -> Array:
    high, low = min(x[i] + step, upper), max(x[i] - step, lower)
    if high == low:
        return np.zeros(x.size)
    slopes = []
    for value in (high, low):
        there = x.copy()
        there[i] = value
        slopes.append(objective.gradient(there))
    return (slopes[0] - slopes[1]) / (high - low)


def descend(
    objective: Objective,
    x: Array,
    matrix: Array,
    scale: Array,
    lower: Array,
    upper: Array,
    free: Flags,
    steps: int = 30,
) -> Minimum:
    """Go down by Newton steps from a point near the minimum.

    Parameters
    ----------
    objective : Objective
        The statistic.
    x : ndarray, shape (parameter,)
        The start, inside the limits.
    matrix : ndarray, shape (parameter, parameter)
        Second derivatives there or near; each step improves on them.
    scale, lower, upper : ndarray, shape (parameter,)
        About the errors, and the limits.
    free : ndarray of bool, shape (parameter,)
        The parameters to vary.
    steps : int
        The most steps.

    Returns
    -------
    Minimum
        Its `edm` tells whether the minimum was reached.
    """
    stat, slope, matrix = objective.value(x), objective.gradient(x), matrix.copy()
    edm, held = np.inf, np.zeros(x.size, dtype=bool)
    for _ in range(steps):
        held = free & (((x <= lower) & (slope > 0)) | ((x >= upper) & (slope < 0)))
        use = np.flatnonzero(free & ~held)
        move = _step(x, slope, matrix, scale, lower, upper, free & ~held)
        edm = -float(slope @ move + 0.5 * move @ matrix @ move)
        if edm < _GOAL:
            break
        found = _search(objective, x, stat, move, lower, upper)
        if found is None:
            break
        new, stat = found
        new_slope = objective.gradient(new)
        matrix = _updated(matrix, new - x, new_slope - slope, use)
        x, slope = new, new_slope
    return Minimum(x, stat, slope, matrix, max(edm, 0.0), held)


def _step(x: Array, slope: Array, matrix: Array, scale: Array, lower: Array, upper: Array, free: Flags) -> Array:
    """Return the step to the minimum of a parabola; parameters that would cross a limit stop there."""
    free, move = free.copy(), np.zeros(x.size)
    while free.any():
        use = np.flatnonzero(free)
        pull = slope + matrix @ np.where(free, 0.0, move)
        move[use] = -spectral(matrix[np.ix_(use, use)], scale[use]).inverse() @ pull[use]
        crossed = free & ((x + move < lower) | (x + move > upper))
        if not crossed.any():
            break
        move = np.where(crossed, np.clip(x + move, lower, upper) - x, move)
        free &= ~crossed
    return move


def _search(
    objective: Objective, x: Array, stat: float, move: Array, lower: Array, upper: Array
) -> tuple[Array, float] | None:
    """Return the first of shorter and shorter steps that does not go up."""
    for part in 0.5 ** np.arange(12):
        new = np.clip(x + part * move, lower, upper)
        value = objective.value(new)
        if value <= stat + _ROUNDING * max(1.0, abs(stat) * 1e-3):
            return new, value
    return None


def _updated(matrix: Array, s: Array, y: Array, use: NDArray[np.intp]) -> Array:
    """Second derivatives after a step s that changed the gradient by y (the formula of BFGS)."""
    s, y, part = s[use], y[use], matrix[np.ix_(use, use)]
    along, bend = part @ s, float(s @ y)
    if bend <= 0 or float(s @ along) <= 0:
        return matrix
    out = matrix.copy()
    out[np.ix_(use, use)] = part - np.outer(along, along) / (s @ along) + np.outer(y, y) / bend
    return out
