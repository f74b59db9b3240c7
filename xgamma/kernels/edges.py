"""Integrals of radial profiles along edges of pixels, and their derivatives with respect to the profiles' centre.

The rules are those of `xgamma.kernels.radial.pixel_integrals`, for chosen pixels, each with its own profile. Points of
the plane are complex numbers x + i y, so that ``conj(a) * b`` is their scalar product and, times i, what they span.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import radial

__all__ = ["Lines", "Plane", "Radii", "Terms", "line_integrals", "project", "turns"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]
Points = NDArray[np.complex128]

_SERIES = (1.0, 1 / 6, 3 / 40, 5 / 112, 35 / 1152, 63 / 2816)
_SMALL = 1e-3
"""Squares of sines up to which the series of arcsin(s) / s does: the next term is below 1e-19."""
_LEAST = 1e-17
"""Relative size of a term below which it is left out."""
_NODE, _WEIGHT, _MIDDLE = radial.FAR_RULE[0][2], radial.FAR_RULE[1][2] / 2, radial.FAR_RULE[1][1] / 2
"""The last of three nodes along an edge, the second of which is in the middle; half of its weight and of the second."""
_TINY = 1e-300


@dataclass(frozen=True)
class Plane:
    """Directions on the plane tangent at a centre, in rad, as `xgamma.kernels.radial.tangent_plane` gives them.

    Attributes
    ----------
    points : ndarray of complex, shape (n,)
        Distances from the centre towards larger longitude, and i times those towards larger latitude.
    squares : ndarray, shape (n,)
        Squares of the distances.
    slopes : tuple of ndarray
        Derivatives with respect to the longitude, and to the latitude, of the centre; empty if not wanted.
    """

    points: Points
    squares: Array
    slopes: tuple[Points, ...] = ()

    def at(self, index: Index) -> Plane:
        """Return some of the directions, in the shape of their indices."""
        return Plane(self.points.take(index), self.squares.take(index), tuple(part.take(index) for part in self.slopes))


def project(vectors: Array, lon: float, lat: float, slopes: bool = False) -> Plane:
    """Place unit vectors (3, n) on the plane tangent at a centre in rad."""
    sin_lon, cos_lon, sin_lat, cos_lat = np.sin(lon), np.cos(lon), np.sin(lat), np.cos(lat)
    east, north = [-sin_lon, cos_lon, 0.0], [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat]
    up = [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
    x, y = np.array([east, north]) @ vectors
    square = x * x
    square += y * y
    most = float(square.max(initial=0.0))
    around = most < _SMALL and np.dot(up, vectors[:, 0]) > 0
    if around:
        terms = [term for n, term in enumerate(_SERIES) if not n or term * most**n > _LEAST]
        scale, cosine = _series(square, terms), np.sqrt(1 - square) if slopes else square
    else:
        cosine, sine = np.array(up) @ vectors, np.sqrt(square)
        scale = np.divide(np.arctan2(sine, cosine), sine, out=np.ones_like(sine), where=sine > 0)
    points = _points(x * scale, y * scale)
    squares = square * scale
    squares *= scale
    if not slopes:
        return Plane(points, squares)
    bend = _series(square, [n * term for n, term in enumerate(_SERIES)][1:])
    if not around:
        far = (square > _SMALL) | (cosine < 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            bend = np.where(far, (1 / cosine - scale) / (2 * square), bend)
    # East turns by sin(lat) north - cos(lat) up along the longitude, north by -sin(lat) east, and by -up along the
    # latitude; the squares follow.
    steps = (sin_lat * y - cos_lat * cosine, -sin_lat * x, -2 * cos_lat * x * cosine), (0.0, -cosine, -2 * y * cosine)
    moved = [_points(dx * scale + x * bend * ds, dy * scale + y * bend * ds) for dx, dy, ds in steps]
    return Plane(points, squares, tuple(moved))


def _points(x: Array, y: Array) -> Points:
    out = np.empty(x.shape, dtype=np.complex128)
    out.real, out.imag = x, y
    return out


def _series(square: Array, terms: Sequence[float]) -> Array:
    out = np.full_like(square, terms[-1])
    for term in terms[-2::-1]:
        out *= square
        out += term
    return out


@dataclass(frozen=True)
class Terms:
    """Coefficients of the integrals of profiles, G(r) = last + r^2 (c / r^2 + a + b r) in each segment.

    Attributes
    ----------
    rows : ndarray, shape (n, number)
        ``c``, ``a`` and ``b`` in the segments of each profile, all 0 beyond the last radius; G of the whole profile;
        and which part of that lies beyond each radius. All are linear in the profile.
    segments : int
        Number of segments.
    """

    rows: Array
    segments: int

    @property
    def values(self) -> Array:
        """``c``, ``a`` and ``b``, shape (n, 3, segment)."""
        return self.rows[:, : 3 * self.segments].reshape(-1, 3, self.segments)

    @property
    def last(self) -> Array:
        """G of the whole profiles, shape (n,)."""
        return self.rows[:, 3 * self.segments]

    @property
    def beyond(self) -> Array:
        """Which part of that lies beyond each radius, shape (n, rad)."""
        return self.rows[:, 3 * self.segments + 1 :]


@dataclass(frozen=True)
class Lines:
    """Lines along edges of pixels, of which each edge is known once.

    Attributes
    ----------
    corners : ndarray of int, shape (corner, n)
        The corners that n lines pass, in their order.
    edges : ndarray of int, shape (corner - 1, n)
        The edges between these.
    signs : ndarray, shape (corner - 1, n)
        -1 where a line runs against the direction of the edge.
    ends : ndarray of int, shape (2, edge)
        Corners at which each edge starts and stops.
    """

    corners: Index
    edges: Index
    signs: Array
    ends: Index

    @classmethod
    def of(cls, corners: Index) -> Lines:
        """Find the edges of lines."""
        first, last = corners[:-1], corners[1:]
        number = int(corners.max(initial=0)) + 1
        unique, edges = np.unique(np.minimum(first, last) * number + np.maximum(first, last), return_inverse=True)
        signs = np.where(first < last, 1.0, -1.0)
        return cls(corners, edges.reshape(signs.shape), signs, np.stack(np.divmod(unique, number)))


@dataclass(frozen=True)
class Radii:
    """Radii of profiles, with what their integrals need of them.

    Attributes
    ----------
    rad : ndarray, shape (rad,)
        Radii in rad, ascending.
    even : tuple of float, or None
        Slope and offset of the number of a segment, linear in the radius; None where they are not equidistant.
    fall, rise : ndarray, shape (rad - 1,)
        Integrals of r dr over each segment, times what falls from 1 to 0 there and what rises.
    steep : ndarray, shape (rad - 1,)
        Third part of the inverse of each step.
    """

    rad: Array
    even: tuple[float, float] | None
    fall: Array
    rise: Array
    steep: Array

    @classmethod
    def of(cls, rad: Array) -> Radii:
        """Prepare radii."""
        step = np.diff(rad)
        mean = float(rad[-1] - rad[0]) / max(rad.size - 1, 1)
        is_even = rad.size > 2 and np.abs(step - mean).max() <= 1e-9 * mean
        fall, rise = step * (2 * rad[:-1] + rad[1:]) / 6, step * (2 * rad[1:] + rad[:-1]) / 6
        return cls(rad, (1 / mean, 1 - float(rad[0]) / mean) if is_even else None, fall, rise, 1 / (3 * step))

    @property
    def segments(self) -> int:
        """Number of segments: inside the first radius, between the radii, and beyond the last."""
        return self.rad.size + 1

    def segment(self, r: Array, plus: Any = 0) -> Index:
        """Find the segments of radii, plus a number; either one at a border, where integrals are continuous."""
        if self.even is None:
            return np.searchsorted(self.rad, r) + plus
        slope, offset = self.even
        k = r * slope
        np.minimum(k, self.rad.size + 0.5 - offset, out=k)
        if offset < 0:
            np.maximum(k, -offset, out=k)
        k += plus + offset
        return k.astype(np.intp)

    def terms(self, profiles: Array) -> Terms:
        """Integrate profiles (n, rad): constant inside the first radius, then linear, and 0 beyond the last."""
        inner, outer, rad = profiles[:, :-1], profiles[:, 1:], self.rad
        out = Terms(np.zeros((len(profiles), 3 * self.segments + 1 + rad.size)), self.segments)
        c, a, b = out.values.swapaxes(0, 1)
        parts = inner * self.fall
        parts += outer * self.rise
        out.beyond[:, -2::-1] = np.cumsum(parts[:, ::-1], axis=1)
        slope = (outer - inner) * self.steep
        b[:, 1:-1] = slope
        slope *= -1.5 * rad[:-1]
        a[:, 1:] = profiles / 2
        a[:, 0] = a[:, 1]
        a[:, 1:-1] += slope
        a[:, -1] = 0.0
        # At the end of a segment G lacks what lies beyond.
        c[:, :-1] = (a[:, :-1] + rad * b[:, :-1]) * -(rad * rad) - out.beyond
        out.last[:] = out.beyond[:, 0] + profiles[:, 0] * (rad[0] ** 2 / 2)
        return out


def line_integrals(
    plane: Plane, lines: Lines, chosen: Index, radii: Radii, terms: Terms, which: Index, stride: int, width: float
) -> Array:
    """Integrate (G - last) dphi along lines of edges; G dphi itself along those of four edges next to the centre.

    Where the part of G beyond the last radius is left out, a constant whose integrals along a closed line cancel, tails
    keep their digits; a pixel around the centre is turned around, and has all its edges next to it.

    Parameters
    ----------
    plane : Plane
        Corners of pixels.
    lines : Lines
        Lines past these.
    chosen : ndarray of int, shape (n,)
        Which of them to take.
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
    along = plane.at(lines.corners.take(chosen, axis=1))
    points, squares, slopes = along.points, along.squares, along.slopes
    close = np.minimum(squares[:-1], squares[1:]) < 9 * width**2
    some = np.flatnonzero(close)
    between = points[:-1].conj()
    between *= points[1:]
    square, cross = _at_nodes(squares, between.real), between.imag
    if some.size:
        # These edges are left to another rule.
        np.copyto(cross, 0.0, where=close)
        np.maximum(square, _TINY, out=square)
    r = np.sqrt(square)
    row, segments = terms.rows.shape[1], radii.segments
    index = radii.segment(r, which * row)
    flat = terms.rows.ravel()
    kinds = len(terms.rows) // stride
    out = np.empty((kinds + len(slopes), points.shape[1]))
    for i in range(kinds):
        c, a, b = (flat[i * stride * row + k * segments :].take(index) for k in range(3))
        c /= square
        b *= r
        a += c
        a += b
        mean = _mean(a)
        (cross * mean).sum(axis=0, out=out[i])
        if i:
            continue
        bend = (b / 2 - c) / square if slopes else c
        for j, moved in enumerate(slopes, start=kinds):
            turned = moved[:-1].conj() * points[1:] + points[:-1].conj() * moved[1:]
            steps = bend * _at_nodes(2 * (points.conj() * moved).real, turned.real)
            (np.where(close, 0.0, turned.imag) * mean + cross * _mean(steps)).sum(axis=0, out=out[j])
    if some.size:
        _add_near(out, plane, lines, chosen, close, some, radii, terms, which, stride, width)
    return out


def turns(corners: Points) -> Array:
    """Angles through which the borders of pixels run around the centre, given corners (y + 1, x + 1): shape (y, x)."""
    rows, columns = np.angle(corners[:, :-1].conj() * corners[:, 1:]), np.angle(corners[:-1].conj() * corners[1:])
    return np.asarray(np.diff(columns, axis=1) - np.diff(rows, axis=0))


def _at_nodes(squares: Array, between: Array) -> Array:
    """Squares of the nodes (node, edge, n), linear in those of the corners and in the products of both ends."""
    first, last = squares[:-1], squares[1:]
    out = np.empty((3, *between.shape))
    total, half = first + last, between * 0.5
    np.multiply(total, 0.25, out=out[1])
    out[1] += half
    # With u from -1 to 1 along an edge: (1 + u^2) / 4 (first + last) + (1 - u^2) / 2 between + u / 2 (last - first)
    total *= (1 + _NODE**2) / 4
    half *= 1 - _NODE**2
    total += half
    step = last - first
    step *= _NODE / 2
    np.subtract(total, step, out=out[0])
    np.add(total, step, out=out[2])
    return out


def _mean(values: Array) -> Array:
    """Half of the mean over the nodes (node, ...) of edges."""
    out = values[0] + values[2]
    out *= _WEIGHT
    out += values[1] * _MIDDLE
    return out


def _add_near(
    out: Array,
    plane: Plane,
    lines: Lines,
    chosen: Index,
    close: Flags,
    some: Index,
    radii: Radii,
    terms: Terms,
    which: Index,
    stride: int,
    width: float,
) -> None:
    """Add to `line_integrals` those along some edges next to the centre, which of several lines are evaluated once."""
    side, line = np.divmod(some, chosen.size)
    at = side * lines.edges.shape[1] + chosen.take(line)
    edge, sign = lines.edges.take(at), lines.signs.take(at)
    used = np.zeros(lines.ends.shape[1], dtype=bool)
    used[edge] = True
    unique = np.flatnonzero(used)
    place = unique.searchsorted(edge)
    ends = plane.at(lines.ends.take(unique, axis=1))
    start, stop = ends.points
    h, t, weight = radial.near_nodes(start, stop, radial.feature(radii.rad, width))
    square = t * t
    square += (h * h)[:, None]
    r = np.sqrt(square)
    np.maximum(square, _TINY, out=square)
    # Near the centre the angle is not that of the nodes: these take G itself.
    values = terms.values.copy()
    values[:, 0] += terms.last[:, None]
    values[:, 0, 0] = 0.0
    # e: edge, q: node, k: c, a, b; n: profile
    rows = values.T.copy().take(radii.segment(r), axis=0)

    def along(c: Array, a: Array, b: Array, n: int) -> Array:
        """Add up the nodes (edge, n) for the first profiles."""
        factors = np.empty((*r.shape, 3))
        factors[..., 0], factors[..., 1], factors[..., 2] = c, a, b
        return np.matmul(factors.reshape(len(r), 1, -1), rows[..., :n].reshape(len(r), -1, n))[:, 0]

    profile, turn = which.take(line), np.angle(start.conj() * stop)
    mean = along(weight / square, weight, weight * r, len(terms.rows))
    # Lines of four such edges are whole pixels, for which G itself is wanted.
    whole = close.all(axis=0) if len(close) == 4 else np.zeros(chosen.size, dtype=bool)
    lasts = terms.last.reshape(-1, stride).take(profile, axis=1) * ~whole.take(line)

    def add(to: Array, value: Array, angle: Array, last: Array) -> None:
        to += np.bincount(line, sign * (value[place, profile] - angle.take(place) * last), minlength=to.size)

    sums = h[:, None] * mean
    for i, last in enumerate(lasts):
        add(out[i], sums[:, i * stride : (i + 1) * stride], turn, last)
    for j, (move, moved) in enumerate(ends.slopes, start=len(lasts)):
        dh, dt, dweight = radial.near_slopes((start, stop), (move, moved), radial.feature(radii.rad, width))
        turned = weight * (dt * t + (h * dh)[:, None]) / square
        steps = along(dweight / square - 2 * turned / square, dweight, dweight * r + turned * r, stride)
        # The angle jumps where a corner lies on the centre: that of whole pixels is not wanted.
        before, behind = (
            (end.conj() * step).imag / np.maximum(at, _TINY)
            for end, step, at in zip(ends.points, (move, moved), ends.squares, strict=True)
        )
        add(out[j], dh[:, None] * mean[:, :stride] + h[:, None] * steps, behind - before, lasts[0])
