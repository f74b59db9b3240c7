"""Data with off regions that models describe exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xgamma.history import record
from xgamma.onoff import alpha, is_onoff, measured_background
from xgamma.predict.counts import ModelsLike, npred_signal
from xgamma.schema import VARIABLES

__all__ = ["asimov_onoff"]


def asimov_onoff(
    ds: xr.Dataset, models: ModelsLike = None, npred_background: Any = None, name: str | None = None
) -> xr.Dataset:
    r"""Replace the counts of on/off data by those that are expected: the data that the models describe exactly.

    .. math:: n_{on} = \mu_{sig} + \alpha \mu_{off}, \quad n_{off} = \mu_{off}

    The background must not depend on the counts that are replaced. By default it is what the off region alone tells,
    :math:`\mu_{off} = n_{off}`. The W statistic of the result is zero for the same models, in every bin.

    Parameters
    ----------
    ds : Dataset
        With ``counts_off``, ``acceptance``, ``acceptance_off`` and what `npred_signal` needs; it stays as it is. There
        need not be ``counts``, nor ``counts_off`` if `npred_background` is given.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    npred_background : DataArray or float, optional
        Expected background in the on region, in place of ``alpha * counts_off``. Only bins where ``alpha`` is positive
        have any.
    name : str, optional
        Name of the new dataset, by default that of the old one.

    Returns
    -------
    Dataset
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If acceptances or what the models need are missing, or no background is known.
    """
    ratio = alpha(ds).variable
    if npred_background is None:
        known = measured_background(ds).variable
        off = ds["counts_off"].variable.astype(np.float64)
    else:
        given = npred_background.variable if isinstance(npred_background, xr.DataArray) else npred_background
        known = (xr.zeros_like(ratio) + given).transpose(*ratio.dims)
        known = known.where(ratio > 0, 0.0)
        off = known / ratio.where(ratio > 0, 1.0)
    signal = npred_signal(_with_bins(ds), models).variable
    new = {}
    for key, values in (("counts", signal + known), ("counts_off", off)):
        dims = ds[key].dims if key in ds else ratio.dims
        attrs = ds[key].attrs if key in ds else {"units": "", "long_name": VARIABLES[key].meaning}
        new[key] = xr.Variable(dims, values.transpose(*dims).data, attrs)
    what = "" if npred_background is None else "npred_background"
    out = record(ds.assign(new), f"asimov_onoff({what})")
    return out if name is None else out.assign_attrs(name=name)


def _with_bins(ds: xr.Dataset) -> xr.Dataset:
    """Give a dataset without counts the bins for which to predict."""
    if "counts" in ds:
        return ds
    like = ds["counts_off"] if is_onoff(ds) else ds["acceptance"]
    return ds.assign(counts=xr.zeros_like(like, dtype=np.float64))
