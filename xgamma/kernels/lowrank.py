"""Rows that are combinations of a few of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels.products import combine

__all__ = ["few_rows"]

Array = NDArray[np.float64]

_TOLERANCE = 5e-15
"""Largest error of a combination, relative to the largest value of the row: rounding alone."""
_SAMPLE = 600


def few_rows(rows: Array) -> tuple[NDArray[np.intp], Array] | None:
    """Choose rows of which all the others are linear combinations, to rounding.

    Gram-Schmidt with pivots on a sample of the columns gives an interpolative decomposition (Cheng et al. 2005, SIAM J.
    Sci. Comput. 26, 1389), which is then checked on all of them.

    Parameters
    ----------
    rows : ndarray, shape (n, m)
        Finite values.

    Returns
    -------
    chosen : ndarray of int, shape (k,)
        The rows chosen, not more than half of them.
    coefficients : ndarray, shape (n, k)
        ``rows == coefficients @ rows[chosen]`` to 5e-15 of the largest value of each row. None in place of both
        where no few rows will do.
    """
    n, m = rows.shape
    largest = np.abs(rows).max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)[:, None]
    rest = rows[:, :: max(1, m // _SAMPLE)] / scale
    norm = np.sqrt((rest**2).sum(axis=1))
    limit = _TOLERANCE * norm.max(initial=0.0)
    chosen: list[int] = []
    lower = np.zeros((n, n // 2))
    while not chosen or norm.max() > limit:
        k, pivot = len(chosen), int(norm.argmax())
        if k == n // 2 or norm[pivot] == 0:
            return None
        direction = rest[pivot] / norm[pivot]
        lower[:, k] = rest @ direction
        rest = rest - lower[:, k, None] * direction
        norm = np.sqrt((rest**2).sum(axis=1))
        chosen.append(pivot)
    square = lower[chosen, : len(chosen)]
    coefficients = np.linalg.solve(square.T, lower[:, : len(chosen)].T).T * (scale / scale[chosen].T)
    error = np.abs(rows - combine(coefficients, rows[chosen])).max(axis=1)
    return (np.array(chosen), coefficients) if (error <= _TOLERANCE * largest).all() else None
