"""A point source that moves: its PSF integrated over just the bins with counts that it reaches, about any position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels import edges
from xgamma.kernels.lines import line_integrals
from xgamma.likelihood.integrals import Integrals
from xgamma.likelihood.lookup import Lookups, Table
from xgamma.likelihood.nearby import Nearby
from xgamma.predict.response import Response
from xgamma.predict.tile import ROUNDING
from xgamma.predict.window import Window, pixel_sizes

__all__ = ["Place", "PointCounts", "PointWindow"]

Array = NDArray[np.float64]

_TURN = 2 * np.pi
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
    edisp : ndarray, shape (energy_true, energy)
        Energy dispersion.
    rows : ndarray, shape (energy_true or energy, number)
        Integrals of the profiles of the PSF, see `xgamma.kernels.edges.Terms`.
    """

    lonlat: tuple[float, float]
    y: float
    x: float
    width: float
    exposure: Array | None
    edisp: Array
    rows: Array


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
    centre : tuple of int
        The pixel y, x of the window in its middle: what lies on rings around it comes in this order.
    bins : ndarray of int, shape (bin,)
        Indices of the bins in the window, by rings.
    energy : ndarray of int, shape (bin,)
        Their energies among those used.
    bare : ndarray of bool, shape (bin,), or None
        Which of them have no background; None if all have one.
    used : slice
        The energies that the mask holds.
    inside : ndarray of bool, shape (y, x, energy)
        The mask on the window in these energies.
    surrounded : bool
        Whether it holds all pixels next to those in which a source may be.
    corners : ndarray, shape (3, corner)
        Unit vectors of the corners that are needed, by rings.
    grid : ndarray of int, shape (y + 1, x + 1)
        Their numbers; those of all corners around the inner window are right.
    pixels : ndarray of int, shape (5, bin)
        The corners along the borders of the bins, turning as longitude and latitude do.
    corner_rings, bin_rings, border_rings : list of int
        Number of corners, of bins and of edges of the mask up to each ring.
    border : ndarray of int, shape (2, edge)
        The corners of the edges along the border of the mask, by rings.
    border_energy : ndarray of int, shape (edge,)
        Which of the energies used these belong to.
    signs : ndarray, shape (edge,)
        Whether they add or take away.
    step, diagonal : float
        Least distance in rad of two rows or columns, and largest one of two corners of a pixel.
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
    profiles : Integrals
        The PSF around the source, and the energy dispersion if it is known at the same places.
    common : Response
        What stands in for responses that do not apply.
    use_edisp : bool
        Whether one applies.
    nearby : Nearby or None
        What `labels` gives, as polynomials; None where it is not smooth.
    """

    window: Window
    inner: Window
    centre: tuple[int, int]
    bins: NDArray[np.intp]
    energy: NDArray[np.intp]
    bare: NDArray[np.bool_] | None
    used: slice
    inside: NDArray[np.bool_]
    surrounded: bool
    corners: Array
    grid: NDArray[np.intp]
    pixels: NDArray[np.intp]
    corner_rings: list[int]
    bin_rings: list[int]
    border_rings: list[int]
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
    profiles: Integrals
    common: Response
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
        rows, edisp = self.profiles.at(labels[2:4])
        if edisp is None and self.use_edisp:
            edisp = self.lookups.matrix(lon, lat, labels[4:6])
        exposure = None if self.exposure is None else self.exposure.at_labels(*labels[6:8])
        return Place(
            (math.radians(lon), math.radians(lat)),
            y=labels[0],
            x=labels[1],
            width=labels[8],
            exposure=exposure,
            edisp=self.common.edisp if edisp is None else edisp,
            rows=rows,
        )

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
        mixed, noise, beyond = self._mixed(place, fluxes)
        size, number = len(mixed), len(fluxes)
        if around:
            # Those of a move are of the responses, which vary linearly, and of the directions.
            sides = [[self._mixed(side, fluxes[:1])[0] for side in pair] for *pair, _ in around]
            steps = [(high - low) / distance for (high, low), (*_, distance) in zip(sides, around, strict=True)]
            mixed = np.concatenate([mixed, *steps])
        terms = edges.Terms(mixed, self.radii.segments)
        reach = self._reach(beyond, noise)
        row, column = round(place.y) - self.window.y_0, round(place.x) - self.window.x_0
        ring = int(float(reach.max()) / self.step) + 2
        ring += max(abs(row - self.centre[0]), abs(column - self.centre[1]))
        ring = min(ring, len(self.corner_rings) - 1)
        plane = edges.project(self.corners[:, : self.corner_rings[ring]], *place.lonlat, slopes=bool(around))
        # The squares of opposite corners, twice that of the middle between them and half of that of their distance.
        limit = 2 * (reach + self.diagonal / 2) ** 2 + self.diagonal**2 / 2

        def integrals(lines: NDArray[np.intp], energy: NDArray[np.intp], n: int) -> tuple[Any, Any, Array]:
            """Which of the first n lines are reached, their energies, and the integrals along them."""
            both = plane.squares.take(lines[0, :n])
            both += plane.squares.take(lines[len(lines) // 2, :n])
            some = np.flatnonzero(both < limit.take(energy[:n]))
            reached, which, stride = lines.take(some, axis=1), energy.take(some), size // number
            return some, which, line_integrals(plane, reached, self.radii, terms, which, stride, place.width)

        reached, which, image = integrals(self.pixels, self.energy, self.bin_rings[ring])
        kinds = terms.last.reshape(-1, size // number)
        total = np.zeros(len(image))
        total[: len(kinds)] = _TURN * kinds.sum(axis=1) if self.surrounded else kinds @ self._turned(plane, row, column)
        if self.border_rings[ring]:
            edge, _, along = integrals(self.border, self.border_energy, self.border_rings[ring])
            total += along @ self.signs.take(edge)
        # Rows are those of the fluxes, of moved responses, and of moved directions.
        out, moves = PointCounts(reached, image[:number], total[:number]), len(around)
        out.counts[np.abs(out.counts) <= noise.take(which, axis=1)] = 0.0
        image, total = image[number:], total[number:]
        both = zip(image[:moves] + image[moves:], total[:moves] + total[moves:], strict=True)
        return [out, *(PointCounts(reached, counts[None], sums[None]) for counts, sums in both)]

    def _turned(self, plane: edges.Plane, row: int, column: int) -> Array:
        """By which angles (energy,) the mask turns around a source."""
        inside = self.inside[row - 1 : row + 2, column - 1 : column + 2]
        corners = self.grid[row - 1 : row + 3, column - 1 : column + 3]
        # On an edge each of the pixels there has a part of it.
        return self.sign * np.einsum("yx,yxe->e", edges.turns(plane.points.take(corners)), inside)

    def _reach(self, beyond: Array, noise: Array) -> Array:
        """Radius (energy,) beyond which profiles (k * energy, rad) hold no more than rounding (k, energy)."""
        if self.profiles.negative:
            return np.full(noise.shape[1], self.radii.rad[-1])
        inside = (beyond[:, :-1] > noise.reshape(-1, 1) / _TURN).sum(axis=1)
        return self.radii.rad.take(inside).reshape(noise.shape).max(axis=0)

    def _mixed(self, place: Place, fluxes: Array) -> tuple[Array, Array, Array]:
        """Integrals of profiles in the energies used, times the counts; what counts are rounding; what lies beyond.

        Shapes (k * energy, number), (k, energy), and (k * energy, rad) where negative counts are taken for positive.
        """
        rows, segments = place.rows, self.radii.segments
        scaled = fluxes if place.exposure is None else fluxes * place.exposure
        edisp = place.edisp[:, self.used]
        weights = (scaled.T[:, :, None] * edisp[:, None, :]).reshape(len(edisp), -1)
        positive = weights.min() >= 0
        sizes = weights if positive else np.abs(weights)
        noise = ROUNDING * sizes.sum(axis=0).reshape(len(fluxes), -1)
        if self.common.reconstructed:
            # Profiles are mixed where they are known by true energy alone.
            rows, number = rows[self.used], len(fluxes)
            weights, sizes = (np.tile(np.eye(len(rows)), number) * part.sum(axis=0) for part in (weights, sizes))
        norm = _TURN * rows[:, 4 * segments]
        share = 1 / norm if norm.min() > 0 else np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)
        mixed = (weights.T * share) @ rows
        beyond = mixed if positive else (sizes.T * share) @ rows
        return mixed, noise, beyond[:, 4 * segments + 1 :]
