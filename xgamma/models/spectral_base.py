"""What all spectral models can do: values, integrals and their errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from astropy import units as u

from xgamma.models.base import ModelBase, broadcast_last
from xgamma.models.covariance import propagate
from xgamma.models.quadrature import integrate
from xgamma.models.units import FLUX, energies

if TYPE_CHECKING:
    from xgamma.models.spectral_compound import CompoundSpectralModel

__all__ = ["SpectralModel"]


class SpectralModel(ModelBase):
    """Base of the spectral models.

    Arrays are in TeV, TeV-1 s-1 cm-2 and their products; a norm model has no unit, so that its integral is
    in TeV. Values given by keyword stand in for those of the parameters, in the units of `values`, and may
    be arrays that broadcast against the energies.
    """

    kind: ClassVar[str] = "spectral"
    _unit: ClassVar[u.UnitBase] = FLUX

    @property
    def unit(self) -> u.UnitBase:
        """The unit of what `evaluate_array` returns."""
        return self._unit

    @property
    def is_norm_spectral_model(self) -> bool:
        """Whether the model is a factor without unit."""
        return self.unit == u.dimensionless_unscaled

    # Pure functions of plain arrays: values at energies, the energies between which a model is smooth, and the
    # integral of energy**moment times the model where that has a closed form.
    _evaluate: Callable[..., np.ndarray]
    _breaks: Callable[..., Sequence[Any]] | None = None
    _integrate: Callable[..., np.ndarray] | None = None

    def evaluate_array(self, energy: Any, **values: Any) -> np.ndarray:
        """Return the values of the model.

        Parameters
        ----------
        energy : array_like
            Energies in TeV, above zero.
        **values : array_like
            Values of parameters in place of the current ones.

        Returns
        -------
        ndarray
            In `unit`.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        return self._evaluate(np.asarray(energy, dtype=float), **self._merge(values))

    def integrate_array(self, lower: Any, upper: Any, **values: Any) -> np.ndarray:
        """Return integrals over energy.

        Parameters
        ----------
        lower, upper : array_like
            Limits in TeV, finite and above zero, broadcast against each other.
        **values : array_like
            Values of parameters in place of the current ones.

        Returns
        -------
        ndarray
            In `unit` times TeV.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        return self._integral_array(lower, upper, 0, values)

    def energy_flux_array(self, lower: Any, upper: Any, **values: Any) -> np.ndarray:
        """Return integrals of energy times the model.

        Parameters
        ----------
        lower, upper : array_like
            Limits in TeV, finite and above zero, broadcast against each other.
        **values : array_like
            Values of parameters in place of the current ones.

        Returns
        -------
        ndarray
            In `unit` times TeV2.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        return self._integral_array(lower, upper, 1, values)

    def _integral_array(self, lower: Any, upper: Any, moment: int, values: dict[str, Any]) -> np.ndarray:
        low, high = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
        return self._integral(low, high, moment, self._merge(values))

    def _integral(self, low: np.ndarray, high: np.ndarray, moment: int, values: dict[str, Any]) -> np.ndarray:
        """Return the integral by the closed form or, without one, by a quadrature."""
        if self._integrate is not None:
            return np.asarray(self._integrate(low, high, moment, **values))
        return self._quadrature(low, high, moment, values)

    def _quadrature(self, low: np.ndarray, high: np.ndarray, moment: int, values: dict[str, Any]) -> np.ndarray:
        inner = broadcast_last(values)
        breaks = () if self._breaks is None else self._breaks(**values)
        return integrate(lambda energy: energy**moment * self._evaluate(energy, **inner), low, high, breaks)

    def evaluate(self, energy: Any) -> u.Quantity:
        """Return the values of the model.

        Parameters
        ----------
        energy : Quantity or str
            Energies.

        Returns
        -------
        Quantity
            Of the shape of `energy`.

        Raises
        ------
        ValueError
            If the energies are not energies, or not all finite and above zero.
        """
        return u.Quantity(self.evaluate_array(energies(energy)), self.unit)

    def __call__(self, energy: Any) -> u.Quantity:
        """Return the values of the model, as `evaluate` does."""
        return self.evaluate(energy)

    def integral(self, energy_min: Any, energy_max: Any) -> u.Quantity:
        """Return integrals over energy.

        Parameters
        ----------
        energy_min, energy_max : Quantity or str
            Limits, broadcast against each other.

        Returns
        -------
        Quantity
            Flux, or energy for a norm model.

        Raises
        ------
        ValueError
            If the limits are not energies, or not all finite and above zero.
        """
        low, high = energies(energy_min, "energy_min"), energies(energy_max, "energy_max")
        return u.Quantity(self.integrate_array(low, high), self.unit * u.TeV)

    def energy_flux(self, energy_min: Any, energy_max: Any) -> u.Quantity:
        """Return integrals of energy times the model.

        Parameters
        ----------
        energy_min, energy_max : Quantity or str
            Limits, broadcast against each other.

        Returns
        -------
        Quantity
            Energy flux.

        Raises
        ------
        ValueError
            If the limits are not energies, or not all finite and above zero.
        """
        low, high = energies(energy_min, "energy_min"), energies(energy_max, "energy_max")
        return u.Quantity(self.energy_flux_array(low, high), self.unit * u.TeV**2)

    def spectral_index(self, energy: Any) -> u.Quantity:
        """Return the local index, -d ln(value) / d ln(energy).

        Parameters
        ----------
        energy : Quantity or str
            Energies.

        Raises
        ------
        ValueError
            If the energies are not energies, or not all finite and above zero.
        """
        step = 1e-5
        e = energies(energy)
        ratio = self.evaluate_array(e * (1 + step)) / self.evaluate_array(e * (1 - step))
        return u.Quantity(-np.log(ratio) / np.log((1 + step) / (1 - step)))

    def evaluate_error(self, energy: Any) -> tuple[u.Quantity, u.Quantity]:
        """Return the values of the model and their standard errors.

        Errors and correlations of the parameters are propagated linearly.

        Parameters
        ----------
        energy : Quantity or str
            Energies.

        Returns
        -------
        value, error : Quantity
            Each of the shape of `energy`.

        Raises
        ------
        ValueError
            If the energies are not energies, or not all finite and above zero.
        """
        e = energies(energy)
        return self._with_error(lambda values: self.evaluate_array(e, **values), self.unit)

    def integral_error(self, energy_min: Any, energy_max: Any) -> tuple[u.Quantity, u.Quantity]:
        """Return integrals over energy and their standard errors, as `evaluate_error` does.

        Parameters
        ----------
        energy_min, energy_max : Quantity or str
            Limits, broadcast against each other.
        """
        low, high = energies(energy_min, "energy_min"), energies(energy_max, "energy_max")
        return self._with_error(lambda values: self.integrate_array(low, high, **values), self.unit * u.TeV)

    def energy_flux_error(self, energy_min: Any, energy_max: Any) -> tuple[u.Quantity, u.Quantity]:
        """Return integrals of energy times the model and their standard errors, as `evaluate_error` does.

        Parameters
        ----------
        energy_min, energy_max : Quantity or str
            Limits, broadcast against each other.
        """
        low, high = energies(energy_min, "energy_min"), energies(energy_max, "energy_max")
        return self._with_error(lambda values: self.energy_flux_array(low, high, **values), self.unit * u.TeV**2)

    def error_band(self, energy: Any, n_sigma: float = 1.0) -> tuple[u.Quantity, u.Quantity]:
        """Return the limits of the band that the errors of the parameters allow.

        Parameters
        ----------
        energy : Quantity or str
            Energies.
        n_sigma : float
            Half the width of the band in standard errors.

        Returns
        -------
        lower, upper : Quantity
            Each of the shape of `energy`.

        Raises
        ------
        ValueError
            If the energies are not energies, or not all finite and above zero.
        """
        value, error = self.evaluate_error(energy)
        return value - n_sigma * error, value + n_sigma * error

    def inverse(self, value: Any, energy_min: Any = "0.1 TeV", energy_max: Any = "100 TeV") -> u.Quantity:
        """Return the energies at which the model has some values, see `xgamma.models.spectral_solve.inverse`."""
        from xgamma.models.spectral_solve import inverse

        return inverse(self, value, energy_min, energy_max)

    @property
    def pivot_energy(self) -> u.Quantity:
        """Where the relative error is smallest, see `xgamma.models.spectral_solve.pivot_energy`."""
        from xgamma.models.spectral_solve import pivot_energy

        return pivot_energy(self)

    def plot(
        self,
        energy_bounds: Any,
        ax: Any = None,
        sed_type: str | None = None,
        energy_power: float = 0,
        n_points: int = 100,
        **options: Any,
    ) -> Any:
        """Draw the model as a line on logarithmic scales.

        Parameters
        ----------
        energy_bounds : pair of Quantity or str
            First and last energy.
        ax : matplotlib Axes, optional
            Made anew in a new figure if left out.
        sed_type : {"dnde", "e2dnde", "flux", "eflux", "norm"}, optional
            The quantity, by default the values of the model: "dnde", or "norm" for a factor without unit. Integrals
            are those over `n_points` bins.
        energy_power : float
            Power of energy by which the values are multiplied.
        n_points : int
            Number of energies.
        **options
            For ``plot`` of matplotlib, such as ``label``.

        Returns
        -------
        Axes
            In the units that `ax` shows already.

        Raises
        ------
        ValueError
            If the bounds are no pair of energies, the type is unknown, or `ax` shows another kind of quantity.
        """
        from xgamma.models.pictures import plot_spectral

        return plot_spectral(self, energy_bounds, ax, sed_type, energy_power, n_points, **options)

    def plot_error(self, energy_bounds: Any, ax: Any = None, sed_type: str | None = None, **options: Any) -> Any:
        """Draw the errors of the model, see `evaluate_error`, as a band.

        Parameters
        ----------
        energy_bounds, ax, sed_type
            As for `plot`.
        **options
            ``energy_power`` and ``n_points`` as for `plot`, ``n_sigma``, half the width of the band in standard errors
            (1), and others for ``fill_between`` of matplotlib.

        Returns
        -------
        Axes

        Raises
        ------
        ValueError
            As for `plot`.
        """
        from xgamma.models.pictures import plot_spectral_error

        return plot_spectral_error(self, energy_bounds, ax, sed_type, **options)

    def _with_error(
        self, function: Callable[[dict[str, Any]], np.ndarray], unit: u.UnitBase
    ) -> tuple[u.Quantity, u.Quantity]:
        factor = np.array([par.canonical_factor for par in self.parameters])
        covariance = self.covariance * np.outer(factor, factor)
        value, error = propagate(function, self.values, covariance)
        return u.Quantity(value, unit), u.Quantity(error, unit)

    def __add__(self, other: SpectralModel) -> CompoundSpectralModel:
        return self._combine(other, "add")

    def __sub__(self, other: SpectralModel) -> CompoundSpectralModel:
        return self._combine(other, "sub")

    def __mul__(self, other: SpectralModel) -> CompoundSpectralModel:
        return self._combine(other, "mul")

    def __truediv__(self, other: SpectralModel) -> CompoundSpectralModel:
        return self._combine(other, "truediv")

    def _combine(self, other: SpectralModel, operator: str) -> CompoundSpectralModel:
        from xgamma.models.spectral_compound import CompoundSpectralModel

        if not isinstance(other, SpectralModel):
            return NotImplemented
        return CompoundSpectralModel(self, other, operator)
