"""Numbers inside a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["zero_outside"]


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
