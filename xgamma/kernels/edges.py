"""What integrals of radial profiles along edges of pixels need: corners on a plane, and coefficients of profiles.

Points of the plane are complex numbers x + i y, so that ``conj(a) * b`` is their scalar product and, times i, what they
span.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np
from numpy.typing import NDArray

__all__ = ["Plane", "Radii", "Terms", "project", "turns"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Points = NDArray[np.complex128]

_SERIES = (1.0, 1 / 6, 3 / 40, 5 / 112, 35 / 1152, 63 / 2816)
_SMALL = 1e-3
"""Squares of sines up to which the series of arcsin(s) / s does: the next term is below 1e-19."""
_LEAST = 1e-17
"""Relative size of a term below which it is left out."""
_ENOUGH = [(_LEAST / term) ** (1 / n) for n, term in enumerate(_SERIES) if n]
"""Squares from which on each term after the first is needed."""

_CELLS = 2**16
"""Largest number of cells in which segments are looked up."""


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
    sin_lon, cos_lon, sin_lat, cos_lat = math.sin(lon), math.cos(lon), math.sin(lat), math.cos(lat)
    east, north = [-sin_lon, cos_lon, 0.0], [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat]
    up = [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
    x, y = np.array([east, north]) @ vectors
    square = x * x
    square += y * y
    most = float(square.max(initial=0.0))
    around = most < _SMALL and sum(map(mul, up, vectors[:, 0].tolist())) > 0
    if around:
        scale = _series(square, _SERIES[: 1 + bisect_left(_ENOUGH, most)])
        cosine = np.sqrt(1 - square) if slopes else square
    else:
        cosine, sine = np.array(up) @ vectors, np.sqrt(square)
        scale = np.divide(np.arctan2(sine, cosine), sine, out=np.ones_like(sine), where=sine > 0)
    points = _points(x, y, scale)
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
    moved = [_points(dx + x * bend * ds / scale, dy + y * bend * ds / scale, scale) for dx, dy, ds in steps]
    return Plane(points, squares, tuple(moved))


def _points(x: Array, y: Array, scale: Array) -> Points:
    out = np.empty(x.shape, dtype=np.complex128)
    np.multiply(x, scale, out=out.real)
    np.multiply(y, scale, out=out.imag)
    return out


def _series(square: Array, terms: Sequence[float]) -> Array:
    if len(terms) == 1:
        return np.full_like(square, terms[0])
    out = square * terms[-1]
    for term in terms[-2:0:-1]:
        out += term
        out *= square
    out += terms[0]
    return out


@dataclass(frozen=True)
class Terms:
    """Coefficients of the integrals of profiles, G(r) = r^2 (whole / r^2 + a + b r) = last + r^2 (c / r^2 + a + b r).

    Attributes
    ----------
    rows : ndarray, shape (n, number)
        ``whole``, ``c``, ``a`` and ``b`` in the segments of each profile, the last three 0 beyond the last radius; G of
        the whole profile; and which part of that lies beyond each radius. All are linear in the profile.
    segments : int
        Number of segments.
    """

    rows: Array
    segments: int

    @property
    def values(self) -> Array:
        """``whole``, ``c``, ``a`` and ``b``, shape (n, 4, segment)."""
        return self.rows[:, : 4 * self.segments].reshape(-1, 4, self.segments)

    @property
    def last(self) -> Array:
        """G of the whole profiles, shape (n,)."""
        return self.rows[:, 4 * self.segments]

    @property
    def beyond(self) -> Array:
        """Which part of that lies beyond each radius, shape (n, rad)."""
        return self.rows[:, 4 * self.segments + 1 :]


@dataclass(frozen=True)
class Radii:
    """Radii of profiles, with what their integrals need of them.

    Attributes
    ----------
    rad : ndarray, shape (rad,)
        Radii in rad, ascending.
    even : float or None
        Inverse of their distance; None where they are not equidistant.
    offset : float
        What to add to the number of a segment as `segments_at` finds it.
    fall, rise : ndarray, shape (rad - 1,)
        Integrals of r dr over each segment, times what falls from 1 to 0 there and what rises.
    steep : ndarray, shape (rad - 1,)
        Third part of the inverse of each step.
    cells : ndarray of int, shape (cell,)
        Segments in which equal cells begin, that hold one radius each at most; empty if radii are equidistant or if
        these were too many.
    per : float
        Number of cells in a rad.
    """

    rad: Array
    even: float | None
    offset: float
    fall: Array
    rise: Array
    steep: Array
    cells: Index
    per: float

    @classmethod
    def of(cls, rad: Array) -> Radii:
        """Prepare radii."""
        step = np.diff(rad)
        mean = float(rad[-1] - rad[0]) / max(rad.size - 1, 1)
        is_even = rad.size > 2 and np.abs(step - mean).max() <= 1e-9 * mean
        fall, rise = step * (2 * rad[:-1] + rad[1:]) / 6, step * (2 * rad[1:] + rad[:-1]) / 6
        even, offset = (1 / mean, 1 - float(rad[0]) / mean) if is_even else (None, 0.0)
        cells, per = np.zeros(0, dtype=np.intp), 0.0
        if not is_even and rad.size > 1:
            per = 1.001 / float(step.min())
            if rad[-1] * per < _CELLS:
                cells = np.searchsorted(rad, np.arange(int(rad[-1] * per) + 2) / per)
        return cls(rad, even, offset, fall, rise, 1 / (3 * step), cells, per)

    @property
    def segments(self) -> int:
        """Number of segments: inside the first radius, between the radii, and beyond the last."""
        return self.rad.size + 1

    def segments_at(self, r: Array, most: float) -> Array:
        """Find the segments of radii up to a largest one: the whole parts of these numbers plus the offset.

        At a border it is either one, as integrals are continuous there.
        """
        if self.even is None and not self.cells.size:
            return np.searchsorted(self.rad, r).astype(np.float64)
        if self.even is None:
            # A tenth of the time of a search.
            place = r * self.per
            if most > self.rad[-1]:
                np.minimum(place, self.cells.size - 1, out=place)
            found = self.cells.take(place.astype(np.int32))
            beyond = r > np.append(self.rad, np.inf).take(found)
            return (found + beyond).astype(np.float64)
        out = r * self.even
        if most > self.rad[-1]:
            np.minimum(out, self.rad.size + 0.5 - self.offset, out=out)
        if self.offset < 0:
            np.maximum(out, -self.offset, out=out)
        return out

    def terms(self, profiles: Array) -> Terms:
        """Integrate profiles (n, rad): constant inside the first radius, then linear, and 0 beyond the last."""
        inner, outer, rad = profiles[:, :-1], profiles[:, 1:], self.rad
        out = Terms(np.zeros((len(profiles), 4 * self.segments + 1 + rad.size)), self.segments)
        whole, c, a, b = out.values.swapaxes(0, 1)
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
        np.add(c, out.last[:, None], out=whole)
        # Exactly, as it is divided by squares of radii down to the centre.
        whole[:, : 2 if rad[0] == 0 else 1] = 0.0
        return out


def turns(corners: Points) -> Array:
    """Angles through which the borders of pixels run around the centre, given corners (y + 1, x + 1): shape (y, x)."""
    rows, columns = np.angle(corners[:, :-1].conj() * corners[:, 1:]), np.angle(corners[:-1].conj() * corners[1:])
    return np.asarray(np.diff(columns, axis=1) - np.diff(rows, axis=0))
