"""Residuals: how observed counts differ from predicted ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from xgamma.predict.counts import ModelsLike, npred
from xgamma.predict.flux import flux_residuals
from xgamma.reduce.masks import mask
from xgamma.reduce.smooth import smooth
from xgamma.schema import is_flux_points

__all__ = ["METHODS", "compare", "residuals"]


def _ratio(difference: xr.DataArray, scale: xr.DataArray) -> xr.DataArray:
    return difference / scale.where(scale > 0)


METHODS: dict[str, Callable[[xr.DataArray, xr.DataArray], xr.DataArray]] = {
    "diff": lambda counts, model: counts - model,
    "diff/model": lambda counts, model: _ratio(counts - model, model),
    "diff/sqrt(model)": lambda counts, model: _ratio(counts - model, model**0.5),
}
"""Residuals by the name of the method, as functions of counts and predicted counts."""


def residuals(
    ds: xr.Dataset, method: str = "diff", models: ModelsLike = None, width: Any = None, kernel: str = "gauss"
) -> xr.DataArray:
    """Return the difference of observed and predicted counts inside the masks.

    Parameters
    ----------
    ds : Dataset
        With ``counts`` and what `npred` needs; flux points have residuals of their own kind,
        `xgamma.predict.flux.flux_residuals`.
    method : {"diff", "diff/model", "diff/sqrt(model)"}
        The difference itself, or divided by the predicted counts or their square root.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    width : Quantity, str or float, optional
        Smooth the counts and the prediction inside the masks with this width first, as `xgamma.reduce.smooth.smooth`
        does. Near the border of a mask the sums are those of an equally large area inside.
    kernel : {"gauss", "disk", "box"}
        Of the smoothing.

    Returns
    -------
    DataArray, dims as ``counts``
        nan outside the masks, and where the divisor is zero. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the method is unknown, or there are no counts.
    """
    _check(method)
    if is_flux_points(ds):
        if width is not None:
            raise ValueError("flux points cannot be smoothed: leave out width")
        return flux_residuals(ds, method, models)
    if "counts" not in ds:
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no variable 'counts' to compare a prediction with.")
    model = npred(ds, models)
    counts = model.copy(data=ds["counts"].variable.transpose(*model.dims).astype(np.float64).data)
    return compare(counts, model, mask(ds), method, width, kernel).transpose(*ds["counts"].dims)


def compare(
    counts: xr.DataArray,
    model: xr.DataArray,
    inside: xr.DataArray,
    method: str = "diff",
    width: Any = None,
    kernel: str = "gauss",
) -> xr.DataArray:
    """Return the difference of counts and predicted counts, of one grid, inside a mask.

    Parameters
    ----------
    counts, model : DataArray
        With the same dims.
    inside : DataArray
        Of bool, with the same dims.
    method, width, kernel
        As for `residuals`.

    Returns
    -------
    DataArray, dims as `model`
        nan outside the mask, and where the divisor is zero. Lazy where the arrays are.

    Raises
    ------
    ValueError
        If the method is unknown.
    """
    _check(method)
    if width is not None:
        inside = inside.transpose(*model.dims)
        share = smooth(model.copy(data=inside.variable.astype(np.float64).data), width, kernel)
        share = share.where(inside.variable, np.nan)
        counts, model = (smooth(part.where(inside.variable, 0.0), width, kernel) / share for part in (counts, model))
    out = METHODS[method](counts, model).where(inside.variable)
    out.attrs = {"units": "", "long_name": f"residuals ({method})"}
    return out.rename("residuals")


def _check(method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"method is {method!r}: it must be one of {list(METHODS)}")
