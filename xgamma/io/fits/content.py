"""The bytes of a FITS file, plain or gzipped, for any number of threads and processes."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from xarray.backends import CachingFileManager
from xarray.backends.locks import SerializableLock

from xgamma.io.errors import FileFormatError
from xgamma.io.fits.checksum import checksum_of_parts

__all__ = ["BLOCK", "Content", "content_manager"]

BLOCK = 2880
"""Headers and data of FITS are padded to multiples of this many bytes."""

_GZIP = b"\x1f\x8b"
_IN_MEMORY = 1 << 26  # a gzipped file that unpacks to more bytes goes to an anonymous temporary file
_PIECE = 1 << 20
_CHECK_AT_ONCE = 1 << 24  # data up to this size are checked when they are touched first, larger ones when read through


def content_manager(path: str) -> CachingFileManager:
    """Return xarray's manager for the content of a file as it is now.

    Variables of one opening share a manager; it pickles as the path, size and time of change of the file, and each
    process opens (and unpacks) the file once, on demand, in xarray's bounded cache of open files.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        The file cannot be opened.
    """
    with open(path, "rb") as stream:
        status = os.fstat(stream.fileno())
    return CachingFileManager(Content, path, status.st_size, status.st_mtime_ns, mode="r", lock=SerializableLock())


class Content:
    """The bytes of a file, unpacked if it is gzipped.

    Parameters
    ----------
    path : str
        The file.
    size, mtime_ns : int
        Size and time of change that it must still have whenever bytes are asked for.
    mode : {"r"}
        Without use here; xarray's managers need one to survive pickling.

    Raises
    ------
    FileFormatError
        The file has changed, is empty, or is damaged in its gzip stream (whose checksum is verified).
    """

    def __init__(self, path: str, size: int, mtime_ns: int, mode: str = "r") -> None:
        self._path = path
        self._identity = size, mtime_ns
        self._unread: dict[int, int] = {}
        self._lock = threading.Lock()
        with open(path, "rb") as stream:
            self._compare(os.fstat(stream.fileno()))
            gzipped = stream.read(2) == _GZIP
            stream.seek(0)
            self._unpacked = _unpack(path, stream) if gzipped else None
        self.nbytes = size
        if isinstance(self._unpacked, bytes):
            self.nbytes = len(self._unpacked)
        elif self._unpacked is not None:
            self.nbytes = self._unpacked.seek(0, os.SEEK_END)
            weakref.finalize(self, self._unpacked.close)
        if not self.nbytes:
            raise FileFormatError(path, "", "the file is empty")

    def close(self) -> None:
        """Do nothing: another thread may still read, and what is held goes with the last reference."""

    def region(self, offset: int, nbytes: int) -> np.ndarray:
        """Return a read-only uint8 view of a part of the file, memory-mapped unless it is in memory already.

        Raises
        ------
        FileFormatError
            The file has changed since it was opened, or ends before the part does.
        """
        if offset + nbytes > self.nbytes:
            raise FileFormatError(self._path, "", f"the file ends after {self.nbytes} bytes: it is truncated")
        if self._unpacked is None:
            with self._open_unchanged() as stream:
                return _map(stream, offset, nbytes)
        self._open_unchanged().close()
        if isinstance(self._unpacked, bytes):
            return np.frombuffer(self._unpacked, np.uint8, nbytes, offset)
        return _map(self._unpacked, offset, nbytes)

    def is_damaged(self, offset: int, nbytes: int, total: int, expected: int) -> bool:
        """Note that `nbytes` of the `total` bytes of data at `offset` are being read; check them all when it is time.

        Small data are checked when they are touched first, larger ones when as many bytes as they have were read.
        Sound data are checked once, damaged ones whenever they are read again.

        Returns
        -------
        bool
            Whether the data were checked and their sum, including the padding, is not `expected`.
        """
        with self._lock:
            before = self._unread.get(offset, total if total > _CHECK_AT_ONCE else 1)
            self._unread[offset] = before - nbytes
        if not before > 0 >= before - nbytes:
            return False
        padded = min(total + -total % BLOCK, self.nbytes - offset)
        if checksum_of_parts(lambda start, size: self.region(offset + start, size), padded) == expected:
            return False
        with self._lock:
            self._unread[offset] = 1
        return True

    def _open_unchanged(self) -> BinaryIO:
        try:
            stream = open(self._path, "rb")  # noqa: SIM115 (the caller closes it)
        except FileNotFoundError:
            raise FileFormatError(self._path, "", "the file was removed since it was opened") from None
        try:
            self._compare(os.fstat(stream.fileno()))
        except FileFormatError:
            stream.close()
            raise
        return stream

    def _compare(self, status: os.stat_result) -> None:
        if (status.st_size, status.st_mtime_ns) != self._identity:
            raise FileFormatError(self._path, "", "the file has changed since it was opened: open it again")


def _map(stream: BinaryIO, offset: int, nbytes: int) -> np.ndarray:
    if not nbytes:
        return np.empty(0, np.uint8)
    return np.memmap(stream, np.uint8, "r", offset, (nbytes,)).view(np.ndarray)


def _unpack(path: str, stream: BinaryIO) -> bytes | BinaryIO:
    blocks: list[bytes] = []
    size = 0
    target: BinaryIO | None = None
    try:
        for block in _gunzip(path, stream):
            size += len(block)
            blocks.append(block)
            if size > _IN_MEMORY:
                if target is None:
                    target = tempfile.TemporaryFile()  # noqa: SIM115 (it outlives this function)
                target.writelines(blocks)
                blocks.clear()
    except BaseException:
        if target is not None:
            target.close()
        raise
    if target is None:
        return b"".join(blocks)
    target.flush()
    return target


def _gunzip(path: str, stream: BinaryIO) -> Iterator[bytes]:
    packed = stream.read(_PIECE)
    while packed:
        member = zlib.decompressobj(wbits=31)  # a gzip header, and a checksum that zlib verifies at the end
        while not member.eof:
            try:
                yield member.decompress(packed, 16 * _PIECE)
            except zlib.error as error:
                raise FileFormatError(path, "", f"the gzip stream is damaged ({error})") from error
            packed = member.unconsumed_tail or (member.unused_data if member.eof else stream.read(_PIECE))
            if not packed and not member.eof:
                raise FileFormatError(path, "", "the gzip stream ends early: the file is truncated")
        # Another member may follow, or zeros up to the end of a tape record.
        packed = (packed or stream.read(_PIECE)).lstrip(b"\0") or stream.read(_PIECE).lstrip(b"\0")
