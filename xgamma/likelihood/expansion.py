"""A statistic with its first and second derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Expansion", "total"]

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
    """

    value: float
    gradient: Array
    hessian: Array
    rough: NDArray[np.bool_]


def total(parts: list[Expansion], size: int) -> Expansion:
    """Add up expansions in `size` parameters."""
    return Expansion(
        float(sum(part.value for part in parts)),
        np.sum([part.gradient for part in parts], axis=0) if parts else np.zeros(size),
        np.sum([part.hessian for part in parts], axis=0) if parts else np.zeros((size, size)),
        np.any([part.rough for part in parts], axis=0) if parts else np.zeros(size, dtype=bool),
    )
