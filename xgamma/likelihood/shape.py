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
from xgamma.kernels.sphere import rotate
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.placed import place
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
_BLOCK = 40_000
"""About how many complex numbers stay in the cache."""
_MOST = 4_000_000
"""Number of frequencies of all kernels above which they are not kept."""


@dataclass(frozen=True)
class Transforms:
    """Transforms of the PSF.

    Attributes
    ----------
    size : tuple of int
        Size of the images that are transformed.
    kernels : ndarray, shape (frequency y, energy_true, frequency x)
        Of the PSF on fine pixels.
    place : ndarray of int, shape (bin,)
        Where the bins that are reached lie in images (y, energy, x) of the target, these as wide as what comes back
        from transforms.
    """

    size: tuple[int, int]
    kernels: NDArray[np.complex128]
    place: NDArray[np.intp]


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
    bins, row, column : ndarray of int, shape (bin,)
        Bins that it reaches, and how many pixels these are away from that of the source along y and x.
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
    half : tuple of int
        Reach of the PSF in pixels along y and x.
    transforms : tuple of Transforms
        The smallest first.
    edisp : ndarray, shape (energy_true, energy)
        Energy dispersion.
    """

    component: Component
    radius: float
    plan: Plan
    psf_width: float
    rad: Array
    bins: NDArray[np.intp]
    row: NDArray[np.int32]
    column: NDArray[np.int32]
    bare: NDArray[np.intp]
    seen: Array | None
    caught: Array
    nodes: tuple[Array, ...]
    weight: Array
    shares: Array
    basis: Array
    half: tuple[int, int]
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
        bare = np.isin(order, self.bare)
        return replace(
            self,
            **{name: getattr(self, name).take(order) for name in ("bins", "row", "column")},
            bare=np.flatnonzero(bare),
            transforms=tuple(replace(part, place=part.place.take(order)) for part in self.transforms),
        )

    def counts(self, model: Any, source: Window, fluxes: Array) -> tuple[Array, Array]:
        """Return counts (bin, k) of a model for k fluxes (k, energy_true), and their sums (k,) over the mask."""
        whole, factor, k = self.component.target, self.plan.factor, len(fluxes)
        fine = _within(source, self.component.source, factor)
        image = self._image(model, fine)
        need = [n + 2 * half * factor for n, half in zip(image.shape, self.half, strict=True)]
        found = next(t for t in self.transforms if need[0] <= t.size[0] and need[1] <= t.size[1])
        transform = forward_rows(self.basis[fine[0], :, fine[1]] * image[:, None], found.size)
        if self.seen is None:
            # The first frequency is the sum of an image.
            total = (fluxes * self.caught) @ (self.shares @ transform[0, :, 0].real)
        else:
            total = fluxes @ np.einsum("tyx,yx->t", self.seen[:, fine[0], fine[1]], image)
        combined = self._blurred(transform, found.kernels, fluxes)
        blurred = source.grow(*self.half)
        inner = blurred & whole
        rows, columns = _within(inner, blurred, factor)
        out = backward_rows(combined, found.size, rows)
        if self.bare.size:
            noise = ROUNDING * np.abs(out[..., columns]).max(axis=(0, 2), initial=0.0)
            out[np.abs(out) <= noise[:, None]] = 0.0
        ny, nx = inner.shape[0], found.size[1] // factor
        if factor > 1:
            out = out[..., : nx * factor].reshape(ny, factor, -1, nx, factor).sum(axis=(1, 4))
        images = np.ascontiguousarray(out.reshape(ny, k, -1, nx).swapaxes(0, 1)).reshape(k, -1)
        first = (inner.y_0 - whole.y_0) * (out.shape[1] // k) * nx + blurred.x_0 - whole.x_0
        counts = images.take(found.place - first, axis=1, mode="clip")
        if inner != whole:
            # Windows have the pixel of the source in the middle.
            beyond = self.row > blurred.shape[0] // 2
            beyond |= self.column > blurred.shape[1] // 2
            np.copyto(counts, 0.0, where=beyond)
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


def _within(part: Window, whole: Window, factor: int) -> tuple[slice, slice]:
    """Where the fine pixels of a window lie in another."""
    return (
        slice((part.y_0 - whole.y_0) * factor, (part.y_1 - whole.y_0) * factor),
        slice((part.x_0 - whole.x_0) * factor, (part.x_1 - whole.x_0) * factor),
    )


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
    from scipy.fft import next_fast_len

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
    half = _reach(kernels, factor)
    trim = [
        slice((all_of - own) * factor, (all_of + own) * factor + 1) for all_of, own in zip(plan.half, half, strict=True)
    ]
    sizes = []
    for window in (around(*steps, _STEP * radius), source):
        full = [(n + 2 * own) * factor for n, own in zip(window.shape, half, strict=True)]
        # Transforms along y are those of complex numbers.
        sizes.append((int(next_fast_len(full[0])), int(next_fast_len(full[1], real=True))))
    if sum(len(profiles) * rows * (columns // 2 + 1) for rows, columns in sizes) > _MOST:
        return None
    kernels = kernels[:, trim[0], trim[1]].swapaxes(0, 1)
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
    row, column = bins.y[index] - target.y_0, bins.x[index] - target.x_0
    line = row * len(bins.inside) + bins.e[index]
    transforms = tuple(
        Transforms(size, forward_rows(kernels, size), line * (size[1] // factor) + column)
        for size in dict.fromkeys(sizes)
    )
    seen = None
    blurred = source.grow(*half)
    if blurred & target != blurred or (inside != inside[:1, :, :1]).any():
        seen = _seen(inside, target, source, half, factor, response.edisp, transforms[-1])
        seen *= np.tensordot(shares, basis, axes=1)
    return ShapeWindow(
        component=replace(component, source=source, target=target),
        radius=radius,
        plan=plan,
        psf_width=width,
        rad=response.rad,
        bins=index,
        row=np.abs(bins.y[index] - plan.row).astype(np.int32),
        column=np.abs(bins.x[index] - plan.column).astype(np.int32),
        bare=np.flatnonzero(bins.bare[index]),
        seen=seen,
        caught=response.edisp @ inside[0, :, 0],
        nodes=nodes,
        weight=area / (factor if model.has_means else 2 * fine) ** 2,
        shares=shares,
        basis=np.ascontiguousarray(basis.swapaxes(0, 1)),
        half=half,
        transforms=transforms,
        edisp=response.edisp,
    )


def _seen(
    inside: Array, target: Window, source: Window, half: tuple[int, int], factor: int, edisp: Array, last: Transforms
) -> Array:
    """Share of the flux of each fine pixel of a source that ends inside of a mask (y, energy, x) of its target.

    The mask is convolved with the mirrored PSF. Result shape (energy_true, y, x).
    """
    blurred = source.grow(*half)
    mask = np.zeros((blurred.shape[0], len(edisp), blurred.shape[1]))
    part = target & blurred
    to, of = _within(part, blurred, 1), _within(part, target, 1)
    mask[to[0], :, to[1]] = edisp @ inside[of[0], :, of[1]]
    transform = forward_rows(mask.repeat(factor, axis=0).repeat(factor, axis=2), last.size) * last.kernels.conj()
    ny, nx = (n * factor for n in source.shape)
    return np.ascontiguousarray(backward_rows(transform, last.size, slice(ny))[..., :nx].swapaxes(0, 1))


def _by_point(values: Array, parts: int) -> Array:
    """Take apart values (y * parts, x * parts): those of each of the points in a pixel, shape (point, y, x)."""
    ny, nx = (n // parts for n in values.shape)
    return values.reshape(ny, parts, nx, parts).transpose(1, 3, 0, 2).reshape(-1, ny, nx)


def _reach(kernels: Array, factor: int) -> tuple[int, int]:
    """How many pixels of so many fine ones kernels (n, y, x) reach along y and x."""
    some: NDArray[np.bool_] = np.any(kernels != 0, axis=0)
    lines = some.any(axis=1), some.any(axis=0)
    y, x = (np.abs(np.flatnonzero(line) - line.size // 2).max(initial=0) for line in lines)
    return -(-int(y) // factor), -(-int(x) // factor)


def _few_images(exposure: Array, tolerance: float) -> tuple[Array, Array]:
    """Images and their shares in an exposure (energy_true, y, x), to a part of the largest value of each energy."""
    flat = exposure.reshape(len(exposure), -1)
    scale = np.abs(flat).max(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    left, sizes, right = np.linalg.svd(flat / scale, full_matrices=False)
    errors = (np.abs((left[:, r:] * sizes[r:]) @ right[r:]).max() for r in range(1, sizes.size))
    rank = next((r for r, error in enumerate(errors, start=1) if error <= tolerance), sizes.size)
    return scale * left[:, :rank] * sizes[:rank], right[:rank].reshape(rank, *exposure.shape[1:])
