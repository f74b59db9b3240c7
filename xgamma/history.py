"""The record of operations that a dataset carries with it."""

from __future__ import annotations

import xarray as xr

__all__ = ["record", "separate"]


def separate(ds: xr.Dataset) -> xr.Dataset:
    """Return a shallow copy in less time than `Dataset.copy`, which also makes its indexes anew.

    Parameters
    ----------
    ds : Dataset
        Any dataset; it stays as it is.

    Returns
    -------
    Dataset
        Its variables and attrs are its own, and share values and indexes with those of the other.
    """
    out = ds.drop_encoding()
    new = out.variables
    for name, variable in ds.variables.items():
        if variable.encoding:
            new[name].encoding = variable.encoding
    out.encoding = ds.encoding
    return out


def record(ds: xr.Dataset, operation: str, name: str | None = None, own: bool = False) -> xr.Dataset:
    """Append an operation to the history of a dataset.

    Parameters
    ----------
    ds : Dataset
        Any dataset; it stays as it is.
    operation : str
        One line without times or paths, so that equal operations leave equal records.
    name : str, optional
        A new name for the dataset.
    own : bool
        Whether the dataset was just made and nobody else knows it. It then gets new attrs itself, without a copy.

    Returns
    -------
    Dataset
        A shallow copy, or the dataset itself if it is one's own, with the line added to ``attrs["history"]``.
    """
    lines = [*filter(None, [ds.attrs.get("history", "")]), operation]
    new = {"history": "\n".join(lines)} | ({} if name is None else {"name": name})
    # the old attrs may be those of another dataset
    out = ds if own else separate(ds)
    out.attrs = {**ds.attrs, **new}
    return out
