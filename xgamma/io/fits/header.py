"""Headers of files to be written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io import fits

from xgamma.coords import Axis, SkyGrid
from xgamma.io.fits.axes import COLUMNS
from xgamma.schema import base_name

__all__ = ["axis_cards", "bands_hdu", "data_hdu", "make_header", "sky_cards"]


def make_header(cards: Mapping[str, Any]) -> fits.Header:
    """Return a header with all digits of its numbers: astropy would round those that take more than 20 characters."""
    header = fits.Header()
    for key, value in cards.items():
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"the FITS keyword {key} cannot hold {value}")
            header.append(fits.Card.fromstring(f"{key:8}= {repr(value).upper():>20}"))
        else:
            header.append((key, value))
    return header


def axis_cards(axes: list[Axis]) -> dict[str, str]:
    """Return the keywords that name the columns of axes, given in numpy's order."""
    cards = {}
    for i, axis in enumerate(reversed(axes), start=1):
        center, lower, upper = COLUMNS[base_name(axis.name)]
        cards[f"AXCOLS{i}"] = f"{lower},{upper}" if axis.node_type == "edges" else center
        cards[f"INTERP{i}"] = axis.interp
    return cards


def sky_cards(grid: SkyGrid, axes: list[Axis]) -> dict[str, Any]:
    """Return the keywords of the WCS of a map and of its shape.

    Raises
    ------
    ValueError
        Rows or columns are missing, or reversed.
    """
    shape = [*grid.shape[::-1], *(axis.size for axis in reversed(axes))]
    return {"WCSAXES": 2, **grid.fits_keywords(), "WCSSHAPE": f"({','.join(map(str, shape))})"}


def bands_hdu(name: str, axes: list[Axis]) -> fits.BinTableHDU:
    """Return the table of the bins of all axes, given in numpy's order, with a row for each pair or triple.

    Raises
    ------
    ValueError
        The bins of an axis leave gaps, or do not rise.
    """
    shape = tuple(axis.size for axis in axes)
    columns = [fits.Column("CHANNEL", "K", array=np.arange(math.prod(shape)))]
    for i, axis in reversed(list(enumerate(axes))):
        if not (np.diff(axis.lower) > 0).all() or not axis.is_contiguous:
            raise ValueError(
                f"the bins of axis {axis.name!r} leave gaps or do not rise, which a FITS file cannot express: "
                "select without strides (NetCDF and Zarr keep such axes)"
            )
        along = tuple(-1 if i == j else 1 for j in range(len(shape)))
        for column, values in zip(COLUMNS[base_name(axis.name)], (axis.center, axis.lower, axis.upper), strict=True):
            spread = np.broadcast_to(values.reshape(along), shape).ravel()
            columns.append(fits.Column(column, "D", unit=axis.unit or None, array=spread))
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header.update(axis_cards(axes))
    return hdu


def data_hdu(name: str, values: np.ndarray, unit: str, axes: list[Axis], cards: Mapping[str, Any]) -> fits.BinTableHDU:
    """Return the table of a map without sky axes."""
    flat = values.ravel()
    code = {"f4": "E", "f8": "D", "u1": "B", "i2": "I", "i4": "J", "i8": "K"}[flat.dtype.str[1:]]
    columns = [
        fits.Column("CHANNEL", "K", array=np.arange(flat.size)),
        fits.Column("DATA", code, unit=unit or None, array=flat),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header.update(axis_cards(axes) | dict(cards))
    return hdu
