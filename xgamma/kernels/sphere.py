"""Directions on the sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rotate", "rotation_slopes"]

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


def rotation_slopes(lon: float, lat: float, matrix: Array) -> Array:
    """Return the derivatives of what `rotate` makes of a direction.

    Parameters
    ----------
    lon, lat : float
        Direction in deg.
    matrix : ndarray, shape (3, 3)
        Acts on Cartesian unit vectors.

    Returns
    -------
    ndarray, shape (2, 2)
        Rows are longitude and latitude of the result, columns those of the direction.
    """
    if np.array_equal(matrix, np.eye(3)):
        return np.eye(2)
    a, b = np.radians(lon), np.radians(lat)
    east, north = _tangents(a, b)
    x, y, z = matrix @ np.array([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)])
    flat = max(float(np.hypot(x, y)), 1e-12)
    rows = np.array(_tangents(np.arctan2(y, x), np.arctan2(z, flat)))
    out = rows @ matrix @ np.array([east * np.cos(b), north]).T
    out[0] /= flat
    return np.asarray(out)


def _tangents(lon: float, lat: float) -> tuple[Array, Array]:
    """Return unit vectors towards larger longitude and latitude at a direction in rad."""
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    return east, np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
