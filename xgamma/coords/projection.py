"""Pixels to positions and back, in pieces that fit into memory. Labels are pixel coordinates counted from zero."""

from __future__ import annotations

import numpy as np
from astropy.wcs import Wcsprm

from xgamma.coords.keywords import CYLINDRICAL

__all__ = ["grid_lonlat", "is_separable", "solid_angle", "to_labels", "to_lonlat"]

_PIECE = 2**18
"""Number of positions that go through wcslib at once; it needs some 150 bytes for each."""


def is_straight(prm: Wcsprm) -> bool:
    """Whether native longitude is the celestial one, counted from CRVAL1: a cylinder along the equator."""
    return prm.ctype[0][5:] in CYLINDRICAL and prm.crval[1] == 0 and prm.latpole == 90 and prm.lonpole == 0


def is_separable(prm: Wcsprm) -> bool:
    """Whether longitude depends on x alone and latitude on y alone."""
    return is_straight(prm) and np.array_equal(prm.get_pc(), np.eye(2))


def to_lonlat(prm: Wcsprm, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude in degrees at labels, which broadcast; nan off the projection.

    Longitudes are continuous: they lie within CRVAL1 +- 180, and run on beyond that on a cylinder along the equator.
    """
    y, x = np.broadcast_arrays(y, x)
    lon, lat = np.empty(y.shape), np.empty(y.shape)
    if not y.size:
        return lon, lat
    flat_y, flat_x, flat_lon, flat_lat = y.reshape(-1), x.reshape(-1), lon.reshape(-1), lat.reshape(-1)
    reference, straight = prm.crval[0], is_straight(prm)
    cylinder = prm.ctype[0][5:] in CYLINDRICAL
    for start in range(0, y.size, _PIECE):
        part = slice(start, start + _PIECE)
        native = prm.p2s(np.stack([flat_x[part], flat_y[part]], axis=-1), 0)
        world = native["world"]
        near = reference + native["phi"] if straight else reference
        flat_lon[part] = world[:, 0] + 360 * np.round((near - world[:, 0]) / 360)
        flat_lat[part] = world[:, 1]
        bad = native["stat"] != 0
        if cylinder:
            # wcslib runs on beyond the poles when its bounds are off
            bad |= np.abs(native["theta"]) > 90 * (1 + 1e-12)
        flat_lon[part][bad] = np.nan
        flat_lat[part][bad] = np.nan
    return lon, lat


def to_labels(prm: Wcsprm, lon: np.ndarray, lat: np.ndarray, near: float) -> tuple[np.ndarray, np.ndarray]:
    """Return fractional labels y, x of positions in degrees, nan where the projection has none.

    Where x repeats after a turn, the one nearest to `near` is meant.
    """
    lon, lat = np.broadcast_arrays(lon, lat)
    y, x = np.full(lon.shape, np.nan), np.full(lon.shape, np.nan)
    finite = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90)
    if finite.any():
        x[finite], y[finite] = prm.s2p(np.stack([lon[finite], lat[finite]], axis=-1), 0)["pixcrd"].T
    if is_separable(prm):
        turn = 360 / abs(prm.get_cdelt()[0])
        x = x + turn * np.round((near - x) / turn)
    return y, x


def grid_lonlat(prm: Wcsprm, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude (y, x) at the labels of rows and columns."""
    shape = (y.size, x.size)
    if 0 in shape or not is_separable(prm):
        return to_lonlat(prm, y[:, None].astype(float), x[None, :].astype(float))
    # latitudes are valid at any x and the other way round, if the other label is one of the grid
    lon, _ = to_lonlat(prm, np.zeros(()), x.astype(float))
    _, lat = to_lonlat(prm, y.astype(float), np.zeros(()))
    # a row beyond a pole has no longitude either
    full_lon = np.where(np.isnan(lat)[:, None], np.nan, lon)
    return full_lon, np.broadcast_to(lat[:, None], shape).copy()


def solid_angle(prm: Wcsprm, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the solid angle (y, x) in sr of the pixels at the labels of rows and columns."""
    if prm.ctype[0][5:] == "CAR" and np.array_equal(prm.get_pc(), np.eye(2)):
        return _solid_angle_car(prm, y, x)
    area = np.empty((y.size, x.size))
    rows = max(1, _PIECE // max(x.size, 1))
    for start in range(0, y.size, rows):
        part = slice(start, start + rows)
        area[part] = _quadrangle(prm, y[part, None].astype(float), x[None, :].astype(float), 1.0)
    bad = np.argwhere(np.isnan(area))
    if bad.size:
        # at the rim a corner may be off the projection while the middle is not
        rows_bad, cols_bad = bad.T
        area[rows_bad, cols_bad] = _quadrangle(prm, y[rows_bad].astype(float), x[cols_bad].astype(float), 1e-3)
    return area


def _solid_angle_car(prm: Wcsprm, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the area between native meridians and parallels: the difference of the sines of the latitudes."""
    dx, dy = np.radians(prm.get_cdelt())
    middle = dy * (y + 1 - prm.crpix[1])
    lower, upper = (
        np.clip(middle - abs(dy) / 2, -np.pi / 2, np.pi / 2),
        np.clip(middle + abs(dy) / 2, -np.pi / 2, np.pi / 2),
    )
    # sin(b) - sin(a), written so that narrow rows lose no digits
    rows = abs(dx) * 2 * np.cos((upper + lower) / 2) * np.sin((upper - lower) / 2)
    rows = np.where(np.abs(middle) > np.pi / 2 * (1 + 1e-12), np.nan, rows)
    return np.repeat(rows[:, None], x.size, axis=1)


def _quadrangle(prm: Wcsprm, y: np.ndarray, x: np.ndarray, size: float) -> np.ndarray:
    """Return the area in pixels of the great-circle quadrangle of `size` pixels about a label, scaled to one pixel."""
    half = size / 2
    corners = [
        _vectors(*to_lonlat(prm, y + dy, x + dx))
        for dy, dx in ((-half, -half), (-half, half), (half, half), (half, -half))
    ]
    return (_triangle(*corners[:3]) + _triangle(corners[0], corners[2], corners[3])) / size**2


def _vectors(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def _triangle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the solid angle of a spherical triangle (Van Oosterom and Strackee 1983, eq. 8).

    The triple product is that of differences, which keeps its digits for small triangles.
    """
    triple = np.abs((a * np.cross(b - a, c - a, axis=0)).sum(0))
    return 2 * np.arctan2(triple, 1 + (a * b).sum(0) + (b * c).sum(0) + (c * a).sum(0))
