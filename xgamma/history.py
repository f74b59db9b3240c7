"""The record of operations that a dataset carries with it."""

from __future__ import annotations

import xarray as xr

__all__ = ["record"]


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
    if not own:
        return ds.assign_attrs(new)
    # the old attrs may be those of another dataset
    ds.attrs = {**ds.attrs, **new}
    return ds
