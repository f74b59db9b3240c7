"""Predicted counts of source models on a map, in memory or chunk by chunk on the sky."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import FixedGrid, SkyGrid
from xgamma.kernels.products import Combined
from xgamma.predict.component import Component, components_of
from xgamma.predict.response import Exposure, Payload, Response, Responses
from xgamma.predict.tile import counts_on, npred_on
from xgamma.predict.window import Window

if TYPE_CHECKING:
    from xgamma.models import SkyModel

__all__ = ["is_lazy", "map_npred", "map_response", "template_of"]

Array = NDArray[np.float64]

_AHEAD = 2**25
"""Bytes of images that wait for the array to which they are added."""


def is_lazy(ds: xr.Dataset, *names: str) -> bool:
    """Whether one of the variables is backed by dask."""
    return any(name in ds and ds[name].chunks is not None for name in names)


def map_npred(
    ds: xr.Dataset,
    models: list[SkyModel],
    onto: xr.Variable | None = None,
    ready: Callable[[], None] | None = None,
) -> xr.Variable:
    """Predicted counts of source models on a map, without background.

    Parameters
    ----------
    ds : Dataset
        With ``exposure`` on a sky grid and an ``energy`` axis; ``psf`` and ``edisp`` where they apply.
    models : list of SkyModel
        Models that apply to the dataset.
    onto : Variable, dims (energy, y, x) in any order, optional
        Counts in float64 to which those of the models are added, in place where all is in memory.
    ready : callable, optional
        To call before `onto` is read or changed: until it returns, another thread may be at work there.

    Returns
    -------
    Variable, dims (energy, y, x), or those of `onto`
        Summed over the models; lazy, with the chunks of the counts on the sky, where the dataset is.
    """
    template = template_of(ds)
    if 0 in template.shape:
        dims = ("energy", "y", "x")
        return xr.Variable(dims, np.zeros([ds.sizes[dim] for dim in dims])) if onto is None else onto
    order = {dim: np.argsort(template[dim].values, kind="stable") for dim in ("y", "x")}
    y, x = (template[dim].values[order[dim]] for dim in ("y", "x"))
    grid = FixedGrid(SkyGrid.from_dataset(ds).keywords, y, x)
    components, shared = components_of(ds, grid, models), Responses(ds, grid)
    dims, positions = ("energy", "y", "x"), [np.argsort(order[dim]) for dim in ("y", "x")]
    in_order = all((np.diff(where) == 1).all() for where in positions)
    in_memory = onto is None or onto.chunks is None
    if in_memory and not is_lazy(ds, "counts", "background", "exposure", "psf", "edisp"):
        shape = ds.sizes["energy"], y.size, x.size
        out = xr.Variable(dims, np.zeros(shape)) if onto is None else onto
        whole = out.transpose(*dims).data
        signal = whole if in_order else np.zeros(shape)
        _add(grid, y, x, signal, _items(components, shared, Window.of(y, x)), ready if in_order else None)
        if not in_order:
            if ready is not None:
                ready()
            whole += signal[:, positions[0]][:, :, positions[1]]
        return out
    data = _lazy(ds, template, grid, components, [Payload(shared, component) for component in components])
    if not in_order:
        data = data[:, positions[0]][:, :, positions[1]]
    signal = xr.Variable(dims, data)
    return signal if onto is None else onto + signal.transpose(*onto.dims)


def map_response(ds: xr.Dataset, model: SkyModel, weights: Array) -> Array:
    """Weighted sum over the pixels of the counts for a flux of 1 in each true-energy bin.

    Parameters
    ----------
    ds : Dataset
        As for `map_npred`, with ascending labels; a lazy one is computed.
    model : SkyModel
        The source model, of which the spectrum does not matter.
    weights : ndarray, shape (y, x)
        Weight of each pixel.

    Returns
    -------
    ndarray, shape (energy_true, energy)
        What turns the flux of the model into counts.
    """
    template = template_of(ds)
    grid = SkyGrid.from_dataset(ds)
    y, x = (template[dim].values for dim in ("y", "x"))
    total = np.zeros((ds.sizes["energy_true"], ds.sizes["energy"]))
    shared = Responses(ds, grid)
    for component in components_of(ds, grid, [model]):
        payload = Payload(shared, component)
        window, (values, scale, *place), response, energy_true = payload.on(component.target & Window.of(y, x))
        exposure = Exposure(np.asarray(values, dtype=np.float64) * scale, *place)
        edisp, unit = np.asarray(response[0]), np.eye(len(total))
        # With a PSF in reconstructed energy the dispersion comes before it, otherwise after it.
        matrix = (unit[:, :, None] * edisp[:, None]).reshape(len(total), -1) if payload.reconstructed else unit
        images = counts_on(window, grid, component, exposure, Response(*response), energy_true, matrix)
        part = weights[np.ix_((y >= window.y_0) & (y < window.y_1), (x >= window.x_0) & (x < window.x_1))]
        sums = (images * part).sum(axis=(1, 2))
        total += sums.reshape(total.shape) if payload.reconstructed else sums[:, None] * edisp
    return total


def template_of(ds: xr.Dataset) -> xr.DataArray:
    """Return a variable whose sky dims and chunks the prediction takes."""
    for name in ("counts", "background", "mask_safe", "exposure"):
        if name in ds and {"y", "x"} <= set(ds[name].dims):
            return ds[name]
    raise ValueError("The dataset has no variable with dims 'y' and 'x' on which counts could be predicted.")


def _items(components: list[Component], shared: Responses, window: Window) -> Iterator[tuple[Any, ...]]:
    """Yield what predictions of components on a window need, each when its turn comes."""
    for component in components:
        yield component, *Payload(shared, component).on(component.target & window)


def _evaluate(
    grid: SkyGrid, y: NDArray[np.int64], x: NDArray[np.int64], nenergy: int, items: list[tuple[Any, ...]]
) -> Array:
    """Sum components on the pixels with ascending labels y and x."""
    out = np.zeros((nenergy, y.size, x.size))
    _add(grid, y, x, out, items)
    return out


def _add(
    grid: SkyGrid,
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    out: Array,
    items: Iterable[tuple[Any, ...]],
    ready: Callable[[], None] | None = None,
) -> None:
    """Add components to an array, on the pixels with ascending labels y and x; see `map_npred` for `ready`."""
    made: list[tuple[Array, Combined]] = []
    size = 0

    def put() -> None:
        nonlocal size
        if ready is not None:
            ready()
        for place, counts in made:
            counts.add_to(place)
        made.clear()
        size = 0

    for component, window, (values, scale, *place), response, energy_true in items:
        exposure = Exposure(np.multiply(values, scale, dtype=np.float64), *place)
        counts = npred_on(window, grid, component, exposure, Response(*response), energy_true)
        rows = np.flatnonzero((y >= window.y_0) & (y < window.y_1))
        columns = np.flatnonzero((x >= window.x_0) & (x < window.x_1))
        if rows.size and columns.size:
            if (rows.size, columns.size) != window.shape:
                images = counts.images[:, y[rows] - window.y_0][:, :, x[columns] - window.x_0]
                counts = replace(counts, images=images)
            made.append((out[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], counts))
            size += counts.images.nbytes
        if ready is None or size > _AHEAD:
            put()
    put()


def _lazy(
    ds: xr.Dataset, template: xr.DataArray, grid: SkyGrid, components: list[Component], payloads: list[Payload]
) -> Any:
    """Build a dask array with one task for each chunk of the sky."""
    import dask
    import dask.array as da

    evaluate = dask.delayed(_evaluate, pure=False)
    sizes = dict(zip(template.dims, template.chunks or [(n,) for n in template.shape], strict=True))
    nenergy = ds.sizes["energy"]
    rows = []
    for y in np.split(grid.y, np.cumsum(sizes["y"])[:-1]):
        row = []
        for x in np.split(grid.x, np.cumsum(sizes["x"])[:-1]):
            chunk = Window.of(y, x)
            items = [
                (component, *payload.on(component.target & chunk))
                for component, payload in zip(components, payloads, strict=True)
                if component.target & chunk
            ]
            shape = (nenergy, y.size, x.size)
            if items:
                row.append(da.from_delayed(evaluate(grid, y, x, nenergy, items), shape, dtype=np.float64))
            else:
                row.append(da.zeros(shape, dtype=np.float64))
        rows.append(row)
    return da.block(rows)
