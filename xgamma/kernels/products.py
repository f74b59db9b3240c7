"""Products of long thin matrices, in pieces.

A large product wakes the other threads of the linear algebra library, which takes longer than such a product itself,
and ever so long where other work holds the cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Combined", "combine", "gram"]

Array = NDArray[np.float64]

_PIECE, _VECTOR = 200_000, 9_000
"""Number of multiplications up to which one thread does them, for matrices and where one is a vector."""


def gram(a: Array, b: Array) -> Array:
    """Return ``a.T @ b`` for (n, i) and (n, j), where n is large."""
    out = np.zeros((a.shape[1], b.shape[1]))
    step = max(1, (_VECTOR if 1 in out.shape else _PIECE) // max(out.size, 1))
    for start in range(0, len(a), step):
        piece = slice(start, start + step)
        out += a[piece].T @ b[piece]
    return out


def combine(weights: Array, rows: Array) -> Array:
    """Return ``weights @ rows`` for (m, k) and (k, ...), where the rest is large."""
    flat = rows.reshape(len(rows), -1)
    if len(rows) == 1:
        # The product of a column and a row takes half as long by broadcasting.
        return (weights * flat).reshape(len(weights), *rows.shape[1:])
    out = np.empty((len(weights), flat.shape[1]))
    step = max(1, _PIECE // max(weights.size, 1))
    for start in range(0, flat.shape[1], step):
        piece = slice(start, start + step)
        out[:, piece] = weights @ flat[:, piece]
    return out.reshape(len(weights), *rows.shape[1:])


@dataclass(frozen=True)
class Combined:
    """Images, or linear combinations of a few of them, which take less memory and less time than all.

    Attributes
    ----------
    images : ndarray, shape (k, y, x)
        Of which they are made.
    weights : ndarray, shape (n, k), or None
        Of each image in each combination; None for the images themselves.
    """

    images: Array
    weights: Array | None = None

    def apply(self, linear: Callable[[Array], Array]) -> Combined:
        """Apply to all of them what is linear and acts on each image alone."""
        return replace(self, images=linear(self.images))

    def whole(self) -> Array:
        """Return all of them, shape (n, y, x)."""
        return self.images if self.weights is None else combine(self.weights, self.images)

    def add_to(self, out: Array) -> None:
        """Add them to images of the same shape (n, y, x) in place."""
        # What lies around is zero, and the memory of a large map is slow.
        reached = np.logical_or.reduce(self.images, axis=0)
        y, x = (_span(np.logical_or.reduce(reached, axis=axis)) for axis in (1, 0))
        images, targets = self.images[:, y, x], out[:, y, x]
        if self.weights is None or len(images) > 1:
            targets += replace(self, images=images).whole()
            return
        # What one image makes is added while it is in the cache.
        part = np.empty(images.shape[1:])
        for target, weight in zip(targets, self.weights[:, 0], strict=True):
            target += np.multiply(weight, images[0], out=part)


def _span(chosen: NDArray[np.bool_]) -> slice:
    """Range from the first to the last that is chosen, if any is."""
    where = np.flatnonzero(chosen)
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, 0)
