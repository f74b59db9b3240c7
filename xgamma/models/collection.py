"""Models: the sky models and backgrounds of an analysis."""

from __future__ import annotations

import copy
import html
import os
from collections.abc import Iterable, Iterator, MutableSequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from xgamma.atomic import write_beside
from xgamma.models.background import FoVBackgroundModel
from xgamma.models.base import ModelBase
from xgamma.models.choice import Choice
from xgamma.models.covariance import Correlation, correlation_from_dict, correlation_to_dict, covariance_of, decompose
from xgamma.models.locking import Lockable, set_locked
from xgamma.models.parameter import Parameters
from xgamma.models.serialize import components_from_dict, components_to_dict, dump, load
from xgamma.models.sky import SkyModel
from xgamma.models.spatial_base import SpatialModel
from xgamma.paths import expanded

__all__ = ["Model", "Models"]

Model = SkyModel | FoVBackgroundModel


class Models(Choice, Lockable, MutableSequence[Model]):
    """A list of models with unique names.

    Parameters
    ----------
    models : model or iterable of models
        `SkyModel` and `FoVBackgroundModel` objects, which are not copied.

    Raises
    ------
    ValueError
        If an item is not a model, or two have the same name.
    """

    def __init__(self, models: Model | Iterable[Model] | None = None) -> None:
        items = [] if models is None else list(models) if isinstance(models, Iterable) else [models]
        self._models: list[Model] = _checked(items)
        self._correlation: Correlation | None = None
        if isinstance(models, Models):
            self._correlation = models._correlation

    def _children(self) -> Iterator[Lockable]:
        yield from self._models

    @property
    def names(self) -> list[str]:
        """The names."""
        return [model.name for model in self._models]

    @property
    def parameters(self) -> Parameters:
        """The parameters of all models, by names such as "gc.index"."""
        names = [f"{model.name}.{name}" for model in self for name in model.parameters.names]
        return Parameters([par for model in self for par in model.parameters], names)

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the place of a model, given itself or its name.

        Raises
        ------
        KeyError
            If there is no such model.
        """
        for i in range(*slice(start, stop).indices(len(self))):
            if self._models[i] is value or (isinstance(value, str) and self._models[i].name == value):
                return i
        name = value if isinstance(value, str) else getattr(value, "name", value)
        raise KeyError(f"there is no model {name!r}; there are: {', '.join(self.names) or 'none'}")

    def _place(self, key: int | str | Model) -> int:
        if isinstance(key, str | Model):
            return self.index(key)
        if not isinstance(key, int | np.integer) or not -len(self) <= key < len(self):
            raise KeyError(f"there are {len(self)} models, and none at {key!r}")
        return int(key)

    @overload
    def __getitem__(self, key: int | str) -> Model: ...
    @overload
    def __getitem__(self, key: slice) -> Models: ...
    def __getitem__(self, key: Any) -> Model | Models:
        if isinstance(key, slice):
            return self._subset(self._models[key])
        return self._models[self._place(key)]

    def __setitem__(self, key: Any, model: Any) -> None:
        self._check_unlocked()
        new = list(self._models)
        new[key if isinstance(key, slice) else self._place(key)] = model
        self._models = _checked(new)

    def __delitem__(self, key: Any) -> None:
        self._check_unlocked()
        new = list(self._models)
        del new[key if isinstance(key, slice) else self._place(key)]
        self._models = new

    def insert(self, index: int, value: Model) -> None:
        """Insert a model before a place.

        Raises
        ------
        ValueError
            If it is not a model, or its name is taken.
        """
        self._check_unlocked()
        new = list(self._models)
        new.insert(index, value)
        self._models = _checked(new)

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[Model]:
        return iter(list(self._models))

    def __contains__(self, item: object) -> bool:
        return any(model is item or model.name == item for model in self._models)

    def __add__(self, other: Model | Iterable[Model]) -> Models:
        return self._subset([*self._models, *Models(other)])

    def __radd__(self, other: Model | Iterable[Model]) -> Models:
        return self._subset([*Models(other), *self._models])

    def _subset(self, models: list[Model]) -> Models:
        new = Models(models)
        new._correlation = self._correlation
        set_flag = self._locked and all(model._locked for model in models)
        object.__setattr__(new, "_locked", set_flag)
        return new

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of `parameters`, from their errors and the correlation that was assigned with it."""
        return covariance_of(self.parameters, self._correlation)

    @covariance.setter
    def covariance(self, matrix: Any) -> None:
        errors, correlation = decompose(matrix, self.parameters)
        for par, error in zip(correlation.parameters, errors, strict=True):
            par.error = error
        self._set_correlation(correlation)

    def _set_correlation(self, correlation: Correlation) -> None:
        self._correlation = correlation
        for part in self._parts():
            part._correlation = correlation

    def _parts(self) -> Iterator[ModelBase]:
        for model in self._models:
            yield from model._parts().values()

    def copy(self) -> Models:
        """Return an independent copy that can be changed; links inside stay links."""
        new = copy.deepcopy(self)
        set_locked(new, False)
        return new

    def to_regions(self) -> list[Any]:
        """Return the outlines of all spatial models that have a position, as regions."""
        shapes = [model.spatial_model for model in self._models if isinstance(model, SkyModel)]
        return [shape.to_region() for shape in shapes if isinstance(shape, SpatialModel) and shape.position is not None]

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return the models as they are written to YAML.

        Parameters
        ----------
        full_output : bool
            Also write what equals the default.
        """
        data = components_to_dict(self._models, full_output)
        return data | correlation_to_dict(self._correlation, self.parameters)

    def equals(self, other: Models) -> bool:
        """Return whether other models have the same names, types, parameters and links."""
        return dump(self.to_dict(True)) == dump(other.to_dict(True))

    def to_yaml(self, full_output: bool = False) -> str:
        """Return the models as YAML text that gammapy reads as well.

        Equal models give equal text, and numbers keep all their digits.

        Parameters
        ----------
        full_output : bool
            Also write what equals the default.
        """
        return dump(self.to_dict(full_output))

    @classmethod
    def from_dict(cls, data: dict[str, Any], source: str = "the models") -> Models:
        """Return the models that `to_dict` describes.

        Parameters
        ----------
        data : dict
            With the list "components".
        source : str
            Where it is from, for messages.

        Raises
        ------
        ValueError
            If a component is wrong; the message names it.
        """
        try:
            models = cls(components_from_dict(data, source))
            if data.get("correlation") is not None:
                models._set_correlation(correlation_from_dict(data["correlation"], models.parameters))
        except ValueError as error:
            text = str(error)
            raise ValueError(text if text.startswith(source) else f"{source}: {text}") from error
        return models

    @classmethod
    def from_yaml(cls, text: str, read_only: bool = False, source: str = "the models") -> Models:
        """Return the models that YAML text describes.

        Parameters
        ----------
        text : str
            As written by `to_yaml` or by gammapy; empty text gives no models.
        read_only : bool
            Whether the models refuse all changes. Their `copy` can be changed. Template maps are then read
            when they are needed, and at once otherwise.
        source : str
            Where the text is from, for messages.

        Raises
        ------
        ValueError
            If the text is not YAML or a component is wrong; the message names it.
        """
        models = cls.from_dict(load(text, source), source)
        if read_only:
            set_locked(models, True)
            return models
        for model in models:
            for part in model._parts().values():
                part._load(f"{source}, component {model.name!r}")
        return models

    @classmethod
    def read(cls, filename: str | os.PathLike[str]) -> Models:
        """Return the models of a YAML file.

        Parameters
        ----------
        filename : str or path
            The file, written by `write` or by gammapy.

        Raises
        ------
        ValueError
            If the file cannot be read as text, is not YAML or a component is wrong; the message names it.
        OSError
            If there is no such file or it may not be read.
        """
        try:
            text = Path(expanded(filename)).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{filename} is not a text file: {error}") from error
        return cls.from_yaml(text, source=str(filename))

    def write(self, path: str | os.PathLike[str], overwrite: bool = False, full_output: bool = False) -> None:
        """Write the models to a YAML file.

        Parameters
        ----------
        path : str or path
            The file.
        overwrite : bool
            Whether to replace a file that exists.
        full_output : bool
            Also write what equals the default.

        Raises
        ------
        FileExistsError
            If the file exists and `overwrite` is False.
        FileNotFoundError
            If its folder does not exist.
        """
        text = self.to_yaml(full_output)
        with write_beside(path, overwrite) as file:
            file.write_text(text, encoding="utf-8")

    def __str__(self) -> str:
        """Return a block for each model."""
        blocks = [f"Component {i}: {model}" for i, model in enumerate(self._models)]
        return "Models\n\n" + "\n".join(blocks) if blocks else "Models\n\n  none\n"

    def __repr__(self) -> str:
        """Return the names."""
        return f"Models({', '.join(map(repr, self.names))})"

    def _repr_html_(self) -> str:
        """Return a folded block for each model, for notebooks."""
        blocks = (
            f"<details><summary>{html.escape(repr(model))}</summary>{model._repr_html_()}</details>"
            for model in self._models
        )
        return f"<b>Models</b>{''.join(blocks)}"


def _checked(models: list[Any]) -> list[Model]:
    """Return the models if they are models with unique names."""
    for model in models:
        if not isinstance(model, Model):
            raise ValueError(
                f"models must be SkyModel or FoVBackgroundModel objects, not {type(model).__name__}: a spectral or "
                "spatial model goes into a SkyModel, text is read by Models.from_yaml, a file by Models.read"
            )
    names = [model.name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"names of models must be unique, and {', '.join(twice)} occurs more than once")
    return models
