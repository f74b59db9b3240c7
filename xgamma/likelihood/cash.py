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
from xgamma.kernels.products import gram
from xgamma.kernels.statistic import TRUNCATION
from xgamma.likelihood.active import Active, Level, Stack, active_of, level_of, places_of, ranged, stack_of
from xgamma.likelihood.alone import Alone, alone_of
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.deep import Deep, Image, deep_of, may_be_negative, nowhere
from xgamma.likelihood.expansion import Expansion, add_bends, rough_of, spread
from xgamma.likelihood.many import DEEPEST, cash_many
from xgamma.likelihood.source import Contribution
from xgamma.likelihood.spectrum import Spectrum

__all__ = ["CashTerm", "cash_term"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class _Prediction:
    """What is predicted for one parameter vector.

    Attributes
    ----------
    level : Level
        The background.
    parts : list of Contribution
        The sources.
    active : Active
        The bins with more than a background.
    places : list of ndarray of int, or slice
        Where the bins of each source lie among them.
    stacked : bool
        Whether the matrix of all sources holds.
    mu : ndarray
        Predictions in the active bins.
    low : ndarray of bool, or None
        Which of them, bare bins apart, are cut off; None if there is none.
    below : ndarray of bool, or None
        The same for the deep bins.
    lacking : float
        What the sum of predictions lacks in these two.
    """

    level: Level
    parts: list[Contribution]
    active: Active
    places: list[Any]
    stacked: bool
    mu: Array
    low: Flags | None
    below: Flags | None
    lacking: float


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
    still : Active
        The bins of all sources where they were compiled, and near there.
    places : list of ndarray of int
        Where the bins of each source lie in it where it was compiled.
    homes : list of ndarray of int, slice or None
        Where those that it reaches near there lie, if these are known.
    place : ndarray of int
        Where all bins lie in it, as far as they do.
    stack : Stack
        Counts of all sources there.
    deep : Deep
        Bins without counts in which the prediction may be cut off.
    constant : Level or None
        The background, where no parameter of it is free.
    alone : Alone or None
        The same without a source that moves alone.
    """

    name: str
    bins: Bins
    background: Spectrum | None
    sources: tuple[Any, ...]
    logs: Array
    still: Active
    places: list[NDArray[np.intp]]
    homes: list[Any]
    place: NDArray[np.intp]
    stack: Stack
    deep: Deep
    constant: Level | None
    alone: Alone | None

    def _factor(self, x: Array) -> Array:
        if self.constant is not None:
            return self.constant.factor
        assert self.background is not None
        return self.background(x)

    @property
    def n_bins(self) -> int:
        """Number of bins inside the masks."""
        return int(np.count_nonzero(self.bins.inside))

    def many(self, x: Array) -> Array:
        """Cash statistic (point,) for parameter vectors (point, parameter)."""
        return cash_many(self, x)

    def _predict(
        self, x: Array, order: int, free: Flags | None = None, parts: list[Contribution] | None = None
    ) -> _Prediction | None:
        """Prediction in the active bins; None where one may be cut off and sums do not hold."""
        level = self.constant or level_of(self.still, self.bins, self._factor(x))
        parts = [source.at(x, order, free) for source in self.sources] if parts is None else parts
        if not (level.holds and all(part.bounded for part in parts)):
            return None
        negative = [bool(part.coefficients.min(initial=0.0) < 0) for part in parts]
        below, lacking = None, 0.0
        if any(negative):
            if not self._is_shallow(level.factor, parts):
                return None
            found = self._below(level.factor, parts)
            if found is None:
                return None
            below, lacking = found
        still = all(part.still for part in parts)
        active = self.still
        if still:
            places = self.places
        elif all(part.still or part.home for part in parts):
            places = []
            for source, part, here, home in zip(self.sources, parts, self.places, self.homes, strict=True):
                if not part.still:
                    here = home if part.fixed.bins is source.home else self.place.take(part.fixed.bins)
                places.append(here)
        else:
            reached = [part.fixed.bins for part in parts]
            active = active_of(self.bins, self.logs, reached)
            places = places_of(self.bins, active, reached)
            level = level_of(active, self.bins, level.factor)
        stacked, mu = still and not active.bare.size, level.mu
        if stacked and parts:
            mu = mu + self.stack.times(np.concatenate([part.coefficients for part in parts]))
        elif parts:
            mu = mu.copy()
            for part, place in zip(parts, places, strict=True):
                mu[place] += part.signal
        low = None
        if any(negative) and mu.size and not mu.min() > TRUNCATION:
            low = ~(mu > TRUNCATION)
            low[active.bare] = False
            lacking += float((TRUNCATION - mu[low]).sum())
        return _Prediction(level, parts, active, places, stacked, mu, low, below, lacking)

    def _is_shallow(self, factor: Array, parts: list[Contribution]) -> bool:
        """Whether nothing is cut off in bins that are not kept."""
        depth = np.zeros(factor.size)
        for part, worst in zip(parts, self.deep.worst, strict=True):
            negative = part.coefficients < 0
            depth += part.coefficients[negative] @ (worst if part.still else part.fixed.worst)[negative]
        with np.errstate(divide="ignore", invalid="ignore"):
            return bool((np.where(depth == 0, 0.0, depth / factor) > DEEPEST).all())

    def _below(self, factor: Array, parts: list[Contribution]) -> tuple[Flags | None, float] | None:
        """Which deep bins are cut off, and what the sum lacks there; None where that is not known."""
        deep = self.deep
        mu = deep.b * factor.take(deep.e)
        for part, place, matrix in zip(parts, deep.places, deep.matrices, strict=True):
            if part.still:
                mu[place] += matrix @ part.coefficients
        below = ~(mu > TRUNCATION)
        if not below.any():
            return None, 0.0
        # A source that has moved adds to these bins what is not known.
        return (below, float((TRUNCATION - mu[below]).sum())) if all(part.still for part in parts) else None

    def __call__(self, x: Array) -> float:
        """Cash statistic for a parameter vector."""
        parts = None
        if self.alone is not None:
            parts = [self.sources[0].at(x)]
            value = self.alone.statistic(parts[0], self.place)
            if value is not None:
                return value
        found = self._predict(x, 0, parts=parts)
        return self._dense(x, 0).value if found is None else self._value(found)

    def _value(self, found: _Prediction) -> float:
        active, mu, total = found.active, found.mu, found.level.rest + found.lacking
        for part in found.parts:
            total += float(part.fixed.total @ part.coefficients)
        if mu.size and not mu.min() > TRUNCATION:
            mu = np.maximum(mu, TRUNCATION)
        if active.bare.size:
            total += float(mu[active.bare].sum())
        return 2 * (total - active.log_sum(mu))

    def gradient(self, x: Array) -> Array:
        """Return the derivatives of the statistic."""
        return self.value_and_gradient(x)[1]

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return the statistic and its derivatives."""
        found = self._predict(x, 1)
        if found is None:
            dense = self._dense(x, 1)
            return dense.value, dense.gradient
        return self._value(found), self._slopes(found, x)[0]

    def expand(self, x: Array, free: Flags | None = None) -> Expansion:
        """Return the statistic with first and second derivatives, see `xgamma.likelihood.Likelihood.expand`."""
        found = self._predict(x, 2, free)
        if found is None:
            return self._dense(x, 2, free)
        gradient, of_factor, of_parts = self._slopes(found, x)
        active, mu = found.active, found.mu
        rough = rough_of(self.sources, x.size)
        above = mu > TRUNCATION
        weight = np.where(above, active.n / np.where(above, mu, 1.0) ** 2, 0.0)
        sides: list[tuple[int, Array]] = []
        out = np.zeros((x.size, x.size))
        numbers = np.zeros((self.stack.total.size, x.size))
        for part, place, where, slope in zip(found.parts, found.places, self.stack.parts, of_parts, strict=True):
            for slot, row in part.slopes:
                if found.stacked:
                    numbers[where, slot] += row
                else:
                    sides.append((slot, spread(part.fixed.matrix @ row, place, mu.size)))
            for slot, column, _ in part.moves:
                sides.append((slot, spread(column, place, mu.size)))
            add_bends(out, part.bends, slope)
        if self.background is not None:
            _, rows, bends = self.background.expand(x, 2)
            factor = found.level.factor
            curve = np.divide(active.other_n, factor**2, out=np.zeros(factor.size), where=factor > 0)
            for own, row in zip(self.background.free, rows, strict=True):
                sides.append((own.slot, active.b * row[active.e]))
                for other, second in zip(self.background.free, rows, strict=True):
                    out[own.slot, other.slot] += (curve * row) @ second
            add_bends(out, bends, of_factor)
        # Products of all pairs of columns: those of the matrix of all sources, and others.
        slots = sorted({slot for slot, _ in sides})
        columns = np.zeros((mu.size, len(slots)), order="F")
        for slot, side in sides:
            columns[:, slots.index(slot)] += side
        weighted = columns * weight[:, None]
        out[np.ix_(slots, slots)] += gram(columns, weighted)
        if found.stacked and found.parts:
            out += numbers.T @ self.stack.gram(weight) @ numbers
            mixed = numbers.T @ self.stack.onto(weighted)
            out[:, slots] += mixed
            out[slots] += mixed.T
        return Expansion(self._value(found), gradient, 2 * out, rough, int(np.count_nonzero(~above & (active.n > 0))))

    def _slopes(self, found: _Prediction, x: Array) -> tuple[Array, Array, list[Array]]:
        """Return derivatives by parameters, and half of those by factors on the background and numbers of spectra."""
        active, mu, factor = found.active, found.mu, found.level.factor
        above = mu > TRUNCATION
        pull = np.where(above, active.n / np.where(above, mu, 1.0), 0.0)
        # Kept bare bins are in no total: their prediction counts by itself, unless it is cut off.
        pull[active.bare] -= above[active.bare]
        if found.low is not None:
            pull[found.low] += 1
        out = np.zeros(x.size)
        of_factor = self.bins.sum_b
        if self.background is not None and self.background.free:
            some = active.other_n != 0
            of_factor = of_factor - np.bincount(active.e, pull * active.b, minlength=factor.size)
            of_factor[some] -= active.other_n[some] / factor[some]
            if found.below is not None:
                cut = found.below
                of_factor -= np.bincount(self.deep.e[cut], self.deep.b[cut], minlength=factor.size)
            for free, row in zip(self.background.free, self.background.jacobian(x), strict=True):
                out[free.slot] += of_factor @ row
        of_parts = []
        stacked = self.stack.total - self.stack.pulled(pull) if found.stacked and found.parts else None
        for i, (part, place) in enumerate(zip(found.parts, found.places, strict=True)):
            if stacked is None:
                slope = part.fixed.total - pull[place] @ part.fixed.matrix
            else:
                slope = stacked[self.stack.parts[i]]
            if found.below is not None:
                slope = slope - found.below[self.deep.places[i]] @ self.deep.matrices[i]
            of_parts.append(slope)
            for slot, row in part.slopes:
                out[slot] += slope @ row
            for slot, column, total in part.moves:
                out[slot] += total - pull[place] @ column
        return 2 * out, of_factor, of_parts

    def npred(self, x: Array) -> Array:
        """Predicted counts of every bin, (energy, y, x) with ascending labels."""
        mu = self.bins.background * self._factor(x)[:, None, None]
        for source in self.sources:
            for _, part, image in source.images(x, slopes=False):
                mu[part] += image
        return mu

    def _dense(self, x: Array, order: int, free: Flags | None = None) -> Expansion:
        """Statistic and derivatives by way of every bin; second ones without those of the prediction."""
        inside, n = self.bins.inside, self.bins.counts()
        mu = self.bins.background * self._factor(x)[:, None, None]
        images = [item for source in self.sources for item in source.images(x, bool(order))]
        for slot, part, image in images:
            if slot is None:
                mu[part] += image
        value = float(np.where(inside, statistic.cash(n, mu), 0.0).sum())
        gradient, columns = np.zeros(x.size), np.zeros((0, x.size))
        if order:
            above = inside & (mu > TRUNCATION)
            pull = np.where(above, 1 - n / np.where(above, mu, 1.0), 0.0)
            chosen = np.flatnonzero(above & (n != 0)) if order > 1 else np.zeros(0, dtype=np.intp)
            columns = np.zeros((chosen.size, x.size))
            slopes = [item for item in images if item[0] is not None]
            if self.background is not None:
                rows = zip(self.background.free, self.background.jacobian(x), strict=True)
                everything = np.s_[:, :, :]
                slopes += [(own.slot, everything, self.bins.background * row[:, None, None]) for own, row in rows]
            for slot, part, image in slopes:
                gradient[slot] += 2 * float((pull[part] * image).sum())
                if order > 1:
                    full = np.zeros(mu.shape)
                    full[part] = image
                    columns[:, slot] += full.ravel()[chosen]
            weight = n.ravel()[chosen] / mu.ravel()[chosen] ** 2
            columns *= np.sqrt(weight)[:, None]
        cut = int(np.count_nonzero(inside & (n > 0) & ~(mu > TRUNCATION)))
        return Expansion(value, gradient, 2 * columns.T @ columns, np.ones(x.size, dtype=bool), cut)


def cash_term(
    name: str,
    bins: Bins,
    background: Spectrum | None,
    sources: tuple[Any, ...],
    images: list[list[Image]],
    x: Array,
) -> CashTerm:
    """Compile the Cash statistic of a dataset.

    Parameters
    ----------
    name : str
        Name of the dataset.
    bins : Bins
        Its bins.
    background : Spectrum or None
        Factor on the background in each energy; None for 1.
    sources : tuple
        The source models.
    images : list of lists of Image
        What they predict where they stand; empty for a spectrum.
    x : ndarray
        The parameter vector.
    """
    logs = np.where(bins.bare, 0.0, bins.n * np.log(np.where(bins.bare, 1.0, bins.b)))
    fixed = [source.fixed for source in sources]
    reached = [part.bins for part in fixed]
    near = [part.bins if source.home is None else source.home for source, part in zip(sources, fixed, strict=True)]
    still = active_of(bins, logs, [*reached, *near])
    *places, place = places_of(bins, still, [*reached, np.arange(bins.n.size)])
    if images and any(may_be_negative(source, x) for source in sources):
        deep = deep_of(bins, images, [source.reduced(x) for source in sources])
    else:
        deep = nowhere(bins, [np.full_like(part.worst, np.inf) if images else part.worst for part in fixed])
    constant = None
    if background is None or not background.free:
        factor = np.ones(bins.sum_b.size) if background is None else background(x)
        constant = level_of(still, bins, factor)
    stack = stack_of(still, fixed, places)
    sources = tuple(source.sorted_by(place) for source in sources)
    homes = [None if source.home is None else ranged(place.take(source.home)) for source in sources]
    alone = alone_of(constant, still, sources)
    return CashTerm(name, bins, background, sources, logs, still, places, homes, place, stack, deep, constant, alone)
