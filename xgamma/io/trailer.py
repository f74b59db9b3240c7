"""Checksums behind the end of an HDF5 file.

The HDF5 library trusts much of the structure of a file, and damage there has made it wait forever. It ignores bytes
behind the end that it has noted itself, and cuts them off when it changes a file; so that is where the checksums are.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from xgamma.io.errors import FileFormatError

__all__ = ["add_trailer", "check_trailer"]

_BLOCK = 2**20
_MAGIC = b"\x89xgamma\n"
_TAIL = struct.Struct(f"<QI{len(_MAGIC)}s")  # size of the file before the trailer, checksum of the checksums, magic

# Opening stays quick for large files: there, the first and the last blocks are looked at.
_CHECKED = 32


def add_trailer(path: str | os.PathLike[str]) -> None:
    """Append the checksums of all blocks of 1 MiB to a file.

    Parameters
    ----------
    path : path-like
        A complete file.
    """
    with open(path, "rb+") as stream:
        size = stream.seek(0, os.SEEK_END)
        sums = _pack(crc for _, crc in _sums(stream, size, range(_blocks(size))))
        stream.seek(size)
        stream.write(sums + _TAIL.pack(size, zlib.crc32(sums), _MAGIC))


def check_trailer(path: str) -> None:
    """Compare a file with the checksums behind its end, where it has any: the first and the last 32 MiB.

    Parameters
    ----------
    path : str
        The file.

    Raises
    ------
    FileFormatError
        The file is not what was written.
    """
    with open(path, "rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        if end < _TAIL.size:
            return
        stream.seek(end - _TAIL.size)
        size, own, magic = _TAIL.unpack(stream.read(_TAIL.size))
        if magic != _MAGIC:
            return  # another program changed the file on purpose
        blocks = _blocks(size)
        if end != size + 4 * blocks + _TAIL.size:
            raise FileFormatError(path, "", "is damaged or incomplete: it has not the size with which it was written")
        stream.seek(size)
        sums = stream.read(4 * blocks)
        if zlib.crc32(sums) != own:
            raise FileFormatError(path, "", "is damaged: the checksums at its end are not what was written")
        chosen = sorted({*range(min(_CHECKED, blocks)), *range(max(blocks - _CHECKED, 0), blocks)})
        for block, crc in _sums(stream, size, chosen):
            if _pack([crc]) != sums[4 * block : 4 * block + 4]:
                where = f"bytes {block * _BLOCK} to {min((block + 1) * _BLOCK, size)}"
                raise FileFormatError(path, where, "are damaged: they differ from what was written")


def _blocks(size: int) -> int:
    return -(-size // _BLOCK)


def _sums(stream: BinaryIO, size: int, blocks: Iterable[int]) -> Iterator[tuple[int, int]]:
    for block in blocks:
        stream.seek(block * _BLOCK)
        yield block, zlib.crc32(stream.read(min(_BLOCK, size - block * _BLOCK)))


def _pack(sums: Iterable[int]) -> bytes:
    return b"".join(crc.to_bytes(4, "little") for crc in sums)
