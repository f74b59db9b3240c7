"""Fit statistics of flux points, as functions of predicted values, and their slopes.

All are ``-2 ln L`` up to terms that do not depend on the prediction. Points lie along the last dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chi2", "Distribution", "Profile", "Splines"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Chi2:
    r"""Squared pulls, :math:`((d - m) / \sigma)^2`.

    Attributes
    ----------
    value, sigma : ndarray
        Measured values and their errors.
    """

    value: Array
    sigma: Array

    def __call__(self, model: Array) -> Array:
        """Statistic of each point."""
        return np.asarray(((self.value - model) / self.sigma) ** 2)

    def slope(self, model: Array) -> Array:
        """Return the derivative with respect to the prediction."""
        return np.asarray(2 * (model - self.value) / self.sigma**2)

    def compiled(self) -> Chi2:
        """Return the statistic for many calls."""
        return self


@dataclass(frozen=True)
class Distribution:
    r"""Normal distributions with two half-widths, and their integrals up to upper limits.

    Where a value was measured the statistic is :math:`((d - m) / \sigma_\pm)^2`, with the upper error where the
    prediction lies above the value. Where only a limit :math:`u` is known the likelihood is the probability to measure
    less than it, a normal distribution of width :math:`\sigma` about the prediction :math:`m` integrated up to
    :math:`u`,

    .. math:: -2 \ln \int_{-\infty}^{u} \frac{1}{\sqrt{2 \pi} \sigma} e^{-(x - m)^2 / (2 \sigma^2)} dx
              = -2 \ln \frac{1}{2} \mathrm{erfc} \left( \frac{m - u}{\sqrt{2} \sigma} \right)

    which is zero far below the limit, :math:`2 \ln 2` at it, and :math:`((m - u) / \sigma)^2` to leading order far
    above.

    Attributes
    ----------
    value, errn, errp : ndarray
        Measured values, their lower and upper errors.
    limit, sigma : ndarray
        Upper limits and the widths of the distributions of measurements that they stand for.
    is_ul : ndarray of bool
        Which points are upper limits.

    References
    ----------
    Sawicki (2012), PASP 124, 1208, appendix, equation A10; Mohanty et al. (2013), ApJ 773, 168, appendix C.
    """

    value: Array
    errn: Array
    errp: Array
    limit: Array
    sigma: Array
    is_ul: NDArray[np.bool_]

    def _width(self, model: Array) -> Array:
        return np.where(model >= self.value, self.errp, self.errn)

    def __call__(self, model: Array) -> Array:
        """Statistic of each point."""
        from scipy.special import log_ndtr

        below = -2 * log_ndtr((self.limit - model) / self.sigma)
        return np.where(self.is_ul, below, ((self.value - model) / self._width(model)) ** 2)

    def slope(self, model: Array) -> Array:
        """Return the derivative with respect to the prediction."""
        from scipy.special import log_ndtr

        z = (self.limit - model) / self.sigma
        below = 2 / self.sigma * np.exp(-(z**2) / 2 - log_ndtr(z)) / np.sqrt(2 * np.pi)
        return np.where(self.is_ul, below, 2 * (model - self.value) / self._width(model) ** 2)

    def compiled(self) -> Distribution:
        """Return the statistic for many calls, without numbers that it does not use."""
        value, errn, errp = (np.where(self.is_ul, 1.0, part) for part in (self.value, self.errn, self.errp))
        limit, sigma = (np.where(self.is_ul, part, 1.0) for part in (self.limit, self.sigma))
        return Distribution(value, errn, errp, limit, sigma, self.is_ul)


@dataclass(frozen=True)
class Profile:
    """Scans of a likelihood over the norm of a reference, joined by splines of second order.

    Beyond a scan its outermost polynomial goes on, which a scan that is a parabola follows.

    Attributes
    ----------
    reference : ndarray
        What the prediction is divided by to get a norm.
    norm, rise : ndarray
        Norms (last dim) and how far the statistic lies there above that of the best fit.
    """

    reference: Array
    norm: Array
    rise: Array

    def __call__(self, model: Array) -> Array:
        """Statistic of each point; nan where a scan is not finite."""
        return self._evaluate(model, 0)

    def slope(self, model: Array) -> Array:
        """Return the derivative with respect to the prediction."""
        return self._evaluate(model, 1) / self.reference

    def compiled(self) -> Splines:
        """Return the statistic with its splines made, for many calls."""
        norm, rise = np.broadcast_arrays(self.norm, self.rise)
        shape = norm.shape[:-1]
        splines = tuple(_spline(norm[i], rise[i]) for i in np.ndindex(shape))
        return Splines(np.broadcast_to(self.reference, shape), splines)

    def _evaluate(self, model: Array, order: int) -> Array:
        shape = np.broadcast_shapes(np.shape(model), np.shape(self.reference), self.norm.shape[:-1])
        full = (*shape, self.norm.shape[-1])
        parts = np.broadcast_to(self.norm, full), np.broadcast_to(self.rise, full)
        return Profile(np.broadcast_to(self.reference, shape), *parts).compiled()._evaluate(model, order)


@dataclass(frozen=True)
class Splines:
    """A `Profile` with its splines made.

    Attributes
    ----------
    reference : ndarray
        What the prediction is divided by to get a norm.
    splines : tuple
        A spline for each point; None where a scan is not finite.
    """

    reference: Array
    splines: tuple[Any, ...]

    def __call__(self, model: Array) -> Array:
        """Statistic of each point; nan where a scan is not finite."""
        return self._evaluate(model, 0)

    def slope(self, model: Array) -> Array:
        """Return the derivative with respect to the prediction."""
        return self._evaluate(model, 1) / self.reference

    def _evaluate(self, model: Array, order: int) -> Array:
        norm = model / self.reference
        norm = np.broadcast_to(norm, np.broadcast_shapes(norm.shape, self.reference.shape))
        out = np.full(norm.shape, np.nan)
        for i, spline in zip(np.ndindex(self.reference.shape), self.splines, strict=True):
            if spline is not None:
                out[(..., *i)] = spline(norm[(..., *i)], nu=order)
        return out


def _spline(x: Array, y: Array) -> Any:
    from scipy.interpolate import make_interp_spline

    if x.size < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    if (np.diff(x) <= 0).any():
        return None
    return make_interp_spline(x, y, k=min(2, x.size - 1))
