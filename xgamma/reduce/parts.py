"""What one dataset adds to a sum of datasets, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.kernels.mask import Part, zero_outside
from xgamma.reduce.rebuild import grid_dims
from xgamma.schema import VARIABLES, base_name, suffix_of

__all__ = [
    "Term",
    "along",
    "averages",
    "inside",
    "mask_for",
    "masked",
    "masked_part",
    "mean_dtype",
    "seen",
    "sky_suffix",
    "sum_dtype",
]


@dataclass(frozen=True)
class Term:
    """A variable of a sum.

    Attributes
    ----------
    name : str
        Its name.
    dims : tuple
        In the order of the schema, the sky last.
    dtype : dtype
        Of the sum.
    factors : dict of int to float
        Conversion of units by number of the dataset, that of the weight included.
    weight : str or None
        Name of the variable that weights it.
    attrs : dict
        Of the sum.
    """

    name: str
    dims: tuple[Any, ...]
    dtype: np.dtype[Any]
    factors: dict[int, float]
    weight: str | None
    attrs: dict[Any, Any]


def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Type in which numbers of a type add up: integers take 64 bit, as sums would wrap around in fewer."""
    if dtype.kind in "bi" or (dtype.kind == "u" and dtype.itemsize < 8):
        return np.dtype(np.int64)
    return np.result_type(dtype, np.float32) if dtype.kind == "f" else dtype


def mean_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Type of averages of numbers of a type: those of integers have fractions."""
    return np.dtype(np.float64) if dtype.kind in "biu" else sum_dtype(dtype)


def sky_suffix(dims: Iterable[Any]) -> str | None:
    """Suffix of the sky grid that dims belong to, None for those without sky."""
    return next((suffix_of(str(dim)) for dim in dims if base_name(str(dim)) == "y"), None)


def mask_for(variable: xr.Variable, mask: xr.Variable | None) -> xr.Variable | None:
    """Return a mask over the dims of a variable: for any energy, where that has none."""
    return mask if mask is None or "energy" in variable.dims else mask.any("energy")


def inside(data: Any, mask: Any) -> Any:
    """Set what is outside a mask to zero, of numpy or dask arrays."""
    if hasattr(data, "dask") or hasattr(mask, "dask"):
        return np.where(mask, data, data.dtype.type(0))
    return zero_outside(data, mask)


def widened(data: Any, dtype: np.dtype[Any] | None) -> Any:
    """Return integers in the type of a sum, so that no product wraps around, and other numbers as they are."""
    return data if dtype is None or data.dtype.kind not in "biu" else data.astype(dtype, copy=False)


def masked(
    variable: xr.Variable,
    mask: xr.Variable | None,
    factor: float,
    weight: xr.Variable | None = None,
    dtype: np.dtype[Any] | None = None,
) -> Any:
    """Scale and weight a variable, and set what is outside a mask or not finite to zero.

    Parameters
    ----------
    variable : Variable
        Floating point or integer numbers.
    mask : Variable or None
        With some of its dims; None if all is inside.
    factor : float
        Conversion of units.
    weight : Variable, optional
        With some of its dims.
    dtype : dtype, optional
        Of the sum, which integers take.

    Returns
    -------
    ndarray
        A new array, with the dims of the variable.
    """
    data = widened(variable.data, dtype)
    if weight is not None:
        data = data * along(weight, variable.dims)
    if factor != 1:
        data = data * data.dtype.type(factor)
    return zero_outside(data, np.True_ if mask is None else along(mask, variable.dims), finite=True)


def masked_part(
    total: NDArray[Any],
    variable: xr.Variable,
    mask: xr.Variable | None,
    factor: float,
    weight: xr.Variable | None = None,
) -> Part:
    """Return the part of a sum, for `add_inside`, that is what `masked` returns."""
    keep = None if mask is None else along(mask, variable.dims)
    scale = None if weight is None else along(weight, variable.dims)
    data = widened(variable.data, total.dtype)
    if factor != 1:
        number = np.result_type(data, *([] if scale is None else [scale])).type(factor)
        scale = np.full((1,) * data.ndim, number) if scale is None else scale * number
    return data, keep, scale


def along(variable: xr.Variable, dims: tuple[Any, ...]) -> Any:
    """Return the data of a variable that has some of the dims, so that they broadcast over all."""
    own = tuple(dim for dim in dims if dim in variable.dims)
    data = variable.data if own == variable.dims else variable.transpose(*own).data
    return data[tuple(slice(None) if dim in own else None for dim in dims)]


def averages(sums: dict[str, xr.Variable]) -> dict[str, xr.Variable]:
    """Divide the sums of weighted responses by the sums of their weights; zero where these are."""
    out = {}
    for name, total in sums.items():
        weight = sums.get(VARIABLES[name].weight or "")
        if weight is not None:
            scale = np.divide(1.0, weight.data, out=np.zeros(weight.shape), where=weight.data > 0)
            scale = along(weight.copy(data=scale.astype(total.dtype)), total.dims)
            total = xr.Variable(total.dims, total.data * scale, total.attrs)
        out[name] = total
    return out


def seen(mask: xr.Variable, lookup: Any, origin: tuple[int, int]) -> np.ndarray:
    """Reduce a part of a safe mask to the pixels of a response.

    Parameters
    ----------
    mask : Variable, dims (energy, y, x) or (energy,)
        A rectangle of the safe mask.
    lookup : (ndarray, ndarray) or None
        Rows and columns of the whole mask, which broadcast to (y, step, x, step), as `irf_mask.lookup` finds them; None
        for a response without dims on the sky.
    origin : (int, int)
        First row and column of the rectangle.

    Returns
    -------
    ndarray, shape (energy, y, x) or (energy,)
        Whether the mask holds at one of the places that belong to the pixel and lie in the rectangle.
    """
    if "y" not in mask.dims:
        return mask.data
    data = mask.transpose("energy", *grid_dims()).data
    if lookup is None:
        return data.any(axis=(1, 2))
    rows, columns = np.broadcast_arrays(lookup[0] - origin[0], lookup[1] - origin[1])
    near = (rows >= 0) & (rows < data.shape[1]) & (columns >= 0) & (columns < data.shape[2])
    out = np.zeros((data.shape[0], rows.shape[0], rows.shape[2]), dtype=bool)
    near_y, near_x = np.flatnonzero(near.any(axis=(1, 2, 3))), np.flatnonzero(near.any(axis=(0, 1, 3)))
    if near_y.size and near_x.size:
        box = slice(near_y[0], near_y[-1] + 1), slice(None), slice(near_x[0], near_x[-1] + 1)
        within = near[box]
        found = data[:, np.where(within, rows[box], 0), np.where(within, columns[box], 0)] & within
        out[:, box[0], box[2]] = found.any(axis=(2, 4))
    return out
