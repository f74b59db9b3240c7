"""The collection: names, order, models, tables, sums, parts."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy.time import Time

import xgamma as xg
from tests.builders import make_map_dataset
from tests.spectra import plain_spectrum, spectrum
from xgamma.datasets import Datasets
from xgamma.likelihood import Likelihood
from xgamma.models import FoVBackgroundModel, GaussianPrior, Models, SkyModel
from xgamma.reduce.stack import stack_many


def small(name, seed=1, **options):
    return make_map_dataset(npix=(6, 8), binsz=0.2, nrad=5, name=name, seed=seed, **options)


def source(name="source", **options):
    return SkyModel.create("pl", "point", name=name, **options)


@pytest.fixture
def three():
    return Datasets([small("a"), small("b", seed=2), spectrum(name="c")])


def test_a_list_with_names(three):
    assert three.names == ["a", "b", "c"]
    assert len(three) == 3
    assert [ds.gp.name for ds in three] == three.names
    assert three["b"] is three[1] is three[-2]
    assert three[np.int64(1)] is three[1]
    assert three[1:].names == ["b", "c"]
    assert isinstance(three[::2], Datasets)
    assert "a" in three and "x" not in three
    assert three["c"] in three and small("c") not in three
    assert three.index("c") == three.index(three["c"]) == 2
    assert list(reversed(three))[0] is three["c"]
    assert Datasets().names == []
    assert Datasets(three["a"]).names == ["a"]
    assert xg.Datasets is Datasets


def test_changes_in_place(three):
    three.append(small("d"))
    three.insert(0, small("first"))
    assert three.names == ["first", "a", "b", "c", "d"]
    three.remove("b")
    three.remove(three["first"])
    del three["a"]
    assert three.names == ["c", "d"]
    del three[0]
    assert three.pop().gp.name == "d"
    assert three.names == []
    three.extend([small("x"), small("y")])
    three["x"] = small("z")
    three[1:] = [small("u"), small("v")]
    assert three.names == ["z", "u", "v"]
    three.reverse()
    assert three.names == ["v", "u", "z"]
    three.clear()
    assert not three


def test_sums_of_lists(three):
    more = three + [small("d")]
    assert more.names == ["a", "b", "c", "d"]
    assert three.names == ["a", "b", "c"]
    assert ([small("d")] + three).names == ["d", "a", "b", "c"]
    assert (three[:1] + three[2:]).names == ["a", "c"]
    three += Datasets([small("e")])
    assert three.names == ["a", "b", "c", "e"]


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.append(small("a")),
        lambda ds: ds.insert(1, small("c")),
        lambda ds: ds.extend([small("x"), small("x")]),
        lambda ds: ds + ds,
        lambda ds: ds.__setitem__(0, small("b")),
        lambda ds: Datasets([small("a"), small("a")]),
    ],
)
def test_names_are_unique(three, change):
    with pytest.raises(
        ValueError, match=r"names of datasets must be unique, and '.' occurs more than once.*assign_attrs"
    ):
        change(three)
    assert three.names == ["a", "b", "c"]


def test_what_is_no_dataset(three):
    for bad in (3, "a", small("a")["counts"]):
        with pytest.raises(ValueError, match=r"holds xarray.Dataset objects, not"):
            three.append(bad)
    with pytest.raises(ValueError, match=r"not str: open it first, with xgamma.open_dataset"):
        Datasets(["pha_obs23523.fits"])
    with pytest.raises(ValueError, match="a dataset has no name"):
        three.append(small("").assign_attrs(name=""))
    with pytest.raises(KeyError, match="there is no dataset 'x'; there are: a, b, c"):
        three["x"]
    with pytest.raises(IndexError, match="there are 3 datasets, and none at 7"):
        three[7]
    with pytest.raises(TypeError, match="by its name, place or a slice, not by float"):
        three[1.5]


def test_models_of_the_collection(three):
    assert three.models.names == []
    model = source()
    three.models = [model, FoVBackgroundModel(dataset_name="a")]
    assert three.models.names == ["source", "a-bkg"]
    expected = sum(float(ds.gp.stat_sum(three.models)) for ds in three)
    assert float(three.stat_sum()) == pytest.approx(expected, rel=1e-12)
    before = float(three.stat_sum())
    three.models["source"].spectral_model.amplitude.value *= 3
    assert float(three.stat_sum()) != before
    three.models = None
    assert three.models.names == []


def test_models_stored_with_datasets(three):
    model = source()
    own = Datasets([ds.gp.assign_models([model, FoVBackgroundModel(dataset_name="a")]) for ds in three])
    assert own.models.names == ["source", "a-bkg"]
    with pytest.raises(AttributeError):
        own.models["source"].spectral_model.amplitude.value = 3
    own.models = own.models
    own.models["source"].spectral_model.amplitude.value = 3
    assigned = own.assign_models()
    assert all(ds.gp.models["source"].spectral_model.amplitude.value == 3 for ds in assigned)
    other = source()
    other.spectral_model.index.value = 5
    with pytest.raises(ValueError, match="model 'source' of .* differs from that of"):
        _ = Datasets([three["a"].gp.assign_models([model]), three["b"].gp.assign_models([other])]).models


def test_a_copy_keeps_its_models(three):
    """Background models included, and what becomes of one is nothing to the other."""
    three.models = [source(), FoVBackgroundModel(dataset_name="a"), FoVBackgroundModel(dataset_name="b")]
    copy = three.copy()
    assert copy.models.names == ["source", "a-bkg", "b-bkg"]
    assert float(copy.stat_sum()) == float(three.stat_sum())
    copy.models["a-bkg"].spectral_model.norm.value = 2
    copy.append(small("d"))
    copy[0].attrs["name"] = "other"
    assert three.models["a-bkg"].spectral_model.norm.value == 1
    assert three.names == ["a", "b", "c"]
    stored = Datasets([ds.gp.assign_models(three.models) for ds in three]).copy()
    assert stored.models.names == three.models.names


def test_info_table(three):
    table = three.info_table()
    assert isinstance(table, pd.DataFrame)
    assert list(table["name"]) == ["a", "b", "c"]
    assert list(table["counts"]) == [ds.gp.info()["counts"] for ds in three]
    assert table.attrs["units"]["livetime"] == "s"
    assert np.isnan(table["counts_off"][0])
    both = three[:2].info_table(cumulative=True)
    total = stack_many(three[:2])
    assert both["counts"].iloc[-1] == total.gp.info()["counts"]
    assert both["excess"].iloc[-1] == pytest.approx(total.gp.info()["excess"])


def test_info_table_converts_units(three):
    cm2 = three["b"].assign(exposure=three["b"]["exposure"].gp.to_unit("cm2 s"))
    table = Datasets([three["a"], cm2]).info_table()
    assert table.attrs["units"]["exposure_max"] == "m2 s"
    assert table["exposure_max"][0] == pytest.approx(table["exposure_max"][1])


def test_stack_reduce(three):
    total = three[:2].stack_reduce(name="sum")
    assert total.gp.name == "sum"
    xr.testing.assert_allclose(total, stack_many(three[:2], name="sum"))
    with pytest.raises(ValueError, match=r"only datasets of one type add up.*MapDataset \('a'\)"):
        three.stack_reduce()
    with pytest.raises(ValueError, match="the collection is empty"):
        Datasets().stack_reduce()
    on_off = Datasets([spectrum(1, "x"), spectrum(2, "y")]).stack_reduce()
    assert "counts_off" in on_off


def test_energies(three):
    table = three.energy_ranges
    assert list(table.columns) == ["name", "energy_min", "energy_max"]
    np.testing.assert_allclose(table["energy_max"], 20)
    assert table.attrs["units"] == {"energy_min": "TeV", "energy_max": "TeV"}
    three.models = [source()]
    part = three.slice_by_energy("1 TeV", "10 TeV")
    assert part.names == three.names
    assert part.models.names == ["source"]
    assert all(one.identical(ds.gp.slice_by_energy("1 TeV", "10 TeV")) for one, ds in zip(part, three, strict=True))
    low = Datasets([three["a"], three["b"].gp.slice_by_energy("0.5 TeV", "1 TeV")])
    assert low.slice_by_energy("4 TeV", None).names == ["a"]
    with pytest.raises(ValueError, match="is not below energy_max"):
        three.slice_by_energy("10 TeV", "1 TeV")


def test_times(three):
    late = {key: three["b"][key] + 1e6 for key in ("gti_start", "gti_stop")}
    for key in late:
        late[key].attrs = three["b"][key].attrs
    data = Datasets([three["a"], three["b"].assign(late), spectrum(name="no times").drop_dims("gti")])
    start = Time(51544.00074287037037, format="mjd", scale="tt")
    assert data.select_time(start, "2000-01-02T00:00:00").names == ["a"]
    assert data.select_time("2000-01-05T00:00:00", "2000-02-01T00:00:00").names == ["b"]
    assert data.select_time(start, "2000-01-01T00:30:00").names == []
    with pytest.raises(ValueError, match="is later than time_max"):
        data.select_time("2001-01-01T00:00:00", "2000-01-01T00:00:00")
    with pytest.raises(ValueError, match="time_min is 'soon', which is no time"):
        data.select_time("soon", "2000-01-01T00:00:00")


def test_select(three):
    meta = ['{"TELESCOP": ["CTA"], "ZEN_PNT": [20.0]}', '{"TELESCOP": ["CTA", "HESS"], "ZEN_PNT": [50.0, 10.0]}', ""]
    data = Datasets(ds.assign_attrs(meta=text) for ds, text in zip(three, meta, strict=True))
    assert data.select("[ab]").names == ["a", "b"]
    assert data.select(["c", "a"]).names == ["a", "c"]
    assert data.select(dataset_type="SpectrumDatasetOnOff").names == ["c"]
    assert data.select(TELESCOP="CTA", ZEN_PNT=lambda angle: angle < 40).names == ["a"]
    assert data.select(TELESCOP=["HESS", "VERITAS"]).names == ["b"]
    assert data.select(where=lambda ds: "y" in ds.dims).names == ["a", "b"]
    with pytest.raises(ValueError, match="no table of observations has a column 'NIGHT'; there are: TELESCOP, ZEN_PNT"):
        data.select(NIGHT=3)


def test_printout(three):
    data = three
    data[0] = data[0].assign_attrs(meta='{"TELESCOP": ["CTA"]}')
    data.models = [source(), FoVBackgroundModel(dataset_name="a")]
    text = str(data)
    assert text.splitlines() == [
        "Datasets",
        "--------",
        "",
        "Dataset 0:",
        "",
        "  Type       : MapDataset",
        "  Name       : a",
        "  Instrument : CTA",
        "  Models     : ['source', 'a-bkg']",
        "",
        "Dataset 1:",
        "",
        "  Type       : MapDataset",
        "  Name       : b",
        "  Instrument :",
        "  Models     : ['source']",
        "",
        "Dataset 2:",
        "",
        "  Type       : SpectrumDatasetOnOff",
        "  Name       : c",
        "  Instrument :",
        "  Models     : ['source']",
    ]
    assert repr(data) == "Datasets(['a', 'b', 'c'])"
    strange = Datasets([small("<script>")])
    assert "<script>" not in strange._repr_html_()
    assert "&lt;script&gt;" in strange._repr_html_()


def test_lazy_members_are_not_computed(no_compute):
    lazy = Datasets([small("a").chunk(x=4), small("b", seed=2).chunk(x=4)])
    lazy.models = Models([source()])
    with no_compute():
        str(lazy), repr(lazy), lazy.names, lazy.energy_ranges, lazy.copy()
        assert lazy.select(dataset_type="MapDataset").names == ["a", "b"]
        assert lazy.select_time("2000-01-01T00:00:00", "2000-02-01T00:00:00").names == ["a", "b"]
        total = lazy.stat_sum()
        parts = lazy.slice_by_energy("1 TeV", None)
        stacked = lazy.stack_reduce()
    assert total.chunks is not None
    assert parts[0]["counts"].chunks is not None
    plain = Datasets([small("a"), small("b", seed=2)], models=lazy.models)
    assert float(total) == pytest.approx(float(plain.stat_sum()), rel=1e-10)
    np.testing.assert_allclose(stacked["counts"], plain.stack_reduce()["counts"])


def test_kinds_are_told_apart():
    kinds = {
        "MapDataset": small("a"),
        "MapDatasetOnOff": small("a").gp.to_onoff(1, 3),
        "SpectrumDataset": plain_spectrum(),
        "SpectrumDatasetOnOff": spectrum(),
    }
    for kind, ds in kinds.items():
        assert f"  Type       : {kind}\n" in str(Datasets(ds))


def test_models_of_the_collection_are_those_of_a_likelihood():
    ds, other = small("test"), small("other", seed=2)
    model = FoVBackgroundModel("test")
    model.spectral_model.norm.value = 1.3
    model.spectral_model.norm.prior = GaussianPrior(mu=1, sigma=0.1)
    datasets = Datasets([ds, other], models=[model])
    likelihood = Likelihood(datasets)
    assert likelihood.parameters == ("test-bkg.norm",)
    plain = float(ds.gp.stat_sum([model])) + float(other.gp.stat_sum())
    prior = model.parameters.prior_stat_sum()
    assert prior > 5
    np.testing.assert_allclose(likelihood(likelihood.x0), plain + prior, rtol=1e-12)
    np.testing.assert_allclose(float(datasets.stat_sum()), plain + prior, rtol=1e-12)
    norms = xr.DataArray([1.0, 1.3], dims="norm")
    scan = datasets.stat_sum(parameters={"test-bkg.norm": norms})
    np.testing.assert_allclose(scan[1], plain + prior, rtol=1e-9)
    # the other dataset keeps its own where none are given
    stored = Datasets([ds.gp.assign_models([model]), other])
    np.testing.assert_allclose(float(stored.stat_sum()), plain + prior, rtol=1e-12)
    model.spectral_model.norm.frozen = True
    scan = datasets.stat_sum(parameters={"test-bkg.tilt": xr.DataArray([0.0], dims="tilt")})
    np.testing.assert_allclose(scan, [plain + prior], rtol=1e-9)
