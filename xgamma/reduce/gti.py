"""Good time intervals and tables of observations of datasets that are added."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.time import Time
from numpy.typing import NDArray

__all__ = ["concat_meta", "union_gti"]

_NAMES = ("gti_start", "gti_stop")


def union_gti(datasets: Sequence[xr.Dataset]) -> dict[str, xr.Variable]:
    """Unite good time intervals.

    Parameters
    ----------
    datasets : sequence of Dataset
        Those without intervals do not take part. How many intervals are left depends on their times, so these are
        looked at, also where they are lazy: they are a few numbers.

    Returns
    -------
    dict of str to Variable
        ``gti_start`` and ``gti_stop``, ascending, in the unit and about the reference time of the first dataset.
        Intervals that overlap or touch become one. Lazy where the first one's are; empty if there are no intervals.
    """
    parts = [ds for ds in datasets if set(_NAMES) <= set(ds.variables)]
    if not parts:
        return {}
    first = [parts[0].variables[name] for name in _NAMES]
    start, stop = (
        np.concatenate([_seconds(ds.variables[n], v) for ds in parts]) for n, v in zip(_NAMES, first, strict=True)
    )
    # Intervals of one set of observations are the same to rounding when their reference times differ.
    start, stop = _merge(start, stop, slack=1e-6)
    scale = 1 / _unit(first[0])
    out = {}
    for name, variable, values in zip(_NAMES, first, (start, stop), strict=True):
        new = xr.Variable(variable.dims, values * scale, variable.attrs)
        out[name] = new.chunk() if variable.chunks is not None else new
    return out


def _seconds(variable: xr.Variable, like: xr.Variable) -> NDArray[np.float64]:
    """Return times in seconds after the reference time of another variable."""
    data = variable.data
    if hasattr(data, "dask"):
        data = data.compute(scheduler="synchronous")
    seconds = np.asarray(data, dtype=np.float64) * _unit(variable)
    mine, wanted = _reference(variable.attrs), _reference(like.attrs)
    if mine == wanted or seconds.size == 0:
        return seconds
    zero, target = (Time(day, part, format="mjd", scale=scale) for day, part, scale in (mine, wanted))
    times = (
        zero + u.Quantity(seconds, "s")
        if mine[2] == wanted[2]
        else getattr(zero.tt + u.Quantity(seconds, "s"), wanted[2])
    )
    return np.asarray((times - target).to_value("s"), dtype=np.float64)


def _unit(variable: xr.Variable) -> float:
    """Return the unit of times in seconds."""
    unit = variable.attrs.get("units", "s")
    return 1.0 if unit == "s" else float(u.Unit(unit).to("s"))


def _reference(attrs: dict[str, Any]) -> tuple[float, float, str]:
    return float(attrs.get("mjdrefi", 0)), float(attrs.get("mjdreff", 0)), str(attrs.get("timesys", "tt")).lower()


def _merge(
    start: NDArray[np.float64], stop: NDArray[np.float64], slack: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if start.size == 0:
        return start, stop
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(stop[order])
    first = np.concatenate([[True], start[1:] > reach[:-1] + slack])
    return start[first], reach[np.concatenate([first[1:], [True]])]


def concat_meta(datasets: Sequence[xr.Dataset]) -> str | None:
    """Join the tables of observations, as JSON text; None if there is none.

    A column that a table lacks is filled with null.
    """
    tables = [json.loads(ds.attrs["meta"]) for ds in datasets if ds.attrs.get("meta")]
    if not tables:
        return None
    columns = list(dict.fromkeys(key for table in tables for key in table))
    rows = [max((len(values) for values in table.values()), default=0) for table in tables]
    joined = {
        key: [value for table, n in zip(tables, rows, strict=True) for value in table.get(key, [None] * n)]
        for key in columns
    }
    return json.dumps(joined)
