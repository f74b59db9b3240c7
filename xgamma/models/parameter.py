"""Parameters of models: a number with a unit, limits and an error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from astropy import units as u

from xgamma.models.locking import Lockable
from xgamma.models.priors import PRIORS, Prior
from xgamma.models.units import parse, scalar, unit_of, unit_text

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["Parameter", "Parameters"]

NAN = float("nan")


class Parameter(Lockable):
    """A number with a unit, limits, an error and perhaps a prior.

    The same object in two models links them: ``other.index = model.index``.

    Parameters
    ----------
    name : str
        Its name.
    value : float, str or Quantity
        Its value; text may carry a unit, ``"1e-12 cm-2 s-1 TeV-1"``.
    unit : str or Unit
        The unit of a value that comes without, and the kind of unit that the parameter takes.
    min, max : float, str or Quantity
        Limits for fits, nan for none.
    frozen : bool
        Whether fits leave it alone.
    error : float, str or Quantity
        The standard error.
    prior : GaussianPrior, UniformPrior or LogUniformPrior, optional
        What is known of it before the data, in its unit.
    interp : {"lin", "log"}
        The scale in which a fit or a scan does best to step.

    Raises
    ------
    ValueError
        If a number or unit is not possible.
    """

    def __init__(
        self,
        name: str,
        value: Any,
        unit: Any = "",
        min: Any = NAN,
        max: Any = NAN,
        frozen: bool = False,
        error: Any = 0.0,
        prior: Prior | None = None,
        interp: str = "lin",
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"a parameter's name must be text, not {name!r}")
        self._name = name
        self._unit = self._canonical = unit_of(unit, f"parameter {name!r}")
        self._factor = 1.0
        self._min = self._max = NAN
        self._error = 0.0
        if isinstance(value, str | u.Quantity) and not unit:
            self._unit = self._canonical = parse(value, f"parameter {name!r}").unit
        self._assign(value)
        self.min, self.max, self.frozen, self.error, self.prior = min, max, frozen, error, prior
        if interp not in ("lin", "log"):
            raise ValueError(f"interp of parameter {name!r} must be 'lin' or 'log', not {interp!r}")
        self._interp = interp

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def interp(self) -> str:
        """The scale in which a fit or a scan does best to step, "lin" or "log"."""
        return self._interp

    @property
    def value(self) -> float:
        """The number, in `unit`."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        number = scalar(value, self._unit, f"parameter {self.name!r}")
        if not math.isfinite(number):
            raise ValueError(f"parameter {self.name!r} must be finite, not {number}")
        self._value = number

    @property
    def unit(self) -> u.UnitBase:
        """The unit; assigning another converts value, error and limits."""
        return self._unit

    @unit.setter
    def unit(self, unit: Any) -> None:
        new = unit_of(unit, f"parameter {self.name!r}")
        try:
            factor = float(self._unit.to(new))
            self._factor = float(new.to(self._canonical))
        except u.UnitConversionError:
            want = unit_text(self._canonical) or "no unit"
            raise ValueError(
                f"parameter {self.name!r} takes units like {want!r}; {unit_text(new)!r} cannot be converted to that"
            ) from None
        if hasattr(self, "_value"):
            self._value = self._value * factor
        self._error, self._min, self._max = self._error * factor, self._min * factor, self._max * factor
        self._unit = new

    @property
    def quantity(self) -> u.Quantity:
        """Value and unit together; assigning takes over the unit of what is assigned."""
        return u.Quantity(self._value, self._unit)

    @quantity.setter
    def quantity(self, quantity: Any) -> None:
        self._assign(quantity)

    def _assign(self, value: Any) -> None:
        """Take over the value, and its unit if it has one."""
        if isinstance(value, str | u.Quantity):
            self._check_unlocked()
            quantity = parse(value, f"parameter {self.name!r}")
            self.unit = quantity.unit
            value = float(quantity.value)
        self.value = value

    @property
    def min(self) -> float:
        """The lower limit in `unit`, nan for none."""
        return self._min

    @min.setter
    def min(self, value: Any) -> None:
        self._min = scalar(value, self._unit, f"min of parameter {self.name!r}")

    @property
    def max(self) -> float:
        """The upper limit in `unit`, nan for none."""
        return self._max

    @max.setter
    def max(self, value: Any) -> None:
        self._max = scalar(value, self._unit, f"max of parameter {self.name!r}")

    @property
    def error(self) -> float:
        """The standard error in `unit`, nan if it could not be found."""
        return self._error

    @error.setter
    def error(self, value: Any) -> None:
        number = scalar(value, self._unit, f"error of parameter {self.name!r}")
        if number < 0:
            raise ValueError(f"error of parameter {self.name!r} must not be negative, and is {number}")
        self._error = number + 0.0  # no negative zero

    @property
    def frozen(self) -> bool:
        """Whether fits leave the parameter alone."""
        return self._frozen

    @frozen.setter
    def frozen(self, value: bool) -> None:
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"frozen of parameter {self.name!r} must be True or False, not {value!r}")
        self._frozen = bool(value)

    @property
    def prior(self) -> Prior | None:
        """What is known of the parameter before the data, in `unit`."""
        return self._prior

    @prior.setter
    def prior(self, value: Prior | None) -> None:
        if value is not None and type(value).__name__ not in PRIORS:
            raise ValueError(f"prior of parameter {self.name!r} must be one of {', '.join(PRIORS)}, not {value!r}")
        self._prior = value

    @property
    def canonical_unit(self) -> u.UnitBase:
        """The unit in which the models calculate."""
        return self._canonical

    @property
    def canonical_value(self) -> float:
        """The value in the unit in which the models calculate."""
        return self._value * self._factor

    @property
    def canonical_factor(self) -> float:
        """What turns a number in `unit` into one in `canonical_unit`."""
        return self._factor

    def prior_stat_sum(self) -> float:
        """Return what the prior adds to the fit statistic, 0 without a prior."""
        return 0.0 if self._prior is None else float(self._prior(self._value))

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        # All that it holds are numbers, texts, units and priors, none of which change.
        new = Parameter.__new__(Parameter)
        new.__dict__.update(self.__dict__)
        return new

    def copy(self) -> Parameter:
        """Return an independent parameter with the same content."""
        new = Parameter.__new__(Parameter)
        new.__dict__.update({key: value for key, value in self.__dict__.items() if key != "_locked"})
        return new

    def __repr__(self) -> str:
        """Return name, value and what else matters."""
        unit = f" {unit_text(self.unit)}" if unit_text(self.unit) else ""
        error = f" +/- {self.error:.3g}" if self.error else ""
        limits = "" if math.isnan(self.min) and math.isnan(self.max) else f", min={self.min:g}, max={self.max:g}"
        return f"Parameter({self.name}: {self.value:.10g}{error}{unit}{limits}{', frozen' if self.frozen else ''})"


class Parameters(Sequence[Parameter]):
    """A sequence of parameters that also answers to names.

    Parameters
    ----------
    parameters : iterable of Parameter
        The parameters; one that is linked appears once for each model that has it.
    names : iterable of str, optional
        Names to know them by, those of the parameters if left out. A dotted name, ``gc.index``, is
        found by its end as well as long as that tells it from all others.
    """

    def __init__(self, parameters: Iterable[Parameter] = (), names: Iterable[str] | None = None) -> None:
        self._parameters = tuple(parameters)
        self._names = tuple(par.name for par in self._parameters) if names is None else tuple(names)
        if len(self._names) != len(self._parameters):
            raise ValueError(f"{len(self._parameters)} parameters cannot have {len(self._names)} names")

    @property
    def names(self) -> list[str]:
        """The names."""
        return list(self._names)

    @property
    def value(self) -> np.ndarray:
        """The values, each in the unit of its parameter."""
        return np.array([par.value for par in self._parameters], dtype=float)

    @property
    def values(self) -> np.ndarray:
        """The values, each in the unit of its parameter."""
        return self.value

    @property
    def free_parameters(self) -> Parameters:
        """Those that are not frozen."""
        return self._where(not par.frozen for par in self._parameters)

    @property
    def unique_parameters(self) -> Parameters:
        """Each linked parameter only once, at its first place."""
        ids = [id(par) for par in self._parameters]
        return self._where(ids.index(key) == i for i, key in enumerate(ids))

    @property
    def free_unique_parameters(self) -> Parameters:
        """Those that a fit varies: free ones, linked ones only once."""
        return self.unique_parameters.free_parameters

    def freeze_all(self) -> None:
        """Freeze every parameter."""
        for par in self._parameters:
            par.frozen = True

    def unfreeze_all(self) -> None:
        """Free every parameter."""
        for par in self._parameters:
            par.frozen = False

    def prior_stat_sum(self) -> float:
        """Return what the priors add to the fit statistic."""
        return sum(par.prior_stat_sum() for par in self.unique_parameters)

    def select(self, name: str | Iterable[str] | None = None, frozen: bool | None = None) -> Parameters:
        """Return the parameters that meet all conditions.

        Parameters
        ----------
        name : str or sequence of str, optional
            Names or patterns such as "gc.*"; "index" means that of every model.
        frozen : bool, optional
            Whether they are frozen.
        """
        wanted = [name] if isinstance(name, str) else None if name is None else list(name)
        return self._where(
            (wanted is None or any(fnmatchcase(end, key) for key in wanted for end in (own, own.rpartition(".")[2])))
            and frozen in (None, par.frozen)
            for own, par in zip(self._names, self._parameters, strict=True)
        )

    def _where(self, chosen: Iterable[bool]) -> Parameters:
        picked = [i for i, use in enumerate(chosen) if use]
        return Parameters([self._parameters[i] for i in picked], [self._names[i] for i in picked])

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the place of a parameter, given itself or its name.

        Raises
        ------
        KeyError
            If there is none, or several that fit the name.
        """
        if isinstance(value, Parameter):
            found = [i for i, par in enumerate(self._parameters) if par is value]
        else:
            found = [i for i, name in enumerate(self._names) if name == value]
            found = found or [i for i, name in enumerate(self._names) if name.endswith(f".{value}")]
        found = [i for i in found if i in range(*slice(start, stop).indices(len(self)))]
        if not found:
            name = value.name if isinstance(value, Parameter) else value
            raise KeyError(f"there is no parameter {name!r}; there are: {', '.join(self._names) or 'none'}")
        if len({id(self._parameters[i]) for i in found}) > 1:
            raise KeyError(f"{value!r} may be any of {', '.join(self._names[i] for i in found)}; use the whole name")
        return found[0]

    @overload
    def __getitem__(self, key: int | str | Parameter) -> Parameter: ...
    @overload
    def __getitem__(self, key: slice) -> Parameters: ...
    def __getitem__(self, key: Any) -> Parameter | Parameters:
        if isinstance(key, slice):
            return Parameters(self._parameters[key], self._names[key])
        if isinstance(key, str | Parameter):
            return self._parameters[self.index(key)]
        try:
            return self._parameters[key]
        except (IndexError, TypeError):
            raise KeyError(f"there are {len(self)} parameters, and none at {key!r}") from None

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters)

    def __contains__(self, item: object) -> bool:
        return any(par is item for par in self._parameters) or item in self._names

    def __add__(self, other: Parameters) -> Parameters:
        return Parameters([*self, *other], [*self.names, *other.names])

    def to_table(self) -> Table:
        """Return name, value, unit, error, limits, frozen, link and prior as an astropy Table."""
        from astropy.table import Table

        ids = [id(par) for par in self._parameters]
        columns: dict[str, list[Any]] = {
            "name": self.names,
            "value": [par.value for par in self],
            "unit": [unit_text(par.unit) for par in self],
            "error": [par.error for par in self],
            "min": [par.min for par in self],
            "max": [par.max for par in self],
            "frozen": [par.frozen for par in self],
            "link": [self._names[ids.index(key)] if ids.count(key) > 1 else "" for key in ids],
            "prior": [type(par.prior).__name__ if par.prior else "" for par in self],
        }
        kinds = (str, float, str, float, float, float, bool, str, str)
        table = Table(columns, dtype=kinds) if len(self) else Table(names=list(columns), dtype=kinds)
        table["value"].format, table["error"].format = ".4e", ".3e"
        table["min"].format = table["max"].format = ".3e"
        return table

    def __repr__(self) -> str:
        """Return the names."""
        return f"Parameters({', '.join(self._names)})"

    def __str__(self) -> str:
        """Return the table."""
        return "\n".join(self.to_table().pformat(max_lines=-1, max_width=-1))

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        return self.to_table()._repr_html_()
