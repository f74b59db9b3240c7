"""Spectral models made of two others."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from astropy import units as u

from xgamma.models.parameter import Parameter
from xgamma.models.spectral_base import SpectralModel
from xgamma.models.units import unit_text

__all__ = ["CompoundSpectralModel"]

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
}


class CompoundSpectralModel(SpectralModel):
    """The sum, difference, product or quotient of two spectral models, ``model1 * model2``.

    Its parameters are those of both; where they have the same name it is led by "model1." or "model2.".

    Parameters
    ----------
    model1, model2 : SpectralModel
        The models, which are not copied.
    operator : {"add", "sub", "mul", "truediv"} or function
        The operation, as a name or a function of the module `operator`.

    Raises
    ------
    ValueError
        If an argument is not a spectral model, the operation is not known, or the units do not go together.
    """

    tag = ("CompoundSpectralModel", "compound")
    _piece_names = ("model1", "model2")

    def __init__(self, model1: SpectralModel, model2: SpectralModel, operator: str | Callable[..., Any]) -> None:
        for name, model in (("model1", model1), ("model2", model2)):
            if not isinstance(model, SpectralModel):
                raise ValueError(f"{name} of CompoundSpectralModel must be a spectral model, not {model!r}")
        name = operator if isinstance(operator, str) else getattr(operator, "__name__", "")
        if name not in OPERATORS:
            raise ValueError(f"operator of CompoundSpectralModel must be one of {', '.join(OPERATORS)}, not {name!r}")
        self.model1, self.model2 = model1, model2
        self._operator = name
        self._correlation = None
        if name in ("add", "sub") and model1.unit != model2.unit:
            raise ValueError(
                f"{type(model1).__name__} in {unit_text(model1.unit)!r} and {type(model2).__name__} in "
                f"{unit_text(model2.unit)!r} cannot be added or subtracted"
            )

    @property
    def operator(self) -> str:
        """The operation, "add", "sub", "mul" or "truediv"."""
        return self._operator

    @property
    def unit(self) -> u.UnitBase:
        """The unit of what `evaluate_array` returns."""
        if self._operator in ("add", "sub"):
            return self.model1.unit
        return OPERATORS[self._operator](self.model1.unit, self.model2.unit)

    @property
    def _parameters(self) -> dict[str, Parameter]:  # type: ignore[override]
        pieces = self._pieces()
        found = [(piece, name, par) for piece, model in pieces.items() for name, par in model._parameters.items()]
        names = [name for _, name, _ in found]
        return {f"{piece}.{name}" if names.count(name) > 1 else name: par for piece, name, par in found}

    def _children(self) -> Any:
        yield from self._pieces().values()

    def _owners(self) -> dict[str, tuple[str, str]]:
        """Return for each parameter the model that it belongs to and its name there."""
        pairs = [(piece, name) for piece, model in self._pieces().items() for name in model._parameters]
        return dict(zip(self._parameters, pairs, strict=True))

    def _split(self, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        parts: dict[str, dict[str, Any]] = {"model1": {}, "model2": {}}
        for (piece, name), value in zip(self._owners().values(), values.values(), strict=True):
            parts[piece][name] = value
        return parts["model1"], parts["model2"]

    def _evaluate(self, energy: np.ndarray, **values: Any) -> np.ndarray:
        first, second = self._split(values)
        combine = OPERATORS[self._operator]
        return combine(self.model1._evaluate(energy, **first), self.model2._evaluate(energy, **second))

    def _integrate(self, lower: np.ndarray, upper: np.ndarray, moment: int, **values: Any) -> np.ndarray:
        if self._operator not in ("add", "sub"):
            return self._quadrature(lower, upper, moment, values)
        pairs = zip((self.model1, self.model2), self._split(values), strict=True)
        first, second = (model._integral(lower, upper, moment, part) for model, part in pairs)
        return OPERATORS[self._operator](first, second)

    def _breaks(self, **values: Any) -> Sequence[Any]:
        both = zip((self.model1, self.model2), self._split(values), strict=True)
        return [edge for model, part in both if model._breaks is not None for edge in model._breaks(**part)]

    def unfreeze(self) -> None:
        """Free the parameters that are free by default."""
        self.model1.unfreeze()
        self.model2.unfreeze()

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return the model as it is written to YAML.

        Parameters
        ----------
        full_output : bool
            Also write what equals the default.
        """
        return {
            "type": self.tag[0],
            "model1": self.model1.to_dict(full_output),
            "model2": self.model2.to_dict(full_output),
            "operator": self._operator,
        }

    @classmethod
    def _from_dict(cls, data: dict[str, Any], **pieces: Any) -> Self:
        return cls(**pieces, operator=str(data.get("operator")))

    def __str__(self) -> str:
        """Return the operation and both models."""
        return f"CompoundSpectralModel ({self._operator})\n\n{self.model1}\n{self.model2}"
