"""Models as YAML text, in the layout that gammapy reads and writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from reprlib import Repr
from typing import Any

import yaml

from xgamma.models.background import FoVBackgroundModel
from xgamma.models.base import ModelBase, set_from_dict
from xgamma.models.parameter import Parameter
from xgamma.models.registry import SPATIAL_MODELS, SPECTRAL_MODELS, find
from xgamma.models.sky import SkyModel

__all__ = ["components_from_dict", "components_to_dict", "dump", "load"]

_BRIEF = Repr()
_BRIEF.maxlevel = 2
"""Nested aliases in hostile text expand to any length; messages show little of them."""

_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SAFE):
    """The safe loader without merge keys, by which a short text can grow beyond all memory."""

    def flatten_mapping(self, node: Any) -> None:
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise yaml.constructor.ConstructorError(None, None, "merge keys ('<<') are not supported", node.start_mark)
        super().flatten_mapping(node)


class _Dumper(yaml.SafeDumper):
    """The safe dumper, without aliases for objects that occur twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, indentless)


def load(text: str, source: str) -> dict[str, Any]:
    """Parse YAML.

    Parameters
    ----------
    text : str
        The text; empty text stands for no models.
    source : str
        Where it is from, for the message.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If it is not YAML, or not a mapping.
    """
    if not isinstance(text, str):
        raise ValueError(f"{source} must be YAML text, not {type(text).__name__}")
    try:
        data = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"{source} is not YAML that can be read: {str(error) or type(error).__name__}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ValueError(f"{source} must be a mapping with a list of 'components', not a {type(data).__name__}")
    return data


def dump(data: dict[str, Any]) -> str:
    """Return YAML text; equal data give equal text, and floats keep all digits."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def leaves(part: ModelBase, data: dict[str, Any]) -> Iterator[tuple[ModelBase, dict[str, Any]]]:
    """Yield a model, or the models that it is made of, each with its YAML."""
    pieces = part._pieces()
    if not pieces:
        yield part, data
    for name, piece in pieces.items():
        yield from leaves(piece, data[name])


def components_to_dict(models: Iterable[SkyModel | FoVBackgroundModel], full_output: bool = False) -> dict[str, Any]:
    """Return models as they are written to YAML.

    Parameters
    ----------
    models : iterable of SkyModel and FoVBackgroundModel
        The models.
    full_output : bool
        Also write what equals the default.

    Returns
    -------
    dict
        With the list "components". Parameters that occur more than once carry a "link" in common.
    """
    models = list(models)
    components = [model.to_dict(full_output) for model in models]
    pairs = [
        pair
        for model, data in zip(models, components, strict=True)
        for kind, part in model._parts().items()
        for pair in leaves(part, data[kind])
    ]
    count = Counter(id(par) for part, _ in pairs for par in part._parameters.values())
    labels: dict[int, str] = {}
    for part, data in pairs:
        # A list that names parameters one by one is in the order of the parameters.
        for entry, par in zip(data["parameters"], part._parameters.values(), strict=True):
            if count[id(par)] > 1:
                entry["link"] = labels.setdefault(id(par), f"{par.name}@{len(labels) + 1}")
    return {"components": components}


def components_from_dict(data: dict[str, Any], source: str) -> list[SkyModel | FoVBackgroundModel]:
    """Return the models that YAML describes.

    Parameters
    ----------
    data : dict
        With the list "components".
    source : str
        Where it is from, for messages.

    Returns
    -------
    list of SkyModel and FoVBackgroundModel

    Raises
    ------
    ValueError
        If a component is wrong; the message names the source, the component and what is at fault.
    """
    components = data.get("components", [])
    if components is None:
        components = []
    if not isinstance(components, list):
        raise ValueError(f"{source}: 'components' must be a list, not a {type(components).__name__}")
    links: dict[str, Parameter] = {}
    models = []
    for i, component in enumerate(components):
        name = component.get("name") if isinstance(component, dict) else None
        where = f"{source}, component {i} ({_BRIEF.repr(name) if name else 'without a name'})"
        try:
            models.append(_component(component, links))
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"{where}: {error}") from error
    return models


def _component(data: Any, links: dict[str, Parameter]) -> SkyModel | FoVBackgroundModel:
    kind = _mapping(data, "a component").get("type")
    if kind in SkyModel.tag:
        return _sky_model(data, links)
    if kind in FoVBackgroundModel.tag:
        return _background(data, links)
    known = f"{SkyModel.tag[0]}, {FoVBackgroundModel.tag[0]}"
    raise ValueError(f"there is no component of type {_BRIEF.repr(kind)}; there are: {known}")


def _sky_model(data: dict[str, Any], links: dict[str, Parameter]) -> SkyModel:
    temporal = data.get("temporal")
    if temporal is not None and _mapping(temporal, "'temporal'").get("type") not in ("ConstantTemporalModel", "const"):
        raise ValueError(
            f"temporal models are not supported, and this one is {_BRIEF.repr(temporal.get('type'))}; remove 'temporal'"
        )
    if "spectral" not in data:
        raise ValueError("a SkyModel needs 'spectral', its spectral model")
    spatial = data.get("spatial")
    return SkyModel(
        part_from_dict(data["spectral"], SPECTRAL_MODELS, "spectral model", links),
        None if spatial is None else part_from_dict(spatial, SPATIAL_MODELS, "spatial model", links),
        name=data.get("name"),
        apply_irf=_mapping(data.get("apply_irf") or {}, "'apply_irf'"),
        datasets_names=data.get("datasets_names"),
    )


def _background(data: dict[str, Any], links: dict[str, Parameter]) -> FoVBackgroundModel:
    names = data.get("datasets_names")
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or len(names) != 1:
        raise ValueError(f"a FoVBackgroundModel needs 'datasets_names' with one name, not {_BRIEF.repr(names)}")
    if data.get("spatial") is not None:
        raise ValueError("a FoVBackgroundModel with a spatial model is not supported; remove 'spatial'")
    spectral = data.get("spectral")
    if spectral is None and "parameters" in data:
        # Files of older releases have the parameters of a power law here.
        spectral = {"type": "PowerLawNormSpectralModel", "parameters": data["parameters"]}
    model = None if spectral is None else part_from_dict(spectral, SPECTRAL_MODELS, "spectral model", links)
    return FoVBackgroundModel(names[0], model, name=data.get("name"))


def part_from_dict(data: Any, registry: dict[str, Any], what: str, links: dict[str, Parameter]) -> Any:
    """Return the spectral or spatial model that YAML describes.

    Parameters
    ----------
    data : dict
        With "type" and "parameters".
    registry : dict
        `SPECTRAL_MODELS` or `SPATIAL_MODELS`.
    what : str
        What it is, for messages.
    links : dict
        Parameters by the label of their link; grows.

    Raises
    ------
    ValueError
        If the type is not known, or something is missing or wrong.
    """
    kind = _mapping(data, what).get("type")
    if not isinstance(kind, str):
        raise ValueError(f"the {what} needs a 'type' that is text, not {_BRIEF.repr(kind)}")
    cls = find(registry, kind, what)
    pieces = {
        name: part_from_dict(data.get(name), registry, f"{what} {name!r} of {cls.__name__}", links)
        for name in cls._piece_names
    }
    model = cls._from_dict(data, **pieces)
    if pieces:
        return model
    entries = data.get("parameters") or []
    if not isinstance(entries, list):
        raise ValueError(f"'parameters' of {cls.__name__} must be a list, not a {type(entries).__name__}")
    for entry in entries:
        name = _mapping(entry, f"a parameter of {cls.__name__}").get("name")
        if not isinstance(name, str) or name not in model._parameters:
            known = ", ".join(model._parameters) or "none"
            raise ValueError(f"{cls.__name__} has no parameter {_BRIEF.repr(name)}; it has: {known}")
        label = entry.get("link")
        if label is not None and str(label) in links:
            model._set_parameter(name, links[str(label)])
            continue
        set_from_dict(model._parameters[name], entry, f"parameter {name!r} of {cls.__name__}")
        if label is not None:
            links[str(label)] = model._parameters[name]
    return model


def _mapping(data: Any, what: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{what} must be a mapping, not {_BRIEF.repr(data)}")
    return data
