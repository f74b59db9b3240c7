"""Look-ups in the energy dispersion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.irf.lookup import at_position
from xgamma.irf.psf import energy_dim, energy_matrix
from xgamma.kernels import dispersion

if TYPE_CHECKING:
    import astropy.units as u
    from astropy.coordinates import SkyCoord

__all__ = ["bias", "kernel", "matrix", "resolution"]


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
    energy = Axis.from_dataset(ds, "energy")
    if "edisp" not in ds:
        true = (axis_true or Axis.from_dataset(ds, "energy_true")).to(energy.unit)
        return dispersion.diagonal(true.lower, true.upper, energy.lower, energy.upper)
    edisp = ds["edisp"]
    dim = energy_dim(edisp)
    own = Axis.from_dataset(edisp, dim)
    if "migra" in edisp.dims:
        table = at_position(edisp, position, (dim, "migra"))
        migra, true = Axis.from_dataset(edisp, "migra"), own.to(energy.unit)
        edges = np.stack([energy.lower, energy.upper], axis=1)

        def integrate(values: np.ndarray) -> np.ndarray:
            return dispersion.from_migration(values, migra.edges, true.center, edges)

        if isinstance(table, np.ndarray):
            probabilities = integrate(table)
        else:
            probabilities = table.rechunk(-1).map_blocks(
                integrate, dtype=np.float64, chunks=((own.size,), (energy.size,))
            )
    else:
        probabilities = at_position(edisp, position, (dim, "energy"))
    if axis_true is None or dim == axis_true.name:
        return probabilities.astype(np.float64)
    import astropy.units as u

    return energy_matrix(own, axis_true.center * u.Unit(axis_true.unit)) @ probabilities.astype(np.float64)


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
