"""Spectral models: power laws with an exponential cut-off."""

from __future__ import annotations

from typing import Any

import numpy as np

from xgamma.models.base import Declared
from xgamma.models.spectral import DIFFERENTIAL
from xgamma.models.spectral_base import SpectralModel

__all__ = [
    "ExpCutoffPowerLaw3FGLSpectralModel",
    "ExpCutoffPowerLawSpectralModel",
    "SuperExpCutoffPowerLaw3FGLSpectralModel",
    "SuperExpCutoffPowerLaw4FGLDR3SpectralModel",
    "SuperExpCutoffPowerLaw4FGLSpectralModel",
]

MEV = 1e6
"""MeV in a TeV."""


class ExpCutoffPowerLawSpectralModel(SpectralModel):
    """``amplitude (E / reference)^-index exp(-(lambda_ E)^alpha)``."""

    tag = ("ExpCutoffPowerLawSpectralModel", "ecpl")
    index = Declared(1.5)
    amplitude = Declared(1e-12, DIFFERENTIAL, interp="log")
    reference = Declared(1.0, "TeV", frozen=True)
    lambda_ = Declared(0.1, "TeV-1")
    alpha = Declared(1.0, frozen=True)

    def _evaluate(
        self, energy: np.ndarray, *, index: Any, amplitude: Any, reference: Any, lambda_: Any, alpha: Any
    ) -> np.ndarray:
        return amplitude * (energy / reference) ** -index * np.exp(-((lambda_ * energy) ** alpha))


class ExpCutoffPowerLaw3FGLSpectralModel(SpectralModel):
    """``amplitude (E / reference)^-index exp((reference - E) / ecut)``, as in the 3FGL catalogue."""

    tag = ("ExpCutoffPowerLaw3FGLSpectralModel", "ecpl-3fgl")
    index = Declared(1.5)
    amplitude = Declared(1e-12, DIFFERENTIAL, interp="log")
    reference = Declared(1.0, "TeV", frozen=True)
    ecut = Declared(10.0, "TeV")

    def _evaluate(self, energy: np.ndarray, *, index: Any, amplitude: Any, reference: Any, ecut: Any) -> np.ndarray:
        return amplitude * (energy / reference) ** -index * np.exp((reference - energy) / ecut)


class SuperExpCutoffPowerLaw3FGLSpectralModel(SpectralModel):
    """``amplitude (E / reference)^-index_1 exp((reference / ecut)^index_2 - (E / ecut)^index_2)``, as in 3FGL."""

    tag = ("SuperExpCutoffPowerLaw3FGLSpectralModel", "secpl-3fgl")
    amplitude = Declared(1e-12, DIFFERENTIAL, interp="log")
    reference = Declared(1.0, "TeV", frozen=True)
    ecut = Declared(10.0, "TeV")
    index_1 = Declared(1.5)
    index_2 = Declared(2.0)

    def _evaluate(
        self, energy: np.ndarray, *, amplitude: Any, reference: Any, ecut: Any, index_1: Any, index_2: Any
    ) -> np.ndarray:
        cutoff = (reference / ecut) ** index_2 - (energy / ecut) ** index_2
        return amplitude * (energy / reference) ** -index_1 * np.exp(cutoff)


class SuperExpCutoffPowerLaw4FGLSpectralModel(SpectralModel):
    """``amplitude (E / reference)^-index_1 exp(expfactor (reference^index_2 - E^index_2))``, as in 4FGL.

    The energies that are raised to ``index_2`` are in MeV.
    """

    tag = ("SuperExpCutoffPowerLaw4FGLSpectralModel", "secpl-4fgl")
    amplitude = Declared(1e-12, DIFFERENTIAL, interp="log")
    reference = Declared(1.0, "TeV", frozen=True)
    expfactor = Declared(1e-14)
    index_1 = Declared(1.5)
    index_2 = Declared(2.0)

    def _evaluate(
        self, energy: np.ndarray, *, amplitude: Any, reference: Any, expfactor: Any, index_1: Any, index_2: Any
    ) -> np.ndarray:
        cutoff = expfactor * ((MEV * reference) ** index_2 - (MEV * energy) ** index_2)
        return amplitude * (energy / reference) ** -index_1 * np.exp(cutoff)


class SuperExpCutoffPowerLaw4FGLDR3SpectralModel(SpectralModel):
    """A cut-off power law given by its slope and curvature at the reference energy, as in 4FGL-DR3.

    ``amplitude x^(expfactor / index_2 - index_1) exp(expfactor / index_2^2 (1 - x^index_2))`` with
    ``x = E / reference``, equations 2 and 3 of arXiv:2201.11184.
    """

    tag = ("SuperExpCutoffPowerLaw4FGLDR3SpectralModel", "secpl-4fgl-dr3")
    amplitude = Declared(1e-12, DIFFERENTIAL, interp="log")
    reference = Declared(1.0, "TeV", frozen=True)
    expfactor = Declared(0.01)
    index_1 = Declared(1.5)
    index_2 = Declared(2.0)

    def _evaluate(
        self, energy: np.ndarray, *, amplitude: Any, reference: Any, expfactor: Any, index_1: Any, index_2: Any
    ) -> np.ndarray:
        x = np.log(energy / reference)
        # Power law and cut-off together are exp(-index_1 x - expfactor x^2 curve(index_2 x)).
        return amplitude * np.exp(-index_1 * x - expfactor * x**2 * _curve(index_2 * x))


def _curve(z: Any) -> np.ndarray:
    """Return ``(exp(z) - 1 - z) / z^2``, by its series near 0 where the formula loses all digits."""
    z = np.asarray(z, dtype=float)
    small = np.abs(z) < 0.05
    safe = np.where(small, 1.0, z)
    # 1/2 + z/6 + z^2/24 + ...; the next term is below 1e-16 of the first.
    series = np.polynomial.polynomial.polyval(
        np.where(small, z, 0.0), [1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40320, 1 / 362880]
    )
    return np.where(small, series, (np.expm1(safe) - safe) / safe**2)
