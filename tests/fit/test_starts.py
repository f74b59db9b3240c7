"""Fits that start in different places."""

import numpy as np
import pytest

import xgamma as xg
from tests.likelihood.cases import background, map_dataset, source
from xgamma.models import Models


@pytest.mark.parametrize("brightness", [0.05, 1.0, 20.0])
def test_scattered_starts_end_in_the_same_place(brightness):
    """A source that starts too bright or faint does not drive itself away."""
    ds = map_dataset()
    truth = Models([source(ds), background(ds)])
    ds = ds.gp.asimov(models=truth)
    expected = truth["source"].spatial_model
    rng = np.random.default_rng(7)
    for _ in range(3):
        models = truth.copy()
        start = models["source"]
        start.spectral_model.amplitude.value *= brightness
        start.spatial_model.lon_0.value += rng.uniform(-0.15, 0.15)
        start.spatial_model.lat_0.value += rng.uniform(-0.15, 0.15)
        result = xg.Fit().run(ds, models)
        assert result.success, result.message
        found = result.models["source"].spatial_model
        for name in ("lon_0", "lat_0"):
            par = getattr(found, name)
            # Asimov data have their minimum at the truth, reached to a small part of the error
            assert par.value == pytest.approx(getattr(expected, name).value, abs=1e-3 * par.error)
