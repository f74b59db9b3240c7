"""Counts of sources that stand still, as one matrix in blocks."""

import sys

import numpy as np
import pytest

from xgamma.likelihood.active import Active, stack_of
from xgamma.likelihood.source import Fixed


def fixed_at(bins, columns, seed):
    """Counts of a source in some bins."""
    rng = np.random.default_rng(seed)
    none = np.zeros(0, dtype=int)
    matrix = np.asfortranarray(rng.uniform(size=(bins.size, columns)))
    return Fixed(bins, matrix, matrix.sum(axis=0), np.zeros((columns, 1)), none, none, np.zeros((columns, 1)))


# Bins of each source, of 40: sources apart, two that share bins and one that shares none, one that is nested, all bins.
@pytest.mark.parametrize(
    ("reached", "blocks"),
    [
        ([range(0, 9), range(20, 29)], 2),
        ([range(0, 12), range(8, 15), range(30, 36)], 3),
        ([range(2, 30, 4), range(4, 28, 5), [], range(3, 31, 4)], 4),
        ([range(40), range(0, 40, 3)], 1),
        ([], 1),
    ],
)
def test_products_are_those_of_the_matrix(reached, blocks, monkeypatch):
    # To load sparse matrices takes longer than a fit of ten amplitudes.
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    rng = np.random.default_rng(0)
    bins = [np.array(index, dtype=int) for index in reached]
    fixed = [fixed_at(index, 1 + i % 3, i) for i, index in enumerate(bins)]
    order = rng.permutation(40)
    active = Active(order, np.ones(40), np.ones(40), np.zeros(40, dtype=int), order[:0], 40, np.zeros(1), 0.0)
    place = np.argsort(order)
    places = [place[index] for index in bins]
    full = np.zeros((40, sum(part.matrix.shape[1] for part in fixed)))
    start = 0
    for part, rows in zip(fixed, places, strict=True):
        full[rows, start : start + part.matrix.shape[1]] = part.matrix
        start += part.matrix.shape[1]

    stack = stack_of(active, fixed, places)
    weight, columns = rng.uniform(size=40), rng.uniform(size=(40, 2))
    numbers = rng.uniform(size=(full.shape[1], 3))
    assert len(stack.blocks) == blocks
    np.testing.assert_allclose(stack.times(numbers), full @ numbers, rtol=1e-14)
    np.testing.assert_allclose(stack.times(numbers[:, 0]), full @ numbers[:, 0], rtol=1e-14)
    np.testing.assert_allclose(stack.pulled(weight), weight @ full, rtol=1e-14)
    np.testing.assert_allclose(stack.onto(columns), full.T @ columns, rtol=1e-14)
    np.testing.assert_allclose(stack.gram(weight), full.T @ (full * weight[:, None]), rtol=1e-14, atol=1e-300)
