import pickle

import numpy as np
import pytest

from tests.builders import SKIES, make_map_dataset
from xgamma.coords import FixedGrid, SkyGrid


@pytest.mark.parametrize("sky", SKIES)
def test_same_as_the_grid(sky):
    grid = SkyGrid.from_dataset(make_map_dataset(**SKIES[sky]))
    fixed = pickle.loads(pickle.dumps(FixedGrid.of(grid)))
    y, x = grid.y[:, None] + 0.3, grid.x - 0.2
    lonlat = fixed.labels_to_lonlat(y, x)
    np.testing.assert_array_equal(lonlat, grid.labels_to_lonlat(y, x))
    np.testing.assert_array_equal(fixed.lonlat_to_labels(*lonlat), grid.lonlat_to_labels(*lonlat))
    centre = grid.center.icrs
    np.testing.assert_array_equal(fixed.position_to_labels(centre), grid.position_to_labels(centre))
    assert fixed.frame == grid.frame
    assert fixed.position(*(v[0, 0] for v in lonlat)).is_equivalent_frame(grid.center.frame)


def test_more_than_half_a_turn_from_the_reference_point():
    grid = SkyGrid.create(binsz=2, frame="galactic")
    there = np.array(45.0), np.array(-10.0)
    expected = grid.labels_to_lonlat(*there)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(FixedGrid.of(grid).labels_to_lonlat(*there), expected)
