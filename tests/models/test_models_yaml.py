"""Models as YAML: round trips, old layouts, and text that is wrong or hostile."""

import copy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import library
from xgamma import models as xm
from xgamma.models import Models, SkyModel

FLOATS = st.floats(-1e200, 1e200)

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from(
        ["TeV", "pl", "SkyModel", "PowerLawSpectralModel", "GaussianSpatialModel", "icrs", "lon_0", "1e-3"]
    ),
)


def test_library_comes_back_equal():
    models = library.every_model()
    text = models.to_yaml()
    again = Models.from_yaml(text)
    assert again.to_yaml() == text
    assert again.equals(models)
    assert again["spatial-disk"].spectral_model.index is again["spatial-gauss"].spectral_model.index
    assert Models.from_yaml(models.to_yaml(full_output=True)).equals(models)
    assert yaml.safe_load(text)["components"][0]["name"] == "spectral-const"


@given(index=FLOATS, error=st.floats(0, 1e200), low=FLOATS | st.just(float("nan")), frozen=st.booleans(), lon=FLOATS)
def test_every_float_comes_back(index, error, low, frozen, lon):
    model = SkyModel.create("pl", "point", name="gc")
    par = model.spectral_model.index
    par.value, par.error, par.min, par.frozen = index, error, low, frozen
    model.spatial_model.lon_0 = lon
    models = Models(model)
    again = Models.from_yaml(models.to_yaml())
    assert again.equals(models)
    assert again["gc"].spectral_model.index.value == index
    assert again["gc"].spatial_model.lon_0.value == lon


@given(st.text(min_size=1, max_size=20).filter(str.strip))
def test_every_name_comes_back(name):
    if name.isprintable():
        text = Models(SkyModel.create("pl", name=name, datasets_names=name)).to_yaml()
        again = Models.from_yaml(text)
        assert again.names == again[0].datasets_names == [name]
    else:
        with pytest.raises(ValueError, match="must be text in one line"):
            SkyModel.create("pl", name=name)


@pytest.mark.parametrize("unit", ["GeV-1 s-1 cm-2", "erg-1 s-1 m-2", "MeV-1 min-1 km-2", "ph TeV-1 s-1 cm-2"])
def test_units_come_back(unit):
    import astropy.units as u

    if u.ph in u.Unit(unit).bases:
        with pytest.raises(ValueError, match="amplitude"):
            xm.PowerLawSpectralModel(amplitude=f"1e-12 {unit}")
        return
    model = SkyModel(xm.PowerLawSpectralModel(amplitude=f"1e-12 {unit}"), name="gc")
    again = Models.from_yaml(Models(model).to_yaml())["gc"]
    assert again.spectral_model.amplitude.unit == u.Unit(unit)
    assert again.spectral_model.values == model.spectral_model.values


def test_equals_sees_links():
    a, b = SkyModel.create("pl", name="a"), SkyModel.create("pl", name="b")
    apart = Models([a, b]).copy()
    b.spectral_model.index = a.spectral_model.index
    assert not Models([a, b]).equals(apart)


def test_defaults_are_not_written_and_differences_are():
    model = SkyModel.create("pl", "disk", name="gc")
    entries = model.spatial_model.to_dict()["parameters"]
    assert entries[2] == {"name": "r_0", "value": 1.0, "unit": "deg"}
    model.spatial_model.r_0.min = float("nan")
    model.spatial_model.e.frozen = False
    again = Models.from_yaml(Models(model).to_yaml())["gc"].spatial_model
    assert again.r_0.min != again.r_0.min
    assert not again.e.frozen


def test_limits_in_another_unit_come_back():
    model = SkyModel.create("pl", "point", name="gc")
    model.spatial_model.lat_0 = "0.1 rad"
    model.spatial_model.lat_0.max = 90
    again = Models.from_yaml(Models(model).to_yaml())["gc"].spatial_model.lat_0
    assert again.max == 90
    assert again.min == pytest.approx(-1.5707963)


def test_old_layout(gammapy_data, monkeypatch):
    monkeypatch.setenv("GAMMAPY_DATA", str(gammapy_data))
    models = Models.read(gammapy_data / "tests" / "models" / "gc_example_models.yaml")
    assert models.names == ["gc", "gll_iem_v06_cutout", "gc-bkg", "g09", "g09-bkg"]
    assert models["gc"].spectral_model.reference is models["g09"].spectral_model.reference
    assert models["gc-bkg"].spectral_model.norm.min == 0
    assert models["g09"].spectral_model.amplitude.value == 3e-12
    assert models["g09"].spatial_model.position_lonlat == (0.9, 0.1)
    assert models["gll_iem_v06_cutout"].spatial_model.unit == "TeV-1 s-1 cm-2 sr-1"
    assert Models.from_yaml(models.to_yaml()).equals(models)


def test_files(tmp_path):
    models = library.every_model()
    path = tmp_path / "models.yaml"
    models.write(path)
    assert Models.read(path).equals(models)
    with pytest.raises(FileExistsError, match=r"models\.yaml exists already: .* overwrite=True"):
        models.write(path)
    with pytest.raises(FileNotFoundError, match="the folder .*nowhere does not exist"):
        models.write(tmp_path / "nowhere" / "models.yaml")
    Models().write(path, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["models.yaml"]
    assert Models.read(path).names == []
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"models\.yaml is not a text file"):
        Models.read(path)


def test_numbers_without_a_point_are_numbers():
    text = Models(SkyModel.create("pl", name="gc")).to_yaml().replace("1.0e-12", "1e-12")
    assert Models.from_yaml(text)["gc"].spectral_model.amplitude.value == 1e-12


def test_what_other_writers_add_is_no_hindrance():
    data = Models(SkyModel.create("pl", name="gc")).to_dict()
    data |= {"metadata": {"creator": "someone"}, "covariance": "models_covariance.dat"}
    data["components"][0]["temporal"] = {"type": "ConstantTemporalModel", "parameters": []}
    data["components"][0]["spectral"]["parameters"][0] |= {"interp": "lin", "scale_method": "scale10"}
    assert Models.from_dict(data).names == ["gc"]


BASE = """
components:
- name: gc
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {name: index, value: 2.0}
    - {name: amplitude, value: 1.0e-12, unit: cm-2 s-1 TeV-1}
  spatial: {type: PointSpatialModel, frame: icrs}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("type: SkyModel", "type: Galaxy", "no component of type 'Galaxy'"),
        ("PowerLawSpectralModel", "PowerSpectralModel", "no spectral model 'PowerSpectralModel'"),
        ("PointSpatialModel", "SpotSpatialModel", "no spatial model 'SpotSpatialModel'"),
        ("name: index", "name: slope", "PowerLawSpectralModel has no parameter 'slope'; it has: index"),
        ("value: 2.0", "value: two", "value of parameter 'index' of PowerLawSpectralModel is 'two'"),
        ("value: 2.0", "value: .nan", "parameter 'index' must be finite"),
        ("value: 2.0", "val: 2.0", "parameter 'index' of PowerLawSpectralModel has no value"),
        ("cm-2 s-1 TeV-1", "TeV", "'amplitude' takes units like"),
        ("cm-2 s-1 TeV-1", "parsecs3", "not a unit"),
        ("frame: icrs", "frame: ecliptic", "frame of PointSpatialModel must be one of"),
        ("frame: icrs", "frame: [1]", "frame of PointSpatialModel must be one of"),
        ("{name: index, value: 2.0}", "3", "a parameter of PowerLawSpectralModel must be a mapping"),
        ("name: gc", "name: [1]", "a model's name must be text"),
        ("name: gc", "name: gc\n  apply_irf: {psf: maybe}", "apply_irf"),
        ("name: gc", "name: gc\n  datasets_names: 3", "datasets_names"),
        ("name: gc", "name: gc\n  temporal: {type: LightCurve}", "temporal models are not supported"),
        ("value: 2.0", "value: 2.0, frozen: perhaps", "frozen of parameter 'index'"),
        ("value: 2.0", "value: 2.0, error: -1", "error of parameter 'index'"),
        ("value: 2.0", "value: 2.0, prior: {type: Flat}", "no prior of type 'Flat'"),
        ("value: 2.0", "value: 2.0, prior: {type: UniformPrior, parameters: [{name: x, value: 1}]}", "UniformPrior"),
    ],
)
def test_errors_name_the_component_and_the_fault(old, new, message):
    assert old in BASE
    with pytest.raises(ValueError, match=message) as caught:
        Models.from_yaml(BASE.replace(old, new), source="models.yaml")
    assert str(caught.value).startswith("models.yaml")
    assert "component 0" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "must be a mapping with a list of 'components', not a list"),
        ("just text", "must be a mapping"),
        ("components: 3", "'components' must be a list"),
        ("components: [3]", "a component must be a mapping"),
        ("a: [", "is not YAML"),
        ("a: b: c", "is not YAML"),
        ("\x00", "is not YAML"),
        ("a: !!python/object/apply:os.system ['true']", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("a: {<<: {b: 1}}", "merge keys"),
        (BASE + BASE.replace("components:\n", ""), "names of models must be unique"),
        (BASE + "correlation: {parameters: [gc.slope], matrix: [[1]]}", "'correlation' needs"),
        (BASE + "correlation: {parameters: [gc.index], matrix: [[1, 2]]}", "'correlation' needs"),
        (BASE + "correlation: 3", "'correlation' needs"),
        ("components: [{type: FoVBackgroundModel}]", "needs 'datasets_names' with one name"),
        ("components: [{type: FoVBackgroundModel, datasets_names: [a], spatial: {type: x}}]", "spatial"),
        ("components: [{type: SkyModel}]", "a SkyModel needs 'spectral'"),
    ],
)
def test_text_that_is_wrong(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        Models.from_yaml(text, source="models.yaml")
    assert str(caught.value).startswith("models.yaml")


def test_aliases_do_not_explode():
    """A text of 1 kB that stands for 10^10 items is refused at once, with a short message."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    for tail in ("components: *a9", "components: [{type: *a9}]", "components: [{type: SkyModel, spectral: *a9}]"):
        with pytest.raises(ValueError, match="the models") as caught:
            Models.from_yaml("\n".join([*lines, tail]))
        assert len(str(caught.value)) < 2000


def test_a_shared_alias_is_not_a_link():
    text = """
components:
- {name: a, type: SkyModel, spectral: &s {type: PowerLawSpectralModel, parameters: [{name: index, value: 3.0}]}}
- {name: b, type: SkyModel, spectral: *s}
"""
    models = Models.from_yaml(text)
    assert models["a"].spectral_model.index is not models["b"].spectral_model.index


def places(data, path=()):
    """Every place in nested lists and mappings."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


LIBRARY = library.every_model().to_dict(full_output=True)["components"]
PLACES = [(i, place) for i, component in enumerate(LIBRARY) for place in places(component)]


@given(st.sampled_from(PLACES), JUNK, st.sampled_from(["replace", "delete"]))
@settings(max_examples=600, deadline=None)
def test_any_damage_is_refused_with_a_sentence(component_and_place, junk, how):
    component, place = component_and_place
    data = copy.deepcopy(LIBRARY[component])
    target = data
    for key in place[:-1]:
        target = target[key]
    if how == "replace":
        target[place[-1]] = junk
    else:
        del target[place[-1]]
    try:
        models = Models.from_dict({"components": [data]})
    except ValueError as error:
        assert "the models" in str(error)
    else:
        assert Models.from_yaml(models.to_yaml()).equals(models)
