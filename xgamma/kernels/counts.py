"""Errors, limits and significances of an excess of counts, as arrays that broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xgamma.kernels.statistic import cash, wstat

__all__ = [
    "cash_errn",
    "cash_errp",
    "cash_matching",
    "cash_upper_limit",
    "signed_root",
    "wstat_errn",
    "wstat_errp",
    "wstat_matching",
    "wstat_upper_limit",
]

Floats = NDArray[np.float64]
_STEPS = 200
"""Halvings and doublings of an interval: enough to reach any float from any other."""


def signed_root(excess: ArrayLike, difference: ArrayLike) -> Floats:
    """Return the root of a difference of statistics with the sign of the excess; rounding below zero counts as zero."""
    return np.asarray(np.sign(excess) * np.sqrt(np.clip(difference, 0, None)))


def _floats(*arrays: ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.broadcast_arrays(*(np.asarray(array, dtype=np.float64) for array in arrays)))


def _spread(n_on: Floats, n_sigma: float, branch: int) -> Floats:
    """Return the expectation at which the Cash statistic is higher by ``n_sigma**2``, over the counts, less one."""
    from scipy.special import lambertw

    with np.errstate(divide="ignore"):
        power = -0.5 * n_sigma**2 / n_on - 1
    # Without counts the power is minus infinity: those are replaced by the callers.
    return np.asarray(-lambertw(-np.exp(power), branch).real - 1, dtype=np.float64)


def cash_errn(n_on: ArrayLike, n_sigma: float = 1.0) -> Floats:
    r"""Return how far the excess may fall before the Cash statistic is higher by ``n_sigma**2``; zero without counts.

    The roots of :math:`\mu - n - n \ln(\mu / n) = n_\sigma^2 / 2` are branches of Lambert's W function.
    """
    (n,) = _floats(n_on)
    positive = n > 0
    return np.where(positive, -n * _spread(np.where(positive, n, 1.0), n_sigma, 0), 0.0)


def cash_errp(n_on: ArrayLike, n_sigma: float = 1.0) -> Floats:
    """Return how far the excess may rise before the Cash statistic is higher by ``n_sigma**2``."""
    (n,) = _floats(n_on)
    positive = n > 0
    return np.where(positive, n * _spread(np.where(positive, n, 1.0), n_sigma, -1), 0.5 * n_sigma**2)


def cash_upper_limit(n_on: ArrayLike, mu_bkg: ArrayLike, n_sigma: float = 3.0) -> Floats:
    """Return the excess above the best one at which the Cash statistic is higher by ``n_sigma**2``.

    Without counts the best excess is zero.
    """
    n, known = _floats(n_on, mu_bkg)
    return cash_errp(n, n_sigma) + np.where(n > 0, n - known, 0.0)


def cash_matching(mu_bkg: ArrayLike, significance: float) -> Floats:
    """Return the excess that has a significance over a known background; nan where none has."""

    def root(excess: Floats, known: Floats) -> Floats:
        n = excess + known
        return signed_root(excess, cash(n, known) - cash(n, n))

    (known,) = _floats(mu_bkg)
    return _matching(root, significance, known, (known,))


def wstat_errn(n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike, n_sigma: float = 1.0) -> Floats:
    """Return how far the excess may fall before the W statistic is higher by ``n_sigma**2``."""
    return _crossing(n_on, n_off, alpha, n_sigma, -1.0)


def wstat_errp(n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike, n_sigma: float = 1.0) -> Floats:
    """Return how far the excess may rise before the W statistic is higher by ``n_sigma**2``."""
    return _crossing(n_on, n_off, alpha, n_sigma, 1.0)


def wstat_upper_limit(n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike, n_sigma: float = 3.0) -> Floats:
    """Return the excess above the best one at which the W statistic is higher by ``n_sigma**2``."""
    n, off, ratio = _floats(n_on, n_off, alpha)
    return n - ratio * off + wstat_errp(n, off, ratio, n_sigma)


def wstat_matching(n_off: ArrayLike, alpha: ArrayLike, significance: float) -> Floats:
    """Return the excess that has a significance over a measured background; nan where none has."""

    def root(excess: Floats, off: Floats, ratio: Floats) -> Floats:
        n = excess + ratio * off
        return signed_root(excess, wstat(n, off, ratio, 0.0) - wstat(n, off, ratio, excess))

    off, ratio = _floats(n_off, alpha)
    return _matching(root, significance, ratio * off, (off, ratio))


def _crossing(n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike, n_sigma: float, sign: float) -> Floats:
    """Return the way from the best excess, up or down, to where the W statistic is higher by ``n_sigma**2``."""
    n, off, ratio = _floats(n_on, n_off, alpha)
    best = n - ratio * off
    target = wstat(n, off, ratio, best) + n_sigma**2

    def beyond(way: Floats) -> NDArray[np.bool_]:
        return np.asarray(wstat(n, off, ratio, best + sign * way) > target)

    return np.where(ratio > 0, _first(beyond, best.shape), np.nan)


def _matching(root: Callable[..., Floats], significance: float, known: Floats, arguments: tuple[Floats, ...]) -> Floats:
    """Solve ``root(excess, *arguments) == significance`` for the excess, which is at least ``-known``."""
    sign = 1.0 if significance >= 0 else -1.0
    limit = np.where(sign < 0, known, np.inf)

    def beyond(way: Floats) -> NDArray[np.bool_]:
        excess = np.maximum(sign * way, -known)
        return np.asarray((sign * root(excess, *arguments) > abs(significance)) | (way > limit))

    way = _first(beyond, known.shape)
    return np.where((known > 0) & (way < limit), sign * way, np.nan)


def _first(beyond: Callable[[Floats], NDArray[np.bool_]], shape: tuple[int, ...]) -> Floats:
    """Return the smallest positive number for which a condition holds that holds for all larger ones as well."""
    low: Any = np.zeros(shape)
    high: Any = np.ones(shape)
    with np.errstate(all="ignore"):
        for _ in range(_STEPS):
            short = ~beyond(high)
            if not short.any():
                break
            low, high = np.where(short, high, low), np.where(short, 2 * high, high)
        for _ in range(_STEPS):
            middle = 0.5 * (low + high)
            if np.all((middle <= low) | (middle >= high)):
                break
            past = beyond(middle)
            low, high = np.where(past, low, middle), np.where(past, middle, high)
    return np.asarray(high, dtype=np.float64)
