"""Predicted counts of one extended component on one rectangle of pixels, with numpy arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xgamma.coords import SkyGrid, projection
from xgamma.kernels import radial
from xgamma.kernels.convolve import block_sum, contract_convolve
from xgamma.kernels.lowrank import few_rows
from xgamma.kernels.products import Combined, combine
from xgamma.kernels.sphere import rotate
from xgamma.predict.component import Component
from xgamma.predict.plan import Plan
from xgamma.predict.response import Exposure, Response
from xgamma.predict.window import Window, mesh_lonlat, on_plane, outer_lonlat, profile_integrals

__all__ = ["extended_counts", "gauss_points", "model_image", "psf_kernels", "solid_angles"]

Array = NDArray[np.float64]


def model_image(
    component: Component, grid: SkyGrid, window: Window, factor: int, parts: int, energy_true: Array
) -> Array:
    """Integral of the spatial model over pixels or their equal parts.

    Parameters
    ----------
    component : Component
        With an extended spatial model.
    grid : SkyGrid
        Grid of the counts.
    window : Window
        Pixels wanted.
    factor : int
        Into how many parts a pixel is cut along each dim.
    parts : int
        Into how many parts these are cut again to integrate the model.
    energy_true : ndarray
        Centres of the true-energy bins in TeV.

    Returns
    -------
    ndarray, shape (energy_true or 1, y * factor, x * factor)
        Without unit, or in the unit of the spatial model times sr.
    """
    spatial, area = component.spatial, solid_angles(grid, window)
    weight = np.repeat(np.repeat(area, factor, axis=0), factor, axis=1) / factor**2
    if spatial.has_means:
        values = spatial.means(*rotate(*mesh_lonlat(grid, *window.edges(factor)), component.rotation))
        if not np.isfinite(values).all():
            # Next to the rim of a projection.
            centres = rotate(*mesh_lonlat(grid, *window.labels(factor)), component.rotation)
            values = np.where(np.isfinite(values), values, spatial.evaluate_lonlat(*centres))
        return np.nan_to_num(values)[None] * weight
    labels_y, labels_x = (gauss_points(labels, factor * parts) for labels in window.labels(factor * parts))
    lon, lat = rotate(*outer_lonlat(grid, labels_y, labels_x), component.rotation)
    if spatial.is_energy_dependent:
        values = np.stack([spatial.evaluate_lonlat(lon, lat, energy) for energy in energy_true])
    else:
        values = spatial.evaluate_lonlat(lon, lat)[None]
    return np.nan_to_num(block_sum(values, 2 * parts)) * (weight / (2 * parts) ** 2)


def gauss_points(labels: Array, parts: int) -> Array:
    """Two Gauss-Legendre points in each part of a pixel, given the centres of the parts."""
    return (labels[:, None] + np.array([-1, 1]) / (2 * np.sqrt(3) * parts)).ravel()


def solid_angles(grid: SkyGrid, window: Window) -> Array:
    """Solid angle of each pixel of a window in sr, 0 off the sky."""
    labels = np.arange(window.y_0, window.y_1), np.arange(window.x_0, window.x_1)
    return np.nan_to_num(projection.solid_angle(grid, *labels))


def extended_counts(
    window: Window,
    grid: SkyGrid,
    component: Component,
    exposure: Exposure,
    matrix: Array,
    profiles: Array | None,
    response: Response,
    energy_true: Array,
    plan: Plan,
    exact: bool,
) -> Combined:
    """Images of an extended model, arguments as for `counts_on`.

    The model is integrated over pixels that are fine enough to resolve the PSF, and convolved with the PSF at their
    centres: the integral over the target pixel is then already in the image.
    """
    factor, half = plan.factor, plan.half
    source = window.grow(*half) & component.source
    inner = window & source.grow(*half)
    if not (source and inner):
        return Combined(np.zeros((matrix.shape[1], *window.shape)))
    image = _exposed(
        model_image(component, grid, source, factor, plan.parts, energy_true),
        exposure,
        component,
        grid,
        source.labels(factor),
        len(matrix),
    )
    offset = (inner.y_0 - source.y_0 + half[0]) * factor, (inner.x_0 - source.x_0 + half[1]) * factor
    y, x = (slice(o, o + n * factor) for o, n in zip(offset, inner.shape, strict=True))
    spread = _spread(grid, plan, image, matrix, profiles, response, y, x, exact)
    counts = spread.apply(lambda images: block_sum(images, factor))
    if inner == window:
        return counts
    margin = (inner.y_0 - window.y_0, window.y_1 - inner.y_1), (inner.x_0 - window.x_0, window.x_1 - inner.x_1)
    return counts.apply(lambda images: np.pad(images, ((0, 0), *margin)))


def _exposed(
    image: Array, exposure: Exposure, component: Component, grid: SkyGrid, labels: tuple[Array, Array], ntrue: int
) -> Combined:
    """Multiply an image (energy_true or 1, y, x) by the exposure, shape (energy_true, y, x).

    A few images make all of them where the shape of the exposure on the sky does not change with energy.
    """
    if len(image) == 1 and not component.use_exposure:
        return Combined(image, np.ones((ntrue, 1)))
    if len(image) == 1 and (few := few_rows(exposure.values.reshape(ntrue, -1))):
        chosen, shares = few
        return Combined(image * replace(exposure, values=exposure.values[chosen]).at(grid, *labels), shares)
    if component.use_exposure:
        image = image * exposure.at(grid, *labels)
    few = few_rows(image.reshape(ntrue, -1))
    return Combined(image[few[0]], few[1]) if few else Combined(image)


def _spread(
    grid: SkyGrid,
    plan: Plan,
    images: Combined,
    matrix: Array,
    profiles: Array | None,
    response: Response,
    y: slice,
    x: slice,
    exact: bool,
) -> Combined:
    """Convolve images (energy_true, y, x) with the PSF of their energies and combine them.

    Images and profiles that are combinations of a few of them, as those of an exposure whose shape on the sky does not
    change with energy, are convolved but once: a convolution is linear in both.
    """
    few = images.images
    shares = np.eye(len(few)) if images.weights is None else images.weights
    if profiles is None:
        return Combined(few[:, y, x], matrix.T @ shares)
    few_kinds = few_rows(profiles)
    pairs = len(few) * (len(few_kinds[0]) if few_kinds else len(profiles))
    if pairs > max(len(matrix), len(profiles)):
        image = images.whole()
        kernels = psf_kernels(grid, plan, profiles, response.rad)
        total = kernels.sum(axis=(1, 2), keepdims=True)
        kernels /= np.where(total > 0, total, np.inf)
        if response.reconstructed:
            image = combine(matrix.T, image)
            kernels, matrix = np.tile(kernels, (len(image) // len(kernels), 1, 1)), np.eye(len(image))
        return contract_convolve(image, kernels, matrix, y, x, exact)
    kinds, mixed = few_kinds or (np.arange(len(profiles)), np.eye(len(profiles)))
    kernels = psf_kernels(grid, plan, profiles[kinds], response.rad)
    total = mixed @ kernels.sum(axis=(1, 2))
    mixed = mixed / np.where(total > 0, total, np.inf)[:, None]
    # Weights are those of pairs of an image and a kernel.
    if response.reconstructed:
        mixed = np.tile(mixed, (matrix.shape[1] // len(mixed), 1))
        weights = (matrix.T @ shares)[:, :, None] * mixed[:, None, :]
        weights = weights.reshape(matrix.shape[1], -1).T
    else:
        weights = (shares[:, :, None] * mixed[:, None, :]).reshape(len(matrix), -1).T @ matrix
    return contract_convolve(few, kernels, weights, y, x, exact, every_pair=True)


def psf_kernels(grid: SkyGrid, plan: Plan, profiles: Array, rad: Array) -> Array:
    """PSF on the (2 * half + 1) fine pixels around the pixel nearest to the component, shape (n, y, x)."""
    row, column, half, factor = plan.row, plan.column, plan.half, plan.factor
    fine = [(np.arange(-h * factor, h * factor + 1) / factor) for h in half]
    if plan.sampled:
        px, py = on_plane(grid, row + fine[0], column + fine[1], row, column)
        return radial.profile_values(profiles, rad, np.nan_to_num(np.hypot(px, py), nan=np.inf))
    edges = [(np.arange(-h * factor, h * factor + 2) - 0.5) / factor for h in half]
    around = row + edges[0], column + edges[1]
    return profile_integrals(around, grid, row, column, rad, radial.polynomials(profiles, rad), factor)
