"""Models written by xgamma are read by gammapy, and those that gammapy writes by xgamma."""

import astropy.units as u
import numpy as np
import pytest

from tests.models import library
from xgamma.models import Models

POINTS = {
    "energy": [0.05, 0.3, 1.0, 2.5, 50.0],
    "lon": [0.3, 0.35, 0.1, -0.3, 0.5, 0.72, 0.05, 11.0, 100.0, 0.0625, -3.3125, 7.4375],
    "lat": [0.2, 0.15, 0.0, 0.1, -0.1, 0.41, 0.6, 89.8, 89.9, 0.0, 1.125, -4.0],
}


@pytest.fixture
def round_trip(gammapy, tmp_path):
    """Send models through gammapy: gives the models that it writes and the values that it finds."""

    def send(models):
        ours, theirs = tmp_path / "models.yaml", tmp_path / "out.yaml"
        models.write(ours)
        values = gammapy("models", ours, POINTS, theirs)
        return Models.read(theirs), values

    return send


def test_library(round_trip):
    models = library.every_model()
    back, values = round_trip(models)
    assert back.to_yaml().splitlines() == models.to_yaml().splitlines()
    assert back["spatial-disk"].spectral_model.index is back["spatial-gauss"].spectral_model.index
    energy, lon, lat = (np.array(POINTS[name]) for name in ("energy", "lon", "lat"))
    for model in models:
        theirs = values[model.name]
        spectral = u.Quantity(theirs["spectral"], theirs["spectral_unit"])
        np.testing.assert_allclose(
            model.spectral_model(energy * u.TeV).to_value(spectral.unit), spectral.value, rtol=1e-10, err_msg=model.name
        )
        if "spatial" in theirs:
            spatial = u.Quantity(theirs["spatial"], theirs["spatial_unit"]).to_value("sr-1")
            ours = model.spatial_model.evaluate_lonlat(lon, lat)
            np.testing.assert_allclose(ours, spatial, rtol=1e-6, atol=1e-9 * spatial.max(), err_msg=model.name)
            assert model.evaluation_radius.to_value("deg") == pytest.approx(theirs["evaluation_radius"])


def test_a_correlation_is_no_hindrance(round_trip):
    models = Models(library.every_model()["spatial-gauss"])
    n = len(models.parameters)
    models.covariance = 1e-6 * (np.eye(n) + np.ones((n, n)))
    assert "correlation" in models.to_yaml()
    back, _ = round_trip(models)
    for ours, theirs in zip(models.parameters, back.parameters, strict=True):
        assert theirs.error == ours.error


def test_template(round_trip, gammapy_data, monkeypatch):
    monkeypatch.setenv("GAMMAPY_DATA", str(gammapy_data))
    models = Models.read(gammapy_data / "tests" / "models" / "gc_example_models.yaml")
    back, values = round_trip(models)
    spatial = models["gll_iem_v06_cutout"].spatial_model
    energy = 0.01
    theirs = values["gll_iem_v06_cutout"]
    found = u.Quantity(theirs["spatial"], theirs["spatial_unit"]).to_value(spatial.unit)
    # Compared in the middle of pixels: between them gammapy interpolates the logarithm of the map, and xgamma the map.
    middle = slice(-3, None)
    lon, lat = np.array(POINTS["lon"])[middle], np.array(POINTS["lat"])[middle]
    np.testing.assert_allclose(spatial.evaluate_lonlat(lon, lat, energy), found[middle], rtol=1e-5)
    ours = back["gll_iem_v06_cutout"].spatial_model
    np.testing.assert_array_equal(ours.evaluate_lonlat(lon, lat, energy), spatial.evaluate_lonlat(lon, lat, energy))
    assert back.names == models.names
