"""Spectra as functions of the parameter vector, with their derivatives."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    part: Part
    lower: Array
    upper: Array

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
        shape = np.broadcast_shapes(*(np.shape(value) for value in values.values()), ())
        return np.broadcast_to(out, (*shape, self.size))

    def rows(self, x: Array) -> Array:
        """Value in each bin (point, bin) for parameter vectors (point, parameter)."""
        return _rows(self, x)

    def jacobian(self, x: Array) -> Array:
        """Return derivatives (parameter, bin) with respect to the free parameters, in the order of `free`."""
        values = self.part.values(x)
        rules: list[tuple[Array, int]] = []
        rows: list[tuple[str, float]] = []
        for free in self.free:
            v = values[free.name]
            step = _STEP * max(abs(v), 1e-2 * free.scale)
            offsets, weights = _CENTRAL
            if v - 2 * step < free.lower or v + 2 * step > free.upper:
                offsets, weights = _FORWARD
                step = -step if v + 4 * step > free.upper else step
            rules.append((weights / step * free.factor, len(rows)))
            rows += [(free.name, v + o * step) for o in offsets]
        if not rows:
            return np.zeros((0, self.size))
        columns = {
            free.name: np.array([moved if name == free.name else values[free.name] for name, moved in rows])
            for free in self.free
        }
        table = self.many(columns)
        return np.stack([weights @ table[start : start + weights.size] for weights, start in rules])

    def bends(self, x: Array) -> list[tuple[int, int, Array]]:
        """Return second derivatives: places of two parameters in the vector, the first not behind the second, and rows.

        Pairs without one are left out. Next to a limit they are those of a place two steps inside.
        """
        here = self.part.values(x)
        step = {free.name: _BEND_STEP * max(abs(here[free.name]), 0.1 * free.scale) for free in self.free}
        for free in self.free:
            low, high = free.lower + step[free.name], free.upper - step[free.name]
            here[free.name] = min(max(here[free.name], low), high) if low < high else here[free.name]
        pairs = [(i, j) for i in range(len(self.free)) for j in range(i, len(self.free))]
        rules = [
            [(1, 0, 1.0), (0, 0, -2.0), (-1, 0, 1.0)] if i == j
            else [(1, 1, 0.25), (1, -1, -0.25), (-1, 1, -0.25), (-1, -1, 0.25)]
            for i, j in pairs
        ]  # fmt: skip
        columns = {
            free.name: np.array([
                here[free.name] + step[free.name] * ((k == i) * a + (k == j != i) * b)
                for (i, j), rule in zip(pairs, rules, strict=True) for a, b, _ in rule
            ])
            for k, free in enumerate(self.free)
        }  # fmt: skip
        table = self.many(columns) if pairs else np.zeros((0, self.size))
        out, start = [], 0
        for (i, j), rule in zip(pairs, rules, strict=True):
            one, two = self.free[i], self.free[j]
            part = table[start : start + len(rule)]
            start += len(rule)
            row = np.array([weight for *_, weight in rule]) @ part
            # What rounding leaves of a straight line is nothing.
            row[np.abs(row) < 4e-15 * np.abs(part).max(axis=0, initial=0.0)] = 0.0
            if row.any():
                low, high = sorted((one.slot, two.slot))
                out.append((low, high, row * (one.factor * two.factor / (step[one.name] * step[two.name]))))
        return out


@dataclass(frozen=True)
class Linear:
    """A spectrum whose shape stands still: one number, proportional to a parameter or constant."""

    free: tuple[Free, ...]
    size: int = 1

    def __call__(self, x: Array) -> Array:
        """Return the parameter in the unit of its model, or 1."""
        return np.array([x[free.slot] * free.factor for free in self.free] or [1.0])

    def many(self, values: dict[str, Array]) -> Array:
        """Return the parameter for arrays of values, as for `Spectrum.many`."""
        return np.stack([values[free.name] for free in self.free], axis=-1) if self.free else np.ones(1)

    def rows(self, x: Array) -> Array:
        """Return the parameter (point, 1) for parameter vectors (point, parameter)."""
        return _rows(self, x)

    def jacobian(self, x: Array) -> Array:
        """Return derivatives (parameter, 1)."""
        return np.array([[free.factor] for free in self.free]).reshape(-1, 1)

    def bends(self, x: Array) -> list[tuple[int, int, Array]]:
        """Return second derivatives, of which there are none."""
        return []


def _rows(spectrum: Spectrum | Linear, x: Array) -> Array:
    values = {free.name: x[:, free.slot] * free.factor for free in spectrum.free}
    return np.broadcast_to(spectrum.many(values), (len(x), spectrum.size))


def simplify(spectrum: Spectrum, x: Array) -> tuple[Spectrum | Linear, Array | None]:
    """Reduce a spectrum of which only a scale is free, or nothing.

    Returns
    -------
    spectrum : Spectrum or Linear
        The same where the shape is free.
    shape : ndarray or None
        What the number of a `Linear` multiplies.
    """
    if not spectrum.free:
        return Linear(()), spectrum(x)
    if len(spectrum.free) > 1 or spectrum.free[0].name not in SCALES:
        return spectrum, None
    name = spectrum.free[0].name
    once, twice = spectrum.many({name: np.array([1.0, 2.0]) * spectrum.free[0].scale})
    if not np.allclose(twice, 2 * once, rtol=1e-13, atol=0):
        return spectrum, None
    return Linear(spectrum.free), once / spectrum.free[0].scale
