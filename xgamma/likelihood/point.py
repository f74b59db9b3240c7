"""A point source that moves: its PSF integrated over just the pixels with counts, about any position."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import edges, radial
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.lookup import Lookups, Table
from xgamma.likelihood.nearby import Nearby, nearby_of
from xgamma.predict.component import Component
from xgamma.predict.response import Response
from xgamma.predict.tile import ROUNDING
from xgamma.predict.window import Window, pixel_sizes

__all__ = ["Place", "PointWindow", "point_limits", "point_window"]

Array = NDArray[np.float64]

_MARGIN = 0.15
"""By which part of the reach of the PSF a source may move before the window is made anew."""
_STEP = 5e-4
"""Step in pixels of differences of the responses."""


@dataclass(frozen=True)
class Place:
    """A position near a source, with the responses there.

    Attributes
    ----------
    lonlat : tuple of float
        In rad in the frame of the map.
    y, x : float
        Labels.
    width : float
        Typical width of a pixel there in rad.
    exposure : ndarray, shape (energy_true,), or None
        In cm2 s; None where none applies.
    response : Response
        Energy dispersion and profiles of the PSF.
    """

    lonlat: tuple[float, float]
    y: float
    x: float
    width: float
    exposure: Array | None
    response: Response


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
    bare : ndarray of int
        Which of them have no background.
    inside : ndarray of bool, shape (energy, y, x)
        The mask on the window.
    grid : ndarray, shape (y + 1, x + 1, 3)
        Unit vectors of the corners of all pixels.
    corners : ndarray, shape (3, corner)
        Those of the edges.
    edges : ndarray of int, shape (2, edge)
        Corners at which each edge starts and stops.
    used : slice
        The energies that the mask holds.
    lowest : ndarray of int, shape (edge,)
        The lowest of the energies used that each edge is needed for.
    four : ndarray of int, shape (4, bin)
        Edges of each bin: right and left, upper and lower.
    border, border_energy : ndarray of int
        Edges along the border of the mask, and which of the energies used they belong to.
    signs : ndarray
        Whether they add or take away.
    sign : float
        Orientation of the pixels on the sky.
    sky : SkyGrid
        Grid of the map.
    lookups : Lookups
        The responses.
    exposure : Table or None
        The exposure around the source in cm2 s; None where none applies.
    area : ndarray, shape (rad,)
        What turns a profile into its integral over the plane.
    common : Response
        What stands in for responses that do not apply.
    use_psf, use_edisp : bool
        Which apply.
    nearby : Nearby or None
        What `_labels` gives, as polynomials; None where it is not smooth.
    """

    window: Window
    inner: Window
    bins: NDArray[np.intp]
    e: NDArray[np.intp]
    y: NDArray[np.int64]
    x: NDArray[np.int64]
    bare: NDArray[np.intp]
    inside: NDArray[np.bool_]
    grid: Array
    corners: Array
    edges: NDArray[np.intp]
    used: slice
    lowest: NDArray[np.intp]
    four: NDArray[np.intp]
    border: NDArray[np.intp]
    border_energy: NDArray[np.intp]
    signs: Array
    sign: float
    sky: Any
    lookups: Lookups
    exposure: Table | None
    area: Array
    common: Response
    use_psf: bool
    use_edisp: bool
    nearby: Nearby | None = None

    def _labels(self, lon: Array, lat: Array) -> Array:
        """Labels y, x of positions in deg on the grids of counts, PSF, dispersion, exposure, and widths of pixels."""
        y, x = self.sky.lonlat_to_labels(lon, lat)
        tables = [pair[0] if pair is not None else None for pair in (self.lookups.psf, self.lookups.edisp)]
        out = [y, x]
        for table in (*tables, self.exposure):
            out += [np.zeros_like(y), np.zeros_like(y)] if table is None else table.labels(lon, lat)
        return np.stack([*out, np.radians(pixel_sizes(self.sky, y, x).max(axis=0))])

    def place(self, lon: float, lat: float, near: bool = False) -> Place | None:
        """Look up what there is at a position in deg in the frame of the map.

        None where it is not near enough to where the window was made, unless it is said to be next to such a one.
        """
        found = None if self.nearby is None else self.nearby.at(lon, lat)
        if found is None:
            y, x = self.sky.lonlat_to_labels(np.array(lon), np.array(lat))
            if not (near or self._holds(y, x)):
                return None
            found = self._labels(np.array([lon]), np.array([lat]))[:, 0]
        labels = found.tolist()
        if not (near or self._holds(*labels[:2])):
            return None
        edisp = self.lookups.matrix(lon, lat, labels[4:6]) if self.use_edisp else None
        profiles = self.lookups.profiles(lon, lat, labels[2:4]) if self.use_psf else None
        common = self.common
        response = Response(common.edisp if edisp is None else edisp, profiles, common.rad, common.reconstructed)
        exposure = None if self.exposure is None else self.exposure.at_labels(*labels[6:8])
        return Place((math.radians(lon), math.radians(lat)), labels[0], labels[1], labels[8], exposure, response)

    def _holds(self, y: float, x: float) -> bool:
        """Whether a source at labels is near enough to where the window was made."""
        if not (np.isfinite(y) and np.isfinite(x)):
            return False
        row, column = round(float(y)), round(float(x))
        return self.inner.y_0 <= row < self.inner.y_1 and self.inner.x_0 <= column < self.inner.x_1

    def counts(self, place: Place, fluxes: Array) -> tuple[Array, Array]:
        """Return counts (bin, k) of a source for k fluxes (k, energy_true), and their sums (k,) over the mask."""
        (counts, total), *_ = self._counts(place, fluxes, ())
        return counts, total

    def moving(self, place: Place, fluxes: Array) -> tuple[tuple[Array, Array], Array, Array]:
        """Return what `counts` does, and derivatives for the first flux along longitude and latitude in rad.

        They are the last dim of counts (bin, 2) and sums (2,).
        """
        lon, lat = np.degrees(place.lonlat)
        step = _STEP * np.degrees(place.width)
        steps = (step / max(np.cos(place.lonlat[1]), 1e-6), 0.0), (0.0, step)
        around = []
        for along_lon, along_lat in steps:
            sides = [self.place(lon + sign * along_lon, lat + sign * along_lat, near=True) for sign in (1, -1)]
            assert sides[0] is not None and sides[1] is not None
            around.append((sides[0], sides[1], 2 * np.radians(along_lon + along_lat)))
        found, *slopes = self._counts(place, fluxes, tuple(around))
        counts, totals = zip(*slopes, strict=True)
        return found, np.stack([part[:, 0] for part in counts], axis=1), np.concatenate(totals)

    def _counts(
        self, place: Place, fluxes: Array, around: tuple[tuple[Place, Place, float], ...]
    ) -> list[tuple[Array, Array]]:
        """Return counts and sums for the fluxes, and their derivatives for the first one.

        Around are pairs of places next to it along longitude and latitude, with their distances in rad.
        """
        mixed, noise = self._mixed(place, fluxes)
        size, nenergy = len(mixed), len(mixed) // len(fluxes)
        # Those of a move are of the responses, which vary linearly, and of the directions.
        sides = [[self._mixed(side, fluxes[:1])[0] for side in pair] for *pair, _ in around]
        steps = [(high - low) / distance for (high, low), (*_, distance) in zip(sides, around, strict=True)]
        rad = place.response.rad
        table, last = edges.table_of(np.concatenate([mixed, *steps]), rad)
        plane = edges.project(self.corners, *place.lonlat, slopes=bool(around))
        reach = self._reach(mixed, noise, rad).take(self.lowest)
        rule, *rules = edges.edge_rules(plane, self.edges, rad, place.width, reach)
        along = rule.along(table, last)
        parts = [along[:, :size]]
        if rules:
            first, first_last = np.ascontiguousarray(table[:, :nenergy]), last[:nenergy]
        for i, slope in enumerate(rules):
            start = size + i * nenergy
            parts.append(slope.along(first, first_last) + along[:, start : start + nenergy])
        row, column = round(place.y) - 1, round(place.x) - 1
        j, i = row - self.window.y_0, column - self.window.x_0
        corners = edges.project(self.grid[j : j + 4, i : i + 4].reshape(-1, 3).T, *place.lonlat)
        turn = radial.turns(corners.x.reshape(4, 4), corners.y.reshape(4, 4))
        # The mask under the nine pixels around the source, of which those on it are turned around.
        turned = (self.inside[self.used, j : j + 3, i : i + 3] * turn).sum(axis=(1, 2))
        dy, dx = self.y - row, self.x - column
        near = np.flatnonzero((dy >= 0) & (dy < 3) & (dx >= 0) & (dx < 3))
        turn_near = self.sign * turn[dy[near], dx[near]]
        chosen = np.flatnonzero((rule.row < rule.matrix.shape[0] - 1).take(self.four).any(axis=0))
        rows = rule.row.take(self.four.take(chosen, axis=1))
        energy, out, start = self.e - self.used.start, [], 0
        energy_chosen = energy.take(chosen)
        signs = self.sign * np.array([1.0, -1.0, -1.0, 1.0])
        for part in parts:
            last_part = last[start : start + part.shape[1]].reshape(-1, nenergy)
            start += part.shape[1]
            flat, index = part.ravel(), rows * part.shape[1] + energy_chosen
            image = np.zeros((len(last_part), energy.size))
            for one, values in enumerate(last_part):
                image[one, chosen] = signs @ flat.take(index + one * nenergy)
                image[one, near] += turn_near * values.take(energy[near])
            total = last_part @ turned
            if self.border.size:
                borders = part.reshape(len(part), -1, nenergy)[rule.row[self.border], :, self.border_energy]
                total = total + self.signs @ borders
            out.append((image.T, self.sign * total))
        image = out[0][0].T
        image[np.abs(image) <= noise.take(energy, axis=1)] = 0.0
        return out

    def _reach(self, mixed: Array, noise: Array, rad: Array) -> Array:
        """Radius (energy,) beyond which profiles hold no more than rounding, in each energy used and all above."""
        # What hats about this radius and all larger ones hold, of either sign: a bound for any pixel beyond.
        beyond = np.cumsum((np.abs(mixed) * self.area)[:, ::-1], axis=1)[:, ::-1]
        most = rad.take(np.minimum((beyond > noise.reshape(-1, 1)).sum(axis=1), rad.size - 1))
        return np.asarray(np.maximum.accumulate(most.reshape(noise.shape).max(axis=0)[::-1])[::-1])

    def _mixed(self, place: Place, fluxes: Array) -> tuple[Array, Array]:
        """Profiles (k * energy, rad) in the energies used, times the counts, and what counts are rounding."""
        response = place.response
        profiles = response.profiles
        assert profiles is not None
        scaled = fluxes if place.exposure is None else fluxes * place.exposure
        edisp = response.edisp[:, self.used]
        weights = (scaled.T[:, :, None] * edisp[:, None, :]).reshape(len(edisp), -1)
        norm = profiles @ self.area
        share = np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)
        noise = ROUNDING * np.abs(weights).sum(axis=0).reshape(len(fluxes), -1)
        if response.reconstructed:
            share, profiles = share[self.used], profiles[self.used]
            mixed = (weights.sum(axis=0).reshape(len(fluxes), -1) * share)[:, :, None] * profiles
            return mixed.reshape(-1, self.area.size), noise
        # Polynomials are linear in the profiles, which are mixed first: m: flux and reconstructed energy
        return (weights * share[:, None]).T @ profiles, noise


def _vectors(lon: Array, lat: Array) -> Array:
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _mask(bins: Bins, window: Window) -> NDArray[np.bool_]:
    """Return the mask on a window, gaps and what lies beyond the map included."""
    out = np.zeros((bins.inside.shape[0], *window.shape), dtype=bool)
    along_y, along_x, place_y, place_x = bins.slices(window)
    out[np.ix_(np.arange(len(out)), place_y, place_x)] = bins.inside[:, along_y, along_x]
    return out


def point_limits(component: Component) -> Window:
    """Where the nearest pixel of a point source may be without a window made anew."""
    row, column = round(component.y), round(component.x)
    margin = (max(3, int(np.ceil(_MARGIN * n / 2))) for n in component.target.shape)
    return Window(row, row + 1, column, column + 1).grow(*margin)


def point_window(
    bins: Bins, component: Component, lookups: Lookups, exposure: Table | None, common: Response
) -> PointWindow | None:
    """Collect the edges around a point source; None where a part of the window is not on the sky.

    Parameters
    ----------
    bins : Bins
        The bins of the dataset.
    component : Component
        The source.
    lookups, exposure, common
        As of a `PointWindow`.
    """
    assert bins.grid is not None
    grid = bins.grid
    inner = point_limits(component)
    window = component.target.grow(*((n - 1) // 2 for n in inner.shape))
    row, column = round(component.y), round(component.x)
    ny, nx = window.shape
    labels_y, labels_x = window.edges()
    lon, lat = grid.labels_to_lonlat(labels_y[:, None], labels_x)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    vectors = _vectors(lon, lat).reshape(-1, 3)
    centre = row - window.y_0, column - window.x_0
    plane = edges.project(vectors.T, float(np.radians(lon[centre])), float(np.radians(lat[centre])))
    corner_x, corner_y = plane.x.reshape(ny + 1, nx + 1), plane.y.reshape(ny + 1, nx + 1)
    dx, dy = np.diff(corner_x, axis=1)[:-1], np.diff(corner_y, axis=0)[:, :-1]
    area = dx * dy - np.diff(corner_y, axis=1)[:-1] * np.diff(corner_x, axis=0)[:, :-1]
    index = bins.within(window)
    e, j, i = bins.e[index], bins.y[index] - window.y_0, bins.x[index] - window.x_0
    number = (ny + 1) * nx
    size = number + ny * (nx + 1)
    # Edges along rows come first, then those along columns.
    four = np.stack([number + j * (nx + 1) + i + 1, number + j * (nx + 1) + i, (j + 1) * nx + i, j * nx + i])
    keys, energies, signs = [four.ravel()], [], []
    around = _mask(bins, window.grow(1, 1)).astype(np.int8)
    held = np.flatnonzero(bins.inside.any(axis=(1, 2)))
    used = slice(int(held[0]), int(held[-1]) + 1) if held.size else slice(0, 1)
    for energy, one in enumerate(around[used]):
        # A pixel counts its lower edge up and its upper edge down; of two neighbours inside both cancel.
        rows = (one[1:, 1:-1] - one[:-1, 1:-1]).ravel()
        columns = (one[1:-1, :-1] - one[1:-1, 1:]).ravel()
        both = np.concatenate([rows, columns])
        found = np.flatnonzero(both)
        keys.append(found)
        energies.append(np.full(found.size, energy))
        signs.append(both[found].astype(np.float64))
    edge_ids, parts = _numbered(keys, size)
    j, i = np.divmod(edge_ids, nx)
    start = j * (nx + 1) + i
    upright = edge_ids >= number
    j, i = np.divmod(edge_ids - number, nx + 1)
    start = np.where(upright, j * (nx + 1) + i, start)
    stop = start + np.where(upright, nx + 1, 1)
    kept, ends = _numbered([start, stop], len(vectors))
    lowest = np.full(edge_ids.size, used.stop - used.start - 1)
    np.minimum.at(lowest, parts[0], np.tile(e - used.start, 4))
    for energy, border in enumerate(parts[1:]):
        lowest[border] = np.minimum(lowest[border], energy)
    out = PointWindow(
        window=window,
        inner=inner,
        bins=index,
        e=e,
        y=bins.y[index],
        x=bins.x[index],
        bare=np.flatnonzero(bins.bare[index]),
        inside=around[:, 1:-1, 1:-1].astype(bool),
        grid=vectors.reshape(ny + 1, nx + 1, 3),
        corners=np.ascontiguousarray(vectors[kept].T),
        edges=np.stack(ends),
        used=used,
        lowest=lowest,
        four=parts[0].reshape(4, -1),
        border=np.concatenate(parts[1:]),
        border_energy=np.concatenate(energies),
        signs=np.concatenate(signs),
        sign=float(np.sign(area.sum())),
        sky=grid,
        lookups=lookups,
        exposure=exposure,
        area=radial.integral_weights(common.rad),
        common=common,
        use_psf=component.use_psf,
        use_edisp=component.use_edisp,
    )
    y, x = (
        slice(inner.y_0 - window.y_0, inner.y_1 - window.y_0 + 1),
        slice(inner.x_0 - window.x_0, inner.x_1 - window.x_0 + 1),
    )
    limits = [(float(v[y, x].min()), float(v[y, x].max())) for v in (lon, lat)]
    return replace(out, nearby=nearby_of(out._labels, *limits))


def _numbered(keys: list[NDArray[np.intp]], size: int) -> tuple[NDArray[np.intp], list[NDArray[np.intp]]]:
    """Return the numbers below a size that occur, ascending, and where each lies among them."""
    flags = np.zeros(size, dtype=bool)
    for key in keys:
        flags[key] = True
    place = np.cumsum(flags) - 1
    return np.flatnonzero(flags), [place[key] for key in keys]
