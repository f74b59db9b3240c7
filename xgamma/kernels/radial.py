"""Integrals of radial profiles, in the plane tangent to the sky at the profile's centre.

A profile is a table of values at radii: constant inside the first radius, linear between neighbours and zero beyond the
last. Its integral to a radius is then a cubic in each segment,

    G(r) = integral of P(s) s ds from 0 to r = c[k] + a[k] r^2 / 2 + b[k] r^3 / 3   in segment k,

and by Green's theorem the integral over a pixel is that of G along its border, G(r) dphi, with phi the angle about the
centre. This is exact for profiles of any width, and keeps the total.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "containment",
    "containment_radius",
    "normalize",
    "pixel_integrals",
    "polynomials",
    "profile_values",
    "tangent_plane",
]

Array = NDArray[np.float64]

_NEAR_NODES = 12
_FAR_NODES = 3


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
    slope = np.diff(profiles, axis=1) / np.diff(rad)
    zero = np.zeros_like(profiles[:, :1])
    b = np.concatenate([zero, slope, zero], axis=1)
    a = np.concatenate([profiles[:, :1], profiles[:, :-1] - slope * rad[:-1], zero], axis=1)
    # c makes G continuous: the step of the two other terms at each radius is taken back
    step = np.diff(a, axis=1) * rad**2 / 2 + np.diff(b, axis=1) * rad**3 / 3
    c = np.concatenate([zero, -np.cumsum(step, axis=1)], axis=1)
    return np.stack([c, a, b])


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
    low, high = np.zeros(len(profiles)), np.full(len(profiles), rad[-1])
    rows = np.arange(len(profiles))
    for _ in range(60):
        middle = (low + high) / 2
        c, a, b = coefficients[:, rows, np.searchsorted(rad, middle)]
        inside = 2 * np.pi * (c + middle**2 * (a / 2 + b * middle / 3))
        below = inside < fraction
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(coefficients[0, :, -1] > 0, (low + high) / 2, np.nan)


def tangent_plane(lon: Array, lat: Array, lon_0: float, lat_0: float) -> tuple[Array, Array]:
    """Project directions around a centre so that distances to it and angles about it are kept.

    Parameters
    ----------
    lon, lat : ndarray
        Directions in rad.
    lon_0, lat_0 : float
        The centre in rad.

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


def _quadrature(edges: Array, scale: float, nodes: int) -> tuple[Array, Array]:
    """Radii and weights, (edge, node), of an integral of G(r) / r^2 * r^2 dphi along straight edges.

    With h the distance of the line and t the position on it, r^2 dphi = h dt. The variable of the quadrature is
    atan(t / c), c^2 = h^2 + scale^2: smooth where an edge is close to the centre and where the profile is narrow.
    """
    x_0, y_0, x_1, y_1 = edges
    dx, dy = x_1 - x_0, y_1 - y_0
    length = np.hypot(dx, dy)
    length = np.where(length > 0, length, 1.0)
    h = (x_0 * y_1 - y_0 * x_1) / length
    c = np.sqrt(h**2 + scale**2)
    lower, upper = np.arctan2((x_0 * dx + y_0 * dy) / length, c), np.arctan2((x_1 * dx + y_1 * dy) / length, c)
    node, weight = np.polynomial.legendre.leggauss(nodes)
    u = lower[:, None] + (upper - lower)[:, None] * (node + 1) / 2
    r = np.sqrt(h[:, None] ** 2 + (c[:, None] * np.tan(u)) ** 2)
    return r, (upper - lower)[:, None] * weight / 2 * (h * c)[:, None] / np.cos(u) ** 2


def pixel_integrals(corner_x: Array, corner_y: Array, rad: Array, width: float, coefficients: Array) -> Array:
    """Integrate radial profiles over pixels.

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
    table = np.ascontiguousarray(coefficients.transpose(0, 2, 1))
    along = np.zeros((edges.shape[1], coefficients.shape[1]))
    valid = np.isfinite(edges).all(axis=0)
    with np.errstate(invalid="ignore"):
        near = np.minimum(np.hypot(edges[0], edges[1]), np.hypot(edges[2], edges[3])) < 3 * width
    scale = float(min(rad[len(rad) // 8], width))
    for chosen, nodes in ((valid & near, _NEAR_NODES), (valid & ~near, _FAR_NODES)):
        r, weight = _quadrature(edges[:, chosen], scale, nodes)
        k = np.searchsorted(rad, r)
        with np.errstate(divide="ignore"):
            constant = np.where(k > 0, weight / r**2, 0.0)
        # s: edge, q: node on it, n: profile
        along[chosen] = sum(
            np.einsum("sq,sqn->sn", term, table[i][k]) for i, term in enumerate((constant, weight / 2, weight * r / 3))
        )
    rows = along[: (ny + 1) * nx].T.reshape(-1, ny + 1, nx)
    columns = along[(ny + 1) * nx :].T.reshape(-1, ny, nx + 1)
    dx, dy = np.diff(corner_x, axis=1)[:-1], np.diff(corner_y, axis=0)[:, :-1]
    area = dx * dy - np.diff(corner_y, axis=1)[:-1] * np.diff(corner_x, axis=0)[:, :-1]
    whole = np.isfinite(area + corner_x[1:, 1:] + corner_y[1:, 1:])
    return (np.diff(columns, axis=2) - np.diff(rows, axis=1)) * np.where(whole, np.sign(np.nansum(area)), 0.0)
