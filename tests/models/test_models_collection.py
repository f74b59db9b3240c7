"""Sky models, backgrounds and lists of models."""

import copy
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from tests.models import library
from xgamma import models as xm
from xgamma.models import FoVBackgroundModel, Models, SkyModel


@pytest.fixture
def models():
    return Models(
        [
            SkyModel.create("pl", "point", name="gc"),
            SkyModel.create("ecpl", "gauss", name="halo", datasets_names="one"),
            FoVBackgroundModel(dataset_name="one"),
        ]
    )


def test_create():
    model = SkyModel.create("pl", "gauss", name="gc")
    assert type(model.spectral_model) is xm.PowerLawSpectralModel
    assert type(model.spatial_model) is xm.GaussianSpatialModel
    assert SkyModel.create("ExpCutoffPowerLawSpectralModel").spatial_model is None
    with pytest.raises(ValueError, match=r"no spectral model 'powerlaw'; there are: .*PowerLawSpectralModel \(pl\)"):
        SkyModel.create("powerlaw")
    with pytest.raises(ValueError, match="TemplateSpatialModel has no defaults"):
        SkyModel.create("pl", "template")


def test_a_model_without_name_gets_one():
    first, second = SkyModel.create("pl"), SkyModel.create("pl")
    assert first.name != second.name
    assert Models([first, second]).names == [first.name, second.name]


def test_sky_model():
    model = SkyModel.create("pl", "gauss", name="gc")
    model.spatial_model.position = SkyCoord(0, 0, unit="deg", frame="galactic")
    assert model.frame == "icrs"
    assert model.position.separation(SkyCoord(0, 0, unit="deg", frame="galactic")).deg < 1e-9
    assert model.position_lonlat == model.spatial_model.position_lonlat
    assert model.evaluation_radius.to_value("deg") == 5
    model.spectral_model.index.value = 2.7
    assert model.parameters["index"].value == 2.7
    lon, lat = model.position_lonlat
    brightness = model.evaluate(lon * u.deg, lat * u.deg, "2 TeV")
    assert brightness.unit == model.unit == u.Unit("TeV-1 s-1 cm-2 sr-1")
    peak = model.spatial_model.evaluate_lonlat(lon, lat)
    assert brightness.value == pytest.approx(1e-12 * 2**-2.7 * peak)
    spectrum = SkyModel.create("pl")
    assert spectrum.position is None
    assert spectrum.frame is None
    assert spectrum.evaluation_radius is None
    assert spectrum.position_lonlat is None
    assert spectrum.evaluate(0 * u.deg, 0 * u.deg, "1 TeV").to_value("TeV-1 s-1 cm-2") == pytest.approx(1e-12)


def test_names_of_parameters_are_told_apart():
    model = SkyModel.create("gauss", "gauss", name="line")
    assert "spectral.sigma" in model.parameters.names
    assert "spatial.sigma" in model.parameters.names
    assert Models(model).parameters["line.spatial.sigma"] is model.spatial_model.sigma
    with pytest.raises(KeyError, match="may be any of"):
        model.parameters["sigma"]


def test_irfs_and_datasets():
    model = SkyModel.create("pl", "point", name="gc", apply_irf={"psf": False}, datasets_names=["one", "two"])
    assert model.apply_irf == {"exposure": True, "psf": False, "edisp": True}
    assert model.datasets_names == ["one", "two"]
    model.datasets_names = "one"
    assert model.datasets_names == ["one"]
    for wrong in ({"psf": 1}, {"rmf": True}):
        with pytest.raises(ValueError, match="apply_irf of 'gc'"):
            model.apply_irf = wrong
    with pytest.raises(ValueError, match="datasets_names of 'gc'"):
        model.datasets_names = [3]


def test_parts_must_make_a_flux():
    norm = xm.PowerLawNormSpectralModel()
    for parts in ((norm,), (norm, xm.PointSpatialModel())):
        with pytest.raises(ValueError, match="PowerLawNormSpectralModel in 'no unit'.* does not make a flux"):
            SkyModel(*parts)
    model = SkyModel.create("pl", "point", name="gc")
    with pytest.raises(ValueError, match="does not make a flux"):
        model.spectral_model = norm
    with pytest.raises(ValueError, match="spatial_model of 'gc' must be a SpatialModel"):
        model.spatial_model = "point"
    with pytest.raises(ValueError, match="must be a SpectralModel, not str"):
        SkyModel("pl")


def test_background():
    model = FoVBackgroundModel(dataset_name="one")
    assert model.name == "one-bkg"
    assert model.datasets_names == ("one",)
    model.spectral_model.norm = 2
    np.testing.assert_array_equal(model.evaluate([1, 2] * u.TeV), 2)
    with pytest.raises(ValueError, match="must be a factor"):
        FoVBackgroundModel("one", xm.PowerLawSpectralModel())
    with pytest.raises(ValueError, match="needs dataset_name"):
        FoVBackgroundModel()


def test_list(models):
    assert models.names == ["gc", "halo", "one-bkg"]
    assert models["gc"] is models[0] is models[-3]
    assert models[1:].names == ["halo", "one-bkg"]
    assert "gc" in models
    assert models["gc"] in models
    assert "other" not in models
    assert models.index("halo") == models.index(models["halo"]) == 1
    models.append(SkyModel.create("pl", name="new"))
    assert len(models) == 4
    del models["new"]
    models["halo"] = SkyModel.create("pl", name="other")
    assert models.names == ["gc", "other", "one-bkg"]
    assert models.pop(0).name == "gc"
    assert (models + SkyModel.create("pl", name="gc")).names == ["other", "one-bkg", "gc"]
    assert ([SkyModel.create("pl", name="gc")] + models).names == ["gc", "other", "one-bkg"]
    assert Models(models["other"]).names == ["other"]
    assert Models().names == []


def test_list_refuses_with_reasons(models):
    with pytest.raises(ValueError, match="unique, and gc occurs more than once"):
        models.append(models["gc"].copy())
    with pytest.raises(ValueError, match="not str"):
        models.append("gc")
    with pytest.raises(KeyError, match="there is no model 'other'; there are: gc, halo, one-bkg"):
        models["other"]
    with pytest.raises(KeyError, match="there are 3 models, and none at 3"):
        models[3]
    assert models.names == ["gc", "halo", "one-bkg"]


def test_iteration_ends(models):
    assert [model.name for model in models] == list(models.names)
    assert [model.name for model in reversed(models)] == models.names[::-1]


def test_parameters(models):
    assert models.parameters.names[:3] == ["gc.index", "gc.amplitude", "gc.reference"]
    assert models.parameters["halo.sigma"] is models["halo"].spatial_model.sigma
    assert models.parameters["tilt"] is models["one-bkg"].spectral_model.tilt


def test_select(models):
    assert models.select(name_substring="h").names == ["halo"]
    assert models.select(datasets_names="one").names == ["gc", "halo", "one-bkg"]
    assert models.select(datasets_names=["two"]).names == ["gc"]
    assert models.select(tag="gauss").names == ["halo"]
    assert models.select(tag="gauss", model_type="spectral").names == []
    assert models.select(tag=["pl", "sky-model"], model_type="spectral").names == ["gc"]
    assert models.select(tag="sky-model").names == ["gc", "halo"]
    models["gc"].freeze()
    assert models.select(frozen=True).names == ["gc"]
    assert models.select(frozen=False).names == ["halo", "one-bkg"]
    with pytest.raises(ValueError, match="model_type"):
        models.select(tag="pl", model_type="temporal")


def test_freeze(models):
    free = models.parameters.free_parameters.names
    models.freeze("spatial")
    assert models.parameters.free_parameters.names == [
        "gc.index", "gc.amplitude", "halo.index", "halo.amplitude", "halo.lambda_", "one-bkg.norm",
    ]  # fmt: skip
    models.freeze()
    assert models["gc"].frozen
    models.unfreeze()
    assert models.parameters.free_parameters.names == free


def test_copies_are_independent(models):
    models["halo"].spectral_model.index = models["gc"].spectral_model.index
    twin = models.copy()
    assert twin.equals(models)
    twin["gc"].spectral_model.index.value = 5
    twin["halo"].spatial_model.position = SkyCoord(3, 3, unit="deg")
    twin["halo"].apply_irf["psf"] = False
    assert twin["halo"].spectral_model.index.value == 5
    assert models["halo"].spectral_model.index.value == 2
    assert models["halo"].spatial_model.lon_0.value == 0
    assert models["halo"].apply_irf["psf"]
    alone = models["halo"].copy(name="alone")
    alone.spectral_model.index.value = 7
    assert models["gc"].spectral_model.index.value == 2
    assert alone.name == "alone"
    assert models["one-bkg"].copy("mine").name == "mine"
    assert models["one-bkg"].copy().name == "one-bkg"


def test_pickle_keeps_links_and_covariance():
    models = library.every_model()
    assert pickle.loads(pickle.dumps(models)).equals(models)
    n = len(models.parameters.unique_parameters)
    models.covariance = np.full((n, n), 0.01) + 0.02 * np.eye(n)
    twin = pickle.loads(pickle.dumps(models))
    assert twin.names == models.names
    assert twin["spatial-disk"].spectral_model.index is twin["spatial-gauss"].spectral_model.index
    np.testing.assert_allclose(twin.covariance, models.covariance)


def test_printouts(models):
    models["gc"].spectral_model.index.error = 0.25
    text = str(models)
    for piece in ("Component 0: SkyModel", "Component 2: FoVBackgroundModel", "halo", "PointSpatialModel", "0.250"):
        assert piece in text
    assert "reference (frozen)" in str(models["gc"])
    assert "Datasets names            : one" in str(models["halo"])
    html = models._repr_html_()
    assert html.count("<details>") == 3
    assert "one-bkg" in html
    evil = SkyModel.create("pl", name="<script>")
    assert "<script>" not in evil._repr_html_() + Models(evil)._repr_html_()
    assert repr(models) == "Models('gc', 'halo', 'one-bkg')"
    assert "PointSpatialModel" in repr(models["gc"])
    assert "none" in str(Models())


@pytest.mark.parametrize("tag", library.SPECTRAL)
def test_printouts_of_spectral_models(tag):
    model = library.spectral(tag)
    assert type(model).__name__ in str(model)
    assert type(model).__name__ in model._repr_html_()


def test_regions(models):
    assert [type(region).__name__ for region in models.to_regions()] == ["PointSkyRegion", "EllipseSkyRegion"]


def test_covariance_is_errors_and_correlation():
    a, b = SkyModel.create("pl", name="a"), SkyModel.create("pl", name="b")
    b.spectral_model.index = a.spectral_model.index
    models = Models([a, b])
    np.testing.assert_array_equal(models.covariance, 0)
    matrix = np.zeros((5, 5))
    matrix[:2, :2] = [[0.04, 0.01], [0.01, 0.09]]
    models.covariance = matrix
    assert a.spectral_model.index.error == pytest.approx(0.2)
    # The linked index stands at the first and the fourth place.
    full = models.covariance
    assert full.shape == (6, 6)
    np.testing.assert_allclose(full[3, :4], [0.04, 0.01, 0, 0.04])
    np.testing.assert_allclose(a.spectral_model.covariance[:2, :2], matrix[:2, :2])
    np.testing.assert_allclose(b.spectral_model.covariance[0, 0], 0.04)
    a.spectral_model.amplitude.error = 0.6
    np.testing.assert_allclose(models.covariance[0, 1], 0.02)
    models.covariance = full
    np.testing.assert_allclose(models.covariance, full)
    np.testing.assert_allclose(Models.from_yaml(models.to_yaml()).covariance, full)
    np.testing.assert_allclose(models[:1].covariance, full[:3, :3])
    np.testing.assert_allclose(models.copy().covariance, full)


@pytest.mark.parametrize("matrix", [np.eye(2), -np.eye(3), [[1, 0.5, 0], [0, 1, 0], [0, 0, 1]], np.ones(3)])
def test_covariance_is_checked(matrix):
    with pytest.raises(ValueError, match="covariance"):
        Models(SkyModel.create("pl")).covariance = matrix


@pytest.fixture
def view(models):
    models["halo"].spectral_model.index = models["gc"].spectral_model.index
    return Models.from_yaml(models.to_yaml(), read_only=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m["gc"].spectral_model, "index", 3),
        lambda m: setattr(m["gc"].spectral_model.index, "value", 3),
        lambda m: setattr(m["gc"].spectral_model.index, "quantity", 3),
        lambda m: setattr(m["gc"].spectral_model.index, "unit", ""),
        lambda m: setattr(m["gc"].spectral_model.index, "min", 3),
        lambda m: setattr(m["gc"].spectral_model.index, "error", 3),
        lambda m: setattr(m["gc"].spectral_model.index, "frozen", True),
        lambda m: setattr(m["gc"].spectral_model.index, "prior", None),
        lambda m: setattr(m.parameters["gc.index"], "value", 3),
        lambda m: setattr(m["gc"].spatial_model, "frame", "galactic"),
        lambda m: setattr(m["gc"].spatial_model, "position", SkyCoord(0, 0, unit="deg")),
        lambda m: setattr(m["gc"], "spectral_model", xm.PowerLawSpectralModel()),
        lambda m: setattr(m["gc"], "datasets_names", "one"),
        lambda m: setattr(m["halo"], "apply_irf", {}),
        lambda m: setattr(m["one-bkg"].spectral_model, "norm", 2),
        lambda m: setattr(m, "covariance", np.zeros((15, 15))),
        lambda m: m["gc"].freeze(),
        lambda m: m.freeze(),
        lambda m: m.unfreeze(),
        lambda m: m.append(SkyModel.create("pl")),
        lambda m: m.pop(),
        lambda m: m.clear(),
        lambda m: m.__setitem__(0, SkyModel.create("pl")),
        lambda m: m.__delitem__(0),
        lambda m: m[:1].append(SkyModel.create("pl")),
        lambda m: m.select(tag="pl").append(SkyModel.create("pl")),
        lambda m: setattr(copy.copy(m["gc"].spectral_model), "index", 3),
        lambda m: setattr(xm.PowerLawSpectralModel(), "index", m["gc"].spectral_model.index),
    ],
)
def test_a_read_only_view_refuses_changes(view, change):
    before = view.to_yaml()
    with pytest.raises(AttributeError, match="assign_models"):
        change(view)
    assert view.to_yaml() == before


def test_containers_in_a_read_only_view_do_not_change(view):
    with pytest.raises(TypeError):
        view["halo"].apply_irf["psf"] = False
    with pytest.raises(AttributeError):
        view["halo"].datasets_names.append("two")


def test_the_copy_of_a_view_can_be_changed(view):
    for twin in (view.copy(), Models([view["gc"].copy(), view["halo"].copy()])):
        twin["gc"].spectral_model.index = 3
        twin["halo"].spatial_model.sigma.value = 2
        twin.append(SkyModel.create("pl"))
        twin["halo"].apply_irf["psf"] = False
    assert view["gc"].spectral_model.index.value == 2
    linked = view.copy()
    linked["gc"].spectral_model.index.value = 4
    assert linked["halo"].spectral_model.index.value == 4


def test_names_by_model_and_parameter(models):
    table = models.to_parameters_table()
    assert models.parameters_unique_names == models.parameters.names
    assert [f"{row['model']}.{row['parameter']}" for row in table] == models.parameters.names
    dotted = Models([SkyModel.create("pl", name="4FGL J1745.6")]).to_parameters_table()
    assert set(dotted["model"]) == {"4FGL J1745.6"}
    assert list(dotted["parameter"]) == ["index", "amplitude", "reference"]
    assert len(Models().to_parameters_table()) == 0


def test_backgrounds_and_frozen(models):
    assert models.background_models.names == ["one-bkg"]
    assert not models.frozen
    models.freeze()
    assert models.frozen
