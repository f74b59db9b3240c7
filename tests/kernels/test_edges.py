import numpy as np
import pytest

from xgamma.kernels import edges, radial
from xgamma.kernels.sphere import rotate, rotation_slopes

RAD = np.radians(np.arange(30) * 0.01 + 0.005)
WIDTH = np.radians(0.025)
PROFILES = np.random.default_rng(1).uniform(0.5, 1.5, (2, RAD.size)) * np.exp(-0.5 * (RAD / (3 * WIDTH)) ** 2)


def vectors(lon, lat):
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def corners(lon, lat, half=14, offset=(0.3, 0.3)):
    """Corners of pixels about a direction, and the edges of the middle row as pairs of corners."""
    y, x = ((np.arange(2 * half + 2) - half - part) * WIDTH for part in offset)
    y, x = np.meshgrid(y, x / np.cos(lat), indexing="ij")
    number = np.arange(y.size).reshape(y.shape)
    start = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    stop = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    return (lon + x).ravel(), (lat + y).ravel(), np.stack([start, stop]), y.shape


def images(lon_0, lat_0, grid, slopes=False):
    """Counts of two profiles in pixels by the rules of edges, those of the profile's centre apart, and slopes."""
    lon, lat, pairs, (ny, nx) = grid
    plane = edges.project(vectors(lon, lat), lon_0, lat_0, slopes)
    table, last = edges.table_of(PROFILES, RAD)
    out = []
    for rule in edges.edge_rules(plane, pairs, RAD, WIDTH):
        along = rule.along(table, last)[rule.row].T
        number = ny * (nx - 1)
        rows, columns = along[:, :number].reshape(2, ny, nx - 1), along[:, number:].reshape(2, ny - 1, nx)
        out.append(np.diff(columns, axis=2) - np.diff(rows, axis=1))
    return out


@pytest.mark.parametrize("at", [(0.3, -0.2), (6.2831, 1.2)])
def test_rules_are_those_of_pixels(at):
    grid = corners(*at)
    lon, lat, _, shape = grid
    (found,) = images(*at, grid)
    x, y = (part.reshape(shape) for part in radial.tangent_plane(lon, lat, *at))
    expected = radial.pixel_integrals(x, y, RAD, WIDTH, radial.polynomials(PROFILES, RAD))
    turn = radial.turns(x, y) * radial.polynomials(PROFILES, RAD)[0, :, -1, None, None]
    # The pixel that holds the centre is turned around once; sums of angles have a rounding of 1e-15, times the total.
    np.testing.assert_allclose(found + turn, expected, rtol=0, atol=1e-12 * expected.max())
    assert (expected == 0).any()


@pytest.mark.parametrize("at", [(0.3, -0.2), (6.2831, 1.2)])
def test_slopes_are_those_of_differences(at):
    grid, step = corners(*at), 1e-8
    _, along_lon, along_lat = images(*at, grid, slopes=True)
    for slope, (a, b) in ((along_lon, (step, 0)), (along_lat, (0, step))):
        high, low = images(at[0] + a, at[1] + b, grid)[0], images(at[0] - a, at[1] - b, grid)[0]
        # Over a kink of a profile differences have an error of their step, 2e-5 pixels.
        np.testing.assert_allclose(slope, (high - low) / (2 * step), rtol=0, atol=1e-5 * np.abs(slope).max())


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.0, 0.3), (1e-4, 0.0), (-2e-4, 1e-4)])
def test_slopes_on_a_corner_and_on_an_edge(offset):
    """Counts of a pixel are smooth where the centre of a profile enters it."""
    at, step = (0.3, -0.2), 2e-3 * WIDTH
    grid = corners(*at, offset=offset)
    lon, lat, _, shape = grid
    coefficients = radial.polynomials(PROFILES, RAD)

    def counts(a, b):
        x, y = (part.reshape(shape) for part in radial.tangent_plane(lon, lat, at[0] + a, at[1] + b))
        return radial.pixel_integrals(x, y, RAD, WIDTH, coefficients)

    _, along_lon, along_lat = images(*at, grid, slopes=True)
    for slope, (a, b) in ((along_lon, (step, 0)), (along_lat, (0, step))):
        expected = (counts(a, b) - counts(-a, -b)) / (2 * step)
        np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


def test_projection_far_from_the_centre():
    """Beyond the reach of the series, with slopes."""
    lon, lat = np.random.default_rng(2).uniform([[0.0], [-0.6]], [[1.2], [0.9]], (2, 40))
    plane, step = edges.project(vectors(lon, lat), 0.5, 0.1, slopes=True), 1e-6
    np.testing.assert_allclose([plane.x, plane.y], radial.tangent_plane(lon, lat, 0.5, 0.1), rtol=1e-12, atol=1e-15)
    for (dx, dy), (a, b) in zip(plane.slopes, ((step, 0), (0, step)), strict=True):
        high, low = (radial.tangent_plane(lon, lat, 0.5 + s * a, 0.1 + s * b) for s in (1, -1))
        np.testing.assert_allclose(dx, (high[0] - low[0]) / (2 * step), atol=1e-9)
        np.testing.assert_allclose(dy, (high[1] - low[1]) / (2 * step), atol=1e-9)


def test_slopes_of_rotations():
    matrix = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    at, step = (40.0, -25.0), 1e-5
    expected = []
    for a, b in ((step, 0), (0, step)):
        high, low = (rotate(*np.array([at[0] + s * a, at[1] + s * b]), matrix) for s in (1, -1))
        expected.append([(float(h) - float(v)) / (2 * step) for h, v in zip(high, low, strict=True)])
    np.testing.assert_allclose(rotation_slopes(*at, matrix), np.transpose(expected), rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(rotation_slopes(*at, np.eye(3)), np.eye(2))
