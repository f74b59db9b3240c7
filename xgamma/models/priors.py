"""Priors: what is known of a parameter before the data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["PRIORS", "GaussianPrior", "LogUniformPrior", "Prior", "UniformPrior", "prior_from_dict", "prior_to_dict"]


@dataclass(frozen=True)
class GaussianPrior:
    """The parameter's value is normally distributed.

    Attributes
    ----------
    mu, sigma : float
        Mean and standard deviation, in the unit of the parameter.
    weight : float
        Factor on the statistic.
    """

    mu: float = 0.0
    sigma: float = 1.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise ValueError(f"GaussianPrior needs sigma above zero, not {self.sigma}")

    def __call__(self, value: float) -> float:
        """Return what is added to the fit statistic, -2 ln(density)."""
        return self.weight * (((value - self.mu) / self.sigma) ** 2 + math.log(2 * math.pi * self.sigma**2))

    def gradient(self, value: float) -> float:
        """Return the derivative of the statistic."""
        return self.weight * 2 * (value - self.mu) / self.sigma**2

    def bend(self, value: float) -> float:
        """Return the second derivative of the statistic."""
        return self.weight * 2 / self.sigma**2


@dataclass(frozen=True)
class UniformPrior:
    """Every value between two limits is equally probable, and no other is possible.

    Attributes
    ----------
    min, max : float
        The limits, in the unit of the parameter.
    weight : float
        Factor on the statistic.
    """

    min: float = 0.0
    max: float = 1.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.min < self.max:
            raise ValueError(f"UniformPrior needs min below max, not {self.min} and {self.max}")

    def __call__(self, value: float) -> float:
        """Return what is added to the fit statistic, -2 ln(density)."""
        return self.weight * 2 * math.log(self.max - self.min) if self.min <= value <= self.max else math.inf

    def gradient(self, value: float) -> float:
        """Return the derivative of the statistic."""
        return 0.0

    def bend(self, value: float) -> float:
        """Return the second derivative of the statistic."""
        return 0.0


@dataclass(frozen=True)
class LogUniformPrior:
    """Every logarithm between two limits is equally probable, and no other value is possible.

    Attributes
    ----------
    min, max : float
        The limits, in the unit of the parameter.
    weight : float
        Factor on the statistic.
    """

    min: float = 1e-14
    max: float = 1e-10
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.min < self.max:
            raise ValueError(f"LogUniformPrior needs 0 < min < max, not {self.min} and {self.max}")

    def __call__(self, value: float) -> float:
        """Return what is added to the fit statistic, -2 ln(density)."""
        if not self.min <= value <= self.max:
            return math.inf
        return self.weight * 2 * (math.log(value) + math.log(math.log(self.max / self.min)))

    def gradient(self, value: float) -> float:
        """Return the derivative of the statistic."""
        return self.weight * 2 / value

    def bend(self, value: float) -> float:
        """Return the second derivative of the statistic."""
        return -self.weight * 2 / value**2


Prior = GaussianPrior | UniformPrior | LogUniformPrior

PRIORS: dict[str, type[Prior]] = {cls.__name__: cls for cls in (GaussianPrior, UniformPrior, LogUniformPrior)}
"""The priors by the name under which they are written."""


def prior_to_dict(prior: Prior) -> dict[str, Any]:
    """Return a prior as it is written to YAML."""
    values = asdict(prior)
    weight = values.pop("weight")
    parameters = [{"name": name, "value": float(value), "unit": ""} for name, value in values.items()]
    return {"type": type(prior).__name__, "parameters": parameters, "weight": weight}


def prior_from_dict(data: Any) -> Prior:
    """Return the prior that YAML describes.

    Raises
    ------
    ValueError
        If the type is not known or a parameter is missing or wrong.
    """
    if not isinstance(data, dict) or data.get("type") not in PRIORS:
        kind = data.get("type") if isinstance(data, dict) else data
        raise ValueError(f"there is no prior of type {kind!r}; known are {', '.join(PRIORS)}")
    try:
        values = {entry["name"]: float(entry["value"]) for entry in data.get("parameters", [])}
        return PRIORS[data["type"]](**values, weight=float(data.get("weight", 1)))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the prior of type {data['type']!r} cannot be read: {error}") from error
