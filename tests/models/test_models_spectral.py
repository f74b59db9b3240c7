"""Spectral models: values, integrals and errors."""

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from tests.models import library
from xgamma import models as xm
from xgamma.models.quadrature import power_law_integral
from xgamma.models.registry import SPECTRAL_MODELS
from xgamma.models.serialize import part_from_dict

EACH = pytest.mark.parametrize("tag", library.SPECTRAL)
CLOSED = {"pl", "pl-2", "const", "gauss"}
ENERGY = st.floats(-2, 2).map(lambda x: 10**x)


def brute_force(model, low, high, moment=0):
    """The integral by adaptive quadrature in ln(energy), a small step at a time."""

    def function(x):
        return np.exp(x * (1 + moment)) * float(model.evaluate_array(np.exp(x)))

    nodes = getattr(model, "_nodes", np.array([]))
    edges = np.unique(np.r_[np.linspace(np.log(low), np.log(high), 30), np.log(nodes), np.log(1.5)])
    edges = edges[(edges >= np.log(low)) & (edges <= np.log(high))]
    return sum(quad(function, a, b, epsrel=1e-12, epsabs=0)[0] for a, b in zip(edges[:-1], edges[1:], strict=True))


def test_library_has_every_type():
    assert {type(make()).__name__ for make in library.SPECTRAL.values()} == set(SPECTRAL_MODELS)


def test_reference_values(reference):
    entries = reference("model_library")["spectral"]
    assert len(entries) == 17
    for entry in entries:
        model = part_from_dict(entry["dict"]["spectral"], SPECTRAL_MODELS, "spectral model", {})
        assert entry["tag"] in model.tag
        if "value" in entry:
            expected = u.Quantity(entry["value"]["value"], entry["value"]["unit"])
            found = model(entry["energy_TeV"] * u.TeV).to_value(expected.unit)
            np.testing.assert_allclose(found, expected.value, rtol=1e-6, err_msg=entry["tag"])
        rtol = 1e-6 if entry["tag"] in CLOSED else 1e-3
        for name, method in (("integral_1_10TeV", "integral"), ("energy_flux_1_10TeV", "energy_flux")):
            if name in entry:
                found = getattr(model, method)("1 TeV", "10 TeV")
                expected = entry[name]["value"]
                assert found.to_value(entry[name]["unit"]) == pytest.approx(expected, rel=rtol), entry["tag"]


def test_norm_models_with_their_nodes(reference):
    entry = next(e for e in reference("model_library")["spectral"] if e["tag"] == "piecewise-norm")
    norms = [par["value"] for par in entry["parameters"]]
    model = xm.PiecewiseNormSpectralModel(entry["nodes_TeV"] * u.TeV, norms)
    np.testing.assert_allclose(model(entry["nodes_TeV"] * u.TeV), norms)


@EACH
@pytest.mark.parametrize("moment", [0, 1])
def test_integrals_agree_with_brute_force(tag, moment):
    model = library.spectral(tag)
    integrate = model.energy_flux_array if moment else model.integrate_array
    low, high = np.array([0.03, 0.1, 1.0, 1.4, 5.0]), np.array([0.05, 40.0, 1.26, 1.6, 90.0])
    expected = [brute_force(model, a, b, moment) for a, b in zip(low, high, strict=True)]
    np.testing.assert_allclose(integrate(low, high), expected, rtol=1e-9, atol=1e-30)


@EACH
@given(edges=st.lists(ENERGY, min_size=3, max_size=3, unique=True).map(sorted))
@settings(max_examples=25, deadline=None)
def test_integrals_add_up(tag, edges):
    model = library.spectral(tag)
    a, b, c = edges
    whole, parts = model.integrate_array(a, c), model.integrate_array([a, b], [b, c])
    np.testing.assert_allclose(parts.sum(), whole, rtol=1e-9, atol=1e-40)


@pytest.mark.parametrize("tag", [tag for tag, make in library.SPECTRAL.items() if len(make().parameters)])
def test_values_may_be_arrays(tag):
    """One broadcast call gives the same as a loop over values of parameters."""
    model = library.spectral(tag)
    energy, low, high = np.array([0.3, 2.0, 7.0]), np.array([0.1, 1.0, 1.2]), np.array([1.0, 3.0, 20.0])
    for name, value in model.values.items():
        values = value * np.array([1.0, 1.1])[:, None]
        for function, args in (
            (model.evaluate_array, (energy,)),
            (model.integrate_array, (low, high)),
            (model.energy_flux_array, (low, high)),
        ):
            together = function(*args, **{name: values})
            assert together.shape == (2, 3)
            one_by_one = [function(*args, **{name: float(v)}) for v in values[:, 0]]
            np.testing.assert_allclose(together, one_by_one, rtol=1e-12, err_msg=name)
    assert model.values == library.spectral(tag).values


@EACH
def test_shapes_and_units(tag):
    model = library.spectral(tag)
    energy = np.geomspace(0.1, 10, 12).reshape(3, 4) * u.TeV
    assert model(energy).shape == (3, 4)
    assert model.evaluate("1 TeV").shape == ()
    assert model.integral(energy, energy * 2).shape == (3, 4)
    assert model(energy).unit == model.unit
    assert model.integral("1 TeV", "2 TeV").unit == model.unit * u.TeV
    assert model.energy_flux("1 TeV", "2 TeV").unit == model.unit * u.TeV**2
    assert model.is_norm_spectral_model == (model.unit == "")
    np.testing.assert_allclose(model(energy.to("GeV")), model(energy), rtol=1e-12)
    np.testing.assert_array_equal(model.integrate_array(1.0, 1.0), 0)


@given(st.floats(-1, 4), ENERGY, ENERGY)
def test_power_law_integral(index, low, high):
    low, high = sorted((low, high))
    expected = quad(lambda x: np.exp(x * (1 - index)), np.log(low), np.log(high), epsabs=0, epsrel=1e-10)[0]
    assert power_law_integral(low, high, index, 1.0) == pytest.approx(expected, rel=1e-8)


@given(st.floats(-1e-6, 1e-6))
def test_power_law_integral_near_index_one(step):
    assert power_law_integral(1.0, 10.0, 1 + step, 1.0) == pytest.approx(np.log(10) - step * np.log(10) ** 2 / 2)


@given(st.floats(0.3, 3), st.floats(1.01, 3), st.floats(-4, 3.9), st.floats(0.01, 2))
@settings(max_examples=50, deadline=None)
def test_cut_off_power_law_agrees_with_brute_force(lambda_, alpha, index, width):
    model = xm.ExpCutoffPowerLawSpectralModel(index=index, lambda_=lambda_, alpha=alpha)
    low, high = 0.3, 0.3 * 10**width
    assert model.integrate_array(low, high) == pytest.approx(brute_force(model, low, high), rel=1e-9)


@pytest.mark.parametrize("sigma", [0.2, 0.01, 0.0005])
def test_narrow_line_in_a_wide_bin(sigma):
    line = xm.GaussianSpectralModel(mean="2 TeV", sigma=f"{sigma} TeV")
    np.testing.assert_allclose(line.integrate_array(0.1, 100), 1e-12, rtol=1e-9)
    product = line * xm.PowerLawNormSpectralModel(tilt=0.0, norm=2)
    np.testing.assert_allclose(product.integrate_array(0.1, 100), 2e-12, rtol=1e-9)
    total = line + xm.ConstantSpectralModel(const=1e-14)
    np.testing.assert_allclose(total.integrate_array(0.1, 100), 1e-12 + 0.999e-12, rtol=1e-9)


def test_sharp_bend_in_a_wide_bin():
    sharp = xm.SmoothBrokenPowerLawSpectralModel(index1=1.5, index2=3, beta=1e-4)
    broken = xm.BrokenPowerLawSpectralModel(index1=1.5, index2=3)
    np.testing.assert_allclose(sharp.integrate_array(0.1, 100), broken.integrate_array(0.1, 100), rtol=1e-6)


@given(st.floats(-3, 3))
def test_dr3_curvature_has_no_seam(power):
    """The series near the reference and the formula elsewhere are one function."""
    model = xm.SuperExpCutoffPowerLaw4FGLDR3SpectralModel(expfactor=0.7, index_1=1.6, index_2=0.9)
    from decimal import Decimal, getcontext

    getcontext().prec = 50
    x = Decimal(10) ** Decimal(power)
    d, b = Decimal("0.7"), Decimal("0.9")
    exact = x ** (d / b - Decimal("1.6")) * (d / b**2 * (1 - x**b)).exp()
    found = model.evaluate_array(10**power)
    np.testing.assert_allclose(found, 1e-12 * float(exact), rtol=1e-11)


def test_compound_names_and_sets_parameters():
    model = xm.PowerLawSpectralModel() * xm.PowerLawNormSpectralModel(norm=2)
    assert model.parameters.names == ["index", "amplitude", "model1.reference", "tilt", "norm", "model2.reference"]
    model.parameters["norm"].value = 3
    assert model.model2.norm.value == 3
    np.testing.assert_allclose(model.evaluate_array(2.0), 3 * model.model1.evaluate_array(2.0))
    np.testing.assert_allclose(model.evaluate_array(2.0, norm=4), 4 * model.model1.evaluate_array(2.0))
    half = xm.PowerLawSpectralModel() / xm.PowerLawNormSpectralModel(norm=2)
    np.testing.assert_allclose(half.integrate_array(1, 10), 4.5e-13)
    less = xm.PowerLawSpectralModel() - xm.PowerLawSpectralModel(amplitude=4e-13)
    np.testing.assert_allclose(less.integrate_array(1, 10), 5.4e-13)
    with pytest.raises(ValueError, match="cannot be added"):
        xm.PowerLawSpectralModel() + xm.PowerLawNormSpectralModel()
    with pytest.raises(TypeError):
        xm.PowerLawSpectralModel() * 2


def test_piecewise_norms_are_attributes():
    model = xm.PiecewiseNormSpectralModel([1, 10] * u.TeV)
    model.norm_1 = 4
    assert model.parameters["norm_1"].value == 4
    assert model.evaluate_array(100.0) == 4
    np.testing.assert_allclose(model.evaluate_array(np.sqrt(10)), 2)
    with pytest.raises(AttributeError, match="no attribute 'norm_2'"):
        _ = model.norm_2


def test_template_goes_on_beyond_its_nodes():
    model = xm.TemplateSpectralModel([1, 10] * u.TeV, [1, 0.01] * u.Unit("TeV-1 s-1 cm-2"))
    np.testing.assert_allclose(model.evaluate_array([0.1, 1, 100]), [100, 1, 1e-4])
    zero = xm.TemplateSpectralModel([1, 10, 100] * u.TeV, [1, 0, 0] * u.Unit("TeV-1 s-1 cm-2"))
    np.testing.assert_array_equal(zero.evaluate_array([20.0, 1000.0]), 0)
    assert zero.integrate_array(20.0, 1000.0) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: xm.TemplateSpectralModel([1, 2, 3] * u.TeV, [1, 2] / u.TeV), "3 energies and values of shape"),
        (lambda: xm.TemplateSpectralModel([3, 2] * u.TeV, [1, 2] / u.TeV), "increasing"),
        (lambda: xm.TemplateSpectralModel([1, 2] * u.TeV, [1, -2] / u.TeV), "not negative"),
        (lambda: xm.TemplateSpectralModel([1, 2] * u.m, [1, 2] / u.TeV), "energy of TemplateSpectralModel"),
        (lambda: xm.TemplateSpectralModel([1, 2] * u.TeV, [1, 2] * u.m), "must be a flux"),
        (lambda: xm.PiecewiseNormSpectralModel([1, 2] * u.TeV, norms=[1]), "2 energies and 1 norms"),
        (lambda: xm.PiecewiseNormSpectralModel([1, 2] * u.TeV, interp="cubic"), "'log' or 'lin'"),
        (lambda: xm.CompoundSpectralModel(xm.PowerLawSpectralModel(), xm.PowerLawSpectralModel(), "pow"), "operator"),
        (lambda: xm.CompoundSpectralModel(xm.PowerLawSpectralModel(), 3, "mul"), "model2"),
        (lambda: xm.PowerLawSpectralModel()("1 m"), "energy needs a unit like 'TeV'"),
        (lambda: xm.PowerLawSpectralModel()("-1 TeV"), "above zero"),
        (lambda: xm.PowerLawSpectralModel().integral("1 TeV", np.inf * u.TeV), "energy_max must be finite"),
        (lambda: xm.PowerLawSpectralModel().evaluate_array(1.0, gamma=2), "no parameter gamma"),
    ],
)
def test_errors_say_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@EACH
def test_spectral_index_is_the_slope(tag):
    model = library.spectral(tag)
    e = np.array([0.3, 2.1, 7.0])
    slope = -(np.log(model.evaluate_array(e * 1.0001)) - np.log(model.evaluate_array(e / 1.0001))) / np.log(1.0001**2)
    np.testing.assert_allclose(model.spectral_index(e * u.TeV).value, slope, rtol=1e-4, atol=1e-6)


def test_error_of_a_power_law():
    """Against the formula, with a correlation, at and beside the reference."""
    model = xm.SkyModel(xm.PowerLawSpectralModel(amplitude="2e-8 m-2 s-1 TeV-1"), name="a")
    models = xm.Models(model)
    s_index, s_amplitude, rho = 0.1, 3e-9, -0.6
    covariance = np.zeros((3, 3))
    covariance[:2, :2] = [
        [s_index**2, rho * s_index * s_amplitude],
        [rho * s_index * s_amplitude, s_amplitude**2],
    ]
    models.covariance = covariance
    energy = np.array([0.2, 1.0, 8.0])
    value, error = model.spectral_model.evaluate_error(energy * u.TeV)
    a, b = -np.log(energy) * s_index, s_amplitude / 2e-8
    np.testing.assert_allclose((error / value).value, np.sqrt(a**2 + b**2 + 2 * rho * a * b), rtol=1e-5)
    low, high = model.spectral_model.error_band(energy * u.TeV, n_sigma=2)
    np.testing.assert_allclose((high - low).value, 4 * error.value)
    flux, flux_error = model.spectral_model.integral_error("1 TeV", "1.0001 TeV")
    np.testing.assert_allclose(flux_error / flux, s_amplitude / 2e-8, rtol=1e-3)
    flux, flux_error = model.spectral_model.energy_flux_error("1 TeV", "1.0001 TeV")
    np.testing.assert_allclose(flux_error / flux, s_amplitude / 2e-8, rtol=1e-3)


def test_without_errors_the_band_is_closed():
    for tag in ("pl", "template"):
        value, error = library.spectral(tag).evaluate_error([1, 2] * u.TeV)
        assert (value.value > 0).all()
        np.testing.assert_array_equal(error.value, 0)


def test_a_broken_power_law_whose_indices_agree_is_a_power_law():
    energy = [0.3, 1, 5] * u.TeV
    one = xm.SmoothBrokenPowerLawSpectralModel(index1=2.3, index2=2.3)
    np.testing.assert_allclose(one(energy).value, xm.PowerLawSpectralModel(index=2.3)(energy).value, rtol=1e-14)
