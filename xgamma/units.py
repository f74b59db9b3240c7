"""Units of labelled arrays: strings in ``attrs["units"]``, quantities only at the border."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import xarray as xr

__all__ = ["quantity", "to_unit", "unit_of", "unit_on"]


def unit_of(array: xr.DataArray) -> u.UnitBase:
    """Return the unit of an array; without ``units`` in its attrs it has none.

    Raises
    ------
    ValueError
        If the text is not a unit.
    """
    text = array.attrs.get("units", "")
    try:
        return u.Unit(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"'{array.name}' has units '{text}', which is no unit: correct attrs['units'].") from error


def quantity(array: xr.DataArray) -> u.Quantity:
    """Values of an array with their unit; computes a lazy one.

    Parameters
    ----------
    array : DataArray
        With ``units`` in its attrs, or without unit.

    Returns
    -------
    Quantity
        Of the array's shape.

    Raises
    ------
    ValueError
        If the text is not a unit.
    """
    return u.Quantity(array.values, unit_of(array))


def to_unit(array: xr.DataArray, unit: Any) -> xr.DataArray:
    """Convert an array to another unit.

    Parameters
    ----------
    array : DataArray
        With ``units`` in its attrs, or without unit.
    unit : str or Unit
        The unit wanted.

    Returns
    -------
    DataArray
        Scaled; lazy where the array is.

    Raises
    ------
    ValueError
        If the units do not convert into each other.
    """
    have, want = unit_of(array), u.Unit(unit)
    try:
        factor = have.to(want)
    except u.UnitConversionError as error:
        raise ValueError(f"'{array.name}' is in '{have}', which does not convert to '{want}'.") from error
    out = array if factor == 1 else array * factor
    return out.assign_attrs({**array.attrs, "units": want.to_string("fits")})


def unit_on(side: Any, unit: Any) -> u.UnitBase:
    """Return the unit of one side of a picture; what is drawn first decides it.

    Parameters
    ----------
    side : matplotlib Axis
        ``ax.xaxis`` or ``ax.yaxis``; it keeps the unit.
    unit : str or Unit
        Of what is to be drawn.

    Raises
    ------
    ValueError
        If what is drawn there already has a unit of another kind.
    """
    shown = side.get_units()
    if not isinstance(shown, u.UnitBase):
        side.set_units(u.Unit(unit))
        return u.Unit(unit)
    if not shown.is_equivalent(unit):
        raise ValueError(f"These axes show values in '{shown}', to which '{unit}' does not convert: use other axes.")
    return shown
