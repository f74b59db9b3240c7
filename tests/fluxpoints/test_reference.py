"""Flux points of a file, against numbers of another program."""

import astropy.units as u
import numpy as np
import pytest

import xgamma as xg
from xgamma.models import ExpCutoffPowerLawSpectralModel, PowerLawSpectralModel, SkyModel

START = SkyModel(PowerLawSpectralModel(index=2.3, amplitude="2e-13 cm-2 s-1 TeV-1"), name="source")


@pytest.fixture(scope="module")
def numbers(reference):
    return reference("flux_points_diff")


@pytest.fixture(scope="module")
def ds(gammapy_data, numbers):
    return xg.open_dataset(gammapy_data / numbers["file"])


def same(array, expected, rtol=1e-12):
    unit = u.Unit(expected["unit"])
    values = np.array([np.nan if value is None else value for value in expected["value"]])
    np.testing.assert_allclose(array.gp.to_unit(unit), values, rtol=rtol)


def test_contents(ds, numbers):
    assert ds.gp.data_shape == tuple(numbers["data_shape"])
    same(ds["energy"], numbers["energy_ref"])
    for name in ("dnde", "dnde_err", "dnde_ul"):
        same(ds[name], numbers[name])
    same(ds.gp.sed.e2dnde, numbers["e2dnde"])
    assert ds.attrs["sed_type_init"] == numbers["sed_type_init"]
    ds.gp.validate()


def test_mask(ds, numbers):
    np.testing.assert_array_equal(ds.gp.mask_safe, numbers["mask_safe"])
    np.testing.assert_array_equal(ds.gp.mask, numbers["mask_safe"])


@pytest.mark.parametrize("name", ["flux", "eflux"])
def test_no_integrals_without_bins(ds, numbers, name):
    assert f"cannot convert to SED type '{name}'" in numbers[name]["error"]
    with pytest.raises(ValueError, match=f"cannot be converted to SED type '{name}'.*e_min, e_max"):
        ds.gp.to_sed_type(name)


def test_statistic(ds, numbers):
    assert ds.gp.stat_type == "chi2"
    assert float(ds.gp.stat_sum(START)) == pytest.approx(numbers["stat_sum_start"], rel=1e-10)


@pytest.mark.parametrize(
    ("key", "cls"), [("fit_pl", PowerLawSpectralModel), ("fit_ecpl", ExpCutoffPowerLawSpectralModel)]
)
def test_statistic_at_the_best_fit(ds, numbers, key, cls):
    fit = numbers[key]
    values = {par["name"]: f"{par['value']!r} {par['unit']}" for par in fit["parameters"]}
    model = SkyModel(cls(**values), name="source")
    assert float(ds.gp.stat_sum(model)) == pytest.approx(fit["total_stat"], rel=1e-10)
    # The gradient vanishes there, in units of the error of a parameter, to what a fit reaches.
    likelihood = xg.Likelihood(ds, model)
    errors = [par["error"] for par in fit["parameters"] if not par["frozen"]]
    assert np.abs(likelihood.gradient(likelihood.x0) * errors).max() < 0.2


def test_printout(ds):
    text = ds.gp.summary(START)
    for line in (
        "Flux points\n-----------",
        "Shape                           : (24,)",
        "Quantities                      : dnde, dnde_err, dnde_ul",
        "Reference model                 : pl",
        "n_sigma                         : 1",
        "n_sigma_ul                      : 2.0",
        "sqrt_ts_threshold_ul            : 2",
        "SED type init                   : dnde",
        "Number of total flux points     : 24",
        "Number of fit bins              : 19",
        "Fit statistic type              : chi2",
        "Fit statistic value (-2 log(L)) : 11196.82",
        "Number of free parameters       : 2",
        "Component 0: SkyModel",
    ):
        assert line in text
    assert "<table>" in ds.gp._repr_html_()
    assert ds.gp.info(START)["stat_sum"] == pytest.approx(11196.8239061)


@pytest.mark.parametrize(
    ("key", "cls"), [("fit_pl", PowerLawSpectralModel), ("fit_ecpl", ExpCutoffPowerLawSpectralModel)]
)
def test_fit(ds, numbers, key, cls):
    minuit = pytest.importorskip("iminuit").Minuit
    start = SkyModel(cls(index=2.3, amplitude="2e-13 cm-2 s-1 TeV-1"), name="source")
    likelihood = xg.Likelihood(ds, start)
    scale = likelihood.x0
    fit = minuit(
        lambda t: likelihood(t * scale), np.ones(scale.size), grad=lambda t: likelihood.gradient(t * scale) * scale
    )
    # At its usual tolerance it ends 0.01 errors away from the minimum, in a place that depends on rounding.
    fit.tol = 1e-4
    fit.migrad()
    fit.hesse()
    assert fit.valid
    expected = [par for par in numbers[key]["parameters"] if not par["frozen"]]
    assert fit.fval == pytest.approx(numbers[key]["total_stat"], abs=1e-4)
    np.testing.assert_allclose(np.array(fit.values) * scale, [par["value"] for par in expected], rtol=1e-3)
    np.testing.assert_allclose(np.array(fit.errors) * scale, [par["error"] for par in expected], rtol=0.02)
