"""The PSF around a point source that moves, as integrals that are made once."""

import numpy as np
import pytest

from tests.likelihood.cases import FAR, MOVE, agree, background, map_dataset, source
from xgamma.likelihood import Likelihood, integrals


@pytest.mark.parametrize("options", [{}, {"irf_on_sky": False}, {"binsz_irf": 0.15}])
def test_made_once_or_at_each_place(monkeypatch, options):
    ds = map_dataset(**options)
    made, counts = [], []
    for pixels in (integrals._PIXELS, 0):
        monkeypatch.setattr(integrals, "_PIXELS", pixels)
        part = Likelihood(ds, [source(ds), background(ds)])._terms[0].sources[0].point
        made.append(part.profiles.made)
        lon, lat = np.degrees(part.place(*_lonlat(part)).lonlat)
        fluxes = np.full((1, ds.sizes["energy_true"]), 1e-11)
        counts.append([part.counts(part.place(lon + step, lat - step), fluxes) for step in (0.0, 0.03)])
    assert made == [True, False]
    for one, other in zip(*counts, strict=True):
        np.testing.assert_array_equal(one.reached, other.reached)
        np.testing.assert_allclose(one.counts, other.counts, rtol=1e-9, atol=1e-13 * one.counts.max())
        np.testing.assert_allclose(one.total, other.total, rtol=1e-13)


def _lonlat(part):
    """The middle of the window in deg."""
    lon, lat = part.sky.labels_to_lonlat(
        *(np.array(float(v)) for v in (part.window.y_0 + part.centre[0], part.window.x_0 + part.centre[1]))
    )
    return float(lon), float(lat)


@pytest.mark.parametrize("lat", [70.0, -84.0])
def test_narrow_pixels_near_a_pole(lat):
    """Columns of a plate carree map lie close to each other there, and reach further than rows."""
    ds = map_dataset(center=(30.0, lat), binsz=0.3, npix=(20, 40))
    agree(ds, [source(ds), background(ds)], [MOVE, FAR, {"source.lon_0": 2.5}])
