"""Integrals over energy: Gauss-Legendre in the logarithm, and closed forms of power laws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["integrate", "power_law_integral", "segments"]

POINTS = 16
"""Points of the rule in each panel."""
PANEL = np.log(10) / 2
"""Widest panel in ln(energy): half a decade."""

_SMALL = 1e-300
"""In place of 0, where a quotient has a limit."""

_X, _W = np.polynomial.legendre.leggauss(POINTS)


def integrate(
    function: Callable[[np.ndarray], np.ndarray],
    lower: Any,
    upper: Any,
    breaks: Sequence[Any] = (),
) -> np.ndarray:
    """Integrate a function over intervals of energy.

    Parameters
    ----------
    function : callable
        Takes energies with one more, last axis than `lower` and `upper`, and returns as many values.
    lower, upper : array_like
        Limits above zero, broadcast against each other.
    breaks : sequence of array_like
        Energies at which the function or a derivative is not continuous.

    Returns
    -------
    ndarray
        The integrals, in the shape of the limits broadcast with what the function returns.
    """
    total: Any = 0.0
    for low, high in segments(lower, upper, breaks):
        total = total + _smooth(function, low, high)
    return np.asarray(total)


def segments(lower: Any, upper: Any, breaks: Sequence[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split intervals at breaks.

    Parameters
    ----------
    lower, upper : array_like
        The intervals.
    breaks : sequence of array_like
        Where to split them, in any order.

    Returns
    -------
    list of (ndarray, ndarray)
        One pair of limits more than there are breaks. Where an interval has no part of a segment, both limits
        are equal.
    """
    lower, upper = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    if not len(breaks):
        return [(lower, upper)]
    inner = np.sort(np.stack(np.broadcast_arrays(*breaks)).astype(float), axis=0)
    bounds = [np.zeros(()), *inner, np.full((), np.inf)]
    return [(np.clip(lower, a, b), np.clip(upper, a, b)) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def _smooth(function: Callable[[np.ndarray], np.ndarray], lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Integrate over intervals without breaks."""
    start = np.log(lower)[..., None]
    width = np.log(upper)[..., None] - start
    widest = np.max(np.abs(width), initial=0.0)
    if widest == 0:
        return np.zeros(np.broadcast_shapes(lower.shape, upper.shape))
    panels = max(1, int(np.ceil(widest / PANEL)))
    x = ((np.arange(panels)[:, None] + (_X + 1) / 2) / panels).ravel()
    w = np.tile(_W / 2 / panels, panels)
    energy = np.exp(start + x * width)
    return np.sum(function(energy) * energy * (w * width), axis=-1)


def power_law_integral(lower: Any, upper: Any, index: Any, reference: Any) -> np.ndarray:
    """Return the integral of ``(E / reference) ** -index``.

    Parameters
    ----------
    lower, upper, reference : array_like
        Energies above zero, in one unit.
    index : array_like
        Spectral index; the formula holds at 1 as well.

    Returns
    -------
    ndarray
        The integral, in the unit of the energies.
    """
    lower = np.asarray(lower, dtype=float)
    log_ratio = np.log(np.asarray(upper, dtype=float) / lower)
    index = np.asarray(index, dtype=float)[()]
    z = (1 - index) * log_ratio
    # expm1(z) / z, which is 1 at z = 0; this has no cancellation near an index of 1.
    z = z + (z == 0) * _SMALL
    return lower * (lower / reference) ** -index * log_ratio * (np.expm1(z) / z)
