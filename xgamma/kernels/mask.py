"""Numbers inside a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Part", "add_inside", "zero_outside"]

_BLOCK = 2**17
"""Number of values that are worked on at once: they stay in the processor's cache."""


def zero_outside(values: NDArray[Any], mask: NDArray[np.bool_] | np.bool_, finite: bool = False) -> NDArray[Any]:
    """Set what is outside a mask to zero.

    Parameters
    ----------
    values : ndarray
        Floating point numbers, integers or booleans.
    mask : ndarray of bool
        Broadcasts to the shape of the values.
    finite : bool
        Whether what is not finite becomes zero as well.

    Returns
    -------
    ndarray
        A new array of the shape and dtype of the values, in the byte order of the machine.
    """
    # A product with the mask is several times faster than a choice, but it keeps nan, as 0 * nan is nan.
    good = np.isfinite(values) if values.dtype.kind == "f" else np.True_
    if good.all():
        return values * mask
    if finite:
        mask = mask & good
    return np.where(mask, values, values.dtype.type(0))


Part = tuple[NDArray[Any], NDArray[np.bool_] | None, NDArray[Any] | None]
"""Values, the mask inside which they count, and what they are multiplied by."""


def add_inside(total: NDArray[Any], parts: Sequence[Part], first: bool = False, finite: bool = False) -> None:
    """Add to an array what `zero_outside` makes of others, without arrays of their size on the way.

    Parameters
    ----------
    total : ndarray
        Changed in place; at least one dimension.
    parts : sequence of (ndarray, ndarray of bool or None, ndarray or None)
        Values of the shape of the total; a mask, None if all is inside; and a factor, None for one. Mask and factor
        have as many dimensions, each as long as that of the total or one.
    first : bool
        Whether the total is to be overwritten: it may be empty.
    finite : bool
        Whether what is not finite counts as zero. Without, it does so outside the mask only.
    """
    step = max(1, _BLOCK // max(1, total[:1].size))
    # outside of the mask there may be infinities
    with np.errstate(invalid="ignore"):
        products = [_folded(part, total.dtype) for part in parts] if first else []
        for start in range(0, len(total), step):
            block = slice(start, start + step)
            if first:
                _fill(total[block], [_cut(part, block) for part in products])
                # one look at the sum tells that none of the parts holds anything else
                if total.dtype.kind != "f" or np.isfinite(total[block]).all():
                    continue
                total[block] = 0
            _add_chosen(total[block], [_cut(part, block) for part in parts], finite)


def _folded(part: Part, dtype: np.dtype[Any]) -> Part:
    """Return a part with mask and factor in one, where that is smaller than the values."""
    values, mask, scale = part
    if mask is None or np.broadcast(mask, mask if scale is None else scale).size == values.size:
        return part
    # products with booleans take longer than those with numbers
    return values, None, mask.astype(dtype) if scale is None else scale * mask


def _cut(part: Part, block: slice) -> Part:
    values, mask, scale = part
    mask, scale = (v if v is None or len(v) == 1 else v[block] for v in (mask, scale))
    return values[block], mask, scale


def _fill(out: NDArray[Any], parts: Sequence[Part]) -> None:
    """Fill an array with the sum of products of values, masks and factors."""
    for number, (values, mask, scale) in enumerate(parts):
        values, last = (values, mask) if scale is None else (values if mask is None else values * mask, scale)
        if number == 0 and last is not None and np.result_type(values, last) == out.dtype:
            np.multiply(values, last, out=out)
        elif number == 0:
            out[...] = values if last is None else values * last
        else:
            out += values if last is None else values * last


def _add_chosen(out: NDArray[Any], parts: Sequence[Part], finite: bool) -> None:
    """Add values inside of masks to an array, whatever the others are."""
    for values, mask, scale in parts:
        values = values if scale is None else values * scale
        product = values if mask is None else values * mask
        if values.dtype.kind == "f" and not np.isfinite(product).all():
            inside = np.ones((1,) * values.ndim, dtype=bool) if mask is None else mask
            keep = inside & np.isfinite(values) if finite else inside
            product = np.where(keep, values, values.dtype.type(0))
        out += product
