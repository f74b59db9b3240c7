"""Source models on the bins of a dataset: a matrix that turns a flux into counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.likelihood.bins import Bins
from xgamma.likelihood.parameters import Part
from xgamma.likelihood.spectrum import Linear, Spectrum, simplify
from xgamma.models import SkyModel
from xgamma.predict.region import region_response

__all__ = [
    "Contribution",
    "Fixed",
    "Many",
    "RegionSource",
    "fixed_of",
    "independent",
    "moved_many",
    "region_source",
    "still_many",
]

Array = NDArray[np.float64]

_SHIFT, _RELATIVE = 1e-5, 5e-5
"""Steps of the differences in position (deg) and relative to a parameter of shape."""
_SAME = 1e-9
"""Relative difference up to which derivatives, themselves from differences, are multiples of each other."""


@dataclass(frozen=True)
class Fixed:
    """Counts of a source that stands still, linear in the numbers of its spectrum.

    Attributes
    ----------
    bins : ndarray, shape (bin,)
        Indices of the bins that it reaches.
    matrix : ndarray, shape (bin, k)
        Counts in each bin for each number of the spectrum.
    total : ndarray, shape (k,)
        Counts inside the mask, without those in bare bins that are kept.
    worst : ndarray, shape (k, energy)
        Highest ratio of the counts to the background inside the mask, where that is needed.
    bare, bare_energy : ndarray of int
        Which of the bins have no background, and their energies.
    noise : ndarray, shape (k, energy)
        Counts below which a prediction without background is taken for rounding.
    """

    bins: NDArray[np.intp]
    matrix: Array
    total: Array
    worst: Array
    bare: NDArray[np.intp]
    bare_energy: NDArray[np.intp]
    noise: Array


@dataclass(frozen=True)
class Contribution:
    """Counts of a source for one parameter vector.

    Attributes
    ----------
    fixed : Fixed
        What the coefficients multiply.
    coefficients : ndarray, shape (k,)
        The numbers of the spectrum.
    slopes : list of (int, ndarray)
        Their derivatives with respect to places in the parameter vector.
    bends : list of (int, int, ndarray)
        Second derivatives with respect to pairs of places, the first not behind the second.
    moves : list of (int, ndarray, float)
        Derivatives of the counts in the bins and of their total with respect to shape and position.
    still : bool
        Whether the source is where it was when it was compiled.
    home : bool
        Whether the bins are those that it reaches wherever it stands near there.
    bounded : bool
        Whether a lower bound of the counts is known.
    """

    fixed: Fixed
    coefficients: Array
    slopes: list[tuple[int, Array]] = field(default_factory=list)
    bends: list[tuple[int, int, Array]] = field(default_factory=list)
    moves: list[tuple[int, Array, float]] = field(default_factory=list)
    still: bool = True
    home: bool = False
    bounded: bool = True

    @property
    def signal(self) -> Array:
        """Counts in each bin."""
        fixed, numbers = self.fixed, self.coefficients
        # Of one column as below: the product would wake other threads.
        out = fixed.matrix[:, 0] * numbers[0] if numbers.size == 1 else fixed.matrix @ numbers
        if fixed.bare.size:
            # As predictions do: the logarithm of what is left of rounding would count.
            limit = (np.abs(self.coefficients) @ fixed.noise)[fixed.bare_energy]
            out[fixed.bare] = np.where(np.abs(out[fixed.bare]) > limit, out[fixed.bare], 0.0)
        return out


def contribution(fixed: Fixed, spectrum: Spectrum | Linear, x: Array, order: int) -> Contribution:
    """Evaluate a source that stands still, with derivatives of its spectrum up to an order."""
    if not order:
        return Contribution(fixed, spectrum(x))
    value, rows, bends = spectrum.expand(x, order)
    slopes = [(free.slot, row) for free, row in zip(spectrum.free, rows, strict=True)]
    return Contribution(fixed, value, slopes=slopes, bends=bends)


Many: TypeAlias = tuple[Contribution, Array, NDArray[np.bool_]]
"""Counts of a source for many vectors: a contribution, the coefficients (point, k) of its matrix, and at which points
sums over the mask hold."""


def still_many(fixed: Fixed, spectrum: Spectrum | Linear, x: Array) -> Many:
    """Evaluate a source that stands still for vectors (point, parameter)."""
    coefficients = spectrum.rows(x)
    return Contribution(fixed, coefficients[0]), coefficients, np.ones(len(x), dtype=bool)


def moved_many(evaluate: Callable[[Array], Fixed], spectrum: Spectrum, x: Array) -> Many:
    """Evaluate a source that is elsewhere, and there for all vectors, given what turns fluxes (k, bin) into counts."""
    fluxes = spectrum.rows(x)
    unique, which = np.unique(fluxes, axis=0, return_inverse=True)
    which = which.ravel()
    basis, coefficients = unique, np.eye(len(unique))[which]
    if len(unique) > 1:
        # Spectra that differ by a factor have one image; where there are many, each energy has one.
        one = unique[np.argmax(np.abs(unique).max(axis=1))]
        factor = unique @ one / max(one @ one, np.finfo(float).tiny)
        if np.allclose(unique, factor[:, None] * one, rtol=1e-13, atol=0):
            basis, coefficients = one[None], factor[which][:, None]
        elif len(unique) > fluxes.shape[1]:
            basis, coefficients = np.eye(fluxes.shape[1]), fluxes
    out = Contribution(evaluate(basis), coefficients[0], still=False, bounded=False)
    return out, coefficients, np.asarray((fluxes >= 0).all(axis=1))


def independent(fluxes: Array) -> tuple[Array, Array]:
    """Return the first of some fluxes and those that are no multiple of one before, and the shares of these in all."""
    if len(fluxes) == 1:
        return fluxes, np.ones((1, 1))
    chosen: list[Array] = []
    shares = np.zeros((len(fluxes), len(fluxes)))
    for i, flux in enumerate(fluxes):
        for j, other in enumerate(chosen):
            factor = float(flux @ other) / (float(other @ other) or 1.0)
            if (np.abs(flux - factor * other) <= _SAME * np.abs(flux)).all():
                shares[i, j] = factor
                break
        else:
            shares[i, len(chosen)] = 1.0
            chosen.append(flux)
    return np.stack(chosen), shares[:, : len(chosen)]


def fixed_of(
    bins: Bins,
    chosen: NDArray[np.intp],
    matrix: Array,
    total: Array,
    worst: Array | None = None,
    noise: Array | None = None,
) -> Fixed:
    """Take kept bare bins out of the totals, and add up bins that occur twice."""
    if not (np.diff(chosen) > 0).all():
        unique, where = np.unique(chosen, return_inverse=True)
        summed = np.zeros((unique.size, matrix.shape[1]))
        np.add.at(summed, where, matrix)
        chosen, matrix = unique, summed
    bare = np.flatnonzero(bins.bare[chosen])
    total = total - matrix[bare].sum(axis=0)
    none = np.zeros((matrix.shape[1], bins.inside.shape[0]))
    worst, noise = none if worst is None else worst, none if noise is None else noise
    # By columns: a product with a vector is then three times as fast.
    return Fixed(chosen, np.asfortranarray(matrix), total, worst, bare, bins.e[chosen[bare]], noise)


@dataclass(frozen=True)
class RegionSource:
    """A source in the region of a spectrum.

    Attributes
    ----------
    name : str
        Name of the model.
    bins : Bins
        The bins of the dataset.
    spectrum : Spectrum
        Flux in each true-energy bin.
    spatial : Part or None
        The spatial model, where it matters.
    start : dict
        Values of its free parameters when it was compiled.
    response : ndarray, shape (energy, energy_true)
        Counts for a flux of 1 at these values.
    reduced : Spectrum or Linear
        The spectrum, as one number where no more is free.
    fixed : Fixed
        Counts at these values.
    ds : Dataset
        The responses of the dataset, where the source may move.
    model : SkyModel
        The model.
    """

    name: str
    bins: Bins
    spectrum: Spectrum
    spatial: Part | None
    start: dict[str, float]
    response: Array
    reduced: Spectrum | Linear
    fixed: Fixed
    ds: xr.Dataset | None
    model: SkyModel

    @property
    def shape_slots(self) -> tuple[int, ...]:
        """Places in the vector of what may move it."""
        return () if self.spatial is None else tuple(free.slot for free in self.spatial.free)

    def many(self, x: Array) -> Many:
        """Return the counts for vectors (point, parameter) of one place and shape."""
        response = self._response(x[0])
        if response is self.response:
            return still_many(self.fixed, self.reduced, x)
        return still_many(_region_fixed(self.bins, response), self.spectrum, x)

    def _response(self, x: Array) -> Array:
        if self.spatial is None or self.ds is None or self.spatial.values(x) == self.start:
            return self.response
        return self._moved(self.spatial.at(x))

    def _moved(self, spatial: Any) -> Array:
        assert self.ds is not None
        model = SkyModel(self.model.spectral_model, spatial, name=self.name, apply_irf=self.model.apply_irf)
        return region_response(self.ds, model).T

    def _slopes(self, x: Array, which: NDArray[np.bool_] | None = None) -> list[tuple[int, Array]]:
        """Return derivatives of the response with respect to shape and position."""
        if self.spatial is None:
            return []
        out = []
        for free in self.spatial.free:
            if which is not None and not which[free.slot]:
                continue
            value = x[free.slot] * free.factor
            step = _SHIFT if free.name in ("lon_0", "lat_0") else _RELATIVE * max(abs(value), 1e-2 * free.scale)
            high, low = min(value + step, free.upper), max(value - step, free.lower)
            responses = []
            for moved in (high, low):
                there = x.copy()
                there[free.slot] = moved / free.factor
                responses.append(self._moved(self.spatial.at(there)))
            out.append((free.slot, (responses[0] - responses[1]) / ((high - low) / free.factor)))
        return out

    @property
    def home(self) -> NDArray[np.intp]:
        """Indices of the bins that it reaches wherever it stands."""
        return self.fixed.bins

    def sorted_by(self, place: NDArray[np.intp]) -> RegionSource:
        """Return the same source, whose bins are all there are: see `MapSource.sorted_by`."""
        return self

    def at(self, x: Array, order: int = 0, free: NDArray[np.bool_] | None = None) -> Contribution:
        """Return the counts for a parameter vector, with derivatives up to an order.

        Those of position and shape are of first order at most, and taken only for the free places in the vector.
        """
        response, moves = self._response(x), []
        if order:
            for slot, slope in self._slopes(x, free):
                fixed = _region_fixed(self.bins, slope)
                flux = self.spectrum(x)
                moves.append((slot, fixed.matrix @ flux, float(fixed.total @ flux)))
        if response is self.response:
            out = contribution(self.fixed, self.reduced, x, order)
            return replace(out, moves=moves) if moves else out
        moved = contribution(_region_fixed(self.bins, response), self.spectrum, x, order)
        return replace(moved, moves=moves, still=False, home=True)

    def images(self, x: Array, slopes: bool) -> list[tuple[int | None, Any, Array]]:
        """Return counts in all bins and their derivatives: (place in the vector or None, part of the map, counts)."""
        response, flux, everything = self._response(x), self.spectrum(x), np.s_[:, :, :]
        out: list[tuple[int | None, Any, Array]] = [(None, everything, (response @ flux)[:, None, None])]
        if slopes:
            rows = zip(self.spectrum.free, self.spectrum.jacobian(x), strict=True)
            out += [(free.slot, everything, (response @ row)[:, None, None]) for free, row in rows]
            out += [(slot, everything, (slope @ flux)[:, None, None]) for slot, slope in self._slopes(x)]
        return out


def _region_fixed(bins: Bins, response: Array) -> Fixed:
    """Return counts for each of k numbers, given those (energy, k) in every energy."""
    matrix = response[bins.e]
    if bins.every:
        # Nothing is left for sums over other bins; and a region knows no rounding, so that none is bare.
        k, none = response.shape[1], np.zeros(0, dtype=np.intp)
        zero = np.zeros((k, len(response)))
        return Fixed(np.arange(bins.n.size), np.asfortranarray(matrix), np.zeros(k), zero, none, none, zero)
    inside, background = bins.inside[:, 0, 0], bins.background[:, 0, 0].astype(np.float64)
    ratio = np.divide(response.T, background, out=np.full(response.shape[::-1], np.inf), where=background > 0)
    worst = np.where(inside & (response.T > 0), ratio, 0.0)
    return fixed_of(bins, np.arange(bins.n.size), matrix, response[inside].sum(axis=0), worst)


def region_source(
    ds: xr.Dataset, bins: Bins, model: SkyModel, spectrum: Spectrum, spatial: Part | None, x: Array
) -> RegionSource:
    """Compile a source in the region of a spectrum."""
    reduced, shape = simplify(spectrum, x)
    response = region_response(ds, model).T
    fixed = _region_fixed(bins, response if shape is None else (response @ shape)[:, None])
    moves = spatial is not None and bool(spatial.free)
    own = None
    if moves:
        keep = [name for name in ("exposure", "psf", "edisp") if name in ds]
        own = ds[keep].compute().copy(deep=True)
    start = spatial.values(x) if spatial is not None else {}
    spatial = spatial if moves else None
    return RegionSource(model.name, bins, spectrum, spatial, start, response, reduced, fixed, own, model)
