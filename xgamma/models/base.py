"""What spectral and spatial models have in common: declared parameters."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self, overload

import numpy as np
from astropy import units as u

from xgamma.models.covariance import Correlation, covariance_of
from xgamma.models.locking import Lockable, set_locked
from xgamma.models.parameter import NAN, Parameter, Parameters
from xgamma.models.units import scalar, unit_text

__all__ = ["Declared", "ModelBase"]


@dataclass(frozen=True)
class Declared:
    """A parameter that a class of models declares: its default, unit and limits.

    Reading the attribute gives the `Parameter`. Assigning a number, a Quantity or text sets its value;
    assigning a `Parameter` of another model links the two.
    """

    value: float
    unit: str = ""
    min: float = NAN
    max: float = NAN
    frozen: bool = False
    interp: str = "lin"
    name: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        object.__setattr__(self, "name", name)

    @overload
    def __get__(self, model: None, owner: type) -> Declared: ...
    @overload
    def __get__(self, model: ModelBase, owner: type) -> Parameter: ...
    def __get__(self, model: ModelBase | None, owner: type) -> Declared | Parameter:
        return self if model is None else model._parameters[self.name]

    def __set__(self, model: ModelBase, value: Any) -> None:
        model._set_parameter(self.name, value)

    def new(self) -> Parameter:
        """Return a parameter with the defaults."""
        return Parameter(self.name, self.value, self.unit, self.min, self.max, frozen=self.frozen, interp=self.interp)


class ModelBase(Lockable):
    """Base of the spectral and spatial models.

    Parameters
    ----------
    **values : float, str, Quantity or Parameter
        Values of the parameters; those left out have their defaults. A number without a unit is in the
        unit of the default.

    Raises
    ------
    ValueError
        If there is no such parameter, or its value or unit is not possible.
    """

    tag: ClassVar[tuple[str, ...]] = ()
    _declared: ClassVar[dict[str, Declared]] = {}
    _piece_names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        own = {name: item for name, item in vars(cls).items() if isinstance(item, Declared)}
        cls._declared = {**cls._declared, **own}

    def __init__(self, **values: Any) -> None:
        self._correlation: Correlation | None = None
        self._parameters: dict[str, Parameter] = {name: spec.new() for name, spec in self._specs().items()}
        for name, value in values.items():
            if name not in self._parameters:
                known = ", ".join(self._parameters) or "none"
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has: {known}")
            self._set_parameter(name, value)

    def _specs(self) -> dict[str, Declared]:
        """Return the parameters that this model has, with their defaults."""
        return self._declared

    def _pieces(self) -> dict[str, ModelBase]:
        """Return the models that this one is made of, by the name under which each is written."""
        return {name: getattr(self, name) for name in self._piece_names}

    def _children(self) -> Iterator[Lockable]:
        yield from self._parameters.values()

    def _load(self, what: str) -> None:
        """Read the files that the model needs, if any."""

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the model that YAML describes, with default parameters."""
        return cls()

    def _set_parameter(self, name: str, value: Any) -> None:
        """Set a parameter's value, or link it if the value is a parameter."""
        self._check_unlocked()
        own = self._parameters[name]
        if not isinstance(value, Parameter):
            own.quantity = value
        elif value.canonical_unit.is_equivalent(own.canonical_unit):
            # A parameter that was made by hand calculates in the unit in which it was made.
            value._canonical = own.canonical_unit
            value._factor = float(value.unit.to(own.canonical_unit))
            self._parameters[name] = value
        else:
            have, want = unit_text(value.unit) or "no unit", unit_text(own.canonical_unit) or "no unit"
            raise ValueError(
                f"{type(self).__name__}.{name} takes units like {want!r}; parameter {value.name!r} with {have!r} "
                "cannot take its place"
            )

    @property
    def parameters(self) -> Parameters:
        """The parameters."""
        return Parameters(self._parameters.values(), self._parameters)

    @property
    def values(self) -> dict[str, float]:
        """The values by name, in the units in which the model calculates (TeV, deg, cm-2 s-1 TeV-1)."""
        return {name: par.canonical_value for name, par in self._parameters.items()}

    def _merge(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the current values with some replaced."""
        if not values:
            return self.values
        unknown = values.keys() - self._parameters.keys()
        if unknown:
            known = ", ".join(self._parameters) or "none"
            raise ValueError(f"{type(self).__name__} has no parameter {', '.join(sorted(unknown))}; it has: {known}")
        return {**self.values, **values}

    @property
    def frozen(self) -> bool:
        """Whether all parameters are frozen."""
        return all(par.frozen for par in self._parameters.values())

    def freeze(self) -> None:
        """Freeze all parameters."""
        self.parameters.freeze_all()

    def unfreeze(self) -> None:
        """Free the parameters that are free by default."""
        for name, spec in self._specs().items():
            self._parameters[name].frozen = spec.frozen

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of `parameters` in their units; what a fit found, or the squares of the errors."""
        return covariance_of(self.parameters, self._correlation)

    def copy(self) -> Self:
        """Return an independent copy that can be changed; links to other models are cut."""
        new = copy.deepcopy(self)
        set_locked(new, False)
        return new

    def parameters_to_list(self, full_output: bool = False) -> list[dict[str, Any]]:
        """Return the parameters as they are written to YAML.

        Parameters
        ----------
        full_output : bool
            Also write what equals the default.
        """
        specs = self._specs()
        return [_to_dict(name, par, specs[name], full_output) for name, par in self._parameters.items()]

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return the model as it is written to YAML.

        Parameters
        ----------
        full_output : bool
            Also write what equals the default.
        """
        return {"type": self.tag[0], "parameters": self.parameters_to_list(full_output)}

    def __str__(self) -> str:
        """Return type and parameters."""
        return f"{type(self).__name__}\n\n{self.parameters}\n"

    def _repr_html_(self) -> str:
        """Return type and parameters for notebooks."""
        return f"<b>{type(self).__name__}</b>{self.parameters._repr_html_()}"

    def __repr__(self) -> str:
        """Return type and values."""
        parts = (f"{name}={par.value:.10g} {unit_text(par.unit)}".rstrip() for name, par in self._parameters.items())
        return f"{type(self).__name__}({', '.join(parts)})"


def _same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


def _to_dict(name: str, par: Parameter, spec: Declared, full_output: bool) -> dict[str, Any]:
    """Return a parameter as it is written to YAML."""
    from xgamma.models.priors import prior_to_dict

    entry: dict[str, Any] = {"name": name, "value": par.value}
    unit = unit_text(par.unit)
    # Readers give a parameter without a unit that of its default, so a different unit is always written.
    if unit or spec.unit or full_output:
        entry["unit"] = unit
    if par.error or full_output:
        entry["error"] = par.error
    for key in ("min", "max"):
        limit, default = getattr(par, key), getattr(spec, key)
        # In another unit than that of the default a limit is always written, since readers differ in converting it.
        as_default = _same(limit, default) and (math.isnan(limit) or par.unit == par.canonical_unit)
        if not as_default or full_output:
            entry[key] = limit
    if par.frozen != spec.frozen or full_output:
        entry["frozen"] = par.frozen
    if par.prior is not None:
        entry["prior"] = prior_to_dict(par.prior)
    return entry


def set_from_dict(par: Parameter, entry: dict[str, Any], what: str) -> None:
    """Fill a parameter from YAML.

    Raises
    ------
    ValueError
        If a number or unit is missing or not possible.
    """
    from xgamma.models.priors import prior_from_dict

    if "value" not in entry:
        raise ValueError(f"{what} has no value")
    if entry.get("unit") is not None and (entry["unit"] != "" or not unit_text(par.unit)):
        par.unit = str(entry["unit"])
    elif entry.get("unit") == "":
        raise ValueError(f"{what} has no unit, and takes units like {unit_text(par.unit)!r}")
    number = {key: _number(entry[key], f"{key} of {what}") for key in ("value", "error", "min", "max") if key in entry}
    for key, value in number.items():
        setattr(par, key, value)
    if "frozen" in entry:
        par.frozen = entry["frozen"]
    if entry.get("prior") is not None:
        par.prior = prior_from_dict(entry["prior"])


def _number(value: Any, what: str) -> float:
    # YAML 1.1 reads 1e-12, without a point, as text.
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ValueError(f"{what} is {value!r}, which is not a number") from None
    return scalar(value, u.dimensionless_unscaled, what)


def broadcast_last(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with a new last axis, so that they broadcast against points of a quadrature."""
    return {name: np.asarray(value)[..., None] if np.ndim(value) else value for name, value in values.items()}
