"""Integrals of radial profiles, in the plane tangent to the sky at the profile's centre.

A profile is a table of values at radii: constant inside the first radius, linear between neighbours and zero beyond the
last. Its integral to a radius is then a cubic in each segment,

    G(r) = integral of P(s) s ds from 0 to r = c[k] + a[k] r^2 / 2 + b[k] r^3 / 3   in segment k,

and by Green's theorem the integral over a pixel is that of G along its border, G(r) dphi, with phi the angle about the
centre. This is exact for profiles of any width, and keeps the total.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FAR_RULE",
    "NEAR",
    "Rule",
    "containment",
    "containment_radius",
    "integral_weights",
    "near_rule",
    "normalize",
    "pixel_integrals",
    "polynomials",
    "profile_values",
    "tangent_plane",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """A rule of quadrature along edges.

    Attributes
    ----------
    nodes, weights : ndarray, shape (node,)
        From 0 to 1, and of the sum 1.
    squares : ndarray, shape (node, 3)
        What gives the squares of the nodes' distances from a centre from those of the start and the end of an edge, and
        from the scalar product of both.
    """

    nodes: Array
    weights: Array
    squares: Array

    @classmethod
    def of(cls, number: int, panels: int = 1) -> Rule:
        """Set a number of Gaussian nodes on each of some parts of equal length."""
        node, weight = np.polynomial.legendre.leggauss(number)
        nodes = (((node + 1) / 2 + np.arange(panels)[:, None]) / panels).ravel()
        squares = np.stack([(1 - nodes) ** 2, nodes**2, 2 * nodes * (1 - nodes)], axis=1)
        return cls(nodes, np.tile(weight / 2 / panels, panels), squares)


FAR_RULE = Rule.of(3)
_NEAR_RULE = Rule.of(12)
NEAR = 2.99
"""Distance in widths of a pixel up to which an edge is close to the centre: not a whole one, which rounding decides."""
_RESOLVED, _FINEST = 0.551, 0.0341
"""Eighth parts of tables, in widths of a pixel, that the nodes of one rule resolve, and below which no more are set."""


def polynomials(profiles: Array, rad: Array) -> Array:
    """Coefficients of the integral of each profile.

    Parameters
    ----------
    profiles : ndarray, shape (n, rad)
        Values at the radii.
    rad : ndarray, shape (rad,)
        Radii, ascending, not negative.

    Returns
    -------
    ndarray, shape (3, n, rad + 1)
        ``c``, ``a`` and ``b`` in each segment: inside the first radius, between the radii, and beyond the last.
    """
    out = np.zeros((3, len(profiles), rad.size + 1))
    c, a, b = out
    np.divide(profiles[:, 1:] - profiles[:, :-1], rad[1:] - rad[:-1], out=b[:, 1:-1])
    a[:, 0] = profiles[:, 0]
    np.subtract(profiles[:, :-1], b[:, 1:-1] * rad[:-1], out=a[:, 1:-1])
    # c makes G continuous: the step of the two other terms at each radius is taken back
    step = (a[:, :-1] - a[:, 1:]) * (rad**2 / 2) + (b[:, :-1] - b[:, 1:]) * (rad**3 / 3)
    np.cumsum(step, axis=1, out=c[:, 1:])
    return out


def integral_weights(rad: Array) -> Array:
    """Return what turns the values of a profile at radii into its integral over the plane, linear in them."""
    step = np.diff(rad)
    # Of a value that rises over one segment and falls over the next, each times the radius.
    rise, fall = step * (2 * rad[1:] + rad[:-1]) / 6, step * (2 * rad[:-1] + rad[1:]) / 6
    out = np.concatenate([[rad[0] ** 2 / 2], rise])
    out[:-1] += fall
    return np.asarray(2 * np.pi * out)


def _integral(coefficients: Array, rad: Array, r: Array) -> Array:
    """G of each profile at radii r, shape (n, *r.shape)."""
    k = np.searchsorted(rad, r)
    c, a, b = coefficients[..., k]
    return c + r**2 * (a / 2 + b * r / 3)


def normalize(profiles: Array, rad: Array) -> Array:
    """Scale profiles to an integral of 1 over the plane; profiles without integral become zero.

    Parameters
    ----------
    profiles : ndarray, shape (n, rad)
        Values at the radii.
    rad : ndarray, shape (rad,)
        Radii in rad.

    Returns
    -------
    ndarray, shape (n, rad)
        Values per sr.
    """
    total = 2 * np.pi * polynomials(profiles, rad)[0, :, -1:]
    return np.divide(profiles, total, out=np.zeros_like(profiles, dtype=np.float64), where=total > 0)


def profile_values(profiles: Array, rad: Array, r: Array) -> Array:
    """Values of each profile at radii, shape (n, *r.shape)."""
    flat = np.ravel(r)
    values = np.stack([np.interp(flat, rad, profile, right=0.0) for profile in profiles])
    return values.reshape(len(profiles), *np.shape(r))


def containment(profiles: Array, rad: Array, r: Array) -> Array:
    """Fraction of each normalised profile inside radii, shape (n, *r.shape)."""
    return 2 * np.pi * _integral(polynomials(profiles, rad), rad, np.asarray(r, dtype=np.float64))


def containment_radius(profiles: Array, rad: Array, fraction: float) -> Array:
    """Radius that holds a fraction of each normalised profile.

    Parameters
    ----------
    profiles : ndarray, shape (n, rad)
        Normalised values at the radii.
    rad : ndarray, shape (rad,)
        Radii.
    fraction : float
        Between 0 and 1.

    Returns
    -------
    ndarray, shape (n,)
        In the unit of `rad`; nan for a profile that is zero.
    """
    coefficients = polynomials(profiles, rad)
    # Which segment holds the radius: contents grow with it, and so do their largest values so far.
    inside = 2 * np.pi * _integral(coefficients, rad, rad)
    segment = (np.maximum.accumulate(inside, axis=1) < fraction).sum(axis=1).clip(max=rad.size - 1)
    low, high = np.where(segment > 0, rad[segment - 1], 0.0), rad[segment]
    c, a, b = coefficients[:, np.arange(len(profiles)), segment]
    # Newton's method, by halves where it leaves the bounds.
    radius = (low + high) / 2
    for _ in range(60):
        error = 2 * np.pi * (c + radius**2 * (a / 2 + b * radius / 3)) - fraction
        low, high = np.where(error < 0, radius, low), np.where(error < 0, high, radius)
        slope = 2 * np.pi * radius * (a + b * radius)
        step = radius - np.divide(error, slope, out=np.full_like(error, np.inf), where=slope > 0)
        new = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        if (np.abs(new - radius) <= 4 * np.spacing(radius)).all():
            break
        radius = new
    return np.where(coefficients[0, :, -1] > 0, radius, np.nan)


def tangent_plane(lon: Array, lat: Array, lon_0: float | Array, lat_0: float | Array) -> tuple[Array, Array]:
    """Project directions around a centre so that distances to it and angles about it are kept.

    Parameters
    ----------
    lon, lat : ndarray
        Directions in rad.
    lon_0, lat_0 : float or ndarray
        The centre in rad, or one for each direction.

    Returns
    -------
    x, y : ndarray
        Distances from the centre towards larger longitude and latitude, in rad.
    """
    half = np.sin((lon - lon_0) / 2) ** 2
    x = np.cos(lat) * np.sin(lon - lon_0)
    y = np.sin(lat - lat_0) + 2 * np.cos(lat) * np.sin(lat_0) * half
    sine = np.hypot(x, y)
    cosine = np.cos(lat - lat_0) - 2 * np.cos(lat) * np.cos(lat_0) * half
    with np.errstate(invalid="ignore"):
        scale = np.where(sine > 0, np.arctan2(sine, cosine) / np.where(sine > 0, sine, 1.0), 1.0)
    return x * scale, y * scale


def _lines(edges: Array) -> tuple[Array, Array, Array, Array]:
    """Distance of each straight edge's line from the centre, its length, and where on the line it starts and stops."""
    x_0, y_0, x_1, y_1 = edges
    dx, dy = x_1 - x_0, y_1 - y_0
    length = np.hypot(dx, dy)
    length = np.where(length > 0, length, 1.0)
    h = (x_0 * y_1 - y_0 * x_1) / length
    return h, length, (x_0 * dx + y_0 * dy) / length, (x_1 * dx + y_1 * dy) / length


def near_rule(rad: Array, width: float) -> Rule:
    """Return the rule for edges close to the centre of profiles, with more nodes where their tables are narrow.

    Parameters
    ----------
    rad : ndarray, shape (rad,)
        Radii of the profiles.
    width : float
        Typical width of a pixel, in the unit of the radii.
    """
    eighth = float(rad[min(max(len(rad) // 8, 1), len(rad) - 1)])
    panels = math.ceil(_RESOLVED * width / max(eighth, _FINEST * width))
    return _NEAR_RULE if panels == 1 else Rule.of(_NEAR_RULE.nodes.size, panels)


def _far_nodes(edges: Array) -> tuple[Array, Array]:
    """Radii of nodes along edges that are short against their distance, and weights of the integral of G / r^2."""
    h, length, start, stop = _lines(edges)
    t = start[:, None] + (stop - start)[:, None] * FAR_RULE.nodes
    return np.sqrt(h[:, None] ** 2 + t**2), (h * length)[:, None] * FAR_RULE.weights


def _factors(r: Array, weight: Array) -> Array:
    """Return what to multiply ``c``, ``a`` and ``b`` with at nodes; for ``c``, zero at the centre itself as it is."""
    over = np.divide(weight, r * r, out=np.zeros_like(r), where=r > 0)
    return np.stack([over, weight / 2, weight * r / 3], axis=-1)


def _is_near(edges: Array, width: float) -> NDArray[np.bool_]:
    """Whether edges are so near the centre that profiles vary strongly along them; a pixel around it has only such."""
    with np.errstate(invalid="ignore"):
        return np.minimum(edges[0] ** 2 + edges[1] ** 2, edges[2] ** 2 + edges[3] ** 2) < (NEAR * width) ** 2


def pixel_integrals(corner_x: Array, corner_y: Array, rad: Array, width: float, coefficients: Array) -> Array:
    """Integrate radial profiles over pixels.

    Of pixels away from the centre the part of G beyond the last radius is left out, a constant whose integrals along a
    closed border cancel: what is beyond the profile is zero, and the tails keep their digits.

    Parameters
    ----------
    corner_x, corner_y : ndarray, shape (y + 1, x + 1)
        Corners of the pixels relative to the centre of the profiles, as `tangent_plane` gives them; nan off the sky.
    rad : ndarray, shape (rad,)
        Radii, in the unit of the corners.
    width : float
        Typical width of a pixel, in the unit of the corners: edges nearer than three of it get more nodes.
    coefficients : ndarray, shape (3, n, rad + 1)
        Of the profiles, as `polynomials` gives them, or linear combinations of these.

    Returns
    -------
    ndarray, shape (n, y, x)
        Integrals over each pixel; zero for pixels with a corner off the sky.
    """
    ny, nx = corner_x.shape[0] - 1, corner_x.shape[1] - 1
    # The edges along rows come first, then those along columns.
    edges = np.stack(
        [
            np.concatenate([c[:, :-1].ravel(), c[:-1].ravel()] if first else [c[:, 1:].ravel(), c[1:].ravel()])
            for first in (True, False)
            for c in (corner_x, corner_y)
        ]
    )
    last = coefficients[0, :, -1]
    table = np.ascontiguousarray(coefficients.transpose(2, 0, 1))
    inner = table.copy()
    inner[:, 0] -= last
    along = np.zeros((edges.shape[1], coefficients.shape[1]))
    turn = np.zeros(edges.shape[1])
    valid = np.isfinite(edges).all(axis=0)
    near = _is_near(edges, width) & valid
    start, stop = edges[::2, near] + 1j * edges[1::2, near]
    rule, span = near_rule(rad, width), start.conj() * stop
    r, turn[near] = np.abs(start[:, None] + (stop - start)[:, None] * rule.nodes), np.angle(span)
    weight = span.imag[:, None] * rule.weights
    # s: edge, q: node on it, c: term, n: profile
    along[near] = (
        np.einsum("sqc,sqcn->sn", _factors(r, weight), table[np.searchsorted(rad, r)]) - turn[near][:, None] * last
    )
    far = np.flatnonzero(valid & ~near)
    r, weight = _far_nodes(edges[:, far])
    reached = (r <= rad[-1]).any(axis=1)
    r, weight = r[reached], weight[reached]
    k = np.searchsorted(rad, r)
    along[far[reached]] = np.einsum("sqc,sqcn->sn", _factors(r, weight), inner[k])
    rows, columns = _split(along.T, ny, nx)
    out = np.diff(columns, axis=2) - np.diff(rows, axis=1)
    around = _all_near(near, ny, nx)
    rows, columns = _split(turn[None], ny, nx)
    out += np.where(around, np.diff(columns, axis=2) - np.diff(rows, axis=1), 0.0) * last[:, None, None]
    dx, dy = np.diff(corner_x, axis=1)[:-1], np.diff(corner_y, axis=0)[:, :-1]
    area = dx * dy - np.diff(corner_y, axis=1)[:-1] * np.diff(corner_x, axis=0)[:, :-1]
    whole = np.isfinite(area + corner_x[1:, 1:] + corner_y[1:, 1:])
    return out * np.where(whole, np.sign(np.nansum(area)), 0.0)


def _split(along: Array, ny: int, nx: int) -> tuple[Array, Array]:
    """Edges along rows, shape (n, ny + 1, nx), and along columns, shape (n, ny, nx + 1)."""
    number = (ny + 1) * nx
    return along[:, :number].reshape(-1, ny + 1, nx), along[:, number:].reshape(-1, ny, nx + 1)


def _all_near(near: NDArray[np.bool_], ny: int, nx: int) -> NDArray[np.bool_]:
    """Pixels whose four edges are near."""
    rows, columns = _split(near[None].astype(np.float64), ny, nx)
    return rows[0, 1:] + rows[0, :-1] + columns[0, :, 1:] + columns[0, :, :-1] == 4
