"""Values of maps at a position, interpolated linearly on the sky."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xgamma.coords import FixedGrid, SkyGrid
from xgamma.kernels.interpolate import bracket
from xgamma.schema import base_name, suffix_of

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["SkyTable", "at_position", "sky_dims"]


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


class SkyTable:
    """A map of tables, to be looked up at positions.

    Parameters
    ----------
    array : DataArray
        The map; one without dims on the sky holds for every position.
    dims : tuple of str
        The order of the other dims in what is looked up.
    grid : FixedGrid, optional
        That of the map, where it is known.

    Attributes
    ----------
    grid : FixedGrid or None
        Grid of the map; None without dims on the sky.
    """

    def __init__(self, array: xr.DataArray, dims: tuple[Hashable, ...], grid: FixedGrid | None = None) -> None:
        sky = sky_dims(array) or ()
        self.name = array.name
        self.variable = array.variable.transpose(*dims, *sky)
        self.sky = sky
        self.grid = grid
        if grid is None and sky:
            self.grid = FixedGrid.of(SkyGrid.from_dataset(array, suffix_of(sky[0])))
        labels = (self.grid.y, self.grid.x) if self.grid is not None else ()
        self._orders = [np.argsort(values, kind="stable") for values in labels]

    def at(self, lon: float, lat: float) -> Any:
        """Interpolate linearly at a position in deg, in the frame of the map.

        Returns
        -------
        numpy or dask array, shape as `dims`
            Only the pixels around the position are touched. Beyond the outermost pixels, their values are taken.

        Raises
        ------
        ValueError
            If the position is not on the map's projection.
        """
        if self.grid is None:
            return self.variable.data
        labels = self.grid.lonlat_to_labels(np.array(lon), np.array(lat))
        return self.at_labels(*labels, f"({lon:.6g}, {lat:.6g}) deg")

    def at_position(self, position: SkyCoord | None) -> Any:
        """Interpolate at a position in any frame, by default the middle of the map, as `at` does."""
        if position is not None and not hasattr(position, "transform_to"):
            raise ValueError(f"a position is one SkyCoord, not {position!r}")
        if self.grid is None or position is None:
            return self.at_center()
        return self.at_labels(*self.grid.position_to_labels(position), position)

    def at_center(self) -> Any:
        """Interpolate in the middle of the map, as `at` does elsewhere."""
        if self.grid is None:
            return self.variable.data
        y, x = ((labels.min() + labels.max()) / 2 for labels in (self.grid.y, self.grid.x))
        return self.at_labels(y, x, "The middle")

    def at_labels(self, y: Any, x: Any, where: object) -> Any:
        """Interpolate at fractional labels of the grid, as `at` does elsewhere; messages name what is there."""
        assert self.grid is not None
        if not (np.isfinite(y) and np.isfinite(x)):
            raise ValueError(f"{where} is not on the projection of '{self.name}': choose a position within the map.")
        place, weights = {}, []
        for dim, label, labels, order in zip(self.sky, (y, x), (self.grid.y, self.grid.x), self._orders, strict=True):
            # A pixel's centre must not take part of its neighbour by rounding of the projection.
            index, weight = bracket(labels[order], np.round(label, 10))
            nodes = order[index : index + 2] if labels.size > 1 else order
            first, last = sorted((nodes[0], nodes[-1]))
            place[dim] = slice(first, last + 1)
            pair = np.array([1.0 - weight, weight])[: nodes.size]
            weights.append(pair if nodes[0] == first else pair[::-1])
        weight_2d = weights[0][:, None] * weights[1]
        data = self.variable.isel(place).data
        # A pixel that is not defined must not spoil its neighbours where its weight is zero. One term after the other,
        # as sums over dims as short as these take ten times longer.
        return sum(data[..., j, i] * weight_2d[j, i] for j, i in zip(*np.nonzero(weight_2d), strict=True))


def at_position(array: xr.DataArray, position: SkyCoord | None, dims: tuple[Hashable, ...]) -> Any:
    """Interpolate a map linearly on the sky at one position.

    Parameters
    ----------
    array : DataArray
        A map; one without dims on the sky holds for every position.
    position : SkyCoord, optional
        One position in any frame; by default the centre of the map.
    dims : tuple of str
        The order of the other dims in the result.

    Returns
    -------
    numpy or dask array, shape as `dims`
        As `SkyTable.at` gives it.

    Raises
    ------
    ValueError
        If the position is not on the map's projection.
    """
    return SkyTable(array, dims).at_position(position)
