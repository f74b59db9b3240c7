"""Downsampling, resampling, images, padding."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr

from tests.builders import SKIES, make_map_dataset
from tests.reduce.chunks import chunked
from xgamma.coords import Axis, SkyGrid
from xgamma.io.open import open_dataset
from xgamma.models import Models, PointSpatialModel, PowerLawSpectralModel, SkyModel
from xgamma.predict import npred, npred_signal
from xgamma.reduce.downsample import downsample
from xgamma.reduce.pad import pad
from xgamma.reduce.resample import resample_energy_axis, to_image
from xgamma.reduce.stack import to_masked
from xgamma.statistic import stat_sum
from xgamma.validate import validate

OPERATIONS = {
    "downsample": lambda ds: downsample(ds, 2),
    "downsample energy": lambda ds: downsample(ds, 2, axis_name="energy"),
    "resample": lambda ds: resample_energy_axis(ds, [0.5, 3, 20] * u.TeV),
    "to_image": to_image,
    "pad": lambda ds: pad(ds, (2, 3)),
    "pad edge": lambda ds: pad(ds, 1, mode="edge"),
    "to_masked": to_masked,
}


@pytest.fixture(scope="module", params=SKIES)
def ds(request):
    return make_map_dataset(**SKIES[request.param], npix=(24, 26))


@pytest.fixture(params=OPERATIONS)
def operation(request):
    return OPERATIONS[request.param]


def test_lazy(ds, operation, no_compute):
    expected = operation(ds)
    lazy = chunked(ds)
    before = lazy.copy()
    with no_compute():
        actual = operation(lazy)
    assert lazy.identical(before)
    assert all(actual[name].chunks is not None for name in actual if actual[name].ndim)
    xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-10, atol=1e-12)
    assert actual.attrs == expected.attrs
    assert {n: v.dims for n, v in actual.variables.items()} == {n: v.dims for n, v in expected.variables.items()}
    assert {n: v.attrs for n, v in actual.variables.items()} == {n: v.attrs for n, v in expected.variables.items()}


def test_input_unchanged_and_result_valid(ds, operation):
    before = ds.copy(deep=True)
    out = operation(ds)
    assert ds.identical(before)
    validate(out)
    assert len(out.attrs["history"].splitlines()) == 1
    assert {n: out[n].attrs for n in out} == {n: ds[n].attrs for n in ds}
    assert list(out) == list(ds)


def test_transposed(ds, operation):
    out = operation(ds.transpose())
    assert out["counts"].dims == ("x", "y", "energy")
    xr.testing.assert_allclose(out.transpose(*operation(ds).dims), operation(ds).transpose(*operation(ds).dims))


def test_names():
    ds = make_map_dataset()
    assert downsample(ds, 2, name="coarse").attrs["name"] == "coarse"
    assert to_image(ds).attrs["name"] == "test"


def test_downsample_by_hand():
    ds = make_map_dataset(npix=(4, 6), nenergy=2)
    out = downsample(ds, 2)
    for e, y, x in np.ndindex(2, 2, 3):
        part = ds.isel(energy=e, y=slice(2 * y, 2 * y + 2), x=slice(2 * x, 2 * x + 2))
        here = out.isel(energy=e, y=y, x=x)
        assert float(here.counts) == float(part.counts.where(part.mask_safe, 0).sum())
        np.testing.assert_allclose(here.background, part.background.where(part.mask_safe, 0).sum())
        assert bool(here.mask_safe) == bool(part.mask_safe.any())
        assert bool(here.mask_fit) == bool(part.mask_fit.any())
        np.testing.assert_allclose(here.exposure, part.exposure.mean(("y", "x")))
    for name in ("psf", "edisp", "psf_exposure", "gti_start"):
        assert out[name].variable.identical(ds[name].variable)


def test_downsample_grid(ds):
    """The corners of the map stay where they are, and a coarse pixel lies over its four fine ones."""
    fine, coarse = SkyGrid.from_dataset(ds), SkyGrid.from_dataset(downsample(ds, 2))
    assert coarse.shape == (12, 13)
    for row, column in ((0, 0), (11, 12), (5, 3)):
        middle = fine.position(*fine.labels_to_lonlat(fine.y[2 * row] + 0.5, fine.x[2 * column] + 0.5))
        there = coarse.position(*coarse.labels_to_lonlat(coarse.y[row], coarse.x[column]))
        assert middle.separation(there).deg < 1e-9
    area = fine.solid_angle().reshape(12, 2, 13, 2).sum(axis=(1, 3))
    np.testing.assert_allclose(coarse.solid_angle(), area, rtol=1e-4)


def test_downsampled_parts_are_parts_of_the_downsampled():
    ds = make_map_dataset(npix=(24, 28))
    part = downsample(ds.isel(y=slice(4, 16), x=slice(8, 20)), 4)
    whole = downsample(ds, 4).isel(y=slice(1, 4), x=slice(2, 5))
    assert SkyGrid.from_dataset(part).equals(SkyGrid.from_dataset(whole))
    xr.testing.assert_allclose(part.counts, whole.counts)


def test_downsample_errors():
    ds = make_map_dataset(npix=(12, 15))
    with pytest.raises(ValueError, match="dim 'x' has 15 bins, which 2 does not divide"):
        downsample(ds, 2)
    with pytest.raises(ValueError, match="dim 'energy' has 4 bins"):
        downsample(ds, 3, axis_name="energy")
    with pytest.raises(ValueError, match="axis_name is 'rad'"):
        downsample(ds, 2, axis_name="rad")
    for factor in (0, 1.5, True):
        with pytest.raises(ValueError, match="whole number"):
            downsample(ds, factor)
    with pytest.raises(ValueError, match="gaps"):
        downsample(ds.isel(x=slice(0, 12, 2)), 2)


def test_resample_by_hand():
    ds = make_map_dataset(irf_on_sky=False)
    out = resample_energy_axis(ds, u.Quantity([520, 3300, 19000], "GeV"))
    axis = Axis.from_dataset(out, "energy")
    np.testing.assert_allclose(axis.edges, Axis.from_dataset(ds, "energy").edges[[0, 2, 4]])
    np.testing.assert_allclose(axis.center, np.sqrt(axis.lower * axis.upper))
    for i in range(2):
        part = ds.isel(energy=slice(2 * i, 2 * i + 2))
        inside = part.counts.where(part.mask_safe, 0).sum("energy")
        np.testing.assert_array_equal(out.counts.isel(energy=i), inside)
        np.testing.assert_array_equal(out.mask_fit.isel(energy=i), part.mask_fit.any("energy"))
        np.testing.assert_allclose(out.edisp.isel(energy=i), part.edisp.sum("energy"))
    assert out.exposure.variable.identical(ds.exposure.variable)


def test_resample_follows_the_mask_in_edisp():
    """Predictions are those of the merged counts: bins outside of the mask do not count."""
    ds = make_map_dataset()
    ds["mask_safe"] = ds.mask_safe.copy(data=np.broadcast_to([[[False]], [[True]], [[True]], [[True]]], (4, 12, 16)))
    models = [SkyModel(PowerLawSpectralModel(), PointSpatialModel(lon_0=0.1, lat_0=0.1, frame="galactic"), name="p")]
    out = npred_signal(downsample(ds, 2, axis_name="energy"), models)
    expected = npred_signal(ds, models).where(ds.mask_safe, 0)
    np.testing.assert_allclose(
        out.isel(energy=0), expected.isel(energy=slice(0, 2)).sum("energy"), rtol=1e-9, atol=1e-11
    )
    np.testing.assert_allclose(
        out.isel(energy=1), expected.isel(energy=slice(2, 4)).sum("energy"), rtol=1e-9, atol=1e-11
    )


def test_resample_to_the_same_axis_changes_nothing(ds):
    grid = SkyGrid.from_dataset(ds)
    lon, lat = grid.center.spherical.lon.deg, grid.center.spherical.lat.deg
    models = Models(
        [SkyModel(PowerLawSpectralModel(), PointSpatialModel(lon_0=lon, lat_0=lat, frame=grid.frame), name="p")]
    )
    out = resample_energy_axis(ds, Axis.from_dataset(ds, "energy"))
    assert out.drop_attrs(deep=False).identical(ds.drop_attrs(deep=False))
    assert float(stat_sum(out, models)) == float(stat_sum(ds, models))


def test_psf_in_reconstructed_energy_averages():
    ds = make_map_dataset(irf_on_sky=False)
    ds["psf"] = ds.psf.isel(energy_true=slice(0, 4)).rename(energy_true="energy").variable
    ds["psf_exposure"] = ds.psf_exposure.isel(energy_true=slice(0, 4)).rename(energy_true="energy").variable
    out = to_image(ds)
    weight = ds.psf_exposure.values
    np.testing.assert_allclose(out.psf.values[0], (ds.psf.values * weight[:, None]).sum(0) / weight.sum(), rtol=1e-12)
    np.testing.assert_allclose(out.psf_exposure.values, [weight.mean()])


def test_unknown_variables_are_left_out_where_dims_change():
    ds = make_map_dataset()
    ds["mine"] = ds.counts * 2
    assert "mine" not in to_image(ds)
    assert "mine" not in downsample(ds, 2)
    assert "mine" in resample_energy_axis(ds, Axis.from_dataset(ds, "energy"))


def test_pad():
    ds = make_map_dataset()
    out = pad(ds, (1, 2))
    assert out.sizes["x"] == 18 and out.sizes["y"] == 16
    inner = out.isel(y=slice(2, -2), x=slice(1, -1))
    xr.testing.assert_identical(inner.drop_attrs(deep=False), ds.drop_attrs(deep=False))
    assert float(out.counts.sum()) == float(ds.counts.sum())
    assert int(out.mask_safe.sum()) == int(ds.mask_safe.sum())
    edge = pad(ds, 1, mode="edge")
    assert float(edge.background[0, 0, 0]) == float(ds.background[0, 0, 0])
    assert not edge.mask_safe[:, 0].any()
    with pytest.raises(ValueError, match="pad_width is -1"):
        pad(ds, -1)
    with pytest.raises(ValueError, match="mode is 'wrap'"):
        pad(ds, 1, mode="wrap")
    with pytest.raises(ValueError, match="gaps"):
        pad(ds.isel(x=slice(0, 12, 2)), 2)


KEYS = {
    "downsample_8": lambda ds: downsample(ds, 8),
    "downsample_energy_5": lambda ds: downsample(ds, 5, axis_name="energy"),
    "to_image": to_image,
}


def check(out, expected):
    for name in ("counts", "mask_safe"):
        total = out[name].sum([d for d in out[name].dims if d != "energy"])
        np.testing.assert_array_equal(total, expected[name]["per_energy"])
    for name, rtol in (("background", 1e-4), ("exposure", 1e-3)):
        assert list(out[name].shape) == expected[name]["shape"]
        values = out[name].astype(float)
        np.testing.assert_allclose(values.sum(out[name].dims[1:]), expected[name]["per_energy"], rtol=rtol)
    edges = expected["counts"]["axes"]["energy"]
    np.testing.assert_allclose(Axis.from_dataset(out, "energy").to(edges["unit"]).edges, edges["edges"], rtol=1e-6)


@pytest.mark.parametrize("key", [*KEYS, "resample_energy"])
def test_reference_cta(key, cta_path, reference):
    expected = reference("tutorial_cta")[key]
    ds = open_dataset(cta_path)
    ds["mask_fit"] = ds.mask_safe & False
    edges = expected["counts"]["axes"]["energy"]
    out = KEYS.get(key, lambda ds: resample_energy_axis(ds, edges["edges"] * u.Unit(edges["unit"])))(ds)
    check(out, expected)
    assert float(out.livetime) == pytest.approx(expected["info"]["livetime"]["value"])


def test_reference_fermi(fermi_path, reference):
    check(downsample(open_dataset(fermi_path), 2), reference("fermi-3fhl-gc")["downsample_2"])


def test_npred_of_the_downsampled():
    """Half a per cent: the exposure is averaged over four pixels."""
    ds = make_map_dataset(npix=(40, 40), binsz=0.05)
    ds["mask_safe"] = xr.ones_like(ds.mask_safe)
    models = [SkyModel(PowerLawSpectralModel(), PointSpatialModel(lon_0=0.1, lat_0=0.0, frame="galactic"), name="p")]
    fine, coarse = npred(ds, models), npred(downsample(ds, 4), models)
    blocks = fine.values.reshape(4, 10, 4, 10, 4).sum(axis=(2, 4))
    np.testing.assert_allclose(coarse, blocks, rtol=1e-2)
    merged = npred(downsample(ds, 2, axis_name="energy"), models)
    np.testing.assert_allclose(merged, fine.values.reshape(2, 2, 40, 40).sum(axis=1), rtol=1e-9, atol=1e-11)
