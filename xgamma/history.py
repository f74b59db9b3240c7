"""The record of operations that a dataset carries with it."""

from __future__ import annotations

import xarray as xr

__all__ = ["record"]


def record(ds: xr.Dataset, operation: str, name: str | None = None) -> xr.Dataset:
    """Append an operation to the history of a dataset.

    Parameters
    ----------
    ds : Dataset
        Any dataset; it stays as it is.
    operation : str
        One line without times or paths, so that equal operations leave equal records.
    name : str, optional
        A new name for the dataset.

    Returns
    -------
    Dataset
        A shallow copy with the line added to ``attrs["history"]``.
    """
    lines = [*filter(None, [ds.attrs.get("history", "")]), operation]
    new = {"history": "\n".join(lines)} | ({} if name is None else {"name": name})
    return ds.assign_attrs(new)
