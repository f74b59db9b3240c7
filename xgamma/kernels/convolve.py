"""Convolution of images with kernels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["contract_convolve", "block_sum"]

Array = NDArray[np.float64]

ROUNDING = 1e-14


def contract_convolve(images: Array, kernels: Array, matrix: Array, y: slice, x: slice, exact: bool = False) -> Array:
    """Convolve images and combine them linearly.

    The transform is linear, so that images are combined before the inverse one.

    Parameters
    ----------
    images : ndarray, shape (t, ny, nx)
        Zero beyond their border.
    kernels : ndarray, shape (t, ky, kx)
        Odd-sized, the centre in the middle.
    matrix : ndarray, shape (t, e)
        Weight of each image in each result.
    y, x : slice
        The part wanted of the full convolution, whose pixel 0 lies half a kernel before that of the images.
    exact : bool
        Whether to leave the rounding of the transforms where nothing reaches; it is linear in the images then.

    Returns
    -------
    ndarray, shape (e, y, x)
        The part wanted.
    """
    from scipy.fft import irfft2, next_fast_len, rfft2

    full = [images.shape[i] + kernels.shape[i] - 1 for i in (1, 2)]
    shape = [next_fast_len(n, real=True) for n in full]
    transform = rfft2(images, shape)
    transform *= rfft2(kernels, shape)
    # Lines of the plane are combined at once: t true energies, e reconstructed ones, f frequencies.
    combined = (matrix.T @ transform.reshape(len(images), -1)).reshape(matrix.shape[1], *transform.shape[1:])
    out = irfft2(combined, shape)
    if exact:
        return out[:, y, x]
    # Where nothing reaches, the transforms leave rounding of either sign.
    noise = ROUNDING * np.abs(out).max(axis=(1, 2), keepdims=True)
    out = out[:, y, x]
    return np.where(np.abs(out) > noise, out, 0.0)


def block_sum(values: Array, factor: int) -> Array:
    """Sum blocks of ``factor x factor`` pixels in the last two dims."""
    if factor == 1:
        return values
    *lead, ny, nx = values.shape
    return values.reshape(*lead, ny // factor, factor, nx // factor, factor).sum(axis=(-3, -1))
