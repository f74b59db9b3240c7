"""The Cash statistic of a dataset as a function of the parameter vector.

C = 2 (sum of mu over the mask - sum of n ln mu over the bins with counts). The first sum is linear in the fluxes; in
the second, bins without a source know the background alone, whose logarithm is ln b + ln f with f the factor of the
energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import statistic
from xgamma.kernels.statistic import TRUNCATION
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.source import Contribution
from xgamma.likelihood.spectrum import Spectrum

__all__ = ["CashTerm", "cash_term"]

Array = NDArray[np.float64]

_MARGIN = 1e-9
"""Predictions of at least so much of the background are far from the truncation."""


@dataclass(frozen=True)
class _Active:
    """Bins whose prediction is not the background alone, and sums over the others."""

    bins: NDArray[np.intp]
    n: Array
    b: Array
    e: NDArray[np.intp]
    bare: NDArray[np.intp]
    other_n: Array
    other_log: float


@dataclass(frozen=True)
class CashTerm:
    """Cash statistic of a dataset, compiled.

    Attributes
    ----------
    name : str
        Name of the dataset.
    bins : Bins
        Its bins.
    background : Spectrum or None
        Factor on the background in each energy; None for 1.
    sources : tuple
        The source models.
    logs : ndarray, shape (bin,)
        Counts x logarithm of the background, 0 in bare bins.
    still : _Active
        The bins of all sources where they were compiled.
    places : tuple of ndarray
        Where the bins of each source lie in it.
    """

    name: str
    bins: Bins
    background: Spectrum | None
    sources: tuple[Any, ...]
    logs: Array
    still: _Active
    places: tuple[Any, ...]

    def _factor(self, x: Array) -> Array:
        return np.ones(self.bins.sum_b.size) if self.background is None else self.background(x)

    def _collect(self, parts: list[Contribution]) -> tuple[_Active, Any]:
        if all(part.still for part in parts):
            return self.still, self.places
        active = _active(self.bins, self.logs, [part.fixed.bins for part in parts])
        place = np.zeros(self.bins.n.size, dtype=np.intp)
        place[active.bins] = np.arange(active.bins.size)
        return active, [place[part.fixed.bins] for part in parts]

    def _predict(self, x: Array, slopes: bool) -> tuple[Any, ...] | None:
        """Prediction in the active bins; None where one may be cut off and sums do not hold."""
        factor = self._factor(x)
        parts = [source.at(x, slopes) for source in self.sources]
        lowest: Any = sum((part.lowest() for part in parts), 0.0)
        if not all(part.bounded for part in parts):
            return None
        if (factor < 0).any() or not (factor > TRUNCATION)[self.bins.sum_b > 0].all():
            return None
        if np.any(lowest < 0) or np.any(np.isnan(lowest)):
            with np.errstate(divide="ignore", invalid="ignore"):
                depth = lowest / factor
            if not (depth > -1 + _MARGIN).all():
                return None
        active, places = self._collect(parts)
        mu = active.b * factor[active.e]
        for part, place in zip(parts, places, strict=True):
            mu[place] += part.signal
        return factor, parts, active, places, mu

    @property
    def n_bins(self) -> int:
        """Number of bins inside the masks."""
        return int(np.count_nonzero(self.bins.inside))

    def __call__(self, x: Array) -> float:
        """Cash statistic for a parameter vector."""
        found = self._predict(x, slopes=False)
        if found is None:
            return self._dense(x, slopes=False)[0]
        return self._value(*found)

    def _value(self, factor: Array, parts: list[Contribution], active: _Active, places: Any, mu: Array) -> float:
        total = float(factor @ self.bins.sum_b) + sum(float(p.fixed.total @ p.coefficients) for p in parts)
        bare = np.maximum(mu[active.bare], TRUNCATION)
        mu = np.maximum(mu, TRUNCATION)
        return 2 * (total + float(bare.sum()) - self._others(active, factor) - float(active.n @ np.log(mu)))

    def _others(self, active: _Active, factor: Array) -> float:
        some = active.other_n != 0
        return active.other_log + float(active.other_n[some] @ np.log(factor[some]))

    def gradient(self, x: Array) -> Array:
        """Return the derivatives of the statistic."""
        return self.value_and_gradient(x)[1]

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return the statistic and its derivatives."""
        found = self._predict(x, slopes=True)
        if found is None:
            return self._dense(x, slopes=True)
        factor, parts, active, places, mu = found
        out = np.zeros(x.size)
        above = mu > TRUNCATION
        pull = np.where(above, active.n / np.where(above, mu, 1.0), 0.0)
        # Kept bare bins are in no total: their prediction counts by itself, unless it is cut off.
        pull[active.bare] -= above[active.bare]
        if self.background is not None:
            some = active.other_n != 0
            slope = self.bins.sum_b - np.bincount(active.e, pull * active.b, minlength=factor.size)
            slope[some] -= active.other_n[some] / factor[some]
            for free, row in zip(self.background.free, self.background.jacobian(x), strict=True):
                out[free.slot] += slope @ row
        for part, place in zip(parts, places, strict=True):
            own = pull[place]
            slope = part.fixed.total - own @ part.fixed.matrix
            for slot, row in part.slopes:
                out[slot] += slope @ row
            for slot, column, total in part.moves:
                out[slot] += total - own @ column
        return self._value(*found), 2 * out

    def npred(self, x: Array) -> Array:
        """Predicted counts of every bin, (energy, y, x) with ascending labels."""
        mu = self.bins.background * self._factor(x)[:, None, None]
        for source in self.sources:
            for _, part, image in source.images(x, slopes=False):
                mu[part] += image
        return mu

    def _dense(self, x: Array, slopes: bool) -> tuple[float, Array]:
        """Statistic and derivatives by way of every bin."""
        inside, n = self.bins.inside, self.bins.counts()
        mu = self.bins.background * self._factor(x)[:, None, None]
        images = [item for source in self.sources for item in source.images(x, slopes)]
        for slot, part, image in images:
            if slot is None:
                mu[part] += image
        value = float(np.where(inside, statistic.cash(n, mu), 0.0).sum())
        gradient = np.zeros(x.size)
        if slopes:
            above = inside & (mu > TRUNCATION)
            pull = np.where(above, 1 - n / np.where(above, mu, 1.0), 0.0)
            for slot, part, image in images:
                if slot is not None:
                    gradient[slot] += 2 * float((pull[part] * image).sum())
            if self.background is not None:
                per_energy = (pull * self.bins.background).sum(axis=(1, 2))
                for free, row in zip(self.background.free, self.background.jacobian(x), strict=True):
                    gradient[free.slot] += 2 * float(per_energy @ row)
        return value, gradient


def _active(bins: Bins, logs: Array, reached: list[NDArray[np.intp]]) -> _Active:
    """Collect the bins that sources reach, and bare bins."""
    flags = bins.bare.copy()
    for index in reached:
        flags[index] = True
    chosen = np.flatnonzero(flags)
    e, n = bins.e[chosen], bins.n[chosen]
    size = bins.sum_b.size
    # Sums of whole numbers are exact, so that nothing is left where all bins are active.
    other = (np.bincount(bins.e, bins.n, minlength=size) - np.bincount(e, n, minlength=size)).astype(np.float64)
    bare = np.flatnonzero(bins.bare[chosen])
    return _Active(chosen, n, bins.b[chosen], e, bare, other, float(logs.sum() - logs[chosen].sum()))


def cash_term(name: str, bins: Bins, background: Spectrum | None, sources: tuple[Any, ...]) -> CashTerm:
    """Compile the Cash statistic of a dataset."""
    logs = np.where(bins.bare, 0.0, bins.n * np.log(np.where(bins.bare, 1.0, bins.b)))
    still = _active(bins, logs, [source.fixed.bins for source in sources])
    places = tuple(np.searchsorted(still.bins, source.fixed.bins) for source in sources)
    return CashTerm(name, bins, background, sources, logs, still, places)
