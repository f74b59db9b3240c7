"""Predictions whose background is filled by another thread."""

import numpy as np
import pytest

from tests.builders import make_map_dataset
from xgamma.kernels.aside import Aside
from xgamma.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from xgamma.predict import counts, maps, npred, npred_background, npred_signal


def models_of(scaled, number):
    spectrum = PowerLawSpectralModel(index=2.1, amplitude="1e-11 cm-2 s-1 TeV-1")
    shapes = [
        PointSpatialModel(lon_0="0.3 deg", lat_0="0.2 deg", frame="galactic"),
        GaussianSpatialModel(lon_0="-0.4 deg", lat_0="0.1 deg", sigma="0.2 deg", frame="galactic"),
        PointSpatialModel(lon_0="120 deg", lat_0="20 deg", frame="galactic"),
    ]
    scaling = FoVBackgroundModel(dataset_name="test")
    scaling.spectral_model.norm.value, scaling.spectral_model.tilt.value = 1.7, 0.2
    sources = [SkyModel(spectrum, shape, name=f"s{i}") for i, shape in enumerate(shapes[:number])]
    return [*sources, scaling] if scaled else sources


def arranged(ds, how):
    if how == "transposed":
        return ds.assign(background=ds.background.transpose("x", "energy", "y"))
    return ds.isel(y=slice(None, None, -1)) if how == "reversed" else ds


@pytest.fixture(scope="module")
def ds():
    ds = make_map_dataset(npix=(21, 25), nenergy=3, ntrue=4).assign_attrs(name="test")
    values = np.random.default_rng(3).random(ds.background.shape).astype(np.float32)
    return ds.assign(background=ds.background.copy(data=values))


@pytest.mark.parametrize("number", [0, 2, 3])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("how", ["as it is", "transposed", "reversed"])
@pytest.mark.parametrize("ahead", [0, 2**25])
def test_the_same_numbers(ds, number, scaled, how, ahead, monkeypatch):
    ds, models = arranged(ds, how), models_of(scaled, number)
    before, expected = ds.copy(deep=True), npred(ds, models)
    monkeypatch.setattr(counts, "_LARGE", 1)
    monkeypatch.setattr(maps, "_AHEAD", ahead)
    found = npred(ds, models)
    assert found.identical(expected) and found.dtype == np.float64 and found.dims == ds.background.dims
    parts = npred_background(ds, models) + (npred_signal(ds, models) if number else 0)
    np.testing.assert_allclose(found, parts.transpose(*found.dims), rtol=1e-12)
    assert ds.identical(before)


@pytest.mark.parametrize("how", ["as it is", "reversed"])
@pytest.mark.parametrize("ahead", [0, 2**25])
def test_nothing_is_added_before_the_background(ds, how, ahead, monkeypatch):
    class Late(Aside):
        """Does nothing before it has to."""

        def begin(self, tasks):
            self.tasks = tasks

        def finish(self):
            for task in self.tasks:
                task()
            self.tasks = []

    ds, models = arranged(ds, how), models_of(True, 2)
    expected = npred(ds, models)
    monkeypatch.setattr(counts, "_LARGE", 1)
    monkeypatch.setattr(counts, "Aside", Late)
    monkeypatch.setattr(maps, "_AHEAD", ahead)
    assert npred(ds, models).identical(expected)


def test_an_error_of_a_source_ends_it(ds, monkeypatch):
    monkeypatch.setattr(counts, "_LARGE", 1)
    with pytest.raises(ValueError, match="has no spatial model"):
        npred(ds, [SkyModel(PowerLawSpectralModel(), name="nowhere")])
    with pytest.raises(ValueError, match="no variable 'exposure'"):
        npred(ds.drop_vars("exposure"), models_of(True, 1))
