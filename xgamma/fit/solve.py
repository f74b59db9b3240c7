"""Fits of a compiled likelihood: a minimiser, then Newton steps, and what can be said of the point where they end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xgamma.fit.backends import BACKENDS, Outcome, Settings, check_backend
from xgamma.fit.newton import Minimum, approach, descend, hessian, spectral
from xgamma.fit.objective import Objective, Stopped
from xgamma.fit.seek import Movable, doubts, faint, movable_of, placed
from xgamma.fit.start import Start, limits_of, positions_of, scale_of, scales_of, start_of
from xgamma.likelihood.expansion import Expansion

__all__ = ["Solution", "solve"]

Array = NDArray[np.float64]

_CLOSE = 2e-3
"""Expected decrease of the statistic, for a tolerance of 1, below which a point is the minimum."""
_MOVED = 0.05
"""Distance in standard errors after which second derivatives are taken anew."""
_LONGEST = 10.0
"""Longest step of a position, a shape or an index, in plausible first steps."""
_ROUGHLY, _ROUGH_PART, _NEAR = 0.1, 0.1, 1e-4
"""Expected decrease of the statistic, or part of what was gained, that is near enough for amplitudes and norms alone,
and decrease from which on differences are worth their price."""
_SHARE = 0.2
"""Part of a parameter in a flat direction from which on that makes its error unknown."""


@dataclass(frozen=True)
class Solution:
    """Where a fit ended.

    Attributes
    ----------
    x : ndarray, shape (parameter,)
        Values.
    stat : float
        The statistic.
    covariance : ndarray, shape (parameter, parameter)
        Covariance of the values, nan where it is unknown.
    success : bool
        Whether that is a minimum with a known error of every parameter.
    message : str
        What happened.
    edm : float
        How much lower the statistic is expected to be at the minimum.
    at_limit : tuple of str
        Parameters that a limit holds.
    """

    x: Array
    stat: float
    covariance: Array
    success: bool
    message: str
    edm: float = np.nan
    at_limit: tuple[str, ...] = ()


def solve(objective: Objective, backend: str, settings: Settings) -> Solution:
    """Fit a likelihood.

    Parameters
    ----------
    objective : Objective
        The statistic.
    backend : str
        Name of the minimiser.
    settings : Settings
        What it takes.

    Returns
    -------
    Solution
        Also where something went wrong: the message says what.
    """
    likelihood = objective.likelihood
    x = likelihood.x0
    empty = [repr(name) for name, n in zip(likelihood.datasets, likelihood.n_bins, strict=True) if n == 0]
    if len(empty) == len(likelihood.datasets):
        which = f"dataset {empty[0]}" if len(empty) == 1 else "any dataset"
        return _stopped(x, float(likelihood(x)), f"Nothing was fitted: no bin lies inside the masks of {which}.")
    note = f" No bin lies inside the masks of dataset {', '.join(empty)}." if empty else ""
    if x.size == 0:
        stat = float(likelihood(x))
        if not np.isfinite(stat):
            return _stopped(x, stat, f"Nothing was fitted: no parameter is free, and the statistic is {stat}.")
        return Solution(x, stat, np.zeros((0, 0)), True, f"Nothing was fitted: no parameter is free.{note}", 0.0)
    outcome, failure = Outcome(x, True, ""), ""
    limits = limits_of(likelihood)
    check_backend(backend)
    try:
        start, known = _near(objective, *start_of(objective, *limits))
        found = _refined(objective, start, start.x, known)
        if settings.strategy or settings.options or not _reached(found, start, settings):
            # From the nearest point, to which a minimiser may have to be led along a valley.
            outcome = BACKENDS[backend].minimise(objective, replace(start, x=found.x), settings)
            found = _refined(objective, start, _best(objective, start, outcome.x))
    except Stopped as error:
        failure = str(error)
    except ImportError:
        raise
    except Exception as error:  # whatever a minimiser or a model may raise on its way
        failure = f"The backend '{backend}' failed with {type(error).__name__}: {error}"
    if failure:
        stat, best = objective.best or (np.nan, x)
        return _stopped(best, stat, f"The fit stopped. {failure}{note}")
    return _judged(objective, start, outcome, found, settings, note)


def _near(objective: Objective, start: Start, known: Expansion) -> tuple[Start, Expansion | None]:
    """Go near the minimum by Newton steps; return the statistic there if all of it is known.

    Amplitudes and norms come first: a source that is far too bright or faint drives itself away. Positions come next,
    unless shapes are free: a spectrum in a wrong place follows the width of the PSF. Sources that are faint where they
    stand are put where more of their photons may be: at once, and where a first minimum leaves them so.
    """
    names, x = objective.names, start.x
    norms, everything = scales_of(names), np.ones(x.size, dtype=bool)
    most = np.where(norms, np.inf, _LONGEST * start.step)
    bounds = start.scale, start.lower, start.upper
    movable = movable_of(names)
    lost: list[Movable] = []
    found: Expansion | None = known
    if norms.any() and not norms.all():
        x, there = approach(objective, x, most, *bounds, norms, near=_ROUGHLY, part=_ROUGH_PART, found=known)
        # Those of positions and shapes were left out.
        found = None if there.rough.any() else there
        lost = _faint(objective, movable, x, there, start, norms)
        if lost:
            x, found = placed(objective, start, most, x, lost), None
    positions = positions_of(names)
    if positions.any() and not (known.rough & ~positions).any():
        x, found = approach(objective, x, most, *bounds, positions, near=_ROUGHLY, part=_ROUGH_PART, found=found)
    x, there = approach(objective, x, most, *bounds, everything, near=_NEAR, found=found)
    still = _faint(objective, movable, x, there, start, norms)
    # Where no other source has moved there is nothing new to be seen.
    if still and (len(movable) > 1 or still != lost):
        again = placed(objective, start, most, x, still)
        again, better = approach(objective, again, most, *bounds, everything, near=_NEAR)
        if better.value < there.value:
            x, there = again, better
    return replace(start, x=x, scale=scale_of(there.hessian, start.step)), there


def _faint(
    objective: Objective, movable: list[Movable], x: Array, there: Expansion, start: Start, norms: NDArray[np.bool_]
) -> list[Movable]:
    """Return those of some sources that data do not demand, given the statistic there."""
    if not movable:
        return []
    return faint(objective, movable, x, there.value, _errors(there.hessian, start.scale, norms))


def _errors(matrix: Array, scale: Array, free: NDArray[np.bool_]) -> Array:
    """Return standard errors of some parameters, all others being known; infinite where they are unknown."""
    use = np.flatnonzero(free)
    parts, out = spectral(matrix[use][:, use], scale[use]), np.full(scale.size, np.inf)
    unknown = (np.abs(parts.vectors[:, parts.flat | parts.falling]) > _SHARE).any(axis=1)
    out[use] = np.where(unknown, np.inf, np.sqrt(2 * np.diag(parts.inverse())))
    return out


def _reached(found: Minimum, start: Start, settings: Settings) -> bool:
    """Whether Newton steps have ended in a minimum."""
    use = np.flatnonzero(~found.at_limit)
    parts = spectral(found.hessian[use][:, use], start.scale[use])
    close = found.edm <= _CLOSE * max(settings.tolerance, 1e-3)
    return bool(close and np.isfinite(found.stat) and not (parts.flat | parts.falling).any())


def _stopped(x: Array, stat: float, message: str) -> Solution:
    return Solution(x, stat, np.full((x.size, x.size), np.nan), False, message)


def _best(objective: Objective, start: Start, x: Array) -> Array:
    """Return where a minimiser ended, or the best point that it left."""
    x = np.clip(x, start.lower, start.upper)
    if objective.best is not None and objective.best[0] < objective.value(x):
        x = np.clip(objective.best[1], start.lower, start.upper)
    return x


def _refined(objective: Objective, start: Start, x: Array, known: Expansion | None = None) -> Minimum:
    """Take Newton steps, with second derivatives as good as they can be had."""
    lower, upper, free = start.lower, start.upper, np.ones(start.x.size, dtype=bool)
    scale = start.scale
    for _ in range(4):
        known = objective.expand(x) if known is None else known
        matrix = hessian(objective, x, scale, lower, upper, free, known)
        bend = np.diag(matrix)
        scale = np.where(bend > 0, np.sqrt(2 / np.where(bend > 0, bend, 1.0)), scale)
        begin = known.value, known.gradient
        found = descend(objective, x, matrix, start.scale, lower, upper, free, begin)
        if not (np.abs(found.x - x) > _MOVED * scale).any():
            break
        x, known = found.x, None
    return Minimum(found.x, found.stat, found.gradient, matrix, found.edm, found.at_limit)


def _judged(
    objective: Objective, start: Start, outcome: Outcome, found: Minimum, settings: Settings, note: str
) -> Solution:
    """Say what a point is."""
    names = np.array(objective.names)
    use = np.flatnonzero(~found.at_limit)
    covariance = np.zeros((names.size, names.size))
    parts = spectral(found.hessian[use][:, use], start.scale[use])
    covariance[np.ix_(use, use)] = 2 * parts.inverse()
    unknown = use[(np.abs(parts.vectors[:, parts.flat | parts.falling]) > _SHARE).any(axis=1)]
    for i in np.flatnonzero(found.at_limit):
        # As if the limit were not there; it stands still for all others.
        bend = found.hessian[i, i]
        covariance[i, i] = 2 / bend if bend > 0 else np.nan
    covariance[unknown] = covariance[:, unknown] = np.nan
    said = []
    close = found.edm <= _CLOSE * max(settings.tolerance, 1e-3)
    success = close and np.isfinite(found.stat) and unknown.size == 0
    if not close:
        backend = f", and the backend says: {outcome.message}" if outcome.message else ""
        said.append(f"The fit did not converge: the minimum is expected {found.edm:.3g} below{backend}.")
    for kind, text in (
        (parts.falling, "The statistic has no minimum here: it falls on both sides along"),
        (parts.flat, "The statistic does not depend on"),
    ):
        for vector in parts.vectors[:, kind].T:
            members = [str(name) for name in names[use][np.abs(vector) > _SHARE]]
            which = members[0] if len(members) == 1 else f"a combination of {', '.join(members)}"
            said.append(f"{text} {which}: freeze a parameter, or start elsewhere.")
    strange, left = doubts(objective, found.x, found.stat)
    success = success and not left
    said += strange
    if success:
        said.insert(0, "The fit converged.")
    for i in np.flatnonzero(found.at_limit):
        side, limit = ("lower", start.lower[i]) if found.x[i] <= start.lower[i] else ("upper", start.upper[i])
        said.append(f"{names[i]} is at its {side} limit {limit:.6g}, which its error does not know of.")
    for name in start.moved:
        said.append(f"{name} started outside of its limits and was moved onto one.")
    at_limit = tuple(str(name) for name in names[found.at_limit])
    return Solution(found.x, found.stat, covariance, bool(success), " ".join(said) + note, found.edm, at_limit)
