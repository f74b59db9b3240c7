"""A list of datasets with unique names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any, Self, overload

import numpy as np
import xarray as xr

from xgamma.coords.labels import LabelError
from xgamma.datasets.member import Member, name_of
from xgamma.datasets.models import joined, stored_models
from xgamma.models import Models

__all__ = ["DatasetList"]


class DatasetList(MutableSequence[xr.Dataset]):
    """What a collection of datasets is as a list; the models go where the datasets go.

    Parameters
    ----------
    datasets : Dataset or iterable of Dataset, optional
        Each with a name in its attrs.

    Raises
    ------
    ValueError
        If an item is no dataset, has no name, or two have the same name.
    """

    def __init__(self, datasets: xr.Dataset | Iterable[xr.Dataset] | None = None) -> None:
        # Never changed in place: lists that began as one do not see each other's changes.
        self._members: list[Member] = _checked(_members(datasets))
        self._models: Models | None = datasets._models if isinstance(datasets, DatasetList) else None

    @classmethod
    def _of(cls, members: Iterable[Member], models: Models | None) -> Self:
        new = cls()
        new._members, new._models = _checked(list(members)), models
        return new

    @property
    def names(self) -> list[str]:
        """The names."""
        return [member.name for member in self._members]

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the place of a dataset, given itself or its name.

        Raises
        ------
        KeyError
            If there is no such dataset. It is a ValueError as well.
        """
        for i in range(*slice(start, stop).indices(len(self))):
            if self._is(self._members[i], value):
                return i
        name = value if isinstance(value, str) else value.attrs.get("name") if isinstance(value, xr.Dataset) else value
        raise LabelError(f"there is no dataset {name!r}; there are: {', '.join(self.names) or 'none'}")

    @staticmethod
    def _is(member: Member, value: object) -> bool:
        if isinstance(value, str):
            return member.name == value
        return member.is_open and member.dataset is value

    def _place(self, key: Any) -> int:
        if isinstance(key, str | xr.Dataset):
            return self.index(key)
        if not isinstance(key, int | np.integer):
            raise TypeError(f"a dataset is chosen by its name, place or a slice, not by {type(key).__name__}")
        if not -len(self) <= key < len(self):
            raise IndexError(f"there are {len(self)} datasets, and none at {key}")
        return int(key)

    @overload
    def __getitem__(self, key: int | str) -> xr.Dataset: ...
    @overload
    def __getitem__(self, key: slice) -> Self: ...
    def __getitem__(self, key: Any) -> xr.Dataset | Self:
        if isinstance(key, slice):
            return self._of(self._members[key], self._models)
        return self._members[self._place(key)].dataset

    def __setitem__(self, key: Any, value: Any) -> None:
        members = list(self._members)
        if isinstance(key, slice):
            members[key] = _members(value)
        else:
            members[self._place(key)] = _member(value)
        self._members = _checked(members)

    def __delitem__(self, key: Any) -> None:
        members = list(self._members)
        del members[key if isinstance(key, slice) else self._place(key)]
        self._members = members

    def insert(self, index: int, value: xr.Dataset) -> None:
        """Insert a dataset before a place.

        Raises
        ------
        ValueError
            If it is no dataset, has no name, or its name is taken.
        """
        members = list(self._members)
        members.insert(index, _member(value))
        self._members = _checked(members)

    def pop(self, index: int | str = -1) -> xr.Dataset:
        """Remove a dataset, given its place or name, and return it."""
        place = self._place(index)
        dataset = self._members[place].dataset
        del self[place]
        return dataset

    def extend(self, values: Iterable[xr.Dataset]) -> None:
        """Append all of several datasets, or none if one does not fit; models that a collection has join as for ``+``.

        Raises
        ------
        ValueError
            As for `insert`, or if models of one name differ.
        """
        sum_ = self + values
        self._members, self._models = sum_._members, sum_._models

    def __iadd__(self, values: Any) -> Self:
        self.extend(values)
        return self

    def __add__(self, other: Any) -> Self:
        if not isinstance(other, Iterable):
            return NotImplemented
        return self._of([*self._members, *_members(other)], _sum_of_models(self, other))

    def __radd__(self, other: Any) -> Self:
        if not isinstance(other, Iterable):
            return NotImplemented
        return self._of([*_members(other), *self._members], self._models)

    def reverse(self) -> None:
        """Reverse the order."""
        self._members = self._members[::-1]

    def clear(self) -> None:
        """Remove all datasets; models that were set stay."""
        self._members = []

    def count(self, value: Any) -> int:
        """Return 1 if there is such a dataset, given itself or its name, else 0."""
        return int(value in self)

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[xr.Dataset]:
        return (member.dataset for member in list(self._members))

    def __contains__(self, item: object) -> bool:
        return any(self._is(member, item) for member in self._members)

    def copy(self) -> Self:
        """Return an independent copy, with copies of the models. Data are shared, since nothing here changes them."""
        models = None if self._models is None else self._models.copy()
        return self._of([member.copy() for member in self._members], models)

    __copy__ = copy


def _member(value: Any) -> Member:
    if not isinstance(value, xr.Dataset):
        hint = ": open it first, with xgamma.open_dataset" if isinstance(value, str | os.PathLike) else ""
        raise ValueError(f"a collection holds xarray.Dataset objects, not {type(value).__name__}{hint}")
    name_of(value)
    return Member(value)


def _members(values: Any) -> list[Member]:
    if values is None:
        return []
    if isinstance(values, DatasetList):
        return list(values._members)
    # A Dataset is itself an iterable, of the names of its variables.
    if isinstance(values, xr.Dataset) or not isinstance(values, Iterable):
        return [_member(values)]
    return [_member(value) for value in values]


def _checked(members: list[Member]) -> list[Member]:
    seen: set[str] = set()
    for member in members:
        if member.name in seen:
            raise ValueError(
                f"names of datasets must be unique, and {member.name!r} occurs more than once: "
                "rename one with ds.assign_attrs(name=...)"
            )
        seen.add(member.name)
    return members


def _sum_of_models(one: DatasetList, other: Any) -> Models | None:
    if not isinstance(other, DatasetList) or (one._models is None and other._models is None):
        return one._models
    if one._models is other._models:
        return one._models
    parts = [stored_models(part._members).copy() if part._models is None else part._models for part in (one, other)]
    return joined(zip(parts, ("the first collection", "the second collection"), strict=True))
