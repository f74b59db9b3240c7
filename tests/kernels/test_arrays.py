import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xgamma.kernels import dispersion
from xgamma.kernels.convolve import block_sum, contract_convolve
from xgamma.kernels.interpolate import bilinear_points, bracket, linear_matrix, separable
from xgamma.kernels.lowrank import few_rows
from xgamma.kernels.sphere import rotate


def test_bracket_clamps():
    index, weight = bracket([1.0, 2.0, 4.0], [0.0, 1.0, 3.0, 4.0, 9.0])
    np.testing.assert_array_equal(index, [0, 0, 1, 1, 1])
    np.testing.assert_allclose(weight, [0, 0, 0.5, 1, 1])


def test_bracket_single_node():
    index, weight = bracket([3.0], [1.0, 5.0])
    np.testing.assert_array_equal(index, 0)
    np.testing.assert_array_equal(weight, 0)


@given(st.lists(st.floats(-5, 15), min_size=1, max_size=8))
def test_linear_matrix_is_interp(x):
    nodes = np.array([0.0, 1.0, 3.0, 10.0])
    values = np.array([2.0, -1.0, 5.0, 0.5])
    np.testing.assert_allclose(linear_matrix(nodes, x) @ values, np.interp(x, nodes, values), atol=1e-12)


def test_linear_matrix_single_node():
    np.testing.assert_array_equal(linear_matrix([2.0], [1.0, 2.0]), [[1.0], [1.0]])


@pytest.mark.parametrize("y", [[0, 2, 4], [1, 3], [-3, 0.5, 9]])
def test_separable_is_bilinear(y):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 3, 4))
    nodes_y, nodes_x = np.array([0, 2, 4]), np.array([0, 1, 2, 3])
    x = np.array([0.25, 1, 2.9])
    expected = bilinear_points(values, nodes_y, nodes_x, *np.meshgrid(y, x, indexing="ij"))
    np.testing.assert_allclose(separable(values, nodes_y, nodes_x, y, x), expected, atol=1e-12)


def test_separable_identity_is_free():
    values = np.zeros((2, 3, 4))
    assert separable(values, np.arange(3), np.arange(4), np.arange(3), np.arange(4)) is values


def test_block_sum():
    values = np.arange(2 * 4 * 6.0).reshape(2, 4, 6)
    out = block_sum(values, 2)
    assert out.shape == (2, 2, 3)
    assert out[1, 0, 2] == values[1, :2, 4:].sum()
    assert block_sum(values, 1) is values
    many = np.random.default_rng(0).random((3, 12, 24))
    for factor in (2, 3, 4, 12):
        blocks = many.reshape(3, 12 // factor, factor, 24 // factor, factor)
        np.testing.assert_allclose(block_sum(many, factor), blocks.sum(axis=(2, 4)), rtol=1e-13)


def test_contract_convolve_brute_force():
    from scipy.signal import convolve2d

    rng = np.random.default_rng(1)
    images, kernels, matrix = rng.normal(size=(3, 6, 5)), rng.normal(size=(3, 3, 5)), rng.normal(size=(3, 2))
    full = np.stack([convolve2d(a, b) for a, b in zip(images, kernels, strict=True)])
    expected = np.tensordot(matrix.T, full, axes=1)[:, 1:7, 2:6]
    actual = contract_convolve(images, kernels, matrix, slice(1, 7), slice(2, 6)).whole()
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_rotate_is_inverse_of_transpose():
    rng = np.random.default_rng(2)
    matrix = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    matrix *= np.sign(np.linalg.det(matrix))
    lon, lat = rng.uniform(0, 360, 50), rng.uniform(-89, 89, 50)
    back = rotate(*rotate(lon, lat, matrix), matrix.T)
    np.testing.assert_allclose(back, [lon, lat], atol=1e-9)


def test_diagonal_conserves_inside():
    true = np.geomspace(0.5, 20, 9)
    reco = np.geomspace(0.1, 100, 6)
    matrix = dispersion.diagonal(true[:-1], true[1:], reco[:-1], reco[1:])
    np.testing.assert_allclose(matrix.sum(axis=1), 1)


def test_from_migration_constant_density():
    """A density that is constant in migration gives probabilities in proportion to widths of bins."""
    migra = np.linspace(0, 2, 11)
    table = np.full((2, 10), 0.5)
    edges = np.array([[0.0, 1.0], [1.0, 1.5], [1.5, 8.0]])
    matrix = dispersion.from_migration(table, migra, np.array([1.0, 2.0]), edges)
    np.testing.assert_allclose(matrix, [[0.5, 0.25, 0.25], [0.25, 0.125, 0.625]])


def test_bias_resolution():
    matrix = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 0.0]])
    bias, resolution = dispersion.bias_resolution(matrix, np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(bias, [1.0, 0.0, np.nan])
    np.testing.assert_allclose(resolution, [0.0, 0.5, np.nan])


@pytest.mark.parametrize("results", [2, 9])
@pytest.mark.parametrize("exact", [True, False])
def test_contract_convolve_every_pair(results, exact):
    from scipy.signal import convolve2d

    rng = np.random.default_rng(3)
    images, kernels = rng.normal(size=(2, 6, 5)), rng.normal(size=(3, 3, 5))
    weights = rng.normal(size=(6, results))
    full = np.stack([convolve2d(a, b) for a in images for b in kernels])
    expected = np.tensordot(weights.T, full, axes=1)[:, 1:7, 2:6]
    actual = contract_convolve(images, kernels, weights, slice(1, 7), slice(2, 6), exact, every_pair=True).whole()
    np.testing.assert_allclose(actual, expected, atol=1e-12)


@given(seed=st.integers(0, 10**6), n=st.integers(4, 12), m=st.integers(1, 2000), rank=st.integers(1, 2))
@settings(max_examples=20, deadline=None)
def test_few_rows(seed, n, m, rank):
    rng = np.random.default_rng(seed)
    rows = np.exp(rng.normal(size=(n, 1), scale=9)) * (rng.uniform(size=(n, rank)) @ rng.uniform(size=(rank, m)))
    rows[rng.integers(n)] = 0
    found = few_rows(rows)
    if found is not None:
        chosen, coefficients = found
        assert chosen.size <= rank
        error = np.abs(coefficients @ rows[chosen] - rows).max(axis=1)
        assert (error <= 5e-15 * np.abs(rows).max(axis=1)).all()


def test_few_rows_of_one_shape():
    shape = np.random.default_rng(4).uniform(size=1000)
    chosen, coefficients = few_rows(np.geomspace(1e-3, 1e9, 7)[:, None] * shape)
    assert chosen.size == 1
    np.testing.assert_allclose(coefficients.ravel() / coefficients[0], np.geomspace(1, 1e12, 7), rtol=1e-14)


@pytest.mark.parametrize("where", [0, 1, 999])
def test_no_few_rows(where):
    rows = np.ones((6, 1000))
    rows[np.arange(6), (where + np.arange(6) * 3) % 1000] = 2.0
    assert few_rows(rows) is None
    assert few_rows(np.random.default_rng(5).uniform(size=(5, 8))) is None
    assert few_rows(np.ones((1, 5))) is None


def test_few_rows_of_zeros():
    assert few_rows(np.zeros((4, 9))) is None
