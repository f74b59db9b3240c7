"""A statistic with its first and second derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Expansion", "add_bends", "total"]

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
        come with a factor that is zero on average for the true model (the method of scores).
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
    return Expansion(
        float(sum(part.value for part in parts)),
        sum((part.gradient for part in parts), np.zeros(size)),
        (hessian + hessian.T) / 2,
        np.any([part.rough for part in parts], axis=0) if parts else np.zeros(size, dtype=bool),
        sum(part.cut for part in parts),
    )


def add_bends(matrix: Array, bends: list[tuple[int, int, Array]], slope: Array) -> None:
    """Add second derivatives of the numbers of a spectrum, times the slope along each, to a symmetric matrix."""
    for i, j, row in bends:
        value = float(slope @ row)
        matrix[i, j] += value
        if i != j:
            matrix[j, i] += value
