"""Excesses of counts over a background that is known or measured: significance, errors, upper limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import xarray as xr

from xgamma.kernels import counts as kernels
from xgamma.kernels.statistic import cash, wstat

__all__ = ["CashCountsStatistic", "WStatCountsStatistic"]


def _apply(function: Callable[..., Any], *arrays: Any) -> Any:
    return xr.apply_ufunc(function, *arrays, dask="parallelized", output_dtypes=[np.float64], join="exact")


class _Excess:
    """What follows from an excess and its two statistics, whatever they are."""

    n_on: Any
    n_sig: Any
    n_bkg: Any
    stat_null: Any
    stat_max: Any

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if not isinstance(value, xr.DataArray) and not hasattr(value, "dask"):
                object.__setattr__(self, field.name, np.asarray(value))

    @property
    def excess(self) -> Any:
        """Counts less the background; another name of ``n_sig``."""
        return self.n_sig

    @property
    def ts(self) -> Any:
        """Difference of the statistics without excess and with the best one."""
        return _apply(_clipped, self.stat_null, self.stat_max)

    @property
    def sqrt_ts(self) -> Any:
        """Significance of the excess, in standard deviations; negative for a deficit."""
        return _apply(kernels.signed_root, self.n_sig, self.ts)

    @property
    def p_value(self) -> Any:
        """Probability of at least such a deviation to the side of the excess, without a source."""
        return _apply(_one_sided, self.ts)

    def info_dict(self) -> dict[str, Any]:
        """Return ``n_on``, ``background``, ``excess``, ``significance`` and ``p_value``, and what else was given."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return own | {
            "background": self.n_bkg,
            "excess": self.n_sig,
            "significance": self.sqrt_ts,
            "p_value": self.p_value,
        }

    def __getitem__(self, key: Any) -> Self:
        parts = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return type(self)(**{name: part[key] if part.ndim else part for name, part in parts.items()})


def _clipped(null: Any, best: Any) -> Any:
    return np.clip(null - best, 0, None)


def _one_sided(ts: Any) -> Any:
    from scipy.stats import chi2

    return 0.5 * chi2.sf(ts, 1)


@dataclass(frozen=True, eq=False)
class CashCountsStatistic(_Excess):
    """Counts over a background that is known.

    Numbers, arrays and DataArrays broadcast against each other; what is lazy stays lazy.

    Parameters
    ----------
    n_on : array_like or DataArray
        Counts.
    mu_bkg : array_like or DataArray
        Expected background.

    Examples
    --------
    >>> stat = CashCountsStatistic(n_on=10, mu_bkg=4.2)
    >>> round(float(stat.sqrt_ts), 3), round(float(stat.compute_upper_limit(n_sigma=2)), 2)
    (2.397, 13.52)
    """

    n_on: Any
    mu_bkg: Any

    @property
    def n_bkg(self) -> Any:
        """The background."""
        return self.mu_bkg

    @property
    def n_sig(self) -> Any:
        """Counts less the background."""
        return self.n_on - self.mu_bkg

    @property
    def error(self) -> Any:
        """Error of the excess for many counts, their root."""
        return _apply(np.sqrt, self.n_on)

    @property
    def stat_null(self) -> Any:
        """Cash statistic without excess."""
        return _apply(cash, self.n_on, self.mu_bkg)

    @property
    def stat_max(self) -> Any:
        """Cash statistic with the best excess."""
        return _apply(cash, self.n_on, self.n_on)

    def compute_errn(self, n_sigma: float = 1.0) -> Any:
        """Return by how much the excess may fall until the statistic is higher by ``n_sigma**2``; 0 without counts."""
        return _apply(lambda n: kernels.cash_errn(n, n_sigma), self.n_on)

    def compute_errp(self, n_sigma: float = 1.0) -> Any:
        """Return by how much the excess may rise until the statistic is higher by ``n_sigma**2``."""
        return _apply(lambda n: kernels.cash_errp(n, n_sigma), self.n_on)

    def compute_upper_limit(self, n_sigma: float = 3.0) -> Any:
        """Return the larger excess for which the statistic is higher by ``n_sigma**2`` than for the best one.

        Without counts the best excess is taken to be zero.
        """
        return _apply(lambda n, mu: kernels.cash_upper_limit(n, mu, n_sigma), self.n_on, self.mu_bkg)

    def n_sig_matching_significance(self, significance: float) -> Any:
        """Return the excess that would have a significance; nan where none has, as without background."""
        return _apply(lambda mu: kernels.cash_matching(mu, significance), self.mu_bkg)

    def sum(self, axis: Any = None) -> CashCountsStatistic:
        """Add up counts and background over axes, or over dims by name for DataArrays; by default over all."""
        return CashCountsStatistic(self.n_on.sum(axis), self.mu_bkg.sum(axis))


@dataclass(frozen=True, eq=False)
class WStatCountsStatistic(_Excess):
    """Counts over a background that is measured in an off region.

    Numbers, arrays and DataArrays broadcast against each other; what is lazy stays lazy.

    Parameters
    ----------
    n_on, n_off : array_like or DataArray
        Counts in the on and the off region.
    alpha : array_like or DataArray
        Acceptance of the on region over that of the off region.
    mu_sig : array_like or DataArray
        Signal that is expected, over which the excess is counted.

    References
    ----------
    Li & Ma (1983), ApJ 272, 317: the significance without expected signal is that of their equation 17.

    Examples
    --------
    >>> stat = WStatCountsStatistic(n_on=13, n_off=11, alpha=0.5)
    >>> float(stat.excess), round(float(stat.sqrt_ts), 3)
    (7.5, 2.091)
    """

    n_on: Any
    n_off: Any
    alpha: Any
    mu_sig: Any = 0.0

    @property
    def n_bkg(self) -> Any:
        """Background in the on region, ``alpha * n_off``."""
        return self.alpha * self.n_off

    @property
    def n_sig(self) -> Any:
        """Counts less the background and the expected signal."""
        return self.n_on - self.n_bkg - self.mu_sig

    @property
    def error(self) -> Any:
        """Error of the excess for many counts, that of a sum of two Poisson numbers."""
        return _apply(lambda n, off, ratio: np.sqrt(n + ratio**2 * off), self.n_on, self.n_off, self.alpha)

    @property
    def stat_null(self) -> Any:
        """W statistic without excess."""
        return _apply(wstat, self.n_on, self.n_off, self.alpha, self.mu_sig)

    @property
    def stat_max(self) -> Any:
        """W statistic with the best excess."""
        return _apply(wstat, self.n_on, self.n_off, self.alpha, self.n_sig + self.mu_sig)

    def compute_errn(self, n_sigma: float = 1.0) -> Any:
        """Return by how much the excess may fall until the statistic is higher by ``n_sigma**2``."""
        return _apply(lambda n, off, a: kernels.wstat_errn(n, off, a, n_sigma), self.n_on, self.n_off, self.alpha)

    def compute_errp(self, n_sigma: float = 1.0) -> Any:
        """Return by how much the excess may rise until the statistic is higher by ``n_sigma**2``."""
        return _apply(lambda n, off, a: kernels.wstat_errp(n, off, a, n_sigma), self.n_on, self.n_off, self.alpha)

    def compute_upper_limit(self, n_sigma: float = 3.0) -> Any:
        """Return the larger excess for which the statistic is higher by ``n_sigma**2`` than for the best one."""
        limit = _apply(
            lambda n, off, a: kernels.wstat_upper_limit(n, off, a, n_sigma), self.n_on, self.n_off, self.alpha
        )
        return limit - self.mu_sig

    def n_sig_matching_significance(self, significance: float) -> Any:
        """Return the excess that would have a significance; nan where none has, as without off counts."""
        return _apply(lambda off, a: kernels.wstat_matching(off, a, significance), self.n_off, self.alpha)

    def sum(self, axis: Any = None) -> WStatCountsStatistic:
        """Add up counts and background over axes, or over dims by name for DataArrays; by default over all.

        The ratio of the sum is that of background and off counts, or the mean where there are no off counts.
        """
        off, known = self.n_off.sum(axis), self.n_bkg.sum(axis)
        mean = (self.alpha + 0 * self.n_off).mean(axis)
        ratio = _apply(lambda b, o, m: np.where(o > 0, b / np.where(o > 0, o, 1), m), known, off, mean)
        return WStatCountsStatistic(self.n_on.sum(axis), off, ratio, (self.mu_sig + 0 * self.n_on).sum(axis))
