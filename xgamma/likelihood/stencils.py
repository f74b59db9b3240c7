"""Steps of position and shape for derivatives by differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.likelihood.parameters import Part

__all__ = ["Stencils", "stencils"]

Array = NDArray[np.float64]
Stencils = list[tuple[int, list[tuple[float, Any]]]]

_STEP, _WIDE_STEP = 2e-3, 0.1
"""Steps of the differences in position and shape, in pixels or relative to a parameter: smooth and sharp models."""
_NARROW = np.array([-1.0, 1.0]), np.array([-0.5, 0.5])
_WIDE = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12
_SMOOTH = ("GaussianSpatialModel", "PointSpatialModel", "ConstantSpatialModel")
_EDGELESS = 10
"""Width in pixels from which on the edge of a model is no edge."""
_SIZES = ("sigma", "r_0", "radius", "width")


def stencils(part: Part, pixel: float, x: Array, model: Any, which: NDArray[np.bool_] | None = None) -> Stencils:
    """Return models around one, with the weights that give the derivative for each parameter of shape and position.

    Models that vary within a pixel are sampled at points: only on the scale of these are they smooth.
    """
    scale = model.scale.to_value("deg")
    sharp = model.tag[0] not in _SMOOTH and 0 < scale < _EDGELESS * pixel
    offsets, weights = _WIDE if sharp else _NARROW
    size = _WIDE_STEP if sharp else _STEP
    out = []
    for free in part.free:
        if which is not None and not which[free.slot]:
            continue
        value = x[free.slot] * free.factor
        step = size * max(abs(value), 1e-2 * free.scale)
        if free.name in ("lon_0", "lat_0"):
            step = size * pixel
        elif sharp and free.name in _SIZES:
            step = min(size * pixel, 0.1 * max(abs(value), 1e-2 * free.scale))
        if free.name == "lon_0":
            step /= max(np.cos(np.radians(model.position_lonlat[1])), 1e-6)
        # Next to a limit all steps go to the other side, as far as that lies within limits.
        shift = max(free.lower - (value + offsets[0] * step), 0.0) - max(value + offsets[-1] * step - free.upper, 0.0)
        rule = weights / step if shift == 0 else _one_sided(offsets + shift / step) / step
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
