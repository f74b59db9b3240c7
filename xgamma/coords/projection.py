"""Pixels to positions and back, in pieces that fit into memory. Labels are pixel coordinates counted from zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xgamma.coords.keywords import CYLINDRICAL

if TYPE_CHECKING:
    from xgamma.coords.skygrid import SkyGrid

__all__ = ["grid_lonlat", "is_separable", "solid_angle", "to_labels", "to_lonlat"]

_PIECE = 2**18
"""Number of positions that go through wcslib at once; it needs some 150 bytes for each."""
_POLE = 90 * (1 + 1e-12)
"""Latitude that a row of a cylinder may have: rounding beyond that of the pole."""
_NOT_TURNED = (("PC1_1", 1.0), ("PC1_2", 0.0), ("PC2_1", 0.0), ("PC2_2", 1.0))


def _is_straight(keywords: Mapping[str, Any]) -> bool:
    """Whether native longitude is the celestial one, counted from CRVAL1: a cylinder along the equator."""
    along_equator = keywords["CRVAL2"] == 0 and keywords["LATPOLE"] == 90 and keywords["LONPOLE"] == 0
    return along_equator and keywords["CTYPE1"][5:] in CYLINDRICAL


def _is_turned(keywords: Mapping[str, Any]) -> bool:
    return any(keywords.get(key, value) != value for key, value in _NOT_TURNED)


def is_separable(keywords: Mapping[str, Any]) -> bool:
    """Whether longitude depends on x alone and latitude on y alone."""
    return _is_straight(keywords) and not _is_turned(keywords)


def _is_linear(keywords: Mapping[str, Any]) -> bool:
    """Whether longitude and latitude are those of the pixel coordinates in degrees, for which wcslib is not needed."""
    plain = keywords["CTYPE1"][5:] == "CAR" and keywords["CUNIT1"] == keywords["CUNIT2"] == "deg"
    return plain and is_separable(keywords) and not any(key.startswith("PV") for key in keywords)


def to_lonlat(grid: SkyGrid, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude in degrees at labels, which broadcast; nan off the projection.

    Longitudes are continuous: they lie within CRVAL1 +- 180, and run on beyond that on a cylinder along the equator.
    """
    keys, shape = grid.keywords, np.broadcast_shapes(y.shape, x.shape)
    lon, lat = np.empty(shape), np.empty(shape)
    if _is_linear(keys):
        lon[...] = keys["CRVAL1"] + keys["CDELT1"] * (x + (1 - keys["CRPIX1"]))
        lat[...] = keys["CDELT2"] * (y + (1 - keys["CRPIX2"]))
        on_sky = np.abs(lat) <= _POLE
        if not on_sky.all():
            lon, lat = np.where(on_sky, lon, np.nan), np.where(on_sky, lat, np.nan)
        return lon, lat
    if not lon.size:
        return lon, lat
    y, x = np.broadcast_arrays(y, x)
    prm, reference, straight = grid.prm, keys["CRVAL1"], _is_straight(keys)
    cylinder = keys["CTYPE1"][5:] in CYLINDRICAL
    flat_y, flat_x, flat_lon, flat_lat = y.reshape(-1), x.reshape(-1), lon.reshape(-1), lat.reshape(-1)
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
            bad |= np.abs(native["theta"]) > _POLE
        flat_lon[part][bad] = np.nan
        flat_lat[part][bad] = np.nan
    return lon, lat


def to_labels(grid: SkyGrid, lon: np.ndarray, lat: np.ndarray, near: float) -> tuple[np.ndarray, np.ndarray]:
    """Return fractional labels y, x of positions in degrees, nan where the projection has none.

    Where x repeats after a turn, the one nearest to `near` is meant.
    """
    keys = grid.keywords
    lon, lat = np.broadcast_arrays(lon, lat)
    on_sky = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90)
    if _is_linear(keys):
        x = (lon - keys["CRVAL1"]) / keys["CDELT1"] + (keys["CRPIX1"] - 1)
        y = lat / keys["CDELT2"] + (keys["CRPIX2"] - 1)
        if not on_sky.all():
            y, x = np.where(on_sky, y, np.nan), np.where(on_sky, x, np.nan)
    else:
        y, x = np.full(lon.shape, np.nan), np.full(lon.shape, np.nan)
        if on_sky.any():
            x[on_sky], y[on_sky] = grid.prm.s2p(np.stack([lon[on_sky], lat[on_sky]], axis=-1), 0)["pixcrd"].T
    if is_separable(keys):
        turn = 360 / abs(keys["CDELT1"])
        x = x + turn * np.round((near - x) / turn)
    return y, x


def grid_lonlat(grid: SkyGrid, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude (y, x) at the labels of rows and columns."""
    shape = (y.size, x.size)
    if 0 in shape or not is_separable(grid.keywords):
        return to_lonlat(grid, y[:, None].astype(float), x[None, :].astype(float))
    # latitudes are valid at any x and the other way round, if the other label is one of the grid
    lon, _ = to_lonlat(grid, np.zeros(()), x.astype(float))
    _, lat = to_lonlat(grid, y.astype(float), np.zeros(()))
    # a row beyond a pole has no longitude either
    full_lon = np.where(np.isnan(lat)[:, None], np.nan, lon)
    return full_lon, np.broadcast_to(lat[:, None], shape).copy()


def solid_angle(grid: SkyGrid, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the solid angle (y, x) in sr of the pixels at the labels of rows and columns."""
    if grid.proj == "CAR" and not _is_turned(grid.keywords):
        return _solid_angle_car(grid, y, x)
    area = np.empty((y.size, x.size))
    rows = max(1, _PIECE // max(x.size, 1))
    for start in range(0, y.size, rows):
        part = slice(start, start + rows)
        area[part] = _quadrangle(grid, y[part, None].astype(float), x[None, :].astype(float), 1.0)
    bad = np.argwhere(np.isnan(area))
    if bad.size:
        # at the rim a corner may be off the projection while the middle is not
        rows_bad, cols_bad = bad.T
        area[rows_bad, cols_bad] = _quadrangle(grid, y[rows_bad].astype(float), x[cols_bad].astype(float), 1e-3)
    return area


def _solid_angle_car(grid: SkyGrid, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the area between native meridians and parallels: the difference of the sines of the latitudes."""
    keys = grid.keywords
    dx, dy = (float(np.radians(keys[key])) for key in ("CDELT1", "CDELT2"))
    middle = dy * (y + 1 - keys["CRPIX2"])
    lower, upper = (
        np.clip(middle - abs(dy) / 2, -np.pi / 2, np.pi / 2),
        np.clip(middle + abs(dy) / 2, -np.pi / 2, np.pi / 2),
    )
    # sin(b) - sin(a), written so that narrow rows lose no digits
    rows = abs(dx) * 2 * np.cos((upper + lower) / 2) * np.sin((upper - lower) / 2)
    rows = np.where(np.abs(middle) > np.pi / 2 * (1 + 1e-12), np.nan, rows)
    return np.repeat(rows[:, None], x.size, axis=1)


def _quadrangle(grid: SkyGrid, y: np.ndarray, x: np.ndarray, size: float) -> np.ndarray:
    """Return the area in pixels of the great-circle quadrangle of `size` pixels about a label, scaled to one pixel."""
    half = size / 2
    corners = [
        _vectors(*to_lonlat(grid, y + dy, x + dx))
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
