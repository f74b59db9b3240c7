"""Counts with a measurement of the background in off regions: spectra and maps alike.

A dataset is on/off data if it has ``counts_off``; ``acceptance`` and ``acceptance_off`` then tell how much background
the on and the off region receive relative to each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.history import record
from xgamma.kernels.statistic import wstat_background
from xgamma.schema import VARIABLES

__all__ = [
    "alpha",
    "background",
    "conserve_background",
    "expose_background",
    "is_onoff",
    "measured_background",
    "most_likely_off",
    "most_likely_values",
    "to_cash",
    "to_onoff",
]


def is_onoff(ds: xr.Dataset) -> bool:
    """Whether a dataset has counts in off regions."""
    return "counts_off" in ds.variables


def alpha(ds: xr.Dataset) -> xr.DataArray:
    """Return the background expected in the on region for each count in the off region.

    Parameters
    ----------
    ds : Dataset
        With ``acceptance`` and ``acceptance_off``.

    Returns
    -------
    DataArray, dims as ``acceptance``
        ``acceptance / acceptance_off``, and zero where ``acceptance_off`` is. No unit. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If one of the two variables is missing.
    """
    on, off = _variable(ds, "acceptance"), _variable(ds, "acceptance_off")
    return _like(on, _ratio(on, off.variable), "alpha", "acceptance of the on region / acceptance of the off region")


def background(ds: xr.Dataset) -> xr.DataArray:
    """Return the background that the data tell, before any model scales it.

    Parameters
    ----------
    ds : Dataset
        With ``counts_off``, ``acceptance`` and ``acceptance_off``, or with ``background``.

    Returns
    -------
    DataArray, dims as ``counts_off`` or ``background``
        That of `measured_background`, or the variable ``background`` if there are no off regions. Lazy where the
        dataset is.

    Raises
    ------
    ValueError
        If one of the variables is missing.
    """
    return ds["background"] if "background" in ds and not is_onoff(ds) else measured_background(ds)


def measured_background(ds: xr.Dataset) -> xr.DataArray:
    """Return the background in the on region as the counts in the off region tell it.

    Parameters
    ----------
    ds : Dataset
        With ``counts_off``, ``acceptance`` and ``acceptance_off``.

    Returns
    -------
    DataArray, dims as ``counts_off``
        ``alpha * counts_off``, no unit. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If one of the variables is missing.
    """
    off = _variable(ds, "counts_off")
    return _like(off, off.variable * alpha(ds).variable, "background", VARIABLES["background"].meaning)


def most_likely_off(ds: xr.Dataset, signal: xr.DataArray) -> xr.DataArray:
    """Return the background in the off region that is most likely, given a signal in the on region.

    Parameters
    ----------
    ds : Dataset
        With ``counts_off``, ``acceptance`` and ``acceptance_off``. Without ``counts`` the off region alone tells.
    signal : DataArray
        Predicted counts of sources in the on region, over the dims of ``counts_off``.

    Returns
    -------
    DataArray, dims as ``counts_off``
        Expected counts, no unit. Where ``alpha`` is zero they are ``counts_off``, since the on region then tells
        nothing about the background. Lazy where the dataset or the signal is.

    Raises
    ------
    ValueError
        If one of the variables is missing.
    """
    values = most_likely_values(ds, signal.variable)
    return _like(_variable(ds, "counts_off"), values, "npred_off", "most likely background in the off region")


def most_likely_values(ds: xr.Dataset, signal: xr.Variable) -> xr.Variable:
    """Return what `most_likely_off` does as a variable, for a signal that may have more dims than the counts."""
    off = _variable(ds, "counts_off")
    if "counts" not in ds.variables:
        return off.variable.astype(np.float64)
    arrays = [ds["counts"].variable, off.variable, alpha(ds).variable, signal]
    return xr.apply_ufunc(_most_likely_off, *arrays, dask="parallelized", output_dtypes=[np.float64])


def to_onoff(
    ds: xr.Dataset, acceptance: Any = 1.0, acceptance_off: Any = 1.0, counts_off: Any = None, name: str | None = None
) -> xr.Dataset:
    """Turn a dataset with a background model into one with off regions.

    Parameters
    ----------
    ds : Dataset
        A spectrum or map dataset; it stays as it is.
    acceptance, acceptance_off : float or DataArray
        Relative background efficiency of the on and the off region.
    counts_off : float or DataArray, optional
        Counts in the off region. Left out, they are ``background / alpha``: those that the background predicts.
    name : str, optional
        Name of the new dataset, by default that of the old one.

    Returns
    -------
    Dataset
        With ``counts_off``, ``acceptance`` and ``acceptance_off`` over the dims of the counts, and without
        ``background``. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If there are neither counts nor a background whose bins the new variables could share, or neither
        `counts_off` nor a background.
    """
    like = next((ds[key] for key in ("counts", "background", "counts_off") if key in ds.variables), None)
    if like is None:
        raise ValueError(f"{_title(ds)} has neither counts nor background, whose bins off regions would share.")
    zeros = xr.zeros_like(like.variable, dtype=np.float64)
    new: dict[str, Any] = {"acceptance": acceptance, "acceptance_off": acceptance_off}
    if counts_off is not None:
        new["counts_off"] = counts_off
    out = ds.assign({key: _filled(zeros, value, key) for key, value in new.items()})
    if counts_off is None:
        expected = _variable(ds, "background").variable
        out["counts_off"] = _filled(zeros, _ratio(expected, alpha(out).variable), "counts_off")
    out = record(out.drop_vars("background", errors="ignore"), "to_onoff()")
    return out if name is None else out.assign_attrs(name=name)


def to_cash(ds: xr.Dataset, name: str | None = None) -> xr.Dataset:
    """Turn on/off data into a dataset whose background is known: ``alpha * counts_off``.

    Parameters
    ----------
    ds : Dataset
        With ``counts_off``, ``acceptance`` and ``acceptance_off``; it stays as it is.
    name : str, optional
        Name of the new dataset, by default that of the old one.

    Returns
    -------
    Dataset
        With ``background`` in their place. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If one of the variables is missing.
    """
    out = ds.assign(background=measured_background(ds).variable)
    out = record(out.drop_vars(["counts_off", "acceptance", "acceptance_off"]), "to_cash()")
    return out if name is None else out.assign_attrs(name=name)


def expose_background(ds: xr.Dataset) -> xr.Dataset:
    """Give on/off data a variable ``background``, so that reductions carry it along; other data stay as they are.

    Parameters
    ----------
    ds : Dataset
        With ``acceptance`` and ``acceptance_off``, if it has ``counts_off``.

    Returns
    -------
    Dataset
        Lazy where the dataset is.
    """
    return ds.assign(background=measured_background(ds).variable) if is_onoff(ds) else ds


def conserve_background(ds: xr.Dataset) -> xr.Dataset:
    """Set ``acceptance_off`` so that ``alpha * counts_off`` is the variable ``background``, which goes.

    Where bins or observations are merged, counts add up, but the ratio of acceptances of the sum is that which gives
    the sum of the backgrounds. In bins without off counts it is the ratio of the background to the off counts in all
    bins together. Data without ``counts_off`` stay as they are.

    Parameters
    ----------
    ds : Dataset
        What a reduction made of the result of `expose_background`.

    Returns
    -------
    Dataset
        Lazy where the dataset is.
    """
    if not is_onoff(ds):
        return ds
    off, known = ds["counts_off"].variable, ds["background"].variable
    on, summed = ds["acceptance"].variable, ds["acceptance_off"].variable
    arrays = [on, summed, off, known, known.sum(dtype=np.float64), off.sum(dtype=np.float64)]
    values = xr.apply_ufunc(_acceptance_off, *arrays, dask="parallelized", output_dtypes=[np.float64])
    values = values.transpose(*summed.dims)._replace(attrs=summed.attrs)
    return ds.assign(acceptance_off=values).drop_vars("background")


def _title(ds: xr.Dataset) -> str:
    return f"Dataset '{ds.attrs.get('name', '')}'"


def _variable(ds: xr.Dataset, name: str) -> xr.DataArray:
    if name not in ds.variables:
        raise ValueError(
            f"{_title(ds)} has no variable '{name}' ({VARIABLES[name].meaning}), which is needed to know its "
            "background: assign it"
        )
    return ds[name]


def _like(array: xr.DataArray, values: xr.Variable, name: str, meaning: str) -> xr.DataArray:
    out = array.copy(data=values.transpose(*array.dims).data).rename(name)
    out.attrs = {"units": "", "long_name": meaning}
    return out


def _filled(zeros: xr.Variable, value: Any, name: str) -> xr.Variable:
    part = value.variable if isinstance(value, xr.DataArray) else value
    if np.isscalar(value) and not (isinstance(value, (int, float, np.number)) and value >= 0):
        raise ValueError(f"{name} is {value!r}: give a number that is not negative, or an array of them")
    try:
        values = zeros + part
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} is no number for each of the bins {dict(zeros.sizes)} of the counts: {error}"
        ) from error
    if values.dims != zeros.dims or values.shape != zeros.shape:
        raise ValueError(
            f"{name} has dims {value.dims}, but those of the counts are {zeros.dims}: give one value a bin."
        )
    values.attrs = {"units": "", "long_name": VARIABLES[name].meaning}
    return values


def _ratio(upper: xr.DataArray | xr.Variable, lower: xr.Variable) -> xr.Variable:
    variable = upper.variable if isinstance(upper, xr.DataArray) else upper
    return xr.apply_ufunc(_divide, variable, lower, dask="parallelized", output_dtypes=[np.float64])


def _divide(upper: NDArray[Any], lower: NDArray[Any]) -> NDArray[np.float64]:
    shape = np.broadcast_shapes(upper.shape, lower.shape)
    return np.divide(upper, lower, out=np.zeros(shape), where=np.broadcast_to(lower != 0, shape), dtype=np.float64)


def _most_likely_off(
    n_on: NDArray[Any], n_off: NDArray[Any], ratio: NDArray[Any], signal: NDArray[Any]
) -> NDArray[np.float64]:
    return np.where(ratio > 0, wstat_background(n_on, n_off, ratio, signal), n_off)


def _acceptance_off(
    on: NDArray[Any], summed: NDArray[Any], off: NDArray[Any], known: NDArray[Any], all_known: Any, all_off: Any
) -> NDArray[np.float64]:
    out = np.where((off > 0) & (known > 0), _divide(on * off.astype(np.float64), known), summed)
    mean = np.where((off == 0) & (all_off > 0) & (all_known > 0), _divide(on * all_off, all_known + 0 * on), out)
    return np.asarray(mean, dtype=np.float64)
