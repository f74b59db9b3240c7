"""Tables with a row for each member of a collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import astropy.units as u
import numpy as np
import pandas as pd
import xarray as xr

from xgamma.coords import Axis
from xgamma.datasets.stacking import stack_all
from xgamma.models import Models
from xgamma.summary import info

__all__ = ["energy_table", "figures_table"]


def figures_table(datasets: Iterable[xr.Dataset], models: Models | None, cumulative: bool) -> pd.DataFrame:
    """Return the key figures of datasets, see `xgamma.datasets.Datasets.info_table`."""
    if cumulative:
        return _table([info(ds, Models()) for ds in _running_sums(datasets)])
    return _table([info(ds, models) for ds in datasets])


def _running_sums(datasets: Iterable[xr.Dataset]) -> Iterator[xr.Dataset]:
    total: xr.Dataset | None = None
    for ds in datasets:
        # Computed at each step, else the last row would add up everything that all rows before it did.
        total = stack_all([ds] if total is None else [total, ds], "stacked").compute()
        yield total


def energy_table(datasets: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Return the energies that datasets cover, see `xgamma.datasets.Datasets.energy_ranges`."""
    rows = []
    for ds in datasets:
        row = {"name": ds.attrs["name"], "energy_min": np.nan, "energy_max": np.nan}
        if "energy" in ds.dims:
            axis = Axis.from_dataset(ds, "energy")
            unit = u.Unit(axis.unit)
            row |= {"energy_min": axis.lower.min() * unit, "energy_max": axis.upper.max() * unit}
        rows.append(row)
    return _table(rows, ["name", "energy_min", "energy_max"])


def _table(rows: list[dict[str, Any]], columns: Iterable[str] = ()) -> pd.DataFrame:
    """Put values of one unit into each column; the units are in the attrs of the table."""
    units: dict[str, u.UnitBase] = {}
    for row in rows:
        for key, value in row.items():
            if isinstance(value, u.Quantity):
                units.setdefault(key, value.unit)
    plain = [
        {key: value.to_value(units[key]) if isinstance(value, u.Quantity) else value for key, value in row.items()}
        for row in rows
    ]
    names = list(dict.fromkeys([*columns, *(key for row in rows for key in row)]))
    table = pd.DataFrame(plain, columns=names)
    table.attrs["units"] = {key: unit.to_string("fits") for key, unit in units.items()}
    return table
