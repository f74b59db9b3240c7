"""Images that are read when they are needed, and only the part that is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from xarray.backends import BackendArray, CachingFileManager
from xarray.core import indexing

from xgamma.io.errors import FileFormatError
from xgamma.io.fits.content import Content
from xgamma.io.fits.hdus import Hdu

__all__ = ["FitsArray", "Scaling", "check_data", "image_array"]

_STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# The offsets by which FITS stores the integers that it has no type for.
_OTHER_INTEGERS = {(8, -(1 << 7)): "i1", (16, 1 << 15): "u2", (32, 1 << 31): "u4", (64, 1 << 63): "u8"}


@dataclass(frozen=True)
class Scaling:
    """How stored numbers become values: ``scale * stored + zero``, and nan where stored is blank.

    Attributes
    ----------
    dtype : numpy.dtype
        The type of the values.
    scale, zero : float
        BSCALE and BZERO.
    blank : int or None
        BLANK.
    """

    dtype: np.dtype[Any]
    scale: float = 1
    zero: float = 0
    blank: int | None = None

    @classmethod
    def from_hdu(cls, hdu: Hdu) -> Scaling:
        """Read the scaling from a header."""
        bitpix = hdu.values["BITPIX"]
        scale, zero = hdu.number("BSCALE", 1), hdu.number("BZERO", 0)
        blank = hdu.values.get("BLANK") if bitpix > 0 else None
        if blank is not None and (isinstance(blank, bool) or not isinstance(blank, int)):
            raise hdu.error(f"BLANK must be a whole number, not {blank!r}")
        if scale == 0:
            raise hdu.error("BSCALE is 0, so that all values would be the same: the file is damaged")
        if (scale, zero, blank) == (1, 0, None):
            return cls(np.dtype(_STORED[bitpix]).newbyteorder("="))
        if scale == 1 and blank is None and (bitpix, zero) in _OTHER_INTEGERS:
            return cls(np.dtype(_OTHER_INTEGERS[bitpix, int(zero)]), 1, int(zero))
        return cls(np.dtype("f4" if bitpix in (8, 16, -32) else "f8"), scale, zero, blank)

    def apply(self, stored: np.ndarray) -> np.ndarray:
        """Return values as a new array in the machine's byte order."""
        if self.dtype.kind in "iu" and self.zero:
            # Adding half the range flips the highest bit, whichever way the integers are read.
            bits = stored.astype(np.dtype(f"u{stored.itemsize}"))
            return (bits ^ bits.dtype.type(1 << (8 * stored.itemsize - 1))).view(self.dtype)
        values = stored.astype(self.dtype)
        if (self.scale, self.zero) != (1, 0):
            values = (values * self.scale + self.zero).astype(self.dtype, copy=False)
        if self.blank is not None:
            values = np.where(stored == self.blank, self.dtype.type(np.nan), values)
        return values


class FitsArray(BackendArray):
    """An image of a FITS file as xarray's lazy arrays want it.

    Parameters
    ----------
    manager : CachingFileManager
        Gives the `Content` of the file.
    hdu : Hdu
        The extension.
    shape : tuple of int
        The shape, from which axes of length one may have been left out.
    as_bool : bool
        Whether the values are a mask.
    """

    def __init__(
        self, manager: CachingFileManager[Content], hdu: Hdu, shape: tuple[int, ...], as_bool: bool = False
    ) -> None:
        self._manager = manager
        self._scaling = Scaling.from_hdu(hdu)
        self._path, self._name = hdu.path, hdu.name
        self._offset, self._nbytes, self._datasum = hdu.offset, hdu.nbytes, hdu.datasum
        self._stored = np.dtype(_STORED[hdu.values["BITPIX"]])
        self._as_bool = as_bool
        self.shape = shape
        self.dtype = np.dtype(bool) if as_bool else self._scaling.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> np.ndarray:
        with self._manager.acquire_context() as content:
            whole = content.region(self._offset, self._nbytes).view(self._stored).reshape(self.shape)
            stored = np.asarray(whole[key])
            _check(content, self._path, self._name, self._offset, stored.nbytes, self._nbytes, self._datasum)
            return stored != 0 if self._as_bool else self._scaling.apply(stored)


def image_array(manager: CachingFileManager[Content], hdu: Hdu, drop: tuple[int, ...], as_bool: bool) -> FitsArray:
    """Return the lazy array of an image without the axes of length one at the positions `drop`.

    Raises
    ------
    FileFormatError
        An axis to be dropped has more than one bin, or the header describes no plain image.
    """
    if hdu.values.get("GCOUNT", 1) != 1 or hdu.values.get("PCOUNT", 0) != 0:
        raise hdu.error("GCOUNT and PCOUNT of an image must be 1 and 0: the header is damaged")
    if not math.prod(hdu.shape):
        raise hdu.error(f"it has no data, since its axes have lengths {hdu.shape}")
    shape = tuple(n for i, n in enumerate(hdu.shape) if i not in drop)
    return FitsArray(manager, hdu, shape, as_bool)


def check_data(content: Content, hdu: Hdu) -> None:
    """Check the data of an extension that is read whole.

    Raises
    ------
    FileFormatError
        They do not have the checksum that the header states.
    """
    _check(content, hdu.path, hdu.name, hdu.offset, hdu.nbytes, hdu.nbytes, hdu.datasum)


def _check(content: Content, path: str, name: str, offset: int, nbytes: int, total: int, datasum: int | None) -> None:
    if datasum is not None and content.is_damaged(offset, nbytes, total, datasum):
        raise FileFormatError(path, f"HDU {name}", "its data do not have the DATASUM that it states: they are damaged")
