"""Transforms of the PSF around a source, to sizes that hold all but nothing of what the PSF takes beyond them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels.convolve import backward_rows, forward_rows
from xgamma.predict.window import Window

__all__ = ["Transforms", "fitting", "reach_of", "seen_of", "smallest", "transforms_of", "within"]

Array = NDArray[np.float64]

_LOST = 1e-8
"""Counts that may be lost beyond the pixels kept, as a part of the background of any bin."""


@dataclass(frozen=True)
class Transforms:
    """Transforms of the PSF to one size.

    Attributes
    ----------
    size : tuple of int
        Size of the images that are transformed, in fine pixels.
    kept : Window
        Pixels of these images. What the PSF takes beyond them comes back on the other side.
    kernels : ndarray, shape (frequency y, energy_true, frequency x)
        Of the PSF on fine pixels, its centre in the first one.
    leaving : tuple of ndarray, shapes (energy_true, y) and (energy_true, x)
        Share of what is in a fine row or column of the pixels kept that the PSF takes beyond them.
    rows : slice
        Fine rows of the target.
    place : ndarray of int, shape (bin,)
        Where the bins that are reached lie in images (y, energy, x) of these rows.
    outside : ndarray of bool, shape (bin,)
        Which of them are not kept.
    """

    size: tuple[int, int]
    kept: Window
    kernels: NDArray[np.complex128]
    leaving: tuple[Array, Array]
    rows: slice
    place: NDArray[np.intp]
    outside: NDArray[np.bool_]

    def holds(self, source: Window, factor: int, image: Array, worst: Array) -> bool:
        """Whether no more than nothing is lost of an image (y, x) on the fine pixels of a window.

        `worst` are counts for a unit of it in each true energy, as parts of the least background of a bin.
        """
        return source & self.kept == source and _is_lossless(
            self.leaving, within(source, self.kept, factor), image, worst
        )


def _is_lossless(leaving: tuple[Array, Array], part: tuple[slice, slice], image: Array, worst: Array) -> bool:
    """Whether no more than nothing is lost of an image on a part of the pixels kept."""
    rows, columns = part
    image = np.abs(image)
    lost = leaving[0][:, rows] @ image.sum(axis=1) + leaving[1][:, columns] @ image.sum(axis=0)
    return bool(worst @ lost <= _LOST)


def within(part: Window, whole: Window, factor: int) -> tuple[slice, slice]:
    """Where the fine pixels of a window lie in another."""
    return (
        slice((part.y_0 - whole.y_0) * factor, (part.y_1 - whole.y_0) * factor),
        slice((part.x_0 - whole.x_0) * factor, (part.x_1 - whole.x_0) * factor),
    )


def fitting(window: Window, factor: int) -> tuple[tuple[int, int], Window]:
    """Return the size of a fast transform that holds the fine pixels of a window, and all pixels that it holds."""
    from scipy.fft import next_fast_len

    ny, nx = window.shape
    # Transforms along y are those of complex numbers.
    size = int(next_fast_len(ny * factor)), int(next_fast_len(nx * factor, real=True))
    return size, window.grow((size[0] // factor - ny) // 2, (size[1] // factor - nx) // 2)


def _leaving(kernels: Array, kept: Window, factor: int) -> tuple[Array, Array]:
    """Share that kernels (energy_true, y, x) take beyond the fine pixels of a window, for each row and column there."""
    sizes = tuple(n * factor for n in kept.shape)
    sums = (np.abs(kernels).sum(axis=axis) for axis in (2, 1))
    low, high = (_beyond(line, n) for line, n in zip(sums, sizes, strict=True))
    return low, high


def _beyond(lines: Array, n: int) -> Array:
    """Share (k, n) of kernels (k, odd) that reaches beyond either end of n places from each of them."""
    half = lines.shape[1] // 2
    none = np.zeros((len(lines), 1))
    # By how many places, from 0 to one more than they reach.
    up = np.concatenate([lines[:, half:][:, ::-1].cumsum(axis=1)[:, ::-1], none], axis=1)
    down = np.concatenate([lines[:, : half + 1].cumsum(axis=1)[:, ::-1], none], axis=1)
    places = np.arange(n)
    return up[:, np.minimum(n - places, half + 1)] + down[:, np.minimum(places + 1, half + 1)]


def transforms_of(
    kernels: Array,
    size: tuple[int, int],
    kept: Window,
    factor: int,
    target: Window,
    bins: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]],
    n_energies: int,
) -> Transforms:
    """Transform the PSF to a size.

    Parameters
    ----------
    kernels : ndarray, shape (energy_true, y, x)
        On fine pixels, the centre in the middle.
    size : tuple of int
        In fine pixels.
    kept : Window
        Pixels kept.
    factor : int
        Into how many parts a pixel is cut along each dim.
    target : Window
        Pixels whose counts are wanted.
    bins : tuple of ndarray of int
        Labels y, x and energies of the bins that are reached.
    n_energies : int
        Number of energies.
    """
    y, x, e = bins
    inner, width = kept & target, size[1] // factor
    outside = (y < kept.y_0) | (y >= kept.y_1) | (x < kept.x_0) | (x >= kept.x_1)
    place = ((y - inner.y_0) * n_energies + e) * width + x - kept.x_0
    place[outside] = 0
    centred = np.zeros((size[0], len(kernels), size[1]))
    ny, nx = kernels.shape[1:]
    centred[:ny, :, :nx] = kernels.swapaxes(0, 1)
    centred = np.roll(centred, (-(ny // 2), -(nx // 2)), axis=(0, 2))
    # Some row, where the target lies beyond all that the PSF reaches.
    rows = within(inner, kept, factor)[0] if inner else slice(0, factor)
    around = _leaving(kernels, kept, factor)
    return Transforms(size, kept, forward_rows(centred, size), around, rows, place, outside)


def seen_of(inside: Array, target: Window, source: Window, factor: int, edisp: Array, last: Transforms) -> Array:
    """Share of the flux of each fine pixel of a source that ends inside of a mask (y, energy, x) of its target.

    The mask is convolved with the mirrored PSF. Result shape (energy_true, y, x).
    """
    mask = np.zeros((last.kept.shape[0], len(edisp), last.kept.shape[1]))
    part = target & last.kept
    to, of = within(part, last.kept, 1), within(part, target, 1)
    mask[to[0], :, to[1]] = edisp @ inside[of[0], :, of[1]]
    transform = forward_rows(mask.repeat(factor, axis=0).repeat(factor, axis=2), last.size) * last.kernels.conj()
    rows, columns = within(source, last.kept, factor)
    return np.ascontiguousarray(backward_rows(transform, last.size, rows)[..., columns].swapaxes(0, 1))


def reach_of(kernels: Array, factor: int) -> tuple[int, int]:
    """How many pixels of so many fine ones kernels (n, y, x) reach along y and x."""
    some: NDArray[np.bool_] = np.any(kernels != 0, axis=0)
    lines = some.any(axis=1), some.any(axis=0)
    y, x = (np.abs(np.flatnonzero(line) - line.size // 2).max(initial=0) for line in lines)
    return -(-int(y) // factor), -(-int(x) // factor)


def smallest(
    kernels: Array,
    windows: tuple[Window, ...],
    source: Window,
    half: tuple[int, int],
    factor: int,
    image: Array,
    worst: Array,
) -> list[tuple[tuple[int, int], Window]]:
    """Return sizes and pixels to keep for windows, the first of which holds an image on the window of a source.

    Pixels are added to them on all sides, as few as lose nothing of that image; see `Transforms.holds`.
    """
    for margin in range(max(half) + 1):
        found = [fitting(window.grow(min(margin, half[0]), min(margin, half[1])), factor) for window in windows]
        size, kept = found[0]
        if size[0] < kernels.shape[1] or size[1] < kernels.shape[2]:
            continue
        if _is_lossless(_leaving(kernels, kept, factor), within(source, kept, factor), image, worst):
            break
    return found
