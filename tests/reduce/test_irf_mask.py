"""Where the pixels of a response lie on a map, and copies that share no attributes."""

import numpy as np
import pytest

from tests.builders import SKIES, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.history import record
from xgamma.reduce.irf_mask import irf_mask, lookup

STEPS = np.array([-0.99, -0.5, 0.0, 0.5, 0.99])


def check_nearest(labels, found, wanted):
    """Half-way between two pixels either will do."""
    least = np.abs(labels[:, None] - wanted.ravel()).min(axis=0).reshape(wanted.shape)
    np.testing.assert_allclose(np.abs(labels[found] - wanted), least, rtol=0, atol=1e-9)


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize("part", [slice(None), slice(3, 17), slice(None, None, -2)])
def test_places_about_a_pixel_of_a_response(sky, part):
    """By the projections of both, position by position."""
    options = {key: value for key, value in SKIES[sky].items() if key != "center"}
    grid, other = (SkyGrid.create(SKIES[sky]["center"], w, b, **options) for w, b in (((2.7, 2.1), 0.1), (3.3, 0.37)))
    grid = grid.isel(part, part)
    rows, columns = np.broadcast_arrays(*lookup(grid, other))
    y, x = grid.labels_of(other, (other.y[:, None] + STEPS)[:, :, None, None], other.x[:, None] + STEPS)
    check_nearest(grid.y, rows, y)
    check_nearest(grid.x, columns, x)


def test_a_map_around_the_sky_goes_on_beyond_its_border():
    grid, other = (SkyGrid.create((0, 0), (360, 60), binsz, "galactic", "CAR") for binsz in (3, 12))
    rows, columns = np.broadcast_arrays(*lookup(grid, other))
    _, x = grid.labels_of(other, 0.0, other.x[-1] + STEPS)
    check_nearest(grid.x, columns[0, 0, -1], x)
    assert columns[0, 0, -1, -1] < 3


@pytest.mark.parametrize("sky", SKIES)
def test_mask_where_any_place_is_trusted(sky):
    ds = make_map_dataset(**SKIES[sky], npix=(24, 26))
    rows, columns = np.broadcast_arrays(*lookup(SkyGrid.from_dataset(ds), SkyGrid.from_dataset(ds, "psf")))
    expected = ds.mask_safe.values[:, rows, columns].any(axis=(2, 4))
    assert expected.any() and not expected.all()
    np.testing.assert_array_equal(irf_mask(ds, "psf").data, expected)


def test_records_share_no_attributes():
    ds = make_map_dataset()
    ds["counts"].encoding["dtype"] = "f4"
    before = ds.copy(deep=True)
    part = record(ds.isel(energy=slice(1, 3)), "cut")
    assert part["counts"].encoding == {"dtype": "f4"} and part.attrs["history"] == "cut"
    for variable in part.variables.values():
        variable.attrs["mine"] = 1
        variable.encoding["mine"] = 1
    part.attrs["mine"] = 1
    assert ds.identical(before)
    assert not any("mine" in variable.encoding for variable in ds.variables.values())
