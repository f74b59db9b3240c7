import numpy as np
import pytest
import xarray as xr

from tests.builders import SKIES, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.models import FoVBackgroundModel, Models, PointSpatialModel, PowerLawSpectralModel, SkyModel
from xgamma.onoff import to_onoff
from xgamma.predict import npred
from xgamma.predict.residuals import METHODS, residuals
from xgamma.reduce.masks import mask
from xgamma.reduce.smooth import smooth
from xgamma.reduce.spectrum import to_spectrum_dataset
from xgamma.simulate import asimov, fake

OPERATIONS = {
    "fake": lambda ds, models: fake(ds, 7, models),
    "asimov": asimov,
    **{method: lambda ds, models, method=method: residuals(ds, method, models) for method in METHODS},
    "smoothed": lambda ds, models: residuals(ds, "diff/sqrt(model)", models, width=1.5),
}


@pytest.fixture(params=SKIES)
def ds(request):
    return make_map_dataset(**SKIES[request.param], npix=(14, 16))


def make_models(ds):
    centre = SkyGrid.from_dataset(ds).center
    lon, lat = centre.spherical.lon.deg, centre.spherical.lat.deg
    point = PointSpatialModel(lon_0=lon + 0.1, lat_0=lat, frame=centre.frame.name)
    spectrum = PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1")
    return Models([SkyModel(spectrum, point, name="point"), FoVBackgroundModel(dataset_name="test")])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_lazy(ds, operation, no_compute):
    models = make_models(ds)
    before = ds.copy(deep=True)
    expected = OPERATIONS[operation](ds, models)
    assert ds.identical(before)
    lazy = ds.chunk(y=5, x=7, energy=3)
    with no_compute():
        actual = OPERATIONS[operation](lazy, models)
    counts = actual["counts"] if operation in ("fake", "asimov") else actual
    assert counts.chunks is not None
    xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-9, atol=1e-10)
    assert actual.attrs == expected.attrs
    turned = OPERATIONS[operation](ds.transpose(), models)
    xr.testing.assert_allclose(turned.transpose(*expected.dims), expected.transpose(*expected.dims))


def test_fake_is_poisson():
    """Mean and variance of the deviations are those of Poisson counts, within four standard errors."""
    ds = make_map_dataset(npix=(60, 60))
    ds["background"] = ds.background.copy(data=np.full(ds.background.shape, 5.0))
    counts = fake(ds, 1, []).counts
    assert float(counts.mean()) == pytest.approx(5, abs=4 * np.sqrt(5 / counts.size))
    assert float(counts.var()) == pytest.approx(5, abs=4 * np.sqrt(55 / counts.size))
    rows = counts.values.reshape(-1, 60)
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_fake_depends_on_the_seed_alone():
    ds = make_map_dataset()
    one, two, other = (fake(ds, seed, []) for seed in (3, 3, 4))
    assert one.identical(two)
    assert not one.counts.equals(other.counts)
    cut = fake(ds.isel(y=slice(3, 9)), 3, [])
    xr.testing.assert_equal(cut.counts, one.counts.isel(y=slice(3, 9)))
    assert one.attrs["history"] == "fake(seed=3)"
    assert one.counts.attrs == ds.counts.attrs
    for seed in (-1, 0.5, True):
        with pytest.raises(ValueError, match="whole number"):
            fake(ds, seed, [])


def test_asimov():
    ds = make_map_dataset()
    models = make_models(ds)
    out = asimov(ds, models)
    np.testing.assert_allclose(out.counts, npred(ds, models))
    assert float(abs(residuals(out, models=models)).max()) == 0
    blank = ds.drop_vars("counts")
    assert asimov(blank, models).counts.equals(out.counts)


def test_spectra():
    ds = make_map_dataset().drop_vars(["mask_safe", "mask_fit"])
    spectrum = to_spectrum_dataset(ds, "galactic;circle(0,0,0.4)")
    source = [SkyModel(PowerLawSpectralModel(), name="source")]
    out = fake(spectrum, 1, source)
    assert out.counts.dims == ("energy",)
    xr.testing.assert_equal(out.counts, fake(spectrum.chunk(energy=2), 1, source).counts.compute())
    np.testing.assert_allclose(residuals(spectrum, models=source), spectrum.counts - npred(spectrum, source))


def test_off_counts_are_drawn_too():
    """The mean of counts and off counts is that of the Asimov data, within four standard errors."""
    ds = make_map_dataset(npix=(30, 30))
    flat = ds.counts.copy(data=np.full(ds.counts.shape, 4.0))
    ds = to_onoff(ds.drop_vars("background"), 1, 5, counts_off=flat)
    expected, out = asimov(ds, [], 2.0), fake(ds, 1, [], 2.0)
    assert (expected.counts == 2).all() and (expected.counts_off == 10).all()
    for name in ("counts", "counts_off"):
        mean = float(expected[name].mean())
        assert float(out[name].mean()) == pytest.approx(mean, abs=4 * np.sqrt(mean / flat.size))
        assert float(out[name].var()) == pytest.approx(mean, abs=4 * np.sqrt((mean + 2 * mean**2) / flat.size))
    correlation = np.corrcoef(out.counts.values.ravel(), out.counts_off.values.ravel())[0, 1]
    assert abs(correlation) < 4 / np.sqrt(flat.size)
    lazy = fake(ds.chunk(y=7, energy=3), 1, [])
    assert lazy.counts_off.chunks is not None
    xr.testing.assert_identical(lazy.compute(), fake(ds, 1, []))
    with pytest.raises(ValueError, match="has no off regions"):
        asimov(make_map_dataset(), [], 2.0)


def test_residuals():
    ds = make_map_dataset()
    models = make_models(ds)
    model, inside = npred(ds, models), mask(ds)
    scales = {"diff": 1, "diff/model": model, "diff/sqrt(model)": np.sqrt(model)}
    for method, scale in scales.items():
        out = residuals(ds, method, models)
        np.testing.assert_allclose(out, ((ds.counts - model) / scale).where(inside))
        assert out.attrs == {"units": "", "long_name": f"residuals ({method})"}
    ds["background"] = ds.background.copy(data=np.zeros(ds.background.shape))
    assert np.isnan(residuals(ds, "diff/model", [])).all()
    with pytest.raises(ValueError, match="method is 'ratio': it must be one of"):
        residuals(ds, "ratio", models)
    with pytest.raises(ValueError, match="no variable 'counts'"):
        residuals(ds.drop_vars("counts"), models=models)


def test_smoothed_residuals():
    """Away from borders of the mask they are the smoothed difference; at the border a constant stays the same."""
    ds = make_map_dataset(npix=(40, 40))
    everywhere = ds.drop_vars(["mask_safe", "mask_fit"])
    np.testing.assert_allclose(
        residuals(everywhere, models=[], width=1.5), smooth(ds.counts - ds.background, 1.5), atol=1e-12
    )
    flat = ds.assign(counts=ds.counts.copy(data=np.full(ds.counts.shape, 3.0))).drop_vars("background")
    out = residuals(flat, models=[], width=1.5)
    np.testing.assert_allclose(out.values[mask(ds).values], 3.0)
    assert np.isnan(out.values[~mask(ds).values]).all()
