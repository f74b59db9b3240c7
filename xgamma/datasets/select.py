"""Choose members of a collection by what they are, without loading their data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import astropy.units as u
import xarray as xr
from astropy.time import Time

from xgamma.coords import Axis
from xgamma.coords.labels import to_value
from xgamma.datasets.kinds import KINDS
from xgamma.datasets.member import Member
from xgamma.reduce.select import slice_by_energy

__all__ = ["in_time", "matching", "sliced"]


def matching(
    members: Sequence[Member],
    name: str | Iterable[str] | None,
    dataset_type: str | Iterable[str] | None,
    where: Callable[[xr.Dataset], bool] | None,
    meta: Mapping[str, Any],
) -> list[Member]:
    """Return the members that meet all conditions, see `xgamma.datasets.Datasets.select`."""
    chosen = list(members)
    if name is not None:
        patterns = [name] if isinstance(name, str) else list(name)
        chosen = [member for member in chosen if any(fnmatchcase(member.name, pattern) for pattern in patterns)]
    if dataset_type is not None:
        types = [dataset_type] if isinstance(dataset_type, str) else list(dataset_type)
        unknown = [name for name in types if name not in KINDS]
        if unknown:
            raise ValueError(f"there is no dataset type {unknown[0]!r}; there are: {', '.join(KINDS)}")
        chosen = [member for member in chosen if member.type in types]
    if meta and chosen:
        tables = [member.meta for member in chosen]
        for column in meta:
            if not any(column in table for table in tables):
                known = sorted({key for table in tables for key in table})
                raise ValueError(
                    f"no table of observations has a column {column!r}; "
                    + (f"there are: {', '.join(known)}" if known else "the datasets have no such tables")
                )
        chosen = [member for member, table in zip(chosen, tables, strict=True) if _has_row(table, meta)]
    return chosen if where is None else [member for member in chosen if where(member.dataset)]


def _has_row(table: Mapping[str, list[Any]], wanted: Mapping[str, Any]) -> bool:
    """Whether a row of a table meets all conditions."""
    if not wanted.keys() <= table.keys():
        return False
    return any(
        all(_meets(value, wanted[column]) for column, value in zip(wanted, row, strict=True))
        for row in zip(*(table[column] for column in wanted), strict=False)
    )


def _meets(value: Any, wanted: Any) -> bool:
    if callable(wanted):
        return bool(wanted(value))
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        return bool(value == wanted)
    return any(bool(value == one) for one in wanted)


def in_time(members: Sequence[Member], time_min: Any, time_max: Any, atol: Any) -> list[Member]:
    """Return the members whose intervals lie in a range of time, see `xgamma.datasets.Datasets.select_time`."""
    low, high = (_time(value, what) for value, what in ((time_min, "time_min"), (time_max, "time_max")))
    slack = to_value(atol, "s", "atol") * u.s
    if low > high:
        raise ValueError(f"time_min, {low.isot}, is later than time_max, {high.isot}: swap them")
    chosen = []
    for member in members:
        interval = member.interval
        if interval is not None and interval[0] >= low - slack and interval[1] <= high + slack:
            chosen.append(member)
    return chosen


def _time(value: Any, what: str) -> Time:
    try:
        time = value if isinstance(value, Time) else Time(value)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{what} is {value!r}, which is no time: give a Time or text as 2020-01-31T12:00:00"
        ) from error
    if not time.isscalar:
        raise ValueError(f"{what} holds {time.size} times: give one")
    return time


def sliced(datasets: Iterable[xr.Dataset], energy_min: Any, energy_max: Any) -> list[xr.Dataset]:
    """Cut a range of energies out of datasets, see `xgamma.datasets.Datasets.slice_by_energy`."""
    parts = []
    for ds in datasets:
        axis = Axis.from_dataset(ds, "energy")
        low, high = (
            None if value is None else float(to_value(value, axis.unit, what))
            for value, what in ((energy_min, "energy_min"), (energy_max, "energy_max"))
        )
        if low is not None and high is not None and not low < high:
            raise ValueError(f"energy_min, {low:.6g} {axis.unit}, is not below energy_max, {high:.6g} {axis.unit}")
        try:
            parts.append(slice_by_energy(ds, energy_min, energy_max))
        except ValueError:
            # If not the limits but the bins are at fault, this says so.
            slice_by_energy(ds)
    return parts
