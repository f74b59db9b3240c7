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
        Probabilities. Lazy where ``edisp`` is.

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
    return xr.DataArray(
        matrix(ds, position), dims=(dim, "energy"), name="edisp", attrs={"units": "", "long_name": "energy dispersion"}
    ).assign_coords(coords[keep].coords)


def _moment(ds: xr.Dataset, index: int, name: str, energy_true: u.Quantity | None, position: SkyCoord | None) -> Any:
    values = kernel(ds, position)
    dim = str(values.dims[0])
    true = Axis.from_dataset(values, dim)
    energy = Axis.from_dataset(values, "energy").to(true.unit)

    def moment(probabilities: np.ndarray) -> np.ndarray:
        return dispersion.bias_resolution(probabilities, true.center, energy.center)[index]

    data = values.data
    if isinstance(data, np.ndarray):
        out = moment(data)
    else:
        out = data.rechunk({1: -1}).map_blocks(moment, drop_axis=1, dtype=np.float64)
    result = xr.DataArray(out, dims=(dim,), name=name, attrs={"units": "", "long_name": name})
    if energy_true is None:
        return result.assign_coords(values.coords[dim].coords)
    import astropy.units as u

    wanted = u.Quantity(energy_true)
    at = energy_matrix(true, wanted) @ result.data
    if wanted.ndim == 0:
        return xr.DataArray(at[0], name=name, attrs=result.attrs, coords={dim: wanted.value})
    return xr.DataArray(
        at, dims=(dim,), name=name, attrs=result.attrs, coords={dim: (dim, wanted.value, {"units": str(wanted.unit)})}
    )


def bias(ds: xr.Dataset, energy_true: u.Quantity | str | None = None, position: SkyCoord | None = None) -> xr.DataArray:
    """Mean of (reconstructed - true) / true energy.

    Parameters
    ----------
    ds : Dataset
        With a variable ``edisp``.
    energy_true : Quantity or str, optional
        By default the true energies of ``edisp``; others are interpolated.
    position : SkyCoord, optional
        By default the centre of the map of ``edisp``.

    Returns
    -------
    DataArray, dims (energy_true,)
        Without unit; a scalar for a scalar energy.
    """
    return _moment(ds, 0, "bias", energy_true, position)


def resolution(
    ds: xr.Dataset, energy_true: u.Quantity | str | None = None, position: SkyCoord | None = None
) -> xr.DataArray:
    """Standard deviation of (reconstructed - true) / true energy.

    Parameters
    ----------
    ds : Dataset
        With a variable ``edisp``.
    energy_true : Quantity or str, optional
        By default the true energies of ``edisp``; others are interpolated.
    position : SkyCoord, optional
        By default the centre of the map of ``edisp``.

    Returns
    -------
    DataArray, dims (energy_true,)
        Without unit; a scalar for a scalar energy.
    """
    return _moment(ds, 1, "resolution", energy_true, position)
