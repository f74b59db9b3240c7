"""The fit statistics of flux points: what each needs, and which points it can use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import xarray as xr

from xgamma.fluxpoints.convert import check_scan, quantity, reference, sed_type
from xgamma.fluxpoints.limits import default_n_sigma_ul, is_finite, is_ul
from xgamma.kernels.fluxpoints import Chi2, Distribution, Profile
from xgamma.schema import FLUX_VARIABLES, SED_TYPES
from xgamma.units import to_unit

__all__ = ["STATISTICS", "FluxStatistic", "mask_valid", "stat_type", "statistic_of"]

Kernel: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class FluxStatistic:
    """A fit statistic of flux points.

    Attributes
    ----------
    kernel : type
        Of `xgamma.kernels.fluxpoints`: from arrays to a function of predicted differential fluxes.
    inputs : callable
        Returns these arrays of a dataset, in TeV-1 s-1 cm-2 where they are fluxes.
    valid : callable
        Returns which points can be used, without computing anything else.
    core : tuple of tuple of str
        The dims that the kernel takes as a whole, for each array.
    """

    kernel: Kernel
    inputs: Callable[[xr.Dataset], list[xr.Variable]]
    valid: Callable[[xr.Dataset], xr.DataArray]
    core: tuple[tuple[str, ...], ...]


def stat_type(ds: xr.Dataset) -> str:
    """Name of the fit statistic of flux points: the attr ``stat_type``, or "chi2".

    Raises
    ------
    ValueError
        If there is no such statistic.
    """
    name = ds.attrs.get("stat_type", "chi2")
    if name not in STATISTICS:
        raise ValueError(f"attr 'stat_type' is {name!r}; for flux points there are: {', '.join(STATISTICS)}")
    return str(name)


def statistic_of(ds: xr.Dataset) -> FluxStatistic:
    """Return the fit statistic of flux points."""
    return STATISTICS[stat_type(ds)]


def mask_valid(ds: xr.Dataset) -> xr.DataArray:
    """Return the points that the fit statistic can use.

    Parameters
    ----------
    ds : Dataset
        Flux points.

    Returns
    -------
    DataArray, dims (energy,)
        With ``chi2`` points with a flux and an error that are no upper limits; with ``distrib`` these and the upper
        limits; with ``profile`` those whose scan is finite. Points whose fit has failed (``success``) are left out.
        Lazy where the dataset is.
    """
    found = statistic_of(ds).valid(ds)
    if "success" in ds:
        found = found & ds["success"].variable.astype(bool)
    return found.drop_attrs(deep=False).rename("mask_valid")


def _own(ds: xr.Dataset, end: str) -> str:
    return f"{SED_TYPES[sed_type(ds)]}{end}"


def _positive(ds: xr.Dataset, end: str) -> xr.Variable:
    return _usable(ds[_own(ds, end)].variable)


def _has_error(ds: xr.Dataset) -> xr.Variable | bool:
    """Which points have an error, or all where there are none whatever: the statistic then says so."""
    both = [_own(ds, end) in ds for end in ("_errn", "_errp")]
    known: xr.Variable | bool = not (all(both) or _own(ds, "_err") in ds)
    if all(both):
        known = known | (_positive(ds, "_errn") & _positive(ds, "_errp"))
    if _own(ds, "_err") in ds:
        known = known | _positive(ds, "_err")
    return known


def _has_width(ds: xr.Dataset) -> xr.Variable | bool:
    """Which limits have a width: an error, or a limit above zero."""
    if _own(ds, "_ul") not in ds:
        return False
    wide = _positive(ds, "_ul")
    if _own(ds, "_err") in ds:
        wide = wide | _positive(ds, "_err")
    return _finite(ds[_own(ds, "_ul")].variable) & wide


def _valid_values(ds: xr.Dataset) -> xr.DataArray:
    return ~is_ul(ds) & is_finite(ds).variable & _has_error(ds)


def _valid_distribution(ds: xr.Dataset) -> xr.DataArray:
    limit = is_ul(ds)
    return (limit & _has_width(ds)) | _valid_values(ds)


def _valid_profile(ds: xr.Dataset) -> xr.DataArray:
    _check_scan(ds)
    finite = _finite(ds["stat_scan"].variable).all("scan") & _finite(ds["norm_scan"].variable).all("scan")
    if "stat" in ds:
        finite = finite & _finite(ds["stat"].variable)
    like = is_finite(ds)
    return like.copy(data=finite.transpose(*like.dims).data)


def _flux(ds: xr.Dataset, end: str) -> xr.Variable | None:
    """Return a variable as differential flux in the unit of models, None if there is none."""
    if _own(ds, end) not in ds and f"dnde{end}" not in ds:
        return None
    return to_unit(quantity(ds, f"dnde{end}"), FLUX_VARIABLES["dnde"].unit).variable


def _errors(ds: xr.Dataset) -> tuple[xr.Variable, xr.Variable, xr.Variable]:
    """Return symmetric, lower and upper errors, each made from the others where it is not known."""
    err, errn, errp = (_flux(ds, end) for end in ("_err", "_errn", "_errp"))
    if err is None and (errn is None or errp is None):
        own = SED_TYPES[sed_type(ds)]
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' has no errors of its fluxes to compare models with: it needs "
            f"'{own}_err', or '{own}_errn' and '{own}_errp', or with limits alone the stat_type 'distrib'"
        )
    if errn is not None and errp is not None:
        mean = (errn + errp) / 2
        both = mean if err is None else xr.where(_usable(err), err, mean)
        return both, xr.where(_usable(errn), errn, both), xr.where(_usable(errp), errp, both)
    assert err is not None
    return err, err, err


def _usable(error: xr.Variable) -> xr.Variable:
    return _finite(error) & (error > 0)


def _finite(values: xr.Variable) -> xr.Variable:
    return abs(values) < np.inf


def _inputs_chi2(ds: xr.Dataset) -> list[xr.Variable]:
    return [_value(ds), _errors(ds)[0]]


def _value(ds: xr.Dataset) -> xr.Variable:
    value = _flux(ds, "")
    return xr.full_like(is_finite(ds).variable, np.nan, dtype=np.float64) if value is None else value


def _inputs_distribution(ds: xr.Dataset) -> list[xr.Variable]:
    value, limit = _value(ds), _flux(ds, "_ul")
    nothing = xr.full_like(value, np.nan)
    known = any(_own(ds, end) in ds for end in ("_err", "_errn", "_errp"))
    # A table of limits alone needs no errors.
    _, errn, errp = _errors(ds) if known or _own(ds, "") in ds else (nothing, nothing, nothing)
    limit = nothing if limit is None else limit
    width, err = limit / default_n_sigma_ul(ds), _flux(ds, "_err")
    if err is not None:
        width = xr.where(_usable(err), err, width)
    return [value, errn, errp, limit, width, is_ul(ds).variable]


def _check_scan(ds: xr.Dataset) -> None:
    missing = [name for name in ("stat_scan", "norm_scan") if name not in ds]
    if missing:
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' has no variable '{missing[0]}', a scan of the likelihood, which "
            "stat_type 'profile' needs: choose 'chi2' or 'distrib'"
        )


def _inputs_profile(ds: xr.Dataset) -> list[xr.Variable]:
    _check_scan(ds)
    check_scan(ds)
    scan = ds["stat_scan"].variable
    lowest = ds["stat"].variable if "stat" in ds else scan.min("scan")
    return [
        reference(ds, "dnde").variable,
        ds["norm_scan"].variable.transpose(..., "scan"),
        (scan - lowest).transpose(..., "scan"),
    ]


STATISTICS: MappingProxyType[str, FluxStatistic] = MappingProxyType(
    {
        "chi2": FluxStatistic(Chi2, _inputs_chi2, _valid_values, ((),) * 2),
        "profile": FluxStatistic(Profile, _inputs_profile, _valid_profile, ((), ("scan",), ("scan",))),
        "distrib": FluxStatistic(Distribution, _inputs_distribution, _valid_distribution, ((),) * 6),
    }
)
"""The fit statistics of flux points by name."""
