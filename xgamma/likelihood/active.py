"""The bins whose prediction is not the background alone, and what sources that stand still add to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels.products import gram
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.source import Fixed

__all__ = ["Active", "Stack", "active_of", "places_of", "stack_of"]

Array = NDArray[np.float64]

_GROUP = 8
"""Predictions of so many bins are multiplied before a logarithm is taken: 1e-25 to this power is still a number."""
_FILLED = 0.4
"""Part of a matrix that is not zero from which on it is better kept as a whole."""


@dataclass(frozen=True)
class Active:
    """Bins whose prediction is not the background alone, and sums over the others.

    Attributes
    ----------
    bins : ndarray of int, shape (bin,)
        Their indices: those with one count come first.
    n, b, e : ndarray, shape (bin,)
        Counts, background and energy.
    bare : ndarray of int
        Which of them have no background.
    ones : int
        Number of bins with one count, a multiple of the group for logarithms.
    other_n : ndarray, shape (energy,)
        Counts in all other bins.
    other_log : float
        Sum of counts x logarithm of the background over these.
    """

    bins: NDArray[np.intp]
    n: Array
    b: Array
    e: NDArray[np.intp]
    bare: NDArray[np.intp]
    ones: int
    other_n: Array
    other_log: float

    def log_sum(self, mu: Array) -> float:
        """Sum of counts x logarithm of predictions."""
        single = np.log(np.multiply.reduce(mu[: self.ones].reshape(_GROUP, -1)))
        return float(single.sum() + _dot(self.n[self.ones :], np.log(mu[self.ones :])))

    def log_sums(self, mu: Array) -> Array:
        """Add up counts x logarithm of predictions (bin, point), shape (point,)."""
        single = np.log(np.multiply.reduce(mu[: self.ones].reshape(_GROUP, -1, mu.shape[1])))
        return np.asarray(single.sum(axis=0) + self.n[self.ones :] @ np.log(mu[self.ones :]))

    def others_many(self, factor: Array) -> Array:
        """Return what `others` does for factors (point, energy)."""
        some = self.other_n != 0
        return np.asarray(self.other_log + np.log(factor[:, some]) @ self.other_n[some])

    def others(self, factor: Array) -> float:
        """Return the same for all other bins, given the factor on the background in each energy."""
        some = self.other_n != 0
        return self.other_log + float(self.other_n[some] @ np.log(factor[some]))


def _dot(a: Array, b: Array) -> float:
    """Sum of products, by this thread alone: to wake others takes longer, and ever so long where they are busy."""
    return float(np.einsum("i,i", a, b))


def active_of(bins: Bins, logs: Array, reached: list[NDArray[np.intp]]) -> Active:
    """Collect the bins that sources reach, and bare bins.

    Parameters
    ----------
    bins : Bins
        All bins.
    logs : ndarray, shape (bin,)
        Counts x logarithm of the background, 0 in bare bins.
    reached : list of ndarray of int
        The bins that each source reaches.
    """
    flags = bins.bare.copy()
    for index in reached:
        flags[index] = True
    chosen = np.flatnonzero(flags)
    single = bins.n[chosen] == 1
    chosen = np.concatenate([chosen[single], chosen[~single]])
    ones = int(np.count_nonzero(single))
    e, n = bins.e[chosen], bins.n[chosen]
    size = bins.sum_b.size
    # Sums of whole numbers are exact, so that nothing is left where all bins are active.
    other = (np.bincount(bins.e, bins.n, minlength=size) - np.bincount(e, n, minlength=size)).astype(np.float64)
    bare = np.flatnonzero(bins.bare[chosen])
    rest = float(logs.sum() - logs[chosen].sum())
    return Active(chosen, n, bins.b[chosen], e, bare, ones - ones % _GROUP, other, rest)


def places_of(bins: Bins, active: Active, reached: list[NDArray[np.intp]]) -> list[NDArray[np.intp]]:
    """Where the bins that each source reaches lie among the active ones."""
    place = np.zeros(bins.n.size, dtype=np.intp)
    place[active.bins] = np.arange(active.bins.size)
    return [place[index] for index in reached]


@dataclass(frozen=True)
class Stack:
    """Counts of all sources that stand still, in one matrix.

    Attributes
    ----------
    matrix : ndarray or scipy.sparse matrix, shape (bin, k)
        Counts in the active bins for each number of all spectra.
    total : ndarray, shape (k,)
        Counts inside the mask.
    parts : tuple of slice
        Which numbers are those of each source.
    """

    matrix: Any
    total: Array
    parts: tuple[slice, ...]

    def gram(self, weight: Array) -> Array:
        """Return the products of all pairs of columns, with a weight for each bin."""
        if isinstance(self.matrix, np.ndarray):
            return gram(self.matrix, self.matrix * weight[:, None])
        weighted = self.matrix.copy()
        weighted.data = self.matrix.data * np.repeat(weight, np.diff(self.matrix.indptr))
        return np.asarray((self.matrix.T @ weighted).toarray())

    def onto(self, columns: Array) -> Array:
        """Return the products of all columns with others (bin, n)."""
        if isinstance(self.matrix, np.ndarray):
            return gram(self.matrix, columns)
        return np.asarray(self.matrix.T @ columns)


def stack_of(active: Active, fixed: list[Fixed], places: list[NDArray[np.intp]]) -> Stack:
    """Stack the counts of sources."""
    ends = np.cumsum([0, *(part.matrix.shape[1] for part in fixed)])
    parts = tuple(slice(int(a), int(b)) for a, b in zip(ends[:-1], ends[1:], strict=True))
    shape = active.bins.size, int(ends[-1])
    total = np.concatenate([part.total for part in fixed]) if fixed else np.zeros(0)
    filled = sum(part.matrix.size for part in fixed)
    matrix: Any
    if filled >= _FILLED * shape[0] * shape[1]:
        matrix = np.zeros(shape, order="F")
        for where, part, place in zip(parts, fixed, places, strict=True):
            matrix[place, where] = part.matrix
        return Stack(matrix, total, parts)
    from scipy.sparse import coo_matrix

    rows = [np.repeat(place, part.matrix.shape[1]) for part, place in zip(fixed, places, strict=True)]
    columns = [
        np.tile(np.arange(where.start, where.stop), place.size) for where, place in zip(parts, places, strict=True)
    ]
    values = [part.matrix.ravel() for part in fixed]
    entries = [np.concatenate(v) if v else np.zeros(0, dtype=np.intp) for v in (rows, columns)]
    data = np.concatenate(values) if values else np.zeros(0)
    return Stack(coo_matrix((data, tuple(entries)), shape=shape).tocsr(), total, parts)
