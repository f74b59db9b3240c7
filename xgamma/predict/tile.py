"""Predicted counts of one component on one rectangle of pixels, with numpy arrays.

npred[e, p] = sum_t D[t, e] F[t] R[t, p],    R[t] = PSF[t] (*) (X[t] M[t])
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.coords import SkyGrid, projection
from xgamma.kernels import radial
from xgamma.kernels.convolve import block_sum, contract_convolve
from xgamma.kernels.sphere import rotate
from xgamma.predict.component import Component
from xgamma.predict.response import Exposure, Response
from xgamma.predict.window import Window, pixel_steps

__all__ = ["Plan", "counts_on", "extended_counts", "npred_on", "plan_of"]

Array = NDArray[np.float64]

_RESOLVED = 0.7
"""A PSF is resolved by pixels of up to 1 / 0.7 of its width (one sigma): a sampled Gaussian has aliases below 1e-4."""
_RESOLVED_SHARP = 1.6
"""The same for models that vary within a pixel, which leave the suppression of aliases to the PSF alone."""
_COMPACT = 1.75
"""Models within a radius of so many pixels (0.35 for one sigma of a Gaussian) are taken for a cloud of points."""
_CLOUD_SAMPLES = 201
ROUNDING = 1e-12
_MAX_FACTOR = 8
_MAX_FINE_PIXELS = 600_000
_MAX_SAMPLES = 400_000


def npred_on(
    window: Window, grid: SkyGrid, component: Component, exposure: Exposure, response: Response, energy_true: Array
) -> Array:
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
    ndarray, shape (energy, y, x)
        Predicted counts.
    """
    matrix = component.flux[:, None] * response.edisp
    return counts_on(window, grid, component, exposure, response, energy_true, matrix)


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
    profiles = None if response.profiles is None else radial.normalize(response.profiles, response.rad)
    plan = plan or plan_of(grid, component, profiles, response.rad)
    if plan.kind == "extended":
        return extended_counts(window, grid, component, exposure, matrix, profiles, response, energy_true, plan, exact)
    out = np.zeros((matrix.shape[1], *window.shape))
    for weight, point in [(1.0, component)] if plan.kind == "point" else _cloud(component, grid):
        counts = weight * matrix
        if component.use_exposure:
            counts = counts * exposure.at(grid, np.array([point.y]), np.array([point.x]))[:, 0]
        out += _point(window, grid, point, counts, profiles, response, exact)
    return out


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


def plan_of(grid: SkyGrid, component: Component, profiles: Array | None, rad: Array) -> Plan:
    """Choose how to integrate a component, given the normalised profiles of the PSF at its position."""
    if component.is_point:
        return Plan("point")
    if profiles is not None and _is_compact(component, grid, profiles, rad):
        return Plan("cloud")
    steps = pixel_steps(grid, component.y, component.x)
    place: dict[str, Any] = {"row": round(component.y), "column": round(component.x)}
    if profiles is None:
        return Plan("extended", parts=_parts(component, grid, 1), **place)
    need = _RESOLVED if component.spatial.scale.to_value("deg") >= max(steps) else _RESOLVED_SHARP
    wanted = int(np.ceil(need * np.radians(max(steps)) / _narrowest(profiles, rad)))
    size = component.source.shape[0] * component.source.shape[1]
    most = int(np.clip(np.sqrt(_MAX_FINE_PIXELS / size), 1, _MAX_FACTOR))
    factor = min(max(wanted, 1), most)
    reach = np.degrees(rad[-1])
    half = int(np.ceil(1.05 * reach / steps[0])), int(np.ceil(1.05 * reach / steps[1]))
    return Plan("extended", factor, wanted <= most, _parts(component, grid, factor), half, **place)


def _narrowest(profiles: Array, rad: Array) -> float:
    """Width in rad, one sigma if it were a Gaussian, of the narrowest of the profiles that are not zero."""
    return float(np.nanmin(radial.containment_radius(profiles, rad, 0.393), initial=rad[-1]))


def _is_compact(component: Component, grid: SkyGrid, profiles: Array, rad: Array) -> bool:
    """Whether a model is much smaller than a pixel and the PSF is not."""
    radius = component.spatial.evaluation_radius
    step = min(pixel_steps(grid, component.y, component.x))
    return (
        radius is not None
        and radius.to_value("deg") < _COMPACT * step
        and _narrowest(profiles, rad) > np.radians(_RESOLVED * step)
    )


def _cloud(component: Component, grid: SkyGrid) -> list[tuple[float, Component]]:
    """Replace a compact model by nine points with its flux, centroid and covariance.

    The Gauss-Hermite rule with three nodes along each principal axis: exact for a PSF that is a polynomial of fifth
    degree across a Gaussian model.
    """
    radius = float(component.spatial.evaluation_radius.to_value("deg"))
    lon_0, lat_0 = (float(v) for v in grid.labels_to_lonlat(np.array(component.y), np.array(component.x)))
    offset = (np.arange(_CLOUD_SAMPLES) + 0.5) / _CLOUD_SAMPLES * 2 - 1
    v, u = (w.ravel() * radius for w in np.meshgrid(offset, offset, indexing="ij"))
    lat = lat_0 + v
    values = component.spatial.evaluate_lonlat(*rotate(lon_0 + u / np.cos(np.radians(lat)), lat, component.rotation))
    total = values.sum()
    if total <= 0:
        return [(1.0, component)]
    mean = np.array([(values * w).sum() for w in (v, u)]) / total
    shift = np.stack([v - mean[0], u - mean[1]])
    variance, axes = np.linalg.eigh((values * shift) @ shift.T / total)
    flux = total * (np.radians(2 * radius) / _CLOUD_SAMPLES) ** 2
    out = []
    for i, weight_i in ((-1, 1 / 6), (0, 2 / 3), (1, 1 / 6)):
        for j, weight_j in ((-1, 1 / 6), (0, 2 / 3), (1, 1 / 6)):
            dv, du = mean + axes @ (np.sqrt(3 * np.clip(variance, 0, None)) * (i, j))
            y, x = grid.lonlat_to_labels(np.array(lon_0 + du / np.cos(np.radians(lat_0 + dv))), np.array(lat_0 + dv))
            out.append((flux * weight_i * weight_j, replace(component, y=float(y), x=float(x))))
    return out


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
    image = _pixel_integrals(window.edges(), grid, component.y, component.x, response.rad, spread)
    if exact:
        return image
    # Beyond the PSF the integrals along the border of a pixel cancel but for rounding.
    noise = ROUNDING * np.abs(counts).sum(axis=0)[:, None, None]
    return np.where(np.abs(image) > noise, image, 0.0)


def _pixel_integrals(
    edges: tuple[Array, Array], grid: SkyGrid, y: float, x: float, rad: Array, coefficients: Array, factor: int = 1
) -> Array:
    """Integrate profiles around (y, x) over the pixels, or their equal parts, between edges along y and x."""
    width = np.radians(max(pixel_steps(grid, y, x))) / factor
    return radial.pixel_integrals(*_around(grid, *edges, y, x), rad, float(width), coefficients)


def _around(grid: SkyGrid, labels_y: Array, labels_x: Array, y: float, x: float) -> tuple[Array, Array]:
    """Place the outer product of labels on the plane tangent at (y, x), in rad."""
    lon, lat = grid.labels_to_lonlat(labels_y[:, None], labels_x[None, :])
    lon_0, lat_0 = grid.labels_to_lonlat(np.array(y), np.array(x))
    return radial.tangent_plane(np.radians(lon), np.radians(lat), float(np.radians(lon_0)), float(np.radians(lat_0)))


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
    spatial = component.spatial
    labels_y, labels_x = (_gauss_points(labels, factor * parts) for labels in window.labels(factor * parts))
    lon, lat = rotate(*grid.labels_to_lonlat(labels_y[:, None], labels_x[None, :]), component.rotation)
    if spatial.is_energy_dependent:
        values = np.stack([spatial.evaluate_lonlat(lon, lat, energy) for energy in energy_true])
    else:
        values = spatial.evaluate_lonlat(lon, lat)[None]
    area = _solid_angles(grid, window)
    weight = np.repeat(np.repeat(area, factor, axis=0), factor, axis=1) / (2 * factor * parts) ** 2
    return np.nan_to_num(block_sum(values, 2 * parts)) * weight


def _parts(component: Component, grid: SkyGrid, factor: int) -> int:
    """Into how many parts the fine pixels are cut to integrate a model, each with two Gauss points along each dim."""
    step = min(pixel_steps(grid, component.y, component.x)) / factor
    ny, nx = component.source.shape
    most = int(np.clip(np.sqrt(_MAX_SAMPLES / (ny * nx)) / (2 * factor), 1, 32))
    return int(np.clip(np.ceil(step / max(float(component.spatial.scale.to_value("deg")), 1e-9)), 1, most))


def _gauss_points(labels: Array, parts: int) -> Array:
    """Two Gauss-Legendre points in each part of a pixel, given the centres of the parts."""
    return (labels[:, None] + np.array([-1, 1]) / (2 * np.sqrt(3) * parts)).ravel()


def _solid_angles(grid: SkyGrid, window: Window) -> Array:
    labels = np.arange(window.y_0, window.y_1), np.arange(window.x_0, window.x_1)
    return np.nan_to_num(projection.solid_angle(grid.wcs, *labels))


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
) -> Array:
    """Images of an extended model, arguments as for `counts_on`.

    The model is integrated over pixels that are fine enough to resolve the PSF, and convolved with the PSF at their
    centres: the integral over the target pixel is then already in the image.
    """
    factor, half = plan.factor, plan.half
    source = window.grow(*half) & component.source
    out = np.zeros((matrix.shape[1], *window.shape))
    inner = window & source.grow(*half)
    if not (source and inner):
        return out
    image = model_image(component, grid, source, factor, plan.parts, energy_true)
    if component.use_exposure:
        image = image * exposure.at(grid, *source.labels(factor))
    else:
        image = np.broadcast_to(image, (matrix.shape[0], *image.shape[1:]))
    offset = (inner.y_0 - source.y_0 + half[0]) * factor, (inner.x_0 - source.x_0 + half[1]) * factor
    part = tuple(slice(o, o + n * factor) for o, n in zip(offset, inner.shape, strict=True))
    if profiles is None:
        kernels, mixing = np.ones((1, 1, 1)), matrix
    else:
        kernels, mixing = _kernels(grid, plan, profiles, response.rad), matrix
        if response.reconstructed:
            kernels = np.tile(kernels, (matrix.shape[1] // kernels.shape[0], 1, 1))
            image, mixing = np.tensordot(matrix.T, image, axes=1), np.eye(matrix.shape[1])
    rows, columns = (
        slice(lo - start, hi - start)
        for lo, hi, start in ((inner.y_0, inner.y_1, window.y_0), (inner.x_0, inner.x_1, window.x_0))
    )
    out[:, rows, columns] = block_sum(contract_convolve(image, kernels, mixing, part[0], part[1], exact), factor)
    return out


def _kernels(grid: SkyGrid, plan: Plan, profiles: Array, rad: Array) -> Array:
    """PSF on the (2 * half + 1) fine pixels around the pixel nearest to the component, shape (n, y, x)."""
    row, column, half, factor = plan.row, plan.column, plan.half, plan.factor
    fine = [(np.arange(-h * factor, h * factor + 1) / factor) for h in half]
    if plan.sampled:
        px, py = _around(grid, row + fine[0], column + fine[1], row, column)
        values = radial.profile_values(profiles, rad, np.nan_to_num(np.hypot(px, py), nan=np.inf))
    else:
        edges = [(np.arange(-h * factor, h * factor + 2) - 0.5) / factor for h in half]
        around = row + edges[0], column + edges[1]
        values = _pixel_integrals(around, grid, row, column, rad, radial.polynomials(profiles, rad), factor)
    total = values.sum(axis=(1, 2), keepdims=True)
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0)
