"""Fit statistics of datasets: how well predicted counts agree with observed ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from xgamma.flux_statistic import FLUX_STATISTICS, flux_stat
from xgamma.fluxpoints import stat_type as flux_stat_type
from xgamma.kernels import statistic as kernels
from xgamma.onoff import alpha, is_onoff
from xgamma.predict import npred, npred_signal
from xgamma.reduce.masks import mask
from xgamma.schema import is_flux_points

__all__ = ["cash", "stat_array", "stat_sum", "stat_type", "wstat"]


def stat_type(ds: xr.Dataset) -> str:
    """Name of the fit statistic: ``wstat`` with counts in off regions, else ``cash``; of flux points that they name."""
    if is_flux_points(ds):
        return flux_stat_type(ds)
    return "wstat" if is_onoff(ds) else "cash"


def _counts(ds: xr.Dataset) -> xr.DataArray:
    if "counts" not in ds:
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no variable 'counts' to compare a prediction with.")
    return ds["counts"]


def cash(ds: xr.Dataset, models: Any = None) -> xr.DataArray:
    """Cash statistic of each bin, inside and outside masks.

    Parameters
    ----------
    ds : Dataset
        With ``counts`` and what `npred` needs.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    DataArray, dims as ``counts``
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If there are no counts.
    """
    counts = _counts(ds)
    out = xr.apply_ufunc(
        kernels.cash, counts, npred(ds, models), join="exact", dask="parallelized", output_dtypes=[np.float64]
    ).transpose(*counts.dims)
    out.attrs = {"units": "", "long_name": "Cash statistic"}
    return out.rename("cash")


def wstat(ds: xr.Dataset, models: Any = None) -> xr.DataArray:
    """W statistic of each bin, inside and outside masks: counts with a measurement of the background in off regions.

    Parameters
    ----------
    ds : Dataset
        With ``counts``, ``counts_off``, ``acceptance``, ``acceptance_off`` and what `npred_signal` needs.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    DataArray, dims as ``counts``
        Zero where ``alpha`` is: nothing is known about the background there. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If there are no counts in the on or the off region, or no acceptances.
    """
    counts, ratio = _counts(ds), alpha(ds)
    if not is_onoff(ds):
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no variable 'counts_off', which wstat needs.")
    arrays = [part.variable for part in (counts, ds["counts_off"], ratio, npred_signal(ds, models))]
    values = xr.apply_ufunc(_wstat, *arrays, dask="parallelized", output_dtypes=[np.float64])
    out = counts.copy(data=values.transpose(*counts.dims).data)
    out.attrs = {"units": "", "long_name": "W statistic"}
    return out.rename("wstat")


def _wstat(n_on: np.ndarray, n_off: np.ndarray, ratio: np.ndarray, signal: np.ndarray) -> np.ndarray:
    return np.where(ratio > 0, kernels.wstat(n_on, n_off, ratio, signal), 0.0)


def stat_array(ds: xr.Dataset, models: Any = None) -> xr.DataArray:
    """Fit statistic of each bin: `wstat` with counts in off regions, else `cash`; of flux points that they name.

    Parameters
    ----------
    ds : Dataset
        With ``counts`` and what the statistic needs, or flux points (`xgamma.flux_statistic.flux_stat`).
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    DataArray, dims as ``counts``
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If there are no counts, or what the statistic needs is missing.
    """
    return _STATISTICS[stat_type(ds)](ds, models)


_STATISTICS: dict[str, Callable[[xr.Dataset, Any], xr.DataArray]] = {
    "cash": cash,
    "wstat": wstat,
    **dict.fromkeys(FLUX_STATISTICS, flux_stat),
}


def stat_sum(ds: xr.Dataset, models: Any = None) -> xr.DataArray:
    """Sum of the fit statistic over the bins inside both masks.

    Parameters
    ----------
    ds : Dataset
        With ``counts`` and what `stat_array` needs.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    DataArray, no dims
        ``float()`` of it is a number. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If there are no counts, or what the statistic needs is missing.
    """
    attrs = {"units": "", "long_name": "sum of the fit statistic"}
    if stat_type(ds) != "cash":
        values = stat_array(ds, models).variable.where(mask(ds).variable, 0.0)
        return xr.DataArray(values.sum(), name="stat_sum", attrs=attrs)
    counts = _counts(ds).variable
    prediction = npred(ds, models).variable.transpose(*counts.dims)
    inside = mask(ds).variable.set_dims(dict(counts.sizes)).transpose(*counts.dims)
    total = _sum_blocks(kernels.cash_sum, counts.data, prediction.data, inside.data)
    return xr.DataArray(total, name="stat_sum", attrs=attrs)


def _sum_blocks(function: Callable[..., float], *arrays: Any) -> Any:
    """Add up what a function gives for whole arrays, or for their chunks where one is lazy."""
    if all(isinstance(array, np.ndarray) for array in arrays):
        return function(*arrays)
    import dask.array as da

    letters = tuple(range(arrays[0].ndim))
    pairs = [item for array in arrays for item in (array, letters)]
    # One number for each chunk: the bins of a chunk never leave it.
    parts = da.blockwise(
        lambda *blocks: np.full((1,) * len(letters), function(*blocks)),
        letters,
        *pairs,
        adjust_chunks=dict.fromkeys(letters, 1),
        dtype=np.float64,
        meta=np.empty((0,) * len(letters)),
    )
    return parts.sum()
