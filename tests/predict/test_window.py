"""Directions at rows and columns of pixels."""

import numpy as np
import pytest

from xgamma.coords import SkyGrid
from xgamma.predict.window import outer_lonlat


@pytest.mark.parametrize(
    ("kind", "separable"),
    [
        ({"center": (10, 0), "frame": "galactic", "proj": "CAR"}, True),
        ({"center": (10, 2), "frame": "galactic", "proj": "CAR"}, False),
        ({"center": (0, 0), "frame": "icrs", "proj": "CAR"}, True),
        ({"center": (83, 22), "frame": "icrs", "proj": "TAN"}, False),
    ],
)
def test_outer_lonlat(kind, separable):
    grid = SkyGrid.create(binsz=2.0, shape=(70, 90), **kind)
    # Beyond the pole of the cylinder, and over half of the sky.
    y, x = np.linspace(-20, 95, 47), np.linspace(-30, 150, 61)
    expected = grid.labels_to_lonlat(y[:, None], x)
    found = outer_lonlat(grid, y, x)
    assert (found[0].shape == (1, x.size)) == separable
    lon, lat = np.broadcast_arrays(*found)
    off = np.isnan(expected).any(axis=0)
    assert off.any() == (kind["proj"] == "CAR")
    assert not off.all()
    np.testing.assert_array_equal(np.isnan(lon) | np.isnan(lat), off)
    for actual, want in zip((lon, lat), expected, strict=True):
        np.testing.assert_allclose(actual[~off], want[~off], rtol=0, atol=1e-11)
