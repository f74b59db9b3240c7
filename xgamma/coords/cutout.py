"""Which pixels a cutout holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.coordinates import SkyCoord

from xgamma.coords.labels import pair_of_degrees

if TYPE_CHECKING:
    from xgamma.coords.skygrid import SkyGrid

__all__ = ["cutout_box", "positions_in_box"]

Box = tuple[tuple[int, int], tuple[int, int]]


def cutout_box(
    grid: SkyGrid, position: SkyCoord, width: Any, mode: str = "trim", min_npix: int = 1
) -> tuple[Box, tuple[float, float]]:
    """Return the labels of a cutout: those of its first row and column, and of the ones after its last.

    Parameters
    ----------
    grid : SkyGrid
        The map.
    position : SkyCoord
        Middle of the cutout, in any frame.
    width : angle or pair of angles
        Extent in longitude and latitude.
    mode : {"trim", "partial", "strict"}
        What to do where the cutout reaches beyond the map: keep what is on it, keep what is not as well, or raise.
    min_npix : int
        The least width in pixels.

    Returns
    -------
    ((start, stop), (start, stop))
        Labels of rows and of columns, those of `astropy.nddata.Cutout2D`.
    (y, x)
        Labels of the position.

    Raises
    ------
    ValueError
        If the cutout misses the map or falls into a gap of it, or is not wholly inside with ``strict``.
    """
    from astropy.nddata import NoOverlapError, PartialOverlapError, overlap_slices

    if mode not in ("trim", "partial", "strict"):
        raise ValueError(f"mode is {mode!r}: it is 'trim', 'partial' or 'strict'")
    if not isinstance(position, SkyCoord) or not position.isscalar:
        raise ValueError(f"the position of a cutout is one SkyCoord, not {position!r}")
    if 0 in grid.shape:
        raise ValueError("there is nothing to cut out of a map without pixels")
    extent = np.array(pair_of_degrees(width, "width"))[::-1]
    size = np.clip(np.round(extent / grid.pixel_scale), min_npix, None).astype(int)
    middle = np.array(grid.position_to_labels(position), dtype=float)
    first = np.array([grid.y.min(), grid.x.min()])
    last = np.array([grid.y.max(), grid.x.max()])

    def refuse(why: str) -> ValueError:
        about = f"{position.to_string('decimal')} ({position.frame.name})"
        covers = f"the map of {grid.shape} pixels is centred at {grid.center.to_string('decimal')} ({grid.frame})"
        return ValueError(f"the cutout of {extent[1]:.6g} x {extent[0]:.6g} deg about {about} {why}: {covers}")

    if not np.isfinite(middle).all():
        raise refuse("misses the map, on whose projection its position does not lie")
    try:
        on_map, in_cutout = overlap_slices(tuple(last - first + 1), tuple(size), tuple(middle - first), mode=mode)
    except NoOverlapError as error:
        raise refuse("misses the map") from error
    except PartialOverlapError as error:
        raise refuse("is not wholly inside the map, as mode 'strict' asks") from error
    box = [(int(start + part.start), int(start + part.stop)) for start, part in zip(first, on_map, strict=True)]
    if mode == "partial":
        starts = [start - part.start for (start, _), part in zip(box, in_cutout, strict=True)]
        box = [(start, start + int(n)) for start, n in zip(starts, size, strict=True)]
    if not all(len(inside) for inside in _inside(grid, (box[0], box[1]))):
        raise refuse("falls into a gap of the map")
    return (box[0], box[1]), (float(middle[0]), float(middle[1]))


def positions_in_box(grid: SkyGrid, box: Box) -> tuple[slice, slice]:
    """Return which rows and columns of the array lie in a box of labels, of which there must be some."""
    rows, columns = (slice(int(inside[0]), int(inside[-1]) + 1) for inside in _inside(grid, box))
    return rows, columns


def _inside(grid: SkyGrid, box: Box) -> list[np.ndarray]:
    pairs = zip((grid.y, grid.x), box, strict=True)
    return [np.flatnonzero((labels >= start) & (labels < stop)) for labels, (start, stop) in pairs]
