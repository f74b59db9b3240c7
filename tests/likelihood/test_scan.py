"""Statistics and predictions for values of parameters by label."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import SKIES, make_map_dataset
from tests.fluxpoints.points import points
from tests.likelihood.cases import background, map_dataset, place, source, spectrum_dataset
from xgamma import models as xm
from xgamma.datasets import Datasets
from xgamma.likelihood import Likelihood
from xgamma.onoff import to_onoff

AMPLITUDE = xr.DataArray(
    [5e-12, 2e-11, 4e-11],
    dims="amplitude",
    coords={"amplitude": [5e-12, 2e-11, 4e-11]},
    attrs={"units": "TeV-1 s-1 cm-2"},
)
INDEX = xr.DataArray([1.8, 2.4], dims="index", coords={"index": [1.8, 2.4]})


def each(function, models, parameters):
    """The slow way: models changed point by point."""
    names = list(parameters)
    grid = xr.broadcast(*(xr.DataArray(value) for value in parameters.values()))
    out = []
    for values in zip(*(np.ravel(array) for array in grid), strict=True):
        there = xm.Models(models).copy()
        for name, value in zip(names, values, strict=True):
            there.parameters[name].value = value
        out.append(function(there))
    return np.array(out).reshape(grid[0].shape + np.shape(out[0])), grid[0].dims


def agree(ds, models, parameters, sizes=None):
    """Check the statistic and the prediction against the slow way."""
    before = ds.copy(deep=True)
    expected, dims = each(lambda there: float(ds.gp.stat_sum(there)), models, parameters)
    actual = ds.gp.stat_sum(models, parameters=parameters)
    assert actual.dims == dims and actual.name == "stat_sum" and actual.attrs["units"] == ""
    np.testing.assert_allclose(actual, expected, rtol=1e-9)
    expected, dims = each(lambda there: ds.gp.npred(there).values, models, parameters)
    npred = ds.gp.npred(models, parameters=parameters)
    n = ds["counts"].ndim
    assert npred.chunks is not None and npred.dims == dims + ds["counts"].dims
    # Integrals of the PSF over pixels have a rounding relative to all the counts of a source.
    total = np.abs(expected).sum(axis=(-3, -2, -1)[-n:]).max()
    np.testing.assert_allclose(npred, expected, rtol=1e-10, atol=1e-12 * total)
    xr.testing.assert_identical(ds, before)
    return actual, npred


@pytest.fixture(scope="module")
def ds():
    return map_dataset(npix=(14, 16))


def sources(ds, kind="point"):
    values = {} if kind == "point" else {"sigma": "0.12 deg"}
    return [source(ds, kind, **values), source(ds, name="other", dy=3, dx=2, free=False), background(ds)]


@pytest.mark.parametrize("sky", SKIES)
def test_skies(sky):
    ds = make_map_dataset(**SKIES[sky], npix=(10, 11))
    parameters = {"source.amplitude": AMPLITUDE, "test-bkg.norm": xr.DataArray([0.9, 1.1], dims="norm")}
    agree(ds, sources(ds), parameters)


def test_labels(ds):
    stat, npred = agree(ds, sources(ds), {"source.amplitude": AMPLITUDE, "source.index": INDEX})
    for array in (stat, npred):
        assert list(array["amplitude"].values) == list(AMPLITUDE.values)
        assert list(array["index"].values) == [1.8, 2.4]
    assert npred.attrs["units"] == "" and npred.name == "npred"
    assert set(ds.gp.npred(sources(ds)).coords) < set(npred.coords)
    one = stat.sel(index=2.4).idxmin("amplitude")
    assert float(one) in AMPLITUDE.values


@pytest.mark.parametrize("kind", ["point", "gauss"])
def test_places(ds, kind):
    here = float(place(ds)["lat_0"][:-4])
    lat = xr.DataArray(here + np.array([0.0, 0.02, 0.4]), dims="lat", attrs={"units": "deg"})
    parameters = {
        "source.lat_0": lat,
        "source.amplitude": AMPLITUDE[:2],
        "source.index": xr.DataArray([2.0, 2.2], dims="i"),
    }
    if kind == "gauss":
        parameters = {"source.lat_0": lat[:2], "source.sigma": xr.DataArray([0.1, 0.2], dims="sigma")}
    agree(ds, sources(ds, kind), parameters)


def test_points_along_one_dim_and_scalars(ds):
    """Values that share a dim are a path, not a grid."""
    path = {
        "source.index": xr.DataArray([1.9, 2.1, 2.3], dims="step"),
        "source.amplitude": xr.DataArray([1e-11, 2e-11, 3e-11], dims="step"),
        "test-bkg.tilt": 0.1,
    }
    stat, _ = agree(ds, sources(ds), path)
    assert stat.dims == ("step",)
    single = ds.gp.stat_sum(sources(ds), parameters={"source.index": 2.3})
    assert single.dims == () and float(single) > 0
    assert ds.gp.npred(sources(ds), parameters={"source.index": 2.3}).dims == ds["counts"].dims
    plain = ds.gp.stat_sum(sources(ds), parameters={})
    np.testing.assert_allclose(plain, ds.gp.stat_sum(sources(ds)), rtol=1e-12)


def test_units(ds):
    models = sources(ds)
    expected = ds.gp.stat_sum(models, parameters={"source.amplitude": AMPLITUDE})
    in_m2 = xr.DataArray(AMPLITUDE.values * 1e4, dims="amplitude", attrs={"units": "TeV-1 s-1 m-2"})
    np.testing.assert_allclose(ds.gp.stat_sum(models, parameters={"source.amplitude": in_m2}), expected, rtol=1e-12)
    quantity = AMPLITUDE.values * 1e4 * u.Unit("TeV-1 s-1 m-2")
    listed = ds.gp.stat_sum(models, parameters={"source.amplitude": quantity})
    assert listed.dims == ("source.amplitude",)
    np.testing.assert_allclose(listed, expected, rtol=1e-12)
    np.testing.assert_allclose(listed["source.amplitude"], AMPLITUDE, rtol=1e-12)
    assert u.Unit(listed["source.amplitude"].attrs["units"]) == u.Unit("TeV-1 s-1 cm-2")
    one = ds.gp.stat_sum(models, parameters={"source.amplitude": "2e-7 TeV-1 s-1 m-2"})
    np.testing.assert_allclose(one, expected[1], rtol=1e-12)


def test_negative_amplitudes(ds):
    """Where predictions are cut off points are evaluated bin by bin."""
    values = xr.DataArray([-4e-11, -1e-13, 1e-11], dims="amplitude")
    agree(ds, sources(ds), {"source.amplitude": values, "test-bkg.norm": xr.DataArray([1.0, 0.0, -0.5], dims="n")})
    moved = {"source.amplitude": values, "source.lat_0": float(place(ds)["lat_0"][:-4]) + 0.03}
    agree(ds, sources(ds), moved)


@pytest.mark.parametrize("models", ["none", "background", "uniform"])
def test_other_models(ds, models):
    uniform = xm.SkyModel(sources(ds)[0].spectral_model, xm.ConstantSpatialModel(value="30 sr-1"), name="source")
    chosen = {"none": sources(ds)[:1], "background": [background(ds)], "uniform": [uniform]}[models]
    name = "test-bkg.norm" if models == "background" else "source.amplitude"
    values = xr.DataArray([0.9, 1.1], dims="n") if models == "background" else AMPLITUDE
    agree(ds, chosen, {name: values})


def test_bins_without_background(ds):
    some = np.random.default_rng(2).random(ds["background"].shape) < 0.3
    agree(ds.assign(background=ds["background"].where(~some, 0.0)), sources(ds), {"source.amplitude": AMPLITUDE})
    bare = ds.drop_vars("background")
    agree(bare, sources(ds), {"source.amplitude": AMPLITUDE, "source.index": INDEX})


@pytest.mark.parametrize("sky", ["TAN", "wrap"])
def test_lazy(sky, no_compute):
    full = make_map_dataset(**SKIES[sky], npix=(10, 12))
    lat = float(place(full)["lat_0"][:-4])
    for parameters in (
        {"source.amplitude": AMPLITUDE, "source.index": INDEX},
        {"source.lat_0": xr.DataArray([lat, lat + 0.1], dims="lat")},
    ):
        expected = full.gp.stat_sum(sources(full), parameters=parameters)
        counts = full.gp.npred(sources(full), parameters=parameters)
        lazy = full.chunk(y=4, x=7)
        with no_compute():
            stat = lazy.gp.stat_sum(sources(full), parameters=parameters)
            npred = lazy.gp.npred(sources(full), parameters=parameters)
            assert full.gp.npred(sources(full), parameters=parameters).chunks
        assert stat.chunks is not None and dict(zip(npred.dims, npred.chunks, strict=True))["y"] == (4, 4, 2)
        np.testing.assert_allclose(stat, expected, rtol=1e-12)
        np.testing.assert_allclose(npred, counts, rtol=1e-10, atol=1e-14)


def test_descending_labels_and_gaps(ds):
    strided = ds.isel(y=slice(None, None, -2), x=slice(None, None, 3))
    agree(strided, sources(ds), {"source.amplitude": AMPLITUDE, "source.index": INDEX})


def test_spectra():
    spec = spectrum_dataset(region="icrs;circle(0.1,0.0,0.3)")
    parameters = {"source.amplitude": AMPLITUDE, "source.index": INDEX}
    agree(spec, [source(map_dataset()), background(spec)], parameters)
    plain = spectrum_dataset()
    models = [xm.SkyModel(xm.PowerLawSpectralModel(), name="source"), background(plain)]
    agree(plain, models, parameters)
    lazy = plain.chunk()
    np.testing.assert_allclose(
        lazy.gp.stat_sum(models, parameters=parameters), plain.gp.stat_sum(models, parameters=parameters), rtol=1e-12
    )


def test_off_regions():
    ds = to_onoff(spectrum_dataset(), acceptance=1.0, acceptance_off=3.0)
    ds["counts_off"] = ds["counts_off"].round()
    model = xm.SkyModel(xm.PowerLawSpectralModel(), name="source")
    agree(ds, [model], {"source.amplitude": AMPLITUDE, "source.index": INDEX})


@pytest.mark.parametrize("kind", ["chi2", "profile", "distrib"])
def test_flux_points(kind):
    ds = points(scan=True).assign_attrs(stat_type=kind)
    model = xm.SkyModel(xm.PowerLawSpectralModel(amplitude="2e-11 TeV-1 s-1 cm-2"), name="source")
    parameters = {"source.amplitude": AMPLITUDE, "source.index": INDEX}
    expected, _ = each(lambda there: float(ds.gp.stat_sum(there)), [model], parameters)
    np.testing.assert_allclose(ds.gp.stat_sum([model], parameters=parameters), expected, rtol=1e-9)
    with pytest.raises(ValueError, match=r"flux_pred"):
        ds.gp.npred([model], parameters=parameters)


def test_likelihood_and_collections(ds):
    second = ds.assign_attrs(name="second")
    models = [*sources(ds), background(second)]
    models[0].spectral_model.index.prior = xm.GaussianPrior(mu=2.0, sigma=0.1)
    parameters = {"source.amplitude": AMPLITUDE, "source.index": INDEX, "second-bkg.norm": 1.02}
    lik = Likelihood([ds, second], models)
    scan = lik.scan(parameters)
    assert scan.dims == ("amplitude", "index")
    for i, j in np.ndindex(scan.shape):
        x = lik.x0
        for name, value in (("source.amplitude", AMPLITUDE[i]), ("source.index", INDEX[j]), ("second-bkg.norm", 1.02)):
            x[lik.parameters.index(name)] = value
        np.testing.assert_allclose(scan[i, j], lik(x), rtol=1e-12)
        values = {name: float(value) for name, value in zip(lik.parameters, x, strict=True)}
        both = Datasets([ds, second]).stat_sum(models, parameters=values)
        np.testing.assert_allclose(both, lik(x), rtol=1e-9)
    x = lik.x0
    x[lik.parameters.index("source.index")] = 2.3
    np.testing.assert_allclose(lik.scan({}, x=x), lik(x), rtol=1e-12)
    # Priors belong to all datasets together.
    total = sum(part.gp.stat_sum(models, parameters=parameters) for part in (ds, second))
    priors = [models[0].spectral_model.index.prior(index) for index in INDEX.values]
    np.testing.assert_allclose(
        Datasets([ds, second]).stat_sum(models, parameters=parameters), total + priors, rtol=1e-12
    )


def test_linked_and_frozen_parameters(ds):
    models = sources(ds)
    models[1].spectral_model.index = models[0].spectral_model.index
    models[0].spectral_model.index.frozen = True
    expected, _ = each(lambda there: float(ds.gp.stat_sum(there)), models, {"source.index": INDEX})
    for name in ("source.index", "other.index"):
        np.testing.assert_allclose(ds.gp.stat_sum(models, parameters={name: INDEX}), expected, rtol=1e-9)
    with pytest.raises(ValueError, match="'source.index' and 'other.index' are the same"):
        ds.gp.stat_sum(models, parameters={"source.index": 2, "other.index": 2})
    with pytest.raises(ValueError, match=r"'source.index' is frozen; the free ones are source.amplitude"):
        Likelihood(ds, models).scan({"source.index": INDEX})
    assert models[0].spectral_model.index.frozen


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"source.indx": 2}, r"no parameter 'source.indx'; there are: source.index, source.amplitude"),
        ({"index": 2}, "may be any of source.index, other.index"),
        ({"source.amplitude": AMPLITUDE.assign_attrs(units="deg")}, "'source.amplitude' is given as an array in 'deg'"),
        ({"source.amplitude": np.ones((2, 2))}, "has 2 dims without names"),
        (
            {"source.amplitude": xr.DataArray([1.0, 2.0], dims="a"), "source.index": xr.DataArray([2.0], dims="a")},
            "differ",
        ),
        (
            {"source.amplitude": AMPLITUDE, "source.index": AMPLITUDE[:2].drop_attrs()},
            "differ along a dim",
        ),
        ({"source.amplitude": AMPLITUDE[:0]}, "have no values"),
        ([1, 2], "give a dict of names"),
    ],
)
def test_errors(ds, parameters, message):
    for method in (ds.gp.stat_sum, ds.gp.npred, Likelihood(ds, sources(ds)).scan):
        with pytest.raises(ValueError, match=message):
            method(*(() if method.__name__ == "scan" else (sources(ds),)), parameters=parameters)


def test_a_dim_of_the_counts(ds):
    with pytest.raises(ValueError, match=r"dim 'energy' is one of the counts: rename"):
        ds.gp.npred(sources(ds), parameters={"source.amplitude": AMPLITUDE.rename(amplitude="energy")})


def test_bad_lazy_input_is_told_at_once(ds):
    for missing in ("counts", "exposure"):
        with pytest.raises(ValueError, match=f"no variable '{missing}'"):
            ds.drop_vars(missing).chunk().gp.stat_sum(sources(ds), parameters={"source.index": INDEX})


def test_stored_models(ds):
    stored = ds.gp.assign_models(sources(ds))
    expected = ds.gp.stat_sum(sources(ds), parameters={"source.index": INDEX})
    np.testing.assert_allclose(stored.gp.stat_sum(parameters={"source.index": INDEX}), expected, rtol=1e-12)
    np.testing.assert_allclose(Datasets([stored]).stat_sum(parameters={"source.index": INDEX}), expected, rtol=1e-12)


@settings(max_examples=10, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=0, max_size=3), seed=st.integers(0, 99))
def test_any_grid(ds, shape, seed):
    """Points of arrays with any dims: the vector of each is that of its labels."""
    rng = np.random.default_rng(seed)
    names = ["source.amplitude", "source.index", "test-bkg.norm"]
    scale = [2e-11, 2.2, 1.0]
    dims = [f"d{i}" for i in range(len(shape))]
    parameters = {}
    for name, size in zip(names, scale, strict=True):
        chosen = [i for i in range(len(shape)) if rng.random() < 0.6]
        values = size * rng.uniform(0.9, 1.1, [shape[i] for i in chosen])
        parameters[name] = xr.DataArray(values, dims=[dims[i] for i in chosen])
    lik = Likelihood(ds, sources(ds))
    scan = lik.scan(parameters)
    for index in np.ndindex(scan.shape):
        at = dict(zip(scan.dims, index, strict=True))
        x = lik.x0
        for name, values in parameters.items():
            x[lik.parameters.index(name)] = values.isel({dim: i for dim, i in at.items() if dim in values.dims})
        np.testing.assert_allclose(scan.isel(at), lik(x), rtol=1e-12)


def test_parameters_as_keys():
    """A parameter stands for its name: that of the models which are scanned, or one that is like it alone."""
    ds = map_dataset(npix=(8, 9))
    models = xm.Models([source(ds, free=False), source(ds, "gauss", "other", free=False, sigma="0.2 deg")])
    par, sigma = models["source"].spectral_model.amplitude, models["other"].spatial_model.sigma
    expected = ds.gp.stat_sum(models, parameters={"source.amplitude": AMPLITUDE, "other.sigma": 0.3})
    xr.testing.assert_identical(ds.gp.stat_sum(models, parameters={par: AMPLITUDE, sigma: 0.3}), expected)
    xr.testing.assert_identical(ds.gp.stat_sum(list(models), parameters={par: AMPLITUDE, sigma.copy(): 0.3}), expected)
    npred = ds.gp.npred(models, parameters={par: [1e-11, 2e-11]})
    xr.testing.assert_identical(npred, ds.gp.npred(models, parameters={"source.amplitude": [1e-11, 2e-11]}))
    sigma.frozen = False
    xr.testing.assert_identical(
        Likelihood(ds, models).scan({sigma: [0.1, 0.2]}), Likelihood(ds, models).scan({"other.sigma": [0.1, 0.2]})
    )
    with pytest.raises(ValueError, match="'amplitude' may be any of source.amplitude, other.amplitude"):
        ds.gp.stat_sum(models, parameters={par.copy(): AMPLITUDE})
    with pytest.raises(ValueError, match="'source.amplitude' is given twice"):
        ds.gp.stat_sum(models, parameters={par: AMPLITUDE, "source.amplitude": AMPLITUDE})
    with pytest.raises(ValueError, match="no parameter 'r_0'"):
        ds.gp.stat_sum(models, parameters={xm.DiskSpatialModel().r_0: 1})
