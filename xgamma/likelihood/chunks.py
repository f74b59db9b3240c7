"""Lazy maps: each chunk of the sky is a term of its own, which stays on the worker that compiled it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import FixedGrid, SkyGrid
from xgamma.likelihood.expansion import Expansion, total
from xgamma.likelihood.overflow import silent
from xgamma.likelihood.term import term_of
from xgamma.models import Models, SkyModel
from xgamma.predict import models_for
from xgamma.predict.component import components_of, psf_reach
from xgamma.predict.window import pixel_steps

__all__ = ["ChunkedTerm", "chunked_term", "is_chunked", "term_tasks"]

Array = NDArray[np.float64]

_RESPONSES = ("exposure", "psf", "edisp")
_SPARE = 1.5, 8
"""Factor on the reach of the PSF, and pixels, by which the exposure of a chunk goes beyond it."""


@dataclass(frozen=True)
class ChunkedTerm:
    """Sum of the terms of the chunks of a map.

    Attributes
    ----------
    name : str
        Name of the dataset.
    shape : tuple of int
        Of the map.
    blocks : tuple of dict
        Where the labels of each chunk lie among the ascending ones of the map.
    states : tuple
        The terms; or futures of them, where a cluster holds them. A worker that is lost makes the cluster compile the
        chunks that it held once more.
    """

    name: str
    shape: tuple[int, int, int]
    blocks: tuple[tuple[slice, slice], ...]
    states: tuple[Any, ...]

    def _each(self, method: str, x: Array, *more: Any) -> list[Any]:
        """Call a method of each term: the vector goes out, and results come back."""
        client = getattr(self.states[0], "client", None)
        if client is None:
            return [_call(state, method, x, *more) for state in self.states]
        # Calls are not pure for the scheduler, which else would have to hash each vector.
        return list(client.gather([client.submit(_call, state, method, x, *more, pure=False) for state in self.states]))

    def __call__(self, x: Array) -> float:
        """Statistic for a parameter vector."""
        return float(sum(self._each("__call__", x)))

    def gradient(self, x: Array) -> Array:
        """Return the derivatives of the statistic."""
        return np.sum(self._each("gradient", x), axis=0)

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return the statistic and its derivatives."""
        values, gradients = zip(*self._each("value_and_gradient", x), strict=True)
        return float(sum(values)), np.sum(gradients, axis=0)

    def many(self, x: Array) -> Array:
        """Statistic (point,) for parameter vectors (point, parameter)."""
        return np.sum(self._each("many", x), axis=0)

    def expand(self, x: Array, free: NDArray[np.bool_] | None = None) -> Expansion:
        """Return the statistic with first and second derivatives, see `xgamma.likelihood.Likelihood.expand`."""
        return total(self._each("expand", x, free), x.size)

    @property
    def n_bins(self) -> int:
        """Number of bins inside the masks."""
        return int(sum(self._each("n_bins", np.zeros(0))))

    def npred(self, x: Array) -> Array:
        """Predicted counts of every bin, (energy, y, x) with ascending labels."""
        out = np.empty(self.shape)
        for (rows, columns), part in zip(self.blocks, self._each("npred", x), strict=True):
            out[:, rows, columns] = part
        return out

    def __getstate__(self) -> dict[str, Any]:
        """Fetch what a cluster holds: a copy may be opened without it."""
        client = getattr(self.states[0], "client", None)
        return self.__dict__ | ({} if client is None else {"states": tuple(client.gather(list(self.states)))})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


@silent
def _call(state: Any, method: str, x: Array, *more: Any) -> Any:
    return state.n_bins if method == "n_bins" else getattr(state, method)(x, *more)


def is_chunked(ds: xr.Dataset) -> bool:
    """Whether a dataset is a lazy map."""
    variables = ds.variables
    if "counts" not in variables or not {"y", "x"} <= set(variables["counts"].dims):
        return False
    return any(variables[name].chunks is not None for name in ("counts", "background", "exposure") if name in variables)


def chunked_term(ds: xr.Dataset, models: Models) -> ChunkedTerm:
    """Compile a lazy map chunk by chunk.

    Parameters
    ----------
    ds : Dataset
        The map.
    models : Models
        All models of the likelihood.

    Returns
    -------
    ChunkedTerm
        Compiled on the cluster of the current client if there is one, otherwise by dask's scheduler into memory.
    """
    client = _client()
    tasks = term_tasks(ds, models, tables=client is None)
    # Without a cluster each task is computed as it is made: all of them at once take more memory than a chunk.
    pairs = ((task.compute() if client is None else task, where) for task, where in tasks)
    states, blocks = zip(*pairs, strict=True)
    states = states if client is None else tuple(_on_workers(client, list(states)))
    shape = ds.sizes["energy"], ds.sizes["y"], ds.sizes["x"]
    return ChunkedTerm(str(ds.attrs.get("name", "")), shape, blocks, states)


def term_tasks(ds: xr.Dataset, models: Models, tables: bool = False) -> Iterator[tuple[Any, tuple[slice, slice]]]:
    """Prepare to compile a lazy map.

    Parameters
    ----------
    ds : Dataset
        The map.
    models : Models
        All models of the likelihood.
    tables : bool
        Whether to compute the PSF and the energy dispersion now, and not with each task.

    Yields
    ------
    (Delayed, tuple of slice)
        The term of each chunk, and where its labels lie among the ascending ones of the map.
    """
    import dask

    labels = {dim: ds[dim].values for dim in ("y", "x")}
    whole = FixedGrid(SkyGrid.from_dataset(ds).keywords, *(np.sort(labels[dim]) for dim in ("y", "x")))
    keep = [name for name in ds.data_vars if name not in _RESPONSES and {"y", "x"} & set(ds[name].dims)]
    keep += [name for name in ("mask_safe", "mask_fit") if name in ds and name not in keep]
    reach = _margin(ds, models, whole)
    compile_chunk = dask.delayed(_compiled, pure=False)
    table = ds[[name for name in _RESPONSES if name in ds]]
    if tables:
        table = table.assign(table[[name for name in ("psf", "edisp") if name in table]].compute())
    for part in _parts(ds):
        chunk = {dim: labels[dim][where] for dim, where in part.items()}
        near = {
            dim: _between(labels[dim], chunk[dim].min() - margin, chunk[dim].max() + margin)
            for dim, margin in zip(("y", "x"), reach, strict=True)
        }
        responses = table.isel(near, missing_dims="ignore")
        task = compile_chunk(_plain(ds[keep].isel(part)), _plain(responses), models, whole)
        ends = (np.searchsorted(getattr(whole, d), [chunk[d].min(), chunk[d].max()]) for d in ("y", "x"))
        rows, columns = (slice(int(first), int(last) + 1) for first, last in ends)
        yield task, (rows, columns)


def _plain(ds: xr.Dataset) -> xr.Dataset:
    """Leave out coordinates that are computed when they are needed."""
    return ds.drop_vars([name for name in ("lon", "lat") if name in ds.coords and ds[name].ndim == 2])


def _compiled(ds: xr.Dataset, responses: xr.Dataset, models: Models, whole: SkyGrid) -> Any:
    return term_of(ds, models, responses, whole)


def _parts(ds: xr.Dataset) -> list[dict[str, slice]]:
    """Chunks of the sky."""
    template = next(ds[name] for name in ("counts", "background", "exposure") if ds[name].chunks is not None)
    chunks = dict(zip(template.dims, template.chunks or (), strict=True))
    ends = [np.cumsum([0, *chunks.get(dim, (ds.sizes[dim],))]) for dim in ("y", "x")]
    return [
        {"y": slice(int(y_0), int(y_1)), "x": slice(int(x_0), int(x_1))}
        for y_0, y_1 in itertools.pairwise(ends[0])
        for x_0, x_1 in itertools.pairwise(ends[1])
    ]


def _margin(ds: xr.Dataset, models: Models, whole: SkyGrid) -> tuple[int, int]:
    """Pixels along y and x by which the exposure that a chunk needs goes beyond it."""
    sources = [model for model in models_for(ds, models) if isinstance(model, SkyModel) and model.spatial_model]
    places = [(float(np.median(whole.y)), float(np.median(whole.x)))]
    if "exposure" in ds:
        places += [(c.y, c.x) for c in components_of(ds, whole, sources)]
    steps = np.min([pixel_steps(whole, y, x) for y, x in places], axis=0)
    factor, spare = _SPARE
    half_y, half_x = (int(np.ceil(factor * psf_reach(ds) / step)) + spare for step in steps)
    return half_y, half_x


def _between(labels: NDArray[np.int64], low: int, high: int) -> slice:
    found = np.flatnonzero((labels >= low) & (labels <= high))
    return slice(int(found[0]), int(found[-1]) + 1)


def _on_workers(client: Any, tasks: list[Any]) -> list[Any]:
    """Compile on the workers of a cluster, which keep the results."""
    from distributed import wait

    futures = client.compute(tasks)
    wait(futures)
    for future in futures:
        if future.status == "error":
            future.result()
    return list(futures)


def _client() -> Any:
    """Client of the cluster that dask computes on, or None."""
    if "distributed" not in sys.modules:
        return None
    from dask.base import get_scheduler
    from distributed import Client

    owner = getattr(get_scheduler(), "__self__", None)
    return owner if isinstance(owner, Client) else None
