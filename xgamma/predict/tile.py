"""Predicted counts of one component on one rectangle of pixels, with numpy arrays.

npred[e, p] = sum_t D[t, e] F[t] R[t, p],    R[t] = PSF[t] (*) (X[t] M[t])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xgamma.coords import SkyGrid
from xgamma.kernels import radial
from xgamma.kernels.products import Combined
from xgamma.kernels.sphere import rotate
from xgamma.predict.component import Component
from xgamma.predict.extended import extended_counts
from xgamma.predict.plan import Plan, plan_of
from xgamma.predict.response import Exposure, Response
from xgamma.predict.window import Window, profile_integrals

__all__ = ["counts_on", "npred_on"]

Array = NDArray[np.float64]

_CLOUD_SAMPLES = 201
ROUNDING = 1e-12
"""Share of the counts of a point below which those of a pixel are rounding."""


def npred_on(
    window: Window, grid: SkyGrid, component: Component, exposure: Exposure, response: Response, energy_true: Array
) -> Combined:
    """Predicted counts of a component.

    Parameters
    ----------
    window : Window
        Pixels wanted, gaps of the map included.
    grid : SkyGrid
        Grid of the counts.
    component : Component
        The source model.
    exposure : Exposure
        The part below the window and what spills into it.
    response : Response
        At the position of the component.
    energy_true : ndarray
        Centres of the true-energy bins in TeV.

    Returns
    -------
    Combined, shape (energy, y, x)
        Predicted counts.
    """
    matrix = component.flux[:, None] * response.edisp
    return _combined_on(window, grid, component, exposure, response, energy_true, matrix)


def counts_on(
    window: Window,
    grid: SkyGrid,
    component: Component,
    exposure: Exposure,
    response: Response,
    energy_true: Array,
    matrix: Array,
    plan: Plan | None = None,
    exact: bool = False,
) -> Array:
    """Images of a component, combined linearly over true energy.

    Parameters
    ----------
    window, grid, component, exposure, response, energy_true
        As for `npred_on`; the flux of the component and the dispersion are not used.
    matrix : ndarray, shape (energy_true, n)
        Weight of each true energy in each result: flux x dispersion for predicted counts. Where the PSF is that of
        reconstructed energies, ``n`` is a multiple of their number and they are the fast index.
    plan : Plan, optional
        How to integrate; by default what `plan_of` finds.
    exact : bool
        Whether to keep values below the rounding of the largest, which else become zero.

    Returns
    -------
    ndarray, shape (n, y, x)
        Linear in `matrix` where `exact`.
    """
    return _combined_on(window, grid, component, exposure, response, energy_true, matrix, plan, exact).whole()


def _combined_on(
    window: Window,
    grid: SkyGrid,
    component: Component,
    exposure: Exposure,
    response: Response,
    energy_true: Array,
    matrix: Array,
    plan: Plan | None = None,
    exact: bool = False,
) -> Combined:
    """Images as `counts_on` returns them, not yet combined where a few make them."""
    profiles = None if response.profiles is None else radial.normalize(response.profiles, response.rad)
    plan = plan or plan_of(component, profiles, response.rad)
    if plan.kind == "extended":
        return extended_counts(window, grid, component, exposure, matrix, profiles, response, energy_true, plan, exact)
    out = np.zeros((matrix.shape[1], *window.shape))
    for weight, point in [(1.0, component)] if plan.kind == "point" else _cloud(component, grid):
        counts = weight * matrix
        if component.use_exposure:
            counts = counts * exposure.at(grid, np.array([point.y]), np.array([point.x]))[:, 0]
        out += _point(window, grid, point, counts, profiles, response, exact)
    return Combined(out)


def _cloud(component: Component, grid: SkyGrid) -> list[tuple[float, Component]]:
    """Replace a compact model by nine points with its flux, centroid and covariance.

    The Gauss-Hermite rule with three nodes along each of two axes: exact for a PSF that is a polynomial of fifth degree
    across a Gaussian model. The axes are those of the symmetric root of the covariance, which follow it without jumps;
    the principal ones of a round model are any.
    """
    radius = component.spatial.radius_deg
    lon_0, lat_0 = (float(v) for v in grid.labels_to_lonlat(np.array(component.y), np.array(component.x)))

    def evaluate(function: Callable[..., Array], offset: Array) -> Array:
        v, u = np.meshgrid(offset * radius, offset * radius, indexing="ij")
        return function(*rotate(lon_0 + u / np.cos(np.radians(lat_0 + v)), lat_0 + v, component.rotation)).ravel()

    spatial, edges = component.spatial, np.linspace(-1, 1, _CLOUD_SAMPLES + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    v, u = (w.ravel() for w in np.meshgrid(middle * radius, middle * radius, indexing="ij"))
    values = evaluate(spatial.means, edges) if spatial.has_means else evaluate(spatial.evaluate_lonlat, middle)
    total = values.sum()
    if total <= 0:
        return [(1.0, component)]
    mean = np.array([(values * w).sum() for w in (v, u)]) / total
    shift = np.stack([v - mean[0], u - mean[1]])
    root = _square_root((values * shift) @ shift.T / total)
    flux = total * (np.radians(2 * radius) / _CLOUD_SAMPLES) ** 2
    out = []
    for i, weight_i in ((-1, 1 / 6), (0, 2 / 3), (1, 1 / 6)):
        for j, weight_j in ((-1, 1 / 6), (0, 2 / 3), (1, 1 / 6)):
            dv, du = mean + root @ (np.sqrt(3) * np.array([i, j]))
            y, x = grid.lonlat_to_labels(np.array(lon_0 + du / np.cos(np.radians(lat_0 + dv))), np.array(lat_0 + dv))
            out.append((flux * weight_i * weight_j, replace(component, y=float(y), x=float(x))))
    return out


def _square_root(covariance: Array) -> Array:
    """Return the symmetric square root of a matrix (2, 2), by the theorem of Cayley and Hamilton."""
    size = np.sqrt(max(covariance[0, 0] * covariance[1, 1] - covariance[0, 1] * covariance[1, 0], 0.0))
    norm = np.sqrt(np.trace(covariance) + 2 * size)
    return (covariance + size * np.eye(2)) / norm if norm > 0 else covariance


def _point(
    window: Window,
    grid: SkyGrid,
    component: Component,
    counts: Array,
    profiles: Array | None,
    response: Response,
    exact: bool,
) -> Array:
    """Spread counts (energy_true, energy) with the radial PSF, integrated over each pixel."""
    if profiles is None:
        out = np.zeros((counts.shape[1], *window.shape))
        row, column = round(component.y) - window.y_0, round(component.x) - window.x_0
        if 0 <= row < window.shape[0] and 0 <= column < window.shape[1]:
            out[:, row, column] = counts.sum(axis=0)
        return out
    terms = radial.polynomials(profiles, response.rad)
    # t: true energy, e: reconstructed energy, k: kind of term, r: segment in radius
    if response.reconstructed:
        repeated = np.tile(terms, (1, counts.shape[1] // terms.shape[1], 1))
        spread = repeated * counts.sum(axis=0)[:, None]
    else:
        spread = np.einsum("te,ktr->ker", counts, terms)
    image = profile_integrals(window.edges(), grid, component.y, component.x, response.rad, spread)
    if exact:
        return image
    # Beyond the PSF the integrals along the border of a pixel cancel but for rounding.
    noise = ROUNDING * np.abs(counts).sum(axis=0)[:, None, None]
    return np.where(np.abs(image) > noise, image, 0.0)
