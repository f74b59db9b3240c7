"""An extended source whose shape changes where it stands: transforms of the PSF are set up once.

An exposure varies slowly on the sky, so that all true energies share a few images, and as few transforms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import radial
from xgamma.kernels.convolve import ROUNDING, backward_rows, forward_rows
from xgamma.kernels.products import combine, gram
from xgamma.kernels.sphere import rotate
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.placed import place
from xgamma.likelihood.transforms import Transforms, fitting, reach_of, seen_of, smallest, transforms_of, within
from xgamma.models.sphere import haversine
from xgamma.predict.component import Component
from xgamma.predict.extended import gauss_points, psf_kernels, solid_angles
from xgamma.predict.plan import Plan, narrowest, planned
from xgamma.predict.response import Payload
from xgamma.predict.window import Window, around, mesh_lonlat

__all__ = ["ShapeWindow", "shape_window"]

Array = NDArray[np.float64]

_GROWTH = 1.15
"""By which factor a model may grow before it is evaluated anew on a window of its own."""
_STEP = 1.02
"""By which factor it may grow before it needs transforms of the largest size."""
_ROUNDINGS = 3
"""Largest error of an exposure, in units of the precision of the numbers in which it is stored."""
_SPARE = 4.0
"""By which factor a flux may grow before what is lost beyond the smallest transforms is looked at again."""
_TINY = 1e-100
"""What stands for no background at all."""
_BLOCK = 40_000
"""About how many complex numbers stay in the cache."""
_MOST = 4_000_000
"""Number of frequencies of all kernels above which they are not kept."""


@dataclass(frozen=True)
class ShapeWindow:
    """Arrays of the largest window.

    Attributes
    ----------
    component : Component
        The source at its start, on the largest windows.
    radius : float
        Of the model at its start in deg.
    plan : Plan
        How it is integrated.
    psf_width : float
        Width of the narrowest PSF in rad.
    rad : ndarray
        Radii of the PSF in rad.
    bins : ndarray of int, shape (bin,)
        Bins that it reaches.
    bare : ndarray of int
        Which of them have no background.
    seen : ndarray, shape (energy_true, y, x), or None
        Counts inside the mask for a unit of flux in a fine pixel of the source; None where the mask is the same for all
        pixels of the target.
    caught : ndarray, shape (energy_true,)
        Share of the counts that is measured at an energy inside the mask, where it is the same for all pixels.
    nodes : tuple of ndarray
        Longitudes and latitudes in the frame of the model where it is integrated: corners of the fine pixels where it
        has a formula for their means, otherwise those of all points in a pixel, shape (point, y, x); for a circular
        Gaussian, haversines.
    weight : ndarray, shape (y, x)
        Solid angle of each node's share of a fine pixel.
    shares, basis : ndarray, shape (energy_true, r) and (y, r, x)
        Exposure as combinations of a few images on fine pixels.
    worst : ndarray, shape (energy_true,)
        Largest exposure, over the least background of the bins that are reached from there.
    transforms : tuple of Transforms
        The smallest first; the last one loses nothing.
    edisp : ndarray, shape (energy_true, energy)
        Energy dispersion.
    """

    component: Component
    radius: float
    plan: Plan
    psf_width: float
    rad: Array
    bins: NDArray[np.intp]
    bare: NDArray[np.intp]
    seen: Array | None
    caught: Array
    nodes: tuple[Array, ...]
    weight: Array
    shares: Array
    basis: Array
    worst: Array
    transforms: tuple[Transforms, ...]
    edisp: Array

    def shape(self, model: Any) -> Window | None:
        """Find the pixels on which a model does not vanish; None where it has to be evaluated anew."""
        component = self.component
        radius = model.radius_deg
        if radius > _GROWTH * self.radius or (len(self.nodes) == 1 and model.values["e"] != 0):
            return None
        source = around(component.y, component.x, component.steps, radius)
        found = planned(component, model, source, self.psf_width, self.rad)
        return source if found == self.plan else None

    def sorted_by(self, place: NDArray[np.intp]) -> ShapeWindow:
        """Return the same with the bins in the order of their places among others."""
        order = np.argsort(place.take(self.bins), kind="stable")
        transforms = tuple(
            replace(part, place=part.place.take(order), outside=part.outside.take(order)) for part in self.transforms
        )
        bare = np.flatnonzero(np.isin(order, self.bare))
        return replace(self, bins=self.bins.take(order), bare=bare, transforms=transforms)

    def counts(self, model: Any, source: Window, fluxes: Array) -> tuple[Array, Array]:
        """Return counts (bin, k) of a model for k fluxes (k, energy_true), and their sums (k,) over the mask."""
        factor, k = self.plan.factor, len(fluxes)
        fine = within(source, self.component.source, factor)
        image = self._image(model, fine)
        worst = np.abs(fluxes).max(axis=0) * self.worst
        *smaller, last = self.transforms
        found = next((part for part in smaller if part.holds(source, factor, image, worst)), last)
        first = (source.y_0 - found.kept.y_0) * factor, (source.x_0 - found.kept.x_0) * factor
        transform = forward_rows(self.basis[fine[0], :, fine[1]] * image[:, None], found.size, first)
        if self.seen is None:
            # The first frequency is the sum of an image.
            total = (fluxes * self.caught) @ (self.shares @ transform[0, :, 0].real)
        else:
            total = fluxes @ np.einsum("tyx,yx->t", self.seen[:, fine[0], fine[1]], image)
        out = backward_rows(self._blurred(transform, found.kernels, fluxes), found.size, found.rows)
        if self.bare.size:
            noise = ROUNDING * np.abs(out).max(axis=(0, 2), initial=0.0)
            out[np.abs(out) <= noise[:, None]] = 0.0
        ny, nx = len(out) // factor, found.size[1] // factor
        if factor > 1:
            out = out[..., : nx * factor].reshape(ny, factor, -1, nx, factor).sum(axis=(1, 4))
        images = np.ascontiguousarray(out.reshape(ny, k, -1, nx).swapaxes(0, 1)).reshape(k, -1)
        counts = images.take(found.place, axis=1, mode="clip")
        np.copyto(counts, 0.0, where=found.outside)
        return counts.T, total

    def _blurred(
        self, transform: NDArray[np.complex128], kernels: NDArray[np.complex128], fluxes: Array
    ) -> NDArray[np.complex128]:
        """Convolve images (frequency y, image, frequency x) with the PSF and combine them for fluxes and energies."""
        weights = (fluxes[:, None] * self.edisp.T).reshape(-1, len(self.edisp))
        rows, _, columns = transform.shape
        # All true energies of a few frequencies at a time, which stay in the cache.
        step = max(1, _BLOCK // (len(self.edisp) * columns))
        out = np.empty((rows, len(weights), columns), dtype=np.complex128)
        buffer = np.empty((step, len(self.edisp), columns), dtype=np.complex128)
        for start in range(0, rows, step):
            here = slice(start, min(start + step, rows))
            mixed = buffer[: here.stop - start]
            # Frequencies along x are pairs of real numbers. One product for each frequency along y: those of all at
            # once wake other threads, which takes ever so long where they are busy.
            np.matmul(self.shares, transform[here].view(np.float64), out=mixed.view(np.float64))
            mixed *= kernels[here]
            np.matmul(weights, mixed.view(np.float64), out=out[here].view(np.float64))
        return out

    def _image(self, model: Any, fine: tuple[slice, slice]) -> Array:
        """Integrals (y, x) of a model over those fine pixels of the largest window."""
        if model.has_means:
            corners = tuple(slice(part.start, part.stop + 1) for part in fine)
            values = model.means(*(part[corners] for part in self.nodes))
        else:
            nodes = [part[:, *fine] for part in self.nodes]
            values = model.at_haversine(*nodes) if len(nodes) == 1 else model.evaluate_lonlat(*nodes)
            values = values.sum(axis=0)
            if not np.isfinite(values).all():
                values = np.nan_to_num(values)
        return np.asarray(values * self.weight[fine])


def shape_window(bins: Bins, payload: Payload, model: Any, reach: float) -> ShapeWindow | None:
    """Set up a source whose position stays; None where that cannot be done, or takes too much memory.

    Parameters
    ----------
    bins : Bins
        The bins of the dataset.
    payload : Payload
        The source with its responses.
    model : SpatialModel
        Its model at the start.
    reach : float
        Of the PSF in deg.
    """
    assert bins.grid is not None
    grid, component = bins.grid, payload.component
    radius = model.radius_deg
    steps = component.y, component.x, component.steps
    source = around(*steps, _GROWTH * radius)
    target = around(*steps, _GROWTH * radius + reach)
    larger = replace(component, source=source, target=target)
    item = place(payload.moved(larger, payload.edisp, payload.profiles), bins.whole)
    response, target = item.response, item.window
    if response.profiles is None or response.reconstructed or model.is_energy_dependent:
        return None
    profiles = radial.normalize(response.profiles, response.rad)
    width = narrowest(profiles, response.rad)
    plan = planned(component, component.spatial, component.source, width, response.rad)
    if plan.kind != "extended":
        return None
    factor, fine = plan.factor, plan.factor * plan.parts
    kernels = psf_kernels(grid, plan, profiles, response.rad)
    total = kernels.sum(axis=(1, 2), keepdims=True)
    kernels /= np.where(total > 0, total, np.inf)
    half = reach_of(kernels, factor)
    trim = [
        slice((all_of - own) * factor, (all_of + own) * factor + 1) for all_of, own in zip(plan.half, half, strict=True)
    ]
    kernels = kernels[:, trim[0], trim[1]]
    size, kept = fitting(source.grow(*half), factor)
    if len(profiles) * size[0] * (size[1] // 2 + 1) > _MOST:
        return None
    index = bins.within(target)
    along_y, along_x, place_y, place_x = bins.slices(target)
    inside = np.zeros((target.shape[0], len(bins.inside), target.shape[1]))
    energies = np.arange(len(bins.inside))
    inside[np.ix_(place_y, energies, place_x)] = bins.inside[:, along_y, along_x].swapaxes(0, 1)
    points = source.edges(factor) if model.has_means else [gauss_points(part, fine) for part in source.labels(fine)]
    lon, lat = rotate(*mesh_lonlat(grid, *points), component.rotation)
    if model.has_means and not np.isfinite(lon + lat).all():
        return None
    nodes: tuple[Array, ...] = (
        (lon, lat) if model.has_means else (_by_point(lon, 2 * plan.parts), _by_point(lat, 2 * plan.parts))
    )
    if model.tag[0] == "GaussianSpatialModel" and model.values["e"] == 0:
        nodes = (haversine(*nodes, *model.position_lonlat),)
    area = np.repeat(np.repeat(solid_angles(grid, source), factor, axis=0), factor, axis=1)
    shares, basis = np.ones((response.edisp.shape[0], 1)), np.ones((1, *area.shape))
    if component.use_exposure:
        stored = payload.variable.dtype
        exposure = item.exposure.at(grid, *source.labels(factor))
        shares, basis = _few_images(exposure, _ROUNDINGS * float(np.finfo(stored).eps) if stored.kind == "f" else 0.0)
    places = bins.y[index], bins.x[index], bins.e[index]

    def transforms(size: tuple[int, int], kept: Window) -> Transforms:
        return transforms_of(kernels, size, kept, factor, target, places, len(bins.inside))

    last, seen = transforms(size, kept), None
    blurred = source.grow(*half)
    if blurred & target != blurred or (inside != inside[:1, :, :1]).any():
        seen = seen_of(inside, target, source, factor, response.edisp, last)
        seen *= np.tensordot(shares, basis, axes=1)
    window = ShapeWindow(
        component=replace(component, source=source, target=target),
        radius=radius,
        plan=plan,
        psf_width=width,
        rad=response.rad,
        bins=index,
        bare=np.flatnonzero(bins.bare[index]),
        seen=seen,
        caught=response.edisp @ inside[0, :, 0],
        nodes=nodes,
        weight=area / (factor if model.has_means else 2 * fine) ** 2,
        shares=shares,
        basis=np.ascontiguousarray(basis.swapaxes(0, 1)),
        worst=_worst(bins, index, response.edisp) * np.abs(np.tensordot(shares, basis, axes=1)).max(axis=(1, 2)),
        transforms=(last,),
        edisp=response.edisp,
    )
    start = around(*steps, radius)
    image = window._image(model, within(start, source, factor))
    worst = _SPARE * np.abs(component.flux) * window.worst
    chosen = smallest(kernels, (around(*steps, _STEP * radius), source), start, half, factor, image, worst)
    room = _MOST // len(profiles) - size[0] * (size[1] // 2 + 1)
    for one in chosen:
        room -= one[0][0] * (one[0][1] // 2 + 1)
    if room < 0 or not chosen[0][1] & target:
        return window
    return replace(window, transforms=(*(transforms(*one) for one in chosen if one[0] != size), last))


def _worst(bins: Bins, index: NDArray[np.intp], edisp: Array) -> Array:
    """One over the least background of some bins that each true energy reaches."""
    least = np.full(edisp.shape[1], np.inf)
    np.minimum.at(least, bins.e[index], np.where(bins.bare[index], 0.0, bins.b[index]))
    return np.asarray(1 / np.maximum(np.where(edisp > 0, least, np.inf).min(axis=1), _TINY))


def _by_point(values: Array, parts: int) -> Array:
    """Take apart values (y * parts, x * parts): those of each of the points in a pixel, shape (point, y, x)."""
    ny, nx = (n // parts for n in values.shape)
    return values.reshape(ny, parts, nx, parts).transpose(1, 3, 0, 2).reshape(-1, ny, nx)


def _few_images(exposure: Array, tolerance: float) -> tuple[Array, Array]:
    """Images and their shares in an exposure (energy_true, y, x), to a part of the largest value of each energy."""
    flat = exposure.reshape(len(exposure), -1)
    scale = np.abs(flat).max(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    flat = flat / scale
    # A decomposition of the products of all pairs, in one thread: that of the images wakes others.
    turned = np.linalg.eigh(gram(flat.T, flat.T))[1][:, ::-1]
    images = combine(turned.T, flat)
    errors = (np.abs(combine(turned[:, r:], images[r:])).max() for r in range(1, len(flat)))
    rank = next((r for r, error in enumerate(errors, start=1) if error <= tolerance), len(flat))
    return scale * turned[:, :rank], images[:rank].reshape(rank, *exposure.shape[1:])
