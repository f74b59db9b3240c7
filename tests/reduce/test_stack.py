"""Adding datasets."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.benchmarks import stacking
from tests.builders import SKIES, make_map_dataset
from tests.reduce.chunks import chunked
from xgamma.coords import SkyGrid
from xgamma.io.open import open_dataset
from xgamma.irf import edisp, psf
from xgamma.models import PointSpatialModel, PowerLawSpectralModel, SkyModel
from xgamma.predict import npred_signal
from xgamma.reduce.downsample import downsample
from xgamma.reduce.resample import resample_energy_axis
from xgamma.reduce.spectrum import to_region_map_dataset
from xgamma.reduce.stack import stack, stack_many, to_masked
from xgamma.validate import validate

QUICK = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def make(seed, threshold=0, **options):
    """A dataset with counts of its own, exposures scaled, and its first bins of energy not trusted."""
    ds = make_map_dataset(seed=seed, name=f"obs-{seed}", **options)
    scale = 1 + 0.3 * (seed % 5)
    trusted = np.arange(ds.sizes["energy"])[:, None, None] >= threshold
    safe = ds["mask_safe"].variable.transpose("energy", "y", "x") if "y" in ds.dims else ds["mask_safe"].variable
    changed = {"mask_safe": (safe.dims, safe.values & trusted)}
    for name in ("exposure", "psf_exposure", "edisp_exposure"):
        changed[name] = ds[name].variable.copy(data=ds[name].data * scale)
    for name in ("gti_start", "gti_stop"):
        changed[name] = ds[name].variable.copy(data=ds[name].data + 5000 * seed)
    return ds.assign(changed)


def same(one, other):
    """Compare variables, bins and pixels; attrs may differ."""
    assert set(one.variables) == set(other.variables)
    for name in one.variables:
        mine, theirs = one.variables[name], other.variables[name]
        assert mine.dims == theirs.dims, name
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12, err_msg=name)
    for name, index in one.xindexes.items():
        assert index.equals(other.xindexes[name])


# 5 x 4 observations in one process: made once, as tests leave them as they are
POOL = {(seed, threshold): make(seed, threshold) for seed in range(5) for threshold in range(4)}
datasets = st.sampled_from(sorted(POOL)).map(POOL.get)


@QUICK
@given(datasets, datasets)
def test_stacking_commutes(one, other):
    same(stack(one, other), stack(other, one))


@QUICK
@given(datasets, datasets, datasets)
def test_stacking_is_associative(one, other, third):
    expected = stack_many([one, other, third])
    same(stack(stack(one, other), third), expected)
    same(stack(one, stack(other, third)), expected)


@QUICK
@given(datasets, datasets, st.integers(0, 5), st.integers(0, 6), st.integers(2, 7), st.integers(2, 8))
def test_cut_then_stack_is_stack_then_cut(one, other, y, x, ny, nx):
    part = {"y": slice(y, y + ny), "x": slice(x, x + nx)}
    names = ["counts", "background", "mask_safe", "mask_fit", "exposure"]
    same(stack(one.isel(part), other.isel(part))[names], stack(one, other).isel(part)[names])


@QUICK
@given(datasets)
def test_merging_keeps_the_counts_inside_the_mask(ds):
    inside = float(ds.counts.values[ds.mask_safe.values].sum())
    for out in (
        downsample(ds, 2),
        downsample(ds, 2, axis_name="energy"),
        resample_energy_axis(ds, [0.5, 2, 20] * u.TeV),
    ):
        assert float(out.counts.sum()) == float(out.counts.values[out.mask_safe.values].sum()) == inside


@QUICK
@given(datasets)
def test_masking_twice_is_masking_once(ds):
    same(to_masked(to_masked(ds)), to_masked(ds))


def test_by_hand():
    one, other = make(1, threshold=1), make(2)
    out = stack(one, other)
    validate(out)
    a, b = one.mask_safe, other.mask_safe
    np.testing.assert_array_equal(out.counts, one.counts.where(a, 0) + other.counts.where(b, 0))
    np.testing.assert_allclose(out.background, one.background.where(a, 0) + other.background.where(b, 0))
    expected = one.exposure.where(a.any("energy"), 0) + other.exposure.where(b.any("energy"), 0)
    np.testing.assert_allclose(out.exposure, expected)
    np.testing.assert_array_equal(out.mask_safe, a | b)
    np.testing.assert_array_equal(out.mask_fit, one.mask_fit | other.mask_fit)
    assert float(out.livetime) == 7000
    assert list(out.gti_start.values) == [5000, 7000, 10000, 12000]
    assert out.attrs["name"] == "obs-1"
    assert out.attrs["history"] == "stack(obs-2)"
    middle = {"y_psf": 1, "x_psf": 2}
    w = [ds.psf_exposure.isel(middle).values[:, None] for ds in (one, other)]
    mean = (one.psf.isel(middle) * w[0] + other.psf.isel(middle) * w[1]) / (w[0] + w[1])
    np.testing.assert_allclose(out.psf.isel(middle), mean)


@pytest.mark.parametrize("sky", SKIES)
def test_lazy(sky, no_compute):
    options = {**SKIES[sky], "npix": (14, 18)}
    parts = [make(seed, threshold=seed, **options) for seed in range(3)]
    parts[1] = parts[1].isel(y=slice(3, 12), x=slice(2, 15))
    expected = stack_many(parts)
    lazy = [chunked(ds) for ds in parts]
    before = [ds.copy() for ds in lazy]
    with no_compute():
        actual = stack_many(lazy)
    assert all(mine.identical(was) for mine, was in zip(lazy, before, strict=True))
    assert all(actual[name].chunks is not None for name in actual if actual[name].ndim)
    same(actual.compute(), expected)
    assert actual.attrs == expected.attrs
    same(stack_many([lazy[0], parts[1], lazy[2]]).compute(), expected)
    turned = stack_many([ds.transpose() for ds in parts])
    same(turned.transpose(*expected.dims), expected.transpose(*expected.dims))


@pytest.mark.parametrize("chunks", [None, {"y": 9, "x": 11}])
def test_cutouts_are_put_where_they_belong(chunks):
    whole, other = make(1, npix=(24, 26)), make(2, npix=(24, 26))
    part = other.isel(y=slice(4, 11), x=slice(5, 25))
    if chunks:
        whole, part = whole.chunk(chunks), part.chunk(chunks)
    out = stack(whole, part)
    assert SkyGrid.from_dataset(out).equals(SkyGrid.from_dataset(whole))
    expected = to_masked(whole).counts.values.copy()
    expected[:, 4:11, 5:25] += to_masked(part).counts.values
    np.testing.assert_array_equal(out.counts, expected)
    same(stack(part, whole).compute(), out.compute())
    gaps = stack(whole, other.isel(x=slice(1, None, 3)))
    expected = to_masked(whole).counts.values.copy()
    expected[:, :, 1::3] += to_masked(other).counts.values[:, :, 1::3]
    np.testing.assert_array_equal(gaps.counts, expected)


def test_many_lazy_cutouts(no_compute):
    """Cutouts all over a map, one without mask, one with gaps, one upside down."""
    parts = []
    for seed in range(9):
        ds = make(seed, threshold=seed % 4, npix=(30, 34))
        y, x = 2 * seed, 3 * (seed % 5)
        parts.append(ds.isel(y=slice(y, y + 12), x=slice(x, x + 15)))
    parts[2] = parts[2].drop_vars(["mask_safe", "mask_fit"])
    parts[3] = parts[3].isel(x=slice(None, None, 3))
    parts[5] = parts[5].isel(y=slice(None, None, -1))
    expected = stack_many(parts)
    lazy = [ds.chunk(y=4 + i, x=8, energy=3) for i, ds in enumerate(parts)]
    with no_compute():
        actual = stack_many(lazy)
    assert max(actual.counts.chunksizes["y"]) == 12
    same(actual.compute(), expected)
    assert stack_many(lazy).counts.data.name == actual.counts.data.name
    # the order of rows is that of the labels, wherever the parts were
    xr.testing.assert_equal(stack_many(parts[::-1]).y, expected.y)


def test_lazy_spectra():
    parts = [to_region_map_dataset(make(seed, npix=(30, 34)), "galactic;circle(0,0,0.4)") for seed in range(5)]
    same(stack_many([ds.chunk() for ds in parts]).compute(), stack_many(parts))


def test_benchmark():
    figures = stacking.stack_all(number=4, size=30, energies=3, chunk=15)
    assert figures["counts"] == pytest.approx(0.9 * 0.1 * 4 * 3 * 30**2, rel=0.15)
    assert figures["build"] < figures["total"]


def test_neighbours_make_a_larger_map():
    ds = make(1, npix=(12, 20))
    out = stack(ds.isel(x=slice(0, 8)), ds.isel(x=slice(8, 20)))
    names = ["counts", "background", "exposure", "mask_safe", "mask_fit"]
    same(out[names], to_masked(ds)[names])


def test_predictions_add_up():
    """The dispersion of the sum leaves out what is below the threshold of one of its parts."""
    one, other = make(1, threshold=2), make(3)
    for ds in (one, other):
        bins = np.arange(4)[:, None, None] >= (2 if ds is one else 0)
        ds["mask_safe"] = (("energy", "y", "x"), np.broadcast_to(bins, (4, 12, 16)))
    models = [SkyModel(PowerLawSpectralModel(), PointSpatialModel(lon_0=0.1, lat_0=0.1, frame="galactic"), name="p")]
    parts = sum(npred_signal(ds, models).where(ds.mask_safe, 0).sum(("y", "x")) for ds in (one, other))
    total = npred_signal(stack(one, other), models).sum(("y", "x"))
    np.testing.assert_allclose(total, parts, rtol=1e-3)


def test_units_of_the_first():
    one, other = make(1), make(2)
    expected = stack(one, other)
    for name in ("exposure", "psf_exposure", "edisp_exposure"):
        other[name] = (other[name] * 1e4).assign_attrs(units="cm2 s")
    other["psf"] = (other["psf"] * np.radians(1) ** 2).assign_attrs(units="deg-2")
    other["livetime"] = (other["livetime"] / 3600).assign_attrs(units="h")
    out = stack(one, other)
    same(out, expected)
    assert out.exposure.attrs["units"] == "m2 s"
    other["exposure"].attrs["units"] = "s"
    with pytest.raises(ValueError, match="exposure is in 's' in one dataset and in 'm2 s'"):
        stack(one, other)


def test_times_about_different_references_unite():
    one, other = make(0), make(0)
    for name in ("gti_start", "gti_stop"):
        other[name] = other[name].copy(data=other[name].data - 86400.0 + 1000.0)
        other[name].attrs["mjdrefi"] += 1
    out = stack(one, other)
    np.testing.assert_allclose(out.gti_start, [0.0], atol=1e-5)
    np.testing.assert_allclose(out.gti_stop, [4800.0], atol=1e-5)
    assert out.gti_start.attrs == one.gti_start.attrs
    only = one.drop_vars(["gti_start", "gti_stop", "livetime"])
    assert list(stack(only, make(2)).gti_start.values) == [10000, 12000]


def test_tables_of_observations_join():
    one = make(1).assign_attrs(meta='{"OBS_ID": [1, 2], "ZEN": [20.0, 30.0]}')
    other = make(2).assign_attrs(meta='{"OBS_ID": [3], "AZ": [1.0]}')
    out = stack_many([one, other, make(3)]).attrs["meta"]
    assert out == '{"OBS_ID": [1, 2, 3], "ZEN": [20.0, 30.0, null], "AZ": [null, null, 1.0]}'


def test_masks_may_be_missing():
    one, other = make(1), make(2).drop_vars(["mask_safe", "mask_fit"])
    out = stack(one, other)
    assert out.mask_safe.all()
    np.testing.assert_array_equal(out.mask_fit, one.mask_fit)
    np.testing.assert_array_equal(out.counts, one.counts.where(one.mask_safe, 0) + other.counts)
    assert "mask_safe" not in stack(other, other)


def test_values_that_are_not_finite_count_as_zero():
    one, other = make(1), make(2)
    one["background"][1, 5, 5] = np.nan
    out = stack(one, other)
    assert float(out.background[1, 5, 5]) == float(other.background[1, 5, 5])


def test_responses_without_sky():
    one, other = (make(seed, irf_on_sky=False) for seed in (1, 2))
    out = stack(one, other)
    validate(out)
    np.testing.assert_allclose(out.psf, one.psf)
    np.testing.assert_allclose(out.psf_exposure, one.psf_exposure + other.psf_exposure)


def test_errors():
    ds = make(1)
    with pytest.raises(ValueError, match="no dataset to stack"):
        stack_many([])
    with pytest.raises(ValueError, match=r"dataset 1 \('obs-2'\) has no variable 'background', which dataset 0 has"):
        stack(ds, make(2).drop_vars("background"))
    with pytest.raises(ValueError, match="axis 'energy' of dataset 1 .* has other bins"):
        stack(ds, make(2, nenergy=5))
    with pytest.raises(ValueError, match="not parts of one sky grid"):
        stack(ds, make(2, center=(0.05, 0.0)))
    with pytest.raises(ValueError, match="only datasets of one kind"):
        stack(ds, make(2, irf_on_sky=False))
    with pytest.raises(ValueError, match="psf of dataset 'obs-1' has no weight 'psf_exposure'"):
        stack(ds.drop_vars("psf_exposure"), make(2).drop_vars("psf_exposure"))


def test_reference(cta_path, reference):
    expected = reference("stacking_cta")["cta_a_plus_b"]
    one = open_dataset(cta_path).load()
    other = one.copy()
    other["counts"] = (one.counts * 2).assign_attrs(one.counts.attrs)
    other["exposure"] = (one.exposure * 0.5).assign_attrs(one.exposure.attrs)
    other["mask_safe"] = one.mask_safe & (one.energy_min >= 0.25)
    out = stack(to_masked(one), other)
    for name, rtol in (("counts", 0), ("mask_safe", 0), ("background", 1e-4), ("exposure", 1e-3)):
        values = out[name].astype(float)
        np.testing.assert_allclose(values.sum(out[name].dims[1:]), expected[name]["per_energy"], rtol=rtol)
    info = expected["info"]
    assert float(out.livetime) == pytest.approx(info["livetime"]["value"])
    assert float((out.gti_stop - out.gti_start).sum()) == pytest.approx(info["ontime"]["value"])
    # The reference takes the dispersion of one of the four pixels that meet at the centre, and the bin below the
    # threshold (bin 1) for trusted in both: its mask, interpolated, is not quite zero there.
    table = np.array(expected["edisp_center"])
    table[:, 1] /= 2
    nearest = SkyCoord(0.25, -0.25, unit="deg", frame="galactic")
    np.testing.assert_allclose(edisp.kernel(out, nearest), table, atol=1e-6)
    r68 = psf.containment_radius(out, 0.68, "1 TeV")
    assert float(r68) == pytest.approx(expected["psf_r68_1TeV_center_deg"], abs=5e-4)
