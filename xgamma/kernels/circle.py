"""Radial profiles inside a circle that need not lie about their centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fraction_in_circle"]

Array = NDArray[np.float64]

_NODES = 12


def fraction_in_circle(profiles: Array, rad: Array, distance: float, radius: float) -> Array:
    """Integrate normalised profiles over a circle, in the plane.

    On a ring of radius r about the source, the part inside the circle is alpha / pi with
    cos(alpha) = (r^2 + distance^2 - radius^2) / (2 r distance).

    Parameters
    ----------
    profiles : ndarray, shape (n, rad)
        Values at the radii: constant inside the first one, linear between them, zero beyond the last.
    rad : ndarray, shape (rad,)
        Radii, ascending.
    distance : float
        Between the centres of the profiles and the circle, in the unit of `rad`.
    radius : float
        Of the circle, in the unit of `rad`.

    Returns
    -------
    ndarray, shape (n,)
        Fractions.
    """
    ends = np.array([0.0, abs(distance - radius), distance + radius])
    edges = np.unique(np.concatenate([rad, ends[ends < rad[-1]]]))
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    width = np.diff(edges)[:, None]
    r = edges[:-1, None] + width * (node + 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (r**2 + distance**2 - radius**2) / (2 * r * distance)
    part = np.arccos(np.clip(cosine, -1, 1)) / np.pi if distance > 0 else (r < radius).astype(np.float64)
    measure = (2 * np.pi * r * part * width * weight / 2).ravel()
    values = np.stack([np.interp(r.ravel(), rad, profile) for profile in profiles])
    return values @ measure
