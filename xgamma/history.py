"""The record of operations that a dataset carries with it."""

from __future__ import annotations

import xarray as xr

__all__ = ["record"]


def record(ds: xr.Dataset, operation: str) -> xr.Dataset:
    """Append an operation to the history of a dataset.

    Parameters
    ----------
    ds : Dataset
        Any dataset; it stays as it is.
    operation : str
        One line without times or paths, so that equal operations leave equal records.

    Returns
    -------
    Dataset
        A shallow copy with the line added to ``attrs["history"]``.
    """
    lines = [*filter(None, [ds.attrs.get("history", "")]), operation]
    return ds.assign_attrs(history="\n".join(lines))
