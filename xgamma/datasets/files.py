"""Collections in files: a list in YAML with a FITS file for each member, or one archive with a group for each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xgamma.datasets.archive import read_archive, write_archive
from xgamma.datasets.listed import read_list, write_list
from xgamma.datasets.member import Member
from xgamma.datasets.models import stored_models
from xgamma.io.errors import FileFormatError
from xgamma.models import Models
from xgamma.paths import absolute, expanded

__all__ = ["read", "write"]

_LISTS = (".yaml", ".yml")
_ARCHIVES = {".zarr": "zarr", ".nc": "netcdf", ".nc4": "netcdf", ".h5": "netcdf"}


def read(
    filename: str | os.PathLike[str],
    filename_models: str | os.PathLike[str] | None = None,
    lazy: bool = True,
    chunks: int | str | dict[Any, Any] | None = None,
) -> tuple[list[Member], Models | None]:
    """Read a collection.

    Parameters
    ----------
    filename : path-like or str
        A list of datasets in YAML (``.yaml``), as gammapy or `write` writes it, with their files in its folder or
        below; or a NetCDF file or a Zarr store that `write` wrote.
    filename_models : path-like or str, optional
        A YAML file with models, which take the place of those that were written with the collection.
    lazy : bool
        Whether a dataset is opened when it is used first, and its data are read when they are needed. Otherwise all is
        read at once.
    chunks : int, dict or "auto", optional
        As for `xgamma.open_dataset`: with ``{}`` data are dask arrays in the chunks of the file.

    Returns
    -------
    members : list of Member
        In the order of the file.
    models : Models or None
        None if there are none but those that datasets store.

    Raises
    ------
    FileNotFoundError
        A file is missing; it is named.
    FileFormatError
        The file is damaged or of another kind, or names a dataset outside its folder. A ValueError that names the file.
    """
    full = Path(absolute(filename))
    if not full.exists():
        raise FileNotFoundError(f"{full}: there is no such file or folder")
    if full.suffix.lower() in _LISTS:
        members, models = read_list(full, chunks)
    else:
        members, models = read_archive(str(full), chunks)
    names = [member.name for member in members]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileFormatError(
            str(full), "", f"names of datasets must be unique, and {twice[0]!r} occurs more than once"
        )
    if filename_models is not None:
        models = Models.read(filename_models)
    if not lazy:
        for member in members:
            member.dataset.load()
    return members, models


def write(
    members: Sequence[Member],
    models: Models | None,
    filename: str | os.PathLike[str],
    filename_models: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a collection; `read` gives back the same datasets and models.

    Parameters
    ----------
    members : sequence of Member
        What to write.
    models : Models or None
        The models of the collection.
    filename : path-like or str
        What to write follows from its ending: a list in YAML (``.yaml``, ``.yml``) that gammapy reads, with a FITS
        file for each dataset beside it; a Zarr store (``.zarr``) or a NetCDF file (``.nc``, ``.nc4``, ``.h5``) with a
        group for each dataset, which `xarray.open_datatree` opens as well. Stores and files appear when they are
        complete.
    filename_models : path-like or str, optional
        A YAML file for the models. Left out, they are written with the collection.
    overwrite : bool
        Whether files that exist may be replaced.

    Raises
    ------
    FileExistsError, FileNotFoundError
        A file exists and `overwrite` is not set, or its folder does not exist.
    ValueError
        The ending is unknown, or a dataset cannot be written in this format.
    """
    ending = Path(filename).suffix.lower()
    if ending not in (*_LISTS, *_ARCHIVES):
        known = ", ".join([*_LISTS, *_ARCHIVES])
        raise ValueError(f"{filename}: the ending {ending!r} tells no format of a collection; there are: {known}")
    if filename_models is not None and Path(expanded(filename_models)).exists() and not overwrite:
        raise FileExistsError(f"{filename_models} exists already: choose another name or pass overwrite=True")
    within = models if filename_models is None else None
    if ending in _LISTS:
        write_list(members, within, filename, overwrite)
    else:
        write_archive(members, within, filename, overwrite, _ARCHIVES[ending])
    if filename_models is not None:
        (stored_models(members) if models is None else models).write(filename_models, overwrite=overwrite)
