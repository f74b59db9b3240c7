"""Spectral models without unit, that are factors on a background, a template or another model."""

from __future__ import annotations

from typing import Any

import numpy as np

from xgamma.models.base import Declared
from xgamma.models.quadrature import power_law_integral
from xgamma.models.spectral_base import SpectralModel
from xgamma.models.units import NORM

__all__ = [
    "ExpCutoffPowerLawNormSpectralModel",
    "LogParabolaNormSpectralModel",
    "PowerLawNormSpectralModel",
]


class PowerLawNormSpectralModel(SpectralModel):
    """A power law as a factor, ``norm (E / reference)^-tilt``."""

    tag = ("PowerLawNormSpectralModel", "pl-norm")
    _unit = NORM
    tilt = Declared(0.0, frozen=True)
    norm = Declared(1.0, interp="log")
    reference = Declared(1.0, "TeV", frozen=True)

    def _evaluate(self, energy: np.ndarray, *, tilt: Any, norm: Any, reference: Any) -> np.ndarray:
        return norm * (energy / reference) ** -tilt

    def _integrate(
        self, lower: np.ndarray, upper: np.ndarray, moment: int, *, tilt: Any, norm: Any, reference: Any
    ) -> np.ndarray:
        return norm * reference**moment * power_law_integral(lower, upper, tilt - moment, reference)


class LogParabolaNormSpectralModel(SpectralModel):
    """A log parabola as a factor, ``norm (E / reference)^(-alpha - beta ln(E / reference))``."""

    tag = ("LogParabolaNormSpectralModel", "lp-norm")
    _unit = NORM
    norm = Declared(1.0, interp="log")
    reference = Declared(10.0, "TeV", frozen=True)
    alpha = Declared(0.0)
    beta = Declared(0.0)

    def _evaluate(self, energy: np.ndarray, *, norm: Any, reference: Any, alpha: Any, beta: Any) -> np.ndarray:
        x = np.log(energy / reference)
        return norm * np.exp(-(alpha + beta * x) * x)


class ExpCutoffPowerLawNormSpectralModel(SpectralModel):
    """A cut-off power law as a factor, ``norm (E / reference)^-index exp(-(lambda_ E)^alpha)``."""

    tag = ("ExpCutoffPowerLawNormSpectralModel", "ecpl-norm")
    _unit = NORM
    index = Declared(0.0)
    norm = Declared(1.0, interp="log")
    reference = Declared(1.0, "TeV", frozen=True)
    lambda_ = Declared(0.1, "TeV-1")
    alpha = Declared(1.0, frozen=True)

    def _evaluate(
        self, energy: np.ndarray, *, index: Any, norm: Any, reference: Any, lambda_: Any, alpha: Any
    ) -> np.ndarray:
        return norm * (energy / reference) ** -index * np.exp(-((lambda_ * energy) ** alpha))
