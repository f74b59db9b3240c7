"""Flux points in a likelihood: value, gradient, joint with counts."""

import pickle

import numpy as np
import pytest

import xgamma as xg
from tests.builders import make_map_dataset
from tests.fluxpoints.points import TRUTH, points, source
from xgamma.fluxpoints import to_sed_type
from xgamma.likelihood import Likelihood
from xgamma.models import ExpCutoffPowerLawSpectralModel, LogParabolaSpectralModel, PointSpatialModel, SkyModel

SPECTRA = {
    "pl": source().spectral_model,
    "lp": LogParabolaSpectralModel(amplitude="2.5e-12 cm-2 s-1 TeV-1", alpha=2.2, beta=0.2),
    "ecpl": ExpCutoffPowerLawSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1", lambda_="0.05 TeV-1"),
    "sum": source().spectral_model.copy() + LogParabolaSpectralModel(amplitude="1e-13 cm-2 s-1 TeV-1"),
}
KINDS = ("chi2", "profile", "distrib")


def central(function, x):
    """Derivatives by five points."""
    out = np.zeros(x.size)
    for i in range(x.size):
        step = 1e-4 * (abs(x[i]) or 1.0)
        moved = [x + np.eye(x.size)[i] * step * k for k in (-2, -1, 1, 2)]
        out[i] = np.dot([1, -8, 8, -1], [function(v) for v in moved]) / (12 * step)
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("target", ["dnde", "eflux"])
def test_value_and_gradient(kind, name, target):
    ds = to_sed_type(points(scan=True), target).assign_attrs(stat_type=kind)
    models = [SkyModel(SPECTRA[name].copy(), name="source"), source("other", amplitude="1e-13 cm-2 s-1 TeV-1")]
    likelihood = Likelihood(ds, models)
    x = likelihood.x0 * 1.02
    assert likelihood(x) == pytest.approx(float(ds.gp.stat_sum(likelihood.models(x))), rel=1e-9)
    numeric = central(likelihood, x)
    # A change of a parameter by its own size is what the gradient is compared in.
    scale = np.abs(numeric * x).max()
    np.testing.assert_allclose(likelihood.gradient(x) * x, numeric * x, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("kind", KINDS)
def test_lazy_and_pickled(kind):
    ds = points(scan=True).assign_attrs(stat_type=kind)
    likelihood = Likelihood(ds.chunk(energy=2), source())
    x = likelihood.x0 * 1.1
    assert likelihood(x) == Likelihood(ds, source())(x)
    copy = pickle.loads(pickle.dumps(likelihood))
    assert copy(x) == likelihood(x)
    np.testing.assert_array_equal(copy.gradient(x), likelihood.gradient(x))
    ds["dnde"][:] = 0  # what it was compiled from is no longer needed
    assert copy(x) == likelihood(x)


def test_prediction():
    ds = points()
    likelihood = Likelihood(ds, source())
    x = likelihood.x0 * 1.1
    found, expected = likelihood.npred(x), ds.gp.flux_pred(likelihood.models(x))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found.name == "flux_pred"
    assert found.attrs["units"] == "TeV-1 s-1 cm-2"
    np.testing.assert_array_equal(found["energy_min"], ds["energy_min"])


def test_without_points_or_models():
    masked = points().assign(mask_fit=("energy", np.zeros(6, dtype=bool)))
    likelihood = Likelihood(masked, source())
    assert likelihood(likelihood.x0) == 0
    assert not likelihood.gradient(likelihood.x0).any()
    nothing = Likelihood(points(), [])
    assert nothing([]) == pytest.approx(float(points().gp.stat_sum([])), rel=1e-12)


def test_joint():
    """Counts of a map and flux points share the parameters of a source, and what it predicts for each stays its own."""
    counts = make_map_dataset(name="map")
    spatial = PointSpatialModel(lon_0="0 deg", lat_0="0 deg", frame="galactic")
    model = SkyModel(source().spectral_model.copy(), spatial, name="source")
    flux, alone = points(name="points"), source("alone", amplitude="1e-14 cm-2 s-1 TeV-1")
    alone.datasets_names = ["points"]
    likelihood = xg.Likelihood([counts, flux], [model, alone])
    x = likelihood.x0
    assert likelihood.datasets == ("map", "points")
    each = likelihood.stat_sums(x)
    models = likelihood.models(x)
    for name, ds in (("map", counts), ("points", flux)):
        assert float(each.sel(dataset=name)) == pytest.approx(float(ds.gp.stat_sum(models)), rel=1e-9)
    assert likelihood(x) == pytest.approx(float(each.sum()), rel=1e-12)
    free = [likelihood.parameters.index(name) for name in ("source.index", "source.amplitude", "alone.amplitude")]
    numeric, found = central(likelihood, x), likelihood.gradient(x)
    np.testing.assert_allclose(found[free], numeric[free], rtol=1e-5)


def test_minimum_finds_the_truth():
    """Points without noise are fitted by what they were made of."""
    from scipy.optimize import minimize

    ds = points()
    ds["dnde"] = ds["dnde"].copy(data=SkyModel(TRUTH).spectral_model(ds["energy"].values * TRUTH.reference.unit).value)
    start = SkyModel(LogParabolaSpectralModel(amplitude="2e-12 cm-2 s-1 TeV-1", alpha=2.1, beta=0.05), name="source")
    likelihood = Likelihood(ds, start)
    x0 = likelihood.x0
    best = minimize(
        lambda t: likelihood(t * x0), np.ones(3), jac=lambda t: likelihood.gradient(t * x0) * x0, method="BFGS"
    )
    truth = [TRUTH.amplitude.value, TRUTH.alpha.value, TRUTH.beta.value]
    np.testing.assert_allclose(best.x * x0, truth, rtol=1e-3)
