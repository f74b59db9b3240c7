"""Steps of position and shape for derivatives by differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.likelihood.parameters import Part

__all__ = ["Stencils", "stencils"]

Array = NDArray[np.float64]
Stencils = list[tuple[int, list[tuple[float, Any]]]]

_STEP = 5e-4
"""Step of the differences in position and shape, in pixels or relative to a parameter."""
_CENTRAL = np.array([-1.0, 1.0]), np.array([-0.5, 0.5])
_NEAR_LIMIT = np.array([-1.0, 0.0, 1.0])
_SIZES = ("sigma", "r_0", "radius", "width")


def stencils(part: Part, pixel: float, x: Array, model: Any, which: NDArray[np.bool_] | None = None) -> Stencils:
    """Return models around one, with the weights that give the derivative for each parameter of shape and position.

    Steps are a small part of a pixel, or of what is smaller of a model, as the edge of a disk.
    """
    most = min(pixel, model.scale_deg or pixel)
    out = []
    for free in part.free:
        if which is not None and not which[free.slot]:
            continue
        offsets, weights = _CENTRAL
        value = x[free.slot] * free.factor
        step = _STEP * max(abs(value), 1e-2 * free.scale)
        if free.name in ("lon_0", "lat_0"):
            step = _STEP * most
        elif free.name in _SIZES:
            step = min(_STEP * most, 0.1 * max(abs(value), 1e-2 * free.scale))
        if free.name == "lon_0":
            step /= max(np.cos(np.radians(model.position_lonlat[1])), 1e-6)
        # Next to a limit all steps go to the other side, as far as that lies within limits.
        shift = max(free.lower - (value + offsets[0] * step), 0.0) - max(value + offsets[-1] * step - free.upper, 0.0)
        if shift:
            offsets = _NEAR_LIMIT
            weights = _one_sided(offsets + shift / step)
        rule = weights / step
        stencil = []
        for offset, weight in zip(offsets, rule, strict=True):
            there = x.copy()
            there[free.slot] = (value + shift + offset * step) / free.factor
            stencil.append((float(weight) * free.factor, part.at(there)))
        out.append((free.slot, stencil))
    return out


def _one_sided(offsets: Array) -> Array:
    """Weights of values at offsets that give the derivative at 0, exact for polynomials of their number."""
    powers = np.arange(offsets.size)
    return np.linalg.solve(offsets ** powers[:, None], (powers == 1).astype(np.float64))
