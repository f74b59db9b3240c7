"""The pixels of a map that a region covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from xgamma.coords import SkyGrid
from xgamma.reduce.regions import _listed, areas, inside_areas

__all__ = ["Footprint", "footprint"]


@dataclass(frozen=True, eq=False)
class Footprint:
    """Pixels of a map that a region covers.

    Attributes
    ----------
    rows, columns : slice
        The smallest rectangle of the array that holds them.
    inside : Variable, dims (y, x)
        Which pixels of the rectangle they are.
    center : SkyCoord
        Centre of the region, in the frame of the map.
    text : str
        The region in DS9 format.
    radius : Quantity or None
        Of a circle.
    is_point : bool
        Whether the region is a point.
    """

    rows: slice
    columns: slice
    inside: xr.Variable
    center: SkyCoord
    text: str
    radius: u.Quantity | None
    is_point: bool

    def box(self, variable: xr.Variable) -> xr.Variable:
        """Return the rectangle of a variable."""
        return variable.isel(y=self.rows, x=self.columns)


def footprint(region: Any, ds: xr.Dataset) -> Footprint:
    """Find the pixels that a region covers.

    Parameters
    ----------
    region : region, SkyCoord, str, or list of regions
        As for `xgamma.reduce.masks.region_mask`.
    ds : Dataset
        With dims ``y`` and ``x``.

    Returns
    -------
    Footprint
        A pixel is covered if its centre is.

    Raises
    ------
    ValueError
        If the region reaches beyond the map, or holds the centre of no pixel.
    """
    import regions as rg

    grid = SkyGrid.from_dataset(ds)
    shapes = _listed(region)
    parts = areas(shapes, grid)
    # A sphere's regions are looked up by position: there a margin would see a map around the sky twice.
    flat = all(isinstance(shape, rg.SkyRegion | rg.PixelRegion) for shape in shapes)
    wide = _margin(grid, grid.shape if flat else (1, 1))
    found = inside_areas(parts, wide)
    single = shapes[0] if len(shapes) == 1 else None
    looked = [] if single is not None and parts[0].include else list(zip(shapes, parts, strict=True))
    missing = [shape for shape, part in looked if not part.inside(wide).any()]
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    if missing or not rows.size:
        shown = missing[0] if missing else region
        raise ValueError(f"the region {shown!r} holds no pixel's centre on or near the map: {_about(grid)}")
    y, x = wide.y[rows], wide.x[columns]
    if y[0] < grid.y.min() or y[-1] > grid.y.max() or x[0] < grid.x.min() or x[-1] > grid.x.max():
        raise ValueError(
            f"the region {region!r} is not contained in the map: {_about(grid)}; choose a smaller one or pad"
        )
    part_y, part_x = (_span((own >= labels[0]) & (own <= labels[-1])) for own, labels in ((grid.y, y), (grid.x, x)))
    inside = inside_areas(parts, grid.isel(part_y, part_x))
    if not inside.any():
        raise ValueError(f"the region {region!r} falls into a gap between the pixels of the map: {_about(grid)}")
    center = _center(single, grid, (y[0] + y[-1]) / 2, (x[0] + x[-1]) / 2)
    return Footprint(
        part_y,
        part_x,
        xr.Variable(("y", "x"), inside),
        center,
        _text(shapes, grid.isel(part_y, part_x), inside),
        single.radius.to("deg") if isinstance(single, rg.CircleSkyRegion) else None,
        isinstance(single, rg.PointSkyRegion | rg.PointPixelRegion),
    )


def _about(grid: SkyGrid) -> str:
    return f"the map of {grid.shape} pixels is centred at {grid.center.to_string('decimal')} ({grid.frame})"


def _margin(grid: SkyGrid, width: tuple[int, int]) -> SkyGrid:
    labels = (np.arange(own.min() - n, own.max() + n + 1) for own, n in zip((grid.y, grid.x), width, strict=True))
    return SkyGrid(grid.keywords, *labels)


def _span(chosen: NDArray[np.bool_]) -> slice:
    where = np.flatnonzero(chosen)
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, 0)


def _center(shape: Any, grid: SkyGrid, y: float, x: float) -> SkyCoord:
    """Return the centre of a region, or of the rectangle of its pixels where it has none, in the frame of the map."""
    center = getattr(shape, "center", None)
    if isinstance(center, SkyCoord):
        return center.transform_to(grid.position(0, 0).frame.replicate_without_data())
    return grid.position(*(float(v) for v in grid.labels_to_lonlat(y, x)))


def _text(shapes: list[Any], grid: SkyGrid, inside: NDArray[np.bool_]) -> str:
    """Write shapes in DS9 format; compounds that it does not know become polygons about the rows of their pixels."""
    import regions as rg

    simple = [leaf for shape in shapes for leaf in _leaves(shape)]
    if not all(isinstance(leaf, rg.SkyRegion) for leaf in simple):
        simple = _runs(grid, inside)
    return rg.Regions(simple).serialize(format="ds9", precision=12)


def _leaves(shape: Any) -> list[Any]:
    import operator

    if not hasattr(shape, "region1"):
        return [shape]
    if shape.operator is not operator.or_:
        return [None]
    return _leaves(shape.region1) + _leaves(shape.region2)


def _runs(grid: SkyGrid, inside: NDArray[np.bool_]) -> list[Any]:
    from regions import PolygonSkyRegion

    out = []
    for row, label in zip(inside, grid.y, strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2):
            left, right = sorted((int(grid.x[start]), int(grid.x[stop - 1])))
            x = np.array([left - 0.5, right + 0.5, right + 0.5, left - 0.5])
            y = label + np.array([-0.5, -0.5, 0.5, 0.5])
            out.append(PolygonSkyRegion(grid.position(*grid.labels_to_lonlat(y, x))))
    return out
