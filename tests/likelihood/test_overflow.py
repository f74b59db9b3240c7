"""Parameters for which a flux is beyond what a float holds: warnings are errors in tests."""

import numpy as np
import pytest

from tests.likelihood.cases import background, map_dataset, source, spectrum, spectrum_dataset
from xgamma import models as xm
from xgamma.likelihood import Likelihood

DATASETS = {
    "map": lambda: map_dataset(npix=(12, 13)),
    "chunks": lambda: map_dataset(npix=(12, 13)).chunk(y=6),
    "spectrum": spectrum_dataset,
}


@pytest.fixture(scope="module", params=DATASETS)
def likelihood(request):
    ds = DATASETS[request.param]()
    model = xm.SkyModel(spectrum(), name="source") if request.param == "spectrum" else source(ds, free=False)
    return Likelihood(ds, [model, background(ds)])


@pytest.mark.parametrize("factor", [1e3, -1e3, 1e200])
def test_statistic_is_infinite(likelihood, factor):
    x = likelihood.x0
    i = likelihood.parameters.index("source.index")
    x[i] *= factor
    assert likelihood(x) == np.inf
    assert likelihood.value_and_gradient(x)[0] == likelihood.expand(x).value == np.inf
    assert not np.isfinite(likelihood.gradient(x)[i])
    scan = likelihood.scan({"source.index": [likelihood.x0[i], x[i]]})
    np.testing.assert_allclose(scan.values, [likelihood(likelihood.x0), np.inf], rtol=1e-12)


def test_no_finite_number_is_nan(likelihood):
    assert np.isnan(likelihood(likelihood.x0 * np.nan))
    assert np.isfinite(likelihood(likelihood.x0))


def test_data_that_are_nan_stay_nan():
    ds = DATASETS["map"]()
    broken = Likelihood(ds.assign(background=ds["background"] * np.nan), [source(ds, free=False), background(ds)])
    assert np.isnan(broken(broken.x0 * 1.01))
