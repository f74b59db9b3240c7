"""Fits that start in different places."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

import xgamma as xg
from tests.likelihood.cases import background, map_dataset, source
from xgamma.fit.objective import Objective
from xgamma.fit.seek import doubts
from xgamma.models import FoVBackgroundModel, Models, PointSpatialModel, PowerLawSpectralModel, SkyModel
from xgamma.tutorial import open_dataset


@pytest.mark.parametrize("brightness", [0.05, 1.0, 20.0])
def test_scattered_starts_end_in_the_same_place(brightness):
    """A source that starts too bright or faint does not drive itself away."""
    ds = map_dataset(npix=(16, 18))
    truth = Models([source(ds), background(ds)])
    ds = ds.gp.asimov(models=truth)
    expected = truth["source"].spatial_model
    rng = np.random.default_rng(7)
    for _ in range(2):
        models = truth.copy()
        start = models["source"]
        start.spectral_model.amplitude.value *= brightness
        start.spatial_model.lon_0.value += rng.uniform(-0.15, 0.15)
        start.spatial_model.lat_0.value += rng.uniform(-0.15, 0.15)
        result = xg.Fit().run(ds, models)
        assert result.success, result.message
        found = result.models["source"].spatial_model
        for name in ("lon_0", "lat_0"):
            par = getattr(found, name)
            # Asimov data have their minimum at the truth, reached to a small part of the error
            assert par.value == pytest.approx(getattr(expected, name).value, abs=1e-3 * par.error)


def test_starts_on_the_sample(sample):
    """Starts within 0.2 deg and a factor of three in brightness, and one so far aside that only noise is there."""
    ds, models = sample
    rng = np.random.default_rng(3)
    places, stats = [], []
    for i in range(6):
        start = models.copy()
        gc = start["gc"]
        gc.spectral_model.amplitude.value *= 3 ** rng.uniform(-1, 1)
        gc.spectral_model.index.value += rng.uniform(-0.5, 0.5)
        gc.spatial_model.lon_0.value += rng.uniform(-0.2, 0.2)
        gc.spatial_model.lat_0.value += rng.uniform(-0.2, 0.2)
        if i == 0:
            gc.spatial_model.lon_0.value, gc.spatial_model.lat_0.value = -0.35, 0.0
        result = xg.Fit().run(ds, start)
        assert result.success and result.message == "The fit converged.", result.message
        places.append(result.x / result.errors)
        stats.append(result.total_stat)
    # A fit ends where the statistic is expected to fall by less than 1e-6.
    assert np.ptp(stats) < 1e-5
    assert np.ptp(places, axis=0).max() < 5e-3


def test_a_source_on_the_corner_of_pixels(sample):
    """The source of the sample stands where four pixels meet."""
    ds, models = sample
    expected = models.parameters.free_unique_parameters.value
    result = xg.Fit().run(ds.gp.asimov(models=models), models)
    assert result.success, result.message
    np.testing.assert_allclose((result.x - expected) / result.errors, 0, atol=1e-3)
    # The information of the counts, from predictions beside the corner.
    shift = 0.1 * result.errors[result.names.index("gc.lon_0")]
    moved = models.copy()
    moved["gc"].spatial_model.lon_0.value += shift
    beside = xg.Fit().run(ds.gp.asimov(models=moved), moved)
    np.testing.assert_allclose(result.errors, beside.errors, rtol=2e-3)


@pytest.fixture(scope="module")
def sample():
    ds = open_dataset().load()
    models = ds.gp.models.copy()
    models["shock"].parameters.freeze_all()
    return ds, models


@pytest.mark.slow
def test_ten_starts_on_cta(cta_path):
    """The five parameters of a point source and a background, from within four widths of the PSF."""
    ds = xg.open_dataset(cta_path)
    circle = CircleSkyRegion(SkyCoord(0, 0, unit="deg", frame="galactic"), 1.5 * u.deg)
    mask = ds.gp.region_mask(circle) & ds.gp.energy_mask("0.3 TeV", "7 TeV")
    ds = ds.assign(mask_fit=mask).gp.cutout(circle.center, 3.04 * u.deg).load()
    rng = np.random.default_rng(8)
    stats = []
    for _ in range(10):
        lon, lat = -0.05 + rng.uniform(-0.2, 0.2), -0.05 + rng.uniform(-0.2, 0.2)
        model = SkyModel(
            PowerLawSpectralModel(index=rng.uniform(2, 2.8), amplitude=f"{10 ** rng.uniform(-12, -11)} cm-2 s-1 TeV-1"),
            PointSpatialModel(lon_0=f"{lon} deg", lat_0=f"{lat} deg", frame="galactic"),
            name="gc",
        )
        result = xg.Fit().run(ds, [model, FoVBackgroundModel(ds.gp.name)])
        assert result.success, result.message
        stats.append(result.total_stat)
    assert np.ptp(stats) < 1e-5


def test_sources_that_share_a_place(sample):
    """One of two sources that start next to the brighter one finds its own photons."""
    ds, models = sample
    truth = Models([models["gc"].copy(name="a"), models["gc"].copy(name="b"), models["gc-bkg"]])
    truth["b"].spatial_model.lon_0.value, truth["b"].spatial_model.lat_0.value = -0.31, 0.12
    truth["b"].spectral_model.amplitude.value *= 0.4
    data = ds.gp.asimov(models=truth)
    start = truth.copy()
    start["b"].spatial_model.lon_0.value, start["b"].spatial_model.lat_0.value = -0.08, 0.02
    result = xg.Fit().run(data, start)
    assert result.success, result.message
    expected = truth.parameters.free_unique_parameters.value
    np.testing.assert_allclose((result.x - expected) / result.errors, 0, atol=1e-3)


def test_what_is_said_of_noise():
    """A source that nothing demands, and one that is not on the map."""
    ds = map_dataset(npix=(16, 18))
    nothing = Models([source(ds, dy=2, dx=3), background(ds)])
    nothing["source"].spectral_model.index.frozen = True
    nothing["source"].spectral_model.amplitude.min = 0
    result = xg.Fit().run(ds.gp.fake(5, models=[background(ds)]), nothing)
    assert "Source 'source' may be noise, and its position with it" in result.message
    away = nothing.copy()
    away["source"].spatial_model.lat_0.value += 20
    result = xg.Fit().run(ds, away)
    assert not result.success and "Source 'source' is off the map" in result.message
    # It began on the map.
    lik = xg.Likelihood(ds, nothing)
    x = lik.x0
    x[lik.parameters.index("source.lat_0")] += 20
    assert doubts(Objective(lik), x, lik(x))[1] and not doubts(Objective(lik), lik.x0, lik(lik.x0))[1]


def test_a_faint_source_stays_where_it_is(sample):
    """A source of about five standard errors, with a bright one without a model a degree away."""
    ds, models = sample
    dim = models["gc"].copy(name="dim")
    dim.spatial_model.lon_0.value, dim.spatial_model.lat_0.value = -0.9, -0.5
    dim.spectral_model.amplitude.value = 4e-13
    start = Models([dim, models["shock"], models["gc-bkg"]])
    result = xg.Fit().run(ds.gp.asimov(models=[dim, *models]), start)
    assert result.models["dim"].position.separation(dim.position).deg < 0.1
    lat = result.parameters.loc["dim.lat_0"]
    assert abs(lat["value"] + 0.5) < 2 * lat["error"]
