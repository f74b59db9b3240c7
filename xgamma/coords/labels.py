"""What a user may write for an energy or an angle, turned into numbers in a given unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.coordinates import Angle
from xarray.core.indexing import ExplicitlyIndexed

__all__ = ["LabelError", "known_unit", "parse_unit", "pair_of_degrees", "plain_variable", "to_number", "to_value"]


class LabelError(KeyError, ValueError):
    """A label that an axis or a map does not hold; both a KeyError, as xarray raises, and a ValueError."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which is no way to print a sentence
        return str(self.args[0]) if self.args else ""


def plain_variable(dims: Any, values: Any, attrs: Mapping[Any, Any] | None = None) -> xr.Variable:
    """Return a variable of numpy numbers, or of one of xarray's lazy arrays.

    Numbers take the short way into xarray: the long one imports dask, to see whether they are dask arrays, and that
    would be most of the time in which a process opens its first file.

    Parameters
    ----------
    dims : str or sequence of str
        One for each dim of the values.
    values : array or number
        No dates, no text, no masked arrays.
    attrs : mapping, optional
        Attributes of the variable.
    """
    data = values if isinstance(values, ExplicitlyIndexed) else np.asarray(values)
    return xr.Variable(dims, data, None if attrs is None else dict(attrs), fastpath=True)


def known_unit(text: Any) -> u.UnitBase:
    """Return what `astropy.units.Unit` does; a text is parsed once, which takes 0.2 ms."""
    return _parsed(text, u.get_current_unit_registry()) if isinstance(text, str) else u.Unit(text)


@lru_cache(maxsize=256)
def _parsed(text: str, registry: Any) -> u.UnitBase:
    # What a text means depends on the units that are enabled, for which astropy makes a registry of their own.
    return u.Unit(text)


def parse_unit(text: Any, what: str) -> u.UnitBase:
    """Return the unit that a string stands for.

    Parameters
    ----------
    text : str or Unit
        A unit in any of astropy's notations.
    what : str
        Whose unit it is, for the message.

    Raises
    ------
    ValueError
        If the unit is unknown.
    """
    try:
        return known_unit(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{what} has the unknown unit {text!r}: use a unit that astropy.units can read") from error


_PLAIN = re.compile(r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?) ([A-Za-z]+)")
"""A number and the name of a unit."""


def to_value(value: Any, unit: u.UnitBase | str, what: str) -> np.ndarray:
    """Return numbers in the given unit.

    Parameters
    ----------
    value : str, Quantity, number, array or DataArray
        Plain numbers are taken to be in `unit`, and so are a DataArray's without ``attrs["units"]``.
    unit : Unit or str
        The unit of the result.
    what : str
        What the numbers are for, for messages.

    Returns
    -------
    ndarray
        Float64, of the shape of the input.

    Raises
    ------
    ValueError
        If the input has a unit of another kind or is no number.
    """
    if isinstance(value, str) and isinstance(unit, str) and (plain := _PLAIN.fullmatch(value)) and plain[2] == unit:
        # what a parser of units would find, in a fraction of its time
        return np.asarray(float(plain[1]))
    target, given = u.Unit(unit), value
    if isinstance(value, xr.DataArray | xr.Variable):
        units = value.attrs.get("units")
        value = value.to_numpy()
        if units is not None:
            value = value * parse_unit(units, what)
    try:
        if isinstance(value, str):
            value = Angle(value) if target.is_equivalent(u.deg) else u.Quantity(value)
        if isinstance(value, u.Quantity):
            return np.asarray(value.to_value(target), dtype=float)
        mixed = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype.kind in "OUT")
        if mixed and any(isinstance(v, str | u.Quantity) for v in value):
            return np.array([to_value(v, target, what) for v in value])
        return np.asarray(value, dtype=float)
    except (u.UnitsError, ValueError, TypeError) as error:
        wanted = f"in {target.to_string()!r}" if target.to_string() else "without unit"
        labelled = isinstance(given, xr.DataArray | xr.Variable)
        text = f"an array in {given.attrs.get('units')!r}" if labelled else repr(given)
        raise ValueError(
            f"{what} is given as {text}, which is no quantity that can be expressed {wanted}: "
            "give a string or Quantity with a unit that fits, or a plain number"
        ) from error


def to_number(value: Any, unit: u.UnitBase | str, what: str) -> float:
    """Return a single number in the given unit.

    Parameters
    ----------
    value : str, Quantity, number, or an array without dims
        As for `to_value`.
    unit : Unit or str
        The unit of the result.
    what : str
        What the number is for, for messages.

    Raises
    ------
    ValueError
        As for `to_value`, and if there are several numbers.
    """
    number = to_value(value, unit, what)
    if number.ndim:
        raise ValueError(f"{what} is given as {value!r}, of shape {number.shape}: give a single number or quantity")
    return float(number)


def pair_of_degrees(value: Any, what: str) -> tuple[float, float]:
    """Return (longitude, latitude) extents in degrees from one angle or a pair.

    Parameters
    ----------
    value : str, Quantity, number, or a pair of them
        Plain numbers are degrees.
    what : str
        For messages.

    Raises
    ------
    ValueError
        If it is neither one nor two positive, finite angles.
    """
    if isinstance(value, tuple | list) and len(value) == 2:
        pair = [float(to_value(v, u.deg, what)) for v in value]
    else:
        numbers = to_value(value, u.deg, what)
        if numbers.size not in (1, 2):
            raise ValueError(f"{what} is given as {value!r}: give one angle or a pair (longitude, latitude)")
        pair = [float(v) for v in np.broadcast_to(numbers.ravel(), 2)]
    if not all(np.isfinite(v) and v > 0 for v in pair):
        raise ValueError(f"{what} is given as {value!r}: give positive, finite angles")
    return pair[0], pair[1]
