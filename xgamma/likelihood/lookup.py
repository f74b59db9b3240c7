"""Look-ups in responses at any position, from arrays in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import Axis, FixedGrid, SkyGrid
from xgamma.irf.lookup import sky_dims
from xgamma.irf.psf import energy_dim, energy_matrix
from xgamma.kernels import dispersion
from xgamma.kernels.interpolate import bracket
from xgamma.kernels.sphere import rotate
from xgamma.predict.component import rotation_between
from xgamma.schema import suffix_of

__all__ = ["Lookups", "lookups_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Table:
    """A response on the sky, linear between its pixels and with the values of the border beyond them.

    Attributes
    ----------
    values : ndarray, shape (y, x, ...)
        Labels ascend. Without dims on the sky, both have one element.
    y, x : ndarray
        Labels.
    grid : SkyGrid or None
        The grid of the labels.
    rotation : ndarray, shape (3, 3)
        From the frame of the counts to that of the grid.
    """

    values: NDArray[Any]
    y: NDArray[np.int64]
    x: NDArray[np.int64]
    grid: SkyGrid | None
    rotation: Array

    def at(self, lon: float, lat: float) -> Array:
        """Interpolate at a position in deg, in the frame of the counts."""
        if self.grid is None:
            return self.values[0, 0].astype(np.float64)
        y, x = self.grid.lonlat_to_labels(*rotate(np.array(lon), np.array(lat), self.rotation))
        out: Any = 0.0
        # A pixel's centre must not take part of its neighbour by rounding of the projection.
        j, wy = (int(v) if i == 0 else float(v) for i, v in enumerate(bracket(self.y, np.round(y, 10))))
        i, wx = (int(v) if i == 0 else float(v) for i, v in enumerate(bracket(self.x, np.round(x, 10))))
        for row, weight_y in ((j, 1 - wy), (j + 1, wy)):
            for column, weight_x in ((i, 1 - wx), (i + 1, wx)):
                if weight_y * weight_x:
                    out = out + self.values[int(row), int(column)].astype(np.float64) * (weight_y * weight_x)
        return out


def _table(array: xr.DataArray, dims: tuple[str, ...], frame: str) -> _Table:
    sky = sky_dims(array)
    if sky is None:
        values = np.array(array.variable.transpose(*dims).values)[None, None]
        return _Table(values, np.zeros(1, np.int64), np.zeros(1, np.int64), None, np.eye(3))
    grid = SkyGrid.from_dataset(array, suffix_of(sky[0]))
    values = np.array(array.variable.transpose(*sky, *dims).values)
    rows, columns = (np.argsort(labels, kind="stable") for labels in (grid.y, grid.x))
    rotation = rotation_between(frame, grid.frame)
    return _Table(values[rows][:, columns], grid.y[rows], grid.x[columns], FixedGrid.of(grid), rotation)


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

    psf: tuple[_Table, Array | None] | None
    edisp: tuple[_Table, Array | None] | None
    migration: tuple[Array, Array, Array] | None = None

    def profiles(self, lon: float, lat: float) -> Array | None:
        """Radial profiles at a position in deg, in the frame of the counts; None without PSF."""
        if self.psf is None:
            return None
        table, matrix = self.psf
        return table.at(lon, lat) if matrix is None else matrix @ table.at(lon, lat)

    def matrix(self, lon: float, lat: float) -> Array | None:
        """Energy dispersion (energy_true, energy) at a position; None without one."""
        if self.edisp is None:
            return None
        table, matrix = self.edisp
        values = table.at(lon, lat)
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
        psf = _table(ds["psf"], (dim, "rad"), frame), matrix
    if "edisp" in ds:
        dim = energy_dim(ds["edisp"])
        own_axis = Axis.from_dataset(ds["edisp"], dim)
        matrix = None if dim == axis.name else energy_matrix(own_axis, energy_true)
        second = "migra" if "migra" in ds["edisp"].dims else "energy"
        edisp = _table(ds["edisp"], (dim, second), frame), matrix
        if second == "migra":
            energy = Axis.from_dataset(ds, "energy")
            edges = np.stack([energy.lower, energy.upper], axis=1)
            migra = Axis.from_dataset(ds["edisp"], "migra").edges
            migration = migra, own_axis.to(energy.unit).center, edges
    return Lookups(psf, edisp, migration)
