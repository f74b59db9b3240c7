"""Look-ups in responses at any position, from arrays in memory."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import Axis, FixedGrid, SkyGrid
from xgamma.coords.labels import parse_unit
from xgamma.irf.lookup import sky_dims
from xgamma.irf.psf import energy_dim, energy_matrix
from xgamma.kernels import dispersion
from xgamma.kernels.sphere import rotate
from xgamma.predict.component import rotation_between
from xgamma.predict.window import Window
from xgamma.schema import suffix_of

__all__ = ["Lookups", "Table", "exposure_of", "lookups_of", "table_of"]

Array = NDArray[np.float64]

_LARGE = 1_000_000
"""Number of values of a response above which they stay in the type in which they are stored."""


@dataclass(frozen=True)
class Table:
    """A response on the sky, linear between its pixels and with the values of the border beyond them.

    Attributes
    ----------
    values : ndarray, shape (y, x, ...)
        Labels ascend. Without dims on the sky, both have one element.
    y, x : list of int
        Labels.
    grid : SkyGrid or None
        The grid of the labels.
    rotation : ndarray, shape (3, 3)
        From the frame of the counts to that of the grid.
    """

    values: NDArray[Any]
    y: list[int]
    x: list[int]
    grid: SkyGrid | None
    rotation: Array

    def labels(self, lon: Array, lat: Array) -> tuple[Array, Array]:
        """Labels of directions in deg, in the frame of the counts."""
        if self.grid is None:
            return np.zeros(np.shape(lon)), np.zeros(np.shape(lon))
        return self.grid.lonlat_to_labels(*rotate(lon, lat, self.rotation))

    def at(self, lon: float, lat: float) -> Array:
        """Interpolate at a position in deg, in the frame of the counts."""
        return self.at_labels(*map(float, self.labels(np.array(lon), np.array(lat))))

    def is_like(self, other: Table) -> bool:
        """Whether another table has its values at the same places."""
        if self.grid is None or other.grid is None:
            return self.grid is other.grid
        same = self.y == other.y and self.x == other.x and np.array_equal(self.rotation, other.rotation)
        return same and self.grid.keywords == other.grid.keywords

    def at_labels(self, y: float, x: float) -> Array:
        """Interpolate at labels."""
        if self.grid is None:
            return self.values[0, 0].astype(np.float64)
        # A pixel's centre must not take part of its neighbour by rounding of the projection.
        j, wy = _bracket(self.y, round(y, 10))
        i, wx = _bracket(self.x, round(x, 10))
        if 0 < wy < 1 and 0 < wx < 1:
            # Two neighbours of a row lie side by side.
            low, high = self.values[j, i : i + 2], self.values[j + 1, i : i + 2]
            mixed = np.array([(1 - wy) * (1 - wx), (1 - wy) * wx]).dot(low.reshape(2, -1))
            mixed += np.array([wy * (1 - wx), wy * wx]).dot(high.reshape(2, -1))
            return mixed.reshape(low.shape[1:])
        out: Any = 0.0
        for row, weight_y in ((j, 1 - wy), (j + 1, wy)):
            for column, weight_x in ((i, 1 - wx), (i + 1, wx)):
                if weight_y * weight_x:
                    out = out + self.values[row, column].astype(np.float64) * (weight_y * weight_x)
        return out


def _bracket(labels: list[int], at: float) -> tuple[int, float]:
    """As `xgamma.kernels.interpolate.bracket`, for one number; those that are none stay none."""
    if len(labels) == 1:
        return 0, 0.0
    index = bisect_right(labels, at, 1, len(labels) - 1) - 1
    low, high = labels[index], labels[index + 1]
    share = (at - low) / (high - low)
    return index, 0.0 if share < 0 else 1.0 if share > 1 else share


def table_of(array: xr.DataArray, dims: tuple[str, ...], frame: str) -> Table:
    """Load a response with some dims beside those on the sky, for positions in a frame."""
    sky = sky_dims(array)
    if sky is None:
        values = _numbers(array.variable.transpose(*dims).values)[None, None]
        return Table(values, [0], [0], None, np.eye(3))
    grid = SkyGrid.from_dataset(array, suffix_of(sky[0]))
    values = _numbers(array.variable.transpose(*sky, *dims).values)
    rows, columns = (np.argsort(labels, kind="stable") for labels in (grid.y, grid.x))
    rotation = rotation_between(frame, grid.frame)
    return Table(
        values[rows][:, columns], grid.y[rows].tolist(), grid.x[columns].tolist(), FixedGrid.of(grid), rotation
    )


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return a copy, of floats where that is not large: mixed types take longer to multiply."""
    return np.array(values, dtype=np.float64 if values.size <= _LARGE else None)


def exposure_of(ds: xr.Dataset, frame: str, near: Window) -> Table:
    """Load the exposure in cm2 s around a window of the map of counts, for positions in a frame."""
    array = ds["exposure"]
    sky = sky_dims(array)
    if sky == ("y", "x"):
        limits = (near.y_0 - 2, near.y_1 + 1), (near.x_0 - 2, near.x_1 + 1)
        chosen = {}
        for dim, (low, high) in zip(sky, limits, strict=True):
            labels = ds.variables[dim].values
            # Beyond the map the value at its border holds.
            low, high = min(low, int(labels.max()) - 1), max(high, int(labels.min()) + 1)
            chosen[dim] = np.flatnonzero((labels >= low) & (labels <= high))
        array = array.isel(chosen)
    table = table_of(array, ("energy_true",), frame)
    scale = parse_unit(array.attrs.get("units", ""), "exposure").to(parse_unit("cm2 s", "exposure"))
    return replace(table, values=table.values.astype(np.float64) * scale)


@dataclass(frozen=True)
class Lookups:
    """PSF and energy dispersion of a dataset.

    Attributes
    ----------
    psf : tuple or None
        Table of profiles, and the matrix that takes their energies to those of the exposure, or None for none.
    edisp : tuple or None
        The same for the energy dispersion.
    migration : tuple or None
        Edges in migra, centres of true energies and edges of reconstructed ones, where the dispersion is in migra.
    """

    psf: tuple[Table, Array | None] | None
    edisp: tuple[Table, Array | None] | None
    migration: tuple[Array, Array, Array] | None = None

    def profiles(self, lon: float, lat: float) -> Array | None:
        """Radial profiles at a position in deg, in the frame of the counts; None without PSF."""
        if self.psf is None:
            return None
        table, matrix = self.psf
        values = table.at(lon, lat)
        return values if matrix is None else matrix @ values

    def matrix(self, lon: float, lat: float, labels: Array | None = None) -> Array | None:
        """Energy dispersion (energy_true, energy) at a position in deg, in the frame of the counts; None without one.

        Labels y and x of the position on the grid of the dispersion spare its projection.
        """
        if self.edisp is None:
            return None
        table, matrix = self.edisp
        values = table.at(lon, lat) if labels is None else table.at_labels(*labels)
        if self.migration is not None:
            values = dispersion.from_migration(values, *self.migration)
        return values if matrix is None else matrix @ values


def lookups_of(ds: xr.Dataset, frame: str) -> Lookups:
    """Load the responses of a dataset, for positions in a frame."""
    axis = Axis.from_dataset(ds["exposure"], "energy_true")
    energy_true = axis.center * u.Unit(axis.unit)
    psf = edisp = migration = None
    if "psf" in ds:
        dim = energy_dim(ds["psf"])
        own = dim in ("energy", "energy_true")
        matrix = None if own else energy_matrix(Axis.from_dataset(ds["psf"], dim), energy_true)
        psf = table_of(ds["psf"], (dim, "rad"), frame), matrix
    if "edisp" in ds:
        dim = energy_dim(ds["edisp"])
        own_axis = Axis.from_dataset(ds["edisp"], dim)
        matrix = None if dim == axis.name else energy_matrix(own_axis, energy_true)
        second = "migra" if "migra" in ds["edisp"].dims else "energy"
        edisp = table_of(ds["edisp"], (dim, second), frame), matrix
        if second == "migra":
            energy = Axis.from_dataset(ds, "energy")
            edges = np.stack([energy.lower, energy.upper], axis=1)
            migra = Axis.from_dataset(ds["edisp"], "migra").edges
            migration = migra, own_axis.to(energy.unit).center, edges
    return Lookups(psf, edisp, migration)
