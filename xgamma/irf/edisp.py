"""Look-ups in the energy dispersion."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.irf.lookup import SkyTable
from xgamma.irf.psf import energy_dim, energy_matrix
from xgamma.kernels import dispersion

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["bias", "kernel", "matrix", "resolution", "table_of"]


def matrix(ds: xr.Dataset, position: SkyCoord | None = None, axis_true: Axis | None = None) -> Any:
    """Probabilities of reconstructed energies, as an array.

    Parameters
    ----------
    ds : Dataset
        With a variable ``edisp``, a kernel or a density in migration, or without: then energies are measured perfectly.
    position : SkyCoord, optional
        By default the centre of the map of ``edisp``.
    axis_true : Axis, optional
        True energies wanted; by default those of ``edisp``.

    Returns
    -------
    numpy or dask array, shape (energy_true, energy)
        Interpolated linearly on the sky and, where axes differ, in the logarithm of true energy.
    """
    table, finish = table_of(ds, axis_true)
    return finish(None if table is None else table.at_position(position))


def table_of(ds: xr.Dataset, axis_true: Axis | None = None) -> tuple[SkyTable | None, Callable[[Any], Any]]:
    """Set up look-ups in the energy dispersion of a dataset.

    Parameters
    ----------
    ds, axis_true
        As for `matrix`.

    Returns
    -------
    table : SkyTable or None
        What to look up at a position; None where energies are measured perfectly.
    finish : callable
        Turns what was looked up, or None, into the matrix.
    """
    energy = Axis.from_dataset(ds, "energy")
    if "edisp" not in ds:
        true = (axis_true or Axis.from_dataset(ds, "energy_true")).to(energy.unit)
        perfect = dispersion.diagonal(true.lower, true.upper, energy.lower, energy.upper)
        return None, lambda values: perfect
    edisp = ds["edisp"]
    dim = energy_dim(edisp)
    own = Axis.from_dataset(edisp, dim)
    same = axis_true is None or dim == axis_true.name
    between = None if same or axis_true is None else energy_matrix(own, axis_true.center * u.Unit(axis_true.unit))
    second, integrate = "energy", None
    if "migra" in edisp.dims:
        second, true = "migra", own.to(energy.unit)
        migra_edges = Axis.from_dataset(edisp, "migra").edges
        edges = np.stack([energy.lower, energy.upper], axis=1)

        def integrate(values: np.ndarray) -> np.ndarray:
            return dispersion.from_migration(values, migra_edges, true.center, edges)

    def finish(values: Any) -> Any:
        if integrate is not None:
            if isinstance(values, np.ndarray):
                values = integrate(values)
            else:
                sizes = (own.size,), (energy.size,)
                values = values.rechunk(-1).map_blocks(integrate, dtype=np.float64, chunks=sizes)
        values = values.astype(np.float64)
        return values if between is None else between @ values

    return SkyTable(edisp, (dim, second)), finish


def kernel(ds: xr.Dataset, position: SkyCoord | None = None) -> xr.DataArray:
    """Energy dispersion at a position.

    Parameters
    ----------
    ds : Dataset
        With a variable ``edisp``.
    position : SkyCoord, optional
        By default the centre of the map of ``edisp``.

    Returns
    -------
    DataArray, dims (energy_true, energy)
        Probabilities, with the coordinates ``bias`` and ``resolution`` over ``energy_true``: mean and standard
        deviation of (reconstructed - true) / true energy. Lazy where ``edisp`` is.

    Raises
    ------
    ValueError
        If there is no ``edisp``.
    """
    if "edisp" not in ds:
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no variable 'edisp'.")
    dim = energy_dim(ds["edisp"])
    coords = ds.coords.to_dataset()
    keep = [name for name, c in coords.coords.items() if c.dims and set(c.dims) <= {dim, "energy"}]
    data = matrix(ds, position)
    out = xr.DataArray(
        data, dims=(dim, "energy"), name="edisp", attrs={"units": "", "long_name": "energy dispersion"}
    ).assign_coords(coords[keep].coords)
    out = out.drop_vars([name for name, c in out.coords.items() if not c.dims])
    true = Axis.from_dataset(out, dim)
    energy = Axis.from_dataset(out, "energy").to(true.unit)

    def moments(probabilities: np.ndarray) -> np.ndarray:
        return np.stack(dispersion.bias_resolution(probabilities, true.center, energy.center), axis=1)

    if isinstance(data, np.ndarray):
        values = moments(data)
    else:
        values = data.rechunk(-1).map_blocks(moments, dtype=np.float64, chunks=((true.size,), (2,)))
    attrs = {"units": ""}
    return out.assign_coords(bias=(dim, values[:, 0], attrs), resolution=(dim, values[:, 1], attrs))


def _moment(values: xr.DataArray, energy_true: u.Quantity | str | None) -> xr.DataArray:
    dim = str(values.dims[0])
    others = set(values.coords) - {dim, f"{dim}_min", f"{dim}_max"}
    out = values.drop_vars(others)
    return out if energy_true is None else out.sel({dim: energy_true})


def bias(ds: xr.Dataset, energy_true: u.Quantity | str | None = None, position: SkyCoord | None = None) -> xr.DataArray:
    """Return the mean of (reconstructed - true) / true energy.

    Parameters
    ----------
    ds : Dataset
        With a variable ``edisp``.
    energy_true : Quantity or str, optional
        Selects the bins that contain it; by default all.
    position : SkyCoord, optional
        By default the centre of the map of ``edisp``.

    Returns
    -------
    DataArray, dims (energy_true,)
        Without unit; a scalar for a scalar energy.
    """
    return _moment(kernel(ds, position).coords["bias"], energy_true)


def resolution(
    ds: xr.Dataset, energy_true: u.Quantity | str | None = None, position: SkyCoord | None = None
) -> xr.DataArray:
    """Return the standard deviation of (reconstructed - true) / true energy.

    Parameters
    ----------
    ds : Dataset
        With a variable ``edisp``.
    energy_true : Quantity or str, optional
        Selects the bins that contain it; by default all.
    position : SkyCoord, optional
        By default the centre of the map of ``edisp``.

    Returns
    -------
    DataArray, dims (energy_true,)
        Without unit; a scalar for a scalar energy.
    """
    return _moment(kernel(ds, position).coords["resolution"], energy_true)
