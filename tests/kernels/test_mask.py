"""Zero outside of a mask."""

import numpy as np
import pytest

from xgamma.kernels.mask import add_inside, zero_outside


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


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "i2", "u1"])
@pytest.mark.parametrize("shape", [(7,), (5, 40, 31), (3, 4, 300, 300)])
def test_adding_is_adding_what_is_zero_outside(dtype, shape):
    rng = np.random.default_rng(2)
    values = rng.integers(0, 100, shape).astype(dtype)
    scale = rng.integers(1, 3, (shape[0], *(1,) * (len(shape) - 1))).astype(dtype)
    total = np.promote_types(np.dtype(dtype).newbyteorder("="), "i4")
    for some in (None, shape, (1, *shape[1:]), scale.shape):
        mask = None if some is None else rng.random(some) > 0.5
        for factor in (None, scale):
            part = values if factor is None else values * factor
            expected = zero_outside(part, np.True_ if mask is None else mask).astype(total)
            found = np.full(shape, 7, dtype=total)
            add_inside(found, [(values, mask, factor)])
            np.testing.assert_array_equal(found, 7 + expected)
            add_inside(found, [(values, mask, factor)], first=True)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_adding_what_is_not_finite(bad):
    values, mask = np.ones((2, 3)), np.array([[True, False, True]])
    values[0, 1] = values[1, 2] = bad
    before = values.copy()
    for first in (False, True):
        for finite, end in ((False, bad), (True, 0)):
            found = np.zeros((2, 3))
            for factor in (None, np.array([[1.0]])):
                found[...] = 0
                add_inside(found, [(values, mask, factor)], first=first, finite=finite)
                np.testing.assert_array_equal(found, [[1, 0, 1], [1, 0, end]])
        found = np.zeros((2, 3))
        add_inside(found, [(values, None, None)], first=first, finite=True)
        np.testing.assert_array_equal(found, [[1, 0, 1], [1, 1, 0]])
    np.testing.assert_array_equal(values, before)
