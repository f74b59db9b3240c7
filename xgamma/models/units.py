"""Reading and writing of units and numbers with units."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
from astropy import units as u

from xgamma.coords.labels import known_unit

__all__ = ["FLUX", "NORM", "array", "energies", "parse", "scalar", "unit_of", "unit_text"]

FLUX = u.Unit("TeV-1 s-1 cm-2")
"""Unit of differential flux."""
NORM = u.dimensionless_unscaled
"""Unit of a factor."""
_PLAIN = re.compile(r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?) ([A-Za-z].*)")
"""A number and a unit."""


def unit_of(unit: Any, what: str) -> u.UnitBase:
    """Return an astropy unit.

    Parameters
    ----------
    unit : str or Unit
        The unit.
    what : str
        What it is the unit of, for the message.

    Raises
    ------
    ValueError
        If it is not a unit.
    """
    try:
        result = known_unit(unit)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{what} has the unit {unit!r}, which is not a unit that astropy knows") from error
    scale = getattr(result, "scale", 1.0)
    if not (np.isreal(scale) and np.isfinite(scale) and scale > 0):
        raise ValueError(f"{what} has the unit {unit!r}; the scale of a unit must be finite and above zero")
    return result


def unit_text(unit: u.UnitBase) -> str:
    """Return a unit as text, in the FITS format where that can express it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            text = unit.to_string("fits")
            # A unit such as sqrt(TeV) may be written in a way that is not read back to the same unit.
            return text if u.Unit(text) == unit else unit.to_string()
        except (ValueError, u.UnitsWarning):
            return unit.to_string()


def scalar(value: Any, unit: u.UnitBase, what: str) -> float:
    """Return a number in a given unit.

    Parameters
    ----------
    value : float, str or Quantity
        The number; without a unit it is in `unit` already.
    unit : Unit
        The unit of the result.
    what : str
        What it is, for the message.

    Raises
    ------
    ValueError
        If it is not one number, or its unit cannot be converted.
    """
    if isinstance(value, int | float | np.integer | np.floating) and type(value) is not bool:
        return float(value)
    quantity = parse(value, what)
    try:
        return float(quantity.to_value(unit))
    except u.UnitConversionError:
        have, want = unit_text(quantity.unit) or "no unit", unit_text(unit) or "no unit"
        raise ValueError(f"{what} was given in {have!r}, which cannot be converted to {want!r}") from None


def parse(value: Any, what: str) -> u.Quantity:
    """Return one number with its unit.

    Parameters
    ----------
    value : float, str or Quantity
        The number, for example ``"1e-12 cm-2 s-1 TeV-1"``.
    what : str
        What it is, for the message.

    Raises
    ------
    ValueError
        If it is not one number.
    """
    if isinstance(value, bool | np.bool_) or value is None:
        raise ValueError(f"{what} must be a number, a Quantity or text such as '1.5 TeV', not {value!r}")
    try:
        # A unit as text takes astropy longer to read than all of a small model to make.
        plain = _PLAIN.fullmatch(value) if isinstance(value, str) else None
        number, unit = (value, None) if plain is None else (float(plain[1]), known_unit(plain[2]))
        quantity = u.Quantity(number, unit, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be a number, a Quantity or text such as '1.5 TeV', not {value!r}") from error
    if quantity.size != 1:
        raise ValueError(f"{what} must be one number, not an array of shape {quantity.shape}")
    return quantity.reshape(())


def array(value: Any, unit: u.UnitBase, what: str) -> np.ndarray:
    """Return numbers in a given unit as a float array.

    Parameters
    ----------
    value : Quantity, str or sequence of them
        The numbers with their unit.
    unit : Unit
        The unit of the result.
    what : str
        What they are, for the message.

    Raises
    ------
    ValueError
        If they are not numbers or their unit cannot be converted.
    """
    try:
        quantity = u.Quantity(value, dtype=float)
        return np.asarray(quantity.to_value(unit))
    except u.UnitConversionError:
        have = unit_text(quantity.unit) or "no unit"
        raise ValueError(f"{what} needs a unit like {unit_text(unit)!r}, and has {have!r}") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be numbers with a unit like {unit_text(unit)!r}: {error}") from error


def energies(value: Any, what: str = "energy") -> np.ndarray:
    """Return energies in TeV.

    Parameters
    ----------
    value : Quantity, str or sequence of them
        Energies.
    what : str
        What they are, for the message.

    Raises
    ------
    ValueError
        If they are not energies, or not all finite and above zero.
    """
    result = array(value, u.TeV, what)
    if not (np.isfinite(result).all() and (result > 0).all()):
        raise ValueError(f"{what} must be finite and above zero")
    return result
