"""Angles on the sphere."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["haversine", "position_angle", "separation"]


def separation(lon: Any, lat: Any, lon_0: Any, lat_0: Any) -> np.ndarray:
    """Return the angle between directions.

    Vincenty's formula, which keeps its digits at every distance.

    Parameters
    ----------
    lon, lat, lon_0, lat_0 : array_like
        Directions in degrees, broadcast against each other.

    Returns
    -------
    ndarray
        In radians.
    """
    d = np.deg2rad(np.subtract(lon, lon_0))
    phi, phi_0 = np.deg2rad(lat), np.deg2rad(lat_0)
    sin, cos, sin_0, cos_0 = np.sin(phi), np.cos(phi), np.sin(phi_0), np.cos(phi_0)
    sin_d, cos_d = np.sin(d), np.cos(d)
    return np.arctan2(np.hypot(cos * sin_d, cos_0 * sin - sin_0 * cos * cos_d), sin_0 * sin + cos_0 * cos * cos_d)


def haversine(lon: Any, lat: Any, lon_0: Any, lat_0: Any) -> np.ndarray:
    """Return ``sin(angle / 2) ** 2`` of the angle between directions, arguments as for `separation`."""
    phi, phi_0 = np.deg2rad(lat), np.deg2rad(lat_0)
    d = np.deg2rad(np.subtract(lon, lon_0))
    return np.square(np.sin(0.5 * (phi - phi_0))) + np.cos(phi) * np.cos(phi_0) * np.square(np.sin(0.5 * d))


def position_angle(lon: Any, lat: Any, lon_0: Any, lat_0: Any) -> np.ndarray:
    """Return the angle of directions as seen from a centre.

    Parameters
    ----------
    lon, lat, lon_0, lat_0 : array_like
        Directions and the centre in degrees, broadcast against each other.

    Returns
    -------
    ndarray
        In radians, 0 towards the north pole and growing towards larger longitude.
    """
    d = np.deg2rad(np.subtract(lon, lon_0))
    phi, phi_0 = np.deg2rad(lat), np.deg2rad(lat_0)
    north = np.cos(phi_0) * np.sin(phi) - np.sin(phi_0) * np.cos(phi) * np.cos(d)
    return np.arctan2(np.sin(d) * np.cos(phi), north)
