"""Merge pixels, or reconstructed energies, by a whole number."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr

from xgamma.coords import Axis, SkyGrid
from xgamma.coords.keywords import build_wcs
from xgamma.history import record
from xgamma.onoff import conserve_background, expose_background
from xgamma.reduce.parts import inside, mean_dtype, sum_dtype
from xgamma.reduce.rebuild import rebuild
from xgamma.reduce.resample import merge_energies
from xgamma.schema import VARIABLES
from xgamma.validate import check_counts, check_whole

__all__ = ["downsample"]


def downsample(ds: xr.Dataset, factor: int, axis_name: str | None = None, name: str | None = None) -> xr.Dataset:
    """Merge each `factor` times `factor` pixels, or each `factor` bins of energy.

    On the sky, counts and background, that of off regions included, add up inside ``mask_safe``, the exposure averages,
    and masks hold where they hold for any of the merged pixels. Responses, and an exposure, on a sky grid of their own
    stay as they are. Along the energy `resample_energy_axis` tells the rules.

    Parameters
    ----------
    ds : Dataset
        It stays as it is. Variables that the schema does not know are left out if they have a dim that changes.
    factor : int
        Must divide the number of rows and columns, or of bins.
    axis_name : {None, "energy"}
        None for the sky.
    name : str, optional
        Name of the new dataset, by default that of the old one.

    Returns
    -------
    Dataset
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the factor is no such number or does not divide the dims, the map has gaps, or there is no such axis.
    """
    check_counts(ds, "downsample")
    factor = check_whole(factor, "factor", 1)
    if axis_name is None:
        out = conserve_background(_on_sky(expose_background(ds), factor))
        line = f"downsample({factor})"
    elif axis_name == "energy":
        size = Axis.from_dataset(ds, "energy").size
        _check("energy", size, factor)
        out = merge_energies(ds, [slice(i, i + factor) for i in range(0, size, factor)])
        line = f"downsample({factor}, axis_name='energy')"
    else:
        raise ValueError(
            f"axis_name is {axis_name!r}: leave it out to merge pixels, or merge reconstructed energies with 'energy'"
        )
    return record(out, line, name, own=out is not ds)


def _check(dim: str, size: int, factor: int) -> None:
    if size % factor:
        raise ValueError(
            f"dim {dim!r} has {size} bins, which {factor} does not divide: choose a factor that does, cut out a part "
            "of that size, or pad"
        )


def _on_sky(ds: xr.Dataset, factor: int) -> xr.Dataset:
    grid = SkyGrid.from_dataset(ds)
    for dim, size in zip(("y", "x"), grid.shape, strict=True):
        _check(dim, size, factor)
    if factor == 1:
        return ds
    mask = ds.variables.get("mask_safe")
    variables: dict[Hashable, xr.Variable] = {}
    for key, variable in ds.data_vars.variables.items():
        if not {"y", "x"} & set(variable.dims):
            variables[key] = variable
        elif key in VARIABLES:
            data = _merged(str(key), variable, mask, factor)
            variables[key] = xr.Variable(variable.dims, data, variable.attrs)
    return rebuild(ds, variables, grids={"": _coarse(grid, factor)})


def _coarse(grid: SkyGrid, factor: int) -> SkyGrid:
    keys = grid.fits_keywords()
    for i in (1, 2):
        # The outer border of the map stays where it is: pixel coordinate 1/2 in FITS.
        keys[f"CRPIX{i}"] = (float(keys[f"CRPIX{i}"]) - 0.5) / factor + 0.5
        keys[f"CDELT{i}"] = float(keys[f"CDELT{i}"]) * factor
    return SkyGrid.from_wcs(build_wcs(keys), (grid.shape[0] // factor, grid.shape[1] // factor))


def _merged(name: str, variable: xr.Variable, mask: xr.Variable | None, factor: int) -> Any:
    spec = VARIABLES[name]
    axes = tuple(variable.get_axis_num(dim) for dim in ("y", "x"))
    data = variable.data
    if spec.dtype == "b":
        return _blocks(data, axes, factor, np.logical_or)
    if "y" in spec.extensive:
        if mask is not None:
            data = inside(data, mask.transpose(*variable.dims).data)
        return _blocks(data.astype(sum_dtype(data.dtype), copy=False), axes, factor, np.add)
    data = data.astype(mean_dtype(data.dtype), copy=False)
    return (_blocks(data, axes, factor, np.add) / factor**2).astype(data.dtype, copy=False)


def _blocks(data: Any, axes: tuple[int, ...], factor: int, merge: np.ufunc) -> Any:
    """Merge blocks of an array, chunk by chunk where it is lazy."""
    if not hasattr(data, "dask"):
        return _merge_blocks(data, axes, factor, merge)
    # a block must not lie across chunks
    wanted = {axis: _multiples(data.chunks[axis], factor) for axis in axes}
    data = data.rechunk(wanted)
    chunks = tuple(
        tuple(size // factor for size in sizes) if axis in axes else sizes for axis, sizes in enumerate(data.chunks)
    )
    return data.map_blocks(_merge_blocks, axes, factor, merge, dtype=data.dtype, chunks=chunks)


def _multiples(sizes: tuple[int, ...], factor: int) -> tuple[int, ...]:
    ends = np.unique(np.cumsum(sizes) // factor) * factor
    return tuple(int(size) for size in np.diff([0, *ends]) if size)


def _merge_blocks(data: np.ndarray, axes: tuple[int, ...], factor: int, merge: np.ufunc) -> np.ndarray:
    # Adding whole slices is several times faster than a sum over short inner axes, and the y axis comes first, as the
    # slices along x are not contiguous.
    for axis in axes:
        parts = [data[(slice(None),) * axis + (slice(i, None, factor),)] for i in range(factor)]
        out = parts[0].copy()
        for part in parts[1:]:
            merge(out, part, out=out)
        data = out
    return data
