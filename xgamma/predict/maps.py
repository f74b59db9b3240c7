"""Predicted counts of source models on a map, in memory or chunk by chunk on the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import Axis, SkyGrid
from xgamma.irf import edisp as edisp_lookup
from xgamma.irf import psf as psf_lookup
from xgamma.irf.lookup import sky_dims
from xgamma.predict.component import Component, components_of
from xgamma.predict.tile import Exposure, Response, npred_on, rotate_frames
from xgamma.predict.window import Window, pixel_steps
from xgamma.schema import suffix_of

if TYPE_CHECKING:
    from xgamma.models import SkyModel

__all__ = ["is_lazy", "map_npred"]

Array = NDArray[np.float64]


def is_lazy(ds: xr.Dataset, *names: str) -> bool:
    """Whether one of the variables is backed by dask."""
    return any(name in ds and ds[name].chunks is not None for name in names)


def map_npred(ds: xr.Dataset, models: list[SkyModel]) -> xr.DataArray:
    """Predicted counts of source models on a map, without background.

    Parameters
    ----------
    ds : Dataset
        With ``exposure`` on a sky grid and an ``energy`` axis; ``psf`` and ``edisp`` where they apply.
    models : list of SkyModel
        Models that apply to the dataset.

    Returns
    -------
    DataArray, dims (energy, y, x)
        Summed over the models; lazy, with the chunks of the counts on the sky, where the dataset is.
    """
    template = _template(ds)
    order = {dim: np.argsort(template[dim].values, kind="stable") for dim in ("y", "x")}
    y, x = (template[dim].values[order[dim]] for dim in ("y", "x"))
    grid = SkyGrid.from_keywords(SkyGrid.from_dataset(ds).keywords, y, x)
    components = components_of(ds, grid, models)
    payloads = [_Payload(ds, grid, component) for component in components]
    if is_lazy(ds, "counts", "background", "exposure", "psf", "edisp"):
        data = _lazy(ds, template, grid, components, payloads)
    else:
        data = _evaluate(
            grid,
            y,
            x,
            ds.sizes["energy"],
            [(c, *p.on(c.target & Window.of(y, x))) for c, p in zip(components, payloads, strict=True)],
        )
    for axis, dim in ((1, "y"), (2, "x")):
        if not np.array_equal(order[dim], np.arange(order[dim].size)):
            data = data[(slice(None),) * axis + (np.argsort(order[dim]),)]
    return xr.DataArray(data, dims=("energy", "y", "x"))


def _template(ds: xr.Dataset) -> xr.DataArray:
    """Return a variable whose sky dims and chunks the prediction takes."""
    for name in ("counts", "background", "mask_safe", "exposure"):
        if name in ds and {"y", "x"} <= set(ds[name].dims):
            return ds[name]
    raise ValueError("The dataset has no variable with dims 'y' and 'x' on which counts could be predicted.")


class _Payload:
    """Arrays that a component needs, numpy or dask."""

    def __init__(self, ds: xr.Dataset, grid: SkyGrid, component: Component) -> None:
        self.grid = grid
        self.component = component
        exposure = ds["exposure"]
        axis = Axis.from_dataset(exposure, "energy_true")
        self.energy_true = axis.to("TeV").center
        dims = sky_dims(exposure)
        self.dims = dims
        self.variable = exposure.variable.transpose("energy_true", *(dims or ()))
        self.scale = u.Unit(exposure.attrs.get("units", "")).to("cm2 s")
        self.labels = [exposure[dim].values for dim in dims or ()]
        # A source just outside a map spills into it, with the exposure at the edge; emission of all the sky is
        # predicted from the map alone, as nothing tells how it goes on.
        whole_sky = component.spatial.evaluation_radius is None
        borders = [_border(labels) for labels in self.labels] if whole_sky else []
        self.border = tuple(limit for pair in borders for limit in pair) or (-np.inf, np.inf) * 2
        self.own_grid = SkyGrid.from_dataset(exposure, suffix_of(dims[0])) if dims and dims[0] != "y" else None
        perfect = ds.drop_vars("edisp", errors="ignore")
        position = component.position
        self.edisp = edisp_lookup.matrix(ds if component.use_edisp else perfect, position, axis)
        self.profiles, self.rad, self.reconstructed = None, np.zeros(1), False
        if "psf" in ds and component.use_psf:
            psf = ds["psf"]
            dim = psf_lookup.energy_dim(psf)
            self.profiles = psf_lookup.profiles(ds, position)
            self.rad = Axis.from_dataset(psf, "rad").to("rad").center
            self.reconstructed = dim == "energy"
            if dim not in ("energy", "energy_true"):
                energy = axis.center * u.Unit(axis.unit)
                self.profiles = psf_lookup.energy_matrix(Axis.from_dataset(psf, dim), energy) @ self.profiles

    def on(self, window: Window) -> tuple[Any, ...]:
        """Collect the arguments of `_evaluate` for a window; only the exposure that reaches it is taken."""
        values, y, x = self._exposure(window)
        exposure = values, self.scale, y, x, self.border, self.own_grid
        return window, exposure, (self.edisp, self.profiles, self.rad, self.reconstructed), self.energy_true

    def _exposure(self, window: Window) -> tuple[Any, NDArray[Any], NDArray[Any]]:
        if self.dims is None:
            zero = np.zeros(1, dtype=np.int64)
            return self.variable.data[:, None, None], zero, zero
        reach = np.degrees(self.rad[-1])
        steps = pixel_steps(self.grid, self.component.y, self.component.x)
        half = [int(np.ceil(1.05 * reach / step)) + 1 for step in steps]
        need = window.grow(*half) & self.component.source
        if self.component.is_point or not need:
            row, column = int(np.floor(self.component.y)), int(np.floor(self.component.x))
            need = Window(row - 2, row + 4, column - 2, column + 4)
        bounds = [(need.y_0, need.y_1), (need.x_0, need.x_1)]
        if self.own_grid is not None:
            edge_y, edge_x = need.edges()
            lon, lat = self.grid.labels_to_lonlat(edge_y[:, None], edge_x)
            own = self.own_grid.lonlat_to_labels(*rotate_frames(self.grid, self.own_grid, lon, lat))
            bounds = [(np.nanmin(v), np.nanmax(v)) for v in own]
        variable, taken = self.variable, []
        for dim, known, (low, high) in zip(self.dims, self.labels, bounds, strict=True):
            order = np.argsort(known, kind="stable")
            first = int(np.clip(np.searchsorted(known[order], low, side="right") - 2, 0, known.size - 1))
            last = int(np.clip(np.searchsorted(known[order], high) + 2, first + 1, known.size))
            chosen = order[first:last]
            variable = variable.isel(
                {dim: slice(first, last) if chosen[0] == first and chosen[-1] == last - 1 else chosen}
            )
            taken.append(known[chosen])
        return variable.data, taken[0], taken[1]


def _border(labels: NDArray[np.int64]) -> tuple[float, float]:
    """Outer edges of the first and last pixel; those of a strided map reach to half the stride."""
    low, high = float(labels.min()), float(labels.max())
    half = 0.5 * (high - low) / max(labels.size - 1, 1) or 0.5
    return low - half, high + half


def _evaluate(
    grid: SkyGrid, y: NDArray[np.int64], x: NDArray[np.int64], nenergy: int, items: list[tuple[Any, ...]]
) -> Array:
    """Sum components on the pixels with ascending labels y and x."""
    out = np.zeros((nenergy, y.size, x.size))
    for component, window, (values, scale, *place), response, energy_true in items:
        exposure = Exposure(np.asarray(values, dtype=np.float64) * scale, *place)
        counts = npred_on(window, grid, component, exposure, Response(*response), energy_true)
        rows = np.flatnonzero((y >= window.y_0) & (y < window.y_1))
        columns = np.flatnonzero((x >= window.x_0) & (x < window.x_1))
        if rows.size and columns.size:
            part = counts[:, y[rows] - window.y_0][:, :, x[columns] - window.x_0]
            out[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += part
    return out


def _lazy(
    ds: xr.Dataset, template: xr.DataArray, grid: SkyGrid, components: list[Component], payloads: list[_Payload]
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
