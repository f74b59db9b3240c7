"""The extensions of a FITS file: where they are and what their headers say."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from xgamma.io.errors import FileFormatError
from xgamma.io.fits import checksum
from xgamma.io.fits.content import BLOCK, Content

__all__ = ["Hdu", "read_hdus"]

_CARD = 80
_END = b"END".ljust(_CARD)
_MAX_HEADER = 400 * BLOCK
_MAX_AXES = 16
_BITPIX = (8, 16, 32, 64, -32, -64)


@dataclass(frozen=True)
class Hdu:
    """An extension, or the primary array, of a file.

    Attributes
    ----------
    path : str
        The file.
    name : str
        EXTNAME in capitals; PRIMARY for the first.
    values : dict
        The values of the header's cards.
    header : bytes
        The header as it stands in the file.
    offset, nbytes : int
        Where the data are in the (unpacked) file, and how many bytes without padding.
    datasum : int or None
        The checksum that the data must have, if the file tells.
    """

    path: str
    name: str
    values: dict[str, Any]
    header: bytes
    offset: int
    nbytes: int
    datasum: int | None

    @property
    def is_image(self) -> bool:
        """Whether the data are an array, and there are some."""
        return self.values.get("XTENSION", "IMAGE") == "IMAGE" and bool(self.shape)

    @property
    def is_table(self) -> bool:
        """Whether the data are a binary table."""
        return self.values.get("XTENSION") == "BINTABLE"

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes in numpy's order."""
        return tuple(self.values[f"NAXIS{i}"] for i in range(self.values["NAXIS"], 0, -1))

    def text(self, keyword: str, default: str = "") -> str:
        """Return the value of a keyword, which must be text."""
        value = self.values.get(keyword, default)
        if not isinstance(value, str):
            raise self.error(f"{keyword} must be text, not {value!r}")
        return value.strip()

    def number(self, keyword: str, default: float) -> float:
        """Return the value of a keyword, which must be a finite number."""
        value = self.values.get(keyword, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(f"{keyword} must be a number, not {value!r}")
        return value

    def error(self, problem: str) -> FileFormatError:
        """Return an error that names the file and this extension."""
        return FileFormatError(self.path, f"HDU {self.name}", problem)


def read_hdus(content: Content, path: str) -> list[Hdu]:
    """Read the headers of a file, and check them where they carry checksums. No data are read.

    Parameters
    ----------
    content : Content
        The bytes of the file.
    path : str
        Its name, for errors.

    Raises
    ------
    FileFormatError
        It is not a FITS file, a header is damaged, or the file ends before the data that a header announces.
    """
    hdus: list[Hdu] = []
    offset = 0
    while offset < content.nbytes:
        start = content.region(offset, min(_CARD, content.nbytes - offset)).tobytes()
        expected = b"XTENSION=" if hdus else b"SIMPLE  ="
        if not start.startswith(expected):
            if not hdus:
                raise FileFormatError(path, "", f"it is not a FITS file, since it starts with {start[:8]!r}")
            raise FileFormatError(
                path, f"HDU {hdus[-1].name}", f"what follows it is no extension but {start[:8]!r}: the file is damaged"
            )
        hdu = _read_hdu(content, path, offset, f"number {len(hdus)}" if hdus else "PRIMARY")
        hdus.append(hdu)
        offset = hdu.offset + hdu.nbytes + -hdu.nbytes % BLOCK
    announced = hdus[0].values.get("NEXTEND")
    if isinstance(announced, int) and announced != len(hdus) - 1:
        raise FileFormatError(
            path, "HDU PRIMARY", f"NEXTEND announces {announced} extensions, but there are {len(hdus) - 1}: truncated?"
        )
    return hdus


def _read_hdu(content: Content, path: str, offset: int, number: str) -> Hdu:
    where = f"HDU {number}"
    header = _read_header(content, path, offset, where)
    values = _parse(header, path, where)
    name = values.get("EXTNAME") if number != "PRIMARY" else "PRIMARY"
    if isinstance(name, str) and name.strip():
        where = f"HDU {name.strip().upper()}"
    nbytes = _data_size(values, path, where)
    start = offset + len(header)
    if start + nbytes > content.nbytes:
        raise FileFormatError(
            path, where, f"it announces {nbytes} bytes of data, {start + nbytes - content.nbytes} more than there are: "
            "the file is truncated, or the header is damaged"
        )  # fmt: skip
    return Hdu(path, where[4:], values, header, start, nbytes, _check_header(header, values, path, where))


def _read_header(content: Content, path: str, offset: int, where: str) -> bytes:
    blocks = []
    for start in range(offset, min(offset + _MAX_HEADER, content.nbytes - BLOCK + 1), BLOCK):
        block = content.region(start, BLOCK).tobytes()
        blocks.append(block)
        if any(block[i : i + _CARD] == _END for i in range(0, BLOCK, _CARD)):
            return b"".join(blocks)
    raise FileFormatError(path, where, "its header has no END: the file is truncated or damaged")


def _parse(header: bytes, path: str, where: str) -> dict[str, Any]:
    text = np.frombuffer(header, np.uint8)
    if text.min() < 32 or text.max() > 126:
        raise FileFormatError(path, where, "its header holds bytes that are not text: the file is damaged")
    values: dict[str, Any] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyWarning)
            for card in fits.Header.fromstring(header).cards:
                values.setdefault(card.keyword, card.value)
    except (
        fits.VerifyError,
        AstropyWarning,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        OverflowError,
    ) as error:
        raise FileFormatError(path, where, f"its header cannot be read ({_first_line(error)})") from error
    return values


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _data_size(values: dict[str, Any], path: str, where: str) -> int:
    def integer(keyword: str, default: int | None = None) -> int:
        value = values.get(keyword, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise FileFormatError(path, where, f"{keyword} must be a whole number, not {value!r}")
        return value

    bitpix = values.get("BITPIX")
    if isinstance(bitpix, bool) or bitpix not in _BITPIX:
        raise FileFormatError(path, where, f"BITPIX must be one of {_BITPIX}, not {bitpix!r}")
    naxis = integer("NAXIS")
    if naxis > _MAX_AXES:
        raise FileFormatError(path, where, f"NAXIS is {naxis}, while maps have at most {_MAX_AXES} axes")
    lengths = [integer(f"NAXIS{i + 1}") for i in range(naxis)]
    if not naxis:
        return 0
    return abs(bitpix) // 8 * integer("GCOUNT", 1) * (integer("PCOUNT", 0) + math.prod(lengths))


def _check_header(header: bytes, values: dict[str, Any], path: str, where: str) -> int | None:
    """Return the checksum of the data; check the header by its own, for which the data need not be read."""
    whole, data = values.get("CHECKSUM", ""), values.get("DATASUM", "")
    if not (isinstance(whole, str) and isinstance(data, str)) or (data.strip() and not data.strip().isdecimal()):
        raise FileFormatError(path, where, "CHECKSUM and DATASUM must be text, and DATASUM a whole number")
    datasum = int(data) if data.strip() else None
    if datasum is not None and datasum > checksum.ALL_ONES:
        raise FileFormatError(path, where, f"DATASUM is {datasum}, more than 32 bits hold")
    if not whole.strip():
        return datasum
    total = checksum.checksum(np.frombuffer(header, np.uint8))
    if datasum is None:
        return checksum.ALL_ONES - total
    if checksum.add(total, datasum) not in (0, checksum.ALL_ONES):
        raise FileFormatError(path, where, "its header does not have the CHECKSUM that it states: the file is damaged")
    return datasum
