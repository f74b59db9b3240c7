"""The projection of a ball, integrated over the cells of a mesh in the plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ball_over_cells", "cell_areas"]

Array = NDArray[np.float64]


def cell_areas(x: Array, y: Array) -> Array:
    """Return areas of the cells between nodes (row, column), positive where x grows with columns and y with rows."""
    return _around(x, y, np.multiply(0.5, _cross(x, y, 0)), np.multiply(0.5, _cross(x, y, 1)))


def ball_over_cells(x: Array, y: Array, radius: float) -> Array:
    """Integrate ``sqrt(radius^2 - x^2 - y^2)`` over the cells of a mesh, where the root is real.

    A cell is a sum of triangles that have one corner at the origin and an edge of the cell opposite of it. On such a
    triangle the integral along the radius is ``(R^3 - w^3) / 3`` with w the root at the edge, or 0 beyond the ball;
    with d the distance of the line from the origin, s the place along it and q^2 = R^2 - d^2, integrating over the
    angle gives ``(R^3 (atan(s / d) - atan(R s / (d w))) + d (R^2 + q^2 / 2) asin(s / q) + d s w / 2) / 3``.

    Parameters
    ----------
    x, y : ndarray, shape (row, column)
        Nodes of the mesh; lines between neighbours are straight.
    radius : float
        Of the ball.

    Returns
    -------
    ndarray, shape (row - 1, column - 1)
        With the sign of `cell_areas`.
    """
    return _around(x, y, _fans(x, y, radius, 0), _fans(x, y, radius, 1))


def _around(x: Array, y: Array, along_rows: Array, along_columns: Array) -> Array:
    """Go around each cell, given the triangles of its edges along both axes of the mesh."""
    return along_rows[:, 1:] - along_rows[:, :-1] - along_columns[1:] + along_columns[:-1]


def _ends(values: Array, axis: int) -> tuple[Array, Array]:
    """Return values at both ends of the edges along an axis of the mesh."""
    return (values[:-1], values[1:]) if axis == 0 else (values[:, :-1], values[:, 1:])


def _cross(x: Array, y: Array, axis: int) -> Array:
    """Return twice the signed areas of the triangles between the origin and edges."""
    (x_0, x_1), (y_0, y_1) = _ends(x, axis), _ends(y, axis)
    return x_0 * (y_1 - y_0) - y_0 * (x_1 - x_0)


def _fans(x: Array, y: Array, radius: float, axis: int) -> Array:
    """Integrate over the triangles between the origin and the edges along an axis of the mesh."""
    (x_0, x_1), (y_0, y_1) = _ends(x, axis), _ends(y, axis)
    dx, dy, cross = x_1 - x_0, y_1 - y_0, _cross(x, y, axis)
    length = np.hypot(dx, dy)
    with np.errstate(divide="ignore", invalid="ignore"):
        dx, dy, d = dx / length, dy / length, np.abs(cross) / length
    # Edges without length, as at a pole, have no triangle.
    d = np.where(length > 0, d, 0.0)
    half = np.sqrt(np.maximum(radius**2 - d**2, 0.0))
    start, stop = (_primitive(u * dx + v * dy, d, half, radius) for u, v in ((x_0, y_0), (x_1, y_1)))
    angle = np.arctan2(np.abs(cross), x_0 * x_1 + y_0 * y_1)
    out = np.sign(cross) * (radius**3 * angle + stop - start) / 3
    return np.where(length > 0, out, 0.0)


def _primitive(s: Array, d: Array, half: Array, radius: float) -> Array:
    """Return three times the integral to a place on a line, without the angle; it is constant outside of the ball."""
    s = np.clip(s, -half, half)
    root = np.sqrt((half - s) * (half + s))
    inside = radius**3 * np.arctan2(radius * s, d * root)
    share = np.arcsin(np.divide(s, half, out=np.zeros_like(s), where=half > 0))
    return d * (radius**2 + half**2 / 2) * share + d * s * root / 2 - inside
