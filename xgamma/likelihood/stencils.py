"""Steps of position and shape for derivatives by differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.likelihood.parameters import Part

__all__ = ["Stencils", "stencils"]

Array = NDArray[np.float64]
Stencils = list[tuple[int, list[tuple[float, Any]]]]

_STEP, _WIDE_STEP = 5e-4, 0.1
"""Steps of the differences in position and shape, in pixels or relative to a parameter: smooth and kinked models."""
_NARROW = np.array([-1.0, 1.0]), np.array([-0.5, 0.5])
_NEAR_LIMIT = np.array([-1.0, 0.0, 1.0])
_WIDE = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12
_KINKED = ("ShellSpatialModel", "Shell2SpatialModel")
"""The brightness of a shell rises at its edges like a square root: sampled at points, its sum over a pixel follows the
radius in steps, and has a derivative on the scale of pixels alone."""
_EDGELESS = 10
"""Thickness in pixels from which on a shell is smooth."""
_SIZES = ("sigma", "r_0", "radius", "width")


def stencils(part: Part, pixel: float, x: Array, model: Any, which: NDArray[np.bool_] | None = None) -> Stencils:
    """Return models around one, with the weights that give the derivative for each parameter of shape and position.

    Steps are a small part of a pixel, or of the edge of a disk; those of shells, see `_KINKED`, are a tenth of a pixel.
    """
    scale = model.scale.to_value("deg")
    kinked = model.tag[0] in _KINKED and scale < _EDGELESS * pixel
    size, most = (_WIDE_STEP, pixel) if kinked else (_STEP, min(pixel, scale or pixel))
    out = []
    for free in part.free:
        if which is not None and not which[free.slot]:
            continue
        offsets, weights = _WIDE if kinked else _NARROW
        value = x[free.slot] * free.factor
        step = size * max(abs(value), 1e-2 * free.scale)
        if free.name in ("lon_0", "lat_0"):
            step = size * most
        elif free.name in _SIZES:
            step = min(size * most, 0.1 * max(abs(value), 1e-2 * free.scale))
        if free.name == "lon_0":
            step /= max(np.cos(np.radians(model.position_lonlat[1])), 1e-6)
        # Next to a limit all steps go to the other side, as far as that lies within limits.
        shift = max(free.lower - (value + offsets[0] * step), 0.0) - max(value + offsets[-1] * step - free.upper, 0.0)
        if shift:
            offsets = offsets if kinked else _NEAR_LIMIT
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
