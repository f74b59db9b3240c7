"""Spectral models: constants, power laws, log parabolas and a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xgamma.models.base import Declared
from xgamma.models.quadrature import power_law_integral, segments
from xgamma.models.spectral_base import SpectralModel

__all__ = [
    "BrokenPowerLawSpectralModel",
    "ConstantSpectralModel",
    "GaussianSpectralModel",
    "LogParabola2SpectralModel",
    "LogParabolaSpectralModel",
    "PowerLaw2SpectralModel",
    "PowerLawSpectralModel",
    "SmoothBrokenPowerLawSpectralModel",
]

DIFFERENTIAL = "TeV-1 s-1 cm-2"


class ConstantSpectralModel(SpectralModel):
    """A constant, ``const``."""

    tag = ("ConstantSpectralModel", "const")
    const = Declared(1e-12, DIFFERENTIAL)

    def _evaluate(self, energy: np.ndarray, *, const: Any) -> np.ndarray:
        return const * np.ones_like(energy)

    def _integrate(self, lower: np.ndarray, upper: np.ndarray, moment: int, *, const: Any) -> np.ndarray:
        return const * (upper ** (moment + 1) - lower ** (moment + 1)) / (moment + 1)


class PowerLawSpectralModel(SpectralModel):
    """A power law, ``amplitude (E / reference)^-index``."""

    tag = ("PowerLawSpectralModel", "pl")
    index = Declared(2.0)
    amplitude = Declared(1e-12, DIFFERENTIAL, interp="log")
    reference = Declared(1.0, "TeV", frozen=True)

    def _evaluate(self, energy: np.ndarray, *, index: Any, amplitude: Any, reference: Any) -> np.ndarray:
        return amplitude * (energy / reference) ** -index

    def _integrate(
        self, lower: np.ndarray, upper: np.ndarray, moment: int, *, index: Any, amplitude: Any, reference: Any
    ) -> np.ndarray:
        return amplitude * reference**moment * power_law_integral(lower, upper, index - moment, reference)


class PowerLaw2SpectralModel(SpectralModel):
    """A power law given by ``amplitude``, its integral between ``emin`` and ``emax``."""

    tag = ("PowerLaw2SpectralModel", "pl-2")
    amplitude = Declared(1e-12, "s-1 cm-2", interp="log")
    index = Declared(2.0)
    emin = Declared(0.1, "TeV", frozen=True)
    emax = Declared(100.0, "TeV", frozen=True)

    def _evaluate(self, energy: np.ndarray, *, amplitude: Any, index: Any, emin: Any, emax: Any) -> np.ndarray:
        return amplitude / power_law_integral(emin, emax, index, emin) * (energy / emin) ** -index

    def _integrate(
        self, lower: np.ndarray, upper: np.ndarray, moment: int, *, amplitude: Any, index: Any, emin: Any, emax: Any
    ) -> np.ndarray:
        norm = amplitude * emin**moment / power_law_integral(emin, emax, index, emin)
        return norm * power_law_integral(lower, upper, index - moment, emin)


class BrokenPowerLawSpectralModel(SpectralModel):
    """Two power laws, ``amplitude (E / ebreak)^-index1`` below ``ebreak`` and with ``index2`` above."""

    tag = ("BrokenPowerLawSpectralModel", "bpl")
    index1 = Declared(2.0)
    index2 = Declared(2.0)
    amplitude = Declared(1e-12, DIFFERENTIAL, interp="log")
    ebreak = Declared(1.0, "TeV")

    def _evaluate(self, energy: np.ndarray, *, index1: Any, index2: Any, amplitude: Any, ebreak: Any) -> np.ndarray:
        return amplitude * (energy / ebreak) ** -np.where(energy < ebreak, index1, index2)

    def _breaks(self, *, ebreak: Any, **values: Any) -> Sequence[Any]:
        return (ebreak,)

    def _integrate(
        self,
        lower: np.ndarray,
        upper: np.ndarray,
        moment: int,
        *,
        index1: Any,
        index2: Any,
        amplitude: Any,
        ebreak: Any,
    ) -> np.ndarray:
        below, above = segments(lower, upper, (ebreak,))
        left = power_law_integral(*below, index1 - moment, ebreak)
        right = power_law_integral(*above, index2 - moment, ebreak)
        return amplitude * ebreak**moment * (left + right)


class SmoothBrokenPowerLawSpectralModel(SpectralModel):
    """Two power laws that go over into each other.

    ``amplitude (E / reference)^-index1 (1 + (E / ebreak)^((index2 - index1) / b))^-b`` with ``b`` of the
    size of ``beta`` and the sign of ``index2 - index1``. Without a difference of the indices it is a power law.
    """

    tag = ("SmoothBrokenPowerLawSpectralModel", "sbpl")
    index1 = Declared(2.0)
    index2 = Declared(2.0)
    amplitude = Declared(1e-12, DIFFERENTIAL, interp="log")
    ebreak = Declared(1.0, "TeV")
    reference = Declared(1.0, "TeV", frozen=True)
    beta = Declared(1.0, frozen=True)

    def _evaluate(
        self,
        energy: np.ndarray,
        *,
        index1: Any,
        index2: Any,
        amplitude: Any,
        ebreak: Any,
        reference: Any,
        beta: Any,
    ) -> np.ndarray:
        bend = np.subtract(index2, index1)
        # log(1 + x^y) = logaddexp(0, y log x) does not overflow far from the break.
        smooth = np.logaddexp(0.0, np.abs(bend) / beta * np.log(energy / ebreak))
        return amplitude * (energy / reference) ** -index1 * np.exp(-np.sign(bend) * beta * smooth)

    def _breaks(self, *, index1: Any, index2: Any, ebreak: Any, beta: Any, **values: Any) -> Sequence[Any]:
        # The bend extends over a few times this width in ln(energy), which may be much less than a decade.
        bend = np.abs(np.subtract(index2, index1))
        width = np.minimum(np.abs(beta) / np.where(bend > 0, bend, np.inf), 1.0)
        return [ebreak * np.exp(k * width) for k in (-20, -8, -3, 0, 3, 8, 20)]


class LogParabolaSpectralModel(SpectralModel):
    """A parabola in the logarithms, ``amplitude (E / reference)^(-alpha - beta ln(E / reference))``."""

    tag = ("LogParabolaSpectralModel", "lp")
    amplitude = Declared(1e-12, DIFFERENTIAL, interp="log")
    reference = Declared(10.0, "TeV", frozen=True)
    alpha = Declared(2.0)
    beta = Declared(1.0)

    def _evaluate(self, energy: np.ndarray, *, amplitude: Any, reference: Any, alpha: Any, beta: Any) -> np.ndarray:
        x = np.log(energy / reference)
        return amplitude * np.exp(-(alpha + beta * x) * x)


class LogParabola2SpectralModel(SpectralModel):
    """A parabola in the logarithms, ``amplitude (E / reference)^(-alpha - beta ln(E / escale))``."""

    tag = ("LogParabola2SpectralModel", "lp2")
    amplitude = Declared(1e-12, DIFFERENTIAL, interp="log")
    reference = Declared(10.0, "TeV", frozen=True)
    alpha = Declared(2.0)
    beta = Declared(1.0)
    escale = Declared(1.0, "TeV", frozen=True)

    def _evaluate(
        self, energy: np.ndarray, *, amplitude: Any, reference: Any, alpha: Any, beta: Any, escale: Any
    ) -> np.ndarray:
        return amplitude * np.exp(-(alpha + beta * np.log(energy / escale)) * np.log(energy / reference))


class GaussianSpectralModel(SpectralModel):
    """A line: a normal distribution of energies with ``mean``, ``sigma`` and integral ``amplitude``."""

    tag = ("GaussianSpectralModel", "gauss")
    amplitude = Declared(1e-12, "s-1 cm-2", interp="log")
    mean = Declared(1.0, "TeV")
    sigma = Declared(2.0, "TeV")

    def _evaluate(self, energy: np.ndarray, *, amplitude: Any, mean: Any, sigma: Any) -> np.ndarray:
        return amplitude / (np.sqrt(2 * np.pi) * sigma) * np.exp(-0.5 * ((energy - mean) / sigma) ** 2)

    def _breaks(self, *, mean: Any, sigma: Any, **values: Any) -> Sequence[Any]:
        # In a product with another model the line must not fall between the points of the quadrature.
        return [np.maximum(mean + k * sigma, np.finfo(float).tiny) for k in (-8, -4, -2, 0, 2, 4, 8)]

    def _integrate(
        self, lower: np.ndarray, upper: np.ndarray, moment: int, *, amplitude: Any, mean: Any, sigma: Any
    ) -> np.ndarray:
        from scipy.special import ndtr

        low, high = (lower - mean) / sigma, (upper - mean) / sigma
        # Beyond the mean the difference of the upper tails keeps its digits.
        inside = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
        if moment == 0:
            return amplitude * inside
        slope = (np.exp(-0.5 * low**2) - np.exp(-0.5 * high**2)) / np.sqrt(2 * np.pi)
        return amplitude * (mean * inside + sigma * slope)
