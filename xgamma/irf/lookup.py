"""Values of maps at a position, interpolated linearly on the sky."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xgamma.coords import SkyGrid
from xgamma.kernels.interpolate import bracket
from xgamma.schema import base_name, suffix_of

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["at_position", "sky_dims"]


def sky_dims(array: xr.DataArray) -> tuple[str, str] | None:
    """Names of the dims along the sky, (y, x), or None for an array without them."""
    found = {base_name(str(dim)): str(dim) for dim in array.dims if base_name(str(dim)) in ("y", "x")}
    if not found:
        return None
    if len(found) == 1:
        have = next(iter(found.values()))
        raise ValueError(
            f"'{array.name}' has the sky dim '{have}' without its partner: select ranges such as isel({have}=[0]) "
            "to keep both, or interpolate at a position."
        )
    return found["y"], found["x"]


def at_position(array: xr.DataArray, position: SkyCoord | None, dims: tuple[Hashable, ...]) -> Any:
    """Interpolate a map linearly on the sky at one position.

    Parameters
    ----------
    array : DataArray
        A map; one without dims on the sky holds for every position.
    position : SkyCoord, optional
        One position in any frame; by default the centre of the map. Beyond the outermost pixels, their values are
        taken.
    dims : tuple of str
        The order of the other dims in the result.

    Returns
    -------
    numpy or dask array, shape as `dims`
        Only the pixels around the position are touched.

    Raises
    ------
    ValueError
        If the position is not on the map's projection.
    """
    sky = sky_dims(array)
    if sky is None:
        return array.variable.transpose(*dims).data
    grid = SkyGrid.from_dataset(array, suffix_of(sky[0]))
    y, x = grid.position_to_labels(grid.center if position is None else position)
    if not (np.isfinite(y) and np.isfinite(x)):
        raise ValueError(f"{position} is not on the projection of '{array.name}': choose a position within the map.")
    variable = array.variable.transpose(*dims, *sky)
    weights = []
    for dim, label, labels in ((sky[0], y, grid.y), (sky[1], x, grid.x)):
        order = np.argsort(labels, kind="stable")
        # A pixel's centre must not take part of its neighbour by rounding of the projection.
        index, weight = bracket(labels[order], np.round(label, 10))
        nodes = order[index : index + 2] if labels.size > 1 else order
        first, last = sorted((nodes[0], nodes[-1]))
        variable = variable.isel({dim: slice(first, last + 1)})
        pair = np.array([1.0 - weight, weight])[: nodes.size]
        weights.append(pair if nodes[0] == first else pair[::-1])
    weight_2d = weights[0][:, None] * weights[1]
    # A pixel that is not defined must not spoil its neighbours where its weight is zero.
    data = variable.data
    if (weight_2d == 0).any():
        data = np.where(weight_2d == 0, 0, data)
    return (data * weight_2d).sum(axis=(-2, -1))
