"""A point source that moves: its PSF integrated over just the pixels with counts, about any position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import radial
from xgamma.likelihood.bins import Bins
from xgamma.predict.component import Component
from xgamma.predict.response import Response
from xgamma.predict.tile import ROUNDING
from xgamma.predict.window import Window, pixel_steps

__all__ = ["PointWindow", "point_window"]

Array = NDArray[np.float64]

_MARGIN = 0.15
"""By which part of the reach of the PSF a source may move before the window is made anew."""


@dataclass(frozen=True)
class PointWindow:
    """Edges of the pixels with counts around a source.

    The integral of a profile over a pixel is that of another function along its border, and the sum over all pixels of
    a mask is that along the border of the mask: most edges are needed in one energy or none.

    Attributes
    ----------
    window : Window
        Pixels considered.
    inner : Window
        Where the nearest pixel of a source must be.
    bins, e, y, x : ndarray of int, shape (bin,)
        Indices of the bins in the window, their energies and labels.
    inside : ndarray of bool, shape (energy, y, x)
        The mask on the window.
    grid : ndarray, shape (y + 1, x + 1, 3)
        Unit vectors of the corners of all pixels.
    corners : ndarray, shape (corner, 3)
        Those of the edges.
    edges : ndarray of int, shape (2, edge)
        Corners at which each edge starts and stops.
    which, energy : ndarray of int, shape (pair,)
        Edge and energy of each pair.
    four : ndarray of int, shape (4, bin)
        Pairs of each bin: right and left edge, upper and lower edge.
    border, signs : ndarray
        Pairs along the border of the mask, and whether they add or take away.
    sign : float
        Orientation of the pixels on the sky.
    """

    window: Window
    inner: Window
    bins: NDArray[np.intp]
    e: NDArray[np.intp]
    y: NDArray[np.int64]
    x: NDArray[np.int64]
    inside: NDArray[np.bool_]
    grid: Array
    corners: Array
    edges: NDArray[np.intp]
    which: NDArray[np.intp]
    energy: NDArray[np.intp]
    four: NDArray[np.intp]
    border: NDArray[np.intp]
    signs: Array
    sign: float

    def holds(self, y: float, x: float) -> bool:
        """Whether a source at labels is near enough to where the window was made."""
        row, column = round(y), round(x)
        return self.inner.y_0 <= row < self.inner.y_1 and self.inner.x_0 <= column < self.inner.x_1

    def counts(
        self,
        bins: Bins,
        labels: tuple[float, float],
        lonlat: tuple[float, float],
        exposure: Array | None,
        response: Response,
        matrix: Array,
    ) -> tuple[Array, Array]:
        """Return counts (bin, k) and their sums (k,) over the mask.

        Parameters
        ----------
        bins : Bins
            The bins of the dataset.
        labels : tuple of float
            Labels y and x of a source inside the inner window.
        lonlat : tuple of float
            Its position in rad, in the frame of the map.
        exposure : ndarray, shape (energy_true, 1), or None
            At its position; None where none applies.
        response : Response
            At its position.
        matrix : ndarray, shape (energy_true, k * energy)
            Flux x dispersion of k fluxes.
        """
        assert bins.grid is not None and response.profiles is not None
        rad, nenergy = response.rad, bins.inside.shape[0]
        weights = matrix if exposure is None else matrix * exposure
        spread = _spread(weights, response, nenergy)
        corner_x, corner_y = _project(self.corners, *lonlat)
        start, stop = self.edges
        edges = np.stack([corner_x[start], corner_y[start], corner_x[stop], corner_y[stop]])
        width = float(np.radians(max(pixel_steps(bins.grid, *labels))))
        along = radial.edge_integrals(edges, rad, width, spread, self.which, self.energy)
        last = spread[:, 0, :, -1]
        image = along[:, self.four[0]] - along[:, self.four[1]] - along[:, self.four[2]] + along[:, self.four[3]]
        row, column = round(labels[0]) - 1, round(labels[1]) - 1
        j, i = row - self.window.y_0, column - self.window.x_0
        turn = radial.turns(*_project(self.grid[j : j + 4, i : i + 4], *lonlat))
        dy, dx = self.y - row, self.x - column
        around = np.flatnonzero((dy >= 0) & (dy < 3) & (dx >= 0) & (dx < 3))
        image[:, around] += turn[dy[around], dx[around]] * last[:, self.e[around]]
        image *= self.sign
        noise = ROUNDING * np.abs(weights).sum(axis=0).reshape(-1, nenergy)
        image[np.abs(image) <= noise[:, self.e]] = 0.0
        # The mask under the nine pixels around the source, of which those on it are turned around.
        total = last @ (self.inside[:, j : j + 3, i : i + 3] * turn).sum(axis=(1, 2))
        if self.border.size:
            total += along[:, self.border] @ self.signs
        return image.T, self.sign * total


def _spread(weights: Array, response: Response, nenergy: int) -> Array:
    """Coefficients (k, 3, energy, rad + 1) of the profiles in each reconstructed energy, times the counts."""
    assert response.profiles is not None
    terms = radial.polynomials(response.profiles, response.rad)
    norm = 2 * np.pi * terms[0, :, -1:]
    terms = np.divide(terms, norm, out=np.zeros_like(terms), where=norm > 0)
    if response.reconstructed:
        spread = terms[:, None] * weights.sum(axis=0).reshape(-1, nenergy, 1)
    else:
        # t: true energy, r: segment; m: flux and reconstructed energy
        spread = (weights.T @ terms).reshape(3, -1, nenergy, terms.shape[-1])
    return spread.transpose(1, 0, 2, 3)


def _vectors(lon: Array, lat: Array) -> Array:
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _project(vectors: Array, lon_0: float, lat_0: float) -> tuple[Array, Array]:
    """Place unit vectors on the plane tangent at a position, as `xgamma.kernels.radial.tangent_plane` does."""
    sin_lon, cos_lon, sin_lat, cos_lat = np.sin(lon_0), np.cos(lon_0), np.sin(lat_0), np.cos(lat_0)
    basis = np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )
    x, y, cosine = np.moveaxis(vectors @ basis.T, -1, 0)
    sine = np.hypot(x, y)
    scale = np.divide(np.arctan2(sine, cosine), sine, out=np.ones_like(sine), where=sine > 0)
    return x * scale, y * scale


def _mask(bins: Bins, window: Window) -> NDArray[np.bool_]:
    """Return the mask on a window, gaps and what lies beyond the map included."""
    out = np.zeros((bins.inside.shape[0], *window.shape), dtype=bool)
    along_y, along_x, place_y, place_x = bins.slices(window)
    out[np.ix_(np.arange(len(out)), place_y, place_x)] = bins.inside[:, along_y, along_x]
    return out


def point_window(bins: Bins, component: Component) -> PointWindow | None:
    """Collect the edges around a point source; None where a part of the window is not on the sky."""
    assert bins.grid is not None
    grid = bins.grid
    reach = component.target.shape
    margin = [max(3, int(np.ceil(_MARGIN * n / 2))) for n in reach]
    window = component.target.grow(*margin)
    row, column = round(component.y), round(component.x)
    inner = Window(row, row + 1, column, column + 1).grow(*margin)
    ny, nx = window.shape
    labels_y, labels_x = window.edges()
    lon, lat = grid.labels_to_lonlat(labels_y[:, None], labels_x)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    vectors = _vectors(lon, lat).reshape(-1, 3)
    centre = row - window.y_0, column - window.x_0
    corner_x, corner_y = _project(vectors, *np.radians([lon[centre], lat[centre]]))
    corner_x, corner_y = corner_x.reshape(ny + 1, nx + 1), corner_y.reshape(ny + 1, nx + 1)
    dx, dy = np.diff(corner_x, axis=1)[:-1], np.diff(corner_y, axis=0)[:, :-1]
    area = dx * dy - np.diff(corner_y, axis=1)[:-1] * np.diff(corner_x, axis=0)[:, :-1]
    index = bins.within(window)
    e, j, i = bins.e[index], bins.y[index] - window.y_0, bins.x[index] - window.x_0
    nenergy = bins.inside.shape[0]
    number = (ny + 1) * nx
    # Edges along rows come first, then those along columns.
    four = np.stack([number + j * (nx + 1) + i + 1, number + j * (nx + 1) + i, (j + 1) * nx + i, j * nx + i])
    keys = [(four * nenergy + e).ravel()]
    signs = []
    around = _mask(bins, window.grow(1, 1)).astype(np.int8)
    for energy in range(nenergy):
        one = around[energy]
        # A pixel counts its lower edge up and its upper edge down; of two neighbours inside both cancel.
        rows = (one[1:, 1:-1] - one[:-1, 1:-1]).ravel()
        columns = (one[1:-1, :-1] - one[1:-1, 1:]).ravel()
        both = np.concatenate([rows, columns])
        found = np.flatnonzero(both)
        keys.append(found * nenergy + energy)
        signs.append(both[found].astype(np.float64))
    pairs, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    parts = np.split(inverse, np.cumsum([len(key) for key in keys])[:-1])
    edge_ids, which = np.unique(pairs // nenergy, return_inverse=True)
    j, i = np.divmod(edge_ids, nx)
    start = j * (nx + 1) + i
    stop = start + 1
    upright = edge_ids >= number
    j, i = np.divmod(edge_ids - number, nx + 1)
    start = np.where(upright, j * (nx + 1) + i, start)
    stop = np.where(upright, start + nx + 1, stop)
    used, ends = np.unique(np.concatenate([start, stop]), return_inverse=True)
    return PointWindow(
        window=window,
        inner=inner,
        bins=index,
        e=e,
        y=bins.y[index],
        x=bins.x[index],
        inside=_mask(bins, window),
        grid=vectors.reshape(ny + 1, nx + 1, 3),
        corners=vectors[used],
        edges=ends.reshape(2, -1),
        which=which,
        energy=pairs % nenergy,
        four=parts[0].reshape(4, -1),
        border=np.concatenate(parts[1:]),
        signs=np.concatenate(signs),
        sign=float(np.sign(area.sum())),
    )
