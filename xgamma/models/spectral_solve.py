"""At which energies a spectral model has a value, and at which it is known best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from xgamma.models.units import array, energies

if TYPE_CHECKING:
    from xgamma.models.spectral_base import SpectralModel

__all__ = ["inverse", "pivot_energy"]

_PER_DECADE = 100
_LOWEST, _HIGHEST = 1e-5, 1e4  # TeV, between which a pivot energy is looked for


def inverse(model: SpectralModel, value: Any, energy_min: Any = "0.1 TeV", energy_max: Any = "100 TeV") -> u.Quantity:
    """Return the energies at which a model has some values.

    Parameters
    ----------
    model : SpectralModel
        The model.
    value : Quantity or str
        Values, in units like that of the model.
    energy_min, energy_max : Quantity or str
        Where to look. A hundred energies in each decade tell where the model crosses a value, so that two crossings
        closer than that are not seen.

    Returns
    -------
    Quantity
        In TeV, of the shape of `value`: the lowest energy if there are several, nan if there is none.

    Raises
    ------
    ValueError
        If the values have another kind of unit, or the energies are not rising.
    """
    from scipy.optimize import brentq

    wanted = array(value, model.unit, "value")
    low, high = float(energies(energy_min, "energy_min")), float(energies(energy_max, "energy_max"))
    if low >= high:
        raise ValueError(f"energy_min must lie below energy_max, and they are {low:g} TeV and {high:g} TeV")
    logs = np.linspace(np.log(low), np.log(high), max(2, round(_PER_DECADE * np.log10(high / low)) + 1))
    values = model.evaluate_array(np.exp(logs))

    def energy_of(target: float) -> float:
        side = np.where(np.isclose(values, target, rtol=1e-12, atol=0), 0, np.sign(values - target))
        crossing = np.flatnonzero((side[:-1] == 0) | (side[:-1] * side[1:] <= 0))
        if not crossing.size:
            return float("nan")
        i = int(crossing[0])
        if side[i] == 0 or side[i + 1] == 0:
            return float(np.exp(logs[i if side[i] == 0 else i + 1]))
        root = brentq(lambda x: float(model.evaluate_array(np.exp(x))) - target, logs[i], logs[i + 1], xtol=1e-14)
        return float(np.exp(root))

    found = np.array([energy_of(float(target)) for target in wanted.ravel()])
    return u.Quantity(found.reshape(wanted.shape), u.TeV)


def pivot_energy(model: SpectralModel) -> u.Quantity:
    """Return the energy at which the relative error of a model is smallest.

    With a power law this is where amplitude and index are not correlated: that reference energy makes them independent.

    Parameters
    ----------
    model : SpectralModel
        With errors, and the covariance that a fit gives it.

    Returns
    -------
    Quantity
        In TeV, between 10 MeV and 10 PeV.

    Raises
    ------
    ValueError
        If no parameter has an error, or the relative error has no minimum in that range.
    """
    from scipy.optimize import minimize_scalar

    if not np.diag(model.covariance).any():
        raise ValueError(f"{type(model).__name__} has no errors, and so no pivot energy: fit it, or set its covariance")

    def relative(log_energy: Any) -> np.ndarray:
        # The error of the logarithm is finite where the value and its error are too small for a number.
        with np.errstate(divide="ignore", invalid="ignore"):
            _, error = model._with_error(
                lambda values: np.log(model.evaluate_array(np.exp(log_energy), **values)), u.dimensionless_unscaled
            )
        return np.where(np.isfinite(error.value), error.value, np.inf)

    logs = np.linspace(np.log(_LOWEST), np.log(_HIGHEST), 10 * _PER_DECADE)
    found = relative(logs)
    place = int(np.argmin(found))
    if not 0 < place < logs.size - 1 or found[place] >= found[np.isfinite(found)].max() * (1 - 1e-9):
        raise ValueError(
            f"the relative error of {type(model).__name__} has no minimum between {_LOWEST:g} and {_HIGHEST:g} TeV: "
            "fit its slope as well as its amplitude"
        )
    bounds = (logs[place - 1], logs[place + 1])
    best = minimize_scalar(lambda x: float(relative(x)) ** 2, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return u.Quantity(np.exp(best.x), u.TeV)
