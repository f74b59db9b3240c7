"""Add pixels around a map."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr

from xgamma.coords import SkyGrid
from xgamma.history import record
from xgamma.reduce.rebuild import rebuild
from xgamma.schema import VARIABLES
from xgamma.validate import check_whole

__all__ = ["pad"]

_MODES = ("constant", "edge", "reflect", "symmetric")


def pad(
    ds: xr.Dataset, pad_width: int | tuple[int, int], mode: str = "constant", name: str | None = None
) -> xr.Dataset:
    """Add pixels on each side of a map.

    Parameters
    ----------
    ds : Dataset
        With dims ``y`` and ``x``; it stays as it is. Variables on the sky that the schema does not know are left out.
    pad_width : int or (int, int)
        Number of pixels on each side; a pair is (columns, rows), as longitude and latitude.
    mode : {"constant", "edge", "reflect", "symmetric"}
        What new pixels hold, as for `numpy.pad`: zeros or values of the map. Masks are False there.
    name : str, optional
        Name of the new dataset, by default that of the old one.

    Returns
    -------
    Dataset
        Responses, and an exposure, on a sky grid of their own stay as they are: beyond it the values of its border
        apply. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the widths are no whole numbers from 0 on, the mode is unknown, or the map has gaps.
    """
    pair = pad_width if isinstance(pad_width, tuple | list) else (pad_width, pad_width)
    if len(pair) != 2:
        raise ValueError(f"pad_width is {pad_width!r}: give a number of pixels from 0 on, or a pair (columns, rows)")
    columns, rows = (check_whole(width, "pad_width") for width in pair)
    if mode not in _MODES:
        raise ValueError(f"mode is {mode!r}: it must be one of {list(_MODES)}")
    width = {"x": columns, "y": rows}
    grid = SkyGrid.from_dataset(ds)
    if not grid.is_contiguous:
        raise ValueError("the map has gaps or reversed rows or columns: pad before selecting with a stride")
    labels = {
        dim: np.arange(own[0] - width[dim], own[-1] + width[dim] + 1) for dim, own in (("y", grid.y), ("x", grid.x))
    }
    variables: dict[Hashable, xr.Variable] = {}
    for key, variable in ds.data_vars.variables.items():
        if not {"y", "x"} & set(variable.dims):
            variables[key] = variable
        elif key in VARIABLES:
            widths = [(width.get(str(dim), 0),) * 2 for dim in variable.dims]
            how: dict[str, Any] = {"mode": "constant" if VARIABLES[str(key)].dtype == "b" else mode}
            variables[key] = xr.Variable(variable.dims, np.pad(variable.data, widths, **how), variable.attrs)
    out = rebuild(ds, variables, grids={"": SkyGrid(grid.keywords, labels["y"], labels["x"])})
    return record(out, f"pad(({width['x']}, {width['y']}), mode={mode!r})", name, own=True)
