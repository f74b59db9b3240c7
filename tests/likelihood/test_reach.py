"""Bins that no more than rounding of a point source reaches are left out, which changes nothing."""

import numpy as np
import pytest

from tests.likelihood.cases import MOVE, background, map_dataset, source
from xgamma.likelihood import Likelihood
from xgamma.likelihood.point import PointWindow


@pytest.fixture(scope="module")
def likelihood():
    """A PSF that falls to rounding well inside of its table, and pixels in which it is all that there is."""
    ds = map_dataset(npix=(40, 42), binsz=0.02)
    rad = ds["rad"]
    narrow = np.exp(-0.5 * (rad / (0.06 * rad.max())) ** 2)
    ds["psf"] = (ds["psf"] * 0 + narrow).transpose(*ds["psf"].dims).astype(ds["psf"].dtype)
    ds["background"] = ds["background"].where(np.random.default_rng(3).random(ds["background"].shape) > 0.2, 0.0)
    return Likelihood(ds, [source(ds), background(ds)])


@pytest.mark.parametrize("sign", [1, -1])
def test_counts_are_those_of_all_edges(likelihood, monkeypatch, sign):
    x = likelihood.x0
    for name, step in MOVE.items():
        x[likelihood.parameters.index(name)] += step
    x[likelihood.parameters.index("source.amplitude")] *= sign
    part = likelihood._terms[0].sources[0]
    found = part.at(x, 1)
    plain = PointWindow._reach
    shortest = []

    def all_of(self, beyond, noise):
        rad = self.radii.rad
        shortest.append(plain(self, beyond, noise).max() / rad[-1])
        return np.full(noise.shape[1], rad[-1])

    monkeypatch.setattr(PointWindow, "_reach", all_of)
    expected = part.at(x, 1)
    less = ~np.isin(expected.fixed.bins, found.fixed.bins)
    assert 0 < np.count_nonzero(~less) < less.size and (expected.signal[less] == 0).all()
    assert max(shortest) < 0.6
    assert 0 < np.count_nonzero(found.signal) < found.signal.size
    np.testing.assert_array_equal(found.signal, expected.signal[~less])
    np.testing.assert_allclose(found.fixed.total, expected.fixed.total, rtol=1e-11)
    for (_, column, total), (_, column_all, total_all) in zip(found.moves, expected.moves, strict=True):
        size = np.abs(column_all).max()
        np.testing.assert_allclose(column_all[less], 0, rtol=0, atol=1e-10 * size)
        np.testing.assert_allclose(column, column_all[~less], rtol=0, atol=1e-10 * size)
        np.testing.assert_allclose(total, total_all, rtol=0, atol=1e-10 * size * column.size)
