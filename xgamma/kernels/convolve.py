"""Convolution of images with kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels.products import Combined, combine

__all__ = ["backward", "backward_rows", "block_sum", "contract_convolve", "forward_rows"]

Array = NDArray[np.float64]

ROUNDING = 1e-14
"""Share of the largest value below which a prediction is rounding."""


def contract_convolve(
    images: Array, kernels: Array, weights: Array, y: slice, x: slice, exact: bool = False, every_pair: bool = False
) -> Combined:
    """Convolve images and combine them linearly.

    Transforms are linear, so that the inverse one is taken of the combinations, or of the pairs where these are fewer.

    Parameters
    ----------
    images : ndarray, shape (i, ny, nx)
        Zero beyond their border.
    kernels : ndarray, shape (k, ky, kx)
        Odd-sized, the centre in the middle.
    weights : ndarray, shape (pairs, e)
        Weight of each pair of an image and a kernel in each result. There are as many images as kernels, or one kernel,
        and each has its image; or all pairs count.
    y, x : slice
        The part wanted of the full convolution, whose pixel 0 lies half a kernel before that of the images.
    exact : bool
        Whether to leave the rounding of the transforms where nothing reaches; it is linear in the images then.
    every_pair : bool
        Whether each image goes with each kernel: pairs are those of ``(i, k)``, the kernels being the fast index.

    Returns
    -------
    Combined, shape (e, y, x)
        The part wanted; combinations of the pairs where these are fewer than the results.
    """
    from scipy.fft import next_fast_len, rfft2

    full = [images.shape[i] + kernels.shape[i] - 1 for i in (1, 2)]
    shape = [next_fast_len(n, real=True) for n in full]
    transform = rfft2(images, shape)
    transform_kernels = rfft2(kernels, shape)
    if every_pair:
        transform = transform[:, None] * transform_kernels
    else:
        transform *= transform_kernels
    if len(weights) < weights.shape[1]:
        whole = backward(transform.reshape(len(weights), *transform.shape[-2:]), shape)
        out = Combined(whole[:, y, x], weights.T)
    else:
        # Combine real numbers, of which a complex one is two: half the work of complex ones with real weights.
        flat = transform.reshape(len(weights), -1).view(np.float64)
        combined = combine(weights.T, flat).view(np.complex128).reshape(weights.shape[1], *transform.shape[-2:])
        whole = backward(combined, shape)
        out = Combined(whole[:, y, x])
    if not exact:
        # Where nothing reaches, the transforms leave rounding of either sign.
        largest = np.maximum(whole.max(axis=(1, 2)), -whole.min(axis=(1, 2)))
        out.images[np.abs(out.images) <= ROUNDING * largest[:, None, None]] = 0.0
    return out


def backward(transform: NDArray[np.complex128], shape: Sequence[int]) -> Array:
    """Inverse of `scipy.fft.rfft2`.

    One dim after the other: scipy takes four times as long for both at once.

    Parameters
    ----------
    transform : ndarray, shape (n, frequency y, frequency x)
        Transforms.
    shape : sequence of int
        Size of the images.
    """
    from scipy.fft import ifft, irfft

    return np.asarray(irfft(ifft(transform, axis=-2), shape[1], axis=-1))


def forward_rows(images: Array, shape: Sequence[int], first: tuple[int, int] = (0, 0)) -> NDArray[np.complex128]:
    """Transform images (y, n, x) to a size, see `scipy.fft.rfft2`: (frequency y, n, frequency x).

    Their first pixel has the place `first` along y and x in the size.
    """
    from scipy.fft import fft, rfft

    if first[1]:
        images, part = np.zeros((*images.shape[:2], first[1] + images.shape[2])), images
        images[..., first[1] :] = part
    # Rows that are zero are not transformed along x.
    rows = rfft(images, shape[1], axis=-1)
    if first[0]:
        rows, part = np.zeros((shape[0], *rows.shape[1:]), dtype=np.complex128), rows
        rows[first[0] : first[0] + len(part)] = part
    return np.asarray(fft(rows, shape[0], axis=0, overwrite_x=True))


def backward_rows(transform: NDArray[np.complex128], shape: Sequence[int], y: slice) -> Array:
    """Return some rows (y, n, x) of what `forward_rows` takes to a transform, which is overwritten."""
    from scipy.fft import ifft, irfft

    return np.asarray(irfft(ifft(transform, axis=0, overwrite_x=True)[y], shape[1], axis=-1))


def block_sum(values: Array, factor: int) -> Array:
    """Sum blocks of ``factor x factor`` pixels in the last two dims."""
    if factor == 1:
        return values
    # One dim after the other and slices of all blocks: reductions over dims as short as these take ten times longer.
    rows = values[..., ::factor, :] + values[..., 1::factor, :]
    for i in range(2, factor):
        rows += values[..., i::factor, :]
    out = rows[..., ::factor] + rows[..., 1::factor]
    for i in range(2, factor):
        out += rows[..., i::factor]
    return np.asarray(out)
