"""Empty datasets: gammapy's defaults, grids and axes taken over, times, memory."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

import xgamma.create
from tests.builders import SKIES, make_map_dataset
from xgamma.coords import Axis, SkyGrid, WcsIndex, energy_edges
from xgamma.create import create_map_dataset
from xgamma.geoms import geoms
from xgamma.schema import VARIABLES, base_name

ENERGY = energy_edges("1 TeV", "10 TeV", nbin=3)
CRAB = SkyCoord(83.63, 22.01, unit="deg")


def test_tutorial_default(reference):
    energy = energy_edges("1 TeV", "10 TeV", nbin=11)
    ds = create_map_dataset(CRAB, width=5, binsz=0.05, energy=energy, name="my-dataset")
    check_geoms(ds, reference("tutorial_cta")["create_default"]["geoms"])
    assert ds.attrs["name"] == "my-dataset"
    assert ds.sizes["gti"] == 0


def test_tutorial_custom(reference):
    ds = create_map_dataset(
        CRAB,
        width=5 * u.deg,
        binsz="0.05 deg",
        energy=energy_edges("1 TeV", "10 TeV", nbin=11),
        energy_true=energy_edges("0.1 TeV", "100 TeV", nbin=11, per_decade=True),
        rad=np.linspace(0, 5, 51) * u.deg,
        binsz_irf=0.1,
        gti=(0 * u.s, 1000 * u.s),
        name="dataset-empty",
    )
    want = reference("tutorial_cta")["create_custom"]
    check_geoms(ds, want["geoms"])
    assert float((ds.gti_stop - ds.gti_start).sum()) == pytest.approx(want["info"]["ontime"]["value"])


def check_geoms(ds, want):
    got = geoms(ds)
    assert got.keys() == want.keys()
    for kind, geom in got.items():
        # gammapy has (energy_true, energy) and (energy_true, rad), as the schema does
        assert list(geom.shape) == want[kind]["shape"]
        np.testing.assert_allclose(geom.grid.pixel_scale, want[kind]["binsz"][::-1])
        for name, axis in want[kind]["axes"].items():
            np.testing.assert_allclose(geom.axes[name].to(axis["unit"]).edges, axis["edges"], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("sky", SKIES)
def test_layout_follows_the_schema(sky):
    options = SKIES[sky]
    ds = create_map_dataset(**options, width=(2, 1), binsz=0.1, energy=ENERGY)
    assert ds.counts.shape == (3, 10, 20)
    for name, array in ds.data_vars.items():
        spec = VARIABLES[name]
        assert tuple(base_name(dim).removesuffix("_psf").removesuffix("_edisp") for dim in array.dims) == spec.dims
        assert not array.any()
        assert array.dtype.kind == spec.dtype
        assert array.attrs.get("units") == (None if spec.dtype == "b" else spec.unit)
    assert all(isinstance(ds.xindexes[name], WcsIndex) for name in ("lon", "lat_psf", "lat_edisp"))
    center = SkyGrid.from_dataset(ds).center
    assert center.separation(SkyCoord(*options["center"], unit="deg", frame=options["frame"])).deg < 0.1


def test_axes_of_any_unit():
    axis = Axis.from_edges("energy_true", [10.0, 20.0, 90.0], "GeV")
    ds = create_map_dataset(width=1, binsz=0.5, energy=[1, 3, 9] * u.GeV, energy_true=axis)
    assert ds.energy.attrs["units"] == ds.energy_true.attrs["units"] == "GeV"
    np.testing.assert_allclose(ds.energy_true_max, [20, 90])


@pytest.mark.parametrize("sky", SKIES)
def test_like_dataset(sky):
    source = make_map_dataset(**SKIES[sky])
    ds = create_map_dataset(like=source)
    assert not ds.counts.any()
    xr.testing.assert_identical(xr.zeros_like(source.counts).coords.to_dataset(), ds.counts.coords.to_dataset())
    assert ds.psf.sizes == source.psf.sizes
    finer = create_map_dataset(like=source, binsz_irf=0.2, energy=ENERGY)
    assert finer.sizes["energy"] == 3
    assert finer.sizes["energy_true"] == source.sizes["energy_true"]
    assert finer.sizes["x_psf"] == 2 * source.sizes["x_psf"]


def test_like_a_spectrum_of_axes_alone():
    source = make_map_dataset(irf_on_sky=False)
    ds = create_map_dataset(like=source)
    assert ds.sizes["rad"] == source.sizes["rad"]
    assert ds.sizes["x_psf"] == 8


def test_like_wcs():
    grid = SkyGrid.create(CRAB, binsz=0.1, shape=(6, 8), proj="TAN")
    ds = create_map_dataset(like=(grid.fits_header(), (6, 8)), energy=ENERGY)
    assert SkyGrid.from_dataset(ds).equals(grid)


@pytest.mark.parametrize(
    "gti",
    [
        (10 * u.s, 70 * u.s),
        ([10] * u.s, [70] * u.s),
        ("10 s", "70 s"),
        (Time("2000-01-01T00:00:10"), Time("2000-01-01T00:01:10")),
        Table({"START": [10], "STOP": [70]}),
        Table({"START": [10] * u.s, "STOP": [70] * u.s}, meta={"MJDREFI": 51544, "MJDREFF": 64.184 / 86400}),
        {"start": Time(["2000-01-01T00:00:10"]), "stop": Time(["2000-01-01T00:01:10"])},
    ],
    ids=["scalar", "array", "text", "times", "table", "table with reference", "mapping"],
)
def test_gti(gti):
    ds = create_map_dataset(width=1, binsz=0.5, energy=ENERGY, gti=gti)
    np.testing.assert_allclose(ds.gti_start, [10], atol=1e-5)
    np.testing.assert_allclose(ds.gti_stop, [70], atol=1e-5)
    assert ds.gti_start.attrs == {"units": "s", "mjdrefi": 51544, "mjdreff": 64.184 / 86400, "timesys": "tt"}


def test_gti_keeps_the_reference_of_a_table():
    table = Table({"START": [Time("2024-01-01").mjd - 60310], "STOP": [1.0]}, units={"START": "d", "STOP": "d"})
    table.meta = {"mjdrefi": 60310, "mjdreff": 0.0, "timesys": "utc"}
    ds = create_map_dataset(width=1, binsz=0.5, energy=ENERGY, gti=table)
    np.testing.assert_allclose(ds.gti_stop, [86400])
    assert (ds.gti_stop.attrs["mjdrefi"], ds.gti_stop.attrs["timesys"]) == (60310, "utc")


@pytest.mark.parametrize(
    ("chunks", "want"),
    [({}, (3, 10, 20)), ({"x": 7}, (3, 10, 7)), (4, (3, 4, 4)), ("auto", (3, 10, 20))],
)
def test_chunks(chunks, want, no_compute):
    with no_compute():
        ds = create_map_dataset(width=(2, 1), binsz=0.1, energy=ENERGY, chunks=chunks)
    assert tuple(sizes[0] for sizes in ds.counts.chunks) == want
    plain = create_map_dataset(width=(2, 1), binsz=0.1, energy=ENERGY)
    assert ds.compute().identical(plain)


def test_too_large_for_memory_is_lazy(monkeypatch, no_compute):
    monkeypatch.setattr(xgamma.create, "free_memory", lambda: 1e9)
    with no_compute():
        ds = create_map_dataset(binsz=0.05, energy=ENERGY)
    assert ds.counts.shape == (3, 3600, 7200)
    assert all(ds[name].chunks for name in ("counts", "background", "mask_safe", "exposure", "psf", "edisp"))
    assert ds.chunks["x"][0] < 7200
    assert max(np.prod([c[0] for c in array.chunks]) for array in ds.values() if array.chunks) * 4 <= 64 * 2**20
    assert create_map_dataset(width=1, binsz=0.5, energy=ENERGY).counts.chunks is None


def test_free_memory_is_a_number_of_bytes():
    assert 1e6 < xgamma.create.free_memory() < 1e15


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "There are no energies"),
        ({"energy": [1, 2] * u.deg}, "energy is in 'deg'"),
        ({"energy": [2, 1] * u.TeV}, "edges"),
        ({"energy": ENERGY, "proj": "XYZ"}, "XYZ"),
        ({"energy": ENERGY, "frame": "moon"}, "moon"),
        ({"energy": ENERGY, "width": 0.1}, "no pixel is left"),
        ({"energy": ENERGY, "like": make_map_dataset(), "width": 1}, "width"),
        ({"energy": ENERGY, "like": "CAR"}, "like must be"),
        ({"energy": ENERGY, "width": 1, "chunks": {"z": 1}}, "chunks names"),
        ({"energy": ENERGY, "width": 1, "gti": (1 * u.s, 0 * u.s)}, "ends before it starts"),
        ({"energy": ENERGY, "width": 1, "gti": ([1, 2] * u.s, 3 * u.s)}, "2 starts"),
        ({"energy": ENERGY, "width": 1, "gti": 5}, "gti must be"),
        ({"energy": ENERGY, "width": 1, "gti": {"START": [1]}}, "STOP"),
        ({"energy": ENERGY, "width": 1, "gti": (1 * u.m, 2 * u.m)}, "good time interval"),
    ],
)
def test_errors(options, text):
    with pytest.raises(ValueError, match=text):
        create_map_dataset(**options)
