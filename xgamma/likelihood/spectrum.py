"""Spectra as functions of the parameter vector, with their derivatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xgamma.likelihood.parameters import Free, Part

__all__ = ["SCALES", "Linear", "Spectrum", "simplify"]

Array = NDArray[np.float64]

_STEP = 5e-4
"""Step of the differences relative to a parameter: the error of the five-point rule and rounding are then alike."""
_CENTRAL = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12
_FORWARD = np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([-25.0, 48.0, -36.0, 16.0, -3.0]) / 12
_BEND_STEP = 2e-3
"""The same for second derivatives, by three points."""
_BEND_RULES = {
    True: [(1, 0, 1.0), (0, 0, -2.0), (-1, 0, 1.0)],
    False: [(1, 1, 0.25), (1, -1, -0.25), (-1, 1, -0.25), (-1, -1, 0.25)],
}
"""Steps along two parameters and weights; for the second derivative along one the second does not count."""
SCALES = ("amplitude", "norm", "const")


@dataclass(frozen=True)
class Spectrum:
    """A spectral model on bins of energy, or at energies.

    Attributes
    ----------
    part : Part
        The model.
    lower, upper : ndarray
        Edges of the bins in TeV; equal for values at energies in place of integrals.
    scale : int or None
        Which of the free parameters the model is proportional to, see `scaled`.
    """

    part: Part
    lower: Array
    upper: Array
    scale: int | None = None

    def scaled(self) -> Spectrum:
        """Return the same that knows which of its free parameters the model is proportional to."""
        for k, free in enumerate(self.free):
            if free.name in SCALES and self._is_proportional(free):
                return replace(self, scale=k)
        return self

    def _is_proportional(self, free: Free) -> bool:
        once, twice = self.many({free.name: np.array([1.0, 2.0]) * free.scale})
        return bool(np.all(np.abs(twice - 2 * once) <= 2e-13 * np.abs(once)))

    @property
    def free(self) -> tuple[Free, ...]:
        """The free parameters."""
        return self.part.free

    @property
    def size(self) -> int:
        """Number of bins."""
        return self.lower.size

    def _evaluate(self, values: dict[str, Array]) -> Array:
        model = self.part.model
        if self.lower is self.upper:
            return np.asarray(model.evaluate_array(self.lower, **values), dtype=np.float64)
        return np.asarray(model.integrate_array(self.lower, self.upper, **values), dtype=np.float64)

    def __call__(self, x: Array) -> Array:
        """Value in each bin."""
        return self._evaluate(self.part.values(x))

    def many(self, values: dict[str, Array]) -> Array:
        """Value in each bin (last dim) for arrays of parameters, given by name in the units of the model."""
        out = self._evaluate({name: np.asarray(value)[..., None] for name, value in values.items()})
        shape = *np.broadcast_shapes(*(np.shape(value) for value in values.values()), ()), self.size
        return out if out.shape == shape else np.broadcast_to(out, shape)

    def rows(self, x: Array) -> Array:
        """Value in each bin (point, bin) for parameter vectors (point, parameter)."""
        return _rows(self, x)

    def jacobian(self, x: Array) -> Array:
        """Return derivatives (parameter, bin) with respect to the free parameters, in the order of `free`."""
        return self.expand(x, 1)[1]

    def bends(self, x: Array) -> list[tuple[int, int, Array]]:
        """Return second derivatives, see `expand`."""
        return self.expand(x, 2)[2]

    def expand(self, x: Array, order: int) -> tuple[Array, Array, list[tuple[int, int, Array]]]:
        """Return the value in each bin with derivatives up to an order, 1 or 2, from one call of the model.

        Returns
        -------
        value : ndarray, shape (bin,)
            The value.
        slopes : ndarray, shape (parameter, bin)
            Derivatives with respect to the free parameters, in the order of `free`.
        bends : list of (int, int, ndarray)
            Second derivatives: places of two parameters in the vector, the first not behind the second, and rows. Pairs
            without one are left out. Next to a limit they are those of a place two steps inside.
        """
        here = [float(v) for v in self.part.values(x).values()]
        if not here:
            return self(x), np.zeros((0, self.size)), []
        # What the model is proportional to is taken for what it was at the start, and multiplied in the end.
        scale = None if self.scale is None else self.free[self.scale]
        times = 1.0
        if self.scale is not None and scale is not None:
            times, here[self.scale] = here[self.scale] / scale.scale, scale.scale
        shape = [k for k in range(len(here)) if k != self.scale]
        points, rules = [here], []
        for k in shape:
            offsets, weights, step = _slope_rule(self.free[k], here[k])
            rules.append((k, len(points), weights * (self.free[k].factor / step)))
            points += [[*here[:k], here[k] + o * step, *here[k + 1 :]] for o in offsets]
        start = len(points)
        inner, steps = _inner(self.free, here)
        pairs = [(i, j) for i in shape for j in shape if i <= j] if order > 1 else []
        for i, j in pairs:
            for a, b, _ in _BEND_RULES[i == j]:
                point = inner.copy()
                point[i] += a * steps[i]
                point[j] += b * steps[j] * (i != j)
                points.append(point)
        columns = np.array(points)
        table = self.many({free.name: columns[:, k] for k, free in enumerate(self.free)})
        slopes, bends = np.zeros((len(here), self.size)), []
        for k, at, weights in rules:
            slopes[k] = weights @ table[at : at + weights.size]
        if self.scale is not None and scale is not None:
            unit = scale.factor / scale.scale
            if order > 1:
                bends = [(*sorted((scale.slot, self.free[k].slot)), unit * slopes[k]) for k in shape]
            slopes *= times
            slopes[self.scale] = unit * table[0]
        for i, j in pairs:
            one, two, rule = self.free[i], self.free[j], _BEND_RULES[i == j]
            part = table[start : start + len(rule)]
            start += len(rule)
            row = np.array([weight for *_, weight in rule]) @ part
            # What rounding leaves of a straight line is nothing.
            row[np.abs(row) < 4e-15 * np.abs(part).max(axis=0, initial=0.0)] = 0.0
            if row.any():
                low, high = sorted((one.slot, two.slot))
                bends.append((low, high, row * (times * one.factor * two.factor / (steps[i] * steps[j]))))
        return times * table[0], slopes, bends


def _slope_rule(free: Free, value: float) -> tuple[Array, Array, float]:
    """Offsets, weights and the step of the differences for a derivative."""
    step = _STEP * max(abs(value), 1e-2 * free.scale)
    if free.lower <= value - 2 * step and value + 2 * step <= free.upper:
        return *_CENTRAL, step
    return *_FORWARD, -step if value + 4 * step > free.upper else step


def _inner(free: tuple[Free, ...], here: list[float]) -> tuple[list[float], list[float]]:
    """Values that are a step inside of the limits, and the steps of second derivatives."""
    inner, steps = [], []
    for own, value in zip(free, here, strict=True):
        steps.append(_BEND_STEP * max(abs(value), 0.1 * own.scale))
        low, high = own.lower + steps[-1], own.upper - steps[-1]
        inner.append(min(max(value, low), high) if low < high else value)
    return inner, steps


@dataclass(frozen=True)
class Linear:
    """A spectrum whose shape stands still: one number, proportional to a parameter or constant.

    Attributes
    ----------
    free : tuple of Free
        The parameter, or none.
    sign : float
        -1 where the flux is negative for a positive parameter: the number has the sign of the flux.
    """

    free: tuple[Free, ...]
    sign: float = 1.0
    size: int = 1

    def __call__(self, x: Array) -> Array:
        """Return the parameter in the unit of its model, or 1, with the sign."""
        return np.array([self.sign * x[free.slot] * free.factor for free in self.free] or [self.sign])

    def many(self, values: dict[str, Array]) -> Array:
        """Return the number for arrays of values, as for `Spectrum.many`."""
        return self.sign * (np.stack([values[free.name] for free in self.free], axis=-1) if self.free else np.ones(1))

    def rows(self, x: Array) -> Array:
        """Return the parameter (point, 1) for parameter vectors (point, parameter)."""
        return _rows(self, x)

    def jacobian(self, x: Array) -> Array:
        """Return derivatives (parameter, 1)."""
        return np.array([[self.sign * free.factor] for free in self.free]).reshape(-1, 1)

    def bends(self, x: Array) -> list[tuple[int, int, Array]]:
        """Return second derivatives, of which there are none."""
        return []

    def expand(self, x: Array, order: int) -> tuple[Array, Array, list[tuple[int, int, Array]]]:
        """Return what the methods above do, as for `Spectrum.expand`."""
        return self(x), self.jacobian(x), []


def _rows(spectrum: Spectrum | Linear, x: Array) -> Array:
    values = {free.name: x[:, free.slot] * free.factor for free in spectrum.free}
    return np.broadcast_to(spectrum.many(values), (len(x), spectrum.size))


def simplify(spectrum: Spectrum, x: Array) -> tuple[Spectrum | Linear, Array | None]:
    """Reduce a spectrum of which only a scale is free, or nothing.

    Returns
    -------
    spectrum : Spectrum or Linear
        The same where the shape is free, or where it is negative in some bins only.
    shape : ndarray or None
        What the number of a `Linear` multiplies.
    """
    if not spectrum.free:
        shape = spectrum(x)
    elif len(spectrum.free) == 1 and spectrum.scale is not None:
        free = spectrum.free[0]
        shape = spectrum.many({free.name: np.array([free.scale])})[0] / free.scale
    else:
        return spectrum, None
    if (shape < 0).any():
        return (Linear(spectrum.free, -1.0), -shape) if (shape <= 0).all() else (spectrum, None)
    return Linear(spectrum.free), shape
