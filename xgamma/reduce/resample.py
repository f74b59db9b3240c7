"""Merge reconstructed energies."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import Axis
from xgamma.history import record
from xgamma.kernels.mask import add_inside
from xgamma.onoff import conserve_background, expose_background
from xgamma.reduce.irf_mask import irf_mask
from xgamma.reduce.parts import along, inside, mean_dtype, sum_dtype
from xgamma.reduce.rebuild import rebuild
from xgamma.schema import VARIABLES, suffix_of
from xgamma.validate import check_counts

__all__ = ["merge_energies", "resample_energy_axis", "to_image"]


def resample_energy_axis(ds: xr.Dataset, edges: Any, name: str | None = None) -> xr.Dataset:
    """Merge bins of reconstructed energy.

    Counts and background, that of off regions included, add up inside ``mask_safe``, masks hold where they hold for
    any of the merged bins, and the energy dispersion adds up where data are trusted, so that predictions are those of
    the merged counts. True energies
    and what depends on them alone stay as they are. Edges at which all bins of the axis begin and end change nothing.

    Parameters
    ----------
    ds : Dataset
        With dim ``energy``; it stays as it is. Variables over ``energy`` that the schema does not know are left out.
    edges : Quantity, array-like, or Axis
        Edges of the new bins, rising; plain numbers are in the unit of the axis. Each snaps to the nearest edge of
        the axis in its scale, and bins outside of them are dropped.
    name : str, optional
        Name of the new dataset, by default that of the old one.

    Returns
    -------
    Dataset
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the dataset has no energies, or the edges enclose no bin.
    """
    axis = Axis.from_dataset(ds, "energy")
    if isinstance(edges, Axis):
        edges = u.Quantity(edges.edges, edges.unit)
    groups = axis.group(edges)
    limits = [axis.edges[groups[0].start], *(axis.edges[group.stop] for group in groups)]
    line = f"resample_energy_axis([{', '.join(f'{edge:.6g}' for edge in limits)}] {axis.unit})"
    out = merge_energies(ds, groups)
    return record(out, line, name, own=out is not ds)


def to_image(ds: xr.Dataset, name: str | None = None) -> xr.Dataset:
    """Merge all bins of reconstructed energy into one, see `resample_energy_axis`.

    Parameters
    ----------
    ds : Dataset
        With dim ``energy``; it stays as it is.
    name : str, optional
        Name of the new dataset, by default that of the old one.

    Returns
    -------
    Dataset
        With a single bin of ``energy``. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the dataset has no energies.
    """
    whole = slice(0, Axis.from_dataset(ds, "energy").size)
    out = merge_energies(ds, [whole])
    return record(out, "to_image()", name, own=out is not ds)


def merge_energies(ds: xr.Dataset, groups: Sequence[slice]) -> xr.Dataset:
    """Merge groups of bins of reconstructed energy, `resample_energy_axis` tells how."""
    check_counts(ds, "merging of energies")
    axis = Axis.from_dataset(ds, "energy")
    if [(group.start, group.stop) for group in groups] == [(i, i + 1) for i in range(axis.size)]:
        return ds
    return conserve_background(_merge(expose_background(ds), axis, groups))


def _merge(ds: xr.Dataset, axis: Axis, groups: Sequence[slice]) -> xr.Dataset:
    lower, upper = (axis.lower[[g.start for g in groups]], axis.upper[[g.stop - 1 for g in groups]])
    center = np.sqrt(lower * upper) if axis.interp == "log" else (lower + upper) / 2
    variables = {}
    for key, variable in ds.data_vars.variables.items():
        if "energy" not in variable.dims:
            variables[key] = variable
        elif key in VARIABLES:
            variables[key] = _merged(ds, key, variable, groups)
    return rebuild(ds, variables, [Axis("energy", center, lower, upper, axis.unit, axis.interp, axis.node_type)])


def _merged(ds: xr.Dataset, name: Hashable, variable: xr.Variable, groups: Sequence[slice]) -> xr.Variable:
    spec = VARIABLES[str(name)]
    axis = variable.get_axis_num("energy")
    parts = [variable.isel(energy=group) for group in groups]
    if spec.dtype == "b":
        data = [part.data.any(axis=axis) for part in parts]
    elif "energy" in spec.extensive:
        weights = _weights(ds, variable)
        masks = [_trusted(weights, group, bool(spec.grid)) for group in groups]
        if variable.ndim > 2 and not any(hasattr(part.data, "dask") for part in (*parts, *masks) if part is not None):
            return xr.Variable(variable.dims, _sums(parts, masks), variable.attrs)
        data = [_sum(part, mask) for part, mask in zip(parts, masks, strict=True)]
    else:
        weight = ds.variables.get(spec.weight) if spec.weight else None
        data = [_mean(part, weight, group) for part, group in zip(parts, groups, strict=True)]
    return xr.Variable(variable.dims, np.stack(data, axis=axis), variable.attrs)


def _weights(ds: xr.Dataset, variable: xr.Variable) -> xr.Variable | None:
    """Safe mask on the grid of a variable, with its dims in its order as far as it has them."""
    if "mask_safe" not in ds.variables:
        return None
    rows = [str(dim) for dim in variable.dims if str(dim) == "y" or str(dim).startswith("y_")]
    mask = irf_mask(ds, suffix_of(rows[0]) if rows else None)
    return mask.transpose(*(dim for dim in variable.dims if dim in mask.dims))


def _trusted(weights: xr.Variable | None, group: slice, response: bool) -> xr.Variable | None:
    """Mask of a group of bins; None if there is none."""
    if weights is None:
        return None
    mask = weights.isel(energy=group)
    # Where no bin of a group is trusted there is nothing to predict, but neighbours interpolate there.
    return mask | ~mask.any("energy") if response else mask


def _sums(parts: Sequence[xr.Variable], masks: Sequence[xr.Variable | None]) -> NDArray[Any]:
    """Add the energies of groups of bins in memory, bin by bin: none is copied as a whole."""
    axis, shape = parts[0].get_axis_num("energy"), list(parts[0].shape)
    shape[axis] = len(parts)
    out = np.empty(shape, dtype=sum_dtype(parts[0].dtype))
    totals = np.moveaxis(out, axis, 0)
    for i, (part, mask) in enumerate(zip(parts, masks, strict=True)):
        values = np.moveaxis(part.data, axis, 0)
        keep = None if mask is None else np.moveaxis(along(mask, part.dims), axis, 0)
        bins = [slice(j, j + 1) for j in range(len(values))]
        add_inside(totals[i : i + 1], [(values[j], None if keep is None else keep[j], None) for j in bins], first=True)
    return out


def _sum(part: xr.Variable, mask: xr.Variable | None) -> Any:
    axis = part.get_axis_num("energy")
    data = part.data if mask is None else inside(part.data, along(mask, part.dims))
    return data.sum(axis=axis, dtype=sum_dtype(part.dtype))


def _mean(part: xr.Variable, weight: xr.Variable | None, group: slice) -> Any:
    if weight is None or "energy" not in weight.dims:
        return part.mean("energy", dtype=mean_dtype(part.dtype)).data
    weight = weight.isel(energy=group)
    total = weight.sum("energy")
    mean = (part * weight).sum("energy") / total.where(total > 0, 1.0)
    dims = [dim for dim in part.dims if dim != "energy"]
    return mean.transpose(*dims).astype(mean_dtype(part.dtype)).data
