"""Fits of data whose truth is known."""

import numpy as np
import pytest

import xgamma as xg
from tests.likelihood.cases import background, map_dataset, source, spectrum_dataset
from xgamma import models as xm


@pytest.fixture(scope="module")
def ds():
    return map_dataset(npix=(16, 17))


def scattered(models, rng, width):
    """Models with other values of all free parameters, drawn within a width in typical errors."""
    models = models.copy()
    for par in models.parameters.free_unique_parameters:
        if par.name in ("amplitude", "norm"):
            par.value *= 1 + 0.25 * width * rng.uniform(-1, 1)
        else:
            par.value += {"index": 0.3, "tilt": 0.1, "sigma": 0.02}.get(par.name, 0.05) * width * rng.uniform(-1, 1)
    return models


@pytest.mark.parametrize("seed", range(20))
def test_asimov_data_give_any_truth_back(ds, seed):
    """Expected counts have their minimum at what they were predicted from."""
    rng = np.random.default_rng(seed)
    kind = ["point", "point", "gauss", "spectrum"][seed % 4]
    if kind == "spectrum":
        here = spectrum_dataset(ds=map_dataset())
        models = xm.Models([xm.SkyModel(source(ds).spectral_model, name="source"), background(here)])
        # One spectrum does not tell a source from a background that both have free shapes.
        models[1].spectral_model.freeze()
    else:
        here = ds
        models = xm.Models([source(ds, kind, **({"sigma": "0.15 deg"} if kind == "gauss" else {})), background(ds)])
    truth = scattered(models, rng, 1.0)
    data = here.gp.asimov(models=truth)
    result = xg.Fit().run(data, scattered(truth, rng, 0.5))
    assert result.success, result.message
    pulls = (result.x - truth.parameters.free_unique_parameters.value) / result.errors
    assert np.abs(pulls).max() < 1e-3


def test_pulls(ds):
    """Over Poisson realisations the pulls of every parameter have mean 0 and width 1, within their statistical error.

    The 200 realisations of the sample dataset are in ``tests/benchmarks/pulls.py``.
    """
    n, truth = 25, xm.Models([source(ds), background(ds)])
    pulls = []
    for seed in range(n):
        result = xg.Fit().run(ds.gp.fake(seed, models=truth), truth)
        assert result.success, result.message
        pulls.append((result.x - truth.parameters.free_unique_parameters.value) / result.errors)
    # Of six parameters the worst mean and width are expected within three standard errors.
    assert np.abs(np.mean(pulls, axis=0)).max() < 3 / np.sqrt(n)
    assert np.abs(np.std(pulls, axis=0, ddof=1) - 1).max() < 3 / np.sqrt(2 * (n - 1))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_point_source_has_no_width(ds, seed):
    """Fitted as a Gaussian, a simulated point source has a width compatible with zero."""
    data = ds.gp.fake(seed, models=[source(ds), background(ds)])
    wide = source(ds, "gauss", sigma="0.05 deg")
    wide.spatial_model.sigma.min = 0
    wide.spectral_model.index.frozen = True
    result = xg.Fit().run(data, [wide, background(ds)])
    assert np.isfinite(result.total_stat) and result.message
    profile = xg.Likelihood(data, result.models)
    x = result.x.copy()
    x[result.names.index("source.sigma")] = 0.0
    # Without a width the statistic is higher by no more than chance allows: 9 is three standard errors.
    assert profile(x) - result.total_stat < 9
    assert result.models.parameters["source.sigma"].value < 0.1
