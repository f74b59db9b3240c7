"""Integrals of radial profiles along edges of pixels, and their derivatives with respect to the profiles' centre.

The rules are those of `xgamma.kernels.radial.pixel_integrals`, for chosen pixels, each with its own profile.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import radial
from xgamma.kernels.edges import Plane, Radii, Terms

__all__ = ["line_integrals"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_FAR = radial.FAR_RULE
_LEAST = 1e-14
"""What is added to squares of distances in widths of a pixel: more than their rounding, so that none is zero."""


def line_integrals(
    plane: Plane, lines: Index, radii: Radii, terms: Terms, which: Index, stride: int, width: float
) -> Array:
    """Integrate (G - last) dphi along lines of edges; G dphi itself along those of four edges next to the centre.

    Where the part of G beyond the last radius is left out, a constant whose integrals along a closed line cancel, tails
    keep their digits; a pixel around the centre is turned around, and has all its edges next to it.

    Parameters
    ----------
    plane : Plane
        Corners of pixels.
    lines : ndarray of int, shape (corner, n)
        The corners that n lines pass, in their order.
    radii : Radii
        Those of the profiles.
    terms : Terms
        Of ``k * stride`` profiles.
    which : ndarray of int, shape (n,)
        Profile of each line, less than `stride`.
    stride : int
        Number of profiles of one kind.
    width : float
        Typical width of a pixel in rad: edges nearer than three of it get more nodes.

    Returns
    -------
    ndarray, shape (k + slopes, n)
        Integrals for each kind of profiles, then the derivatives of the first as far as the plane has any.
    """
    along = plane.at(lines)
    points, squares, slopes = along.points, along.squares, along.slopes
    between = points[:-1].conj()
    between *= points[1:]
    cross = between.imag
    least = _LEAST * width**2
    close = np.minimum(squares[:-1], squares[1:]) < (radial.NEAR * width) ** 2
    near, (sides, n) = np.flatnonzero(close), cross.shape
    line, rule, far = near % max(n, 1), radial.near_rule(radii.rad, width), 3 * cross.size

    def of_near(values: Any) -> Any:
        """Take the part of values at nodes that is of edges next to the centre, shape (node, edge)."""
        return values[far:].reshape(rule.nodes.size, near.size)

    def at_nodes(first: Array, last: Array, product: Array) -> Array:
        """Squares of the nodes of all edges, then of more of them along those next to the centre."""
        ends = np.empty((3, *cross.shape))
        ends[0], ends[1], ends[2] = first, last, product
        ends = ends.reshape(3, cross.size)
        out = np.empty(far + rule.nodes.size * near.size)
        np.matmul(_FAR.squares, ends, out=out[:far].reshape(3, cross.size))
        np.matmul(rule.squares, ends.take(near, axis=1), out=of_near(out))
        return out

    def mean(values: Array) -> Array:
        """Average over the nodes of each edge."""
        out = _FAR.weights @ values[:far].reshape(3, cross.size)
        out[near] = rule.weights @ of_near(values)
        return out.reshape(cross.shape)

    square = at_nodes(squares[:-1], squares[1:], between.real)
    square += least
    r = np.sqrt(square)
    row, segments = terms.rows.shape[1], radii.segments
    starts = which * row + radii.offset
    # Nodes are no farther than the ends of their edges.
    place = radii.segments_at(r, math.sqrt(float(squares.max(initial=0.0)) + least))
    place[:far].reshape(3 * sides, n)[:] += starts
    of_near(place)[:] += starts.take(line)
    # By way of shorter numbers, which takes half of the time.
    index = place.astype(np.int32).astype(np.intp)
    del place
    # Next to the centre the angle is not that of the nodes: lines around it take G itself, as do those that are open.
    closed = len(close) == 4
    beyond: Any = np.where(close.all(axis=0).take(line), 0, segments) if closed else 0
    flat, own = terms.rows.ravel(), of_near(index) + beyond
    kinds = len(terms.rows) // stride
    out = np.empty((kinds + len(slopes), n))
    for i in range(kinds):
        c, a, b = (flat[i * stride * row + k * segments :].take(index) for k in (1, 2, 3))
        flat[i * stride * row :].take(own, out=of_near(c), mode="clip")
        c /= square
        b *= r
        a += c
        a += b
        average = mean(a)
        np.einsum("en,en->n", cross, average, out=out[i])
        if i:
            continue
        bend = (b / 2 - c) / square if slopes else c
        for j, moved in enumerate(slopes, start=kinds):
            turned = moved[:-1].conj() * points[1:] + points[:-1].conj() * moved[1:]
            longer = 2 * (points.conj() * moved).real
            steps = mean(bend * at_nodes(longer[:-1], longer[1:], turned.real))
            (turned.imag * average + cross * steps).sum(axis=0, out=out[j])
    if not closed and near.size:
        lasts = terms.last.reshape(-1, stride).take(which.take(line), axis=1)
        for i, angle in enumerate([_angles(along, near)] * kinds + _turns(along, near, least)):
            out[i] -= np.bincount(line, angle * lasts[i if i < kinds else 0], minlength=n)
    return out


def _angles(along: Plane, edges: Index) -> Array:
    """Angles through which some edges run around the centre."""
    return np.angle(along.points[:-1].take(edges).conj() * along.points[1:].take(edges))


def _turns(along: Plane, edges: Index, least: float) -> list[Array]:
    """Return derivatives of these angles, as the plane has slopes; squares of distances are no less than the least."""
    out = []
    for moved in along.slopes:
        before, behind = (
            (points.take(edges).conj() * steps.take(edges)).imag / np.maximum(squares.take(edges), least)
            for points, steps, squares in zip(
                *((part[:-1], part[1:]) for part in (along.points, moved, along.squares)), strict=True
            )
        )
        out.append(behind - before)
    return out
