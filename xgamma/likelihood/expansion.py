"""A statistic with its first and second derivatives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Expansion", "add_bends", "rough_of", "spread", "total"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Expansion:
    """A statistic at one parameter vector.

    Attributes
    ----------
    value : float
        The statistic.
    gradient : ndarray, shape (parameter,)
        Its derivatives.
    hessian : ndarray, shape (parameter, parameter)
        Its second derivatives.
    rough : ndarray of bool, shape (parameter,)
        Parameters of position and shape, in whose rows the second derivatives of the prediction are left out. These
        come with a factor that is zero on average for the true model (the method of scores). First ones may be left
        out as well, see `xgamma.likelihood.Likelihood.expand`.
    cut : int
        Number of bins with counts whose prediction is cut off: the statistic does not tell the way out of them.
    """

    value: float
    gradient: Array
    hessian: Array
    rough: NDArray[np.bool_]
    cut: int = 0


def total(parts: list[Expansion], size: int) -> Expansion:
    """Add up expansions in `size` parameters."""
    hessian = sum((part.hessian for part in parts), np.zeros((size, size)))
    hessian = (hessian + hessian.T) / 2
    if len(parts) == 1:
        return replace(parts[0], hessian=hessian)
    return Expansion(
        float(sum(part.value for part in parts)),
        sum((part.gradient for part in parts), np.zeros(size)),
        hessian,
        np.any([part.rough for part in parts], axis=0) if parts else np.zeros(size, dtype=bool),
        sum(part.cut for part in parts),
    )


def rough_of(sources: Iterable[Any], size: int) -> NDArray[np.bool_]:
    """Return which of `size` parameters are those of position and shape of some sources."""
    out = np.zeros(size, dtype=bool)
    for source in sources:
        out[list(source.shape_slots)] = True
    return out


def add_bends(matrix: Array, bends: list[tuple[int, int, Array]], slope: Array) -> None:
    """Add second derivatives of the numbers of a spectrum, times the slope along each, to a symmetric matrix."""
    for i, j, row in bends:
        value = float(slope @ row)
        matrix[i, j] += value
        if i != j:
            matrix[j, i] += value


def spread(values: Array, place: NDArray[np.intp], size: int) -> Array:
    """Put values at places of an array that is zero elsewhere."""
    out = np.zeros(size)
    out[place] = values
    return out
