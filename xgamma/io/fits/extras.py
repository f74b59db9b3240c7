"""What a dataset file holds beside maps: good time intervals, the table of observations, models and history."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords.labels import plain_variable
from xgamma.io.fits.axes import read_unit
from xgamma.io.fits.maps import FitsFile
from xgamma.schema import ATTRS

__all__ = [
    "EXTRAS_HDU",
    "Extras",
    "extras_json",
    "extras_of",
    "meta_columns",
    "meta_json",
    "read_extras",
    "read_gti",
    "read_meta",
]

EXTRAS_HDU = "XGAMMA"
"""A table with one text, JSON, of what FITS files of other programs have no place for; they pass over it."""


@dataclass(frozen=True)
class Extras:
    """What the extension XGAMMA holds.

    Attributes
    ----------
    attrs : dict
        Of the dataset: models, history and so on.
    variables : dict of str to dict
        Attrs of variables and coordinates, but for those that FITS keywords give.
    coords : dict
        Scalar coordinates, as (value, attrs).
    livetime : float or None
        In seconds, if there is no exposure to tell it.
    """

    attrs: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    coords: dict[str, xr.Variable] = field(default_factory=dict)
    livetime: float | None = None


def read_extras(file: FitsFile) -> Extras:
    """Read the extension XGAMMA, if there is one.

    Raises
    ------
    FileFormatError
        It does not hold what `write_fits` writes.
    """
    table = file.table(EXTRAS_HDU)
    if table is None:
        return Extras()
    column = table.columns.get("JSON", np.empty(0))
    return extras_of(column[0] if column.size == 1 else None, table.hdu.error)


def extras_of(text: Any, error_of: Callable[[str], Exception]) -> Extras:
    """Return what the text of `extras_json` describes.

    Parameters
    ----------
    text : str
        The text.
    error_of : callable
        Makes an error of a text.
    """
    try:
        bag = json.loads(text)
        attrs, variables, livetime = bag.get("attrs", {}), bag.get("variables", {}), bag.get("livetime")
        coords = {
            name: plain_variable((), float(part["value"]), dict(part["attrs"]))
            for name, part in bag.get("coords", {}).items()
        }
        wrong = [key for key in ATTRS if key in attrs and not isinstance(attrs[key], str)]
        if wrong or not all(isinstance(part, dict) for part in variables.values()):
            raise ValueError(f"attrs {wrong} must be text")
        return Extras(dict(attrs), variables, coords, None if livetime is None else float(livetime))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise error_of(f"its column JSON is damaged ({error})") from error


def extras_json(ds: xr.Dataset, attrs: dict[str, Any], coords: list[str], with_livetime: bool) -> str:
    """Return the text for the extension XGAMMA.

    Parameters
    ----------
    ds : Dataset
        The dataset.
    attrs : dict
        Those of its attrs that have no other place.
    coords : list of str
        Names of scalar coordinates to keep.
    with_livetime : bool
        Whether to keep the livetime here.

    Raises
    ------
    ValueError
        An attr cannot be expressed in JSON.
    """
    bag: dict[str, Any] = {"attrs": {key: _plain(value, f"attr {key!r}") for key, value in attrs.items()}}
    given = ("units", "interp", "node_type", "frame", "mjdrefi", "mjdreff", "timesys")
    bag["variables"] = {
        str(name): {
            key: _plain(value, f"attr {key!r} of variable {name!r}")
            for key, value in variable.attrs.items()
            if key not in given
        }
        for name, variable in ds.variables.items()
        if not str(name).startswith("wcs") and name not in coords
    }
    bag["coords"] = {
        name: {"value": float(ds[name]), "attrs": _plain(dict(ds[name].attrs), f"attrs of {name!r}")} for name in coords
    }
    if with_livetime:
        bag["livetime"] = float(ds["livetime"])
    return json.dumps(bag)


def _plain(value: Any, what: str) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    try:
        same = json.loads(json.dumps(value)) == value
    except (TypeError, ValueError):
        same = False
    if not same and value == value:
        raise ValueError(f"{what} cannot be written to a FITS file: make it text, numbers or lists of them, or drop it")
    return value


def read_gti(file: FitsFile) -> dict[str, xr.Variable]:
    """Read the good time intervals, if there are any.

    Raises
    ------
    FileFormatError
        Columns or the reference time are missing or damaged.
    """
    table = file.table("GTI")
    if table is None:
        return {}
    hdu = table.hdu
    day, fraction = hdu.number("MJDREFI", 0), hdu.number("MJDREFF", 0.0)
    if "MJDREFI" not in hdu.values:
        if "MJDREF" not in hdu.values:
            raise hdu.error("the reference time MJDREFI, MJDREFF is missing")
        fraction, day = math.modf(hdu.number("MJDREF", 0.0))
    if day != int(day):
        raise hdu.error(f"MJDREFI must be a whole number of days, not {day}")
    attrs = {
        "units": "s",
        "mjdrefi": int(day),
        "mjdreff": float(fraction),
        "timesys": hdu.text("TIMESYS", "tt").lower(),
    }
    unit = hdu.text("TIMEUNIT", "s")
    variables = {}
    for name, column in (("gti_start", "START"), ("gti_stop", "STOP")):
        name_of_unit = read_unit(hdu, f"the unit of column {column}", table.units.get(column) or unit, "s")
        values = table.floats(column) * u.Unit(name_of_unit).to("s")
        variables[name] = plain_variable("gti", values, attrs)
    return variables


def read_meta(file: FitsFile) -> dict[str, str]:
    """Read the table of observations into the attr ``meta``, if there is one."""
    table = file.table("META_TABLE")
    return {} if table is None else {"meta": meta_json(table.columns)}


def meta_json(columns: dict[str, np.ndarray]) -> str:
    """Return the text for the attr ``meta``.

    A single row of vectors is how stacked observations are written: each element is an observation's.
    """
    lists = {name: [_value(value) for value in column.tolist()] for name, column in columns.items()}
    rows = [values[0] for values in lists.values() if len(values) == 1]
    if len(rows) == len(lists) and all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows):
        lists = {name: values[0] for name, values in lists.items()}
    return json.dumps(lists)


def _value(value: Any) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return [_value(part) for part in value]
    if isinstance(value, bytes):
        return value.decode("ascii", "replace")
    if isinstance(value, complex):
        return [_value(value.real), _value(value.imag)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def meta_columns(text: str) -> dict[str, np.ndarray]:
    """Return the columns of a table of observations, as gammapy writes it; empty if the text describes no such table.

    Several observations become one row of vectors.
    """
    try:
        lists = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(lists, dict) or not lists:
        return {}
    columns = {}
    for name, values in lists.items():
        kinds = {type(value) for value in values} if isinstance(values, list) else set()
        if len(kinds) != 1 or not kinds <= {str, int, float, bool} or not str(name).isprintable():
            return {}
        column = np.array(values)
        if column.dtype.kind == "U":
            if not all(value.isascii() and value.isprintable() and value == value.strip() for value in values):
                return {}
            column = column.astype("S")
        elif column.dtype.kind not in "ifb":
            return {}
        columns[str(name)] = column if len(values) == 1 else column[np.newaxis]
    return columns
