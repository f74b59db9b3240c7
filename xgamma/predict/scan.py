"""Predicted counts of source models for many values of their parameters, a lazy block for each few of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import FixedGrid, SkyGrid
from xgamma.models import SkyModel
from xgamma.predict.component import components_of
from xgamma.predict.maps import is_lazy, template_of
from xgamma.predict.region import region_response
from xgamma.predict.response import Exposure, Payload, Response, Responses
from xgamma.predict.tile import counts_on
from xgamma.predict.window import Window

__all__ = ["Varied", "block_edges", "signal_scan"]

Array = NDArray[np.float64]

_NUMBERS = 2_000_000
"""About how many predicted counts make a block."""


@dataclass(frozen=True)
class Varied:
    """A source at the points of a scan.

    Attributes
    ----------
    models : list of SkyModel
        The source at each of its places, of which the spectrum does not matter.
    place : ndarray of int, shape (point,)
        Which of them it is at each point.
    fluxes : ndarray, shape (k, energy_true), or None
        Fluxes of which its spectra are made; None for one in each true energy.
    weights : ndarray, shape (point, k)
        How much of each.
    """

    models: list[SkyModel]
    place: NDArray[np.intp]
    fluxes: Array | None
    weights: Array


def block_edges(shape: tuple[int, ...], bins: int) -> tuple[tuple[int, ...], ...]:
    """Sizes of blocks of points along each dim of a scan: one point, or as many along the last dim as are small."""
    if not shape:
        return ()
    step = int(np.clip(_NUMBERS // max(bins, 1), 1, shape[-1]))
    whole, rest = divmod(shape[-1], step)
    return (*((1,) * n for n in shape[:-1]), (step,) * whole + ((rest,) if rest else ()))


def signal_scan(ds: xr.Dataset, sources: list[Varied], shape: tuple[int, ...]) -> Any:
    """Predicted counts of sources at the points of a scan.

    Parameters
    ----------
    ds : Dataset
        With ``exposure``; ``psf`` and ``edisp`` where they apply.
    sources : list of Varied
        At least one.
    shape : tuple of int
        Sizes of the dims of the scan; points are in the order of C.

    Returns
    -------
    dask array, shape (*shape, energy, y, x), or (*shape, energy) without dims on the sky
        Each block takes the counts of sources at a place from the same task, so that points where only spectra differ
        are sums.
    """
    return _on_map(ds, sources, shape) if {"y", "x"} <= set(ds.dims) else _in_region(ds, sources, shape)


def _in_region(ds: xr.Dataset, sources: list[Varied], shape: tuple[int, ...]) -> Any:
    import dask

    response, combine = dask.delayed(_region_table, pure=False), dask.delayed(_add_up, pure=False)
    tables = [[response(ds, model, source.fluxes) for model in source.models] for source in sources]

    def block(points: slice, n: int) -> tuple[Any, tuple[int, ...]]:
        return combine((ds.sizes["energy"],), _chosen(sources, tables, points)), (n, ds.sizes["energy"])

    return _assemble(shape, (ds.sizes["energy"],), block)


def _region_table(ds: xr.Dataset, model: SkyModel, fluxes: Array | None) -> list[tuple[Any, Array, None]]:
    response = region_response(ds, model)
    return [(np.s_[:], response if fluxes is None else fluxes @ response, None)]


def _on_map(ds: xr.Dataset, sources: list[Varied], shape: tuple[int, ...]) -> Any:
    import dask
    import dask.array as da

    template = template_of(ds)
    order = {dim: np.argsort(template[dim].values, kind="stable") for dim in ("y", "x")}
    y, x = (template[dim].values[order[dim]] for dim in ("y", "x"))
    grid = FixedGrid(SkyGrid.from_dataset(ds).keywords, y, x)
    shared = Responses(ds, grid)
    lazy = is_lazy(ds, "counts", "background", "exposure", "psf", "edisp")
    chunks = template.chunks if lazy and template.chunks else tuple((n,) for n in template.shape)
    sizes = dict(zip(template.dims, chunks, strict=True))
    images, combine = dask.delayed(_images, pure=False), dask.delayed(_add_up, pure=False)
    components = [[components_of(ds, grid, [model]) for model in source.models] for source in sources]
    payloads = [[[Payload(shared, one) for one in each] for each in places] for places in components]
    nenergy, rows = ds.sizes["energy"], []
    for part_y in np.split(y, np.cumsum(sizes["y"])[:-1]):
        row = []
        for part_x in np.split(x, np.cumsum(sizes["x"])[:-1]):
            chunk = Window.of(part_y, part_x)
            tables = []
            for source, places in zip(sources, payloads, strict=True):
                table = []
                for each in places:
                    items = [
                        (p.component, *p.on(p.component.target & chunk)) for p in each if p.component.target & chunk
                    ]
                    table.append(images(grid, part_y, part_x, source.fluxes, items) if items else [])
                tables.append(table)
            bins = (nenergy, part_y.size, part_x.size)

            def block(points: slice, n: int, bins: Any = bins, tables: Any = tables) -> tuple[Any, tuple[int, ...]]:
                return combine(bins, _chosen(sources, tables, points)), (n, *bins)

            row.append(_assemble(shape, bins, block, nenergy * y.size * x.size))
        rows.append(row)
    out = da.block(rows)
    for axis, dim in ((-2, "y"), (-1, "x")):
        back = np.argsort(order[dim])
        out = out if (np.diff(back) == 1).all() else da.take(out, back, axis=axis)
    return out


def _assemble(shape: tuple[int, ...], bins: tuple[int, ...], block: Any, size: int = 0) -> Any:
    """Join blocks of points, given what makes one for a slice of the points and their number."""
    import dask.array as da

    edges = block_edges(shape, size or int(np.prod(bins)))
    parts = np.empty([len(part) for part in edges], dtype=object)
    start = 0
    for index in np.ndindex(*parts.shape):
        lengths = [part[i] for part, i in zip(edges, index, strict=True)]
        n = int(np.prod(lengths, dtype=np.intp))
        task, whole = block(slice(start, start + n), n)
        parts[index] = da.from_delayed(task, whole, dtype=np.float64).reshape((*lengths, *bins))
        start += n
    if not shape:
        return parts[()]
    # da.block joins the last dims of nested lists, which here come first.
    return _joined(parts, 0)


def _joined(parts: NDArray[Any], axis: int) -> Any:
    import dask.array as da

    return da.concatenate([part if parts.ndim == 1 else _joined(part, axis + 1) for part in parts], axis=axis)


def _chosen(sources: list[Varied], tables: list[list[Any]], points: slice) -> list[tuple[Any, ...]]:
    """Collect what a block needs of each source: tables at its places there, which of them, and weights."""
    out = []
    for source, table in zip(sources, tables, strict=True):
        places, which = np.unique(source.place[points], return_inverse=True)
        out.append(([table[i] for i in places], which.ravel(), source.weights[points]))
    return out


def _images(
    grid: SkyGrid, y: NDArray[np.int64], x: NDArray[np.int64], fluxes: Array | None, items: list[tuple[Any, ...]]
) -> list[tuple[Any, Array, Array | None]]:
    """Return counts (k, energy, y, x), or (energy_true, y, x) with a dispersion still to apply, on parts of a map."""
    out: list[tuple[Any, Array, Array | None]] = []
    for component, window, (values, scale, *place), response, energy_true in items:
        exposure = Exposure(np.asarray(values, dtype=np.float64) * scale, *place)
        edisp, here = np.asarray(response[0]), Response(*response)
        separate = fluxes is None and not here.reconstructed
        unit = np.eye(len(edisp)) if fluxes is None else fluxes
        matrix = unit if separate else (unit.T[:, :, None] * edisp[:, None]).reshape(len(edisp), -1)
        images = counts_on(window, grid, component, exposure, here, energy_true, matrix)
        rows = np.flatnonzero((y >= window.y_0) & (y < window.y_1))
        columns = np.flatnonzero((x >= window.x_0) & (x < window.x_1))
        if not (rows.size and columns.size):
            continue
        images = images[:, y[rows] - window.y_0][:, :, x[columns] - window.x_0]
        part = np.s_[..., rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        shape = images.shape[1:]
        out.append((part, images if separate else images.reshape(len(unit), -1, *shape), edisp if separate else None))
    return out


def _add_up(bins: tuple[int, ...], sources: list[tuple[Any, ...]]) -> Array:
    """Sum weighted tables to counts (point, energy, ...)."""
    out = np.zeros((len(sources[0][1]), *bins))
    for tables, which, weights in sources:
        for place, table in enumerate(tables):
            chosen = np.flatnonzero(which == place)
            for part, counts in _weighted(table, weights[chosen]):
                target = out[chosen]
                target[part] += counts
                out[chosen] = target
    return out


def _weighted(table: list[tuple[Any, Array, Array | None]], weights: Array) -> Iterator[tuple[Any, Array]]:
    for part, images, edisp in table:
        # p: point, t: true energy, e: reconstructed energy
        mixing = weights if edisp is None else np.einsum("pt,te->pet", weights, edisp)
        yield part, np.tensordot(mixing, images, axes=1)
