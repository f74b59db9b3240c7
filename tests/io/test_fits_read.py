"""Reading FITS files: lazily, wherever the data are needed, and what the headers may say."""

import gzip
import importlib.metadata
import os
import pickle

import dask
import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

from tests.fuzz.samples import sample
from xgamma.io.engine import XgammaBackendEntrypoint
from xgamma.io.errors import FileFormatError
from xgamma.io.fits import content, write_fits
from xgamma.io.fits.content import Content
from xgamma.io.open import open_dataset


@pytest.fixture(params=["fits", "fits.gz"])
def path(tmp_path, request):
    target = tmp_path / f"made.{request.param}"
    write_fits(sample(), target)
    return target


@pytest.fixture
def plain(tmp_path):
    target = tmp_path / "made.fits"
    write_fits(sample(), target)
    return target


def edit(path, change):
    """Change the HDUs of a file with astropy, and leave out checksums."""
    with fits.open(path, uint=True) as hdus:
        for hdu in hdus:
            hdu.header.pop("CHECKSUM", None), hdu.header.pop("DATASUM", None), hdu.header.pop("NEXTEND", None)
            if hdu.data is not None:
                hdu.data = hdu.data.copy()
        change(hdus)
        hdus.writeto(path, overwrite=True)


class Regions:
    """Counts which parts of files are read."""

    def __init__(self, monkeypatch):
        self.read = []
        region = Content.region
        monkeypatch.setattr(Content, "region", lambda c, o, n: (self.read.append((o, n)), region(c, o, n))[1])


def test_opening_reads_no_image(plain, monkeypatch):
    regions = Regions(monkeypatch)
    ds = open_dataset(plain)
    with fits.open(plain) as hdus:
        images = [h.fileinfo()["datLoc"] for h in hdus if isinstance(h, fits.ImageHDU)]
    assert images and not {offset for offset, _ in regions.read} & set(images)
    ds.counts.load()
    assert {offset for offset, _ in regions.read} & set(images)


def test_parts_are_read_alone(plain, monkeypatch):
    monkeypatch.setattr(content, "_CHECK_AT_ONCE", 0)
    ds = open_dataset(plain)
    part = ds.counts.isel(energy=1, y=slice(1, 3), x=[0, 4])
    np.testing.assert_array_equal(part, sample().counts.isel(energy=1, y=slice(1, 3), x=[0, 4]))
    points = {"y": xr.DataArray([0, 3], dims="p"), "x": xr.DataArray([5, -1], dims="p")}
    np.testing.assert_array_equal(ds.mask_safe.isel(points), sample().mask_safe.isel(points))
    assert ds.exposure.isel(energy_true=slice(None, None, -2)).identical(sample().exposure[::-2])


@pytest.mark.parametrize("chunks", [{}, {"energy": 1, "x": 4}, "auto"])
def test_chunks_are_dask_and_the_same(path, chunks, no_compute):
    with no_compute():
        ds = open_dataset(path, chunks=chunks)
        assert all(dask.is_dask_collection(ds[name]) for name in ("counts", "mask_fit", "exposure", "psf"))
        assert not any(dask.is_dask_collection(ds[name]) for name in ds.coords)
    if isinstance(chunks, dict) and chunks:
        assert ds.counts.chunks == ((1, 1, 1), (5,), (4, 2))
    with dask.config.set(scheduler="threads"):
        xr.testing.assert_identical(ds.compute(), sample())


def test_without_chunks_data_load_on_first_use(path):
    ds = open_dataset(path)
    assert not ds.counts.variable._in_memory
    ds.counts.load()
    assert ds.counts.variable._in_memory
    xr.testing.assert_identical(ds, sample())


def test_the_engine(path, no_compute):
    with no_compute():
        ds = xr.open_dataset(path, engine=XgammaBackendEntrypoint, chunks={}, drop_variables=["psf", "nothing"])
    assert "psf" not in ds and dask.is_dask_collection(ds.counts)
    with xr.open_dataset(path, engine=XgammaBackendEntrypoint, name="other") as ds:
        xr.testing.assert_identical(ds, sample().assign_attrs(name="other"))
    guess = XgammaBackendEntrypoint().guess_can_open
    assert guess(path) and guess("a.fit") and guess("A.FITS")
    assert not guess("a.nc") and not guess(b"SIMPLE") and not guess("fits")


def test_no_engine_is_needed(path):
    names = {point.name for point in importlib.metadata.entry_points(group="xarray.backends")}
    if "xgamma" not in names:
        pytest.skip("needs xgamma to be installed, which makes its engine known to xarray")
    with xr.open_dataset(path, chunks={}) as ds:
        assert dask.is_dask_collection(ds.counts)
        xr.testing.assert_identical(ds.compute(), sample())


def test_pickles_are_small_and_open_the_file_again(path):
    for chunks in (None, {}):
        ds = open_dataset(path, chunks=chunks)
        text = pickle.dumps(ds)
        assert len(text) < 50_000
        ds.close()
        xr.testing.assert_identical(pickle.loads(text).compute(), sample())


def test_a_process_unpacks_once_for_all_variables(tmp_path, monkeypatch):
    path = tmp_path / "made.fits.gz"
    write_fits(sample(), path)
    unpacked = []
    unpack = content._unpack
    monkeypatch.setattr(content, "_unpack", lambda *a: (unpacked.append(1), unpack(*a))[1])
    ds = open_dataset(path, chunks={"energy": 1})
    ds.compute(scheduler="threads")
    assert len(unpacked) == 1
    # As on a worker that gets each variable for itself, when the first opening is forgotten.
    texts = [pickle.dumps(ds[name].variable.data) for name in ("counts", "exposure", "psf")]
    ds.close()
    del ds
    unpacked.clear()
    parts = [pickle.loads(text) for text in texts]
    dask.compute(*parts, scheduler="threads")
    assert len(unpacked) == 1


def test_large_unpacked_files_go_to_disk(tmp_path, monkeypatch):
    path = tmp_path / "made.fits.gz"
    write_fits(sample(), path)
    monkeypatch.setattr(content, "_IN_MEMORY", 1000)
    monkeypatch.setattr(content, "_PIECE", 500)
    ds = open_dataset(path)
    xr.testing.assert_identical(ds, sample())
    ds.close()


def test_a_file_that_changed_is_noticed(path):
    ds = open_dataset(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(FileFormatError, match=rf"{path.name}.*changed since it was opened"):
        ds.counts.load()
    again = open_dataset(path)
    write_fits(sample(seed=2), path, overwrite=True)
    with pytest.raises(FileFormatError, match="changed"):
        again.mask_fit.load()
    xr.testing.assert_identical(open_dataset(path), sample(seed=2))
    last = open_dataset(path)
    path.unlink()
    with pytest.raises(FileFormatError, match="removed"):
        last.counts.load()


def test_members_and_padding_of_gzip(plain, tmp_path):
    data = plain.read_bytes()
    path = tmp_path / "parts.fits.gz"
    path.write_bytes(gzip.compress(data[:5000]) + gzip.compress(data[5000:]) + bytes(512))
    xr.testing.assert_identical(open_dataset(path), sample())


def test_large_maps_are_chunked_alike(tmp_path):
    from xgamma.io.fits.reader import _preferred_chunks

    few = xr.Variable(("energy", "y", "x"), np.broadcast_to(np.float32(0), (3, 4000, 3000)))
    many = xr.Variable(("energy_true", "rad", "y", "x"), np.broadcast_to(0.0, (5, 6, 4000, 3000)))
    assert _preferred_chunks(few) == {"energy": 3, "y": 500, "x": 500}
    assert _preferred_chunks(many) == {"energy_true": 5, "rad": 6, "y": 500, "x": 500}
    assert _preferred_chunks(few[:, :300, :300]) == {}


def test_scaled_and_blank_integers(plain):
    def change(hdus):
        image = hdus["COUNTS"]
        stored = np.arange(image.data.size, dtype="i2").reshape(image.data.shape)
        image.data = stored
        image.header["BLANK"] = 7
        hdus["BACKGROUND"].data = stored.copy()

    edit(plain, change)
    with fits.open(plain, mode="update", do_not_scale_image_data=True) as hdus:
        hdus["BACKGROUND"].header["BSCALE"] = 0.5
        hdus["BACKGROUND"].header["BZERO"] = 10
    ds = open_dataset(plain)
    expected = np.arange(ds.counts.size, dtype="f4").reshape(ds.counts.shape)
    assert ds.background.dtype == "f4"
    np.testing.assert_array_equal(ds.background, expected * 0.5 + 10)
    expected.flat[7] = np.nan
    np.testing.assert_array_equal(ds.counts, expected)


@pytest.mark.parametrize("text", ["m2 s", "s m2", "m^2 s", "m**2 s", "m2.s", "s.m2"])
def test_spellings_of_units(plain, text):
    edit(plain, lambda hdus: hdus["EXPOSURE"].header.set("BUNIT", text))
    assert open_dataset(plain).exposure.attrs["units"] == "m2 s"


def test_units_are_kept(plain):
    def change(hdus):
        hdus["EXPOSURE"].header["BUNIT"] = "cm2 s"
        hdus["COUNTS"].header["BUNIT"] = "ct"
        hdus["PSF"].header["BUNIT"] = "1 / sr"
        bands = hdus["EXPOSURE_BANDS"]
        for name in bands.columns.names[1:]:
            bands.columns.change_unit(name, "GeV")
            bands.data[name] *= 1000

    edit(plain, change)
    ds = open_dataset(plain)
    assert [ds[n].attrs["units"] for n in ("exposure", "counts", "psf")] == ["cm2 s", "", "sr-1"]
    assert ds.energy_true.attrs["units"] == "GeV"
    assert set(ds.dims) == set(sample().dims)  # the bins of psf and edisp, in TeV, are still the same


def test_bins_in_single_precision(plain):
    def change(hdus):
        table = hdus["EDISP_BANDS"]
        columns = [
            fits.Column(c.name, "E" if c.format == "D" else c.format, c.unit, array=table.data[c.name])
            for c in table.columns
        ]
        header = table.header
        hdus["EDISP_BANDS"] = fits.BinTableHDU.from_columns(columns, name="EDISP_BANDS")
        hdus["EDISP_BANDS"].header.update({k: v for k, v in header.items() if k.startswith(("AXCOLS", "INTERP"))})

    edit(plain, change)
    ds = open_dataset(plain)
    assert ds.energy_true.dtype == ds.energy_true_min.dtype == float
    assert "energy_true_edisp" not in ds.dims


def test_a_true_energy_axis_of_its_own(plain):
    def change(hdus):
        for name in ("PSF_BANDS", "PSF_EXPOSURE_BANDS"):
            for column in ("ENERGY_TRUE", "ENERGY_TRUE_MIN", "ENERGY_TRUE_MAX"):
                hdus[name].data[column] *= 1.001

    edit(plain, change)
    ds = open_dataset(plain)
    assert ds.psf.dims[0] == ds.psf_exposure.dims[0] == "energy_true_psf"
    assert ds.edisp.dims[0] == "energy_true"


def test_images_of_one_pixel_have_no_sky(plain):
    def change(hdus):
        for name in ("PSF", "PSF_EXPOSURE"):
            hdus[name].data = hdus[name].data[..., :1, :1]
            hdus[name].header.pop("WCSSHAPE")

    edit(plain, change)
    ds = open_dataset(plain)
    assert ds.psf.dims == ("energy_true", "rad") and ds.psf_exposure.dims == ("energy_true",)
    np.testing.assert_array_equal(ds.psf, sample().psf[..., 0, 0])
    assert "wcs_psf" not in ds.coords


@pytest.mark.parametrize(
    "meta",
    ['{"livetime": "0.25 h"}', '{"livetime": {"value": 900, "unit": "s"}}', '{"livetime": "9e2 s", "x": 1}'],
)
def test_livetime(plain, meta):
    edit(plain, lambda hdus: hdus["EXPOSURE"].header.set("META", meta))
    ds = open_dataset(plain)
    assert float(ds.livetime) == 900 and ds.livetime.attrs["units"] == "s"


def test_good_time_intervals(plain):
    def change(hdus):
        header = hdus["GTI"].header
        header["MJDREF"] = 51544.25
        del header["MJDREFI"], header["MJDREFF"]
        header["TIMESYS"] = "UTC"
        for name in ("START", "STOP"):
            hdus["GTI"].columns.change_unit(name, "min")

    edit(plain, change)
    ds = open_dataset(plain)
    np.testing.assert_allclose(ds.gti_stop, sample().gti_stop * 60)
    attrs = ds.gti_start.attrs
    assert (attrs["mjdrefi"], attrs["mjdreff"], attrs["timesys"], attrs["units"]) == (51544, 0.25, "utc", "s")


def test_the_name_is_that_of_the_file_if_the_file_has_none(plain):
    edit(plain, lambda hdus: hdus["PRIMARY"].header.pop("NAME"))
    assert open_dataset(plain).attrs["name"] == "made"
