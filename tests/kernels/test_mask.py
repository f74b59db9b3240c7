"""Zero outside of a mask."""

import numpy as np
import pytest

from xgamma.kernels.mask import zero_outside


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "i8", "?"])
@pytest.mark.parametrize("finite", [False, True])
def test_as_a_choice(dtype, finite):
    rng = np.random.default_rng(1)
    values, mask = rng.integers(0, 5, (3, 4, 5)).astype(dtype), rng.random((4, 5)) > 0.5
    found = zero_outside(values, mask, finite)
    assert found.dtype == np.dtype(dtype).newbyteorder("=") and not np.shares_memory(found, values)
    np.testing.assert_array_equal(found, np.where(mask, values, 0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite(bad):
    values, mask = np.ones((2, 3)), np.array([True, False, True])
    values[0, 1] = values[1, 2] = bad
    np.testing.assert_array_equal(zero_outside(values, mask), [[1, 0, 1], [1, 0, bad]])
    np.testing.assert_array_equal(zero_outside(values, mask, finite=True), [[1, 0, 1], [1, 0, 0]])
