import numpy as np
import pytest

from xgamma.kernels import edges, radial
from xgamma.kernels.lines import line_integrals
from xgamma.kernels.sphere import rotate, rotation_slopes

RAD = np.radians(np.arange(30) * 0.01 + 0.005)
WIDTH = np.radians(0.025)
PROFILES = np.random.default_rng(1).uniform(0.5, 1.5, (2, RAD.size)) * np.exp(-0.5 * (RAD / (3 * WIDTH)) ** 2)


def vectors(lon, lat):
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def corners(lon, lat, half=14, offset=(0.3, 0.3)):
    """Corners of pixels about a direction, and the lines along the borders of the pixels, as numbers of corners."""
    y, x = ((np.arange(2 * half + 2) - half - part) * WIDTH for part in offset)
    y, x = np.meshgrid(y, x / np.cos(lat), indexing="ij")
    number = np.arange(y.size).reshape(y.shape)
    first = number[:-1, :-1].ravel()
    lines = np.stack([first, first + 1, first + y.shape[1] + 1, first + y.shape[1], first])
    return (lon + x).ravel(), (lat + y).ravel(), lines, y.shape


def images(lon_0, lat_0, grid, slopes=False, rad=RAD, profiles=PROFILES):
    """Counts (profile, y, x) in pixels by the rules of edges, and slopes (2, y, x) of those of the first profile."""
    lon, lat, lines, shape = grid
    plane, radii = edges.project(vectors(lon, lat), lon_0, lat_0, slopes), edges.Radii.of(rad)
    which, chosen = np.zeros(lines.shape[1], dtype=int), np.arange(lines.shape[1])
    out = line_integrals(plane, lines[:, chosen], radii, radii.terms(profiles), which, 1, WIDTH)
    out = out.reshape(len(out), shape[0] - 1, shape[1] - 1)
    return out[: len(profiles)], out[len(profiles) :]


@pytest.mark.parametrize("at", [(0.3, -0.2), (6.2831, 1.2)])
@pytest.mark.parametrize("rad", [RAD, RAD + RAD[3], RAD**2 / RAD[-1]], ids=["even", "hollow", "uneven"])
def test_rules_are_those_of_pixels(at, rad):
    grid = corners(*at)
    lon, lat, _, shape = grid
    found, _ = images(*at, grid, rad=rad)
    x, y = (part.reshape(shape) for part in radial.tangent_plane(lon, lat, *at))
    expected = radial.pixel_integrals(x, y, rad, WIDTH, radial.polynomials(PROFILES, rad))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * expected.max())
    assert (expected == 0).any()


def test_each_line_has_its_profile():
    at, radii = (0.3, -0.2), edges.Radii.of(RAD)
    grid = corners(*at)
    both, lines = images(*at, grid)[0].reshape(2, -1), grid[2]
    rng = np.random.default_rng(4)
    chosen = rng.permutation(lines.shape[1])[:-3]
    which = rng.integers(0, 2, chosen.size)
    plane, terms = edges.project(vectors(*grid[:2]), *at), radii.terms(np.concatenate([PROFILES, 3 * PROFILES]))
    found = line_integrals(plane, lines[:, chosen], radii, terms, which, 2, WIDTH)
    expected = np.where(which == 0, *both[:, chosen])
    np.testing.assert_allclose(found, [expected, 3 * expected], rtol=1e-12, atol=1e-15 * expected.max())


def test_terms_are_those_of_polynomials():
    terms = edges.Radii.of(RAD).terms(PROFILES)
    c, a, b = radial.polynomials(PROFILES, RAD)
    last = c[:, -1]
    np.testing.assert_allclose(terms.last, last, rtol=1e-14)
    for k, (found, expected) in enumerate(
        zip(terms.values.swapaxes(0, 1), (c, c - last[:, None], a / 2, b / 3), strict=True)
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14 * np.abs(expected).max(), err_msg=str(k))
    inside = radial.containment(PROFILES, RAD, RAD) / (2 * np.pi)
    np.testing.assert_allclose(terms.beyond, last[:, None] - inside, rtol=0, atol=1e-14 * last.max())

    both = np.random.default_rng(2).normal(size=(3, 2))
    np.testing.assert_allclose(
        edges.Radii.of(RAD).terms(both @ PROFILES).rows, both @ terms.rows, rtol=1e-11, atol=1e-14 * last.max()
    )


@pytest.mark.parametrize("at", [(0.3, -0.2), (6.2831, 1.2)])
def test_slopes_are_those_of_differences(at):
    grid, step = corners(*at), 1e-8
    _, slopes = images(*at, grid, slopes=True)
    for slope, (a, b) in zip(slopes, ((step, 0), (0, step)), strict=True):
        high, low = images(at[0] + a, at[1] + b, grid)[0], images(at[0] - a, at[1] - b, grid)[0]
        # Over a kink of a profile differences have an error of their step, 2e-5 pixels.
        np.testing.assert_allclose(slope, (high[0] - low[0]) / (2 * step), rtol=0, atol=1e-5 * np.abs(slope).max())


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.0, 0.3), (1e-4, 0.0), (-2e-4, 1e-4)])
def test_slopes_on_a_corner_and_on_an_edge(offset):
    """Counts of a pixel are smooth where the centre of a profile enters it."""
    at, step = (0.3, -0.2), 2e-3 * WIDTH
    grid = corners(*at, offset=offset)
    lon, lat, _, shape = grid
    coefficients = radial.polynomials(PROFILES[:1], RAD)

    def counts(a, b):
        x, y = (part.reshape(shape) for part in radial.tangent_plane(lon, lat, at[0] + a, at[1] + b))
        return radial.pixel_integrals(x, y, RAD, WIDTH, coefficients)[0]

    _, slopes = images(*at, grid, slopes=True)
    for slope, (a, b) in zip(slopes, ((step, 0), (0, step)), strict=True):
        expected = (counts(a, b) - counts(-a, -b)) / (2 * step)
        np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


def test_turns_of_the_pixels_around_a_centre():
    square = np.arange(-2, 2)[:, None] * 1j + np.arange(-2, 2)
    found = edges.turns(square + 0.5 + 0.3j)
    np.testing.assert_allclose(found, np.where(np.arange(9) == 4, 2 * np.pi, 0).reshape(3, 3), atol=1e-14)
    # On a corner all four pixels have their part.
    np.testing.assert_allclose(edges.turns(square).sum(), 2 * np.pi)


def test_projection_far_from_the_centre():
    """Beyond the reach of the series, with slopes."""
    lon, lat = np.random.default_rng(2).uniform([[0.0], [-0.6]], [[1.2], [0.9]], (2, 40))
    plane, step = edges.project(vectors(lon, lat), 0.5, 0.1, slopes=True), 1e-6
    x, y = radial.tangent_plane(lon, lat, 0.5, 0.1)
    np.testing.assert_allclose(plane.points, x + 1j * y, rtol=1e-12, atol=1e-15)
    for slope, (a, b) in zip(plane.slopes, ((step, 0), (0, step)), strict=True):
        high, low = (radial.tangent_plane(lon, lat, 0.5 + s * a, 0.1 + s * b) for s in (1, -1))
        np.testing.assert_allclose(slope.real, (high[0] - low[0]) / (2 * step), atol=1e-9)
        np.testing.assert_allclose(slope.imag, (high[1] - low[1]) / (2 * step), atol=1e-9)


def test_slopes_of_rotations():
    matrix = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    at, step = (40.0, -25.0), 1e-5
    expected = []
    for a, b in ((step, 0), (0, step)):
        high, low = (rotate(*np.array([at[0] + s * a, at[1] + s * b]), matrix) for s in (1, -1))
        expected.append([(float(h) - float(v)) / (2 * step) for h, v in zip(high, low, strict=True)])
    np.testing.assert_allclose(rotation_slopes(*at, matrix), np.transpose(expected), rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(rotation_slopes(*at, np.eye(3)), np.eye(2))


@pytest.mark.parametrize(
    "rad, cells",
    [
        (RAD**2 / RAD[-1], True),
        (np.arange(130) ** 2 * 1e-6, True),
        (np.geomspace(1e-9, 1, 40), False),
        (np.array([0.1, 0.4]), True),
        (np.array([0.3]), False),
    ],
    ids=["uneven", "quadratic", "geometric", "two", "one"],
)
def test_segments_of_uneven_radii(rad, cells):
    radii = edges.Radii.of(rad)
    assert radii.even is None and bool(radii.cells.size) == cells
    r = np.concatenate([np.random.default_rng(5).uniform(0, 1.3 * rad[-1], 2000), [0.0, *rad[:-1] * (1 + 1e-9)]])
    np.testing.assert_array_equal(radii.segments_at(r, r.max()), np.searchsorted(rad, r))
    inner = r[r < rad[-1]]
    np.testing.assert_array_equal(radii.segments_at(inner, inner.max()), np.searchsorted(rad, inner))
