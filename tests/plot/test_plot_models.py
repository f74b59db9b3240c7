"""Pictures of spectral models."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest

from xgamma.models import ExpCutoffPowerLawSpectralModel, PowerLawNormSpectralModel, PowerLawSpectralModel

BOUNDS = ["0.5 TeV", "50 TeV"]


@pytest.fixture
def model():
    made = ExpCutoffPowerLawSpectralModel(index=1.8, amplitude="2e-12 cm-2 s-1 TeV-1", lambda_="0.2 TeV-1")
    made.index.error, made.amplitude.error = 0.1, 2e-13
    return made


def test_values(model):
    ax = model.plot(BOUNDS, n_points=5, label="cut off")
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(x, np.geomspace(0.5, 50, 5))
    np.testing.assert_allclose(y, model(x * u.TeV).value)
    assert ax.lines[0].get_label() == "cut off"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Energy [TeV]", "dN/dE [TeV⁻¹ s⁻¹ cm⁻²]")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


@pytest.mark.parametrize(("kind", "name"), [("flux", "integral"), ("eflux", "energy_flux")])
def test_integrals_over_bins(model, kind, name):
    ax = model.plot(BOUNDS, sed_type=kind, n_points=4)
    edges = np.geomspace(0.5, 50, 5) * u.TeV
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(x, np.sqrt(edges[1:] * edges[:-1]).value)
    np.testing.assert_allclose(
        y, getattr(model, name)(edges[:-1], edges[1:]).to_value({"flux": "s-1 cm-2"}.get(kind, "erg s-1 cm-2"))
    )


def test_units_of_the_axes_stay(model):
    ax = plt.figure().add_subplot()
    assert model.plot([500, 5e4] * u.GeV, ax, sed_type="e2dnde") is ax
    assert ax.get_xlabel() == "Energy [GeV]"
    PowerLawSpectralModel().plot(BOUNDS, ax, energy_power=2)
    x, y = ax.lines[1].get_data()
    np.testing.assert_allclose(x[[0, -1]], [500, 5e4])
    np.testing.assert_allclose(y, 1e-12 * u.TeV.to("erg"))
    assert ax.get_ylabel() == "E² dN/dE [erg s⁻¹ cm⁻²]"
    with pytest.raises(ValueError, match="does not convert: use other axes"):
        model.plot(BOUNDS, ax, sed_type="flux")


def test_errors_are_a_band(model):
    ax = model.plot_error(BOUNDS, n_points=5, n_sigma=2)
    low, high = model.error_band(np.geomspace(0.5, 50, 5) * u.TeV, n_sigma=2)
    vertices = ax.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(vertices[:, 1].max(), high.value.max())
    assert set(np.round(np.log10(low.value), 6)) <= set(np.round(np.log10(vertices[:, 1]), 6))
    wide = model.copy()
    wide.amplitude.error = 1e-11
    limits = wide.plot_error(BOUNDS).get_ylim()
    assert limits[0] > wide(50 * u.TeV).value / 100, "a band down to zero does not squeeze the rest"


def test_factors_without_unit():
    norm = PowerLawNormSpectralModel(tilt=0.3)
    ax = norm.plot(BOUNDS)
    assert ax.get_ylabel() == "Norm"
    np.testing.assert_allclose(ax.lines[0].get_ydata()[0], 0.5**-0.3)
    with pytest.raises(ValueError, match="only sed_type 'norm' can be drawn"):
        norm.plot(BOUNDS, sed_type="dnde")


@pytest.mark.parametrize(
    ("bounds", "options", "words"),
    [
        (["1 TeV"], {}, "must be a pair of energies"),
        ([1, 10], {}, "must be a pair of energies"),
        (["1 TeV", "soon"], {}, "must be a pair of energies"),
        (["10 TeV", "1 TeV"], {}, "the first must be the lower energy"),
        (BOUNDS, {"n_points": 1}, "two points are the fewest"),
        (BOUNDS, {"sed_type": "sed"}, "a spectral model is drawn in one of dnde, e2dnde, flux, eflux"),
    ],
)
def test_refusals(model, bounds, options, words):
    with pytest.raises(ValueError, match=words):
        model.plot(bounds, **options)
