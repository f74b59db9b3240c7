import numpy as np
import pytest

import xgamma as xg
from tests.builders import make_map_dataset
from tests.likelihood.cases import background, differences, map_dataset, reference, source
from xgamma.models import GaussianSpatialModel, Models, PowerLawSpectralModel, SkyModel


def test_gradient_of_a_negative_source_that_stands_still():
    """A negative flux has every bin evaluated, also of sources of which nothing on the sky is free."""
    ds = make_map_dataset(npix=(21, 21))
    spectrum = PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1")
    spatial = GaussianSpatialModel(lon_0="0 deg", lat_0="0 deg", sigma="0.2 deg", frame="galactic")
    model = SkyModel(spectrum, spatial, name="source")
    for par in model.parameters:
        par.frozen = par.name != "amplitude"
    likelihood = xg.Likelihood(ds, Models([model]))
    x = -4 * likelihood.x0
    step = 1e-6 * abs(x[0])
    expected = (likelihood(x + step) - likelihood(x - step)) / (2 * step)
    np.testing.assert_allclose(likelihood.gradient(x), [expected], rtol=1e-5)


@pytest.mark.parametrize("kinds", [("point", "gauss"), ("gauss", "point")])
def test_holes_that_overlap(kinds, monkeypatch):
    """Bins without counts that a hole reaches below zero are kept, with what other sources add to them."""
    ds = map_dataset()
    rare = np.random.default_rng(5).random(ds["counts"].shape) < 0.3
    ds = ds.assign(counts=ds["counts"].where(rare, 0.0))
    shapes = {"point": {}, "gauss": {"sigma": "0.15 deg"}}
    models = [
        source(ds, kinds[0], "one", free=False, **shapes[kinds[0]]),
        source(ds, kinds[1], "two", free=False, dy=2.1, dx=1.3, **shapes[kinds[1]]),
        background(ds),
    ]
    models[1].spectral_model.index.frozen = True
    lik = xg.Likelihood(ds, models)
    place = [lik.parameters.index(f"{name}.amplitude") for name in ("one", "two")]
    x = lik.x0
    cut = []
    for depths in ((-0.02, 0.01), (-0.3, 0.2), (0.5, -0.4), (-0.15, -0.1)):
        x[place] = lik.x0[place] * depths
        np.testing.assert_allclose(lik(x), reference(lik, [ds], x), rtol=1e-9, err_msg=str(depths))
        with monkeypatch.context() as patch:
            patch.setattr("xgamma.likelihood.cash.CashTerm._dense", None)
            found = lik._terms[0]._predict(x, 0)
            cut.append(found is not None and found.below is not None)
            if cut[-1]:
                unit = np.where(lik.x0 != 0, np.abs(lik.x0), 1.0)
                slope = differences(lik, x, 1e-6 * unit)
                # Steps do not cross the edge of the truncation in these bins.
                np.testing.assert_allclose(lik.gradient(x) * unit, slope * unit, rtol=1e-5, atol=1e-3)
    assert any(cut)
