"""Which flux points are upper limits, and how significant the others are."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xgamma.fluxpoints.convert import sed_type
from xgamma.schema import SED_TYPES

__all__ = ["is_finite", "is_ul", "n_sigma_ul", "sqrt_ts", "threshold"]

_SIGMA_UL = 2.0
"""Upper limits of unknown confidence level are taken to be these many standard deviations."""


def threshold(ds: xr.Dataset) -> float:
    """Significance below which a point is an upper limit: the attr ``sqrt_ts_threshold_ul``, or 2."""
    return float(ds.attrs.get("sqrt_ts_threshold_ul", 2))


def n_sigma_ul(ds: xr.Dataset) -> float | None:
    """Tell how many standard deviations upper limits are.

    Parameters
    ----------
    ds : Dataset
        Flux points.

    Returns
    -------
    float or None
        The attr ``n_sigma_ul``, or what the confidence level ``ul_conf`` stands for: limits of 0.95 are the upper end
        of an interval that holds 95 %, which is 1.96 standard deviations. None if neither is known.

    Raises
    ------
    ValueError
        If the confidence level is not between 0 and 1.
    """
    from scipy.special import ndtri

    given = ds.attrs.get("n_sigma_ul")
    if given is not None:
        return float(given)
    level = ds.attrs.get("ul_conf")
    if level is None:
        return None
    if not 0 < float(level) < 1:
        raise ValueError(f"attr 'ul_conf' is {level}: a confidence level lies between 0 and 1")
    return float(ndtri((1 + float(level)) / 2))


def sqrt_ts(ds: xr.Dataset) -> xr.DataArray:
    """Return the root of the test statistic, negative where the flux is not positive.

    Parameters
    ----------
    ds : Dataset
        Flux points with ``sqrt_ts`` or ``ts``.

    Returns
    -------
    DataArray, dims (energy,)
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If neither is known.
    """
    if "sqrt_ts" in ds:
        return ds["sqrt_ts"]
    if "ts" not in ds:
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' has neither 'sqrt_ts' nor 'ts': the significance is not known"
        )
    root = ds["ts"].clip(min=0) ** 0.5
    value = ds[SED_TYPES[sed_type(ds)]].variable
    out = root.copy(data=xr.where(value > 0, root.variable, -root.variable).transpose(*root.dims).data)
    out.attrs = {"units": "", "long_name": "root of the test statistic, with the sign of the flux"}
    return out.rename("sqrt_ts")


def is_finite(ds: xr.Dataset, end: str = "") -> xr.DataArray:
    """Return which points have a flux, or with an ending such as ``_ul`` a limit; none if the variable is missing."""
    own = SED_TYPES[sed_type(ds)]
    name = f"{own}{end}"
    if name in ds:
        return (abs(ds[name]) < np.inf).drop_attrs(deep=False)
    like = ds[own if own in ds else f"{own}_ul"]
    return xr.zeros_like(like, dtype=bool).drop_attrs(deep=False)


def is_ul(ds: xr.Dataset) -> xr.DataArray:
    """Return which points are upper limits.

    Parameters
    ----------
    ds : Dataset
        Flux points.

    Returns
    -------
    DataArray, dims (energy,)
        The variable ``is_ul``. Without it, points with a limit whose significance is below `threshold`; if that is not
        known, those without a flux. Lazy where the dataset is.
    """
    if "is_ul" in ds:
        return ds["is_ul"].astype(bool)
    found = sqrt_ts(ds) < threshold(ds) if is_known(ds) else ~is_finite(ds)
    return found.drop_attrs(deep=False).rename("is_ul")


def is_known(ds: xr.Dataset) -> bool:
    """Whether significances tell which points are limits: there are both, and a flux."""
    own = SED_TYPES[sed_type(ds)]
    return f"{own}_ul" in ds and ("sqrt_ts" in ds or ("ts" in ds and own in ds))


def default_n_sigma_ul(ds: xr.Dataset) -> float:
    """Return `n_sigma_ul`, or 2 where it is not known."""
    known = n_sigma_ul(ds)
    return _SIGMA_UL if known is None else known
