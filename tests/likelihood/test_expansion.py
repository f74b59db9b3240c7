"""Second derivatives are those of the gradient, as far as they are promised."""

import numpy as np
import pytest

import xgamma as xg
from tests.fluxpoints.points import points
from tests.likelihood.cases import background, differences, map_dataset, source, spectrum_dataset
from tests.likelihood.test_onoff import on_off
from xgamma import models as xm


def curved(**values):
    return xm.LogParabolaSpectralModel(**{"amplitude": "2e-11 cm-2 s-1 TeV-1", "alpha": 2.0, "beta": 0.1} | values)


def with_priors():
    ds = spectrum_dataset()
    model = xm.SkyModel(curved(), name="source")
    model.spectral_model.alpha.prior = xm.GaussianPrior(mu=2.0, sigma=0.1)
    model.spectral_model.amplitude.prior = xm.LogUniformPrior(min=1e-13, max=1e-9)
    return xg.Likelihood(ds, [model, background(ds)])


def two_on_a_map(factor=1.0, chunked=False):
    ds = map_dataset()
    models = [
        source(ds, spectral=curved(), free=False),
        source(ds, "gauss", "wide", free=False, dy=2.0, sigma="0.2 deg"),
        background(ds),
    ]
    models[0].spectral_model.amplitude.value *= factor
    return xg.Likelihood(ds.chunk(y=13) if chunked else ds, models)


def three_amplitudes():
    ds = map_dataset(npix=(40, 42))
    models = [source(ds, "point", name, free=False, dy=dy) for name, dy in (("a", 9.0), ("b", 1.0), ("c", -9.0))]
    for model in models:
        model.spectral_model.index.frozen = True
    return xg.Likelihood(ds, [*models, background(ds)])


CASES = {
    "spectrum": with_priors,
    "map": two_on_a_map,
    "hole": lambda: two_on_a_map(-0.004),
    "chunks": lambda: two_on_a_map(chunked=True),
    "amplitudes": three_amplitudes,
    "on/off": lambda: xg.Likelihood(on_off(spectrum_dataset()), xm.SkyModel(curved(), name="source")),
    "chi2": lambda: xg.Likelihood(points().assign_attrs(stat_type="chi2"), xm.SkyModel(curved(), name="source")),
    "profile": lambda: xg.Likelihood(
        points(scan=True).assign_attrs(stat_type="profile"), xm.SkyModel(curved(), name="source")
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_second_derivatives(case):
    lik = CASES[case]()
    x = lik.x0 * 1.01
    found = lik.expand(x)
    assert found.value == pytest.approx(lik(x), rel=1e-13) and not found.rough.any()
    np.testing.assert_allclose(found.gradient, lik.gradient(x), rtol=1e-9, atol=1e-9 * np.abs(found.gradient).max())
    unit = np.where(x != 0, np.abs(x), 0.1)
    expected = differences(lik.gradient, x, 1e-3 * unit) * np.outer(unit, unit)
    # Three points over steps of 0.2 % give the second derivatives of spectra.
    np.testing.assert_allclose(found.hessian * np.outer(unit, unit), expected, rtol=2e-5, atol=2e-5 * expected.max())
    np.testing.assert_array_equal(found.hessian, found.hessian.T)


def test_positions_are_rough():
    """Rows of position and shape leave out the second derivatives of the prediction, which asimov data do not need."""
    ds = map_dataset()
    models = [source(ds, "gauss", sigma="0.2 deg"), background(ds)]
    lik = xg.Likelihood(ds.gp.asimov(models=models), models)
    names = np.array(lik.parameters)
    found = lik.expand(lik.x0)
    assert set(names[found.rough]) == {"source.lon_0", "source.lat_0", "source.sigma"} - {"source.e", "source.phi"}
    unit = np.sqrt(2 / np.diag(found.hessian))
    expected = differences(lik.gradient, lik.x0, 0.05 * unit) * np.outer(unit, unit)
    np.testing.assert_allclose(found.hessian * np.outer(unit, unit), expected, atol=5e-3)
    some = lik.expand(lik.x0, free=~found.rough)
    np.testing.assert_array_equal(some.rough, found.rough)
    assert not some.gradient[found.rough].any() and not some.hessian[found.rough].any()
