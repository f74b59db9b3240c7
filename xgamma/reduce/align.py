"""Common grids and axes of datasets that are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import Axis, SkyGrid
from xgamma.reduce.rebuild import grid_dims
from xgamma.schema import AXES, base_name

__all__ = ["Embedding", "Grids", "common_grids", "embeddings", "own_grids", "same_axes"]

Grids = Mapping[str, SkyGrid]
"""Sky grids by suffix."""

Positions = slice | NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Embedding:
    """Where a dataset lies in the grids of a sum.

    Attributes
    ----------
    positions : dict of str to (int, slice or ndarray)
        By dim: the size in the sum, and the positions in it. Dims that are the same in both are left out.
    """

    positions: dict[Any, tuple[int, Positions]]

    def along(self, dims: Sequence[Any]) -> Embedding:
        """Return what concerns an array with these dims."""
        return Embedding({dim: self.positions[dim] for dim in dims if dim in self.positions})

    def index(self, dims: Sequence[Any], shape: Sequence[int]) -> tuple[Any, ...]:
        """Return what takes the part of an array of the sum that the dataset covers."""
        index = [self.positions[dim][1] if dim in self.positions else slice(None) for dim in dims]
        if all(isinstance(where, slice) for where in index):
            return tuple(index)
        return np.ix_(*(np.arange(size)[where] for size, where in zip(shape, index, strict=True)))


def _name(ds: xr.Dataset, number: int) -> str:
    return f"dataset {number} ({ds.attrs.get('name', 'without name')!r})"


def same_axes(datasets: Sequence[xr.Dataset]) -> None:
    """Check that all datasets have the bins of the first.

    Raises
    ------
    ValueError
        Where they differ, or an axis was lost; the dataset and the axis are named.
    """
    for number, ds in enumerate(datasets):
        single = [key for key, v in ds.coords.variables.items() if not v.dims and base_name(str(key)) in AXES]
        if single:
            raise ValueError(
                f"{_name(ds, number)} has a single {single[0]!r} without the dim, and cannot be added: select one bin "
                f"with a list such as isel({single[0]}=[0]), which keeps it"
            )
    first, indexes = datasets[0], datasets[0].xindexes
    axes = {str(dim): Axis.from_dataset(first, dim, indexes) for dim in first.dims if base_name(str(dim)) in AXES}
    for number, ds in enumerate(datasets[1:], start=1):
        indexes = ds.xindexes
        for dim, mine in axes.items():
            if dim not in ds.dims:
                raise ValueError(f"{_name(ds, number)} has no dim {dim!r}, which {_name(first, 0)} has: both need it")
            theirs = Axis.from_dataset(ds, dim, indexes)
            if not mine.matches(theirs.to(mine.unit)):
                raise ValueError(
                    f"axis {dim!r} of {_name(ds, number)} has other bins than that of {_name(first, 0)}, "
                    f"{theirs.lower[0]:.6g} to {theirs.upper[-1]:.6g} {theirs.unit} in {theirs.size} bins against "
                    f"{mine.lower[0]:.6g} to {mine.upper[-1]:.6g} {mine.unit} in {mine.size}: bring both to the same "
                    "bins first, as with resample_energy_axis"
                )


def own_grids(datasets: Sequence[xr.Dataset]) -> list[Grids]:
    """Return the grids of each dataset."""
    return [SkyGrid.all_of(ds) for ds in datasets]


def common_grids(datasets: Sequence[xr.Dataset], own: Sequence[Grids]) -> dict[str, SkyGrid]:
    """Return the smallest grids, by suffix, that hold those of all datasets, of which each has its own.

    Raises
    ------
    ValueError
        If grids are no parts of one grid, or one dataset lacks a grid that others have.
    """
    first = datasets[0]
    out = dict(own[0])
    labels: dict[str, list[list[NDArray[np.int64]]]] = {s: [[g.y], [g.x]] for s, g in out.items()}
    for number, (ds, others) in enumerate(zip(datasets[1:], own[1:], strict=True), start=1):
        if others.keys() != out.keys():
            have, need = (sorted(grid_dims(s)[0] for s in group) for group in (others, out))
            raise ValueError(
                f"{_name(ds, number)} has maps along {have}, but {_name(first, 0)} along {need}: only datasets of one "
                "kind add up"
            )
        for suffix, grid in out.items():
            other = others[suffix]
            if not grid.same_frame(other):
                raise ValueError(
                    f"the maps along {', '.join(grid_dims(suffix))} of {_name(ds, number)} and {_name(first, 0)} are "
                    "not parts of one sky grid: make both from one grid, or cut both out of one"
                )
            for seen, part in zip(labels[suffix], (other.y, other.x), strict=True):
                if not any(part is known or np.array_equal(part, known) for known in seen):
                    seen.append(part)
    return {suffix: SkyGrid(grid.keywords, *(_union(seen) for seen in labels[suffix])) for suffix, grid in out.items()}


def _union(seen: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    if len(seen) == 1:
        return seen[0]
    if all(np.all(np.diff(labels) == 1) for labels in seen):
        return np.arange(min(int(s[0]) for s in seen), max(int(s[-1]) for s in seen) + 1)
    return np.unique(np.concatenate(seen))


def embeddings(own: Sequence[Grids], grids: Grids) -> list[Embedding]:
    """Return where the grids of each dataset lie in common ones."""
    out = []
    for parts in own:
        positions: dict[Any, tuple[int, Positions]] = {}
        for suffix, grid in grids.items():
            mine = parts[suffix]
            for dim, whole, part in zip(grid_dims(suffix), (grid.y, grid.x), (mine.y, mine.x), strict=True):
                if whole is not part and not np.array_equal(whole, part):
                    positions[dim] = (whole.size, _positions(whole, part))
        out.append(Embedding(positions))
    return out


def _positions(whole: NDArray[np.int64], part: NDArray[np.int64]) -> Positions:
    where = np.searchsorted(whole, part)
    if np.all(np.diff(where) == 1):
        return slice(int(where[0]), int(where[-1]) + 1)
    return where
