"""Add all members of a collection."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from xgamma.datasets.kinds import KINDS
from xgamma.datasets.member import dataset_type

__all__ = ["stack_all"]


def stack_all(datasets: Sequence[xr.Dataset], name: str) -> xr.Dataset:
    """Add datasets of one type, see `xgamma.datasets.Datasets.stack_reduce`."""
    if not datasets:
        raise ValueError("the collection is empty: there is nothing to stack")
    types: dict[str, str] = {}
    for ds in datasets:
        types.setdefault(dataset_type(ds), str(ds.attrs["name"]))
    if len(types) > 1:
        text = ", ".join(f"{kind} ({example!r})" for kind, example in types.items())
        raise ValueError(f"only datasets of one type add up, and here are {text}: choose with select(dataset_type=...)")
    (kind,) = types
    return KINDS[kind].stack(list(datasets), name)
