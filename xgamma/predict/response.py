"""The responses that a component needs, as arrays."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import Axis, FixedGrid, SkyGrid
from xgamma.irf import edisp as edisp_lookup
from xgamma.irf import psf as psf_lookup
from xgamma.irf.lookup import SkyTable, sky_dims
from xgamma.kernels.interpolate import bilinear_points, separable
from xgamma.kernels.sphere import rotate
from xgamma.predict.component import Component, psf_reach, rotation_between
from xgamma.predict.window import Window
from xgamma.schema import suffix_of
from xgamma.units import unit_of

__all__ = ["Exposure", "Payload", "Response", "Responses", "rotate_frames"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Exposure:
    """A part of the exposure, in cm2 s, with the labels of its pixels.

    Attributes
    ----------
    values : ndarray, shape (energy_true, y, x)
        Exposure.
    y, x : ndarray
        Ascending labels on the grid of the counts, or on its own one.
    border : tuple of float
        Lowest and highest label of the whole map along y, then along x, outer half pixels included: beyond it there is
        no exposure.
    grid : SkyGrid or None
        The grid of its own; None where it is that of the counts.
    """

    values: Array
    y: NDArray[np.int64]
    x: NDArray[np.int64]
    border: tuple[float, float, float, float]
    grid: SkyGrid | None = None

    def at(self, grid: SkyGrid, y: Array, x: Array) -> Array:
        """Interpolate to the outer product of labels y and x of a grid, shape (energy_true, y, x)."""
        if self.grid is None:
            inside = self._inside(y[:, None], x)
            values = separable(self.values, self.y, self.x, y, x)
            return values if inside.all() else np.where(inside, values, 0.0)
        lon, lat = grid.labels_to_lonlat(y[:, None], x)
        own_y, own_x = self.grid.lonlat_to_labels(*rotate_frames(grid, self.grid, lon, lat))
        return np.where(self._inside(own_y, own_x), bilinear_points(self.values, self.y, self.x, own_y, own_x), 0.0)

    def _inside(self, y: Array, x: Array) -> NDArray[np.bool_]:
        y_0, y_1, x_0, x_1 = self.border
        return (y >= y_0) & (y <= y_1) & (x >= x_0) & (x <= x_1)


@dataclass(frozen=True)
class Response:
    """The response at the position of a component.

    Attributes
    ----------
    edisp : ndarray, shape (energy_true, energy)
        Probabilities.
    profiles : ndarray, shape (n, rad), or None
        Radial profiles of the PSF, n being the true or the reconstructed energies; None for no PSF.
    rad : ndarray, shape (rad,)
        Radii in rad.
    reconstructed : bool
        Whether the profiles are those of reconstructed energies.
    """

    edisp: Array
    profiles: Array | None
    rad: Array
    reconstructed: bool = False


def rotate_frames(source: SkyGrid, target: SkyGrid, lon: Array, lat: Array) -> tuple[Array, Array]:
    """Take directions from the frame of one grid to that of another."""
    if source.frame == target.frame:
        return lon, lat
    return rotate(lon, lat, rotation_between(source.frame, target.frame))


class Responses:
    """What the components of a dataset share: axes and grids of the responses, resolved once.

    Parameters
    ----------
    ds : Dataset
        With ``exposure``; ``psf`` and ``edisp`` where they apply.
    grid : SkyGrid
        Grid of the counts.
    """

    def __init__(self, ds: xr.Dataset, grid: SkyGrid) -> None:
        self.grid = grid
        exposure = ds["exposure"]
        axis = Axis.from_dataset(exposure, "energy_true")
        self.axis, self.reach = axis.to("TeV"), psf_reach(ds)
        self.energy_true = self.axis.center
        self.dims = dims = sky_dims(exposure)
        self.variable = exposure.variable.transpose("energy_true", *(dims or ()))
        self.scale = _scale_of(exposure)
        self.labels = [exposure[dim].values for dim in dims or ()]
        own = SkyGrid.from_dataset(exposure, suffix_of(dims[0])) if dims and dims[0] != "y" else None
        self.own_grid = None if own is None else FixedGrid.of(own)
        self._edisp = edisp_lookup.table_of(ds, axis)
        self._perfect = self._edisp if "edisp" not in ds else edisp_lookup.table_of(ds.drop_vars("edisp"), axis)
        self._psf, self._matrix, self.rad, self.reconstructed = None, None, np.zeros(1), False
        if "psf" in ds:
            psf = ds["psf"]
            dim = psf_lookup.energy_dim(psf)
            self._psf = SkyTable(psf, (dim, "rad"))
            self.rad = Axis.from_dataset(psf, "rad").to("rad").center
            self.reconstructed = dim == "energy"
            if dim not in ("energy", "energy_true"):
                energy = axis.center * u.Unit(axis.unit)
                self._matrix = psf_lookup.energy_matrix(Axis.from_dataset(psf, dim), energy)

    def edisp(self, component: Component) -> Any:
        """Energy dispersion (energy_true, energy) at a component, numpy or dask."""
        table, finish = self._edisp if component.use_edisp else self._perfect
        return finish(None if table is None else self._at(table, component))

    def profiles(self, component: Component) -> Any:
        """Profiles of the PSF (n, rad) at a component, numpy or dask; None where there is none."""
        if self._psf is None or not component.use_psf:
            return None
        table = self._at(self._psf, component)
        return table if self._matrix is None else self._matrix @ table

    def _at(self, table: SkyTable, component: Component) -> Any:
        if table.grid is None or component.lonlat is None:
            return table.at_center()
        lon, lat = (np.array(v) for v in component.lonlat)
        lon, lat = rotate_frames(self.grid, table.grid, lon, lat)
        return table.at(float(lon), float(lat))


class Payload:
    """Arrays that a component needs, numpy or dask."""

    def __init__(self, shared: Responses, component: Component) -> None:
        self.grid = shared.grid
        self.component = component
        self.energy_true = shared.energy_true
        self.dims, self.variable, self.scale, self.labels = shared.dims, shared.variable, shared.scale, shared.labels
        self.is_ascending = all((np.diff(labels) == 1).all() for labels in self.labels)
        # A source just outside a map spills into it, with the exposure at the edge; emission of all the sky is
        # predicted from the map alone, as nothing tells how it goes on.
        whole_sky = component.spatial.radius_deg is None
        borders = [_border(labels) for labels in self.labels] if whole_sky else []
        self.border = tuple(limit for pair in borders for limit in pair) or (-np.inf, np.inf) * 2
        self.own_grid = shared.own_grid
        self.edisp, self.profiles = shared.edisp(component), shared.profiles(component)
        self.rad, self.reconstructed = np.zeros(1), False
        if self.profiles is not None:
            self.rad, self.reconstructed = shared.rad, shared.reconstructed

    def moved(self, component: Component, edisp: Any, profiles: Any) -> Payload:
        """Return the arrays of the same dataset for another component, with the responses at its position."""
        new = copy.copy(self)
        new.component, new.edisp, new.profiles = component, edisp, profiles
        return new

    def at_point(self) -> tuple[Any, ...]:
        """Collect the exposure at the pixels around the component, as `on` does for a window."""
        row, column = int(np.floor(self.component.y)), int(np.floor(self.component.x))
        if self.own_grid is None and self.dims is not None and self.is_ascending:
            (first_y, first_x), shape = (labels[0] for labels in self.labels), self.variable.shape
            j, i = (
                int(np.clip(v, 0, max(n - 2, 0))) for v, n in ((row - first_y, shape[1]), (column - first_x, shape[2]))
            )
            values = self.variable.data[:, j : j + 2, i : i + 2]
            return values, self.scale, self.labels[0][j : j + 2], self.labels[1][i : i + 2], self.border, None
        return self.on(Window(row, row + 1, column, column + 1))[1]

    def on(self, window: Window) -> tuple[Any, ...]:
        """Collect what a prediction needs on a window; only the exposure that reaches it is taken."""
        values, y, x = self._exposure(window)
        exposure = values, self.scale, y, x, self.border, self.own_grid
        return window, exposure, (self.edisp, self.profiles, self.rad, self.reconstructed), self.energy_true

    def _exposure(self, window: Window) -> tuple[Any, NDArray[Any], NDArray[Any]]:
        if self.dims is None:
            zero = np.zeros(1, dtype=np.int64)
            return self.variable.data[:, None, None], zero, zero
        reach = np.degrees(self.rad[-1])
        steps = self.component.steps
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


def _scale_of(exposure: xr.DataArray) -> float:
    """Return the factor from the unit of the exposure to cm2 s."""
    try:
        return float(unit_of(exposure).to("cm2 s"))
    except u.UnitConversionError as error:
        raise ValueError(
            f"exposure has units {exposure.attrs.get('units', '')!r}, which do not convert to cm2 s: set attrs['units']"
        ) from error


def _border(labels: NDArray[np.int64]) -> tuple[float, float]:
    """Outer edges of the first and last pixel; those of a strided map reach to half the stride."""
    low, high = float(labels.min()), float(labels.max())
    half = 0.5 * (high - low) / max(labels.size - 1, 1) or 0.5
    return low - half, high + half
