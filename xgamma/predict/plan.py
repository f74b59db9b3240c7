"""How a component is integrated over pixels and convolved with the PSF."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import radial
from xgamma.predict.component import Component
from xgamma.predict.window import Window

__all__ = ["Plan", "narrowest", "plan_of", "planned"]

Array = NDArray[np.float64]

_RESOLVED = 0.7
"""A PSF is resolved by pixels of up to 1 / 0.7 of its width (one sigma): a sampled Gaussian has aliases below 1e-4."""
_RESOLVED_SHARP = 1.6
"""The same for models that vary within a pixel, which leave the suppression of aliases to the PSF alone."""
_RESOLVED_SMALL = 2.4
"""The same for those that are smaller than a pixel (one sigma)."""
_SHELL = 4
"""Thickness in pixels from which on a shell is smooth, in spite of its edges."""
_COMPACT = 0.35
"""Models smaller than so many pixels (one sigma) are taken for a cloud of points."""
_MAX_FACTOR = 8
_MAX_FINE_PIXELS = 600_000
_MAX_SAMPLES = 400_000


@dataclass(frozen=True)
class Plan:
    """How a component is integrated: what depends on its shape and position by steps.

    Attributes
    ----------
    kind : {"point", "cloud", "extended"}
        Whether it is a point, a few points, or an image that is convolved.
    factor : int
        Into how many parts a pixel is cut along each dim.
    sampled : bool
        Whether the parts are fine enough to sample the PSF; otherwise it is integrated over them.
    parts : int
        Into how many parts these are cut again to integrate the model.
    half : tuple of int
        Reach of the PSF in pixels along y and x.
    row, column : int
        Labels of the pixel nearest to the component.
    """

    kind: str
    factor: int = 1
    sampled: bool = False
    parts: int = 1
    half: tuple[int, int] = (0, 0)
    row: int = 0
    column: int = 0


def plan_of(component: Component, profiles: Array | None, rad: Array) -> Plan:
    """Choose how to integrate a component, given the normalised profiles of the PSF at its position."""
    if component.is_point:
        return Plan("point")
    width = None if profiles is None else narrowest(profiles, rad)
    return planned(component, component.spatial, component.source, width, rad)


def planned(component: Component, spatial: Any, source: Window, width: float | None, rad: Array) -> Plan:
    """Choose as `plan_of` does, given the width of the narrowest profile in rad; None without PSF.

    The spatial model and its window need not be those of the component.
    """
    steps = component.steps
    if width is not None and _is_compact(spatial, min(steps), width):
        return Plan("cloud")
    place: dict[str, Any] = {"row": round(component.y), "column": round(component.x)}
    if width is None:
        return Plan("extended", parts=_parts(spatial, min(steps), source, 1), **place)
    wanted = math.ceil(_need(spatial, max(steps)) * math.radians(max(steps)) / width)
    size = source.shape[0] * source.shape[1]
    most = int(min(max(math.sqrt(_MAX_FINE_PIXELS / size), 1), _MAX_FACTOR))
    factor = min(max(wanted, 1), most)
    reach = math.degrees(rad[-1])
    half = math.ceil(1.05 * reach / steps[0]), math.ceil(1.05 * reach / steps[1])
    return Plan("extended", factor, wanted <= most, _parts(spatial, min(steps), source, factor), half, **place)


def _need(spatial: Any, step: float) -> float:
    """How many fine pixels the narrowest PSF has to cover with one sigma, given the step of the pixels in deg."""
    if spatial.spread_deg < step:
        return _RESOLVED_SMALL
    is_smooth = spatial.scale_deg >= (_SHELL if spatial.has_means else 1) * step
    return _RESOLVED if is_smooth else _RESOLVED_SHARP


def narrowest(profiles: Array, rad: Array) -> float:
    """Width in rad, one sigma if it were a Gaussian, of the narrowest of the profiles that are not zero."""
    return float(np.nanmin(radial.containment_radius(profiles, rad, 0.393), initial=rad[-1]))


def _is_compact(spatial: Any, step: float, width: float) -> bool:
    """Whether a model is much smaller than a pixel and the PSF is not."""
    return bool(spatial.spread_deg < _COMPACT * step and width > math.radians(_RESOLVED * step))


def _parts(spatial: Any, step: float, source: Window, factor: int) -> int:
    """Into how many parts the fine pixels are cut to integrate a model, each with two Gauss points along each dim.

    Models with a formula for means over pixels need no more parts.
    """
    if spatial.has_means:
        return 1
    step /= factor
    ny, nx = source.shape
    most = int(min(max(math.sqrt(_MAX_SAMPLES / (ny * nx)) / (2 * factor), 1), 32))
    return min(max(math.ceil(step / max(spatial.scale_deg, 1e-9)), 1), most)
