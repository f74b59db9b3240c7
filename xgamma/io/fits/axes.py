"""The bins of a map's axes, from the BANDS table beside it."""

from __future__ import annotations

import re

import astropy.units as u
import numpy as np

from xgamma.coords import Axis
from xgamma.io.fits.hdus import Hdu
from xgamma.io.fits.tables import Table
from xgamma.schema import AXES

__all__ = ["COLUMNS", "read_axes", "read_unit"]

COLUMNS = {"energy": ("ENERGY", "E_MIN", "E_MAX")} | {
    name: (name.upper(), f"{name.upper()}_MIN", f"{name.upper()}_MAX") for name in ("energy_true", "rad", "migra")
}
"""Columns with the centres, lower and upper edges of each axis."""

# Old files call the axis theta; the names of columns are those of the axis in either case.
_READ_COLUMNS = COLUMNS | {"theta": ("THETA", "THETA_MIN", "THETA_MAX")}
_MAX_AXES = 5
_LONG_NUMBER = re.compile(r"\d{4}")


def read_unit(hdu: Hdu, keyword: str, text: str | None, physical: str) -> str:
    """Return a unit of a file in FITS notation.

    Parameters
    ----------
    hdu : Hdu
        Where it stands.
    keyword : str
        What gives the unit, for errors.
    text : str or None
        The unit in any notation that astropy reads. Counts of events are dimensionless.
    physical : str
        A unit to which it must be convertible.

    Raises
    ------
    FileFormatError
        The unit is unknown, or of another kind.
    """
    text = (text or "").strip()
    if not physical and text.lower() in ("ct", "count", "counts", "ph", "photon", "dimensionless"):
        text = ""
    try:
        # A power of ten with many digits would keep astropy busy for hours.
        unit = None if _LONG_NUMBER.search(text) else u.Unit(text)
        name = None if unit is None else unit.to_string("fits")
    except (ValueError, TypeError, ArithmeticError):
        unit = name = None
    if unit is None or name is None:
        raise hdu.error(f"{keyword} gives the unit {text!r}, which is unknown")
    if not unit.is_equivalent(physical):
        raise hdu.error(f"{keyword} gives the unit {text!r}, which cannot be converted to {physical or 'a number'!r}")
    return name


def read_axes(bands: Table, image: Hdu) -> list[Axis]:
    """Return the axes that a BANDS table describes, the fastest first as in the file.

    Parameters
    ----------
    bands : Table
        One row for each bin of all axes together.
    image : Hdu
        The extension with the data, whose header names the columns too.

    Raises
    ------
    FileFormatError
        The table does not name its axes, or columns are missing, not rising, or no grid of bins.
    """
    names: list[str] = []
    interps: list[str] = []
    nodes: list[bool] = []
    for i in range(1, _MAX_AXES + 1):
        source = bands.hdu if f"AXCOLS{i}" in bands.hdu.values else image
        columns = [part.strip().upper() for part in source.text(f"AXCOLS{i}").split(",")]
        if columns == [""]:
            break
        name = next((k for k, v in _READ_COLUMNS.items() if columns in ([v[0]], list(v[1:]))), None)
        if name is None:
            raise bands.hdu.error(f"AXCOLS{i} names the columns {', '.join(columns)}, which are of no known axis")
        names.append(name)
        nodes.append(len(columns) == 1)
        interps.append(source.text(f"INTERP{i}", "lin").lower())
    if not names:
        raise bands.hdu.error("AXCOLS1 is missing, which names the columns of the first axis")
    keys = [_READ_COLUMNS[name][0 if node else 1] for name, node in zip(names, nodes, strict=True)]
    shape = tuple(np.unique(bands.floats(key)).size for key in reversed(keys))
    if int(np.prod(shape)) != bands.rows:
        counts = " x ".join(map(str, shape))
        raise bands.hdu.error(f"its {bands.rows} rows are not one for each of the {counts} bins of {', '.join(names)}")
    return [
        _read_axis(bands, name, node, interp, shape, len(names) - 1 - i)
        for i, (name, node, interp) in enumerate(zip(names, nodes, interps, strict=True))
    ]


def _read_axis(bands: Table, name: str, node: bool, interp: str, shape: tuple[int, ...], position: int) -> Axis:
    center, lower, upper = _READ_COLUMNS[name]
    axis = "rad" if name == "theta" else name
    key = center if node else lower
    unit = read_unit(bands.hdu, f"the unit of column {key}", bands.units.get(key), AXES[axis].physical)
    try:
        if not node:
            low, high = (_along(bands, column, shape, position) for column in (lower, upper))
            if np.any(np.abs(high[:-1] - low[1:]) > 1e-6 * (high - low)[1:]):
                raise bands.hdu.error(f"columns {lower} and {upper} leave gaps between bins, or bins overlap")
            return Axis.from_edges(axis, np.append(low, high[-1]), unit, interp)
        values = _along(bands, center, shape, position)
        if lower in bands.columns and upper in bands.columns:
            low, high = (_along(bands, column, shape, position) for column in (lower, upper))
            return Axis.from_nodes(axis, values, low, high, unit, interp)
        return Axis.from_nodes(axis, values, unit=unit, interp=interp)
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise bands.hdu.error(str(error)) from error


def _along(bands: Table, column: str, shape: tuple[int, ...], position: int) -> np.ndarray:
    """Return the values of a column along one axis, along which alone they may change, and must rise."""
    grid = np.moveaxis(bands.floats(column).reshape(shape), position, -1).reshape(-1, shape[position])
    values = grid[0]
    if not (grid == values).all() or not (np.diff(values) > 0).all():
        raise bands.hdu.error(f"column {column} does not rise from bin to bin")
    return values
