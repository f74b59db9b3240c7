"""Fit statistics of datasets: how well predicted counts agree with observed ones."""

from __future__ import annotations

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
    values = cash(ds, models).variable
    inside = mask(ds)
    if inside is not None:
        values = values.where(inside.variable, 0.0)
    return xr.DataArray(values.sum(), name="stat_sum", attrs={"units": "", "long_name": "sum of the fit statistic"})
