"""Binary tables, read whole, through astropy."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from xgamma.io.fits.arrays import check_data
from xgamma.io.fits.content import Content
from xgamma.io.fits.hdus import Hdu
from xgamma.io.guard import naming

__all__ = ["Table", "read_table"]

_MAX_COLUMNS = 999
_FORMAT = re.compile(r"(\d{0,9})([LXBIJKAEDCMPQ])")
_BITS = {
    "L": 8,
    "X": 1,
    "B": 8,
    "I": 16,
    "J": 32,
    "K": 64,
    "A": 8,
    "E": 32,
    "D": 64,
    "C": 64,
    "M": 128,
    "P": 64,
    "Q": 128,
}


@dataclass(frozen=True)
class Table:
    """The columns of a binary table.

    Attributes
    ----------
    hdu : Hdu
        Its header.
    columns : dict of str to ndarray
        Values by name in capitals, in the machine's byte order.
    units : dict of str to str
        TUNIT by name, empty if there is none.
    """

    hdu: Hdu
    columns: dict[str, np.ndarray]
    units: dict[str, str]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.hdu.shape[0]

    def floats(self, name: str) -> np.ndarray:
        """Return a column of one finite number a row, as float64.

        Raises
        ------
        FileFormatError
            There is no such column, or it holds something else.
        """
        if name not in self.columns:
            raise self.hdu.error(f"it has no column {name}, only {', '.join(self.columns)}")
        column = self.columns[name]
        if column.dtype.kind not in "iuf" or column.ndim != 1:
            raise self.hdu.error(f"column {name} must hold one number a row")
        values = column.astype(np.float64)
        if not np.isfinite(values).all():
            raise self.hdu.error(f"column {name} holds numbers that are not finite")
        return values


def read_table(content: Content, hdu: Hdu) -> Table:
    """Read a binary table.

    Raises
    ------
    FileFormatError
        It is no binary table, its header contradicts itself, or its data do not have the checksum stated.
    """
    if not hdu.is_table:
        raise hdu.error("it must be a binary table")
    _check_layout(hdu)
    check_data(content, hdu)
    data = content.region(hdu.offset, hdu.nbytes).tobytes()
    try:
        with naming(hdu.path, f"HDU {hdu.name}"), warnings.catch_warnings():
            warnings.simplefilter("error", AstropyWarning)
            table = fits.BinTableHDU.fromstring(hdu.header + data)
            columns = {column.name.upper(): _native(table.data.field(column.name)) for column in table.columns}
    except (AstropyWarning, MemoryError) as problem:
        raise hdu.error(f"the table cannot be read ({str(problem).partition('. ')[0]})") from problem
    units = {name: hdu.text(f"TUNIT{i}") for i, name in enumerate(columns, start=1)}
    return Table(hdu, columns, units)


def _native(column: Any) -> np.ndarray:
    values = np.asarray(column)
    return values.astype(values.dtype.newbyteorder("="))


def _check_layout(hdu: Hdu) -> None:
    """Compare the widths of the columns with that of a row, before anything is allocated for them."""
    fields = hdu.values.get("TFIELDS")
    if not isinstance(fields, int) or isinstance(fields, bool) or not 1 <= fields <= _MAX_COLUMNS:
        raise hdu.error(f"TFIELDS must be a whole number up to {_MAX_COLUMNS}, not {fields!r}")
    if hdu.values["BITPIX"] != 8 or len(hdu.shape) != 2:
        raise hdu.error("BITPIX and NAXIS of a table must be 8 and 2: the header is damaged")
    width = 0
    names = set()
    for i in range(1, fields + 1):
        name, form = hdu.text(f"TTYPE{i}").upper(), hdu.text(f"TFORM{i}")
        match = _FORMAT.match(form)
        if not name or name in names or not match:
            raise hdu.error(f"column {i} needs a name of its own and a format, not {name!r} and {form!r}")
        names.add(name)
        repeat = int(match[1] or 1)
        width += -(-repeat * _BITS[match[2]] // 8)
    if width != hdu.shape[1]:
        raise hdu.error(f"its columns take {width} bytes a row, while NAXIS1 is {hdu.shape[1]}")
