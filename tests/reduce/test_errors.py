"""What is no argument of a reduction is refused by name, with the way out."""

import numpy as np
import pytest
import regions as rg
import xarray as xr

from tests.builders import make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.reduce.stack import stack_many

DS = make_map_dataset()
PIXELS = {
    "inside": rg.CirclePixelRegion(rg.PixCoord(8, 6), 2),
    "corner": rg.CirclePixelRegion(rg.PixCoord(0.5, 1), 4),
}
IMAGE = DS.isel(energy=0)
GENERATOR = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: DS.gp.stack(3), "dataset 1 of the sum is of type int: give xarray Datasets"),
        (lambda: DS.gp.stack([DS, DS]), "dataset 1 of the sum is of type list.*Datasets.stack_reduce"),
        (lambda: stack_many(DS), "datasets is of type Dataset: give a list"),
        (lambda: stack_many(3), "datasets is of type int: give a list"),
        (lambda: stack_many([DS, DS.counts]), "dataset 1 of the sum is of type DataArray"),
        (lambda: DS.gp.downsample(None), "factor is None: give a whole number from 1 on"),
        (lambda: DS.gp.downsample((2, 2)), r"factor is \(2, 2\): give a whole number"),
        (lambda: DS.gp.downsample("two"), "factor is 'two': give a whole number"),
        (lambda: DS.gp.downsample(np.nan), "factor is nan: give a whole number"),
        (lambda: DS.gp.downsample(np.inf), "factor is inf: give a whole number"),
        (lambda: DS.gp.pad(None), "pad_width is None: give a whole number from 0 on"),
        (lambda: DS.gp.pad("a"), "pad_width is 'a': give a whole number"),
        (lambda: DS.gp.pad((1, 2, 3)), r"pad_width is \(1, 2, 3\)"),
        (lambda: DS.gp.pad((1, 0.5)), "pad_width is 0.5"),
        (lambda: DS.gp.fake(None), "seed is None: give a whole number from 0 on"),
        (lambda: DS.gp.fake([1, 2]), r"seed is \[1, 2\]: give a whole number"),
        (lambda: DS.gp.fake(-1), "seed is -1"),
        (lambda: DS.gp.fake(GENERATOR), "seed is Generator.* would change as it draws: give a whole number"),
        (lambda: DS.gp.slice_by_idx({"energy": [0, 1]}), r"bins along dim 'energy' are given as \[0, 1\].*isel"),
        (lambda: DS.gp.slice_by_idx({"energy": 1.5}), "given as 1.5: give a slice or a whole number"),
        (lambda: DS.gp.slice_by_idx({"energy": slice(0.5, 2)}), "no range of positions"),
        (lambda: DS.gp.slice_by_idx({"energy": slice(None, None, 0)}), "no range of positions"),
        (lambda: DS.gp.slice_by_idx(3), "slices is 3: give a mapping"),
        (lambda: DS.gp.slice_by_energy([1, 2], 3), r"a limit along axis 'energy' is given as \[1, 2\].*single number"),
        (lambda: DS.gp.energy_mask([1, 2]), "give a single number"),
        (lambda: DS.sel(energy=slice([1, 2], None)), "give a single number"),
        (lambda: IMAGE.gp.to_image(), r"coordinate 'energy' is a single number here.*isel\(energy=\[0\]\)"),
        (lambda: IMAGE.gp.downsample(2, axis_name="energy"), r"isel\(energy=\[0\]\), which keeps it"),
        (lambda: IMAGE.gp.stack(IMAGE), "dataset 0 .* has a single 'energy' without the dim.*isel"),
        (lambda: DS.gp.stack(IMAGE), r"dataset 1 \('test'\) has a single 'energy' without the dim"),
        (lambda: DS.gp.to_spectrum_dataset(PIXELS["corner"]), "is not contained in the map"),
    ],
)  # fmt: skip
def test_message(work, message):
    before = DS.copy(deep=True)
    with pytest.raises(ValueError, match=message):
        work()
    xr.testing.assert_identical(DS, before)


def test_numbers_of_other_types():
    xr.testing.assert_identical(DS.gp.downsample(np.int8(2)), DS.gp.downsample(2.0))
    xr.testing.assert_identical(DS.gp.pad(np.array(1)), DS.gp.pad((1, 1)))
    xr.testing.assert_identical(DS.gp.fake(np.uint64(3)), DS.gp.fake(3))
    xr.testing.assert_identical(DS.gp.slice_by_idx({"x": np.int64(-1)}), DS.gp.slice_by_idx({"x": -1}))


@pytest.mark.parametrize("part", [{}, {"y": slice(None, None, -1)}, {"y": slice(None, None, 2)}])
def test_pixel_regions_count_in_the_array(part):
    """Also where rows fall or have gaps, and next to the border of the map."""
    ds = DS.drop_vars(["mask_safe", "mask_fit"]).isel(part)
    grid = SkyGrid.from_dataset(ds)
    region = rg.RectanglePixelRegion(rg.PixCoord(9, 2), 4.5, 3.5)
    out = ds.gp.to_region_map_dataset(region)
    expected = ds.counts.values[:, 1:4, 7:12].sum(axis=(1, 2))
    np.testing.assert_array_equal(out.counts, expected)
    border = rg.RectanglePixelRegion(rg.PixCoord(9, grid.shape[0] - 1), 2.5, 2.5)
    with pytest.raises(ValueError, match="not contained in the map"):
        ds.gp.to_region_map_dataset(border)
