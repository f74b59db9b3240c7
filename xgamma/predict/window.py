"""Rectangles of pixels, by label, and the plane around a position."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xgamma.coords import SkyGrid, projection
from xgamma.kernels import radial

__all__ = [
    "Window",
    "around",
    "mesh_lonlat",
    "on_plane",
    "outer_lonlat",
    "pixel_sizes",
    "pixel_steps",
    "profile_integrals",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels of a grid, gaps of the map included.

    Attributes
    ----------
    y_0, y_1, x_0, x_1 : int
        Labels of its pixels are ``y_0 <= y < y_1`` and ``x_0 <= x < x_1``.
    """

    y_0: int
    y_1: int
    x_0: int
    x_1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of pixels along y and x."""
        return max(self.y_1 - self.y_0, 0), max(self.x_1 - self.x_0, 0)

    def __bool__(self) -> bool:
        return all(self.shape)

    def __and__(self, other: Window) -> Window:
        return Window(
            max(self.y_0, other.y_0), min(self.y_1, other.y_1), max(self.x_0, other.x_0), min(self.x_1, other.x_1)
        )

    def grow(self, y: int, x: int) -> Window:
        """Add pixels on each side."""
        return Window(self.y_0 - y, self.y_1 + y, self.x_0 - x, self.x_1 + x)

    def labels(self, oversampling: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres of the pixels, or of their equal parts, along y and x."""
        return _centres(self.y_0, self.y_1, oversampling), _centres(self.x_0, self.x_1, oversampling)

    def edges(self, oversampling: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Edges of the pixels, or of their equal parts, along y and x."""
        return _edges(self.y_0, self.y_1, oversampling), _edges(self.x_0, self.x_1, oversampling)

    @classmethod
    def of(cls, y: NDArray[np.int64], x: NDArray[np.int64]) -> Window:
        """Return the smallest window that holds all labels."""
        return cls(int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1)


def _centres(start: int, stop: int, oversampling: int) -> NDArray[np.float64]:
    return start - 0.5 + (np.arange((stop - start) * oversampling) + 0.5) / oversampling


def _edges(start: int, stop: int, oversampling: int) -> NDArray[np.float64]:
    return start - 0.5 + np.arange((stop - start) * oversampling + 1) / oversampling


def around(y: float, x: float, steps: tuple[float, float], radius: float) -> Window:
    """Window that holds all directions within a radius.

    Parameters
    ----------
    y, x : float
        Labels of the centre.
    steps : tuple of float
        Distances in deg between rows and columns there.
    radius : float
        In deg.

    Returns
    -------
    Window
        Its size follows from the scale of the grid at the centre and a margin.
    """
    half_y, half_x = (math.ceil(1.05 * radius / step) + 1 for step in steps)
    row, column = round(y), round(x)
    return Window(row - half_y, row + half_y + 1, column - half_x, column + half_x + 1)


def pixel_steps(grid: SkyGrid, y: float, x: float) -> tuple[float, float]:
    """Distances in deg between neighbouring rows and columns at a position, see `pixel_sizes`."""
    steps = pixel_sizes(grid, np.array([y]), np.array([x]))
    return float(steps[0, 0]), float(steps[1, 0])


def pixel_sizes(grid: SkyGrid, y: Array, x: Array) -> Array:
    """Distances in deg between neighbouring rows and columns at positions (n,), shape (2, n).

    They are measured across lines of equal labels, so that a window of ``n`` rows covers ``n`` steps whatever the shear
    of the projection. At its border, where the sky lies on one side alone, they are measured there; where there is none
    at all, they are those at the reference point.
    """
    steps_y, steps_x = np.array([[0, 0.5, -0.5, 0, 0], [0, 0, 0, 0.5, -0.5]])[:, :, None]
    lon, lat = (np.radians(v) for v in grid.labels_to_lonlat(y + steps_y, x + steps_x))
    px, py = radial.tangent_plane(lon[1:], lat[1:], lon[0], lat[0])
    for part in (px, py):
        opposite = -part[[1, 0, 3, 2]]
        part[:] = np.where(np.isfinite(part), part, opposite)
    a, b, c, d = py[0] - py[1], py[2] - py[3], px[0] - px[1], px[2] - px[3]
    # The inverse of the matrix a, b, c, d has the rows (d, -b) and (-c, a) over its determinant.
    determinant = np.abs(a * d - b * c)
    with np.errstate(invalid="ignore"):
        out = np.degrees(determinant / np.stack([np.hypot(b, d), np.hypot(a, c)]))
    return np.where(np.isfinite(a + b + c + d), out, np.array(grid.pixel_scale)[:, None])


def profile_integrals(
    edges: tuple[Array, Array], grid: SkyGrid, y: float, x: float, rad: Array, coefficients: Array, factor: int = 1
) -> Array:
    """Integrate profiles around (y, x) over the pixels, or their equal parts, between edges along y and x."""
    width = np.radians(max(pixel_steps(grid, y, x))) / factor
    return radial.pixel_integrals(*on_plane(grid, *edges, y, x), rad, float(width), coefficients)


def outer_lonlat(grid: SkyGrid, labels_y: Array, labels_x: Array) -> tuple[Array, Array]:
    """Return longitude and latitude in deg at the outer product of labels, in shapes that broadcast.

    Where longitude depends on x alone and latitude on y alone, these are a row and a column; nan off the projection in
    one of them at least.
    """
    if not projection.is_separable(grid.keywords):
        return grid.labels_to_lonlat(labels_y[:, None], labels_x[None, :])
    # Each along a line through the reference point, which is on the sky.
    column, row = (np.array(float(grid.keywords[key]) - 1) for key in ("CRPIX1", "CRPIX2"))
    lon, _ = grid.labels_to_lonlat(row, labels_x[None, :])
    _, lat = grid.labels_to_lonlat(labels_y[:, None], column)
    return lon, lat


def mesh_lonlat(grid: SkyGrid, labels_y: Array, labels_x: Array) -> tuple[Array, Array]:
    """Return longitude and latitude in deg at the outer product of labels, shapes (y, x); nan off the projection."""
    return grid.labels_to_lonlat(labels_y[:, None], labels_x[None, :])


def on_plane(grid: SkyGrid, labels_y: Array, labels_x: Array, y: float, x: float) -> tuple[Array, Array]:
    """Place the outer product of labels on the plane tangent at (y, x), in rad."""
    lon, lat = outer_lonlat(grid, labels_y, labels_x)
    lon_0, lat_0 = grid.labels_to_lonlat(np.array(y), np.array(x))
    return radial.tangent_plane(np.radians(lon), np.radians(lat), float(np.radians(lon_0)), float(np.radians(lat_0)))
