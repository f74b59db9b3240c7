"""A point source that moves: its PSF integrated over just the bins with counts that it reaches, about any position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import edges
from xgamma.likelihood.lookup import Lookups, Table
from xgamma.likelihood.nearby import Nearby
from xgamma.predict.response import Response
from xgamma.predict.tile import ROUNDING
from xgamma.predict.window import Window, pixel_sizes

__all__ = ["Place", "PointCounts", "PointWindow"]

Array = NDArray[np.float64]

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
class PointCounts:
    """Counts of a source, or their derivatives, in the bins that it reaches.

    Attributes
    ----------
    reached : ndarray of int, shape (bin,)
        Which of the bins of the window.
    counts : ndarray, shape (k, bin)
        Counts for k fluxes.
    total : ndarray, shape (k,)
        Their sums over the mask.
    """

    reached: NDArray[np.intp]
    counts: Array
    total: Array


@dataclass(frozen=True)
class PointWindow:
    """Corners of the pixels with counts around a source.

    The integral of a profile over a pixel is that of another function along its border, and the sum over all pixels of
    a mask is that along the border of the mask.

    Attributes
    ----------
    window : Window
        Pixels considered.
    inner : Window
        Where the nearest pixel of a source must be.
    bins : ndarray of int, shape (bin,)
        Indices of the bins in the window, by rows.
    energy, y, x : ndarray of int, shape (bin,)
        Their energies among those used, rows and columns of the window.
    bare : ndarray of bool, shape (bin,)
        Which of them have no background.
    used : slice
        The energies that the mask holds.
    inside : ndarray of bool, shape (y, x, energy)
        The mask on the window in these energies.
    corners : ndarray, shape (3, corner)
        Unit vectors of the corners that are needed, by rows.
    grid : ndarray of int, shape (y + 1, x + 1)
        Their numbers; those of all corners around the inner window are right.
    path : ndarray of int, shape (5, bin)
        Corners along the border of each bin, back to the first.
    corner_rows, bin_rows : list of int
        The first corner and the first bin of each row, and of those beyond the last.
    border : ndarray of int, shape (2, edge)
        Corners of the edges along the border of the mask, ascending.
    border_energy : ndarray of int, shape (edge,)
        Which of the energies used these belong to.
    signs : ndarray, shape (edge,)
        Whether they add or take away.
    step, diagonal : float
        Least distance in rad of two rows, and largest one of the first corner of a pixel from any other.
    sign : float
        Orientation of the pixels on the sky.
    sky : SkyGrid
        Grid of the map.
    lookups : Lookups
        The responses.
    exposure : Table or None
        The exposure around the source in cm2 s; None where none applies.
    radii : Radii
        Those of the profiles.
    area : ndarray, shape (rad,)
        What turns a profile into its integral over the plane.
    common : Response
        What stands in for responses that do not apply.
    use_psf, use_edisp : bool
        Which apply.
    nearby : Nearby or None
        What `labels` gives, as polynomials; None where it is not smooth.
    """

    window: Window
    inner: Window
    bins: NDArray[np.intp]
    energy: NDArray[np.intp]
    y: NDArray[np.int64]
    x: NDArray[np.int64]
    bare: NDArray[np.bool_]
    used: slice
    inside: NDArray[np.bool_]
    corners: Array
    grid: NDArray[np.intp]
    path: NDArray[np.intp]
    corner_rows: list[int]
    bin_rows: list[int]
    border: NDArray[np.intp]
    border_energy: NDArray[np.intp]
    signs: Array
    step: float
    diagonal: float
    sign: float
    sky: Any
    lookups: Lookups
    exposure: Table | None
    radii: edges.Radii
    area: Array
    common: Response
    use_psf: bool
    use_edisp: bool
    nearby: Nearby | None = None

    def labels(self, lon: Array, lat: Array) -> Array:
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
            if not (near or self._holds(float(y), float(x))):
                return None
            found = self.labels(np.array([lon]), np.array([lat]))[:, 0]
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
        if not (math.isfinite(y) and math.isfinite(x)):
            return False
        return self.inner.y_0 <= round(y) < self.inner.y_1 and self.inner.x_0 <= round(x) < self.inner.x_1

    def counts(self, place: Place, fluxes: Array) -> PointCounts:
        """Return the counts of a source for fluxes (k, energy_true)."""
        return self._counts(place, fluxes, ())[0]

    def moving(self, place: Place, fluxes: Array) -> list[PointCounts]:
        """Return what `counts` does, and derivatives for the first flux along longitude and latitude in rad."""
        lon, lat = np.degrees(place.lonlat)
        step = _STEP * np.degrees(place.width)
        steps = (step / max(np.cos(place.lonlat[1]), 1e-6), 0.0), (0.0, step)
        around = []
        for along_lon, along_lat in steps:
            sides = [self.place(lon + sign * along_lon, lat + sign * along_lat, near=True) for sign in (1, -1)]
            assert sides[0] is not None and sides[1] is not None
            around.append((sides[0], sides[1], 2 * np.radians(along_lon + along_lat)))
        return self._counts(place, fluxes, tuple(around))

    def _counts(self, place: Place, fluxes: Array, around: tuple[tuple[Place, Place, float], ...]) -> list[PointCounts]:
        """Return counts for the fluxes, and their derivatives for the first one.

        Around are pairs of places next to it along longitude and latitude, with their distances in rad.
        """
        mixed, noise = self._mixed(place, fluxes)
        size, number = len(mixed), len(fluxes)
        # Those of a move are of the responses, which vary linearly, and of the directions.
        sides = [[self._mixed(side, fluxes[:1])[0] for side in pair] for *pair, _ in around]
        steps = [(high - low) / distance for (high, low), (*_, distance) in zip(sides, around, strict=True)]
        terms = self.radii.terms(np.concatenate([mixed, *steps]) if steps else mixed)
        reach = self._reach(mixed, noise, terms.beyond[:size])
        row, column = round(place.y) - self.window.y_0, round(place.x) - self.window.x_0
        half = int(reach.max() / self.step) + 2
        low, high = max(row - half, 0), min(row + half + 1, self.window.shape[0])
        first, last = self.corner_rows[low], self.corner_rows[high + 1]
        plane = edges.project(self.corners[:, first:last], *place.lonlat, slopes=bool(around))
        square, limit = plane.points.real**2 + plane.points.imag**2, (reach + self.diagonal) ** 2

        def integrals(lines: NDArray[np.intp], energy: NDArray[np.intp]) -> Array:
            return edges.line_integrals(plane, lines - first, self.radii, terms, energy, size // number, place.width)

        there = slice(self.bin_rows[low], self.bin_rows[high])
        reached = np.flatnonzero(square.take(self.path[0, there] - first) < limit.take(self.energy[there]))
        reached += there.start
        energy = self.energy.take(reached)
        image = integrals(self.path.take(reached, axis=1), energy)
        total = np.zeros(len(image))
        kinds = terms.last.reshape(-1, size // number)
        total[: len(kinds)] = kinds @ self._turned(plane, first, row, column)
        ends = slice(*self.border[0].searchsorted([first, self.corner_rows[high]]).tolist())
        if ends.start < ends.stop:
            near = square.take(self.border[0, ends] - first) < limit.take(self.border_energy[ends])
            edge = np.flatnonzero(near) + ends.start
            total += integrals(self.border.take(edge, axis=1), self.border_energy.take(edge)) @ self.signs.take(edge)
        image *= self.sign
        total *= self.sign
        # Rows are those of the fluxes, of moved responses, and of moved directions.
        out, moves = PointCounts(reached, image[:number], total[:number]), len(around)
        out.counts[np.abs(out.counts) <= noise.take(energy, axis=1)] = 0.0
        image, total = image[number:], total[number:]
        both = zip(image[:moves] + image[moves:], total[:moves] + total[moves:], strict=True)
        return [out, *(PointCounts(reached, counts[None], sums[None]) for counts, sums in both)]

    def _turned(self, plane: edges.Plane, first: int, row: int, column: int) -> Array:
        """By which angles (energy,) the mask turns around a source."""
        inside = self.inside[row - 1 : row + 2, column - 1 : column + 2]
        if inside.all():
            return np.full(inside.shape[2], self.sign * 2 * np.pi)
        corners = self.grid[row - 1 : row + 3, column - 1 : column + 3] - first
        # On an edge each of the pixels there has a part of it.
        return np.einsum("yx,yxe->e", edges.turns(plane.points.take(corners)), inside)

    def _reach(self, mixed: Array, noise: Array, beyond: Array) -> Array:
        """Radius (energy,) beyond which profiles hold no more than rounding."""
        if mixed.min() < 0:
            # Of either sign: a bound for any pixel beyond.
            beyond = self.radii.terms(np.abs(mixed)).beyond
        inside = (2 * np.pi * beyond > noise.reshape(-1, 1)).sum(axis=1)
        return self.radii.rad.take(inside.clip(max=self.radii.rad.size - 1)).reshape(noise.shape).max(axis=0)

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
