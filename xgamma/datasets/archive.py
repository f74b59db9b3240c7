"""One archive for a collection: a Zarr store or NetCDF file with a group for each member, and an index of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from xgamma.datasets.listed import safe_names
from xgamma.datasets.member import Member
from xgamma.io.archive import archive_kind, open_archive
from xgamma.io.errors import FileFormatError
from xgamma.io.guard import naming
from xgamma.io.header import MEMBERS
from xgamma.io.layout import CONVENTIONS
from xgamma.io.netcdf import open_netcdf_groups, write_netcdf_groups
from xgamma.io.zarr import open_zarr_groups, write_zarr_groups
from xgamma.models import Models
from xgamma.schema import FORMAT, FORMAT_VERSION

__all__ = ["read_archive", "write_archive"]

_WRITERS: Mapping[str, Callable[..., None]] = {"zarr": write_zarr_groups, "netcdf": write_netcdf_groups}


def write_archive(
    members: Sequence[Member], models: Models | None, path: str | os.PathLike[str], overwrite: bool, kind: str
) -> None:
    """Write a collection to one archive, see `xgamma.datasets.files.write`."""
    names = safe_names([member.name for member in members])
    groups = {name: member.dataset for name, member in zip(names, members, strict=True)}
    rows = [{"group": name, **member.known()} for name, member in zip(names, members, strict=True)]
    # Datasets of one analysis store the same models: the text stands here once.
    texts = list(dict.fromkeys(row["models"] for row in rows))
    rows = [{**row, "models": texts.index(row["models"])} for row in rows]
    attrs = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "Conventions": CONVENTIONS,
        MEMBERS: json.dumps({"members": rows, "models": texts}),
    }
    if models is not None:
        attrs["models"] = models.to_yaml()
    _WRITERS[kind](groups, path, attrs, overwrite=overwrite)


def read_archive(path: str, chunks: Any) -> tuple[list[Member], Models | None]:
    """Read the index of an archive, see `xgamma.datasets.files.read`."""
    groups: dict[str, Any]
    if archive_kind(path) == "zarr":
        attrs, names = open_zarr_groups(path)
        groups = {name: str(Path(path) / name) for name in names}
    else:
        with naming(path, ""):
            attrs, parts = open_netcdf_groups(path)
        groups = dict(parts)
    members = [_member(path, groups, row, chunks) for row in _index(path, attrs[MEMBERS])]
    text = attrs.get("models")
    return members, None if text is None else Models.from_yaml(text, source=f"{path}, models")


def _index(path: str, text: str) -> list[dict[str, Any]]:
    try:
        index = json.loads(text)
        return [{**row, "models": index["models"][row["models"]]} for row in index["members"]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise FileFormatError(
            path, f"attribute {MEMBERS!r}", f"is damaged ({type(error).__name__}: {error})"
        ) from error


def _member(path: str, groups: Mapping[str, Any], row: Mapping[str, Any], chunks: Any) -> Member:
    group = str(row.get("group"))
    if group not in groups:
        raise FileFormatError(path, f"group {group!r}", "is missing")
    opener: Callable[[], xr.Dataset] = partial(open_archive, groups[group], chunks=chunks)
    return Member(opener=opener, known={key: value for key, value in row.items() if key != "group"})
