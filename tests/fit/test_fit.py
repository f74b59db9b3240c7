"""Fits end at the minimum, or say why not."""

import numpy as np
import pytest
import xarray as xr

import xgamma as xg
from tests.likelihood.cases import background, differences, map_dataset, source, spectrum, spectrum_dataset
from xgamma import models as xm
from xgamma.predict import assign_models, npred

BACKENDS = ["minuit", "scipy"]


def region_case():
    ds = spectrum_dataset()
    models = xm.Models([xm.SkyModel(spectrum(amplitude="4e-11 cm-2 s-1 TeV-1"), name="source"), background(ds)])
    models[1].spectral_model.freeze()
    return ds.assign(counts=npred(ds, models)), models


@pytest.fixture(scope="module")
def region():
    return region_case()


@pytest.fixture(scope="module")
def fitted(region):
    ds, models = region
    return xg.Fit(store_trace=True).run(ds, models)


def test_asimov_data_give_the_truth_back(region, fitted):
    ds, models = region
    start = models.copy()
    start.parameters["source.index"].value = 2.6
    start.parameters["source.amplitude"].value = 1.3e-11
    before = ds.copy(deep=True)
    for backend in BACKENDS:
        # With a strategy or options the backend is called in any case.
        options = {"method": "L-BFGS-B"} if backend == "scipy" else {"precision": 1e-12}
        result = xg.Fit(backend, options=options).run(ds, start)
        assert result.success and result.message == "The fit converged."
        assert xg.Fit(backend).run(ds, start).nfev < result.nfev
        pulls = (result.x - models.parameters.free_unique_parameters.value) / result.errors
        # A minimum is approached to an expected decrease of 1e-9, which is 3e-5 standard errors.
        np.testing.assert_allclose(pulls, 0, atol=1e-4)
        # Differences of the gradient over up to 0.06 standard errors.
        np.testing.assert_allclose(result.covariance, fitted.covariance, rtol=5e-4)
    xr.testing.assert_identical(ds, before)
    assert start.parameters["source.index"].value == 2.6 and start.parameters["source.index"].error == 0


def test_covariance_is_that_of_second_derivatives(region, fitted):
    lik = xg.Likelihood(region[0], region[1])
    steps = 0.05 * fitted.errors
    scale = np.outer(fitted.errors, fitted.errors)
    hessian = differences(lik.gradient, fitted.x, steps) * scale
    np.testing.assert_allclose(fitted.covariance.values / scale @ (hessian / 2), np.eye(2), atol=1e-5)
    assert fitted.covariance.dims == fitted.correlation.dims == ("parameter", "other")
    np.testing.assert_allclose(np.diag(fitted.correlation), 1)
    assert fitted.total_stat == pytest.approx(lik(fitted.x), rel=1e-12)
    assert float(fitted.stat_sums.sum()) == pytest.approx(fitted.total_stat)


def test_models_and_table(fitted):
    table = fitted.parameters
    assert table.loc["source.index", "value"] == fitted.models["source"].spectral_model.index.value
    assert table.loc["source.index", "error"] == pytest.approx(fitted.errors[0])
    assert table.loc["source.reference", "frozen"] and table.loc["source.reference", "error"] == 0
    low, high = fitted.models["source"].spectral_model.error_band("2 TeV")
    assert low < fitted.models["source"].spectral_model("2 TeV") < high
    with pytest.raises(AttributeError, match="read-only"):
        fitted.models["source"].spectral_model.index = 2
    assert assign_models(xr.Dataset(), fitted.models).attrs["models"]
    assert fitted.trace.sizes["call"] == fitted.nfev and fitted.trace["stat"].min() == pytest.approx(fitted.total_stat)


def test_text_and_html(fitted):
    text = str(fitted)
    assert "The fit converged." in text and "source.amplitude" in text and "TeV-1 s-1 cm-2" in text
    assert "correlation" in text and text == str(fitted)
    assert "<table>" in fitted._repr_html_() and "#92CCA6" in fitted._repr_html_()
    assert "success=True" in repr(fitted)


@pytest.mark.parametrize("ending", ["yaml", "nc"])
def test_files(fitted, tmp_path, ending):
    path = tmp_path / f"fit.{ending}"
    fitted.write(path)
    again = xg.FitResult.read(path)
    assert str(again) == str(fitted) and again.models.equals(fitted.models)
    xr.testing.assert_identical(again.covariance, fitted.covariance)
    xr.testing.assert_identical(again.stat_sums, fitted.stat_sums)
    for key in ("success", "message", "total_stat", "nfev", "ngrad", "edm", "n_bins", "backend", "at_limit"):
        assert getattr(again, key) == getattr(fitted, key)
    if ending == "nc":
        xr.testing.assert_identical(again.trace, fitted.trace)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        fitted.write(path)
    fitted.write(path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    path.write_text("components: []")
    with pytest.raises(ValueError, match=str(path)):
        xg.FitResult.read(path)
    with pytest.raises(ValueError, match=r"'\.yaml', '\.yml' or '\.nc'"):
        fitted.write(tmp_path / "fit.txt")
    with pytest.raises(ValueError, match="not the YAML of a fit"):
        xg.FitResult.from_yaml("format: xgamma-fit\nsuccess: true")


def test_settings():
    with pytest.raises(ValueError, match="no backend 'sherpa'; choose from 'minuit', 'scipy'"):
        xg.Fit("sherpa")
    with pytest.raises(ValueError, match="no option 'prnt'"):
        xg.Fit(options={"prnt": 1})
    with pytest.raises(ValueError, match="strategy"):
        xg.Fit(strategy=3)


def test_without_iminuit(region, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "iminuit", None)
    with pytest.raises(ImportError, match=r"xgamma\[fit\]"):
        xg.Fit().run(*region)
    assert xg.Fit("scipy").run(*region).success


@pytest.mark.parametrize("backend", BACKENDS)
def test_at_a_limit(region, backend):
    models = region[1].copy()
    models.parameters["source.index"].value, models.parameters["source.index"].max = 1.5, 1.8
    result = xg.Fit(backend).run(region[0], models)
    assert result.success and result.at_limit == ("source.index",) and result.x[0] == 1.8
    assert "source.index is at its upper limit 1.8" in result.message and np.isfinite(result.errors).all()
    models.parameters["source.index"].min = 1.9
    with pytest.raises(ValueError, match="limits of source.index leave no value"):
        xg.Fit(backend).run(region[0], models)


@pytest.mark.parametrize("backend", BACKENDS)
def test_flat_directions(region, backend):
    """A second source with the same spectrum cannot be told from the first, and one without flux has no index."""
    twin = region[1][0].copy(name="twin")
    twin.spectral_model.index.frozen = True
    result = xg.Fit(backend).run(region[0], [*region[1], twin])
    assert not result.success and "source.amplitude, twin.amplitude" in result.message
    nothing = region[1][0].copy(name="nothing")
    nothing.spectral_model.amplitude.value, nothing.spectral_model.amplitude.frozen = 0, True
    result = xg.Fit(backend).run(region[0], [*region[1], nothing])
    assert not result.success and "does not depend on nothing.index" in result.message
    assert np.isnan(result.errors[-1]) and np.isfinite(result.errors[:-1]).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_to_fit(region, backend):
    ds, models = region
    empty = xg.Fit(backend).run(ds.assign(mask_safe=("energy", np.zeros(ds.sizes["energy"], bool))), models)
    assert not empty.success and "no bin lies inside the masks of dataset 'test'" in empty.message
    frozen = models.copy()
    frozen.freeze()
    result = xg.Fit(backend).run(ds, frozen)
    assert result.success and "no parameter is free" in result.message and result.covariance.shape == (0, 0)
    assert str(result) and xg.FitResult.from_yaml(result.to_yaml()).message == result.message
    broken = xg.Fit(backend).run(ds.assign(background=ds["background"] * np.nan), models)
    assert not broken.success and "dataset 'test' is nan at source.index = 2.1" in broken.message


def test_a_backend_that_fails(region, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("scipy.optimize.minimize", fail)
    result = xg.Fit("scipy", options={"method": "L-BFGS-B"}).run(*region)
    assert not result.success and "failed with RuntimeError: out of luck" in result.message
    aside = region[1].copy()
    aside.parameters["source.index"].value = 2.6
    few = xg.Fit(max_calls=2).run(region[0], aside)
    assert not few.success and "limit of 2 evaluations" in few.message


def test_priors_limit_and_pull(region):
    ds, models = region[0], region[1].copy()
    models.parameters["source.index"].prior = xm.UniformPrior(min=2.3, max=3)
    models.parameters["source.index"].value = 2.5
    result = xg.Fit().run(ds, models)
    assert result.at_limit == ("source.index",) and result.x[0] == 2.3
    models.parameters["source.index"].prior = xm.GaussianPrior(mu=2.5, sigma=1e-3)
    result = xg.Fit().run(ds, models)
    assert result.success and result.x[0] == pytest.approx(2.5, abs=1e-3) and result.stat_prior != 0


def test_what_can_be_fitted(region):
    ds, models = region
    best = xg.Fit().run(ds, models)
    stored = assign_models(ds, models)
    for data in (stored, [stored], xg.Datasets([ds], models), xg.Datasets([stored]), xg.Likelihood(ds, models)):
        np.testing.assert_array_equal(xg.Fit().run(data).x, best.x)
    with pytest.raises(ValueError, match="models compiled in"):
        xg.Fit().run(xg.Likelihood(ds, models), models)


@pytest.mark.parametrize("center", [(0.0, 0.0), (359.99, 0.0)])
def test_point_source_in_radians_across_zero(center):
    """The steps of a position are those of pixels, whatever its unit and wherever 0h is."""
    ds = map_dataset(center=center, frame="icrs")
    truth = xm.Models([source(ds), background(ds)])
    truth.parameters["test-bkg.tilt"].frozen = True
    ds = ds.assign(counts=npred(ds, truth))
    start = truth.copy()
    for name, shift in (("source.lon_0", -0.12), ("source.lat_0", 0.08)):
        start.parameters[name].value += shift
        start.parameters[name].unit = "rad"
    start.parameters["source.amplitude"].value *= 2
    result = xg.Fit().run(ds, start)
    assert result.success
    position = result.models["source"].position
    separation = position.separation(truth["source"].position).deg
    assert separation < 1e-3 * result.parameters.loc["source.lat_0", "error"] * 57.3


def test_lazy_data_give_the_same_numbers():
    ds = map_dataset()
    models = [source(ds, free=False), background(ds)]
    one, two = xg.Fit().run(ds, models), xg.Fit().run(ds.chunk({"y": 11, "x": 9}), models)
    np.testing.assert_allclose(two.x, one.x, rtol=1e-9)
    np.testing.assert_allclose(two.covariance, one.covariance, rtol=1e-6)
    assert two.total_stat == pytest.approx(one.total_stat, rel=1e-12)


def test_progress_is_for_people(region, capsys, monkeypatch):
    xg.Fit().run(*region)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("xgamma.fit.objective._PATIENCE", 0.0)
    monkeypatch.setattr("xgamma.fit.objective._PAUSE", 0.0)
    xg.Fit(progress=True).run(*region)
    shown = capsys.readouterr()
    assert "evaluations" in shown.err and shown.err.endswith("\r\033[K") and shown.out == ""
