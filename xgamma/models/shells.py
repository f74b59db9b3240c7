"""Spheres and shells of uniform emission seen in projection."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from xgamma.kernels.ball import ball_over_cells, cell_areas
from xgamma.models.base import Declared
from xgamma.models.spatial_base import PositionedSpatialModel
from xgamma.models.sphere import position_angle, separation

if TYPE_CHECKING:
    from regions import SkyRegion

__all__ = ["Shell2SpatialModel", "ShellSpatialModel"]


_ROUNDINGS = 16
"""Rounding of the integral of a shell over a cell, in units of the precision of numbers and the cube of its radius."""


class _Annular(PositionedSpatialModel):
    """Base of the shells."""

    # The brightness rises at the edges like a square root: sampled at points, its sum over a pixel would follow the
    # radius in steps.
    has_means = True

    def _radii_deg(self) -> tuple[float, float]:
        raise TypeError(f"{type(self).__name__} is not a shell of its own")

    @property
    def radius_deg(self) -> float:
        """The outer radius."""
        return self._radii_deg()[1]

    @property
    def scale_deg(self) -> float:
        """Thickness of the shell."""
        inner, outer = self._radii_deg()
        return outer - inner

    @property
    def spread_deg(self) -> float:
        """That of a spherical shell along each axis, ``sqrt((R^5 - r^5) / (R^3 - r^3) / 5)``."""
        inner, outer = self._radii_deg()
        if inner == outer:
            return outer / math.sqrt(3)
        return math.sqrt((outer**5 - inner**5) / (outer**3 - inner**3) / 5)

    def means(self, lon: Any, lat: Any) -> np.ndarray:
        """Return the means over the cells of a mesh, see `xgamma.models.SpatialModel.means`."""
        inner, outer = (float(radius) for radius in np.deg2rad(self._radii_deg()))
        centre = self.position_lonlat
        # The plane in which a distance from the middle is the angle.
        theta, angle = separation(lon, lat, *centre), position_angle(lon, lat, *centre)
        x, y = theta * np.sin(angle), theta * np.cos(angle)
        integral, areas = ball_over_cells(x, y, outer) - ball_over_cells(x, y, inner), cell_areas(x, y)
        # What is left of a sum around a cell outside of the shell.
        integral[np.abs(integral) < _ROUNDINGS * np.finfo(float).eps * outer**3] = 0.0
        mean = np.divide(integral, areas, out=np.zeros_like(areas), where=areas != 0)
        # The plane is torn on the far side of the sky.
        mean[_nearest(theta) > max(outer, np.pi / 2)] = 0.0
        return _norm(inner, outer) * np.maximum(mean, 0.0)

    def to_region(self, **kwargs: Any) -> SkyRegion:
        """Return the annulus between the radii; keywords are passed to it."""
        from regions import CircleAnnulusSkyRegion

        inner, outer = self._radii_deg()
        return CircleAnnulusSkyRegion(self.position, inner * u.deg, outer * u.deg, **kwargs)


class ShellSpatialModel(_Annular):
    """A shell of uniform emission seen in projection, ``radius`` its inner radius; normalised on the plane."""

    tag = ("ShellSpatialModel", "shell")
    radius = Declared(1.0, "deg")
    width = Declared(0.2, "deg")

    def _radii_deg(self) -> tuple[float, float]:
        inner = self._parameters["radius"].canonical_value
        return inner, inner + self._parameters["width"].canonical_value

    def _evaluate(
        self, lon: np.ndarray, lat: np.ndarray, energy: Any, *, lon_0: Any, lat_0: Any, radius: Any, width: Any
    ) -> np.ndarray:
        inner = np.deg2rad(radius)
        return _shell(separation(lon, lat, lon_0, lat_0), inner, inner + np.deg2rad(width))


class Shell2SpatialModel(_Annular):
    """A shell of uniform emission seen in projection, outer radius ``r_0`` and thickness ``eta r_0``."""

    tag = ("Shell2SpatialModel", "shell2")
    r_0 = Declared(1.0, "deg")
    eta = Declared(0.2, min=0.02, max=1.0)

    def _radii_deg(self) -> tuple[float, float]:
        outer = self._parameters["r_0"].canonical_value
        return outer * (1 - self._parameters["eta"].canonical_value), outer

    def _evaluate(
        self, lon: np.ndarray, lat: np.ndarray, energy: Any, *, lon_0: Any, lat_0: Any, r_0: Any, eta: Any
    ) -> np.ndarray:
        outer = np.deg2rad(r_0)
        return _shell(separation(lon, lat, lon_0, lat_0), outer * (1 - eta), outer)


def _nearest(values: np.ndarray) -> np.ndarray:
    """Return the least value at the nodes of each cell; nan where one is."""
    rows = np.minimum(values[1:], values[:-1])
    return np.minimum(rows[:, 1:], rows[:, :-1])


def _shell(theta: Any, inner: Any, outer: Any) -> Any:
    """Return the projection of a shell of uniform emission, all angles in radians."""
    return _norm(inner, outer) * (_root(outer, theta) - _root(inner, theta))


def _norm(inner: Any, outer: Any) -> Any:
    return 3 / (2 * np.pi * (outer**3 - inner**3))


def _root(radius: Any, theta: Any) -> Any:
    """Return half the length of a line of sight through a sphere."""
    return np.sqrt(np.clip(np.square(radius) - np.square(theta), 0, None))
