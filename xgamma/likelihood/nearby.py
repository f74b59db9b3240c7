"""Smooth functions of a position, as polynomials about one: projections take a hundred times longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Nearby", "nearby_of"]

Array = NDArray[np.float64]

_ORDER = 8
"""Largest number of polynomials along each coordinate."""
_ERROR = 1e-9
"""Largest error of a label."""


@dataclass(frozen=True)
class Nearby:
    """Functions of longitude and latitude, by Chebyshev polynomials on a rectangle.

    Attributes
    ----------
    centre, half : tuple of float
        Middle and half the size of the rectangle in deg, along longitude and latitude.
    coefficients : ndarray, shape (function, order * order)
        Of the products of polynomials, those of latitude being the fast index.
    order : int
        Number of polynomials along each coordinate.
    """

    centre: tuple[float, float]
    half: tuple[float, float]
    coefficients: Array
    order: int

    def at(self, lon: float, lat: float) -> Array | None:
        """Values of the functions; None outside the rectangle."""
        u = ((lon - self.centre[0] + 180) % 360 - 180) / self.half[0]
        v = (lat - self.centre[1]) / self.half[1]
        if not (abs(u) <= 1 and abs(v) <= 1):
            return None
        along_u, along_v = _terms(u, self.order), _terms(v, self.order)
        return self.coefficients.dot([a * b for a in along_u for b in along_v])


def _terms(u: float, order: int = _ORDER) -> list[float]:
    """Chebyshev polynomials at a number."""
    out = [1.0, u]
    for _ in range(order - 2):
        out.append(2 * u * out[-1] - out[-2])
    return out


def nearby_of(
    functions: Callable[[Array, Array], Array], lon: tuple[float, float], lat: tuple[float, float]
) -> Nearby | None:
    """Fit functions on a rectangle.

    Parameters
    ----------
    functions : callable
        From longitudes and latitudes in deg (n,) to values (function, n).
    lon, lat : tuple of float
        Limits of the rectangle in deg.

    Returns
    -------
    Nearby or None
        None where the functions are not that smooth.
    """
    centre = (lon[0] + lon[1]) / 2, (lat[0] + lat[1]) / 2
    half = (lon[1] - lon[0]) / 2, (lat[1] - lat[0]) / 2
    if not (0 < half[0] < 90 and 0 < half[1] < 90):
        return None
    nodes = np.cos(np.pi * (np.arange(_ORDER) + 0.5) / _ORDER)
    # Between the nodes and at the corners polynomials that do not fit are wrong.
    checks = np.array([[-1, -1, 1, 1, 0.02, 0.71, -0.43], [-1, 1, -1, 1, -0.57, 0.37, 0.9]])
    u = np.concatenate([np.repeat(nodes, _ORDER), checks[0]])
    v = np.concatenate([np.tile(nodes, _ORDER), checks[1]])
    values = functions(centre[0] + half[0] * u, centre[1] + half[1] * v)
    if not np.isfinite(values).all():
        return None
    size = _ORDER**2
    terms = np.array([np.outer(_terms(a), _terms(b)).ravel() for a, b in zip(u, v, strict=True)])
    # Chebyshev polynomials are orthogonal on these nodes.
    norm = np.full(_ORDER, 2 / _ORDER)
    norm[0] = 1 / _ORDER
    coefficients = values[:, :size] @ terms[:size] * np.outer(norm, norm).ravel()
    error = np.abs(coefficients @ terms[size:].T - values[:, size:]).max(initial=0.0)
    if not error <= _ERROR:
        return None
    # Few polynomials do where a projection is nearly linear: what the others hold is less than the error.
    square = np.abs(coefficients).reshape(-1, _ORDER, _ORDER)
    least = next(
        n
        for n in range(2, _ORDER + 1)
        if (square.sum(axis=(1, 2)) - square[:, :n, :n].sum(axis=(1, 2))).max() <= _ERROR / 10
    )
    return Nearby(centre, half, coefficients.reshape(square.shape)[:, :least, :least].reshape(len(square), -1), least)
