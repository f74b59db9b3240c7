"""Integrals of radial profiles along edges of pixels, and their derivatives with respect to the profiles' centre.

The rules are those of `xgamma.kernels.radial.pixel_integrals`. A rule is linear in the coefficients of the profiles, so
that it is a sparse matrix for all profiles at once: three nodes of an edge take three coefficients each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import radial

__all__ = ["EdgeRule", "Plane", "edge_rules", "project", "table_of"]

Array = NDArray[np.float64]

_SERIES = (1.0, 1 / 6, 3 / 40, 5 / 112, 35 / 1152, 63 / 2816)
_SMALL = 1e-3
"""Squares of sines up to which the series of arcsin(s) / s does: the next term is below 1e-19."""
_LEAST = 1e-17
"""Relative size of a term below which it is left out."""
_COLUMNS = 4
"""Columns of each segment in a table of coefficients: c less its last value, a, b and c."""
_NEAR_STEP = 5e-4
"""Step of differences of the edges next to the centre, in widths of a pixel."""


@dataclass(frozen=True)
class Plane:
    """Directions on the plane tangent at a centre, in rad, as `xgamma.kernels.radial.tangent_plane` gives them.

    Attributes
    ----------
    x, y : ndarray, shape (n,)
        Distances from the centre towards larger longitude and latitude.
    slopes : tuple of (ndarray, ndarray)
        Derivatives of both with respect to the longitude, and to the latitude, of the centre; empty if not wanted.
    """

    x: Array
    y: Array
    slopes: tuple[tuple[Array, Array], ...] = ()


@dataclass(frozen=True)
class EdgeRule:
    """What turns a table of coefficients into integrals along edges.

    Attributes
    ----------
    row : ndarray of int, shape (edge,)
        Row of each edge; those that no profile reaches share the last one.
    matrix : scipy.sparse matrix, shape (row, segment * 4)
        Acts on the table.
    near : slice
        Rows of edges next to the centre.
    turn : ndarray, shape (near,)
        Angle of these edges, or its derivative.
    """

    row: NDArray[np.intp]
    matrix: Any
    near: slice
    turn: Array

    def along(self, table: Array, last: Array) -> Array:
        """Integrals (row, n) of G dphi less the part beyond the last radius, given `table_of` n profiles."""
        out = np.asarray(self.matrix @ table)
        out[self.near] -= self.turn[:, None] * last
        return out


def project(vectors: Array, lon: float, lat: float, slopes: bool = False) -> Plane:
    """Place unit vectors (3, n) on the plane tangent at a centre in rad."""
    sin_lon, cos_lon, sin_lat, cos_lat = np.sin(lon), np.cos(lon), np.sin(lat), np.cos(lat)
    east, north = [-sin_lon, cos_lon, 0.0], [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat]
    up = [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
    x, y = np.array([east, north]) @ vectors
    square = x * x + y * y
    around = square.max(initial=0.0) < _SMALL and np.dot(up, vectors[:, 0]) > 0
    if around:
        most = square.max(initial=0.0)
        terms = [term for n, term in enumerate(_SERIES) if not n or term * most**n > _LEAST]
        scale, cosine = _series(square, terms), np.sqrt(1 - square) if slopes else square
    else:
        cosine, sine = np.array(up) @ vectors, np.sqrt(square)
        scale = np.divide(np.arctan2(sine, cosine), sine, out=np.ones_like(sine), where=sine > 0)
    if not slopes:
        return Plane(x * scale, y * scale)
    bend = _series(square, [n * term for n, term in enumerate(_SERIES)][1:])
    if not around:
        far = (square > _SMALL) | (cosine < 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            bend = np.where(far, (1 / cosine - scale) / (2 * square), bend)
    # East turns by sin(lat) north - cos(lat) up along the longitude, north by -sin(lat) east, and by -up along the
    # latitude; the squares follow.
    steps = (sin_lat * y - cos_lat * cosine, -sin_lat * x, -2 * cos_lat * x * cosine), (0.0, -cosine, -2 * y * cosine)
    moved = tuple((dx * scale + x * bend * ds, dy * scale + y * bend * ds) for dx, dy, ds in steps)
    return Plane(x * scale, y * scale, moved)


def _series(square: Array, terms: Sequence[float]) -> Array:
    out = np.full_like(square, terms[-1])
    for term in terms[-2::-1]:
        out *= square
        out += term
    return out


def table_of(profiles: Array, rad: Array) -> tuple[Array, Array]:
    """Coefficients of profiles (n, rad), in a table (segment * 4, n), and the last ``c`` of each (n,)."""
    coefficients = radial.polynomials(profiles, rad)
    out = np.empty((rad.size + 1, _COLUMNS, len(profiles)))
    out[:, :3] = coefficients.transpose(2, 0, 1)
    out[:, 3] = out[:, 0]
    last = out[-1, 3].copy()
    out[:, 0] -= last
    return out.reshape(-1, len(profiles)), last


def edge_rules(
    plane: Plane, edges: NDArray[np.intp], rad: Array, width: float, reach: Array | None = None
) -> list[EdgeRule]:
    """Rules of edges, and of their derivatives where the plane has them.

    Parameters
    ----------
    plane : Plane
        Corners of pixels around the centre of the profiles.
    edges : ndarray of int, shape (2, edge)
        Corners at which each edge starts and stops.
    rad : ndarray, shape (rad,)
        Radii of the profiles in rad, ascending.
    width : float
        Typical width of a pixel in rad: edges nearer than three of it get more nodes.
    reach : ndarray, shape (edge,), optional
        Radius in rad from which on an edge is left out, by default that of the profiles.

    Returns
    -------
    list of EdgeRule
        That of the integrals, then those of the derivatives along longitude and latitude; all have the same rows.
    """
    start, stop = edges
    square = plane.x**2 + plane.y**2
    square = np.minimum(square.take(start), square.take(stop))
    close = square < 9 * width**2
    # A node is at most half an edge nearer than both its ends.
    reached = square < ((rad[-1] if reach is None else reach) + 2 * width) ** 2
    far, near = np.flatnonzero(reached & ~close), np.flatnonzero(close)
    row = np.full(start.size, far.size + near.size)
    row[far], row[near] = np.arange(far.size), np.arange(far.size, far.size + near.size)
    segment = radial.segments(rad)
    ends = [end.take(far) for end in (start, stop)]
    there = [part.take(end) for end in ends for part in (plane.x, plane.y)]
    moves = [[part.take(end) for end in ends for part in slope] for slope in plane.slopes]
    columns, *values = _far(there, moves, segment)
    ends = [end.take(near) for end in (start, stop)]
    at = np.array([part.take(end) for end in ends for part in (plane.x, plane.y)])
    turned = [np.array([part.take(end) for end in ends for part in slope]) for slope in plane.slopes]
    step = _NEAR_STEP * width
    sides = [at, *(at + sign * step * move for move in turned for sign in (1, -1))]
    parts = _near(np.concatenate(sides, axis=1), len(sides), radial.feature(rad, width), segment)
    rules = [parts[0]]
    for i, (high, low) in enumerate(zip(parts[1::2], parts[2::2], strict=True), start=1):
        turn = _turned(sides[2 * i][2:], sides[2 * i - 1][2:]) - _turned(sides[2 * i][:2], sides[2 * i - 1][:2])
        both = [np.concatenate(pair, axis=1) for pair in ((high[0], low[0]), (high[1], -low[1]))]
        rules.append((both[0], both[1] / (2 * step), turn / (2 * step)))
    slot = slice(far.size, far.size + near.size)
    shape = far.size + near.size + 1, (rad.size + 1) * _COLUMNS
    return [
        EdgeRule(row, _sparse(columns, value, *part[:2], shape), slot, part[2])
        for value, part in zip(values, rules, strict=True)
    ]


def _turned(low: Array, high: Array) -> Array:
    """Angles (n,) by which points (2, n) turn around the centre.

    They are those of corners, not of edges, so that all edges that share one agree, and the turns around a pixel cancel
    also where the centre passes from one side of a corner to the other.
    """
    return np.asarray(np.arctan2(low[0] * high[1] - low[1] * high[0], low[0] * high[0] + low[1] * high[1]))


def _far(there: list[Array], moves: list[list[Array]], segment: Callable[[Array], Any]) -> list[Any]:
    """Columns and values (edge, node * term) of the rule and its derivatives, the variable being t of the line."""
    x_0, y_0, x_1, y_1 = there
    dx, dy = x_1 - x_0, y_1 - y_0
    first, cross = x_0 * x_0 + y_0 * y_0, x_0 * dy - y_0 * dx
    along, length = 2 * (x_0 * dx + y_0 * dy), dx * dx + dy * dy
    # Arrays of all edges in a row are fastest: nodes come first.
    node, weight = (part[:, None] for part in radial.FAR_RULE)
    u, half = (node + 1) / 2, weight / 2
    square = first + u * (along + u * length)
    r, inverse = np.sqrt(square), 1 / square
    w = cross * half
    k = segment(r).astype(np.int32) * _COLUMNS
    out = [_terms(k, k + 1, k + 2), _terms(w * inverse, w / 2, w * r * (1 / 3))]
    for a_0, b_0, a_1, b_1 in moves:
        da, db = a_1 - a_0, b_1 - b_0
        dw = (a_0 * dy + x_0 * db - b_0 * dx - y_0 * da) * half
        slope = 2 * (a_0 * dx + x_0 * da + b_0 * dy + y_0 * db) + u * (2 * (dx * da + dy * db))
        moved = w * inverse * (2 * (x_0 * a_0 + y_0 * b_0) + u * slope)
        out.append(_terms((dw - moved) * inverse, dw / 2, (dw + moved / 2) * r * (1 / 3)))
    return out


def _terms(*terms: Any) -> Any:
    """Three terms (node, edge) as (edge, node * term)."""
    nodes, number = terms[0].shape
    out = np.empty((number, nodes, len(terms)), dtype=terms[0].dtype)
    for i, term in enumerate(terms):
        out[:, :, i] = term.T
    return out.reshape(number, nodes * len(terms))


def _near(edges: Array, copies: int, feature: float, segment: Callable[[Array], Any]) -> list[tuple[Any, Array, Array]]:
    """Columns and values (edge, node * term) of copies of the edges next to the centre, and their angles."""
    r, factors, turn = radial.near_nodes(edges, feature)
    # These take c itself: near the centre the angle is not that of the nodes.
    columns = segment(r).astype(np.int32)[..., None] * _COLUMNS + np.array([3, 1, 2], dtype=np.int32)
    shape = copies, turn.size // copies, 3 * r.shape[1]
    return list(zip(columns.reshape(shape), factors.reshape(shape), turn.reshape(copies, -1), strict=True))


def _sparse(columns: Any, values: Array, near_columns: Any, near_values: Array, shape: tuple[int, int]) -> Any:
    """One matrix of both kinds of edges, and a row of zeros."""
    from scipy.sparse import csr_matrix

    far, many = columns.shape
    near, most = near_columns.shape
    ends = np.empty(shape[0] + 1, dtype=np.int32)
    ends[: far + 1] = np.arange(0, far * many + 1, many)
    ends[far + 1 : far + near + 1] = far * many + most * np.arange(1, near + 1)
    ends[-1] = ends[-2]
    entries = np.concatenate([values.ravel(), near_values.ravel()])
    index = np.concatenate([columns.ravel(), near_columns.ravel()])
    return csr_matrix((entries, index, ends), shape=shape)
