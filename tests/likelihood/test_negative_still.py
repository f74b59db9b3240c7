import numpy as np

import xgamma as xg
from tests.builders import make_map_dataset
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
