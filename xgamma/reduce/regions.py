"""Regions of the sky as areas of pixels, ready to be looked at chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from xgamma.coords import SkyGrid
from xgamma.coords.keywords import build_wcs
from xgamma.coords.projection import is_separable

__all__ = ["Area", "areas", "inside_areas"]

_PIECE = 2**20
"""Number of pixels that are looked at at once."""


class Area(Protocol):
    """Something that a pixel can be in."""

    @property
    def include(self) -> bool:
        """Whether it counts as inside, not as cut out of the rest."""

    def inside(self, grid: SkyGrid) -> np.ndarray:
        """Return which pixels (y, x) are inside."""


@dataclass(frozen=True)
class _Nothing:
    """A region without area, or off the projection."""

    include: bool

    def inside(self, grid: SkyGrid) -> np.ndarray:
        return np.zeros(grid.shape, dtype=bool)


@dataclass(frozen=True)
class _Point:
    """The pixel with the given labels."""

    y: int
    x: int
    include: bool

    def inside(self, grid: SkyGrid) -> np.ndarray:
        return (grid.y == self.y)[:, None] & (grid.x == self.x)


@dataclass(frozen=True, eq=False)
class _Pixels:
    """A pixel region; `rows` and `columns` are the labels of the array that it counts in, None if it is in labels."""

    region: Any
    include: bool
    rows: np.ndarray | None = None
    columns: np.ndarray | None = None

    def inside(self, grid: SkyGrid) -> np.ndarray:
        from regions import PixCoord

        box = self.region.bounding_box
        y, x = _positions(grid.y, self.rows), _positions(grid.x, self.columns)
        near_y = np.flatnonzero((y >= box.iymin) & (y < box.iymax))
        near_x = np.flatnonzero((x >= box.ixmin) & (x < box.ixmax))
        found = np.zeros(grid.shape, dtype=bool)
        if near_y.size and near_x.size:
            found[np.ix_(near_y, near_x)] = self.region.contains(PixCoord(*np.meshgrid(x[near_x], y[near_y])))
        return found


@dataclass(frozen=True, eq=False)
class _Sphere:
    """An area of the sphere."""

    region: Any
    include: bool

    def inside(self, grid: SkyGrid) -> np.ndarray:
        lon, lat = grid.lonlat()
        on_sky = np.isfinite(lon)
        found = np.zeros(grid.shape, dtype=bool)
        found[on_sky] = self.region.contains(grid.position(lon[on_sky], lat[on_sky]))
        return found


@dataclass(frozen=True)
class _Compound:
    """Two areas and how they combine."""

    one: Area
    other: Area
    combine: Callable[[np.ndarray, np.ndarray], np.ndarray]
    include: bool

    def inside(self, grid: SkyGrid) -> np.ndarray:
        first, second = (_complement_if_excluded(part, grid) for part in (self.one, self.other))
        return self.combine(first, second)


def _complement_if_excluded(area: Area, grid: SkyGrid) -> np.ndarray:
    found = area.inside(grid)
    return found if area.include else ~found


def _positions(labels: np.ndarray, whole: np.ndarray | None) -> np.ndarray:
    """Return where labels are among those of the whole array, or the labels themselves.

    Rows go on beyond the first and the last of the array; nan stands for labels in its gaps.
    """
    if whole is None:
        return labels
    order = np.argsort(whole)
    ascending = whole[order]
    found = np.searchsorted(ascending, labels).clip(max=whole.size - 1)
    positions = np.where(ascending[found] == labels, order[found], np.nan)
    way = 1 if order[0] <= order[-1] else -1
    for end, beyond in ((0, labels < ascending[0]), (-1, labels > ascending[-1])):
        positions[beyond] = order[end] + way * (labels[beyond] - ascending[end])
    return positions


def inside_areas(parts: Sequence[Area], grid: SkyGrid) -> np.ndarray:
    """Return which pixels (y, x) are in the union of the areas, without those that are marked as excluded.

    If all areas are excluded, the rest of the map is inside.
    """
    found = np.empty(grid.shape, dtype=bool)
    rows = max(1, _PIECE // max(grid.x.size, 1))
    included = [part for part in parts if part.include]
    excluded = [part for part in parts if not part.include]
    for start in range(0, grid.y.size, rows):
        piece = grid.isel(y=slice(start, start + rows))
        inside = np.full(piece.shape, bool(excluded) and not included)
        for part in included:
            inside |= part.inside(piece)
        for part in excluded:
            inside &= ~part.inside(piece)
        found[start : start + rows] = inside
    return found


def areas(regions: Any, grid: SkyGrid) -> tuple[Area, ...]:
    """Return the areas of some regions on a map.

    Parameters
    ----------
    regions : region, SkyCoord, str, or iterable of regions
        As for `xgamma.reduce.masks.region_mask`.
    grid : SkyGrid
        The whole map.

    Returns
    -------
    tuple of Area
        They pickle, and can be looked at in parts of the map.

    Raises
    ------
    ValueError
        If one is no region, a text holds none, or a polygon lies partly off the projection.
    """
    wcs = _continuous_wcs(grid)
    return tuple(_area(region, grid, wcs) for region in _listed(regions))


def _listed(regions: Any) -> list[Any]:
    from regions import PointSkyRegion, Region, Regions

    if isinstance(regions, str):
        try:
            parsed = Regions.parse(regions, format="ds9")
        except Exception as error:  # the parser lets errors of many kinds through
            raise ValueError(f"the text {regions!r} is not in DS9 region format: {error}") from error
        if not len(parsed):
            raise ValueError(f"the text {regions!r} holds no region in DS9 format, such as 'galactic;circle(0,0,1.5)'")
        return list(parsed)
    if isinstance(regions, SkyCoord):
        return [PointSkyRegion(position) for position in regions.ravel()]
    if isinstance(regions, Region):
        return [regions]
    if isinstance(regions, Iterable | Regions):
        return [one for region in regions for one in _listed(region)]
    raise ValueError(f"{regions!r} is no region: give one of the regions package, DS9 text, or a list of them")


def _area(region: Any, grid: SkyGrid, wcs: WCS) -> Area:
    import regions as rg

    include = bool(region.meta.get("include", True)) if region.meta else True
    # some versions of regions invert what an excluded region contains, and others do not
    region = region.copy(meta=None)
    if hasattr(region, "region1"):
        one, other = (_area(part, grid, wcs) for part in (region.region1, region.region2))
        return _Compound(one, other, region.operator, include)
    if isinstance(region, rg.TextSkyRegion | rg.TextPixelRegion | rg.LineSkyRegion | rg.LinePixelRegion):
        return _Nothing(include)
    if isinstance(region, rg.PointSkyRegion):
        y, x = grid.position_to_labels(region.center)
        return _Point(round(float(y)), round(float(x)), include) if np.isfinite(x) else _Nothing(include)
    if isinstance(region, rg.PointPixelRegion):
        row, column = round(float(region.center.y)), round(float(region.center.x))
        on_map = 0 <= row < grid.y.size and 0 <= column < grid.x.size
        return _Point(int(grid.y[row]), int(grid.x[column]), include) if on_map else _Nothing(include)
    if isinstance(region, rg.PixelRegion):
        return _Pixels(region, include, grid.y, grid.x)
    if not isinstance(region, rg.SkyRegion):
        return _Sphere(region, include)
    return _projected(region, wcs, include)


def _projected(region: Any, wcs: WCS, include: bool) -> Area:
    corners = getattr(region, "vertices", None)
    anchors = region.center if corners is None else corners
    visible = np.isfinite(np.asarray(wcs.world_to_pixel(anchors), dtype=float)).all(axis=0)
    if not np.any(visible):
        return _Nothing(include)
    if not np.all(visible):
        raise ValueError(f"the region {region!r} has corners off the projection {wcs.wcs.ctype[0]!r} of the map")
    return _Pixels(region.to_pixel(wcs), include)


def _continuous_wcs(grid: SkyGrid) -> WCS:
    """Return a WCS, in labels, that maps positions to those of their labels that lie on the map.

    On a cylinder a map may lie more than half a turn from the reference point; the reference then moves to its middle.
    """
    wcs = grid.wcs
    if not (is_separable(grid.keywords) and grid.x.size):
        return wcs
    step, middle = float(grid.keywords["CDELT1"]), (int(grid.x.min()) + int(grid.x.max())) // 2
    if abs(step) * np.abs(grid.x + 1 - float(grid.keywords["CRPIX1"])).max() <= 180:
        return wcs
    moved = {
        "CRVAL1": float(grid.keywords["CRVAL1"]) + step * middle,
        "CRPIX1": float(grid.keywords["CRPIX1"]) + middle,
    }
    return build_wcs({**grid.keywords, **moved})
