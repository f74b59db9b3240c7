"""Bins without counts in which a source of negative flux may outweigh the background.

There a prediction is cut off, so that no sum over the mask holds; everywhere else it does, and a bound tells so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels.products import combine
from xgamma.likelihood.bins import TINY, Bins
from xgamma.likelihood.spectrum import SCALES
from xgamma.predict.window import Window

__all__ = ["Deep", "Image", "deep_of", "may_be_negative", "nowhere"]

Array = NDArray[np.float64]

_SIGMAS = 30.0
"""Depth of a source, in standard errors of its flux, up to which bins are kept."""


@dataclass(frozen=True)
class Image:
    """Counts of a component that stands still on its window, while a dataset is compiled.

    Attributes
    ----------
    window : Window
        The pixels.
    values : ndarray, shape (k, energy, y, x) or (energy_true, y, x)
        For each of k numbers of a spectrum; or for each true energy, before the dispersion.
    edisp : ndarray, shape (energy_true, energy), or None
        The dispersion to apply.
    """

    window: Window
    values: Array
    edisp: Array | None = None

    def at_energy(self, i: int) -> tuple[Array, Array]:
        """Images (k, y, x) in a reconstructed energy, and the weight of each."""
        if self.edisp is None:
            return self.values[:, i], np.ones(len(self.values))
        return self.values, self.edisp[:, i]


@dataclass(frozen=True)
class Deep:
    """The bins.

    Attributes
    ----------
    b, e : ndarray, shape (bin,)
        Background and energy.
    places : tuple of ndarray of int
        Which bins each source reaches.
    matrices : tuple of ndarray, shape (reached, k)
        Counts there for each number of its spectrum.
    worst : tuple of ndarray, shape (k, energy)
        Highest ratio of the counts to the background in all other bins without counts.
    """

    b: Array
    e: NDArray[np.intp]
    places: tuple[NDArray[np.intp], ...]
    matrices: tuple[Array, ...]
    worst: tuple[Array, ...]


def deep_of(bins: Bins, images: list[list[Image]], numbers: list[Array]) -> Deep:
    """Choose the bins.

    Parameters
    ----------
    bins : Bins
        The bins of the dataset.
    images : list of lists of Image
        The components of each source.
    numbers : list of ndarray
        The numbers of the spectrum of each source where it was compiled.
    """
    empty = bins.inside & (bins.background > TINY)
    pixel = np.searchsorted(bins.rows, bins.y), np.searchsorted(bins.columns, bins.x)
    empty[bins.e, *pixel] = False
    chosen = np.zeros_like(empty)
    for parts, number in zip(images, numbers, strict=True):
        size = np.where(number != 0, np.abs(number), 1.0 if not number.any() else 0.0)
        signals = [_signal(image, size) for image in parts]
        information = sum((_information(bins, image, s) for image, s in zip(parts, signals, strict=True)), 0.0)
        if not information > 0:
            continue
        for image, signal in zip(parts, signals, strict=True):
            along_y, along_x, place_y, place_x = bins.slices(image.window)
            here = np.s_[:, along_y, along_x]
            depth = _SIGMAS / np.sqrt(information) * signal[:, place_y][:, :, place_x]
            chosen[here] |= empty[here] & (depth > bins.background[here])
    flat = np.flatnonzero(chosen)
    rest = empty & ~chosen
    reached = [_reached(bins, parts, flat, number.size) for parts, number in zip(images, numbers, strict=True)]
    worst = [_worst(bins, parts, rest, number.size) for parts, number in zip(images, numbers, strict=True)]
    e = flat // (empty.shape[1] * empty.shape[2])
    b = bins.background.ravel()[flat].astype(np.float64)
    return Deep(b, e, tuple(r[0] for r in reached), tuple(r[1] for r in reached), tuple(worst))


def _signal(image: Image, numbers: Array) -> Array:
    """Sum counts over the numbers of a spectrum, shape (energy, y, x)."""
    if image.edisp is None:
        return combine(numbers[None], image.values)[0]
    return combine((image.edisp * numbers[:, None]).T, image.values)


def _information(bins: Bins, image: Image, signal: Array) -> float:
    """Inverse variance of the flux in units of that of the signal."""
    along_y, along_x, place_y, place_x = bins.slices(image.window)
    here = np.s_[:, along_y, along_x]
    signal = np.maximum(signal[:, place_y][:, :, place_x], 0.0)
    level = bins.background[here] + signal
    some = bins.inside[here] & (level > TINY)
    return float((signal[some] ** 2 / level[some]).sum())


def _reached(bins: Bins, parts: list[Image], flat: NDArray[np.intp], k: int) -> tuple[NDArray[np.intp], Array]:
    """Which of some bins a source reaches, and its counts there."""
    matrix, hit = np.zeros((flat.size, k)), np.zeros(flat.size, dtype=bool)
    pixel_e, pixel = np.divmod(flat, bins.inside[0].size)
    row, column = np.divmod(pixel, bins.inside.shape[2])
    y, x = bins.rows[row], bins.columns[column]
    for image in parts:
        window = image.window
        own = (y >= window.y_0) & (y < window.y_1) & (x >= window.x_0) & (x < window.x_1)
        at = y[own] - window.y_0, x[own] - window.x_0
        if image.edisp is None:
            matrix[own] += image.values[:, pixel_e[own], *at].T
        else:
            matrix[own] += image.values[:, *at].T * image.edisp[:, pixel_e[own]].T
        hit |= own
    places = np.flatnonzero(hit)
    return places, np.asfortranarray(matrix[places])


def _worst(bins: Bins, parts: list[Image], rest: NDArray[np.bool_], k: int) -> Array:
    """Highest ratio to the background in each energy (k, energy), over some bins."""
    out = np.zeros((k, len(rest)))
    for image in parts:
        along_y, along_x, place_y, place_x = bins.slices(image.window)
        here = np.s_[:, along_y, along_x]
        level = bins.background[here].astype(np.float64)
        inverse = np.divide(1.0, level, out=np.zeros_like(level), where=rest[here])
        for i in range(len(rest)):
            values, weight = image.at_energy(i)
            used = np.flatnonzero(weight)
            if used.size and inverse[i].any():
                own = values[used][:, place_y][:, :, place_x] * inverse[i]
                out[used, i] += weight[used] * own.max(axis=(1, 2), initial=0.0)
    return out


def nowhere(bins: Bins, worst: list[Any]) -> Deep:
    """Return no bins, for sources whose highest ratios are known."""
    none = np.zeros(0, dtype=np.intp)
    empty = tuple(none for _ in worst), tuple(np.zeros((0, len(w))) for w in worst)
    return Deep(np.zeros(0), none, *empty, tuple(worst))


def may_be_negative(source: Any, x: Array) -> bool:
    """Whether a flux can fall below zero."""
    scales = [free for free in source.spectrum.free if free.name in SCALES]
    return bool((source.reduced(x) < 0).any()) or any(free.lower < 0 for free in scales)
