"""Statistics of many parameter vectors at once: where sources stand still they are products of matrices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import statistic
from xgamma.kernels.statistic import TRUNCATION
from xgamma.likelihood.active import active_of, places_of

if TYPE_CHECKING:
    from xgamma.likelihood.cash import CashTerm
    from xgamma.likelihood.fluxpoints import FluxTerm
    from xgamma.likelihood.source import Contribution
    from xgamma.likelihood.wstat import WstatTerm

__all__ = ["DEEPEST", "cash_many", "flux_many", "wstat_many"]

Array = NDArray[np.float64]

DEEPEST = -1 + 1e-9
"""Lowest ratio of a signal to the background at which a prediction is far from the truncation."""
_NUMBERS = 1_000_000
"""About how many predictions are held at the same time."""


def _groups(sources: Iterable[Any], x: Array) -> list[NDArray[np.intp]]:
    """Points at which all sources have the same place and shape."""
    slots = sorted({slot for source in sources for slot in source.shape_slots})
    if not slots:
        return [np.arange(len(x))]
    _, which = np.unique(x[:, slots], axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    return np.split(order, np.cumsum(np.bincount(which.ravel()))[:-1])


def _blocks(x: Array, term: Any, size: int) -> Iterable[tuple[NDArray[np.intp], Array]]:
    """Yield the points of each group, a part of them at a time, with their vectors."""
    step = max(1, _NUMBERS // max(size, 1))
    for group in _groups(term.sources, x):
        for start in range(0, group.size, step):
            chosen = group[start : start + step]
            yield chosen, x[chosen]


def _signal(part: Contribution, coefficients: Array) -> Array:
    """Return the counts (point, bin) of a source."""
    out, fixed = coefficients @ part.fixed.matrix.T, part.fixed
    if fixed.bare.size:
        # As for one vector: what is left of rounding is no prediction.
        limit = (np.abs(coefficients) @ fixed.noise)[:, fixed.bare_energy]
        bare = out[:, fixed.bare]
        out[:, fixed.bare] = np.where(np.abs(bare) > limit, bare, 0.0)
    return out


def cash_many(term: CashTerm, x: Array) -> Array:
    """Cash statistic (point,) for parameter vectors (point, parameter)."""
    out = np.empty(len(x))
    for chosen, here in _blocks(x, term, term.still.bins.size + term.deep.b.size):
        found, done = _cash(term, here)
        out[chosen[done]] = found
        for i in chosen[~done]:
            out[i] = term(x[i])
    return out


def _cash(term: CashTerm, x: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the statistic of those points at which sums over the mask hold, and which these are."""
    bins = term.bins
    factor = np.ones((len(x), bins.sum_b.size)) if term.background is None else term.background.rows(x)
    parts = [source.many(x) for source in term.sources]
    done = np.array((factor >= 0).all(axis=1) & (factor > TRUNCATION)[:, bins.sum_b > 0].all(axis=1))
    negative = np.zeros(len(x), dtype=bool)
    for _, coefficients, bounded in parts:
        done &= bounded
        negative |= (coefficients < 0).any(axis=1)
    lacking = np.zeros(len(x))
    if negative.any():
        shallow, lacking[negative] = _deep(term, factor[negative], [(p, c[negative]) for p, c, _ in parts])
        done[negative] &= shallow
    factor, negative, lacking = factor[done], negative[done], lacking[done]
    pairs = [(part, coefficients[done]) for part, coefficients, _ in parts]
    active, places = term.still, term.places
    if not all(part.still for part, _ in pairs):
        reached = [part.fixed.bins for part, _ in pairs]
        active = active_of(bins, term.logs, reached)
        places = places_of(bins, active, reached)
    # Bins come first: what is done to all points of a bin is then done to neighbours in memory.
    mu = active.b[:, None] * np.ascontiguousarray(factor.T)[active.e]
    total = factor @ bins.sum_b + lacking
    if pairs and active is term.still and not active.bare.size:
        mu += term.stack.times(np.concatenate([coefficients for _, coefficients in pairs], axis=1).T)
    else:
        for (part, coefficients), place in zip(pairs, places, strict=True):
            mu[place] += _signal(part, coefficients).T
    for part, coefficients in pairs:
        total += coefficients @ part.fixed.total
    if negative.any():
        # What is cut off in bins with counts, of which bare ones are in no sum.
        cut = np.maximum(TRUNCATION - mu[:, negative], 0.0)
        cut[active.bare] = 0.0
        total[negative] += cut.sum(axis=0)
    np.maximum(mu, TRUNCATION, out=mu)
    bare = mu[active.bare].sum(axis=0)
    return 2 * (total + bare - active.others_many(factor) - active.log_sums(mu)), done


def _deep(term: CashTerm, factor: Array, pairs: list[tuple[Contribution, Array]]) -> tuple[NDArray[np.bool_], Array]:
    """At which points it is known where negative sources outweigh the background, and what the sum lacks there."""
    deep, depth = term.deep, np.zeros(factor.shape)
    mu = deep.b * factor[:, deep.e]
    everything = zip(pairs, deep.places, deep.matrices, deep.worst, strict=True)
    for (part, coefficients), place, matrix, worst in everything:
        used = (coefficients < 0).any(axis=0)
        bound = worst if part.still else part.fixed.worst
        depth += np.minimum(coefficients, 0.0)[:, used] @ bound[used]
        if part.still:
            mu[:, place] += coefficients @ matrix.T
    with np.errstate(divide="ignore", invalid="ignore"):
        known = np.array((np.where(depth == 0, 0.0, depth / factor) > DEEPEST).all(axis=1))
    below = ~(mu > TRUNCATION)
    if not all(part.still for part, _ in pairs):
        # A source that has moved adds to these bins what is not known.
        known &= ~below.any(axis=1)
    return known, np.where(below, TRUNCATION - mu, 0.0).sum(axis=1)


def wstat_many(term: WstatTerm, x: Array) -> Array:
    """W statistic (point,) for parameter vectors (point, parameter)."""
    out = np.empty(len(x))
    for chosen, here in _blocks(x, term, term.bins.n.size):
        mu = np.zeros((chosen.size, term.bins.n.size))
        for part, coefficients, _ in (source.many(here) for source in term.sources):
            mu[:, part.fixed.bins] += _signal(part, coefficients)
        out[chosen] = statistic.wstat(term.bins.n, term.n_off, term.alpha, mu).sum(axis=1)
    return out


def flux_many(term: FluxTerm, x: Array) -> Array:
    """Statistic (point,) of flux points for parameter vectors (point, parameter)."""
    flux = sum((spectrum.rows(x) for spectrum in term.spectra), np.zeros((len(x), 1)))
    return np.asarray(term.statistic(flux).sum(axis=-1))
