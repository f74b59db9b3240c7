"""The index of the two-dimensional coordinates ``lon`` and ``lat``."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from xarray.core.indexing import IndexSelResult
from xarray.indexes import CoordinateTransform, CoordinateTransformIndex, Index

from xgamma.coords.labels import plain_variable
from xgamma.coords.lonlat_array import LonLatArray
from xgamma.coords.skybox import select
from xgamma.coords.skygrid import SkyGrid

__all__ = ["WcsIndex"]


class _Transform(CoordinateTransform):
    """Computes longitudes and latitudes when they are looked at."""

    def __init__(self, grid: SkyGrid, names: tuple[Hashable, Hashable], dims: tuple[Hashable, Hashable]):
        super().__init__(names, {str(dims[0]): grid.y.size, str(dims[1]): grid.x.size}, dtype=np.dtype(float))
        self.grid = grid

    def forward(self, dim_positions: dict[str, Any]) -> dict[Hashable, Any]:
        y, x = (np.asarray(dim_positions[dim], dtype=int) for dim in self.dims)
        lonlat = self.grid.labels_to_lonlat(self.grid.y[y], self.grid.x[x])
        return dict(zip(self.coord_names, lonlat, strict=True))

    def equals(self, other: CoordinateTransform, *, exclude: frozenset[Hashable] | None = None) -> bool:
        if not isinstance(other, _Transform) or set(self.dims) != set(other.dims):
            return False
        skip = exclude or frozenset()
        pairs = zip(self.dims, ((self.grid.y, other.grid.y), (self.grid.x, other.grid.x)), strict=True)
        return self.grid.same_frame(other.grid) and all(
            dim in skip or np.array_equal(mine, theirs) for dim, (mine, theirs) in pairs
        )

    def generate_coords(self, dims: tuple[str, ...] | None = None) -> dict[Hashable, Any]:
        lonlat = self.grid.lonlat()
        if dims is not None and tuple(dims) == self.dims[::-1]:
            lonlat = (lonlat[0].T, lonlat[1].T)
        return dict(zip(self.coord_names, lonlat, strict=True))


class WcsIndex(CoordinateTransformIndex):
    """Index of the positions of a map's pixels, which are computed only when looked at.

    - ``isel`` with slices, strides and arrays keeps it; a single row or column drops it, and its coordinates stay.
    - ``sel(lon=0, lat="1 deg")`` takes the pixel that contains the position, ``method="nearest"`` also the nearest
      one where the map has gaps. DataArrays or Variables of one shape take a pixel for each position.
    - ``sel(lon=slice(-1, 1), lat=slice(-.5, .5))`` takes a sky box: the smallest rectangle of pixels that holds all
      whose centre is inside, ends included. Longitudes count modulo 360, so ``slice(359, 1)`` is the same as
      ``slice(-1, 1)``; a slice runs from its start eastwards to its stop.
    - Alignment joins the pixels of cutouts of one grid; different grids are refused.

    Parameters
    ----------
    grid : SkyGrid
        The pixels.
    names : (str, str)
        Names of the coordinates of longitude and latitude.
    dims : (str, str)
        Names of the dims of rows and columns.
    """

    transform: _Transform

    def __init__(
        self,
        grid: SkyGrid,
        names: tuple[Hashable, Hashable] = ("lon", "lat"),
        dims: tuple[Hashable, Hashable] = ("y", "x"),
    ):
        super().__init__(_Transform(grid, names, dims))

    @property
    def grid(self) -> SkyGrid:
        """The pixels."""
        return self.transform.grid

    @property
    def names(self) -> tuple[Hashable, ...]:
        """Names of the coordinates: longitude, latitude."""
        return self.transform.coord_names

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dims: rows, columns."""
        return self.transform.dims

    @classmethod
    def from_variables(cls, variables: Mapping[Any, xr.Variable], *, options: Mapping[str, Any]) -> WcsIndex:
        """Make the index of coordinates, for ``set_xindex(("lon", "lat"), WcsIndex, grid=...)``."""
        grid = options.get("grid")
        if not isinstance(grid, SkyGrid):
            raise ValueError("a WcsIndex needs the pixels that it describes: give grid=SkyGrid")
        if len(variables) != 2:
            raise ValueError(f"a WcsIndex owns two coordinates, longitude and latitude, not {list(variables)}")
        first = next(iter(variables.values()))
        if first.ndim != 2 or any(var.shape != first.shape for var in variables.values()) or first.shape != grid.shape:
            raise ValueError(f"the coordinates {list(variables)} must have the shape of the grid, {grid.shape}")
        names = tuple(variables)
        return cls(grid, (names[0], names[1]), (first.dims[0], first.dims[1]))

    def _with(self, grid: SkyGrid) -> WcsIndex:
        return type(self)(grid, self.names, self.dims)  # type: ignore[arg-type]

    def create_variables(self, variables: Mapping[Any, xr.Variable] | None = None) -> dict[Hashable, Any]:
        """Return the coordinates of longitude and latitude, lazily."""
        frame = self.grid.frame
        title = frame if frame == "galactic" else frame.upper()
        created: dict[Hashable, Any] = {}
        for name, kind in zip(self.names, ("longitude", "latitude"), strict=True):
            dims, attrs = self.dims, {"units": "deg", "frame": frame, "long_name": f"{title} {kind}"}
            old = (variables or {}).get(name)
            if old is not None:
                attrs |= old.attrs
                # a transposed coordinate stays so
                dims = tuple(map(str, old.dims)) if set(old.dims) == set(dims) else dims
            created[name] = plain_variable(dims, LonLatArray(self.transform, name, dims), attrs)
        return created

    def isel(self, indexers: Mapping[Any, Any]) -> WcsIndex | None:
        """Return the index of some rows and columns, or None where a dim is lost."""
        positions = []
        for dim in self.dims:
            indexer = indexers.get(dim, slice(None))
            if isinstance(indexer, xr.Variable):
                if indexer.dims != (dim,):
                    return None
                indexer = indexer.to_numpy()
            if not isinstance(indexer, slice) and np.ndim(indexer) != 1:
                return None
            positions.append(indexer)
        return self._with(self.grid.isel(*positions))

    def sel(self, labels: dict[Any, Any], method: Any = None, tolerance: Any = None) -> IndexSelResult:
        """Return the rows and columns of a sky box, a pixel or many, as the class describes.

        Raises
        ------
        LabelError
            A KeyError and ValueError, if the position or box holds no pixel of the map.
        ValueError
            If the labels do not make a position or a box.
        """
        if tolerance is not None or method not in (None, "nearest"):
            raise ValueError(f"{self.names} know method='nearest' without tolerance, not {method!r}, {tolerance!r}")
        lon, lat = (labels.get(name) for name in self.names)
        rows, columns = select(self.grid, self.names, lon, lat, nearest=method == "nearest")
        return IndexSelResult({self.dims[0]: rows, self.dims[1]: columns})

    def equals(self, other: Index, *, exclude: frozenset[Hashable] | None = None) -> bool:
        """Whether the other is a WcsIndex of the same pixels; labels along excluded dims do not count."""
        return isinstance(other, WcsIndex) and self.transform.equals(other.transform, exclude=exclude)

    def _check_frame(self, other: WcsIndex) -> None:
        if not self.grid.same_frame(other.grid):
            mine, theirs = dict(self.grid.keywords), dict(other.grid.keywords)
            differ = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
            raise xr.AlignmentError(
                f"the maps along {self.dims} are on different sky grids: "
                + ", ".join(f"{key} is {mine.get(key)} here and {theirs.get(key)} there" for key in differ)
                + ". Bring them to one grid first."
            )

    def join(self, other: WcsIndex, how: str = "inner") -> WcsIndex:
        """Return the pixels in both, or in either, of two cutouts of one grid.

        Raises
        ------
        AlignmentError
            A ValueError, if they are on different grids.
        """
        self._check_frame(other)
        # the same calls as those of the ordinary index of y and x, with which it has to agree
        joined = [
            pd.Index(mine).union(pd.Index(theirs)) if how == "outer" else pd.Index(mine).intersection(pd.Index(theirs))
            for mine, theirs in ((self.grid.y, other.grid.y), (self.grid.x, other.grid.x))
        ]
        return self._with(SkyGrid(self.grid.keywords, joined[0].to_numpy(), joined[1].to_numpy()))

    def reindex_like(self, other: WcsIndex, **kwargs: Any) -> dict[Hashable, Any]:
        """Return the positions of the other's rows and columns in this grid, -1 for missing ones."""
        self._check_frame(other)
        pairs = ((self.grid.y, other.grid.y), (self.grid.x, other.grid.x))
        return {
            dim: pd.Index(mine).get_indexer(pd.Index(theirs))
            for dim, (mine, theirs) in zip(self.dims, pairs, strict=True)
            if not np.array_equal(mine, theirs)
        }

    @classmethod
    def concat(
        cls, indexes: Sequence[WcsIndex], dim: Hashable, positions: Iterable[Iterable[int]] | None = None
    ) -> WcsIndex:
        """Return the index of pieces of one grid, side by side.

        Raises
        ------
        AlignmentError
            A ValueError, if the pieces are on different grids or not of one height or width.
        """
        first = indexes[0]
        along_y = dim == first.dims[0]
        for index in indexes[1:]:
            first._check_frame(index)
            mine, theirs = (g.x if along_y else g.y for g in (first.grid, index.grid))
            if not np.array_equal(mine, theirs):
                other = first.dims[1 if along_y else 0]
                raise xr.AlignmentError(f"the pieces to join along {dim!r} have different labels {other!r}")
        labels = np.concatenate([index.grid.y if along_y else index.grid.x for index in indexes])
        if positions is not None:
            labels = labels[np.argsort(np.concatenate([np.asarray(p) for p in positions]))]
        grid = first.grid
        return first._with(SkyGrid(grid.keywords, *((labels, grid.x) if along_y else (grid.y, labels))))

    def roll(self, shifts: Mapping[Any, int]) -> WcsIndex:
        """Return the index with rows and columns moved around."""
        labels = [
            np.roll(own, shifts.get(dim, 0)) for dim, own in zip(self.dims, (self.grid.y, self.grid.x), strict=True)
        ]
        return self._with(SkyGrid(self.grid.keywords, *labels))

    def rename(self, name_dict: Mapping[Any, Hashable], dims_dict: Mapping[Any, Hashable]) -> WcsIndex:
        """Return the index with new names of coordinates and dims."""
        names = tuple(name_dict.get(name, name) for name in self.names)
        dims = tuple(dims_dict.get(dim, dim) for dim in self.dims)
        return type(self)(self.grid, names, dims)  # type: ignore[arg-type]

    def to_pandas_index(self) -> pd.Index:
        """Return the numbers of the pixels: `map_blocks` and `combine_by_coords` ask every index for one."""
        return pd.RangeIndex(self.grid.y.size * self.grid.x.size, name=self.names[0])

    def _copy(self, deep: bool = True, memo: dict[int, Any] | None = None) -> WcsIndex:
        # it never changes: the grid is frozen, and so are its arrays
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.grid, self.names, self.dims))

    def _repr_inline_(self, max_width: int) -> str:
        return repr(self)

    def __repr__(self) -> str:
        ny, nx = self.grid.shape
        return f"WcsIndex({self.grid.keywords['CTYPE1']}, {ny} x {nx} pixels)"
