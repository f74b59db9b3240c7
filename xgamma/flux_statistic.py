"""Fit statistics of flux points: how well predicted fluxes agree with measured ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xgamma.fluxpoints.limits import is_finite
from xgamma.fluxpoints.statistics import STATISTICS, statistic_of
from xgamma.predict.flux import flux_pred

__all__ = ["FLUX_STATISTICS", "flux_stat"]

FLUX_STATISTICS = tuple(STATISTICS)
"""Names of the statistics."""


def flux_stat(ds: xr.Dataset, models: Any = None) -> xr.DataArray:
    """Fit statistic of each flux point, inside and outside masks.

    Parameters
    ----------
    ds : Dataset
        Flux points with what the statistic of its attr ``stat_type`` needs: errors for "chi2", the default; errors and
        limits for "distrib"; ``stat_scan`` and ``norm_scan`` for "profile". `xgamma.kernels.fluxpoints` has the
        formulas.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    DataArray, dims (energy,)
        nan where `xgamma.fluxpoints.mask_valid` is False. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If a variable that the statistic needs is missing.
    """
    statistic = statistic_of(ds)
    arrays = [
        array.chunk({"scan": -1}) if array.chunks and "scan" in array.dims else array for array in statistic.inputs(ds)
    ]
    values = xr.apply_ufunc(
        _evaluate,
        flux_pred(ds, models).variable,
        *arrays,
        kwargs={"kernel": statistic.kernel},
        input_core_dims=[(), *statistic.core],
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    like = is_finite(ds)
    values = values.where(statistic.valid(ds).variable).transpose(*like.dims)
    out = like.copy(data=values.data)
    out.attrs = {"units": "", "long_name": "fit statistic"}
    return out.rename("stat_array")


def _evaluate(model: np.ndarray, *arrays: np.ndarray, kernel: Any) -> np.ndarray:
    # Points without a value or an error come out as nan.
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(kernel(*arrays)(model))
