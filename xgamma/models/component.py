"""What sky models and backgrounds have in common: a name, parts and parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Self

from xgamma.models.base import ModelBase
from xgamma.models.locking import Lockable, set_locked
from xgamma.models.parameter import Parameters

__all__ = ["Component", "checked_name", "checked_names", "checked_part"]


class Component(Lockable):
    """Base of sky models and backgrounds."""

    tag: ClassVar[tuple[str, ...]] = ()
    _name: str
    # The spectral and spatial models by kind.
    _parts: Callable[[], dict[str, ModelBase]]

    @property
    def name(self) -> str:
        """The name, unique among the models of a list."""
        return self._name

    def _children(self) -> Iterator[Lockable]:
        yield from self._parts().values()

    @property
    def parameters(self) -> Parameters:
        """The parameters of all parts; where two have the same name, it is led by "spectral." or "spatial."."""
        parts = self._parts()
        found = [(kind, name, par) for kind, part in parts.items() for name, par in part._parameters.items()]
        names = [name for _, name, _ in found]
        labels = [f"{kind}.{name}" if names.count(name) > 1 else name for kind, name, _ in found]
        return Parameters([par for *_, par in found], labels)

    @property
    def frozen(self) -> bool:
        """Whether all parameters are frozen."""
        return all(part.frozen for part in self._parts().values())

    def freeze(self, model_type: str | None = None) -> None:
        """Freeze the parameters.

        Parameters
        ----------
        model_type : {"spectral", "spatial"}, optional
            Only those of this part.
        """
        for part in self._select(model_type):
            part.freeze()

    def unfreeze(self, model_type: str | None = None) -> None:
        """Free the parameters that are free by default.

        Parameters
        ----------
        model_type : {"spectral", "spatial"}, optional
            Only those of this part.
        """
        for part in self._select(model_type):
            part.unfreeze()

    def _select(self, model_type: str | None) -> list[ModelBase]:
        if model_type not in (None, "spectral", "spatial"):
            raise ValueError(f"model_type must be 'spectral', 'spatial' or None, not {model_type!r}")
        return [part for kind, part in self._parts().items() if model_type in (None, kind)]

    def _copy(self) -> Self:
        new = copy.deepcopy(self)
        set_locked(new, False)
        return new


def checked_name(name: Any) -> str:
    """Return a name if it is text in one line."""
    if not _is_name(name):
        raise ValueError(f"a model's name must be text in one line, not {name!r}")
    return name


def checked_names(names: Any, model: str) -> list[str] | None:
    """Return names of datasets as a list, None for all datasets."""
    if names is None:
        return None
    result = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else []
    if not result or not all(map(_is_name, result)):
        raise ValueError(f"datasets_names of {model!r} must be names of datasets, not {names!r}")
    return result


def _is_name(name: Any) -> bool:
    # What is not printable, as a line break, does not survive in YAML.
    return isinstance(name, str) and bool(name.strip()) and name.isprintable()


def checked_part(part: Any, cls: type, what: str) -> Any:
    """Return a spectral or spatial model if it is one."""
    if not isinstance(part, cls):
        raise ValueError(f"{what} must be a {cls.__name__}, not {type(part).__name__}")
    return part
