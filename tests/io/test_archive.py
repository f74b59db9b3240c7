"""NetCDF and Zarr archives give back what was written."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import SKIES, make_map_dataset
from xgamma import coords
from xgamma.io.archive import open_archive, open_plain
from xgamma.io.netcdf import write_netcdf
from xgamma.io.zarr import write_zarr
from xgamma.schema import VARIABLES

WRITERS = {"nc": write_netcdf, "zarr": write_zarr}


@pytest.fixture(params=WRITERS)
def kind(request):
    return request.param


def round_trip(ds, folder, kind, chunks=None, **options):
    path = folder / f"archive.{kind}"
    WRITERS[kind](ds, path, overwrite=True, **options)
    return open_archive(path, chunks=chunks)


def full(**options):
    """With everything that a dataset can carry, user variables and awkward attrs included."""
    ds = make_map_dataset(**options)
    ds["counts"] = ds["counts"].astype("int32")
    ds["background"] = ds["background"].astype("float32")
    ds["significance"] = (("energy", "y", "x"), ds["counts"].values / 3, {"units": "", "note": "mine"})
    ds["quality"] = (("y", "x"), np.full((ds.sizes["y"], ds.sizes["x"]), 3, "u1"))
    ds["scan"] = (("step",), np.array([1.5, np.nan, -np.inf]), {"units": "s"})
    ds["label"] = (("step",), np.array(["a", "bcd", "\u03b3"]))
    ds["observed"] = (("step",), np.array(["2020-01-01", "NaT", "2021-06-30T12"], "M8[ns]"))
    ds["dead"] = (("step",), np.array([1, 2, 3], "m8[s]"))
    return ds.assign_coords(step=[10, 20, 30], observer="x").assign_attrs(
        models="components:\n- name: \u03b3-source\n  type: SkyModel\n" * 50,
        history="create\ncutout",
        region="galactic;circle(0,0,0.5)",
        meta='{"OBS_ID": [1, 2]}',
        empty="",
        flag=True,
        nothing=None,
        limits=[1.5, 2.5],
        one=[3],
        nested={"a": {"b": [1, None]}},
        number=7,
        huge=2**80,
        missing=float("nan"),
        array=np.arange(3),
        units="also here",
        scale_factor=3.0,
        _FillValue=-1,
        coordinates="lon lat",
        Conventions="my own",
    )


@pytest.mark.parametrize("chunks", [None, {}, {"y": -1, "x": -1}])
@pytest.mark.parametrize("sky", SKIES)
def test_identical(tmp_path, kind, sky, chunks):
    ds = full(**SKIES[sky])
    before = ds.copy(deep=True)
    opened = round_trip(ds, tmp_path, kind, chunks=chunks)
    xr.testing.assert_identical(opened, ds)
    assert {name: opened[name].dtype for name in opened.data_vars if name != "label"} == {
        name: ds[name].dtype for name in ds.data_vars if name != "label"
    }
    assert {name: type(index) for name, index in opened.xindexes.items()} == {
        name: type(index) for name, index in ds.xindexes.items()
    }
    assert bool(opened.chunks) == (chunks is not None)
    xr.testing.assert_identical(ds, before)


def test_lazy_datasets_are_written_chunk_by_chunk(tmp_path, kind):
    ds = full().chunk(y=5, x=8)
    opened = round_trip(ds, tmp_path, kind, chunks={})
    xr.testing.assert_identical(opened, ds.compute())
    assert ds["counts"].chunks is not None


def test_opening_reads_no_map(tmp_path, kind, no_compute):
    ds = make_map_dataset()
    round_trip(ds, tmp_path, kind).close()
    with no_compute():
        opened = open_archive(tmp_path / f"archive.{kind}", chunks={})
        result = (opened["counts"] - opened["background"]).sum()
    assert result.compute() == pytest.approx(float((ds["counts"] - ds["background"]).sum()), rel=1e-12)


@pytest.mark.parametrize(
    "options",
    [{"irf_on_sky": False}, {"migra": True}, {"migra": True, "irf_on_sky": False}],
    ids=lambda options: "-".join(options),
)
def test_responses(tmp_path, kind, options):
    ds = make_map_dataset(**options)
    xr.testing.assert_identical(round_trip(ds, tmp_path, kind), ds)


def spectrum():
    ds = make_map_dataset(irf_on_sky=False)
    ds = ds.drop_vars(["lon", "lat", "wcs"]).isel(y=3, x=4).drop_vars(["y", "x"])
    return ds.assign_coords(
        lon=xr.Variable((), 0.25, {"units": "deg", "frame": "galactic"}),
        lat=xr.Variable((), -0.5, {"units": "deg", "frame": "galactic"}),
    ).assign_attrs(region="galactic;circle(0.25,-0.5,0.1)")


def test_spectrum(tmp_path, kind):
    xr.testing.assert_identical(round_trip(spectrum(), tmp_path, kind), spectrum())


@pytest.mark.parametrize(
    "cut",
    [
        {"x": slice(None, None, 2)},
        {"y": slice(3, 9), "x": slice(5, 6)},
        {"x": [1, 2, 7], "energy": slice(1, 3)},
        {"energy": [2]},
        {"y": slice(None, None, -1)},
        {"gti": slice(0, 0)},
    ],
    ids=str,
)
def test_parts_of_a_map(tmp_path, kind, cut):
    ds = full().isel(cut)
    opened = round_trip(ds, tmp_path, kind)
    xr.testing.assert_identical(opened, ds)
    if "gti" not in cut:
        parent = full()
        xr.testing.assert_identical(
            opened["quality"] * 2, parent.isel({k: v for k, v in cut.items() if k != "gti"})["quality"] * 2
        )


def test_the_order_of_dims_is_that_of_the_schema(tmp_path, kind):
    ds = make_map_dataset()
    turned = ds.transpose(*reversed(list(ds.dims)))
    assert turned["counts"].dims != ds["counts"].dims
    opened = round_trip(turned, tmp_path, kind)
    with open_plain(str(next(tmp_path.iterdir()))) as stored:
        for name, spec in VARIABLES.items():
            if name in stored:
                assert tuple(dim.removesuffix("_psf").removesuffix("_edisp") for dim in stored[name].dims) == spec.dims
    xr.testing.assert_identical(opened, turned)


@pytest.mark.parametrize("lonlat", [True, False])
def test_plain_xarray_reads_an_archive(tmp_path, kind, lonlat):
    ds = make_map_dataset()
    round_trip(ds, tmp_path, kind, lonlat=lonlat).close()
    with xr.open_dataset(tmp_path / f"archive.{kind}") as plain:
        assert plain.attrs["Conventions"].startswith("CF-")
        assert ("lon" in plain.coords) == ("lat_psf" in plain.coords) == lonlat
        assert set(ds.coords) - set(plain.coords) <= ({"lon", "lat"} if lonlat else {n for n in ds.coords if "l" in n})
        if lonlat:
            np.testing.assert_array_equal(plain["lon"], ds["lon"])
            assert plain["lon"].attrs["units"] == "deg"
        assert plain["counts"].attrs["units"] == "" and plain["exposure"].attrs["units"] == "m2 s"
        assert plain["wcs"].attrs["CTYPE1"] == "GLON-CAR"
        assert plain["mask_safe"].dtype == bool
        assert plain["livetime"].dtype == float
        np.testing.assert_array_equal(plain["energy_min"], ds["energy_min"])
        decoded = coords.decode(plain)
        xr.testing.assert_identical(decoded.drop_attrs(deep=False), ds.drop_attrs(deep=False))
    xr.testing.assert_identical(open_archive(tmp_path / f"archive.{kind}"), ds)


def test_name(tmp_path, kind):
    round_trip(make_map_dataset(name="mine"), tmp_path, kind).close()
    path = tmp_path / f"archive.{kind}"
    assert open_archive(path).attrs["name"] == "mine"
    opened = open_archive(path, name="yours")
    assert opened.attrs["name"] == "yours" and "history" not in opened.attrs


def test_a_dataset_can_replace_its_own_archive(tmp_path, kind):
    ds = make_map_dataset()
    opened = round_trip(ds, tmp_path, kind, chunks={})
    opened["counts"] = opened["counts"] * 2
    xr.testing.assert_identical(round_trip(opened, tmp_path, kind), ds.assign(counts=ds["counts"] * 2))


def test_nothing_is_overwritten_unless_asked(tmp_path, kind):
    ds = make_map_dataset()
    round_trip(ds, tmp_path, kind).close()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        WRITERS[kind](ds.assign(counts=ds["counts"] * 2), tmp_path / f"archive.{kind}")
    xr.testing.assert_identical(open_archive(tmp_path / f"archive.{kind}"), ds)


@pytest.mark.parametrize("old", [False, True])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, kind, old):
    ds = make_map_dataset()
    path = tmp_path / f"archive.{kind}"
    if old:
        round_trip(ds, tmp_path, kind).close()

    def fail(block):
        raise ZeroDivisionError

    broken = ds.chunk(x=4)
    broken["background"] = broken["background"].copy(
        data=broken["background"].data.map_blocks(fail, dtype=float, meta=np.empty((0, 0, 0)))
    )
    with pytest.raises(ZeroDivisionError):
        WRITERS[kind](broken, path, overwrite=True)
    assert [item.name for item in tmp_path.iterdir()] == ([path.name] if old else [])
    if old:
        xr.testing.assert_identical(open_archive(path), ds)


def test_what_does_not_fit_the_schema_is_not_written(tmp_path, kind):
    ds = make_map_dataset()
    for wrong, message in [
        (ds.assign(counts=ds["counts"].isel(energy=0, drop=True)), r"counts has dims \(y, x\)"),
        (ds.assign_attrs({5: "five"}), "attr named 5"),
        (ds.assign_attrs(thing=object()), "attr 'thing' of the dataset is of type object"),
        (ds.rename(livetime="a/b"), "'a/b' cannot be stored"),
    ]:
        with pytest.raises(ValueError, match=message):
            WRITERS[kind](wrong, tmp_path / f"archive.{kind}")
    assert not list(tmp_path.iterdir())


@st.composite
def datasets(draw):
    sky = SKIES[draw(st.sampled_from(sorted(SKIES)))]
    ds = make_map_dataset(
        **sky,
        npix=(draw(st.integers(4, 9)), draw(st.integers(4, 9))),
        nenergy=draw(st.integers(1, 4)),
        ntrue=draw(st.integers(1, 4)),
        nrad=3,
        binsz_irf=0.2,
        irf_on_sky=draw(st.booleans()),
        migra=draw(st.booleans()),
        seed=draw(st.integers(0, 100)),
        name=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    )
    for name in draw(st.sets(st.sampled_from(sorted(set(ds.data_vars) - {"mask_safe", "mask_fit"})))):
        ds[name] = ds[name].astype(draw(st.sampled_from(["f4", "f8"] + ["i2", "i8", "u1", "u4"] * (name == "counts"))))
    ds = ds.drop_vars(sorted(draw(st.sets(st.sampled_from(sorted(ds.data_vars))))))
    value = st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.none(),
        st.lists(st.integers(), max_size=3),
    )
    key = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
    ds.attrs |= draw(st.dictionaries(key, value, max_size=3))
    if "counts" in ds:
        ds["counts"].attrs |= draw(st.dictionaries(key, value, max_size=2))
    steps = {dim: slice(None, None, draw(st.sampled_from([1, 1, 2, 3]))) for dim in ("y", "x") if dim in ds.dims}
    ds = ds.isel(steps)
    return ds.chunk({dim: draw(st.integers(1, 4)) for dim in ds.dims}) if draw(st.booleans()) else ds


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(ds=datasets())
def test_any_dataset(tmp_path_factory, kind, ds):
    folder = tmp_path_factory.mktemp("any")
    with round_trip(ds, folder, kind) as opened:
        assert opened.identical(ds)
