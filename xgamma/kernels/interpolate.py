"""Linear interpolation on labelled grids, with the values at the border beyond it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["bilinear_points", "bracket", "linear_matrix", "separable"]


def bracket(nodes: ArrayLike, x: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the nodes around points.

    Parameters
    ----------
    nodes : array_like, shape (n,)
        Ascending.
    x : array_like
        Points; those outside the nodes are moved to the nearest one.

    Returns
    -------
    index : ndarray of int
        Of the lower node, at most ``n - 2`` where there are two or more.
    weight : ndarray
        Of the upper node, in [0, 1]; the value is ``(1 - weight) * v[index] + weight * v[index + 1]``.
    """
    nodes = np.asarray(nodes, dtype=np.float64)
    x = np.asarray(x, dtype=np.float64)
    if nodes.size == 1:
        return np.zeros(x.shape, dtype=np.intp), np.zeros(x.shape)
    index = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, nodes.size - 2)
    return index, np.clip((x - nodes[index]) / (nodes[index + 1] - nodes[index]), 0.0, 1.0)


def linear_matrix(nodes: ArrayLike, x: ArrayLike) -> NDArray[np.float64]:
    """Matrix (x, nodes) that interpolates linearly from nodes to points."""
    index, weight = bracket(nodes, x)
    matrix = np.zeros((index.size, np.size(nodes)))
    rows = np.arange(index.size)
    matrix[rows, index] = 1 - weight
    matrix[rows, np.minimum(index + 1, np.size(nodes) - 1)] += weight
    return matrix


def separable(values: NDArray[Any], nodes_y: ArrayLike, nodes_x: ArrayLike, y: ArrayLike, x: ArrayLike) -> NDArray[Any]:
    """Interpolate linearly from a grid to another that is parallel to it.

    Parameters
    ----------
    values : ndarray, shape (..., nodes_y, nodes_x)
        Values at the nodes.
    nodes_y, nodes_x : array_like
        Ascending labels of the nodes.
    y, x : array_like, 1-D
        Labels wanted.

    Returns
    -------
    ndarray, shape (..., y, x)
        The input itself where nothing is to be done.
    """
    for axis, nodes, wanted in ((-2, nodes_y, y), (-1, nodes_x, x)):
        if np.array_equal(nodes, wanted):
            continue
        index, weight = bracket(nodes, wanted)
        low = np.take(values, index, axis=axis)
        if not weight.any():
            values = low
            continue
        weight = weight[:, None] if axis == -2 else weight
        high = np.take(values, np.minimum(index + 1, np.size(nodes) - 1), axis=axis)
        values = low + (high - low) * weight
    return values


def bilinear_points(
    values: NDArray[Any], nodes_y: ArrayLike, nodes_x: ArrayLike, y: ArrayLike, x: ArrayLike
) -> NDArray[Any]:
    """Interpolate linearly from a grid to any points.

    Parameters
    ----------
    values : ndarray, shape (..., nodes_y, nodes_x)
        Values at the nodes.
    nodes_y, nodes_x : array_like
        Ascending labels of the nodes.
    y, x : array_like, of one shape
        Labels of the points.

    Returns
    -------
    ndarray, shape (..., *y.shape)
        Interpolated values.
    """
    iy, wy = bracket(nodes_y, y)
    ix, wx = bracket(nodes_x, x)
    jy, jx = np.minimum(iy + 1, np.size(nodes_y) - 1), np.minimum(ix + 1, np.size(nodes_x) - 1)
    low = values[..., iy, ix] * (1 - wx) + values[..., iy, jx] * wx
    high = values[..., jy, ix] * (1 - wx) + values[..., jy, jx] * wx
    return low * (1 - wy) + high * wy
