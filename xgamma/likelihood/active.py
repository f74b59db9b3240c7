"""The bins whose prediction is not the background alone, and what sources that stand still add to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels.products import gram
from xgamma.kernels.statistic import TRUNCATION
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.source import Fixed

__all__ = ["Active", "Level", "Stack", "active_of", "level_of", "places_of", "ranged", "stack_of"]

Array = NDArray[np.float64]

_GROUP = 8
"""Predictions of so many bins are multiplied before a logarithm is taken: 1e-25 to this power is still a number."""
_FILLED = 0.4
"""Part of a matrix that is not zero from which on it is better kept as one block."""


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


@dataclass(frozen=True)
class Level:
    """The background of active bins, and what all bins know of it, for a factor on it in each energy.

    Attributes
    ----------
    factor : ndarray, shape (energy,)
        The factor.
    mu : ndarray, shape (bin,)
        The background of the active bins.
    rest : float
        Sum of the background over the mask, less that of counts x its logarithm over other bins.
    holds : bool
        Whether no background is cut off; without that there are no such sums.
    """

    factor: Array
    mu: Array
    rest: float
    holds: bool


def level_of(active: Active, bins: Bins, factor: Array) -> Level:
    """Multiply the background by a factor in each energy."""
    holds = bool((factor >= 0).all() and (factor > TRUNCATION)[bins.sum_b > 0].all())
    rest = float(factor @ bins.sum_b) - active.others(factor) if holds else 0.0
    return Level(factor, active.b * factor.take(active.e), rest, holds)


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


def ranged(place: NDArray[np.intp]) -> Any:
    """Write places as a slice if they are a range: what is added to a slice is added in place."""
    is_range = place.size and (np.diff(place) == 1).all()
    return slice(int(place[0]), int(place[-1]) + 1) if is_range else place


@dataclass(frozen=True)
class Stack:
    """Counts of all sources that stand still, as a matrix (bin, k) in blocks.

    Attributes
    ----------
    size : int
        Number of active bins.
    total : ndarray, shape (k,)
        Counts inside the mask for each number of all spectra.
    parts : tuple of slice
        Which numbers are those of each source.
    blocks : tuple of ndarray, shape (reached, columns)
        What is not zero of the matrix: all of it, or the counts of each source.
    columns : tuple of slice
        The numbers of each block.
    places : tuple of ndarray of int, or slice
        The bins of each.
    common : tuple of (int, int, ndarray of int, ndarray of int)
        Two blocks and which of their rows are those of the same bins, for all pairs that have any.
    """

    size: int
    total: Array
    parts: tuple[slice, ...]
    blocks: tuple[Array, ...]
    columns: tuple[slice, ...]
    places: tuple[Any, ...]
    common: tuple[tuple[int, int, NDArray[np.intp], NDArray[np.intp]], ...]

    def times(self, numbers: Array) -> Array:
        """Return the counts (bin, ...) for numbers (k, ...)."""
        if len(self.blocks) == 1 and isinstance(self.places[0], slice):
            return np.asarray(self.blocks[0] @ numbers)
        out = np.zeros((self.size, *numbers.shape[1:]))
        for block, where, place in zip(self.blocks, self.columns, self.places, strict=True):
            out[place] += block @ numbers[where]
        return out

    def pulled(self, pull: Array) -> Array:
        """Return the products (k,) of all columns with numbers (bin,)."""
        out = np.empty(self.total.size)
        for block, where, place in zip(self.blocks, self.columns, self.places, strict=True):
            out[where] = pull[place] @ block
        return out

    def onto(self, columns: Array) -> Array:
        """Return the products (k, n) of all columns with others (bin, n)."""
        out = np.empty((self.total.size, columns.shape[1]))
        for block, where, place in zip(self.blocks, self.columns, self.places, strict=True):
            out[where] = gram(block, columns[place])
        return out

    def gram(self, weight: Array) -> Array:
        """Return the products (k, k) of all pairs of columns, with a weight for each bin."""
        out = np.zeros((self.total.size, self.total.size))
        weighted = [block * weight[place][:, None] for block, place in zip(self.blocks, self.places, strict=True)]
        for block, other, where in zip(self.blocks, weighted, self.columns, strict=True):
            out[where, where] = gram(block, other)
        for i, j, at_i, at_j in self.common:
            products = gram(weighted[i].take(at_i, axis=0), self.blocks[j].take(at_j, axis=0))
            out[self.columns[i], self.columns[j]] = products
            out[self.columns[j], self.columns[i]] = products.T
        return out


def stack_of(active: Active, fixed: list[Fixed], places: list[NDArray[np.intp]]) -> Stack:
    """Stack the counts of sources."""
    ends = np.cumsum([0, *(part.matrix.shape[1] for part in fixed)])
    parts = tuple(slice(int(a), int(b)) for a, b in zip(ends[:-1], ends[1:], strict=True))
    shape = active.bins.size, int(ends[-1])
    total = np.concatenate([part.total for part in fixed]) if fixed else np.zeros(0)
    if sum(part.matrix.size for part in fixed) >= _FILLED * shape[0] * shape[1]:
        matrix = np.zeros(shape, order="F")
        for where, part, place in zip(parts, fixed, places, strict=True):
            matrix[place, where] = part.matrix
        return Stack(shape[0], total, parts, (matrix,), (slice(0, shape[1]),), (slice(None),), ())
    blocks = tuple(part.matrix for part in fixed)
    return Stack(shape[0], total, parts, blocks, parts, tuple(places), tuple(_common(shape[0], fixed, places)))


def _common(
    size: int, fixed: list[Fixed], places: list[NDArray[np.intp]]
) -> Iterator[tuple[int, int, NDArray[np.intp], NDArray[np.intp]]]:
    """Yield pairs of sources that share bins, and which bins of each these are."""
    row = np.full(size, -1)
    for i, (part, place) in enumerate(zip(fixed, places, strict=True)):
        row[place] = np.arange(place.size)
        for j in range(i + 1, len(fixed)):
            other = fixed[j].bins
            # Bins are sorted by rows of the map.
            if not (part.bins.size and other.size and part.bins[0] <= other[-1] and other[0] <= part.bins[-1]):
                continue
            rows = row.take(places[j])
            at = np.flatnonzero(rows >= 0)
            if at.size:
                yield i, j, rows.take(at), at
        row[place] = -1
