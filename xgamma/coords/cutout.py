"""Which pixels a cutout holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.coordinates import SkyCoord

from xgamma.coords.labels import pair_of_degrees

if TYPE_CHECKING:
    from xgamma.coords.skygrid import SkyGrid

__all__ = ["cutout_slices"]


def cutout_slices(
    grid: SkyGrid, position: SkyCoord, width: Any, mode: str = "trim", min_npix: int = 1
) -> tuple[slice, slice]:
    """Return rows and columns of a cutout; `SkyGrid.cutout_slices` tells the details."""
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
    about = f"{position.to_string('decimal')} ({position.frame.name})"
    where = f"the cutout of {extent[1]:.6g} x {extent[0]:.6g} deg about {about}"
    covers = f"the map of {grid.shape} pixels is centred at {grid.center.to_string('decimal')} ({grid.frame})"
    if not np.isfinite(middle).all():
        raise ValueError(f"{where} misses the map, on whose projection its position does not lie: {covers}")
    try:
        box, _ = overlap_slices(tuple(last - first + 1), tuple(size), tuple(middle - first), mode=mode)
    except NoOverlapError as error:
        raise ValueError(f"{where} misses the map: {covers}") from error
    except PartialOverlapError as error:
        raise ValueError(f"{where} is not wholly inside the map, as mode 'strict' asks: {covers}") from error
    slices = []
    for labels, start, part in zip((grid.y, grid.x), first, box, strict=True):
        inside = np.flatnonzero((labels >= start + part.start) & (labels < start + part.stop))
        if not inside.size:
            raise ValueError(f"{where} falls into a gap of the map: {covers}")
        slices.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return slices[0], slices[1]
