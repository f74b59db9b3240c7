import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xgamma.kernels import radial

PIXEL = np.radians(0.025)
RAD = np.radians(np.arange(66) * 0.01 + 0.005)


def gaussian(sigma, rad=RAD):
    return radial.normalize(np.exp(-0.5 * (rad / sigma) ** 2)[None], rad)


def corners(half, offset_y, offset_x):
    return np.meshgrid(
        (np.arange(-half, half + 2) - 0.5 - offset_x) * -PIXEL, (np.arange(-half, half + 2) - 0.5 - offset_y) * PIXEL
    )


def pixel_sums(profiles, rad, half, offset_y, offset_x):
    terms = radial.polynomials(profiles, rad)
    return radial.pixel_integrals(*corners(half, offset_y, offset_x), rad, PIXEL, terms)


def brute_force(profiles, rad, half, offset_y, offset_x, n=96):
    """Mean of n x n points in each pixel, one pixel after the other."""
    sub = (np.arange(n) + 0.5) / n - 0.5
    size = 2 * half + 1
    out = np.zeros((len(profiles), size, size))
    for row in range(size):
        for column in range(size):
            y = (row - half - offset_y + sub) * PIXEL
            x = (column - half - offset_x + sub) * PIXEL
            values = radial.profile_values(profiles, rad, np.hypot(y[:, None], x))
            out[:, row, column] = values.mean(axis=(1, 2)) * PIXEL**2
    return out


@pytest.mark.parametrize("sigma", [0.4, 1.3, 4.0])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, 0.5), (0.31, -0.44), (0.5, 0.0)])
def test_pixel_integrals_brute_force(sigma, offset):
    profiles = gaussian(sigma * PIXEL)
    actual = pixel_sums(profiles, RAD, 4, *offset)
    # the midpoint rule of the twin with 96 x 96 points is off by 2e-5 of the peak at the kinks of the table
    np.testing.assert_allclose(actual, brute_force(profiles, RAD, 4, *offset), atol=4e-5 * actual.max(), rtol=0)


@settings(max_examples=30, deadline=None)
@given(
    width=st.floats(0.001, 8.0),
    offset_y=st.floats(-0.5, 0.5),
    offset_x=st.floats(-0.5, 0.5),
    seed=st.integers(0, 99),
)
def test_pixel_integrals_conserve(width, offset_y, offset_x, seed):
    """However narrow a profile of whatever form, all of it lands in the pixels."""
    rad = RAD * width * PIXEL / RAD[-1]
    profiles = radial.normalize(np.random.default_rng(seed).uniform(0, 1, (2, rad.size)), rad)
    total = pixel_sums(profiles, rad, 10, offset_y, offset_x).sum(axis=(1, 2))
    np.testing.assert_allclose(total, 1, rtol=1e-9)


def exact(profile, rad, start, stop):
    """Integral of G dphi along an edge, from radius to radius, where the integrand is smooth."""
    c, a, b = radial.polynomials(profile, rad)[:, 0]
    length = abs(stop - start)
    along = (stop - start) / length
    h, first = (start.conjugate() * along).imag, (start.conjugate() * along).real
    crossed = np.sqrt(np.maximum(rad**2 - h**2, 0))
    ends = np.clip(np.concatenate([[first, first + length, 0.0], crossed, -crossed]), first, first + length)
    ends = np.unique(ends)
    node, weight = np.polynomial.legendre.leggauss(16)
    angles = np.arctan2(ends, abs(h))
    half = np.diff(angles)[:, None] / 2
    angle = angles[:-1, None] + half * (node + 1)
    r = abs(h) / np.cos(angle)
    k = np.searchsorted(rad, r)
    return np.sign(h) * ((c[k] + r**2 * (a[k] / 2 + b[k] * r / 3)) * half * weight).sum()


@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1, 0.25, 0.5, 2.0])
def test_pixel_integrals_of_narrow_profiles(sigma):
    """The pixels about a source next to an edge or a corner, for profiles of five steps of their table."""
    rad = (np.arange(66) + 0.5) * sigma * PIXEL / 5
    profile = gaussian(sigma * PIXEL, rad)
    rng = np.random.default_rng(3)
    for y, x in [*rng.uniform(-0.5, 0.5, (4, 2)), (0.1, 0.5 - sigma * 0.3), (0.5 - sigma, 0.5 - sigma * 0.1)]:
        image = pixel_sums(profile, rad, 1, y, x)[0]
        corner = corners(1, y, x)[0] + 1j * corners(1, y, x)[1]
        for i, j in np.ndindex(3, 3):
            path = [corner[i, j], corner[i, j + 1], corner[i + 1, j + 1], corner[i + 1, j], corner[i, j]]
            expected = sum(exact(profile, rad, *edge) for edge in zip(path[:-1], path[1:], strict=True))
            # Kinks of the table are what a rule of Gauss does not integrate exactly.
            assert abs(abs(expected) - image[i, j]) < 1e-5, (y, x, i, j)


def test_pixel_integrals_delta():
    """A source that is narrow and well inside a pixel gives counts to that pixel alone."""
    rad = RAD * 1e-3
    image = pixel_sums(gaussian(rad[10], rad), rad, 2, 0.2, -0.3)[0]
    assert image[2, 2] == pytest.approx(1, abs=1e-6)
    image[2, 2] = 0
    assert np.abs(image).max() < 1e-6


def test_pixel_integrals_orientation():
    """Longitudes that grow to the left or to the right give the same integrals."""
    x, y = corners(3, 0.1, 0.2)
    terms = radial.polynomials(gaussian(2 * PIXEL), RAD)
    one = radial.pixel_integrals(x, y, RAD, PIXEL, terms)
    other = radial.pixel_integrals(-x, y, RAD, PIXEL, terms)
    np.testing.assert_allclose(one, other, atol=1e-12)
    assert one.sum() > 0.5


def test_pixel_integrals_off_sky():
    x, y = corners(3, 0.0, 0.0)
    x = x.copy()
    x[0, 0] = np.nan
    terms = radial.polynomials(gaussian(2 * PIXEL), RAD)
    image = radial.pixel_integrals(x, y, RAD, PIXEL, terms)
    assert not image[:, 0, 0].any()
    expected = radial.pixel_integrals(*corners(3, 0.0, 0.0), RAD, PIXEL, terms)
    expected[:, 0, 0] = 0
    np.testing.assert_allclose(image, expected, atol=1e-15)


def test_normalize():
    profiles = np.stack([np.exp(-RAD / 0.001), np.zeros_like(RAD)])
    actual = radial.normalize(profiles, RAD)
    r = np.linspace(0, RAD[-1], 200_001)
    values = radial.profile_values(actual[:1], RAD, r)[0]
    assert np.trapezoid(2 * np.pi * r * values, r) == pytest.approx(1, rel=1e-6)
    assert not actual[1].any()


def test_containment_radius_inverts_containment():
    profiles = np.concatenate([gaussian(0.002), gaussian(0.0005)])
    for fraction in (0.1, 0.5, 0.68, 0.95):
        radii = radial.containment_radius(profiles, RAD, fraction)
        for i, radius in enumerate(radii):
            assert radial.containment(profiles, RAD, np.array(radius))[i] == pytest.approx(fraction, abs=1e-12)


def test_containment_gaussian():
    sigma = 0.003
    rad = np.linspace(0, 10 * sigma, 4000)
    profiles = gaussian(sigma, rad)
    r = np.array([0.5, 1, 2, 3]) * sigma
    np.testing.assert_allclose(radial.containment(profiles, rad, r)[0], 1 - np.exp(-0.5 * (r / sigma) ** 2), rtol=1e-5)


def test_containment_radius_zero_profile():
    assert np.isnan(radial.containment_radius(np.zeros((1, RAD.size)), RAD, 0.5)).all()


@given(lon=st.floats(0, 6.28), lat=st.floats(-1.5, 1.5), bearing=st.floats(0, 6.28), distance=st.floats(1e-9, 0.5))
def test_tangent_plane_keeps_distance(lon, lat, bearing, distance):
    lat_1 = np.arcsin(np.sin(lat) * np.cos(distance) + np.cos(lat) * np.sin(distance) * np.cos(bearing))
    lon_1 = lon + np.arctan2(
        np.sin(bearing) * np.sin(distance) * np.cos(lat), np.cos(distance) - np.sin(lat) * np.sin(lat_1)
    )
    x, y = radial.tangent_plane(np.array(lon_1), np.array(lat_1), lon, lat)
    # rounding of the angles themselves is 1e-15
    assert np.hypot(x, y) == pytest.approx(distance, rel=1e-6, abs=1e-14)
    if distance > 1e-6:
        np.testing.assert_allclose(
            [x, y], [distance * np.sin(bearing), distance * np.cos(bearing)], atol=1e-6 * distance
        )
