"""The free parameters of models as a vector, each linked one only once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.likelihood.expansion import Expansion
from xgamma.models import Models, Parameter
from xgamma.models.base import ModelBase
from xgamma.predict import models_for

__all__ = ["Free", "Part", "Vector", "joint_models", "part_of", "vector_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Vector:
    """What is known of the free parameters.

    Attributes
    ----------
    names : tuple of str
        ``model.parameter``; a linked parameter has the name of its first place.
    units : tuple of str
        Unit of each number.
    value, error, lower, upper : ndarray
        Values at the start, their errors (0 where unknown) and limits (infinite for none).
    priors : tuple
        The prior of each parameter, or None.
    log : tuple of bool
        Whether a parameter is best stepped in its logarithm.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    value: Array
    error: Array
    lower: Array
    upper: Array
    priors: tuple[Any, ...]
    log: tuple[bool, ...]

    def check(self, x: Any) -> Array:
        """Return a vector of numbers as floats, if there are as many as parameters."""
        values = np.asarray(x, dtype=np.float64)
        if values.shape != self.value.shape:
            raise ValueError(
                f"The likelihood takes {len(self.names)} numbers, {', '.join(self.names) or 'none'}, "
                f"not an array of shape {values.shape}."
            )
        return values

    def prior(self, x: Array) -> float:
        """Sum of what the priors add to the statistic."""
        return float(sum([prior(x[i]) for i, prior in enumerate(self.priors) if prior is not None]))

    def prior_gradient(self, x: Array) -> Array:
        """Return the derivatives of `prior`."""
        return np.array([0.0 if prior is None else prior.gradient(v) for prior, v in zip(self.priors, x, strict=True)])

    def prior_expansion(self, x: Array) -> Expansion:
        """Return `prior` with its derivatives."""
        bend = np.array([0.0 if prior is None else prior.bend(v) for prior, v in zip(self.priors, x, strict=True)])
        return Expansion(self.prior(x), self.prior_gradient(x), np.diag(bend), np.zeros(x.size, dtype=bool))


@dataclass(frozen=True)
class Free:
    """A free parameter of a spectral or spatial model.

    Attributes
    ----------
    name : str
        Its name in the model.
    slot : int
        Its place in the vector.
    factor : float
        From the number in the vector to that with which the model calculates.
    lower, upper : float
        Limits, in the unit of the model.
    scale : float
        A size of the parameter that is not zero, in the unit of the model.
    """

    name: str
    slot: int
    factor: float
    lower: float
    upper: float
    scale: float


@dataclass(frozen=True)
class Part:
    """A spectral or spatial model with its free parameters; the model is a copy that nothing changes."""

    model: Any
    free: tuple[Free, ...]

    def values(self, x: Array) -> dict[str, Any]:
        """Values of the free parameters, by name and in the units of the model."""
        return {free.name: x[free.slot] * free.factor for free in self.free}

    def value(self, name: str, x: Array) -> float:
        """Value of a parameter, free or not, in the unit of the model."""
        for free in self.free:
            if free.name == name:
                return float(x[free.slot]) * free.factor
        return float(self.model._parameters[name].canonical_value)

    def at(self, x: Array) -> Any:
        """Return the model with other values."""
        new = object.__new__(type(self.model))
        new.__dict__.update(self.model.__dict__)
        parameters = dict(self.model._parameters)
        for free in self.free:
            parameter = parameters[free.name].copy()
            object.__setattr__(parameter, "_value", float(x[free.slot]))
            parameters[free.name] = parameter
        new.__dict__["_parameters"] = parameters
        return new


def vector_of(models: Models) -> Vector:
    """Collect the free parameters of models."""
    free = models.parameters.free_unique_parameters
    limits = [
        np.array([default if np.isnan(limit) else limit for limit in values], dtype=np.float64)
        for values, default in (([p.min for p in free], -np.inf), ([p.max for p in free], np.inf))
    ]
    return Vector(
        names=tuple(free.names),
        units=tuple(p.unit.to_string("fits") for p in free),
        value=np.array([p.value for p in free], dtype=np.float64),
        error=np.nan_to_num(np.array([p.error for p in free], dtype=np.float64)),
        lower=limits[0],
        upper=limits[1],
        priors=tuple(p.prior for p in free),
        log=tuple(p.interp == "log" for p in free),
    )


def part_of(model: ModelBase, slots: dict[int, int]) -> Part:
    """Resolve a model's free parameters, given the place in the vector of each by its identity."""
    free = []
    for name, par in model._parameters.items():
        if id(par) in slots:
            factor = par.canonical_factor
            lower, upper = (
                default if np.isnan(limit) else limit * factor
                for limit, default in ((par.min, -np.inf), (par.max, np.inf))
            )
            scale = abs(par.value) or abs(par.error) or 1.0
            free.append(Free(name, slots[id(par)], factor, lower, upper, scale * factor))
    return Part(model, tuple(free))


def joint_models(datasets: Iterable[xr.Dataset], models: Any) -> Models:
    """Copy the models of datasets; those of the same name that are stored with several of them are one.

    Raises
    ------
    ValueError
        If datasets hold models of the same name that differ.
    """
    if models is not None:
        return (models if isinstance(models, Models) else Models(models)).copy()
    found: dict[str, Any] = {}
    for ds in datasets:
        same: dict[int, Parameter] = {}
        stored = models_for(ds)
        for model in stored:
            first = found.setdefault(model.name, model)
            if first is model:
                continue
            if not Models([first]).equals(Models([model])):
                raise ValueError(
                    f"Model '{model.name}' of dataset '{ds.attrs.get('name', '')}' differs from that of another "
                    "dataset: give the models to fit, or store the same ones with all datasets."
                )
            for own, other in zip(model.parameters, first.parameters, strict=True):
                same[id(own)] = other
        for model in stored:
            if found[model.name] is model:
                for part in model._parts().values():
                    for name, par in part._parameters.items():
                        if id(par) in same:
                            part._set_parameter(name, same[id(par)])
    return Models(list(found.values())).copy()
