"""Curvature at a minimum, and Newton steps towards it that heed limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xgamma.fit.objective import Objective
from xgamma.likelihood.expansion import Expansion

__all__ = ["Minimum", "Spectral", "approach", "descend", "hessian", "spectral"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_STEP = 0.02
"""Step of the differences of the gradient, in standard errors."""
_FLAT = 1e-7
"""Curvature, relative to that of each parameter alone, below which a direction is flat."""
_GOAL = 1e-9
"""Distance to the minimum, as an expected decrease of the statistic, at which steps end."""
_ERRORS = 3.0
"""How far below zero an amplitude may be taken in one step, in standard errors."""
_STALLED, _SMALL = 0.01, 1e-4
"""Part of a small expected decrease that a step must give: the edge where a prediction is cut off has a slope on both
sides."""
_LAST = 4
"""Steps after such a small decrease is expected: two lead to a minimum that is smooth, and no number to another."""
_HALVES = tuple(0.5**i for i in range(12))
"""Parts of a step that are tried in turn."""
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
    diagonal = matrix.diagonal()
    known = np.abs(diagonal) * like**2 > 1e-9
    scale = np.where(known, np.sqrt(2 / np.where(known, np.abs(diagonal), 1.0)), 0.0)
    values, vectors = np.linalg.eigh(matrix * (scale[:, None] * scale))
    return Spectral(scale, values, vectors)


def hessian(
    objective: Objective,
    x: Array,
    scale: Array,
    lower: Array,
    upper: Array,
    free: Flags,
    found: Expansion | None = None,
) -> Array:
    """Second derivatives: those that the likelihood knows, and else by differences of the gradient.

    Parameters
    ----------
    objective : Objective
        The statistic.
    x, scale, lower, upper : ndarray, shape (parameter,)
        The point, about the errors, and the limits, beyond which nothing is evaluated.
    free : ndarray of bool, shape (parameter,)
        The parameters to vary; the rows and columns of others are zero.
    found : Expansion, optional
        The statistic there, if it is known.

    Returns
    -------
    ndarray, shape (parameter, parameter)
        Symmetric.
    """
    found = objective.expand(x, free) if found is None else found
    out, rough = found.hessian.copy(), found.rough & free
    for i in map(int, np.flatnonzero(rough)):
        step = _STEP * (np.sqrt(2 / out[i, i]) if out[i, i] > 0 else scale[i])
        for _ in range(3):
            row = _row(objective, x, i, step, lower[i], upper[i])
            if not row[i] > 0:
                break
            wanted = _STEP * np.sqrt(2 / row[i])
            if 1 / 3 < wanted / step < 3:
                break
            step = np.clip(wanted, 1e-3 * step, 1e3 * step)
        out[i] = row
    # Pairs of which one row alone comes from differences are those of that row.
    out[np.ix_(~rough, rough)] = out[np.ix_(rough, ~rough)].T
    out[:, ~free] = out[~free] = 0.0
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


def approach(
    objective: Objective,
    x: Array,
    most: Array,
    scale: Array,
    lower: Array,
    upper: Array,
    free: Flags,
    near: float,
    part: float = 0.0,
    found: Expansion | None = None,
    steps: int = 20,
) -> tuple[Array, Expansion]:
    """Go towards the minimum by Newton steps, each with second derivatives of its own.

    Parameters
    ----------
    objective : Objective
        The statistic.
    x : ndarray, shape (parameter,)
        The start, inside the limits.
    most : ndarray, shape (parameter,)
        The longest step of each parameter; infinite for an amplitude or norm, which is at most taken to zero, or some
        errors below.
    scale, lower, upper : ndarray, shape (parameter,)
        About the errors, and the limits.
    free : ndarray of bool, shape (parameter,)
        The parameters to vary.
    near : float
        Distance to the minimum, as an expected decrease of the statistic, that is near enough.
    part : float
        The same as a part of what the steps have gained.
    found : Expansion, optional
        The statistic at the start, if it is known.
    steps : int
        The most steps.

    Returns
    -------
    x : ndarray, shape (parameter,)
        The lowest point that was reached.
    found : Expansion
        The statistic there.
    """
    found = objective.expand(x, free) if found is None else found
    first = found.value
    for _ in range(steps):
        held = ((x <= lower) & (found.gradient > 0)) | ((x >= upper) & (found.gradient < 0))
        move = _step(x, found.gradient, found.hessian, scale, lower, upper, free & ~held)
        edm = -float(found.gradient @ move + 0.5 * move @ found.hessian @ move)
        if not edm > max(near, part * (first - found.value)):
            break
        moved = move != 0
        move *= float((most[moved] / np.abs(move[moved])).min(initial=1.0))
        # The statistic falls ever more steeply towards zero, where a parabola leads far beyond.
        bend = found.hessian.diagonal()
        error = np.sqrt(2 / np.where(bend > 0, bend, np.inf))
        reach = np.where(np.isinf(most), np.maximum(np.abs(x), _ERRORS * error), np.inf)
        move = _inside(move, -reach, np.where(x >= 0, np.inf, reach))
        for length in _HALVES[:8]:
            new = _inside(x + length * move, lower, upper)
            there = objective.expand(new, free)
            if there.value <= found.value and there.cut <= found.cut:
                break
        else:
            break
        stalled = found.value - there.value < _STALLED * length * edm < _STALLED * _SMALL
        x, found = new, there
        if stalled:
            break
    return x, found


def descend(
    objective: Objective,
    x: Array,
    matrix: Array,
    scale: Array,
    lower: Array,
    upper: Array,
    free: Flags,
    begin: tuple[float, Array] | None = None,
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
    begin : (float, ndarray), optional
        The statistic at the start and its derivatives, if they are known.
    steps : int
        The most steps.

    Returns
    -------
    Minimum
        Its `edm` tells whether the minimum was reached.
    """
    (stat, slope), matrix = begin or objective.value_and_gradient(x), matrix.copy()
    edm, held, last = np.inf, np.zeros(x.size, dtype=bool), 0
    for _ in range(steps):
        held = free & (((x <= lower) & (slope > 0)) | ((x >= upper) & (slope < 0)))
        use = np.flatnonzero(free & ~held)
        move = _step(x, slope, matrix, scale, lower, upper, free & ~held)
        edm = -float(slope @ move + 0.5 * move @ matrix @ move)
        last += edm < _SMALL
        if edm < _GOAL or last > _LAST:
            break
        found = _search(objective, x, stat, move, lower, upper)
        if found is None:
            break
        new, lower_stat, new_slope, part = found
        stalled = stat - lower_stat < _STALLED * part * edm < _STALLED * _SMALL
        stat = lower_stat
        matrix = _updated(matrix, new - x, new_slope - slope, use)
        x, slope = new, new_slope
        if stalled:
            break
    return Minimum(x, stat, slope, matrix, max(edm, 0.0), held)


def _step(x: Array, slope: Array, matrix: Array, scale: Array, lower: Array, upper: Array, free: Flags) -> Array:
    """Return the step to the minimum of a parabola; parameters that would cross a limit stop there."""
    move = np.zeros(x.size)
    while free.any():
        use = np.flatnonzero(free)
        move[use] = 0.0
        pull = slope + matrix @ move
        move[use] = -spectral(matrix[use][:, use], scale[use]).inverse() @ pull[use]
        new = x + move
        crossed = free & ((new < lower) | (new > upper))
        if not crossed.any():
            break
        move = np.where(crossed, _inside(new, lower, upper) - x, move)
        free = free & ~crossed
    return move


def _inside(x: Array, lower: Array, upper: Array) -> Array:
    """Return the nearest values inside limits, as `numpy.clip` does for more of the time of a step."""
    return np.minimum(np.maximum(x, lower), upper)


def _search(
    objective: Objective, x: Array, stat: float, move: Array, lower: Array, upper: Array
) -> tuple[Array, float, Array, float] | None:
    """Return the first of shorter and shorter steps that does not go up."""
    for part in _HALVES:
        new = _inside(x + part * move, lower, upper)
        value, slope = objective.value_and_gradient(new)
        if value <= stat + _ROUNDING * max(1.0, abs(stat) * 1e-3):
            return new, value, slope, part
    return None


def _updated(matrix: Array, s: Array, y: Array, use: NDArray[np.intp]) -> Array:
    """Second derivatives after a step s that changed the gradient by y (the formula of BFGS)."""
    s, y, part = s[use], y[use], matrix[use][:, use]
    along, bend = part @ s, float(s @ y)
    if bend <= 0 or float(s @ along) <= 0:
        return matrix
    out = matrix.copy()
    out[np.ix_(use, use)] = part - np.outer(along, along) / (s @ along) + np.outer(y, y) / bend
    return out
