"""Damage to FITS files, each kind as a function of the bytes and a random generator."""

import gzip
import re

import numpy as np

CARD, BLOCK = 80, 2880
_NUMBERS = (0, 1, -1, 2, 7, 1 << 31, 1 << 40, 1 << 63, 1 << 70, 1e300, -1e300, 1e-300, 0.5, 999)
_TEXTS = ("''", "'x'", "T", "F", "nan", "1E999", "(1, 2)", "'10**99999999 s'", "'TeV'", "'ENERGY'", "'E_MIN,E_MAX'", "")


def headers(data):
    """Offsets (start, end) of all headers, found by their first and last cards."""
    found = []
    for start in range(0, len(data), BLOCK):
        if data[start : start + 8] in (b"SIMPLE  ", b"XTENSION"):
            end = next(i for i in range(start, len(data), CARD) if data[i : i + CARD] == b"END".ljust(CARD))
            found.append((start, end + CARD))
    return found


def tables(data):
    """Offsets (start, end) of the data of tables."""
    found = []
    starts = [start for start, _ in headers(data)] + [len(data)]
    for i, (start, end) in enumerate(headers(data)):
        if b"BINTABLE" in data[start : start + CARD]:
            found.append((end + -end % BLOCK, starts[i + 1]))
    return found


def _spot(rng, spans):
    spans = [span for span in spans if span[1] > span[0]]
    start, end = spans[rng.integers(len(spans))]
    return int(rng.integers(start, end))


def _card(data, rng):
    """Offset of a random card."""
    start, end = headers(data)[rng.integers(len(headers(data)))]
    return start + CARD * int(rng.integers((end - start) // CARD))


def _put(data, offset, piece):
    return data[:offset] + piece + data[offset + len(piece) :]


def flip_header_bit(data, rng):
    spot = _spot(rng, headers(data))
    return _put(data, spot, bytes([data[spot] ^ (1 << int(rng.integers(8)))]))


def header_character(data, rng):
    return _put(data, _spot(rng, headers(data)), bytes([int(rng.integers(32, 127))]))


def card_value(data, rng):
    """Give a card another value."""
    spot = _card(data, rng)
    values = [*(f"{v:>20}" for v in _NUMBERS), *(f"{v:20}" for v in _TEXTS)]
    value = values[rng.integers(len(values))]
    return _put(data, spot, data[spot : spot + 8] + b"= " + value.encode()[:70].ljust(70))


def structure_value(data, rng):
    """Give a card that rules the layout a value that is near the right one, or far off."""
    keys = [
        b"NAXIS",
        b"NAXIS1",
        b"NAXIS2",
        b"NAXIS3",
        b"BITPIX",
        b"TFIELDS",
        b"PCOUNT",
        b"GCOUNT",
        b"TFORM2",
        b"AXCOLS1",
    ]
    spots = []
    while not spots:  # not every file has all of them
        key = keys[rng.integers(len(keys))].ljust(8)
        spots = [m.start() for m in re.finditer(re.escape(key) + b"= ", data) if not m.start() % CARD]
    spot = spots[rng.integers(len(spots))]
    old = re.search(rb"-?\d+", data[spot + 10 : spot + 40])
    choices = [
        *_NUMBERS[:9],
        *([int(old[0]) + d for d in (-1, 1, 2)] if old else []),
        "'D       '",
        "'999999999D'",
        "'PD(9)'",
    ]
    value = choices[rng.integers(len(choices))]
    return _put(data, spot + 10, f"{value:>20}".encode().ljust(70))


def swap_cards(data, rng):
    one, other = _card(data, rng), _card(data, rng)
    piece = data[one : one + CARD]
    return _put(_put(data, one, data[other : other + CARD]), other, piece)


def blank_card(data, rng):
    return _put(data, _card(data, rng), b" " * CARD)


def table_byte(data, rng):
    return _put(data, _spot(rng, tables(data)), bytes([int(rng.integers(256))]))


def table_number(data, rng):
    """Put a special number at a place where a float64 may stand."""
    start, end = tables(data)[rng.integers(len(tables(data)))]
    spot = start + 8 * int(rng.integers(max(1, (end - start) // 8)))
    number = np.array([0, -1, np.nan, np.inf, 1e308, 5e-324, 1e20][rng.integers(7)], ">f8").tobytes()
    return _put(data, spot, number)


def table_rows(data, rng):
    """Exchange two stretches of a table."""
    start, end = tables(data)[rng.integers(len(tables(data)))]
    size = int(rng.integers(1, 33))
    one, other = (int(rng.integers(start, max(start + 1, end - size))) for _ in range(2))
    piece = data[one : one + size]
    return _put(_put(data, one, data[other : other + size]), other, piece)[: len(data)]


def anywhere(data, rng):
    spot = int(rng.integers(len(data)))
    return _put(data, spot, bytes([int(rng.integers(256))]))


def cut(data, rng):
    return data[: int(rng.integers(len(data)))]


def drop_hdu(data, rng):
    starts = [start for start, _ in headers(data)] + [len(data)]
    i = int(rng.integers(1, len(starts) - 1))
    return data[: starts[i]] + data[starts[i + 1] :]


def drop_block(data, rng):
    i = BLOCK * int(rng.integers(len(data) // BLOCK))
    return data[:i] + data[i + BLOCK :]


def double_block(data, rng):
    i = BLOCK * int(rng.integers(len(data) // BLOCK))
    return data[: i + BLOCK] + data[i:]


def noise(data, rng):
    spot, size = int(rng.integers(len(data))), int(rng.integers(1, 400))
    return _put(data, spot, rng.bytes(min(size, len(data) - spot)))


def gzip_byte(data, rng):
    packed = gzip.compress(data, 1, mtime=0)
    spot = int(rng.integers(len(packed)))
    return _put(packed, spot, bytes([int(rng.integers(256))]))


def gzip_cut(data, rng):
    packed = gzip.compress(data, 1, mtime=0)
    return packed[: int(rng.integers(len(packed)))]


HEADERS_AND_TABLES = [
    flip_header_bit,
    header_character,
    card_value,
    card_value,
    structure_value,
    structure_value,
    swap_cards,
    blank_card,
    table_byte,
    table_number,
    table_number,
    table_rows,
]
ELSEWHERE = [anywhere, cut, drop_hdu, drop_block, double_block, noise, gzip_byte, gzip_cut]
