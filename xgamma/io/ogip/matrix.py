"""Energy dispersion in redistribution matrix files: rows of which only the parts that are not zero are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from xgamma.io.fits.tables import Table

__all__ = ["matrix_columns", "read_matrix"]


def read_matrix(table: Table, first_channel: int, channels: int) -> NDArray[np.float64]:
    """Return the matrix that a table holds row by row, in groups of channels.

    Parameters
    ----------
    table : Table
        With the columns N_GRP, F_CHAN, N_CHAN and MATRIX, of fixed or variable length.
    first_channel : int
        Number of the first channel.
    channels : int
        How many there are.

    Returns
    -------
    ndarray, shape (energy_true, energy)
        Zero outside the groups.

    Raises
    ------
    FileFormatError
        A column is missing, or a group lies outside the channels or holds fewer values than it announces.
    """
    hdu = table.hdu
    missing = [name for name in ("N_GRP", "F_CHAN", "N_CHAN", "MATRIX") if name not in table.columns]
    if missing:
        raise hdu.error(f"it has no columns {', '.join(missing)}, only {', '.join(table.columns)}")
    out = np.zeros((table.rows, channels))
    for row in range(table.rows):
        groups, firsts, sizes, values = (
            np.atleast_1d(table.columns[name][row]) for name in ("N_GRP", "F_CHAN", "N_CHAN", "MATRIX")
        )
        count = int(groups[0]) if groups.size == 1 and groups.dtype.kind in "iu" else -1
        kinds = firsts.dtype.kind + sizes.dtype.kind + values.dtype.kind
        if (
            count < 0
            or not set(kinds[:2]) <= set("iu")
            or kinds[2] not in "iuf"
            or min(firsts.size, sizes.size) < count
        ):
            raise hdu.error(f"row {row + 1} does not hold the numbers of its groups of channels")
        start = 0
        for first, size in zip(firsts[:count].tolist(), sizes[:count].tolist(), strict=True):
            channel = first - first_channel
            if size == 0:
                continue
            if size < 0 or channel < 0 or channel + size > channels or start + size > values.size:
                raise hdu.error(
                    f"row {row + 1} has a group of {size} channels from {first} on, which does not fit the {channels} "
                    f"channels from {first_channel} on or the {values.size} values of the row"
                )
            out[row, channel : channel + size] = values[start : start + size]
            start += size
    if not np.isfinite(out).all():
        raise hdu.error("column MATRIX holds numbers that are not finite")
    return out


def matrix_columns(matrix: NDArray[Any]) -> tuple[list[fits.Column], dict[str, int]]:
    """Return the columns of a matrix, shape (energy_true, energy), and the keywords that count its groups.

    Channels are counted from zero.
    """
    rows = [_groups(row) for row in matrix]
    columns = [
        fits.Column("N_GRP", "I", array=np.array([len(first) for first, _, _ in rows], dtype=np.int16)),
        fits.Column("F_CHAN", "PJ()", array=_ragged([first for first, _, _ in rows], np.int32)),
        fits.Column("N_CHAN", "PJ()", array=_ragged([size for _, size, _ in rows], np.int32)),
        fits.Column("MATRIX", "PD()", array=_ragged([values for _, _, values in rows], np.float64)),
    ]
    numbers = {
        "NUMGRP": sum(len(first) for first, _, _ in rows),
        "NUMELT": sum(len(values) for _, _, values in rows),
    }
    return columns, numbers


def _groups(row: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """First channels and lengths of the runs of values that are not zero, and the values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row != 0, [False]]).astype(np.int8)))
    first, stop = edges[::2], edges[1::2]
    return first, stop - first, row[row != 0]


def _ragged(parts: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    out = np.empty(len(parts), dtype=object)
    for i, part in enumerate(parts):
        out[i] = part.astype(dtype)
    return out
