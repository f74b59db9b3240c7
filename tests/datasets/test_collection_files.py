"""Collections in files: one archive with a group for each dataset, or a list in YAML beside FITS files."""

import time

import numpy as np
import pytest
import xarray as xr
import yaml

from tests.builders import SKIES, make_map_dataset
from tests.fluxpoints.points import points
from tests.spectra import plain_spectrum, spectrum, with_off
from xgamma.datasets import Datasets
from xgamma.datasets.listed import safe_names
from xgamma.io.errors import FileFormatError
from xgamma.models import FoVBackgroundModel, SkyModel

ARCHIVES = ["zarr", "nc"]
ENDINGS = [*ARCHIVES, "yaml"]


def small(name, seed=1, **options):
    return make_map_dataset(npix=(6, 8), binsz=0.2, nrad=5, name=name, seed=seed, **options)


def mixed():
    """A dataset of each kind, some with models stored."""
    sky = {key: value for key, value in SKIES["wrap"].items() if key not in ("npix", "binsz")}
    return [
        small("map").gp.assign_models([FoVBackgroundModel(dataset_name="map")]),
        small("across zero", **sky),
        with_off(small("map with off", seed=2)),
        plain_spectrum(name="plain"),
        spectrum(name="off"),
        points(name="points", scan=True),
    ]


@pytest.fixture(scope="module")
def data():
    return Datasets(mixed())


@pytest.fixture(scope="module")
def written(data, tmp_path_factory):
    """The collection in each form, with models of its own."""
    folder = tmp_path_factory.mktemp("collections")
    own = Datasets(data, models=[SkyModel.create("pl", "point", name="source"), *data["map"].gp.models.copy()])
    for ending in ENDINGS:
        (folder / ending).mkdir()
        own.write(folder / ending / f"all.{ending}")
    return {ending: folder / ending / f"all.{ending}" for ending in ENDINGS}


@pytest.mark.parametrize("ending", ARCHIVES)
@pytest.mark.parametrize("chunks", [None, {}])
def test_an_archive_gives_back_the_same(written, data, ending, chunks):
    again = Datasets.read(written[ending], chunks=chunks)
    assert again.names == data.names
    assert again.models.names == ["source", "map-bkg"]
    for one, ds in zip(again, data, strict=True):
        xr.testing.assert_identical(one.compute(), ds)
        one.gp.validate()
    if chunks is not None:
        assert again["map"]["counts"].chunks is not None


@pytest.mark.parametrize("ending", ARCHIVES)
def test_plain_xarray_opens_the_groups(written, data, ending):
    with xr.open_datatree(written[ending], engine={"nc": "netcdf4"}.get(ending, ending)) as tree:
        assert set(tree.children) == set(safe_names(data.names))
        np.testing.assert_array_equal(tree["map_with_off/counts_off"], data["map with off"]["counts_off"])
        assert tree["points"]["dnde"].attrs["units"] == "TeV-1 s-1 cm-2"
        again = tree["plain"].to_dataset().gp.decode()
        np.testing.assert_array_equal(again["exposure"], data["plain"]["exposure"])
        assert again.xindexes["energy"].equals(data["plain"].xindexes["energy"])


def test_a_list_gives_back_the_same(written, data):
    again = Datasets.read(written["yaml"])
    assert again.names == data.names
    assert again.models.names == ["source", "map-bkg"]
    assert [line for line in str(again).splitlines() if "Type" in line] == [
        line for line in str(data).splitlines() if "Type" in line
    ]
    for one, ds in zip(again, data, strict=True):
        if ds.gp.name == "off":  # OGIP has units of its own
            for name in ("counts", "counts_off", "acceptance", "acceptance_off", "mask_safe", "edisp"):
                np.testing.assert_array_equal(one[name], ds[name])
        elif ds.gp.name == "plain":
            assert float(one.gp.stat_sum()) == float(ds.gp.stat_sum())
        else:
            xr.testing.assert_identical(one.compute(), ds)
    listed = yaml.safe_load(written["yaml"].read_text())["datasets"]
    assert [entry["filename"] for entry in listed[:2]] == ["map.fits", "across_zero.fits"]
    assert not any("/" in entry["filename"] for entry in listed)


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_opened_before_it_is_used(written, ending, no_compute):
    again = Datasets.read(written[ending], chunks={})
    with no_compute():
        assert len(again) == 6
        assert "off" in again
        assert again.select(["map*"]).names == ["map", "map with off"]
        assert again.select(dataset_type="FluxPointsDataset").names == ["points"]
        again.models.names, repr(again), again[1:3], again.copy(), again + []
    if ending in ARCHIVES:
        with no_compute():
            str(again), again._repr_html_()
            assert again.select_time("2000-01-01T00:00:00", "2000-02-01T00:00:00").names[0] == "map"
    assert not any(member.is_open for member in again._members)
    again["off"]
    assert [member.is_open for member in again._members].count(True) == 1
    del again["map"]
    again.remove("off")
    assert again.names == ["across zero", "map with off", "plain", "points"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_models_in_a_file_of_their_own(tmp_path, ending):
    data = Datasets([plain_spectrum(name="a"), plain_spectrum(seed=2, name="b")])
    data.models = [SkyModel.create("pl", name="source"), FoVBackgroundModel(dataset_name="a")]
    path, models = tmp_path / f"all.{ending}", tmp_path / "models.yaml"
    data.write(path, models)
    assert Datasets.read(path).models.names == []
    again = Datasets.read(path, models)
    assert again.models.equals(data.models)
    assert float(again.stat_sum()) == pytest.approx(float(data.stat_sum()), rel=1e-12)
    other = tmp_path / f"other.{ending}"
    with pytest.raises(FileExistsError, match="models.yaml exists already"):
        data.write(other, models)
    assert not other.exists()


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_overwritten_unless_asked(tmp_path, ending):
    data = Datasets([small("a")])
    path = tmp_path / f"all.{ending}"
    data.write(path)
    with pytest.raises(FileExistsError, match="exists already"):
        Datasets([points(name="a")]).write(path)
    xr.testing.assert_identical(Datasets.read(path)["a"].compute(), data["a"])
    # What is read lazily can replace its own file.
    again = Datasets.read(path, chunks={})
    again.append(points(name="b"))
    again.write(path, overwrite=True)
    assert Datasets.read(path, lazy=False).names == ["a", "b"]
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(path.name)) == (
        ["a.fits", "b.fits"] if ending == "yaml" else []
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_that_are_no_names_of_files(tmp_path, ending):
    names = ["a/b", "A", "a", "zarr.json", "../up", "nom é", ".hidden", "x" * 300]
    data = Datasets([points(name=name) for name in names])
    data.write(tmp_path / f"all.{ending}")
    again = Datasets.read(tmp_path / f"all.{ending}")
    assert again.names == names
    for name in names:
        assert again[name].gp.name == name
    assert len(list(tmp_path.parent.glob("up*"))) == 0


def test_an_empty_collection(tmp_path):
    for ending in ENDINGS:
        Datasets().write(tmp_path / f"all.{ending}")
        assert Datasets.read(tmp_path / f"all.{ending}").names == []


def entry(**changes):
    return {"name": "a", "type": "MapDataset", "filename": "a.fits"} | changes


BAD = {
    "above": ([entry(filename="../a.fits")], FileFormatError, "'../a.fits', which is not in the folder of this list"),
    "absolute": ([entry(filename="/etc/passwd")], FileFormatError, "'/etc/passwd', which is not in the folder"),
    "remote": ([entry(filename="file:///etc/passwd")], FileFormatError, "which is not in the folder of this list"),
    "variable": (
        [entry(filename="$HOME/a.fits")],
        FileNotFoundError,
        r"dataset 'a' is in the file .*, which is missing",
    ),
    "link": ([entry(filename="link.fits")], FileFormatError, "'link.fits', which is not in the folder of this list"),
    "missing": ([entry(filename="b.fits")], FileNotFoundError, r"b.fits, which is missing"),
    "twice": ([entry(), entry()], FileFormatError, "names of datasets must be unique, and 'a' occurs more than once"),
    "type": ([entry(type="Cube")], FileFormatError, "type 'Cube', which is unknown; there are: MapDataset"),
    "no name": ([entry(name=3)], FileFormatError, "dataset 0: has the name 3: it has to be text"),
    "no entry": (["a"], FileFormatError, "dataset 0: is 'a': it has to tell 'name', 'type' and 'filename'"),
    "no list": ("a", FileFormatError, "it needs 'datasets', a list"),
}


@pytest.mark.parametrize("kind", BAD)
def test_lists_that_are_refused(tmp_path, kind):
    content, error, words = BAD[kind]
    folder = tmp_path / "folder"
    folder.mkdir()
    Datasets([small("a")]).write(folder / "good.yaml")
    (tmp_path / "outside.fits").write_bytes((folder / "a.fits").read_bytes())
    (folder / "link.fits").symlink_to(tmp_path / "outside.fits")
    path = folder / "list.yaml"
    path.write_text(yaml.safe_dump({"datasets": content}))
    with pytest.raises(error, match=words) as caught:
        Datasets.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["datasets: [", "!!python/object/apply:os.system ['true']", "- 1", "datasets: []\nmodels: 3", "\x00"]
)
def test_what_is_no_list(tmp_path, text):
    path = tmp_path / "list.yaml"
    path.write_text(text)
    with pytest.raises(FileFormatError, match="list.yaml"):
        Datasets.read(path)


def test_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file or folder"):
        Datasets.read(tmp_path / "none.zarr")
    with pytest.raises(ValueError, match=r"the ending '.txt' tells no format of a collection; there are: .yaml"):
        Datasets([small("a")]).write(tmp_path / "all.txt")
    small("a").gp.to_zarr(tmp_path / "one.zarr")
    with pytest.raises(ValueError, match=r"one.zarr"):
        Datasets.read(tmp_path / "one.zarr")
    with pytest.raises(ValueError, match="the dataset 'a'|dataset 'a'"):
        Datasets([small("a").isel(x=[0, 3])]).write(tmp_path / "gaps.yaml")


def test_many_lazy_datasets_are_chosen_by_what_is_known_of_them(tmp_path):
    """Without opening any: the index of the store tells."""
    ds = points()
    parts = [ds.assign_attrs(name=f"obs-{i}", meta=f'{{"TELESCOP": ["CTA"], "ZEN_PNT": [{i}.0]}}') for i in range(20)]
    Datasets(parts).write(tmp_path / "many.nc")
    start = time.process_time()
    many = Datasets.read(tmp_path / "many.nc", chunks={})
    chosen = many.select("obs-*", ZEN_PNT=lambda angle: angle < 5)
    assert time.process_time() - start < 2, "0.1 s on a quiet machine"
    assert chosen.names == [f"obs-{i}" for i in range(5)]
    assert not any(member.is_open for member in many._members)
    xr.testing.assert_identical(chosen["obs-3"].compute(), parts[3])
