"""Profiles, contours and asymmetric errors."""

import numpy as np
import pytest
import xarray as xr
from iminuit import Minuit

import xgamma as xg
from tests.fit.test_fit import region_case


@pytest.fixture(scope="module")
def case():
    ds, models = region_case()
    # Few counts, so that the statistic is no parabola.
    return ds.assign(counts=np.round(ds["counts"] / 20), exposure=ds["exposure"] / 20), models


@pytest.fixture(scope="module")
def fitted(case):
    return xg.Fit().run(*case)


@pytest.fixture(scope="module")
def minuit(fitted):
    """The same with iminuit's own algorithms."""
    lik, scale = fitted.likelihood(), fitted.errors
    out = Minuit(lambda v: lik(v * scale), fitted.x / scale, name=lik.parameters)
    out.errordef = 1
    out.strategy = 2
    out.migrad()
    return out


def test_profile(fitted):
    profile = fitted.stat_profile("source.index", nsigma=3, nvalues=7)
    assert profile["stat"].dims == ("source.index",) and profile["success"].all()
    assert profile["source.index"].attrs == {"units": ""}
    assert profile["source.amplitude"].attrs["units"] == "TeV-1 s-1 cm-2"
    np.testing.assert_allclose(profile["delta_stat"][3], 0, atol=1e-8)
    lik = fitted.likelihood()
    for k, index in enumerate(profile["source.index"].values):
        x = np.array([index, float(profile["source.amplitude"][k])])
        assert lik(x) == pytest.approx(float(profile["stat"][k]))
        # What is left of the slope is far below that which raises the statistic by one.
        assert abs(lik.gradient(x)[1] * fitted.errors[1]) < 1e-3
    still = fitted.stat_profile("index", reoptimize=False, bounds=(2.0, 2.4), nvalues=3)
    np.testing.assert_allclose(still["source.index"], [2.0, 2.2, 2.4])
    assert (still["source.amplitude"] == fitted.x[1]).all()
    assert float(still["stat"][0]) == pytest.approx(lik([2.0, fitted.x[1]]))


def test_values_with_units(fitted):
    par = fitted.models["source"].spectral_model.amplitude
    plain = fitted.stat_profile(par, [1e-11, 2e-11])
    labelled = xr.DataArray([1e-7, 2e-7], dims="amplitude", attrs={"units": "TeV-1 s-1 m-2"})
    xr.testing.assert_allclose(fitted.stat_profile("amplitude", labelled), plain)
    xr.testing.assert_allclose(fitted.stat_profile("amplitude", labelled.values * 1e-4 * par.unit), plain)


def test_confidence_is_minos(fitted, minuit):
    minuit.minos()
    for i, name in enumerate(fitted.names):
        errors = fitted.confidence(name)
        merror = minuit.merrors[i]
        # MINOS ends at 0.01 of a standard error.
        np.testing.assert_allclose(errors["errn"], -merror.lower * fitted.errors[i], rtol=0.01)
        np.testing.assert_allclose(errors["errp"], merror.upper * fitted.errors[i], rtol=0.01)
        assert errors["success"] and errors["parameter"].item() == name
        for side in ("lower", "upper"):
            height = fitted.stat_profile(name, [float(errors[side])])["delta_stat"]
            np.testing.assert_allclose(height, 1, rtol=1e-3)
        assert abs(errors["errn"] / errors["errp"] - 1) > 5e-3


def test_contour(fitted):
    line = fitted.stat_contour("source.index", "source.amplitude", npoints=8)
    assert line.sizes == {"point": 8} and line["success"].all()
    assert line.attrs["delta_stat"] == pytest.approx(2.2957, rel=1e-4)
    lik = fitted.likelihood()
    for x in zip(line["source.index"].values, line["source.amplitude"].values, strict=True):
        assert lik(np.array(x)) - fitted.total_stat == pytest.approx(line.attrs["delta_stat"], rel=1e-3)


def test_surface(fitted):
    x, y = np.array([2.0, 2.3]), np.array([3e-11, 4e-11, 5e-11])
    surface = fitted.stat_surface("source.index", "source.amplitude", x, y)
    assert surface["stat"].dims == ("source.index", "source.amplitude") and surface["stat"].shape == (2, 3)
    assert float(surface["stat"][1, 2]) == pytest.approx(fitted.likelihood()([2.3, 5e-11]))


def test_limits_and_errors(case):
    ds, models = case[0], case[1].copy()
    best = xg.Fit().run(ds, models)
    models.parameters["source.index"].min = best.x[0] - 0.5 * best.errors[0]
    result = xg.Fit().run(ds, models)
    errors = result.confidence("source.index")
    assert np.isnan(errors["errn"]) and errors["errp"] > 0 and not errors["success"]
    assert "does not rise by 1 below the best fit up to the limit" in errors.attrs["message"]
    assert not result.stat_contour("source.index", "source.amplitude", npoints=6)["success"].all()
    with pytest.raises(ValueError, match="no parameter 'gamma'"):
        result.stat_profile("gamma")
    with pytest.raises(ValueError, match="'source.reference' is frozen"):
        result.confidence("source.reference")
    with pytest.raises(ValueError, match="two parameters"):
        result.stat_contour("source.index", "index")
    with pytest.raises(ValueError, match="sigma must be above zero"):
        result.confidence("source.index", sigma=0)


def test_from_datasets_and_from_files(case, fitted):
    expected = fitted.confidence("source.index")
    xr.testing.assert_allclose(xg.Fit().confidence(case[0], "source.index", models=fitted.models), expected, rtol=1e-4)
    again = xg.FitResult.from_yaml(fitted.to_yaml())
    with pytest.raises(ValueError, match="does not hold the data"):
        again.confidence("source.index")
    xr.testing.assert_allclose(again.confidence("source.index", datasets=case[0]), expected, rtol=1e-4)
