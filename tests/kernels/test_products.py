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
