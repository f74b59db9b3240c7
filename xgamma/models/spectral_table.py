"""Spectral models given at nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from astropy import units as u

from xgamma.models.base import Declared
from xgamma.models.parameter import Parameter
from xgamma.models.quadrature import power_law_integral, segments
from xgamma.models.spectral_base import SpectralModel
from xgamma.models.units import NORM, energies, unit_of, unit_text

__all__ = ["PiecewiseNormSpectralModel", "TemplateSpectralModel"]

TINY = np.finfo(float).tiny
"""Stands in for zero where a logarithm is taken."""


def _read_only(values: Any) -> np.ndarray:
    result = np.array(values, dtype=float)
    result.flags.writeable = False
    return result


def _nodes(energy: Any, what: str) -> np.ndarray:
    """Return node energies in TeV, checked."""
    nodes = _read_only(np.atleast_1d(energies(energy, f"energy of {what}")))
    if nodes.ndim != 1 or nodes.size < 2 or (np.diff(nodes) <= 0).any():
        raise ValueError(f"{what} needs two or more energies in increasing order")
    return nodes


def _column(data: dict[str, Any], name: str, what: str) -> u.Quantity:
    """Return the numbers of an entry ``name: {data: [...], unit: ...}``."""
    entry = data.get(name)
    if not isinstance(entry, dict) or not isinstance(entry.get("data"), list):
        raise ValueError(f"{what} needs {name!r} with 'data', a list of numbers, and 'unit'")
    try:
        values = np.array([float(value) for value in entry["data"]])
    except (TypeError, ValueError):
        raise ValueError(f"'data' of {name!r} in {what} must be a list of numbers") from None
    return u.Quantity(values, unit_of(str(entry.get("unit") or ""), f"{name!r} of {what}"))


class TemplateSpectralModel(SpectralModel):
    """A table of values, joined by power laws; the first and the last go on beyond the table.

    Parameters
    ----------
    energy : Quantity
        Energies, increasing.
    values : Quantity
        Values at the energies, of any unit.

    Raises
    ------
    ValueError
        If the energies do not increase, or the values are negative or of another number.
    """

    tag = ("TemplateSpectralModel", "template")

    def __init__(self, energy: Any, values: Any) -> None:
        super().__init__()
        self._nodes = _nodes(energy, "TemplateSpectralModel")
        quantity = u.Quantity(values, dtype=float)
        if quantity.shape != self._nodes.shape:
            raise ValueError(
                f"TemplateSpectralModel has {self._nodes.size} energies and values of shape {quantity.shape}"
            )
        if not (np.isfinite(quantity.value).all() and (quantity.value >= 0).all()):
            raise ValueError("values of TemplateSpectralModel must be finite and not negative")
        self._given = _read_only(quantity.value)
        self._given_unit = quantity.unit
        self._table_unit, self._factor = _canonical(quantity.unit)

    @property
    def energy(self) -> u.Quantity:
        """The energies of the table."""
        return u.Quantity(self._nodes, u.TeV)

    @property
    def table(self) -> u.Quantity:
        """The values of the table."""
        return u.Quantity(self._given, self._given_unit)

    @property
    def unit(self) -> u.UnitBase:
        """The unit of what `evaluate_array` returns."""
        return self._table_unit

    def _evaluate(self, energy: np.ndarray) -> np.ndarray:
        return power_laws(energy, self._nodes, self._given * self._factor, extrapolate=True)

    def _breaks(self) -> Sequence[Any]:
        return list(self._nodes)

    def _integrate(self, lower: np.ndarray, upper: np.ndarray, moment: int) -> np.ndarray:
        return power_laws_integral(lower, upper, moment, self._nodes, self._given * self._factor, extrapolate=True)

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return the model as it is written to YAML.

        Parameters
        ----------
        full_output : bool
            Has no effect: there are no parameters.
        """
        return {
            **super().to_dict(full_output),
            "energy": {"data": self._nodes.tolist(), "unit": "TeV"},
            "values": {"data": self._given.tolist(), "unit": unit_text(self._given_unit)},
        }

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> Self:
        what = cls.tag[0]
        return cls(_column(data, "energy", what), _column(data, "values", what))


def _canonical(unit: u.UnitBase) -> tuple[u.UnitBase, float]:
    """Return the unit with its energies in TeV and lengths in cm, and the factor to get there."""
    for target in ("TeV-1 s-1 cm-2", "", "TeV-1 s-1 cm-2 sr-1", "TeV-1"):
        if unit.is_equivalent(target):
            return u.Unit(target), float(unit.to(target))
    raise ValueError(f"values of TemplateSpectralModel must be a flux like 'TeV-1 s-1 cm-2' or a factor, not {unit}")


def power_laws(energy: np.ndarray, nodes: np.ndarray, values: Any, extrapolate: bool) -> np.ndarray:
    """Interpolate linearly in the logarithms of energy and value.

    Parameters
    ----------
    energy : ndarray
        Where to interpolate.
    nodes : ndarray
        Energies of the nodes, increasing.
    values : array_like
        Values at the nodes along the first axis; further axes broadcast against `energy`.
    extrapolate : bool
        Whether the outermost power laws go on beyond the nodes; otherwise the outermost values do.

    Returns
    -------
    ndarray
        The values at the energies.
    """
    log_values = np.log(np.maximum(values, TINY))
    x, x_nodes = np.log(energy), np.log(nodes)
    place = np.clip(np.searchsorted(nodes, energy, side="right") - 1, 0, nodes.size - 2)
    t = (x - x_nodes[place]) / (x_nodes[place + 1] - x_nodes[place])
    if not extrapolate:
        t = np.clip(t, 0, 1)
    left, right = _take(log_values, place), _take(log_values, place + 1)
    result = left + t * (right - left)
    # Between zeros there is nothing, and between a zero and a value next to nothing.
    return np.where((left <= np.log(TINY)) & (right <= np.log(TINY)), 0.0, np.exp(np.minimum(result, 700.0)))


def _take(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return the values of the nodes at places, for values with or without further axes."""
    if values.ndim == 1:
        return values[place]
    shape = np.broadcast_shapes(values.shape[1:], place.shape)
    stacked = np.broadcast_to(_align(values, len(shape)), (values.shape[0], *shape))
    return np.take_along_axis(stacked, np.broadcast_to(place, shape)[None], axis=0)[0]


def _align(values: np.ndarray, n_dim: int) -> np.ndarray:
    """Insert axes behind the first, so that the others are the last of `n_dim`."""
    return values.reshape(values.shape[0], *[1] * (n_dim - values.ndim + 1), *values.shape[1:])


def power_laws_integral(
    lower: np.ndarray, upper: np.ndarray, moment: int, nodes: np.ndarray, values: Any, extrapolate: bool
) -> np.ndarray:
    """Integrate what `power_laws` interpolates, times ``energy ** moment``, in closed form.

    Parameters
    ----------
    lower, upper : ndarray
        Limits.
    moment : int
        Power of energy.
    nodes, values, extrapolate
        As for `power_laws`; further axes of the values broadcast against the limits.

    Returns
    -------
    ndarray
        The integrals.
    """
    values = np.asarray(values, dtype=float)
    logs = np.log(np.maximum(values, TINY))
    slopes = -np.diff(logs, axis=0) / np.diff(np.log(nodes)).reshape(-1, *[1] * (logs.ndim - 1))
    # Without extrapolation the segments before the first and after the last node are flat.
    n = nodes.size
    first, last = (0, n - 2) if extrapolate else (None, None)
    pieces = [(first, 0), *[(k, k) for k in range(n - 1)], (last, n - 1)]
    total: Any = 0.0
    for (low, high), (slope, node) in zip(segments(lower, upper, list(nodes)), pieces, strict=True):
        if np.array_equal(low, high):
            continue
        index = 0.0 if slope is None else slopes[slope]
        empty = slope is not None and (logs[slope : slope + 2] <= np.log(TINY)).all()
        if empty:
            continue
        inside = power_law_integral(low, high, index - moment, nodes[node])
        total = total + values[node] * nodes[node] ** moment * inside
    return np.asarray(total + np.zeros(np.broadcast_shapes(lower.shape, upper.shape)))


class PiecewiseNormSpectralModel(SpectralModel):
    """A factor with a free value at each of some energies, constant beyond the first and the last.

    Parameters
    ----------
    energy : Quantity
        Energies of the nodes, increasing.
    norms : sequence of float or Parameter, optional
        Values at the nodes, parameters ``norm_0``, ``norm_1``, ...; all 1 if left out.
    interp : {"log", "lin"}
        Whether the values are joined by power laws or by straight lines.

    Raises
    ------
    ValueError
        If the energies do not increase, or there is another number of norms.
    """

    tag = ("PiecewiseNormSpectralModel", "piecewise-norm")
    _unit = NORM

    def __init__(self, energy: Any, norms: Sequence[Any] | None = None, interp: str = "log") -> None:
        self._nodes = _nodes(energy, "PiecewiseNormSpectralModel")
        if interp not in ("log", "lin"):
            raise ValueError(f"interp of PiecewiseNormSpectralModel must be 'log' or 'lin', not {interp!r}")
        self._interp = interp
        norms = [1.0] * self._nodes.size if norms is None else list(norms)
        if len(norms) != self._nodes.size:
            raise ValueError(f"PiecewiseNormSpectralModel has {self._nodes.size} energies and {len(norms)} norms")
        super().__init__(**{f"norm_{i}": norm for i, norm in enumerate(norms)})

    def _specs(self) -> dict[str, Declared]:
        return {name: Declared(1.0, name=name) for name in (f"norm_{i}" for i in range(self._nodes.size))}

    def __getattr__(self, name: str) -> Parameter:
        # Found by ordinary look-up is everything but the parameters, of which each instance has its own number.
        parameters = self.__dict__.get("_parameters", {})
        if name in parameters:
            return parameters[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("_parameters", {}):
            self._set_parameter(name, value)
        else:
            super().__setattr__(name, value)

    @property
    def energy(self) -> u.Quantity:
        """The energies of the nodes."""
        return u.Quantity(self._nodes, u.TeV)

    @property
    def interp(self) -> str:
        """How the values are joined, by power laws ("log") or straight lines ("lin")."""
        return self._interp

    def _evaluate(self, energy: np.ndarray, **norms: Any) -> np.ndarray:
        values = _stack(norms)
        if self._interp == "log":
            return power_laws(energy, self._nodes, values, extrapolate=False)
        place = np.clip(np.searchsorted(self._nodes, energy, side="right") - 1, 0, self._nodes.size - 2)
        t = np.clip((energy - self._nodes[place]) / np.diff(self._nodes)[place], 0, 1)
        left, right = _take(values, place), _take(values, place + 1)
        return left + t * (right - left)

    def _integrate(self, lower: np.ndarray, upper: np.ndarray, moment: int, **norms: Any) -> np.ndarray:
        if self._interp == "log":
            return power_laws_integral(lower, upper, moment, self._nodes, _stack(norms), extrapolate=False)
        return self._quadrature(lower, upper, moment, norms)

    def _breaks(self, **norms: Any) -> Sequence[Any]:
        return list(self._nodes)

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return the model as it is written to YAML.

        Parameters
        ----------
        full_output : bool
            Also write what equals the default.
        """
        return {
            **super().to_dict(full_output),
            "energy": {"data": self._nodes.tolist(), "unit": "TeV"},
            "interp": self._interp,
        }

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> Self:
        return cls(_column(data, "energy", cls.tag[0]), interp=data.get("interp", "log"))


def _stack(norms: dict[str, Any]) -> np.ndarray:
    """Return values at the nodes along a first axis."""
    return np.stack(np.broadcast_arrays(*norms.values())).astype(float)
