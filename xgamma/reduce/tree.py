"""Sums of lazy datasets, as a tree of tasks for each chunk of the sky.

One task reads all maps of a dataset on a chunk, so that a safe mask which they share is not kept for later; sums of two
go into sums of four, so that a scheduler, working from the leaves, holds as many parts as the tree is deep. The tasks
also tell where on the grids of the responses the masks hold: with that the responses are added in trees of their own.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import SkyGrid
from xgamma.reduce.align import Embedding
from xgamma.reduce.irf_mask import lookup
from xgamma.reduce.parts import Term, averages, mask_for, masked, seen, sky_suffix
from xgamma.reduce.rebuild import grid_dims
from xgamma.schema import VARIABLES

__all__ = ["lazy_sums"]

Sums = dict[str, NDArray[Any]]
Seen = dict[int, dict[str | None, NDArray[np.bool_]]]


@dataclass(frozen=True, eq=False)
class _Pieces:
    """How a dim of a dataset is cut so that each piece lies in one chunk of the sum.

    Attributes
    ----------
    sizes : tuple of int
        Lengths of the pieces, in the order of the dataset.
    starts : tuple of int
        Where they begin in the dataset.
    chunks : tuple of int
        Number of the chunk in which each one lies.
    where : tuple of slice or ndarray
        Positions of each one in its chunk.
    """

    sizes: tuple[int, ...]
    starts: tuple[int, ...]
    chunks: tuple[int, ...]
    where: tuple[Any, ...]


def _pieces(size: int, place: tuple[int, Any] | None, chunks: tuple[int, ...]) -> _Pieces:
    positions = np.arange(size) if place is None else np.arange(place[0])[place[1]]
    ends = np.cumsum(chunks)
    number = np.searchsorted(ends, positions, side="right")
    first = np.flatnonzero(np.diff(number, prepend=-1))
    last = np.append(first[1:], size)
    where = []
    for i, j in zip(first, last, strict=True):
        local = positions[i:j] - (ends[number[i]] - chunks[number[i]])
        where.append(slice(int(local[0]), int(local[-1]) + 1) if np.all(np.diff(local) == 1) else local)
    return _Pieces(
        tuple(int(n) for n in last - first),
        tuple(int(i) for i in first),
        tuple(int(number[i]) for i in first),
        tuple(where),
    )


@dataclass(frozen=True, eq=False)
class _Leaf:
    """Parts of a dataset in a chunk of a sum.

    Attributes
    ----------
    number : int
        Of the dataset.
    terms : tuple of Term
        The variables, on one sky grid, that the arrays hold.
    suffix : str or None
        Of that grid; None without dims on the sky.
    shape : tuple of int
        Of the chunk on the sky.
    where : tuple
        Rows and columns of the chunk that the dataset covers.
    origin : tuple of int
        Row and column of the dataset at which its piece begins.
    size : tuple of int
        Of the piece.
    """

    number: int
    terms: tuple[Term, ...]
    suffix: str | None
    shape: tuple[int, ...]
    where: tuple[Any, ...]
    origin: tuple[int, ...]
    size: tuple[int, ...]

    def variables(self, arrays: list[NDArray[Any]]) -> dict[str, xr.Variable]:
        return {term.name: xr.Variable(term.dims, a) for term, a in zip(self.terms, arrays, strict=True)}

    def add(self, variables: dict[str, xr.Variable], mask: xr.Variable | None) -> Sums:
        out = {}
        for term in self.terms:
            variable = variables[term.name]
            if term.dtype == bool:
                out[term.name] = self.placed(variable.data)
                continue
            weight = variables[term.weight] if term.weight else None
            data = masked(variable, mask_for(variable, mask), term.factors[self.number], weight, term.dtype)
            out[term.name] = self.placed(data)
        return out

    def placed(self, data: NDArray[Any]) -> NDArray[Any]:
        if self.size == self.shape and all(isinstance(where, slice) for where in self.where):
            return data
        out = np.zeros((*data.shape[: data.ndim - 2], *self.shape), dtype=data.dtype)
        rows, columns = (np.arange(n)[where] for n, where in zip(self.shape, self.where, strict=True))
        out[..., rows[:, None], columns] = data
        return out


@dataclass(frozen=True, eq=False)
class _MapLeaf(_Leaf):
    """Maps on the grid of the counts, with look-ups of the mask by the suffix of each response's grid."""

    lookups: dict[str | None, Any]
    fill: Term | None

    def __call__(self, arrays: list[NDArray[Any]]) -> tuple[Sums, Seen]:
        variables = self.variables(arrays)
        mask = variables.get("mask_safe")
        sums = self.add(variables, mask)
        if mask is None:
            if self.fill is not None:
                # others have a mask: without one everything is inside
                like = next(v for v in variables.values() if v.dims == self.fill.dims)
                sums["mask_safe"] = self.placed(np.ones(like.shape, dtype=bool))
            return sums, {}
        origin = (self.origin[0], self.origin[1]) if self.origin else (0, 0)
        return sums, {self.number: {key: seen(mask, found, origin) for key, found in self.lookups.items()}}


@dataclass(frozen=True, eq=False)
class _ResponseLeaf(_Leaf):
    """Responses, with what the maps tell of the mask."""

    def __call__(self, arrays: list[NDArray[Any]], masks: list[Seen]) -> tuple[Sums, Seen]:
        found = [part[self.number][self.suffix] for part in masks if self.number in part]
        mask = None
        if found:
            whole = np.logical_or.reduce(found)
            dims = ("energy",) if self.suffix is None else ("energy", *grid_dims(self.suffix))
            if self.suffix is not None:
                rows, columns = (slice(o, o + n) for o, n in zip(self.origin, self.size, strict=True))
                whole = whole[:, rows, columns]
            mask = xr.Variable(dims, whole)
        return self.add(self.variables(arrays), mask), {}


def _add(one: tuple[Sums, Seen], other: tuple[Sums, Seen]) -> tuple[Sums, Seen]:
    sums = dict(one[0])
    for name, part in other[0].items():
        merge = np.logical_or if part.dtype == bool else np.add
        sums[name] = merge(sums[name], part) if name in sums else part
    return sums, {**one[1], **other[1]}


@dataclass(frozen=True, eq=False)
class _Finish:
    """Averages of a complete sum; zeros where no dataset lies."""

    terms: tuple[Term, ...]
    shapes: tuple[tuple[int, ...], ...]

    def __call__(self, total: tuple[Sums, Seen] | None) -> Sums:
        sums = total[0] if total else {}
        full = {
            term.name: xr.Variable(term.dims, sums.get(term.name, np.zeros(shape, dtype=term.dtype)))
            for term, shape in zip(self.terms, self.shapes, strict=True)
        }
        return {name: variable.data for name, variable in averages(full).items()}


def lazy_sums(
    datasets: Sequence[xr.Dataset], terms: list[Term], places: list[Embedding], grids: dict[str, SkyGrid]
) -> dict[str, xr.Variable]:
    """Add datasets of which some are lazy.

    Parameters
    ----------
    datasets : sequence of Dataset
        With the same bins.
    terms : list of Term
        What is to be added.
    places : list of Embedding
        Where each dataset lies in the grids of the sum.
    grids : dict of str to SkyGrid
        Grids of the sum.

    Returns
    -------
    dict of str to Variable
        Lazy, but for those without dims, and chunked on the sky only. Responses are averages.
    """
    from dask.base import tokenize

    read = [ds.variables[term.name].data for ds in datasets for term in terms if term.name in ds.data_vars]
    name = f"stack-{tokenize(read, [place.positions for place in places], [grid.keywords for grid in grids.values()])}"
    out: dict[str, Any] = {}
    groups: dict[str | None, list[Term]] = {}
    for term in terms:
        if term.dims:
            groups.setdefault(_group(term, flat="" not in grids), []).append(term)
        else:
            parts = [datasets[i].variables[term.name].data * factor for i, factor in term.factors.items()]
            out[term.name] = xr.Variable((), sum(parts), term.attrs)
    builder = _Builder(name, datasets, places, grids, [key for key in groups if key != ""])
    for key in sorted(groups, key=lambda key: key != ""):
        out.update(builder.sums(key, tuple(groups[key])))
    graph = builder.graph()
    return {key: value if isinstance(value, xr.Variable) else value.variable(graph) for key, value in out.items()}


def _group(term: Term, flat: bool) -> str | None:
    """Key of the grid of a variable, an empty string for maps and for what stands for them in spectra."""
    suffix = sky_suffix(term.dims)
    maps = flat and suffix is None and VARIABLES[term.name].grid in ("", "exposure")
    return "" if maps else suffix


@dataclass(frozen=True, eq=False)
class _Result:
    """A variable of the sum, whose chunks are items of the results of tasks."""

    term: Term
    layer: str
    key: str
    chunks: tuple[tuple[int, ...], ...]
    rest: tuple[int, ...]

    def variable(self, graph: Any) -> xr.Variable:
        import dask.array as da
        from dask.highlevelgraph import HighLevelGraph

        name = f"{self.layer}-{self.term.name}"
        zeros = (0,) * len(self.rest)
        blocks = np.ndindex(*(len(sizes) for sizes in self.chunks))
        item = operator.itemgetter(self.term.name)
        tasks: Any = {(name, *zeros, *block): (item, (self.layer, self.key, "all", *block)) for block in blocks}
        whole = HighLevelGraph({**graph.layers, name: tasks}, {**graph.dependencies, name: {self.layer}})
        chunks = (*((size,) for size in self.rest), *self.chunks)
        return xr.Variable(self.term.dims, da.Array(whole, name, chunks, dtype=self.term.dtype), self.term.attrs)


class _Builder:
    """Collects the tasks of a sum."""

    def __init__(
        self,
        name: str,
        datasets: Sequence[xr.Dataset],
        places: Sequence[Embedding],
        grids: dict[str, SkyGrid],
        responses: Sequence[str | None],
    ) -> None:
        self._name = name
        self._datasets = datasets
        self._places = places
        self._grids = grids
        self._responses = responses
        self._tasks: dict[Any, Any] = {}
        self._inputs: list[Any] = []
        self._masks: dict[int, list[Any]] = {i: [] for i in range(len(datasets))}

    def graph(self) -> Any:
        """Return the tasks, with those of the arrays that they read."""
        from dask.highlevelgraph import HighLevelGraph

        return HighLevelGraph.from_collections(self._name, self._tasks, dependencies=self._inputs)

    def _put(self, *key: Any, task: tuple[Any, ...]) -> Any:
        full = (self._name, *key)
        self._tasks[full] = task
        return full

    def sums(self, key: str | None, terms: tuple[Term, ...]) -> dict[str, _Result]:
        """Add the variables on one grid; the maps first, as responses need their masks."""
        dims = grid_dims(key) if key in self._grids else ()
        chunks = self._chunks(terms, dims)
        leaves: dict[tuple[int, ...], list[Any]] = {}
        users: dict[tuple[int, ...], list[int]] = {}
        for i in range(len(self._datasets)):
            for block, leaf in self._leaves(i, key, terms, dims, chunks):
                leaves.setdefault(block, []).append(leaf)
                users.setdefault(block, []).append(i)
        sizes = self._datasets[0].sizes
        rest = {term.name: tuple(sizes[dim] for dim in term.dims if dim not in dims) for term in terms}
        for block in np.ndindex(*(len(part) for part in chunks)):
            root = self._tree(str(key), block, leaves.get(block, []))
            if key == "" and root is not None:
                masks = self._put("masks", *block, task=(operator.itemgetter(1), root))
                for i in users[block]:
                    self._masks[i].append(masks)
            shape = tuple(part[j] for part, j in zip(chunks, block, strict=True))
            shapes = tuple((*rest[term.name], *shape) for term in terms)
            self._put(str(key), "all", *block, task=(_Finish(terms, shapes), root))
        return {term.name: _Result(term, self._name, str(key), chunks, rest[term.name]) for term in terms}

    def _tree(self, key: str, block: tuple[int, ...], level: list[Any]) -> Any:
        depth = 0
        while len(level) > 1:
            pairs = [level[j : j + 2] for j in range(0, len(level) - 1, 2)]
            sums = [self._put(key, "sum", depth, j, *block, task=(_add, *pair)) for j, pair in enumerate(pairs)]
            level, depth = sums + level[2 * len(sums) :], depth + 1
        return level[0] if level else None

    def _chunks(self, terms: tuple[Term, ...], dims: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """Chunks of the sum: those of the first dataset if all lie on one grid, else of the largest size there is."""
        out = []
        for dim in dims:
            found = [
                v.chunksizes.get(dim, (v.sizes[dim],))
                for ds in self._datasets
                for v in (ds.variables[term.name] for term in terms if term.name in ds.data_vars)
            ]
            size = next((place.positions[dim][0] for place in self._places if dim in place.positions), None)
            if size is None:
                lazy = [sizes for sizes in found if len(sizes) > 1]
                out.append(tuple((lazy or found)[0]))
            else:
                step = max(max(sizes, default=1) for sizes in found)
                out.append(tuple(min(step, size - start) for start in range(0, size, step)))
        return tuple(out)

    def _leaves(
        self, i: int, key: str | None, terms: tuple[Term, ...], dims: Sequence[str], chunks: Sequence[tuple[int, ...]]
    ) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Make the tasks that read a dataset, each with the number of its chunk of the sum."""
        ds, place = self._datasets[i], self._places[i]
        own = tuple(term for term in terms if term.name in ds.data_vars)
        cuts = [
            _pieces(ds.sizes[dim], place.positions.get(dim), sizes) for dim, sizes in zip(dims, chunks, strict=True)
        ]
        arrays = [self._array(ds.variables[term.name].transpose(*term.dims), cuts) for term in own]
        extra: dict[str, Any] = {}
        if key == "":
            extra["fill"] = next((t for t in terms if t.name == "mask_safe" and t not in own), None)
            with_mask = "mask_safe" in ds.data_vars
            extra["lookups"] = {
                s: lookup(SkyGrid.from_dataset(ds), SkyGrid.from_dataset(ds, s)) if s else None
                for s in self._responses
                if with_mask
            }
        for index in np.ndindex(*(len(cut.sizes) for cut in cuts)):
            at = list(zip(cuts, index, strict=True))
            block = tuple(cut.chunks[j] for cut, j in at)
            common = (
                i,
                own,
                key if key in self._grids else None,
                tuple(sizes[b] for sizes, b in zip(chunks, block, strict=True)),
                tuple(cut.where[j] for cut, j in at),
                tuple(cut.starts[j] for cut, j in at),
                tuple(cut.sizes[j] for cut, j in at),
            )
            keys = [(array.name, *(0,) * (array.ndim - len(index)), *index) for array in arrays]
            if key == "":
                task: tuple[Any, ...] = (_MapLeaf(*common, **extra), keys)
            else:
                task = (_ResponseLeaf(*common), keys, self._masks[i])
            yield block, self._put(str(key), "leaf", i, *block, task=task)

    def _array(self, variable: xr.Variable, cuts: list[_Pieces]) -> Any:
        import dask.array as da

        lead = variable.ndim - len(cuts)
        chunks = {axis: -1 for axis in range(lead)} | {lead + j: cut.sizes for j, cut in enumerate(cuts)}
        data = variable.data
        array = data.rechunk(chunks) if hasattr(data, "dask") else da.from_array(data, chunks=chunks)
        self._inputs.append(array)
        return array
