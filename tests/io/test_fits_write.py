"""What `write_fits` writes, and that reading gives it back."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

from tests.fuzz.samples import PLACES, sample
from xgamma.io.fits import write_fits
from xgamma.io.open import open_dataset


@pytest.mark.parametrize("ending", ["fits", "fits.gz"])
@pytest.mark.parametrize("irf_sky", [True, False], ids=["irf-maps", "irf-tables"])
@pytest.mark.parametrize("place", PLACES)
def test_round_trip_is_identical(tmp_path, place, irf_sky, ending):
    ds = sample(place, irf_sky)
    before = ds.copy(deep=True)
    write_fits(ds, tmp_path / f"a.{ending}")
    xr.testing.assert_identical(open_dataset(tmp_path / f"a.{ending}"), ds)
    xr.testing.assert_identical(ds, before)
    assert ds.lon.identical(open_dataset(tmp_path / f"a.{ending}").lon)


def test_chunked_data_give_the_same_file(tmp_path):
    ds = sample()
    write_fits(ds, tmp_path / "a.fits")
    write_fits(ds.chunk(x=4, energy=2), tmp_path / "b.fits")
    write_fits(ds.transpose(..., "energy_true", "x", "energy"), tmp_path / "c.fits")
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "c.fits").read_bytes()


def test_chunks_are_computed_a_few_at_a_time(tmp_path, monkeypatch):
    import dask

    from xgamma.io.fits import stream

    ds = sample().chunk(x=2)
    batches = []
    compute = dask.compute
    monkeypatch.setattr(dask, "compute", lambda *a, **k: (batches.append(len(a)), compute(*a, **k))[1])
    monkeypatch.setattr(stream, "_SLAB", 2 * ds.counts[:, :, :2].nbytes)
    write_fits(ds[["counts"]], tmp_path / "a.fits")
    assert batches == [2, 1]


def test_data_without_chunks_are_loaded_slab_by_slab(tmp_path, monkeypatch):
    from xgamma.io.fits import stream

    write_fits(sample(), tmp_path / "a.fits")
    lazy = open_dataset(tmp_path / "a.fits")
    monkeypatch.setattr(stream, "_SLAB", lazy.counts.nbytes // 2)
    write_fits(lazy, tmp_path / "b.fits")
    assert not lazy.counts.variable._in_memory
    xr.testing.assert_identical(open_dataset(tmp_path / "b.fits"), sample())


def test_a_spectrum_keeps_its_region(tmp_path):
    ds = sample("tan", irf_sky=False).isel(x=2, y=3).drop_vars(["x", "y", "wcs"])
    ds = ds.assign_attrs(region="icrs\ncircle(83.630000000000,22.010000000000,0.11)\n")
    write_fits(ds, tmp_path / "a.fits")
    back = open_dataset(tmp_path / "a.fits")
    xr.testing.assert_identical(back, ds)
    with fits.open(tmp_path / "a.fits") as hdus:
        del hdus["XGAMMA"]
        del hdus["PRIMARY"].header["NEXTEND"], hdus["PRIMARY"].header["CHECKSUM"]
        hdus.writeto(tmp_path / "b.fits")
    foreign = open_dataset(tmp_path / "b.fits")
    assert foreign.counts.dims == ("energy",)
    assert foreign.attrs["region"].splitlines()[1] == "icrs"
    assert float(foreign.lon) == pytest.approx(83.63, abs=1e-9) and foreign.lon.attrs["frame"] == "icrs"
    assert float(foreign.lat) == pytest.approx(22.01, abs=1e-9)
    with pytest.raises(ValueError, match="region"):
        write_fits(ds.assign_attrs(region="nowhere"), tmp_path / "c.fits")


def test_checksums_are_those_of_astropy():
    from xgamma.io.fits import checksum

    rng = np.random.default_rng(0)
    hdu = fits.ImageHDU()
    for total in [0, 1, 2**32 - 1, *rng.integers(2**32, size=500).tolist()]:
        assert checksum.encode(total) == hdu._char_encode(~np.uint32(total))
    for size in (0, 1, 7, 2880, 100_001):
        data = rng.integers(0, 256, size, dtype=np.uint8)
        assert checksum.checksum(data) == hdu._compute_checksum(data)


def test_cutouts_keep_their_place(tmp_path):
    ds = sample("tan").isel(x=slice(2, 5), y=slice(1, 3), energy=slice(1, 3))
    write_fits(ds, tmp_path / "a.fits")
    xr.testing.assert_identical(open_dataset(tmp_path / "a.fits"), ds)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_types_survive(tmp_path, dtype):
    ds = sample()[["counts"]]
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(dtype)
    values = np.resize(np.array([limits.min, limits.max, 0, 1, 7], dtype), ds.counts.shape)
    ds = ds.assign(counts=ds.counts.copy(data=values))
    write_fits(ds, tmp_path / "a.fits")
    back = open_dataset(tmp_path / "a.fits")
    assert back.counts.dtype == dtype
    np.testing.assert_array_equal(back.counts, values)
    np.testing.assert_array_equal(fits.getdata(tmp_path / "a.fits", "COUNTS"), values)


def test_astropy_finds_the_checksums_right(tmp_path):
    for irf_sky in (True, False):
        write_fits(sample(irf_sky=irf_sky), tmp_path / "a.fits", overwrite=True)
        with fits.open(tmp_path / "a.fits", checksum=True) as hdus:  # a wrong checksum warns
            assert len(hdus) == 22 if irf_sky else len(hdus) > 20
            for hdu in hdus:
                assert hdu.verify_checksum() == 1
                assert hdu.verify_datasum() == 1


def test_names_and_attrs_that_headers_cannot_hold(tmp_path):
    ds = sample().assign_attrs(name=" Größe ", meta='{"a": [[1], 2]}', models="x" * 20_000, extra=[1, 2.5, None])
    ds.counts.attrs["note"] = "kept"
    ds.energy.attrs["long_name"] = "energy"
    write_fits(ds, tmp_path / "a.fits")
    back = open_dataset(tmp_path / "a.fits")
    xr.testing.assert_identical(back, ds)
    assert back.energy.attrs == ds.energy.attrs
    assert open_dataset(tmp_path / "a.fits", name="other").attrs["name"] == "other"


def test_livetime_without_exposure(tmp_path):
    ds = sample()[["counts", "livetime"]]
    write_fits(ds, tmp_path / "a.fits")
    assert float(open_dataset(tmp_path / "a.fits").livetime) == float(ds.livetime)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ds: ds.isel(x=slice(None, None, 2)), "counts.*gaps"),
        (lambda ds: ds.isel(y=slice(None, None, -1)), "counts.*reversed"),
        (lambda ds: ds.isel(energy=slice(None, None, 2)), "'energy'.*gaps"),
        (lambda ds: ds.isel(energy=slice(None, None, -1)), "'energy'.*rise"),
        (lambda ds: ds.isel(energy=0), "counts.*single bins"),
        (lambda ds: ds.isel(x=slice(0, 0)), "counts.*empty"),
        (lambda ds: ds.assign(npred=ds.counts * 2), "npred.*drop_vars"),
        (lambda ds: ds.assign(counts=ds.counts.astype(complex)), "counts.*complex"),
        (lambda ds: ds.assign_coords(label=("energy", ["a", "b", "c"])), "label.*drop_vars"),
        (lambda ds: ds.assign_attrs(thing=object()), "thing.*drop"),
        (lambda ds: ds.drop_vars("gti_stop"), "gti_stop.*missing"),
        (lambda ds: ds[["gti_start", "gti_stop"]], "no map"),
    ],
)
def test_what_fits_cannot_express_is_refused(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        write_fits(change(sample()), tmp_path / "a.fits")
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_unasked(tmp_path):
    write_fits(sample(), tmp_path / "a.fits")
    with pytest.raises(FileExistsError, match=r"a\.fits"):
        write_fits(sample(seed=2), tmp_path / "a.fits")
    xr.testing.assert_identical(open_dataset(tmp_path / "a.fits"), sample())
    write_fits(sample(seed=2), tmp_path / "a.fits", overwrite=True)
    xr.testing.assert_identical(open_dataset(tmp_path / "a.fits"), sample(seed=2))


@pytest.mark.parametrize("ending", ["fits", "fits.gz"])
def test_a_failing_write_leaves_the_old_file_alone(tmp_path, ending):
    import dask.array as da

    path = tmp_path / f"a.{ending}"
    write_fits(sample(), path)

    def fail(block):
        raise RuntimeError("no data")

    ds = sample()
    bad = da.map_blocks(fail, da.from_array(ds.mask_fit.values), dtype=bool, meta=np.empty((0, 0, 0), bool))
    with pytest.raises(RuntimeError, match="no data"):
        write_fits(ds.assign(mask_fit=ds.mask_fit.copy(data=bad)), path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    xr.testing.assert_identical(open_dataset(path), ds)


_KILLED = """
import sys, time
import dask.array as da, numpy as np
from tests.fuzz.samples import sample
from xgamma.io.fits import write_fits
ds = sample()
def wait(block):
    print("writing", flush=True)
    time.sleep(60)
    return block
slow = da.map_blocks(wait, da.from_array(ds.mask_fit.values), dtype=bool, meta=np.empty((0, 0, 0), bool))
write_fits(ds.assign(mask_fit=ds.mask_fit.copy(data=slow)), sys.argv[1], overwrite=True)
"""


def test_a_killed_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.fits"
    write_fits(sample(), path)
    process = subprocess.Popen([sys.executable, "-c", _KILLED, path], stdout=subprocess.PIPE, cwd=os.getcwd())
    with process:
        assert process.stdout.readline() == b"writing\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    xr.testing.assert_identical(open_dataset(path), sample())
