"""The models of a collection: those that were set, or those stored with its members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xgamma.datasets.member import Member
from xgamma.models import FoVBackgroundModel, Models, SkyModel
from xgamma.models.locking import set_locked

__all__ = ["apply_to", "joined", "stored_models"]


def apply_to(models: Models, name: str) -> list[SkyModel | FoVBackgroundModel]:
    """Return the models that apply to a dataset."""
    return [model for model in models if model.datasets_names is None or name in model.datasets_names]


def stored_models(members: Sequence[Member]) -> Models:
    """Return the models stored with members, each once, as a read-only list.

    Parameters
    ----------
    members : sequence of Member
        Each may hold models as text.

    Returns
    -------
    Models
        What was stored with several is there once. They refuse changes, which would not reach the datasets.

    Raises
    ------
    ValueError
        If a text is damaged, or models of one name differ.
    """
    texts: dict[str, str] = {}
    for member in members:
        if member.models:
            texts.setdefault(member.models, member.name)
    parsed = [(Models.from_yaml(text, True, f"the models of dataset {name!r}"), name) for text, name in texts.items()]
    if len(parsed) == 1:
        return parsed[0][0]
    result = joined(parsed)
    set_locked(result, True)
    return result


def joined(groups: Iterable[tuple[Models, str]]) -> Models:
    """Join lists of models in which some occur more than once.

    Parameters
    ----------
    groups : iterable of (Models, str)
        Lists, and the dataset or collection that each belongs to, for messages.

    Returns
    -------
    Models
        Models of a name that are equal count once, the first one.

    Raises
    ------
    ValueError
        If models of one name differ, or a link between models would be lost.
    """
    result: Models | None = None
    owners: dict[str, str] = {}
    for models, owner in groups:
        if result is None:
            result = Models(models)
            owners = dict.fromkeys(models.names, owner)
            continue
        dropped, added = [], []
        for model in models:
            if model.name not in owners:
                added.append(model)
                owners[model.name] = owner
            elif (known := result[model.name]) is not model:
                if not Models([known]).equals(Models([model])):
                    raise ValueError(
                        f"model {model.name!r} of {owner} differs from that of {owners[model.name]}: "
                        "give one of them another name, or set datasets.models to the models that hold for all"
                    )
                dropped.append(model)
        lost = {id(par) for model in dropped for par in model.parameters}
        linked = [model.name for model in added if any(id(par) in lost for par in model.parameters)]
        if linked:
            raise ValueError(
                f"model {linked[0]!r} of {owner} is linked with a model that is taken from {owners[dropped[0].name]}: "
                "set datasets.models to the models that hold for all"
            )
        result = result + added
    return Models() if result is None else result
