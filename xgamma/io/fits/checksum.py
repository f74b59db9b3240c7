"""Checksums of FITS: ones' complement sums of 32-bit words (FITS standard 4.0, section 4.4.2.7 and appendix J)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["ALL_ONES", "add", "checksum", "checksum_of_parts", "encode"]

ALL_ONES = 0xFFFFFFFF
_PIECE = 1 << 26  # bytes summed at a time, a multiple of 4: sums of so many words fit into 64 bits


def add(first: int, second: int) -> int:
    """Return the ones' complement sum of two 32-bit sums."""
    total = first + second
    return (total & ALL_ONES) + (total >> 32)


def checksum(data: np.ndarray) -> int:
    """Sum the bytes of a uint8 array as big-endian 32-bit words, with zeros for what lacks to the last word."""
    return checksum_of_parts(lambda start, size: data[start : start + size], data.size)


def checksum_of_parts(part: Callable[[int, int], np.ndarray], nbytes: int) -> int:
    """Sum bytes that a function gives by start and size, so that they need not be in memory all at once."""
    total = 0
    for start in range(0, nbytes, _PIECE):
        piece = part(start, min(_PIECE, nbytes - start))
        if piece.size % 4:
            piece = np.concatenate([piece, np.zeros(-piece.size % 4, np.uint8)])
        total += int(piece.view(">u4").sum(dtype=np.uint64))
        while total > ALL_ONES:
            total = (total & ALL_ONES) + (total >> 32)
    return total


def encode(total: int) -> str:
    """Return the 16 characters of a CHECKSUM card for an HDU whose words sum to `total` while the card holds zeros.

    With them in place the words sum to all ones. Each byte of the complement is spread over four characters, in
    pairs that are pushed apart until all are letters or digits, and the string is rotated by one since the value
    of a card starts one byte after a word does.
    """
    columns = []
    for byte in (ALL_ONES - total).to_bytes(4, "big"):
        quarter, rest = divmod(byte, 4)
        codes = [quarter + rest + 48, quarter + 48, quarter + 48, quarter + 48]
        for low in (0, 2):
            while not (chr(codes[low]).isalnum() and chr(codes[low + 1]).isalnum()):
                codes[low] += 1
                codes[low + 1] -= 1
        columns.append(codes)
    text = "".join(chr(columns[i][j]) for j in range(4) for i in range(4))
    return text[-1] + text[:-1]
