"""Fit statistics of datasets: how well predicted counts agree with observed ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from xgamma.kernels import statistic as kernels
from xgamma.predict import npred
from xgamma.reduce.masks import mask

__all__ = ["cash", "stat_sum", "stat_type"]


def stat_type(ds: xr.Dataset) -> str:
    """Name of the fit statistic: ``wstat`` with counts in off regions, else ``cash``."""
    return "wstat" if "counts_off" in ds else "cash"


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


def stat_sum(ds: xr.Dataset, models: Any = None) -> xr.DataArray:
    """Sum of the fit statistic over the bins inside both masks.

    Parameters
    ----------
    ds : Dataset
        With ``counts`` and what `npred` needs.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    DataArray, no dims
        ``float()`` of it is a number. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If there are no counts.
    """
    counts = _counts(ds).variable
    prediction = npred(ds, models).variable.transpose(*counts.dims)
    inside = mask(ds).variable.set_dims(dict(counts.sizes)).transpose(*counts.dims)
    total = _sum_blocks(kernels.cash_sum, counts.data, prediction.data, inside.data)
    return xr.DataArray(total, name="stat_sum", attrs={"units": "", "long_name": "sum of the fit statistic"})


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
