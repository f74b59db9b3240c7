"""Smoothing: against sums written out, gammapy's numbers, chunks and coordinates."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr

from tests.builders import SKIES, make_map_dataset
from xgamma.io.open import open_dataset
from xgamma.reduce.smooth import smooth


def slow_smooth(image, weights):
    """Convolve with the border mirrored, pixel by pixel."""
    ny, nx = image.shape
    half_y, half_x = (n // 2 for n in weights.shape)
    out = np.zeros(image.shape)
    for y in range(ny):
        for x in range(nx):
            for dy in range(-half_y, half_y + 1):
                for dx in range(-half_x, half_x + 1):
                    out[y, x] += weights[dy + half_y, dx + half_x] * image[mirror(y + dy, ny), mirror(x + dx, nx)]
    return out


def mirror(i, n):
    i %= 2 * n
    return i if i < n else 2 * n - 1 - i


def weights_of(kernel, width):
    if kernel == "gauss":
        half = int(4 * width + 0.5)
        step = np.arange(-half, half + 1)
        profile = np.exp(-0.5 * (step / width) ** 2)
        weights = np.outer(profile, profile)
    elif kernel == "disk":
        step = np.arange(-int(width), int(width) + 1)
        weights = (np.hypot(step[:, None], step) <= width).astype(float)
    else:
        weights = np.ones((int(width), int(width)))
    return weights / weights.sum()


@pytest.mark.parametrize(("kernel", "width"), [("gauss", 1.3), ("disk", 2.0), ("disk", 2.6), ("box", 3)])
@pytest.mark.parametrize("sky", SKIES)
def test_sums_written_out(kernel, width, sky):
    ds = make_map_dataset(**SKIES[sky])
    got = smooth(ds.counts, width, kernel=kernel)
    for image, result in zip(ds.counts.values, got.values, strict=True):
        np.testing.assert_allclose(result, slow_smooth(image, weights_of(kernel, width)), atol=1e-12)
    assert float(got.sum()) == pytest.approx(float(ds.counts.sum()))


@pytest.mark.parametrize("kernel", ["gauss", "disk", "box"])
@pytest.mark.parametrize("chunks", [{"energy": 1}, {"x": 5, "y": 4}, {"x": 16, "y": 1}, {}])
def test_lazy(kernel, chunks, no_compute):
    ds = make_map_dataset()
    want = smooth(ds.counts, "0.3 deg", kernel=kernel)
    lazy = ds.chunk(chunks)
    with no_compute():
        got = smooth(lazy.counts, "0.3 deg", kernel=kernel)
    assert got.chunks is not None
    xr.testing.assert_allclose(got.compute(), want, rtol=1e-12)
    np.testing.assert_allclose(got.compute().values, want.values, rtol=1e-12, atol=1e-12)


def test_keeps_labels_and_input():
    ds = make_map_dataset().transpose("x", ...)
    before = ds.copy(deep=True)
    got = smooth(ds.counts, 0.2 * u.deg)
    assert ds.identical(before)
    assert got.dims == ds.counts.dims
    assert got.attrs == ds.counts.attrs
    assert got.coords.identical(ds.counts.coords)
    assert set(got.xindexes) == set(ds.counts.xindexes)
    want = smooth(ds.counts.transpose("energy", "y", "x"), 0.2 * u.deg)
    np.testing.assert_array_equal(got.transpose("energy", "y", "x"), want)


def test_width_is_pixels_or_angle():
    ds = make_map_dataset(binsz=0.1)
    np.testing.assert_allclose(smooth(ds.counts, 2.0), smooth(ds.counts, "0.2 deg"))
    assert smooth(ds.mask_safe, 0).dtype == float
    np.testing.assert_array_equal(smooth(ds.counts, 0, kernel="disk"), ds.counts)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda ds: smooth(ds.livetime, 1), "no dims on the sky"),
        (lambda ds: smooth(ds.counts, 1, kernel="hat"), "kernel is 'hat'"),
        (lambda ds: smooth(ds.counts, "1 TeV"), "give an angle"),
        (lambda ds: smooth(ds.counts, -1), "not negative"),
        (lambda ds: smooth(ds.counts.isel(x=slice(None, None, 2)), 1), "gaps"),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call(make_map_dataset())


def test_tutorial(cta_path, reference):
    want = reference("tutorial_cta")["smooth_0.1deg"]
    counts = open_dataset(cta_path).counts.sum("energy")
    got = smooth(counts, "0.1 deg").values
    assert got.sum() == pytest.approx(want["sum"])
    assert got.max() == pytest.approx(want["max"], rel=1e-9)
    assert [0, *np.unravel_index(got.argmax(), got.shape)] == want["argmax"]
    assert got[120, 160] == pytest.approx(want["pixel_120_160"], rel=1e-9)
