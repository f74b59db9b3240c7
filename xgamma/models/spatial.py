"""Spatial models with a formula, each normalised to 1 over the sky unless it says otherwise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from xgamma.models.base import Declared
from xgamma.models.spatial_base import PositionedSpatialModel, SpatialModel
from xgamma.models.sphere import haversine, position_angle, separation

if TYPE_CHECKING:
    from regions import SkyRegion

__all__ = [
    "ConstantSpatialModel",
    "DiskSpatialModel",
    "GaussianSpatialModel",
    "GeneralizedGaussianSpatialModel",
    "PointSpatialModel",
]

EDGE_TO_ERF = 2 * 1.1630871536766743
"""Distance between 95 % and 5 % of ``(1 - erf(x)) / 2``."""


def _minor(major: Any, e: Any) -> Any:
    """Return the minor semiaxis of an ellipse."""
    return major * np.sqrt(1 - np.square(e))


def _radius_towards(angle: Any, major: Any, minor: Any) -> Any:
    """Return the radius of an ellipse in the direction of an angle from its major axis."""
    return major * minor / np.hypot(major * np.sin(angle), minor * np.cos(angle))


class PointSpatialModel(PositionedSpatialModel):
    """A point source. It has a position and no value at a direction: predictions put its flux there."""

    tag = ("PointSpatialModel", "point")

    @property
    def radius_deg(self) -> float:
        """Always 0 deg."""
        return 0.0

    @property
    def scale_deg(self) -> float:
        """Always 0 deg."""
        return 0.0

    def _evaluate(self, lon: np.ndarray, lat: np.ndarray, energy: Any, **values: Any) -> np.ndarray:
        raise TypeError("PointSpatialModel has no value at a direction; take its position")

    def to_region(self, **kwargs: Any) -> SkyRegion:
        """Return the position as a region; keywords are passed to it."""
        from regions import PointSkyRegion

        return PointSkyRegion(self.position, **kwargs)


class _Elongated(PositionedSpatialModel):
    """Base of the models with an ellipse for outline."""

    _size = "r_0"

    @property
    def _axes_deg(self) -> tuple[float, float]:
        major = self._parameters[self._size].canonical_value
        return major, float(_minor(major, self._parameters["e"].canonical_value))

    def to_region(self, size_factor: float = 1.0, **kwargs: Any) -> SkyRegion:
        """Return the ellipse with the model's semiaxes.

        Parameters
        ----------
        size_factor : float
            Factor on the semiaxes.
        **kwargs
            Passed to the region: ``visual``, ``meta``.
        """
        from regions import EllipseSkyRegion

        major, minor = (2 * size_factor * axis * u.deg for axis in self._axes_deg)
        angle = self._parameters["phi"].canonical_value * u.deg
        return EllipseSkyRegion(self.position, width=minor, height=major, angle=angle, **kwargs)


class GaussianSpatialModel(_Elongated):
    """A Gaussian on the sphere; ``phi`` is the angle of the major axis from north, anticlockwise.

    ``exp(-(1 - cos(theta)) / (2 (1 - cos(s))))`` with ``s`` the ellipse's radius towards the direction,
    the ellipse having the semiaxes ``sigma`` and ``sigma sqrt(1 - e^2)``.
    """

    tag = ("GaussianSpatialModel", "gauss")
    _size = "sigma"
    sigma = Declared(1.0, "deg", min=0.0)
    e = Declared(0.0, min=0.0, max=1.0, frozen=True)
    phi = Declared(0.0, "deg", min=-180.0, max=180.0, frozen=True)

    @property
    def radius_deg(self) -> float:
        """Five sigma, beyond which lies a share of 4e-6."""
        return 5 * self._axes_deg[0]

    @property
    def scale_deg(self) -> float:
        """Sigma of the minor axis."""
        return self._axes_deg[1]

    @property
    def spread_deg(self) -> float:
        """Sigma of the major axis."""
        return self._axes_deg[0]

    def _evaluate(
        self,
        lon: np.ndarray,
        lat: np.ndarray,
        energy: Any,
        *,
        lon_0: Any,
        lat_0: Any,
        sigma: Any,
        e: Any,
        phi: Any,
    ) -> np.ndarray:
        major = np.deg2rad(sigma)
        # 1 - cos = 2 sin^2 of half the angle, which keeps its digits; a haversine leaves out the 2.
        if np.ndim(e) == 0 and e == 0:
            width = norm = _haversine(major)
        else:
            minor = _minor(major, e)
            angle = position_angle(lon, lat, lon_0, lat_0) - np.deg2rad(phi)
            width = _haversine(_radius_towards(angle, major, minor))
            # The norm is exact for a circle; that of an ellipse has no closed form and is taken on the plane.
            norm = np.where(np.equal(e, 0), _haversine(major), major * minor / 4)
        return _gaussian(haversine(lon, lat, lon_0, lat_0), width, norm)

    def at_haversine(self, h: np.ndarray) -> np.ndarray:
        """Return the values of a circle at directions given by ``sin(angle / 2) ** 2`` of their angle to the centre."""
        width = _haversine(np.deg2rad(self.values["sigma"]))
        return _gaussian(h, width, width)


def _gaussian(h: np.ndarray, width: Any, norm: Any) -> np.ndarray:
    # Scalars are combined first, and one array holds all steps, which then stay in the cache.
    out = np.asarray(h * (-0.5 / width))
    np.exp(out, out=out)
    out *= 1 / (8 * np.pi * norm * -np.expm1(-0.5 / norm))
    return out[()]


def _haversine(angle: Any) -> Any:
    return np.square(np.sin(0.5 * np.asarray(angle)))


class GeneralizedGaussianSpatialModel(_Elongated):
    """A profile between disk (``eta`` near 0), Gaussian (0.5) and exponential (1).

    ``exp(-(theta / r)^(1 / eta))`` with ``r`` the radius of the ellipse towards the direction; normalised
    on the plane.
    """

    tag = ("GeneralizedGaussianSpatialModel", "gauss-general")
    r_0 = Declared(1.0, "deg")
    eta = Declared(0.5, min=0.01, max=1.0)
    e = Declared(0.0, min=0.0, max=1.0, frozen=True)
    phi = Declared(0.0, "deg", min=-180.0, max=180.0, frozen=True)

    @property
    def radius_deg(self) -> float:
        """``r_0 (1 + 8 eta)``."""
        return self._axes_deg[0] * (1 + 8 * self._parameters["eta"].canonical_value)

    @property
    def scale_deg(self) -> float:
        """Width of the edge for a small ``eta``, of the cusp for a large one, along the minor axis."""
        eta = self._parameters["eta"].canonical_value
        return self._axes_deg[1] * max(min(eta, 1 - eta), 0.1 * eta)

    @property
    def spread_deg(self) -> float:
        """That of the profile, ``r_0 sqrt(gamma(4 eta) / gamma(2 eta) / 2)``."""
        eta = self._parameters["eta"].canonical_value
        return self._axes_deg[0] * math.sqrt(math.gamma(4 * eta) / math.gamma(2 * eta) / 2)

    def _evaluate(
        self,
        lon: np.ndarray,
        lat: np.ndarray,
        energy: Any,
        *,
        lon_0: Any,
        lat_0: Any,
        r_0: Any,
        eta: Any,
        e: Any,
        phi: Any,
    ) -> np.ndarray:
        from scipy.special import gamma

        theta = separation(lon, lat, lon_0, lat_0)
        major = np.deg2rad(r_0)
        minor = _minor(major, e)
        angle = position_angle(lon, lat, lon_0, lat_0) - np.deg2rad(phi)
        x = theta / _radius_towards(angle, major, minor)
        # Beyond x^(1 / eta) = 800 the exponential is zero; the limit avoids an overflow of the power.
        power = np.minimum(x, np.power(800.0, eta)) ** (1 / eta)
        return np.exp(-power) / (2 * np.pi * major * minor * eta * gamma(2 * eta))


class DiskSpatialModel(_Elongated):
    """A uniform disk or ellipse.

    Its edge is ``(1 - erf)/2``; ``edge_width`` is the distance between 95 % and 5 %, relative to the radius.
    It is normalised as if the edge were sharp, so that the integral is 1 + 0.092 edge_width^2.
    """

    tag = ("DiskSpatialModel", "disk")
    r_0 = Declared(1.0, "deg", min=0.0)
    e = Declared(0.0, min=0.0, max=1.0, frozen=True)
    phi = Declared(0.0, "deg", min=-180.0, max=180.0, frozen=True)
    edge_width = Declared(0.01, min=0.0, max=1.0, frozen=True)

    @property
    def radius_deg(self) -> float:
        """A tenth more than the radius with its edge."""
        return 1.1 * self._axes_deg[0] * (1 + self._parameters["edge_width"].canonical_value)

    @property
    def scale_deg(self) -> float:
        """Width of the edge along the minor axis."""
        return self._axes_deg[1] * self._parameters["edge_width"].canonical_value

    def _evaluate(
        self,
        lon: np.ndarray,
        lat: np.ndarray,
        energy: Any,
        *,
        lon_0: Any,
        lat_0: Any,
        r_0: Any,
        e: Any,
        phi: Any,
        edge_width: Any,
    ) -> np.ndarray:
        from scipy.special import erf

        theta = separation(lon, lat, lon_0, lat_0)
        major = np.deg2rad(r_0)
        minor = _minor(major, e)
        angle = position_angle(lon, lat, lon_0, lat_0) - np.deg2rad(phi)
        radius = _radius_towards(angle, major, minor)
        # An edge of no width is a step; the smallest number stands in for it.
        width = np.maximum(radius * edge_width, np.finfo(float).tiny)
        inside = 0.5 * (1 - erf(np.clip((theta - radius) / width * EDGE_TO_ERF, -50, 50)))
        return inside / (4 * np.pi * np.sqrt(_haversine(major) * _haversine(minor)))


class ConstantSpatialModel(SpatialModel):
    """The same ``value`` in every direction; not normalised, and without a position."""

    tag = ("ConstantSpatialModel", "const")
    value = Declared(1.0, "sr-1", frozen=True)

    def _evaluate(self, lon: np.ndarray, lat: np.ndarray, energy: Any, *, value: Any) -> np.ndarray:
        return value * np.ones(np.broadcast_shapes(lon.shape, lat.shape))

    def to_region(self, **kwargs: Any) -> SkyRegion:
        """Return the whole sky as a region; keywords are passed to it."""
        from astropy.coordinates import SkyCoord
        from regions import RectangleSkyRegion

        centre = SkyCoord(0, 0, unit="deg", frame=self.frame)
        return RectangleSkyRegion(centre, width=360 * u.deg, height=180 * u.deg, **kwargs)
