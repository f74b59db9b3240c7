"""Rectangles of pixels, by label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xgamma.coords import SkyGrid
from xgamma.kernels.radial import tangent_plane

__all__ = ["Window", "around", "pixel_steps"]


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

    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Edges of the pixels along y and x."""
        return np.arange(self.y_0, self.y_1 + 1.0) - 0.5, np.arange(self.x_0, self.x_1 + 1.0) - 0.5

    @classmethod
    def of(cls, y: NDArray[np.int64], x: NDArray[np.int64]) -> Window:
        """Return the smallest window that holds all labels."""
        return cls(int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1)


def _centres(start: int, stop: int, oversampling: int) -> NDArray[np.float64]:
    return start - 0.5 + (np.arange((stop - start) * oversampling) + 0.5) / oversampling


def around(grid: SkyGrid, y: float, x: float, radius: float) -> Window:
    """Window that holds all directions within a radius.

    Parameters
    ----------
    grid : SkyGrid
        The grid.
    y, x : float
        Labels of the centre.
    radius : float
        In deg.

    Returns
    -------
    Window
        Its size follows from the scale of the grid at the centre and a margin.
    """
    step_y, step_x = pixel_steps(grid, y, x)
    half_y = int(np.ceil(1.05 * radius / step_y)) + 1
    half_x = int(np.ceil(1.05 * radius / step_x)) + 1
    row, column = round(y), round(x)
    return Window(row - half_y, row + half_y + 1, column - half_x, column + half_x + 1)


def pixel_steps(grid: SkyGrid, y: float, x: float) -> tuple[float, float]:
    """Distances in deg between neighbouring rows and columns at a position.

    They are measured across lines of equal labels, so that a window of ``n`` rows covers ``n`` steps whatever the shear
    of the projection.
    """
    lon, lat = (
        np.radians(v)
        for v in grid.labels_to_lonlat(y + np.array([0, 0.5, -0.5, 0, 0]), x + np.array([0, 0, 0, 0.5, -0.5]))
    )
    px, py = tangent_plane(lon[1:], lat[1:], lon[0], lat[0])
    jacobian = np.array([[py[0] - py[1], py[2] - py[3]], [px[0] - px[1], px[2] - px[3]]])
    inverse = np.linalg.inv(jacobian)
    return float(np.degrees(1 / np.hypot(*inverse[0]))), float(np.degrees(1 / np.hypot(*inverse[1])))
