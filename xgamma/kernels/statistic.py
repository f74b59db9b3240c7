"""Fit statistics of counts, as arrays.

All are ``-2 ln L`` up to terms that do not depend on the prediction, and broadcast over their arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["TRUNCATION", "cash", "cash_sum", "cstat", "wstat", "wstat_background"]

TRUNCATION = 1e-25
"""Predictions and counts at or below it are taken to be equal to it, so that no logarithm diverges."""


def cash(n_on: ArrayLike, mu_on: ArrayLike, truncation: float = TRUNCATION) -> NDArray[np.float64]:
    r"""Cash statistic of Poisson counts with a known prediction.

    .. math:: C = 2 (\mu - n \ln \mu)

    Parameters
    ----------
    n_on : array_like
        Observed counts.
    mu_on : array_like
        Predicted counts. Values at or below `truncation`, the negative ones as well, count as `truncation`.
    truncation : float
        The smallest prediction.

    Returns
    -------
    ndarray
        Statistic of each bin.

    References
    ----------
    Cash (1979), ApJ 228, 939.
    """
    mu = np.maximum(np.asarray(mu_on, dtype=np.float64), truncation)
    return 2 * (mu - np.asarray(n_on) * np.log(mu))


def cash_sum(n_on: NDArray[Any], mu_on: NDArray[Any], inside: NDArray[np.bool_]) -> float:
    r"""Sum of the Cash statistic; logarithms are taken only where there are counts.

    Parameters
    ----------
    n_on, mu_on : ndarray
        Observed and predicted counts, of one shape; predictions are truncated as in `cash`.
    inside : ndarray of bool
        Bins to sum over.

    Returns
    -------
    float
        :math:`2 (\sum \mu - \sum_{n > 0} n \ln \mu)`; nan if counts or predictions are.
    """
    bins = inside & (n_on != 0)
    mu = np.maximum(mu_on[bins].astype(np.float64), TRUNCATION)
    total = np.sum(mu_on, where=inside & (mu_on > TRUNCATION) | np.isnan(mu_on) & inside, dtype=np.float64)
    return float(2 * (total - np.sum(n_on[bins] * np.log(mu))))


def cstat(n_on: ArrayLike, mu_on: ArrayLike, truncation: float = TRUNCATION) -> NDArray[np.float64]:
    r"""C statistic: the Cash statistic less that of a perfect prediction.

    .. math:: C = 2 (\mu - n + n \ln (n / \mu))

    Parameters
    ----------
    n_on : array_like
        Observed counts; values below `truncation` count as `truncation`.
    mu_on : array_like
        Predicted counts; values below `truncation` count as `truncation`.
    truncation : float
        The smallest count and prediction.

    Returns
    -------
    ndarray
        Statistic of each bin.
    """
    n = np.maximum(np.asarray(n_on, dtype=np.float64), truncation)
    mu = np.maximum(np.asarray(mu_on, dtype=np.float64), truncation)
    return 2 * (mu - n + n * np.log(n / mu))


def wstat_background(n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike, mu_sig: ArrayLike) -> NDArray[np.float64]:
    r"""Most likely background in the off region, given a signal.

    The positive root of the likelihood's derivative,

    .. math:: \alpha (1 + \alpha) \mu^2 - C \mu - n_{off} \mu_{sig} = 0, \quad
              C = \alpha (n_{on} + n_{off}) - (1 + \alpha) \mu_{sig}

    Parameters
    ----------
    n_on, n_off : array_like
        Counts in the on and off regions.
    alpha : array_like
        Ratio of the on and the off acceptance.
    mu_sig : array_like
        Predicted signal in the on region.

    Returns
    -------
    ndarray
        Background in the off region; nan where `alpha` is zero.
    """
    n_on, n_off, alpha, mu_sig = (np.asarray(_, dtype=np.float64) for _ in (n_on, n_off, alpha, mu_sig))
    c = alpha * (n_on + n_off) - (1 + alpha) * mu_sig
    root = np.sqrt(c**2 + 4 * alpha * (alpha + 1) * n_off * mu_sig)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (c + root) / (2 * alpha * (alpha + 1))


def wstat(
    n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike, mu_sig: ArrayLike, mu_bkg: ArrayLike | None = None
) -> NDArray[np.float64]:
    r"""W statistic: Poisson counts with a Poisson measurement of the background.

    .. math:: W = 2 [\mu_s + (1 + \alpha) \mu_b - n_{on} \ln (\mu_s + \alpha \mu_b) - n_{off} \ln \mu_b
              - n_{on} (1 - \ln n_{on}) - n_{off} (1 - \ln n_{off})]

    Parameters
    ----------
    n_on, n_off : array_like
        Counts in the on and off regions.
    alpha : array_like
        Ratio of the on and the off acceptance.
    mu_sig : array_like
        Predicted signal in the on region.
    mu_bkg : array_like, optional
        Background in the off region; by default the most likely one.

    Returns
    -------
    ndarray
        Statistic of each bin.
    """
    from scipy.special import xlogy

    n_on, n_off, alpha, mu_sig = (np.asarray(_, dtype=np.float64) for _ in (n_on, n_off, alpha, mu_sig))
    mu = wstat_background(n_on, n_off, alpha, mu_sig) if mu_bkg is None else np.asarray(mu_bkg, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        likelihood = mu_sig + (1 + alpha) * mu - xlogy(n_on, mu_sig + alpha * mu) - xlogy(n_off, mu)
    return 2 * (likelihood - n_on + xlogy(n_on, n_on) - n_off + xlogy(n_off, n_off))
