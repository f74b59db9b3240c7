"""Arrays in files that say, when reading fails, which file and variable is damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from xgamma.io.errors import FileFormatError

__all__ = ["guard", "naming"]


@contextmanager
def naming(path: str, part: str) -> Iterator[None]:
    """Turn whatever a library raises within the block into an error that names the file and its part.

    Parameters
    ----------
    path : str
        The file.
    part : str
        What is being read.

    Raises
    ------
    FileFormatError
        In place of any other error.
    """
    try:
        yield
    except (FileFormatError, PermissionError, MemoryError, Warning):
        raise  # clear enough, and no sign of damage
    except Exception as error:
        if type(error) is FileNotFoundError:  # zarr has kinds of its own, for stores that are damaged
            raise
        # Libraries answer damaged bytes with nearly every kind of error, bare ones included.
        cause = " ".join(str(error).split()) or "no reason given"
        raise FileFormatError(
            path, part, f"cannot be read, the file is damaged or incomplete ({type(error).__name__}: {cause})"
        ) from error


def guard(ds: xr.Dataset, path: str, group: str = "") -> xr.Dataset:
    """Return a dataset opened from a file with its variables still lazy and their errors named.

    Parameters
    ----------
    ds : Dataset
        Opened without chunks, cache and indexes.
    path : str
        The file, for the errors.
    group : str
        The group of the file, for the errors.

    Returns
    -------
    Dataset
        The same, without reading anything.
    """

    def guarded(name: str, variable: xr.Variable) -> xr.Variable:
        data = indexing.LazilyIndexedArray(GuardedArray(variable, path, f"{group}/{name}" if group else name))
        return xr.Variable(variable.dims, data, variable.attrs, variable.encoding, fastpath=True)

    variables = {name: guarded(str(name), variable) for name, variable in ds.variables.items()}
    return xr.Dataset(xr.Coordinates(variables, indexes={}), attrs=ds.attrs).reset_coords()


class GuardedArray(BackendArray):
    """A variable of a file, read when it is indexed.

    Parameters
    ----------
    variable : Variable
        Lazy.
    path : str
        The file.
    name : str
        The variable's name.
    """

    def __init__(self, variable: xr.Variable, path: str, name: str) -> None:
        self.variable = variable
        self.path = path
        self.name = name
        self.shape = variable.shape
        self.dtype = variable.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        with naming(self.path, self.name):
            # Zarr would take all chunks of a store that is gone for chunks of zeros.
            if "://" not in self.path and not os.path.exists(self.path):
                raise FileNotFoundError(f"{self.path}: {self.name} cannot be read, the file was removed or renamed")
            return self.variable[key].values
