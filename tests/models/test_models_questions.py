"""What users ask of models: where a spectrum has a value or is known best, which models lie in a region, and so on."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from regions import (
    CircleAnnulusSkyRegion,
    CirclePixelRegion,
    CircleSkyRegion,
    EllipseSkyRegion,
    PixCoord,
    PolygonSkyRegion,
    RectangleSkyRegion,
)

from tests.models import library
from xgamma import models as xm
from xgamma.models import FoVBackgroundModel, Models, SkyModel

CENTER = SkyCoord(0, 0, unit="deg", frame="galactic")


@pytest.mark.parametrize(
    "tag", ["pl", "pl-2", "ecpl", "lp", "bpl", "sbpl", "ecpl-3fgl", "lp-norm", "template", "compound"]
)
def test_inverse(tag):
    model = library.spectral(tag)
    energy = np.array([[0.3, 1.7], [12.0, 27.0]]) * u.TeV
    np.testing.assert_allclose(model.inverse(model(energy)).to_value("TeV"), energy.value, rtol=1e-10)


def test_inverse_at_edges_and_beyond():
    model = xm.PowerLawSpectralModel(index=2, amplitude="1e-12 cm-2 s-1 TeV-1")
    assert model.inverse("1e-16 cm-2 s-1 GeV-1").unit == u.TeV
    assert model.inverse("1e-16 cm-2 s-1 GeV-1").to_value("TeV") == pytest.approx(np.sqrt(10), rel=1e-12)
    assert model.inverse("1e-10 cm-2 s-1 TeV-1").to_value("TeV") == pytest.approx(0.1, rel=1e-9)
    assert np.isnan(model.inverse("1e-9 cm-2 s-1 TeV-1"))
    assert model.inverse("1e-8 cm-2 s-1 TeV-1", energy_min="1 GeV").to_value("TeV") == pytest.approx(0.01, rel=1e-12)
    line = xm.GaussianSpectralModel(mean="2 TeV", sigma="0.3 TeV")
    half = line(2 * u.TeV) / 2
    width = 0.3 * np.sqrt(2 * np.log(2))
    assert line.inverse(half).to_value("TeV") == pytest.approx(2 - width, rel=1e-9)  # the lower of two
    assert line.inverse(half, energy_min="2 TeV").to_value("TeV") == pytest.approx(2 + width, rel=1e-9)
    with pytest.raises(ValueError, match="value needs a unit like"):
        model.inverse("1 TeV")
    with pytest.raises(ValueError, match="energy_min must lie below energy_max, and they are 5 TeV and 3 TeV"):
        model.inverse("1e-12 cm-2 s-1 TeV-1", "5 TeV", "3 TeV")


def fitted(model, matrix):
    """A model with the covariance of its first parameters, in their units."""
    models = Models([SkyModel(model, name="source")])
    full = np.zeros((len(models.parameters),) * 2)
    full[: len(matrix), : len(matrix)] = matrix
    models.covariance = full
    return models["source"].spectral_model


def test_pivot_energy_of_a_power_law():
    """The relative variance is a parabola in the logarithm of energy, so that its lowest point is known."""
    index, amplitude, both = 0.01, (2e-14) ** 2, 0.6 * 0.1 * 2e-14
    model = xm.PowerLawSpectralModel(index=2.3, amplitude="1e-12 cm-2 s-1 TeV-1", reference="2 TeV")
    model = fitted(model, [[index, both], [both, amplitude]])
    assert model.pivot_energy.to_value("TeV") == pytest.approx(2 * np.exp(both / 1e-12 / index), rel=1e-5)
    # There the errors are independent, and that of the value is the least.
    pivot = model.pivot_energy
    value, error = model.evaluate_error(pivot * np.array([0.9, 1, 1.1]))
    assert (error / value).argmin() == 1
    assert (error / value)[1].value == pytest.approx(2e-14 / 1e-12 * 0.8, rel=1e-6)


def test_pivot_energy_of_a_curved_model():
    matrix = np.diag([0.1, 2e-14, 0.05]) @ [[1, 0.5, 0.3], [0.5, 1, 0.4], [0.3, 0.4, 1]] @ np.diag([0.1, 2e-14, 0.05])
    model = xm.ExpCutoffPowerLawSpectralModel(index=2, amplitude="1e-12 cm-2 s-1 TeV-1", lambda_="0.1 TeV-1")
    order = [model.parameters.names.index(name) for name in ("index", "amplitude", "lambda_")]
    full = np.zeros((max(order) + 1,) * 2)
    full[np.ix_(order, order)] = matrix
    model = fitted(model, full)
    energy = np.geomspace(0.01, 100, 20001) * u.TeV
    value, error = model.evaluate_error(energy)
    lowest = energy[(error / value).argmin()]
    assert model.pivot_energy.to_value("TeV") == pytest.approx(lowest.value, rel=1e-3)


def test_no_pivot_energy():
    with pytest.raises(ValueError, match="PowerLawSpectralModel has no errors.*: fit it"):
        xm.PowerLawSpectralModel().pivot_energy  # noqa: B018
    with pytest.raises(ValueError, match="no minimum between 1e-05 and 10000 TeV: fit its slope"):
        fitted(xm.PowerLawSpectralModel(), [[0, 0], [0, 1e-28]]).pivot_energy  # noqa: B018


def sources(**places):
    """Point sources at galactic coordinates, a background and a model without a place."""
    models = [SkyModel.create("pl", "point", name=name) for name in places]
    for model, (lon, lat) in zip(models, places.values(), strict=True):
        model.spatial_model.position = SkyCoord(lon, lat, unit="deg", frame="galactic")
    everywhere = SkyModel(xm.PowerLawSpectralModel(), xm.ConstantSpatialModel(), name="everywhere")
    return Models([*models, everywhere, SkyModel.create("pl", name="bare"), FoVBackgroundModel("gc")])


PLACES = {"middle": (0, 0), "near": (0.5, 0.3), "west": (359.2, 0), "far": (3, 3), "other side": (180, 0)}


@pytest.mark.parametrize(
    ("region", "names"),
    [
        (CircleSkyRegion(CENTER, 1 * u.deg), ["middle", "near", "west"]),
        (CircleSkyRegion(CENTER.icrs, 0.79 * u.deg), ["middle", "near"]),
        (CircleSkyRegion(CENTER, 170 * u.deg), ["middle", "near", "west", "far"]),
        ("galactic;circle(0, 0, 1)", ["middle", "near", "west"]),
        (CircleAnnulusSkyRegion(CENTER, 0.1 * u.deg, 0.7 * u.deg), ["near"]),
        (RectangleSkyRegion(CENTER, 2 * u.deg, 0.2 * u.deg), ["middle", "west"]),
        (EllipseSkyRegion(CENTER, 0.4 * u.deg, 2 * u.deg), ["middle"]),
        (EllipseSkyRegion(CENTER, 0.4 * u.deg, 2 * u.deg, 90 * u.deg), ["middle", "west"]),
        (CircleSkyRegion(CENTER, 1 * u.deg) & RectangleSkyRegion(CENTER, 2 * u.deg, 0.2 * u.deg), ["middle", "west"]),
        (
            PolygonSkyRegion(SkyCoord([1, 359, 359, 1], [0.2, 0.2, 1, 1], unit="deg", frame="galactic")),
            ["near"],
        ),
    ],
)
def test_models_in_a_region(region, names):
    assert sources(**PLACES).select_region(region).names == names


def test_a_region_in_a_plane_of_ones_own():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ["GLON-CAR", "GLAT-CAR"], [0, 0], [-0.02, 0.02]
    region = RectangleSkyRegion(CENTER, 2 * u.deg, 0.2 * u.deg)
    assert sources(**PLACES).select_region(region, wcs=wcs).names == ["middle", "west"]


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("nonsense", "the text 'nonsense' "),
        ("icrs;circle(1, 1, 1)\nicrs;circle(2, 2, 1)", "must be one region, and has 2"),
        (CirclePixelRegion(PixCoord(0, 0), 1), "by a region on the sky"),
        (CENTER, "by a region on the sky"),
    ],
)
def test_what_is_no_region(region, message):
    with pytest.raises(ValueError, match=message):
        sources(**PLACES).select_region(region)


def test_reassign():
    models = sources(a=(0, 0), b=(1, 1))
    models["a"].datasets_names = ["gc", "other"]
    models["a"].spectral_model.index = models["b"].spectral_model.index
    before = models.to_yaml()
    moved = models.reassign("gc", "gc-2")
    assert models.to_yaml() == before
    assert moved.names == models.names
    assert moved["a"].datasets_names == ["gc-2", "other"]
    assert moved["b"].datasets_names is None
    assert moved["gc-bkg"].dataset_name == "gc-2"
    assert moved["a"].spectral_model.index is moved["b"].spectral_model.index
    assert Models.from_yaml(moved.to_yaml()).equals(moved)
    both = models.reassign(["gc", "other"], ["one", "one"])
    assert both["a"].datasets_names == ["one"]
    stored = Models.from_yaml(before, read_only=True)
    assert stored.reassign("gc", "gc-2").equals(moved)
    with pytest.raises(ValueError, match="no model is of dataset 'nowhere'; they name: gc, other"):
        models.reassign("nowhere", "gc")
    with pytest.raises(ValueError, match="2 names of datasets cannot become 1"):
        models.reassign(["gc", "other"], "one")
    with pytest.raises(ValueError, match="must be names of datasets"):
        models.reassign("gc", "")


def test_parameters_are_selected():
    parameters = sources(a=(0, 0), b=(1, 1))[:2].parameters
    assert parameters.select("index").names == ["a.index", "b.index"]
    assert parameters.select(["a.l*", "b.index"]).names == ["a.lon_0", "a.lat_0", "b.index"]
    assert parameters.select(frozen=True).names == ["a.reference", "b.reference"]
    assert parameters.select("b.*", frozen=False).names == ["b.index", "b.amplitude", "b.lon_0", "b.lat_0"]
    assert parameters.select().names == parameters.names
    assert parameters.select([]).names == []
    assert parameters.select("index")[1] is parameters["b.index"]
    assert len(parameters.select("a.*").to_table()) == 5
