"""Parameters: numbers with units, limits, links and priors."""

import math
import pickle

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from xgamma.models import (
    GaussianPrior,
    GaussianSpatialModel,
    LogUniformPrior,
    Models,
    Parameter,
    PowerLawSpectralModel,
    SkyModel,
    UniformPrior,
)
from xgamma.models.units import parse

POSITIVE = st.floats(1e-20, 1e20)


def test_value_from_text_quantity_and_number():
    model = PowerLawSpectralModel()
    model.amplitude = "3e-9 m-2 s-1 TeV-1"
    assert model.amplitude.value == 3e-9
    assert model.amplitude.unit == u.Unit("m-2 s-1 TeV-1")
    assert model.amplitude.canonical_value == pytest.approx(3e-13)
    model.amplitude = 5e-12 / u.cm**2 / u.s / u.TeV
    assert model.amplitude.quantity == 5e-12 * u.Unit("TeV-1 s-1 cm-2")
    model.amplitude = 7e-12
    assert model.amplitude.value == 7e-12
    model.parameters["amplitude"].value = np.float32(2)
    assert model.amplitude.value == 2.0
    model.index.quantity = 2.5 * u.dimensionless_unscaled
    assert model.index.value == 2.5


@pytest.mark.parametrize(
    "value", ["1 TeV", 1 * u.deg, "2", "many cm-2 s-1 TeV-1", None, True, [1, 2] * u.m, float("nan"), "inf"]
)
def test_wrong_values_are_named(value):
    model = PowerLawSpectralModel(amplitude=3e-12)
    with pytest.raises(ValueError, match="amplitude"):
        model.amplitude = value
    assert model.amplitude.value == 3e-12
    assert model.amplitude.unit == u.Unit("TeV-1 s-1 cm-2")


def test_unknown_parameter_is_named():
    with pytest.raises(ValueError, match="PowerLawSpectralModel has no parameter 'gamma'; it has: index"):
        PowerLawSpectralModel(gamma=2)
    with pytest.raises(KeyError, match="there is no parameter 'gamma'"):
        PowerLawSpectralModel().parameters["gamma"]
    with pytest.raises(KeyError, match="there are 3 parameters, and none at 3"):
        PowerLawSpectralModel().parameters[3]


def test_a_change_of_unit_converts_limits_and_error():
    par = Parameter("lat_0", 90, "deg", min=-90, max=90, error="1 deg")
    par.unit = "rad"
    assert par.value == pytest.approx(math.pi / 2)
    assert (par.min, par.max) == pytest.approx((-math.pi / 2, math.pi / 2))
    assert par.error == pytest.approx(math.pi / 180)
    par.max = "45 deg"
    assert par.max == pytest.approx(math.pi / 4)
    assert par.canonical_value == pytest.approx(90)
    with pytest.raises(ValueError, match="'lat_0' takes units like 'deg'; 'TeV' cannot be converted"):
        par.unit = "TeV"
    with pytest.raises(ValueError, match="not a unit"):
        par.unit = "furlongs"


def test_no_limit_is_nan():
    par = Parameter("index", 2.0)
    assert math.isnan(par.min)
    assert math.isnan(par.max)


def test_error_and_frozen_are_checked():
    par = Parameter("index", 2.0)
    with pytest.raises(ValueError, match="error of parameter 'index'"):
        par.error = -1
    with pytest.raises(ValueError, match="frozen of parameter 'index'"):
        par.frozen = "yes"
    with pytest.raises(ValueError, match="prior of parameter 'index'"):
        par.prior = 3
    par.error = math.nan
    assert math.isnan(par.error)


@given(POSITIVE, st.sampled_from(["TeV", "GeV", "erg", "keV"]))
def test_canonical_value_is_in_tev(value, unit):
    model = PowerLawSpectralModel(reference=u.Quantity(value, unit))
    assert model.values["reference"] == pytest.approx(u.Quantity(value, unit).to_value("TeV"), rel=1e-12)


def test_links_share_the_parameter():
    first, second = PowerLawSpectralModel(), PowerLawSpectralModel()
    second.index = first.index
    first.index.value = 3.1
    assert second.index.value == 3.1
    assert second.values["index"] == 3.1
    with pytest.raises(ValueError, match="PowerLawSpectralModel.reference takes units like 'TeV'"):
        second.reference = first.index


def test_links_of_models_are_counted_once():
    a, b = SkyModel.create("pl", name="a"), SkyModel.create("pl", name="b")
    b.spectral_model.index = a.spectral_model.index
    models = Models([a, b])
    assert len(models.parameters) == 6
    assert models.parameters.unique_parameters.names == [
        "a.index", "a.amplitude", "a.reference", "b.amplitude", "b.reference",
    ]  # fmt: skip
    assert models.parameters.free_unique_parameters.names == ["a.index", "a.amplitude", "b.amplitude"]
    assert models.parameters.to_table()["link"].tolist() == ["a.index", "", "", "a.index", "", ""]
    assert models.parameters["index"] is a.spectral_model.index
    with pytest.raises(KeyError, match=r"'amplitude' may be any of a\.amplitude, b\.amplitude"):
        models.parameters["amplitude"]


def test_parameters_are_a_sequence():
    parameters = PowerLawSpectralModel(index=2.2).parameters
    assert parameters.names == ["index", "amplitude", "reference"]
    assert parameters.free_parameters.names == ["index", "amplitude"]
    assert parameters[0].value == 2.2
    assert parameters[1:].names == ["amplitude", "reference"]
    assert "index" in parameters
    assert "other" not in parameters
    np.testing.assert_array_equal(parameters.values, [2.2, 1e-12, 1])
    assert (parameters + parameters[:1]).names == ["index", "amplitude", "reference", "index"]
    parameters.freeze_all()
    assert not len(parameters.free_parameters)
    parameters.unfreeze_all()
    assert len(parameters.free_parameters) == 3


def test_table_and_printouts():
    model = GaussianSpatialModel(sigma="0.2 deg")
    model.sigma.error = 0.01
    model.sigma.prior = UniformPrior(0, 1)
    table = model.parameters.to_table()
    assert table.colnames == ["name", "value", "unit", "error", "min", "max", "frozen", "link", "prior"]
    assert table[2]["value"] == 0.2
    assert table[2]["prior"] == "UniformPrior"
    assert "sigma" in str(model.parameters)
    assert "<table" in model.parameters._repr_html_()
    assert repr(model.sigma) == "Parameter(sigma: 0.2 +/- 0.01 deg, min=0, max=nan)"
    assert "sigma=0.2 deg" in repr(model)


def test_copy_and_pickle_are_independent():
    par = Parameter("index", 2.0, error=0.1, prior=GaussianPrior(2, 0.1))
    for twin in (par.copy(), pickle.loads(pickle.dumps(par))):
        assert repr(twin) == repr(par)
        assert twin.prior == par.prior
        twin.value = 3
        assert par.value == 2.0


@pytest.mark.parametrize("prior", [GaussianPrior(1, 0.3), UniformPrior(0.5, 2.5), LogUniformPrior(0.1, 10)])
def test_priors_are_normalised(prior):
    edges = np.linspace(-5, 12, 200)
    total = sum(quad(lambda x: math.exp(-0.5 * prior(x)), a, b)[0] for a, b in zip(edges[:-1], edges[1:], strict=True))
    assert total == pytest.approx(1, rel=2e-3)


@pytest.mark.parametrize("prior", [GaussianPrior(1, 0.3, weight=2), UniformPrior(0.5, 2.5), LogUniformPrior(0.1, 10)])
def test_gradients_of_priors(prior):
    step = 1e-6
    assert prior.gradient(1.3) == pytest.approx((prior(1.3 + step) - prior(1.3 - step)) / (2 * step), abs=1e-6)


def test_priors_refuse_what_is_not_possible():
    for make in (lambda: GaussianPrior(0, 0), lambda: UniformPrior(2, 1), lambda: LogUniformPrior(-1, 1)):
        with pytest.raises(ValueError, match="Prior needs"):
            make()
    assert UniformPrior(0, 1)(1.5) == math.inf
    assert LogUniformPrior(1, 2)(-1) == math.inf


def test_prior_of_linked_parameter_counts_once():
    a, b = SkyModel.create("pl", name="a"), SkyModel.create("pl", name="b")
    a.spectral_model.index.prior = GaussianPrior(1, 0.1)
    alone = Models(a).parameters.prior_stat_sum()
    b.spectral_model.index = a.spectral_model.index
    assert alone > 0
    assert Models([a, b]).parameters.prior_stat_sum() == alone


@pytest.mark.parametrize(
    "text", ["2e-11 cm-2 s-1 TeV-1", "-1.5E3 1 / (cm2 s)", "3.e-2 deg ", "+5", "1 2 TeV", "1 m / s", "2.5TeV", "1 d"]
)
def test_text_is_read_as_astropy_reads_it(text):
    found, expected = parse(text, "value"), u.Quantity(text)
    assert (found.value, found.unit) == (expected.value, expected.unit)


@pytest.mark.parametrize("text", ["1 Foo", "1 dex(cm)", "1_000 TeV", "TeV", "1 TeV TeV)"])
def test_text_that_astropy_does_not_read(text):
    with pytest.raises((TypeError, ValueError)):
        u.Quantity(text)
    with pytest.raises(ValueError, match=r"value must be a number, a Quantity or text such as '1\.5 TeV'"):
        parse(text, "value")
