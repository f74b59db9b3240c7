"""Write extensions one after the other, block by block, each with its checksums."""

from __future__ import annotations

import io
import itertools
import math
import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import xarray as xr
from astropy.io import fits

from xgamma.io.fits import checksum
from xgamma.io.fits.content import BLOCK

__all__ = ["write_image", "write_table", "write_primary"]

_SLAB = 1 << 25  # bytes of data loaded at a time, if the chunks of the data do not say otherwise
# BITPIX, type in the file and BZERO of each type of values.
STORED = {
    "b1": (8, "u1", 0), "u1": (8, "u1", 0), "i1": (8, "u1", -(1 << 7)),
    "i2": (16, ">i2", 0), "u2": (16, ">i2", 1 << 15), "i4": (32, ">i4", 0), "u4": (32, ">i4", 1 << 31),
    "i8": (64, ">i8", 0), "u8": (64, ">i8", 1 << 63), "f2": (-32, ">f4", 0), "f4": (-32, ">f4", 0),
    "f8": (-64, ">f8", 0),
}  # fmt: skip


def write_primary(stream: BinaryIO, header: fits.Header) -> None:
    """Write a primary header without data."""
    start = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
    _write(stream, start + header, 0)


def write_table(stream: BinaryIO, hdu: fits.BinTableHDU) -> None:
    """Write a binary table."""
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    data = buffer.getvalue()[BLOCK + len(hdu.header.tostring()) :]
    end = _write(stream, hdu.header, len(data), checksum.checksum(np.frombuffer(data, np.uint8)))
    stream.seek(end - len(data))
    stream.write(data)


def write_image(stream: BinaryIO, header: fits.Header, variable: xr.Variable) -> None:
    """Write an image, loading a chunk (or a slab, of data without chunks) at a time.

    Parameters
    ----------
    stream : file
        Open for reading and writing, positioned at its end.
    header : Header
        What follows the keywords that describe the array.
    variable : Variable
        The values, in the order of the file's axes.
    """
    bitpix, stored, zero = STORED[variable.dtype.str[1:]]
    cards = [("XTENSION", "IMAGE"), ("BITPIX", bitpix), ("NAXIS", variable.ndim)]
    cards += [(f"NAXIS{i + 1}", n) for i, n in enumerate(reversed(variable.shape))]
    cards += [("PCOUNT", 0), ("GCOUNT", 1)]
    if zero:
        cards += [("BSCALE", 1), ("BZERO", zero)]
    full = fits.Header(cards) + header
    nbytes = math.prod(variable.shape) * np.dtype(stored).itemsize
    start = stream.tell()
    end = _write(stream, full, nbytes)
    offset = end - nbytes - -nbytes % BLOCK
    for block, values in _load(variable):
        # A map for each block: what was written need not stay in memory.
        np.memmap(stream, stored, "r+", offset, variable.shape)[block] = _to_stored(values, np.dtype(stored), zero)
    datasum = checksum.checksum_of_parts(
        lambda first, size: np.memmap(stream, np.uint8, "r", offset + first, (size,)), end - offset
    )
    stream.seek(start)
    _write(stream, full, nbytes, datasum)


def _to_stored(values: np.ndarray, stored: np.dtype, zero: int) -> np.ndarray:
    if not zero:
        return values
    unsigned = np.ascontiguousarray(values).view(f"u{stored.itemsize}")
    flipped = unsigned ^ unsigned.dtype.type(1 << (8 * stored.itemsize - 1))
    return flipped.view(f"{stored.kind}{stored.itemsize}")


def _write(stream: BinaryIO, header: fits.Header, nbytes: int, datasum: int = 0) -> int:
    """Write a header with checksums and make room for the data; return where the extension ends."""
    full = header.copy()
    full["DATASUM"] = str(datasum).rjust(10)
    full["CHECKSUM"] = "0" * 16
    total = checksum.checksum(np.frombuffer(full.tostring().encode("ascii"), np.uint8))
    full["CHECKSUM"] = checksum.encode(checksum.add(total, datasum))
    stream.write(full.tostring().encode("ascii"))
    end = stream.tell() + nbytes + -nbytes % BLOCK
    stream.flush()
    size = os.fstat(stream.fileno()).st_size
    if size < end:
        if hasattr(os, "posix_fallocate"):  # a full disk is then an error here, not a crash of the memory map
            os.posix_fallocate(stream.fileno(), size, end - size)
        else:
            stream.truncate(end)
    stream.seek(end)
    return end


def _load(variable: xr.Variable) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
    if variable.chunks is None:
        rows = max(1, _SLAB * variable.shape[0] // max(1, variable.nbytes))
        for i in range(0, variable.shape[0], rows):
            block = (slice(i, i + rows), *(slice(None) for _ in variable.shape[1:]))
            yield block, np.asarray(variable[block].values)
        return
    import dask

    edges = [list(itertools.accumulate(sizes, initial=0)) for sizes in variable.chunks]
    blocks = list(itertools.product(*([slice(a, b) for a, b in itertools.pairwise(e)] for e in edges)))
    # Some blocks at a time, so that they are computed side by side.
    largest = max(math.prod(s.stop - s.start for s in block) for block in blocks) * variable.dtype.itemsize
    count = max(1, _SLAB // max(1, largest))
    for i in range(0, len(blocks), count):
        batch = blocks[i : i + count]
        yield from zip(batch, dask.compute(*(variable.data[block] for block in batch)), strict=True)
