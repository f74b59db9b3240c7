"""Directions on the sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rotate"]

Array = NDArray[np.float64]


def rotate(lon: Array, lat: Array, matrix: Array) -> tuple[Array, Array]:
    """Rotate directions.

    Parameters
    ----------
    lon, lat : ndarray
        Directions in deg.
    matrix : ndarray, shape (3, 3)
        Acts on Cartesian unit vectors.

    Returns
    -------
    lon, lat : ndarray
        In deg, the longitudes within 0 to 360.
    """
    if np.array_equal(matrix, np.eye(3)):
        return np.mod(lon, 360.0), np.asarray(lat)
    a, b = np.radians(lon), np.radians(lat)
    cos_b = np.cos(b)
    vector = np.stack(np.broadcast_arrays(cos_b * np.cos(a), cos_b * np.sin(a), np.sin(b)))
    x, y, z = np.tensordot(matrix, vector, axes=1)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))
