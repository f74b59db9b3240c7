import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xgamma.kernels.ball import ball_over_cells, cell_areas


def mesh(angle=0.3, shift=(0.04, -0.07), rows=13, columns=12, jitter=0.01):
    """Nodes of a turned mesh around a ball of radius 1.4, which is a little uneven."""
    x, y = np.meshgrid(np.linspace(-2.1, 2.3, columns), np.linspace(-1.9, 2.2, rows))
    rng = np.random.default_rng(1)
    x, y = (part + jitter * rng.normal(size=part.shape) for part in (x, y))
    return x * np.cos(angle) - y * np.sin(angle) + shift[0], x * np.sin(angle) + y * np.cos(angle) + shift[1]


def brute_force(x, y, radius, n):
    """Sums over n x n points in each cell, on which straight lines join the nodes."""
    u = ((np.arange(n) + 0.5) / n)[:, None, None, None]
    v = u[:, 0][None]
    corners = [(part[:-1, :-1], part[:-1, 1:], part[1:, :-1], part[1:, 1:]) for part in (x, y)]
    place, along, across = [], [], []
    for a, b, c, d in corners:
        place.append((1 - u) * (1 - v) * a + (1 - u) * v * b + u * (1 - v) * c + u * v * d)
        along.append((1 - u) * (b - a) + u * (d - c))
        across.append((1 - v) * (c - a) + v * (d - b))
    area = along[0] * across[1] - along[1] * across[0]
    return (np.sqrt(np.clip(radius**2 - place[0] ** 2 - place[1] ** 2, 0, None)) * area).mean(axis=(0, 1))


@pytest.mark.parametrize("angle", [0.0, 0.3, 2.0])
def test_brute_force(angle):
    x, y = mesh(angle)
    expected = brute_force(x, y, 1.4, 120)
    # Sums over points miss a root along the edge of the ball by about (1 / 120) ** 1.5 of a cell.
    np.testing.assert_allclose(ball_over_cells(x, y, 1.4), expected, atol=3e-5)
    assert (ball_over_cells(x, y, 1.4) > -1e-15).all()


def test_inside_of_one_cell():
    x, y = np.meshgrid([-1.0, 1.0], [-1.0, 1.0])
    np.testing.assert_allclose(ball_over_cells(x, y, 0.5), [[2 / 3 * np.pi * 0.5**3]], rtol=1e-14)
    np.testing.assert_allclose(cell_areas(x, y), [[4.0]])
    np.testing.assert_allclose(ball_over_cells(-x, y, 0.5), [[-2 / 3 * np.pi * 0.5**3]], rtol=1e-14)


def test_centre_on_a_node_or_an_edge():
    quarter = np.pi / 6 * 0.5**3
    x, y = np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0])
    np.testing.assert_allclose(ball_over_cells(x, y, 0.5), np.full((2, 2), quarter), rtol=1e-14)
    x, y = np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 1.0])
    np.testing.assert_allclose(ball_over_cells(x, y, 0.5), [[2 * quarter, 2 * quarter]], rtol=1e-14)


def test_edges_without_length():
    """As those of the pixels next to a pole."""
    x, y = np.meshgrid([0.0, 0.2, 1.0], [0.0, 0.3])
    y[1] = y[0] + 0.3 * (x[1] > 0)
    values = ball_over_cells(x, y, 0.6)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values, brute_force(x, y, 0.6, 300), atol=2e-6)


@given(
    st.floats(0, 6.3),
    st.floats(-0.3, 0.3),
    st.floats(-0.3, 0.3),
    st.floats(0.01, 1.3),
    st.integers(2, 9),
    st.booleans(),
)
def test_all_cells_hold_the_ball(angle, dx, dy, radius, rows, flipped):
    x, y = mesh(angle, (dx, dy), rows)
    sign = -1 if flipped else 1
    np.testing.assert_allclose(ball_over_cells(x, sign * y, radius).sum(), sign * 2 / 3 * np.pi * radius**3, rtol=1e-12)


@given(st.floats(0.05, 1.5))
def test_derivative_is_the_hemisphere(radius):
    """Which it is for the sum, without steps between the cells."""
    x, y = mesh()
    step = 1e-5
    slope = (ball_over_cells(x, y, radius + step) - ball_over_cells(x, y, radius - step)).sum() / (2 * step)
    np.testing.assert_allclose(slope, 2 * np.pi * radius**2, rtol=1e-7)
