"""OGIP files: opening them, following the names that one holds to the others, and what their tables have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from xgamma.coords import Axis
from xgamma.io.errors import FileFormatError
from xgamma.io.fits.axes import read_unit
from xgamma.io.fits.content import BLOCK, content_manager
from xgamma.io.fits.hdus import Hdu, read_hdus
from xgamma.io.fits.maps import FitsFile
from xgamma.io.fits.tables import Table, read_table

__all__ = ["beside", "open_file", "read_bins", "required_table"]

_NO_FILE = ("", "none")


@contextmanager
def open_file(path: str) -> Iterator[FitsFile]:
    """Open a FITS file for reading its tables.

    Parameters
    ----------
    path : str
        An absolute path.

    Yields
    ------
    FitsFile
        Its extensions by name; of two with one name the first.

    Raises
    ------
    FileFormatError
        It is no FITS file, or damaged.
    """
    manager = content_manager(path)
    try:
        with manager.acquire_context() as content:
            hdus: dict[str, Hdu] = {}
            for hdu in read_hdus(content, path):
                hdus.setdefault(hdu.name, hdu)
            yield FitsFile(path, manager, content, hdus)
    finally:
        manager.close()


def beside(hdu: Hdu, keyword: str) -> str | None:
    """Return the path of a file that a header names.

    Parameters
    ----------
    hdu : Hdu
        The extension.
    keyword : str
        Which keyword holds the name, relative to the folder of the extension's file.

    Returns
    -------
    str or None
        None if the header names no file.

    Raises
    ------
    FileFormatError
        There is no such file, or the name leads out of the folder.
    """
    name = hdu.text(keyword)
    if name.lower() in _NO_FILE:
        return None
    # Separators and drives of other systems count here too, so that a file is refused or accepted everywhere alike.
    parts = name.replace("\\", "/").split("/")
    if os.path.isabs(name) or parts[0] == "" or ":" in parts[0] or ".." in parts or "\0" in name:
        raise hdu.error(
            f"{keyword} names {name!r}, which is not below the folder of this file: copy that file into the folder, "
            "and correct the keyword"
        )
    path = os.path.join(os.path.dirname(hdu.path), *parts)
    if not os.path.isfile(path):
        raise hdu.error(f"{keyword} names the file {name!r}, but there is no {path}: copy it there")
    return path


def required_table(file: FitsFile, *names: str) -> Table:
    """Read the first table of some names.

    Raises
    ------
    FileFormatError
        There is none.
    """
    for name in names:
        hdu = file.hdus.get(name)
        if hdu is not None:
            # To read columns of variable length astropy wants the padding of the data as well.
            return read_table(file.content, replace(hdu, nbytes=hdu.nbytes + -hdu.nbytes % BLOCK))
    raise FileFormatError(
        file.path, f"HDU {names[0]}", f"it is missing: the extensions are {', '.join(file.hdus)}; is it another file?"
    )


def read_bins(table: Table, name: str, lower: str, upper: str) -> Axis:
    """Read an axis of energies from two columns.

    Parameters
    ----------
    table : Table
        One row a bin.
    name : str
        Of the axis.
    lower, upper : str
        Names of the columns.

    Returns
    -------
    Axis
        In the unit of the file, which is keV where it tells none. Logarithmic if all edges are positive.

    Raises
    ------
    FileFormatError
        Columns are missing, or bins do not rise or touch.
    """
    low, high = table.floats(lower), table.floats(upper)
    hdu = table.hdu
    if not low.size:
        raise hdu.error("it has no rows: there are no bins of energy")
    unit = read_unit(hdu, f"the unit of column {lower}", table.units.get(lower) or "keV", "TeV")
    other = read_unit(hdu, f"the unit of column {upper}", table.units.get(upper) or "keV", "TeV")
    if other != unit:
        raise hdu.error(f"columns {lower} and {upper} have the units {unit!r} and {other!r}: they must be the same")
    if np.any(low >= high) or np.any(np.abs(high[:-1] - low[1:]) > 1e-6 * (high - low)[1:]):
        raise hdu.error(f"the bins of columns {lower} and {upper} do not rise, leave gaps or overlap")
    edges = np.append(low, high[-1])
    try:
        return Axis.from_edges(name, edges, unit, "log" if edges[0] > 0 else "lin")
    except ValueError as error:
        raise hdu.error(str(error)) from error
