import copy
import pickle

import astropy.units as u
import numpy as np
import pytest
import xarray as xr

from xgamma.coords import Axis, EdgeIndex, LabelError, decode


def make(edges=(1, 2, 4, 8, 16), unit="TeV", name="energy"):
    axis = Axis.from_edges(name, edges, unit)
    return xr.Dataset({"counts": (name, np.arange(axis.size, dtype=float), {"units": ""})}).assign_coords(
        axis.to_coords()
    )


@pytest.fixture
def ds():
    return make()


def index_of(obj, name="energy"):
    index = obj.xindexes[name]
    assert isinstance(index, EdgeIndex)
    return index


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (slice("1.5 TeV", 6 * u.TeV), [1, 2]),
        (slice(None, "6 TeV"), [0, 1, 2]),
        (slice("1500 GeV", None), [1, 2, 3]),
        (slice(None), [0, 1, 2, 3]),
        (slice(np.sqrt(2), np.sqrt(32)), [0, 1, 2]),
        (slice("9.6 erg", None, 2), [3]),
        (slice("1 TeV", "16 TeV", 2), [0, 2]),
        (slice("1 TeV", "16 TeV", -1), [3, 2, 1, 0]),
    ],
)
def test_a_slice_keeps_bins_whose_centre_is_inside(ds, label, expected):
    np.testing.assert_array_equal(ds.sel(energy=label).counts, expected)


def test_limits_are_met_in_any_unit(ds):
    low, high = ds.energy.values[[1, 2]]
    kept = ds.sel(energy=slice((low * u.TeV).to("erg"), (high * u.TeV).to("keV")))
    np.testing.assert_array_equal(kept.counts, [1, 2])


def test_a_scalar_takes_the_bin_that_contains_it(ds):
    assert ds.sel(energy="3 TeV").counts == 1
    assert ds.sel(energy=3000 * u.GeV).counts == 1
    assert ds.sel(energy=2).counts == 1
    assert ds.sel(energy=16).counts == 3
    assert ds.sel(energy=2).energy.attrs["units"] == "TeV"
    assert float(ds.sel(energy=2).energy_min) == 2


def test_arrays_take_a_bin_for_each_value(ds):
    np.testing.assert_array_equal(ds.sel(energy=["1.5 TeV", "15000 GeV"]).counts, [0, 3])
    np.testing.assert_array_equal(ds.sel(energy=[1.5 * u.TeV, 5 * u.TeV]).counts, [0, 2])
    np.testing.assert_array_equal(ds.sel(energy=[1500, 5000] * u.GeV).counts, [0, 2])
    np.testing.assert_array_equal(ds.sel(energy=[True, False, False, True]).counts, [0, 3])
    points = xr.DataArray([[3000.0], [1500.0]], dims=("a", "b"), coords={"a": [7, 8]}, attrs={"units": "GeV"})
    chosen = ds.sel(energy=points)
    np.testing.assert_array_equal(chosen.counts, [[1], [0]])
    assert chosen.counts.dims == ("a", "b") and "a" in chosen.coords
    np.testing.assert_array_equal(ds.sel(energy=xr.Variable("p", [3.0, 1.5])).counts, [1, 0])
    np.testing.assert_array_equal(ds.sel(energy=ds.energy).counts, ds.counts)


def test_nearest_goes_by_the_scale_of_the_axis(ds):
    assert ds.sel(energy="100 TeV", method="nearest").counts == 3
    assert ds.sel(energy=0.1, method="nearest").counts == 0
    with pytest.raises(LabelError, match="within 1 TeV"):
        ds.sel(energy=100, method="nearest", tolerance="1 TeV")
    with pytest.raises(ValueError, match="no method 'ffill'"):
        ds.sel(energy=3, method="ffill")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("0.5 TeV", "no bin contains 0.5 TeV: axis 'energy' covers 1 to 16 TeV"),
        (17 * u.TeV, "no bin contains 17 TeV"),
        ([2, 50], "no bin contains 50 TeV"),
        (np.nan, "no bin contains nan"),
        ("3 m", "'3 m'.*in 'TeV'"),
        ("3", "in 'TeV'"),
        ("high", "'high'"),
        (slice("20 TeV", "30 TeV"), "no bin has its centre between 20 and 30 TeV: axis 'energy' covers 1 to 16"),
        (slice("1 deg", None), "in 'TeV'"),
        (slice(5, 2), "swapped"),
    ],
)
def test_labels_that_do_not_fit_say_so(ds, label, message):
    with pytest.raises(ValueError, match=message) as error:
        ds.sel(energy=label)
    assert not str(error.value).startswith(("'", '"'))


def test_an_absent_bin_is_a_key_error_as_xarray_has_it(ds):
    with pytest.raises(KeyError):
        ds.sel(energy="99 TeV")


@pytest.mark.parametrize(
    "part", [slice(1, 3), slice(None, None, 2), slice(None, None, -1), [3, 0], np.array([True, False, False, True])]
)
def test_parts_keep_their_own_edges(ds, part):
    taken = ds.isel(energy=part)
    axis = index_of(taken).axis
    np.testing.assert_array_equal(axis.lower, ds.energy_min.values[part])
    np.testing.assert_array_equal(axis.upper, taken.energy_max)
    np.testing.assert_array_equal(axis.center, taken.energy)


def test_selection_in_a_strided_axis_knows_its_gaps(ds):
    strided = ds.isel(energy=slice(None, None, 2))
    assert strided.sel(energy="5 TeV").counts == 2
    with pytest.raises(LabelError, match="no bin contains 3 TeV"):
        strided.sel(energy="3 TeV")


def test_a_reversed_axis_selects_alike(ds):
    back = ds.isel(energy=slice(None, None, -1))
    np.testing.assert_array_equal(back.sel(energy=slice("1.5 TeV", "6 TeV")).counts, [2, 1])
    np.testing.assert_array_equal(back.sel(energy=slice("6 TeV", "1.5 TeV")).counts, [2, 1])
    assert back.sel(energy=4).counts == 2


def test_one_bin_drops_the_index(ds):
    assert "energy" not in ds.isel(energy=1).xindexes
    assert "energy" not in ds.isel(energy=xr.Variable("z", [0, 1])).xindexes


def test_different_bins_refuse_to_join(ds):
    other = make((1, 3, 9, 16))
    for operation in (lambda: ds.counts + other.counts, lambda: ds * other, lambda: xr.align(ds, other, join="outer"),
                      lambda: xr.align(ds, other, join="left"), lambda: ds.reindex_like(other),
                      lambda: ds.assign(more=other.counts)):  # fmt: skip
        with pytest.raises(xr.AlignmentError, match="'energy' has different bins"):
            operation()
    with pytest.raises(ValueError):
        xr.align(ds, other, join="exact")


def test_units_and_strangers_refuse_to_join(ds):
    with pytest.raises(ValueError, match="'GeV' there"):
        ds.counts + make((1000, 2000, 4000, 8000, 16000), "GeV").counts
    with pytest.raises(ValueError, match="no bin in common"):
        ds.counts + make((16, 32)).counts
    plain = xr.DataArray(np.ones(2), coords={"energy": [1.0, 2.0]}, dims="energy")
    with pytest.raises(ValueError, match="energy"):
        ds.counts + plain


def test_equal_bins_of_a_float32_file_join(ds):
    rounded = make(np.float32(np.array([1, 2, 4, 8, 16]) * 1.0000002))
    assert (ds.counts + rounded.counts).sizes["energy"] == 4
    np.testing.assert_array_equal((ds.counts + rounded.counts).energy, ds.energy)


def test_slices_of_one_axis_align(ds):
    part = ds.isel(energy=slice(1, 3))
    np.testing.assert_array_equal((ds.counts + part.counts), [2, 4])
    assert index_of(ds.counts + part.counts).axis.matches(index_of(part).axis)
    outer, _ = xr.align(part, ds, join="outer")
    np.testing.assert_array_equal(outer.counts, [np.nan, 1, 2, np.nan])
    np.testing.assert_array_equal(part.reindex_like(ds).counts, [np.nan, 1, 2, np.nan])
    falling = ds.isel(energy=slice(None, None, -1))
    np.testing.assert_array_equal((falling.counts - ds.counts), np.zeros(4))
    np.testing.assert_array_equal(xr.align(falling.isel(energy=[0, 3]), ds, join="outer")[0].energy, falling.energy)
    with pytest.raises(ValueError, match="cannot be reindexed"):
        ds.isel(energy=[0, 1]).reindex_like(ds, method="nearest")


def test_concat_puts_slices_together_again(ds):
    parts = [ds.isel(energy=slice(0, 1)), ds.isel(energy=slice(1, 4))]
    xr.testing.assert_identical(xr.concat(parts, "energy", coords="minimal", data_vars="minimal"), ds)
    how = {"coords": "minimal", "compat": "override", "data_vars": "minimal"}
    xr.testing.assert_identical(xr.combine_by_coords(parts[::-1], join="outer", **how), ds)
    with pytest.raises(ValueError, match="differs in unit"):
        xr.concat([ds, make((100, 200), "GeV")], "energy", coords="minimal", data_vars="minimal")


def test_concat_along_another_dim_needs_equal_bins(ds):
    both = xr.concat([ds, ds], "run", coords="minimal", data_vars="all", compat="equals", join="exact")
    assert both.counts.dims == ("run", "energy")
    assert index_of(both).axis.size == 4
    with pytest.raises(ValueError):
        xr.concat([ds, make((1, 3, 9, 16))], "run", coords="minimal", data_vars="all", compat="equals", join="outer")


def test_groupby_and_map_over_bins(ds):
    squared = ds.counts.groupby("energy").map(lambda part: part**2)
    np.testing.assert_array_equal(squared, ds.counts**2)
    pairs = ds.counts.groupby(xr.DataArray([0, 0, 1, 1], dims="energy", name="pair")).sum()
    np.testing.assert_array_equal(pairs, [1, 5])


def test_rename_roll_swap(ds):
    renamed = ds.rename(energy="energy_true", energy_min="energy_true_min", energy_max="energy_true_max")
    assert index_of(renamed, "energy_true").axis.name == "energy_true"
    assert renamed.sel(energy_true="3 TeV").counts == 1
    with pytest.raises(ValueError, match="'energy_true'"):
        renamed.sel(energy_true="99 TeV")
    only_dim = ds.rename_dims(energy="e")
    assert only_dim.isel(e=[0, 1]).sizes == {"e": 2}
    rolled = ds.roll(energy=1, roll_coords=True)
    assert rolled.sel(energy="3 TeV").counts == 1
    np.testing.assert_array_equal(index_of(rolled).axis.lower, [8, 1, 2, 4])


def test_copies_and_pickles(ds):
    for same in (ds.copy(deep=True), copy.deepcopy(ds), pickle.loads(pickle.dumps(ds))):
        xr.testing.assert_identical(same, ds)
        assert index_of(same).axis.matches(index_of(ds).axis)
    assert len(pickle.dumps(index_of(ds))) < 2000


def test_assignment_keeps_the_index(ds):
    before = ds.copy(deep=True)
    new = ds.copy()
    new["npred"] = ds.counts * 2
    new = new.assign(more=new.counts, total=new.counts.sum())
    assert index_of(new) is not None and index_of(new["npred"]) is not None
    assert list(ds.data_vars) == ["counts"]
    xr.testing.assert_identical(ds, before)


def test_arithmetic_keeps_edges_and_attrs(ds):
    total = ds.counts + ds.counts
    assert {"energy_min", "energy_max"} <= set(total.coords)
    assert total.energy.attrs == ds.energy.attrs


def test_map_blocks(ds, no_compute):
    lazy = ds.chunk(energy=2)
    with no_compute():
        result = lazy.map_blocks(_double, template=lazy)
    np.testing.assert_array_equal(result.counts, ds.counts * 2)
    assert index_of(result).axis.matches(index_of(ds).axis)


def _double(part):
    assert index_of(decode(part)).axis.edges.size == 3
    return part * 2


def test_made_by_set_xindex(ds):
    index = index_of(ds)
    plain = ds.drop_indexes("energy")
    made = plain.set_xindex("energy", EdgeIndex, lower=index.axis.lower, upper=index.axis.upper)
    assert index_of(made).equals(index)
    with pytest.raises(ValueError, match="lower="):
        plain.set_xindex("energy", EdgeIndex)
    assert "4 bins" in repr(index_of(made))


def test_pandas_index(ds):
    np.testing.assert_array_equal(ds.indexes["energy"], ds.energy)
    assert not index_of(ds).equals(xr.indexes.PandasIndex(ds.indexes["energy"], "energy"))
