"""Products of long thin matrices, in pieces.

A large product wakes the other threads of the linear algebra library, which takes longer than such a product itself,
and ever so long where other work holds the cores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["combine", "gram"]

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
    out = np.empty((len(weights), flat.shape[1]))
    step = max(1, _PIECE // max(weights.size, 1))
    for start in range(0, flat.shape[1], step):
        piece = slice(start, start + step)
        out[:, piece] = weights @ flat[:, piece]
    return out.reshape(len(weights), *rows.shape[1:])
