"""Products in pieces are those of whole matrices."""

import numpy as np
import pytest

from xgamma.kernels import products


@pytest.mark.parametrize("n", [0, 1, 999, 40_001])
@pytest.mark.parametrize("order", ["C", "F"])
def test_gram(n, order):
    rng = np.random.default_rng(n)
    a, b = (np.asarray(rng.normal(size=(n, k)), order=order) for k in (7, 3))
    np.testing.assert_allclose(products.gram(a, b), np.einsum("ni,nj->ij", a, b), rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(products.gram(a[:, :1], b[:, :1]), [[a[:, 0] @ b[:, 0]]], rtol=1e-12, atol=1e-10)
    assert products.gram(a[:, :0], b).shape == (0, 3)


@pytest.mark.parametrize("shape", [(0, 4), (3, 5), (150, 211)])
def test_combine(shape):
    rng = np.random.default_rng(1)
    weights, rows = rng.normal(size=(4, 9)), rng.normal(size=(9, *shape))
    found = products.combine(weights, rows)
    assert found.shape == (4, *shape)
    np.testing.assert_allclose(found, np.einsum("mk,kyx->myx", weights, rows), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("number", [1, 2])
def test_combined_images(number):
    rng = np.random.default_rng(7)
    images, weights = rng.normal(size=(number, 4, 5)), rng.normal(size=(3, number))
    few, own = products.Combined(images, weights), products.Combined(images)
    expected = np.einsum("nk,kyx->nyx", weights, images)
    np.testing.assert_allclose(few.whole(), expected, rtol=1e-13)
    assert own.whole() is images
    np.testing.assert_allclose(few.apply(lambda a: a[:, ::2]).whole(), expected[:, ::2], rtol=1e-13)
    for combined, added in ((few, expected), (own, images)):
        out = np.ones((len(added), 6, 7))
        combined.add_to(out[:, 1:5, 2:7])
        np.testing.assert_allclose(out[:, 1:5, 2:7], 1 + added, rtol=1e-13)
        out[:, 1:5, 2:7] = 1
        assert (out == 1).all()


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("reached", [(slice(0, 0),) * 2, (slice(1, 3), slice(2, 3)), (slice(0, 4), slice(4, 5))])
def test_adding_images_that_are_zero_around(number, reached):
    rng = np.random.default_rng(8)
    images, weights = np.zeros((number, 4, 5)), rng.normal(size=(3, number))
    images[(-1, *reached)] = rng.normal(size=images[(-1, *reached)].shape)
    for combined in (products.Combined(images), products.Combined(images, weights)):
        out = np.ones((number if combined.weights is None else 3, 4, 5))
        combined.add_to(out)
        np.testing.assert_allclose(out, 1 + combined.whole(), rtol=1e-13)
