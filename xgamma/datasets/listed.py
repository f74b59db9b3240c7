"""Lists of datasets in YAML, as gammapy has them, with a FITS file for each member."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from reprlib import Repr
from typing import Any

import yaml

from xgamma.atomic import local_path, write_beside
from xgamma.datasets.kinds import KINDS
from xgamma.datasets.member import Member
from xgamma.io.errors import FileFormatError
from xgamma.io.open import open_dataset
from xgamma.models import Models
from xgamma.models.serialize import load

__all__ = ["read_list", "safe_names", "write_list"]

_BRIEF = Repr()
_BRIEF.maxlevel = 2


class _Literal(str):
    """Text that is written line by line."""


class _Dumper(yaml.SafeDumper):
    """The safe dumper, with a style for text of several lines."""


_Dumper.add_representer(
    _Literal, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def safe_names(names: Sequence[str]) -> list[str]:
    """Return names of files or groups for datasets: plain, unique also where case does not count, and in order."""
    used: set[str] = set()
    out = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_.+-]+", "_", name)[:100].lstrip(".-_") or "dataset"
        # Zarr keeps what is known of a group in a file of this name.
        plain = "dataset" if plain == "zarr.json" else plain
        unique, count = plain, 1
        while unique.lower() in used:
            count += 1
            unique = f"{plain}_{count}"
        used.add(unique.lower())
        out.append(unique)
    return out


def write_list(members: Sequence[Member], models: Models | None, path: str | os.PathLike[str], overwrite: bool) -> None:
    """Write a list of datasets, see `xgamma.datasets.files.write`."""
    target = local_path(path)
    names = safe_names([member.name for member in members])
    files = [
        KINDS[member.type].paths(member.dataset, target.parent, name)
        for member, name in zip(members, names, strict=True)
    ]
    everything = [target, *(path for paths in files for path in paths)]
    for full in everything:
        if full.exists() and not overwrite:
            raise FileExistsError(f"{full} exists already: choose another name or pass overwrite=True")
        if everything.count(full) > 1:
            raise ValueError(f"two datasets would be written to {full.name}: give one of them another name")
    entries = []
    for member, name, paths in zip(members, names, files, strict=True):
        file = paths[0].name
        try:
            KINDS[member.type].write(member.dataset, target.parent, name, overwrite)
        except ValueError as error:
            raise ValueError(f"dataset {member.name!r} cannot be written to {file}: {error}") from error
        entries.append({"name": member.name, "type": member.type, "filename": file})
    data: dict[str, Any] = {"datasets": entries}
    if models is not None:
        data["models"] = _Literal(models.to_yaml())
    # The list comes last: it names files that are all there.
    with write_beside(target, overwrite) as beside:
        text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        beside.write_text(text, encoding="utf-8")


def read_list(path: Path, chunks: Any) -> tuple[list[Member], Models | None]:
    """Read a list of datasets, see `xgamma.datasets.files.read`."""
    try:
        data = load(path.read_text(encoding="utf-8"), str(path))
    except (UnicodeDecodeError, ValueError) as error:
        raise FileFormatError(path, "", f"is no list of datasets in YAML: {error}") from error
    entries = data.get("datasets")
    if not isinstance(entries, list):
        raise FileFormatError(path, "", "is no list of datasets: it needs 'datasets', a list")
    members = [_entry(path, number, entry, chunks) for number, entry in enumerate(entries)]
    text = data.get("models")
    if text is None:
        return members, None
    if not isinstance(text, str):
        raise FileFormatError(path, "models", f"has to be the text of a file of models, not a {type(text).__name__}")
    return members, Models.from_yaml(text, source=f"{path}, models")


def _entry(path: Path, number: int, entry: Any, chunks: Any) -> Member:
    where = f"dataset {number}"
    if not isinstance(entry, dict):
        raise FileFormatError(path, where, f"is {_BRIEF.repr(entry)}: it has to tell 'name', 'type' and 'filename'")
    for key in ("name", "type", "filename"):
        if not isinstance(entry.get(key), str) or not entry[key]:
            raise FileFormatError(path, where, f"has the {key} {_BRIEF.repr(entry.get(key))}: it has to be text")
    name, kind = entry["name"], entry["type"]
    where = f"dataset {_BRIEF.repr(name)}"
    if kind not in KINDS:
        problem = f"is of the type {_BRIEF.repr(kind)}, which is unknown; there are: {', '.join(KINDS)}"
        raise FileFormatError(path, where, problem)
    file = _below(path, where, entry["filename"])
    return Member(opener=partial(open_dataset, file, chunks=chunks, name=name), known={"name": name, "type": kind})


def _below(path: Path, where: str, text: str) -> Path:
    """Return the file that a list names, if it is in the folder of the list or below it."""
    problem = f"is in the file {_BRIEF.repr(text)}, which is not in the folder of this list or below it: move it there"
    if "\0" in text or "://" in text:
        raise FileFormatError(path, where, problem)
    folder = path.parent.resolve()
    file = (folder / text).resolve()
    if os.path.isabs(text) or not file.is_relative_to(folder):
        raise FileFormatError(path, where, problem)
    if not file.is_file():
        raise FileNotFoundError(f"{path}: {where} is in the file {file}, which is missing")
    return file
