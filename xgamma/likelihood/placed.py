"""Components of source models with the responses at their positions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels.convolve import ROUNDING as EXTENDED_ROUNDING
from xgamma.kernels.products import gram
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.deep import Image
from xgamma.likelihood.source import Fixed, fixed_of
from xgamma.models import SkyModel
from xgamma.predict.component import Component, rotation_between
from xgamma.predict.plan import Plan
from xgamma.predict.response import Exposure, Payload, Response
from xgamma.predict.tile import ROUNDING as POINT_ROUNDING
from xgamma.predict.tile import counts_on
from xgamma.predict.window import Window, pixel_steps

__all__ = ["Placed", "compiled", "evaluated", "place", "somewhere", "weights_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Placed:
    """A component with the responses at its position, as arrays."""

    component: Component
    window: Window
    exposure: Exposure
    response: Response

    def counts(
        self, bins: Bins, energy_true: Array, matrix: Array, plan: Plan | None = None, exact: bool = False
    ) -> Array:
        """Images (n, y, x) on the window, see `xgamma.predict.tile.counts_on`."""
        assert bins.grid is not None
        return counts_on(
            self.window, bins.grid, self.component, self.exposure, self.response, energy_true, matrix, plan, exact
        )

    def rounding(self, bins: Bins, images: Array, weights: Array | None = None) -> Array:
        """Return counts that are taken for rounding in images for weights (energy_true, ...), by default 1."""
        assert bins.grid is not None
        if not self.component.is_point:
            return EXTENDED_ROUNDING * np.abs(images).max(axis=(-2, -1), initial=0.0)
        exposure = np.ones(self.response.edisp.shape[0])
        if self.component.use_exposure:
            y, x = np.array([self.component.y]), np.array([self.component.x])
            exposure = self.exposure.at(bins.grid, y, x)[:, 0, 0]
        return POINT_ROUNDING * (exposure if weights is None else np.tensordot(exposure, weights, axes=1))


def place(payload: Payload, whole: Window) -> Placed:
    """Load the arrays of a component."""
    window = payload.component.target & whole
    _, (values, scale, *place), (edisp, profiles, *rest), _ = payload.on(window)
    exposure = Exposure(np.asarray(values, dtype=np.float64) * scale, *place)
    profiles = None if profiles is None else np.asarray(profiles, dtype=np.float64)
    return Placed(payload.component, window, exposure, Response(np.asarray(edisp, dtype=np.float64), profiles, *rest))


def somewhere(bins: Bins, model: SkyModel, flux: Array) -> Component:
    """Return a component in the middle of the map, for a source that is not on it."""
    assert bins.grid is not None
    spatial, whole = model.spatial_model, bins.full
    assert spatial is not None
    y, x = (whole.y_0 + whole.y_1 - 1) / 2, (whole.x_0 + whole.x_1 - 1) / 2
    return Component(
        name=model.name,
        flux=flux,
        spatial=spatial,
        lonlat=None,
        y=y,
        x=x,
        steps=pixel_steps(bins.grid, y, x),
        source=whole,
        target=whole,
        rotation=rotation_between(bins.grid.frame, spatial.frame),
        **{f"use_{key}": bool(model.apply_irf.get(key, True)) for key in ("exposure", "psf", "edisp")},
    )


def weights_of(fluxes: Array, edisp: Array) -> Array:
    """Weights (energy_true, k * energy) of k fluxes (k, energy_true)."""
    return (fluxes.T[:, :, None] * edisp[:, None, :]).reshape(edisp.shape[0], -1)


def compiled(bins: Bins, items: list[Placed], energy_true: Array, fluxes: Array | None) -> tuple[Fixed, list[Image]]:
    """Return counts for each of some fluxes (k, energy_true), or for each true energy; and all of them as images."""
    nenergy, ntrue = bins.inside.shape[0], energy_true.size
    k = ntrue if fluxes is None else len(fluxes)
    chosen, rows, total = [np.zeros(0, np.intp)], [np.zeros((0, k))], np.zeros(k)
    noise, out = np.zeros((k, nenergy)), []
    for item in items:
        edisp, window = item.response.edisp, item.window
        along_y, along_x, place_y, place_x = bins.slices(window)
        inside = bins.inside[:, along_y, along_x].reshape(nenergy, -1).astype(np.float64)
        index = bins.within(window)
        e, y, x = bins.e[index], bins.y[index] - window.y_0, bins.x[index] - window.x_0
        if fluxes is None and not item.response.reconstructed:
            # One image for each true energy: the dispersion is applied to bins and sums alone.
            images = item.counts(bins, energy_true, np.eye(ntrue), exact=True)
            rows.append(images[:, y, x].T * edisp[:, e].T)
            sums = gram(images[:, place_y][:, :, place_x].reshape(k, -1).T, inside.T)
            total += (sums * edisp).sum(axis=1)
            noise += item.rounding(bins, images)[:, None] * edisp
            out.append(Image(window, images, edisp))
        else:
            matrix = weights_of(np.eye(ntrue) if fluxes is None else fluxes, edisp)
            images = item.counts(bins, energy_true, matrix, exact=True).reshape(k, nenergy, *window.shape)
            rows.append(images[:, e, y, x].T)
            total += _summed(images[:, :, place_y][..., place_x], inside)
            noise += item.rounding(bins, images, np.abs(matrix).reshape(ntrue, k, nenergy))
            out.append(Image(window, images))
        chosen.append(index)
    return fixed_of(bins, np.concatenate(chosen), np.concatenate(rows), total, noise=noise), out


def evaluated(
    bins: Bins, items: list[Placed], energy_true: Array, fluxes: Array, plans: list[Plan] | None = None
) -> Fixed:
    """Return counts for each of some fluxes (k, energy_true), the first being the flux, the others its derivatives.

    There is no bound on the ratio to the background: with negative fluxes, all bins have to be evaluated.
    """
    k = len(fluxes)
    chosen, rows, total = [np.zeros(0, np.intp)], [np.zeros((0, k))], np.zeros(k)
    for item, plan in zip(items, plans or itertools.repeat(None), strict=False):
        window = item.window
        index = bins.within(window)
        e, y, x = bins.e[index], bins.y[index] - window.y_0, bins.x[index] - window.x_0
        images = item.counts(bins, energy_true, weights_of(fluxes, item.response.edisp), plan)
        images = images.reshape(k, -1, *window.shape)
        along_y, along_x, place_y, place_x = bins.slices(window)
        part = images
        if (place_y.size, place_x.size) != window.shape:
            part = images[:, :, place_y][..., place_x]
        chosen.append(index)
        rows.append(images[:, e, y, x].T)
        total += _summed(part, bins.inside[:, along_y, along_x])
    return fixed_of(bins, np.concatenate(chosen), np.concatenate(rows), total)


def _summed(images: Array, inside: NDArray[Any]) -> Array:
    """Sum each of some images (k, energy, y, x) over the mask."""
    return gram(images.reshape(len(images), -1).T, inside.reshape(-1, 1))[:, 0]
