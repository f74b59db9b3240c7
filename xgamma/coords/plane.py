"""Labels of one grid on another about the same reference point, without a projection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xgamma.coords.keywords import pixel_matrix

if TYPE_CHECKING:
    from xgamma.coords.skygrid import SkyGrid

__all__ = ["labels_on_plane"]

_FREE = frozenset({"CRPIX1", "CRPIX2", "CDELT1", "CDELT2"})


def labels_on_plane(
    grid: SkyGrid, other: SkyGrid, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return where rows and columns of another grid about the same reference point lie on a grid.

    Both are steps from that point in one plane of projection, of which pixels have another size.

    Parameters
    ----------
    grid, other : SkyGrid
        The grids.
    rows, columns : ndarray
        Labels on the other one, of any shapes.

    Returns
    -------
    ndarray, ndarray, or None
        Labels of rows and of columns, as `SkyGrid.labels_of` finds them; None where that has more to do.
    """
    mine, theirs = ({k: v for k, v in g.keywords.items() if k not in _FREE} for g in (grid, other))
    if mine != theirs or grid.proj not in ("CAR", "TAN") or not np.array_equal(pixel_matrix(mine), np.eye(2)):
        return None
    found = []
    for labels, own, axis, limit in ((rows, grid.y, 2, 90.0), (columns, grid.x, 1, 180.0)):
        (step, zero), (own_step, own_zero) = (
            (float(g.keywords[f"CDELT{axis}"]), float(g.keywords[f"CRPIX{axis}"]) - 1) for g in (other, grid)
        )
        plane = (labels - zero) * step
        middle = ((own.min() + own.max()) / 2 - own_zero) * own_step if axis == 1 else 0.0
        # a cylinder ends at its poles and repeats after a turn, of which the one nearest to the map is meant
        if grid.proj == "CAR" and not max(np.abs(plane).max(), np.abs(plane - middle).max()) < limit:
            return None
        found.append(plane / own_step + own_zero)
    return found[0], found[1]
