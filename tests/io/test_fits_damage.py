"""Damaged files and files of other kinds: each gets an error that names the file and the part."""

import gzip
import re

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

from tests.fuzz.samples import sample
from xgamma.io.errors import FileFormatError
from xgamma.io.fits import content, write_fits
from xgamma.io.open import open_dataset

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "made.fits"
    write_fits(sample(), path)
    return path


def rewrite(path, change):
    """Change the HDUs of a file, and leave out checksums."""
    with fits.open(path) as hdus:
        for hdu in hdus:
            hdu.header.pop("CHECKSUM", None), hdu.header.pop("DATASUM", None), hdu.header.pop("NEXTEND", None)
            if hdu.data is not None:
                hdu.data = hdu.data.copy()
        change(hdus)
        hdus.writeto(path, overwrite=True)


def refused(path, words):
    with pytest.raises(FileFormatError, match=words) as caught:
        open_dataset(path).load()
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.fits"):
        open_dataset(tmp_path / "nothing.fits")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.fits", b"", "empty"),
        ("a", b"", "empty"),
        ("a.fits.gz", gzip.compress(b"", mtime=0), "empty"),
        ("a.fits", PNG, "not a FITS file.*PNG"),
        ("a.png", PNG, "neither FITS nor NetCDF nor Zarr.*PNG"),
        (
            "a.yaml",
            b"datasets:\n",
            r"neither FITS nor NetCDF nor Zarr.*xgamma\.Datasets\.read, models by xgamma\.models\.Models\.read",
        ),
        ("a.fits.gz", gzip.compress(PNG, mtime=0), "not a FITS file.*PNG"),
        ("a.fits", b"SIMPLE  =                    T".ljust(2000), "HDU PRIMARY.*END"),
        ("a.fits", b"SIMPLE  =                    T".ljust(9000), "HDU PRIMARY.*END"),
        ("a.gz", b"\x1f\x8b\x08" + bytes(50), "gzip"),
        ("a.fits.gz", b"\x1f\x8b\x09" + bytes(50), "gzip"),
    ],
)
def test_files_that_are_no_fits(tmp_path, name, data, words):
    path = tmp_path / name
    path.write_bytes(data)
    refused(path, words)


def test_a_folder(tmp_path):
    path = tmp_path / "a.fits"
    path.mkdir()
    refused(path, "folder")


def test_fits_without_a_dataset(tmp_path):
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(np.zeros((3, 4))), fits.BinTableHDU.from_columns([], name="EVENTS")]).writeto(path)
    refused(path, r"no map dataset: there are PRIMARY \(image\), EVENTS \(table\)")


@pytest.mark.parametrize("compress", [False, True])
def test_every_truncation_is_noticed(made, tmp_path, compress):
    data = made.read_bytes()
    path = tmp_path / ("cut.fits.gz" if compress else "cut.fits")
    # Zeros that fill the last block are no loss.
    data = gzip.compress(data, mtime=0) if compress else data.rstrip(b"\0")
    for size in [*range(1, len(data), len(data) // 20), *range(2880, len(data), 3 * 2880), len(data) - 1]:
        path.write_bytes(data[:size])
        refused(path, None)


def test_missing_padding_is_no_damage(made):
    made.write_bytes(made.read_bytes().rstrip(b"\0"))
    xr.testing.assert_identical(open_dataset(made), sample())


def test_flipped_bits_are_noticed(made, tmp_path):
    data = made.read_bytes()
    packed = gzip.compress(data, mtime=0)
    rng = np.random.default_rng(3)
    for name, whole in (("a.fits", data), ("a.fits.gz", packed)):
        for position in rng.integers(10 if name.endswith("gz") else 0, len(whole), 25):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << int(rng.integers(8))
            (tmp_path / name).write_bytes(damaged)
            refused(tmp_path / name, None)


def test_damaged_data_are_noticed_whenever_they_are_read(made, monkeypatch):
    with fits.open(made) as hdus:
        offset = hdus["COUNTS"].fileinfo()["datLoc"]
    data = bytearray(made.read_bytes())
    data[offset + 40] ^= 1
    made.write_bytes(data)
    ds = open_dataset(made)
    ds.background.load()
    for _ in range(2):
        with pytest.raises(FileFormatError, match="HDU COUNTS.*DATASUM"):
            ds.counts.isel(energy=0).load()
    monkeypatch.setattr(content, "_CHECK_AT_ONCE", 0)
    ds = open_dataset(made, chunks={"energy": 1})
    ds.counts.isel(energy=slice(0, 2)).compute()  # large data are checked when they have been read through
    with pytest.raises(FileFormatError, match="HDU COUNTS.*DATASUM"):
        ds.counts.isel(energy=2).compute()


def test_data_with_a_checksum_of_the_whole_alone(made):
    with fits.open(made) as hdus:
        offset = hdus["COUNTS"].fileinfo()["datLoc"]
    data = made.read_bytes()
    for change, works in ((data, True), (data[: offset + 40] + b"!" + data[offset + 41 :], False)):
        made.write_bytes(change)
        text = made.read_bytes()
        # Without DATASUM the sum of the data follows from CHECKSUM, once that is right for the header as it is now.
        with fits.open(made) as hdus:
            header = hdus["COUNTS"].header.copy()
            datasum = int(header["DATASUM"])
        start = text.index(b"DATASUM", text.index(b"COUNTS_BANDS"))
        assert text[start : start + 8] == b"DATASUM "
        blank = text[:start] + b"COMMENT ".ljust(80) + text[start + 80 :]
        from xgamma.io.fits import checksum

        block_start = offset - len(header.tostring())
        block = np.frombuffer(blank[block_start:offset], np.uint8).copy()
        position = block.tobytes().index(b"CHECKSUM= '") + 11
        block[position : position + 16] = ord("0")
        total = checksum.add(checksum.checksum(block), datasum)
        block[position : position + 16] = np.frombuffer(checksum.encode(total).encode(), np.uint8)
        made.write_bytes(blank[:block_start] + block.tobytes() + blank[offset:])
        if works:
            open_dataset(made).counts.load()
        else:
            refused(made, "HDU COUNTS.*DATASUM")


def drop(name):
    def change(hdus):
        del hdus[name]

    return change


def column(hdu, name, values):
    def change(hdus):
        hdus[hdu].data[name][:] = values

    return change


def keyword(hdu, name, value):
    def change(hdus):
        if value is None:
            del hdus[hdu].header[name]
        else:
            hdus[hdu].header[name] = value

    return change


def unit(hdu, name, text):
    return lambda hdus: hdus[hdu].columns.change_unit(name, text)


def replace_data(hdu, function):
    def change(hdus):
        hdus[hdu].data = function(hdus[hdu].data)

    return change


CASES = {
    "no bands": (drop("COUNTS_BANDS"), "HDU COUNTS: .*COUNTS_BANDS.*missing"),
    "other shape": (replace_data("COUNTS", lambda d: d[:2]), r"HDU COUNTS: .*energy.*\(3,\).*\(2, 5, 6\)"),
    "other bins": (column("BACKGROUND_BANDS", "E_MAX", [0.5, 3, 20]), "BACKGROUND_BANDS.*gaps"),
    "other energies": (
        lambda hdus: [hdus["BACKGROUND_BANDS"].data[c].__imul__(2) for c in ("ENERGY", "E_MIN", "E_MAX")],
        "HDU BACKGROUND: .*energy.*HDU COUNTS",
    ),
    "falling edges": (column("COUNTS_BANDS", "E_MIN", [3, 2, 1]), "COUNTS_BANDS.*E_MIN.*rise"),
    "equal edges": (column("COUNTS_BANDS", "E_MIN", [1, 1, 2]), "COUNTS_BANDS"),
    "nan edges": (column("COUNTS_BANDS", "E_MIN", [1, np.nan, 2]), "COUNTS_BANDS.*E_MIN.*finite"),
    "negative edges": (column("COUNTS_BANDS", "E_MIN", [-1, 0.46, 2.15]), "COUNTS_BANDS.*"),
    "no grid of bins": (column("EDISP_BANDS", "E_MIN", np.arange(12)), "EDISP_BANDS.*12 rows"),
    "no column": (keyword("COUNTS_BANDS", "AXCOLS1", "E_LOW,E_HIGH"), "COUNTS_BANDS.*AXCOLS1.*E_LOW"),
    "no axis": (lambda hdus: [hdus[h].header.pop("AXCOLS1") for h in ("COUNTS", "COUNTS_BANDS")], "AXCOLS1.*missing"),
    "wrong axis": (keyword("EXPOSURE_BANDS", "AXCOLS1", "RAD"), "EXPOSURE_BANDS.*RAD"),
    "unknown unit": (keyword("EXPOSURE", "BUNIT", "furlong"), "HDU EXPOSURE: BUNIT.*'furlong'.*unknown"),
    "endless unit": (keyword("EXPOSURE", "BUNIT", "10**99999999 s"), "HDU EXPOSURE: BUNIT.*unknown"),
    "other unit": (keyword("EXPOSURE", "BUNIT", "m2"), "HDU EXPOSURE: BUNIT.*'m2'.*converted"),
    "no unit": (keyword("EXPOSURE", "BUNIT", None), "HDU EXPOSURE: BUNIT"),
    "unit of axis": (unit("COUNTS_BANDS", "E_MIN", "K"), "COUNTS_BANDS.*E_MIN.*'K'"),
    "other pixels": (keyword("BACKGROUND", "CRVAL1", 3.0), "HDU BACKGROUND: .*pixels.*HDU COUNTS"),
    "no wcs": (keyword("COUNTS", "CTYPE1", "X"), "HDU COUNTS, its WCS"),
    "flat wcs": (keyword("COUNTS", "CDELT1", 0.0), "HDU COUNTS, its WCS"),
    "far wcs": (keyword("COUNTS", "CRPIX1", 1e300), "HDU COUNTS: CRPIX1"),
    "livetime": (keyword("EXPOSURE", "META", '{"livetime": "long"}'), "HDU EXPOSURE: META.*livetime"),
    "meta": (keyword("EXPOSURE", "META", "{"), "HDU EXPOSURE: META"),
    "no reference time": (keyword("GTI", "MJDREFI", None), "HDU GTI: .*MJDREFI"),
    "no stop": (lambda hdus: hdus["GTI"].columns.change_name("STOP", "END"), "HDU GTI: .*STOP"),
    "extras": (column("XGAMMA", "JSON", "["), "HDU XGAMMA: .*JSON"),
    "twice": (lambda hdus: hdus.append(hdus["COUNTS"].copy()), "HDU COUNTS: .*two"),
    "healpix": (keyword("COUNTS", "PIXTYPE", "HEALPIX"), "HDU COUNTS: .*HEALPix"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_named(made, case):
    change, words = CASES[case]
    rewrite(made, change)
    refused(made, words)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("NAXIS3", 10**12, "HDU COUNTS: .*truncated"),
        ("NAXIS3", -1, "HDU COUNTS: NAXIS3"),
        ("NAXIS3", "'x'", "HDU COUNTS: NAXIS3"),
        ("NAXIS", 900, "HDU COUNTS: NAXIS"),
        ("BITPIX", 12, "HDU COUNTS: BITPIX"),
        ("NAXIS3", "&&", "HDU COUNTS: .*header|HDU COUNTS: NAXIS3|HDU number 1"),
    ],
)
def test_structure_that_cannot_be(made, key, value, words):
    """Cards are changed in place, since astropy would not write such headers; checksums go first."""
    rewrite(made, lambda hdus: None)
    data = made.read_bytes()
    start = data.index(f"{key:8}=".encode(), data.index(b"XTENSION"))
    made.write_bytes(data[:start] + f"{key:8}= {value:>20}".encode().ljust(80) + data[start + 80 :])
    refused(made, words)


@pytest.mark.parametrize("card", ["NAXIS2", "TFIELDS", "NAXIS1"])
def test_tables_that_announce_too_much(made, card):
    rewrite(made, lambda hdus: None)
    data = made.read_bytes()
    start = data.index(f"{card:8}=".encode(), data.index(b"XTENSION= 'BINTABLE'"))
    made.write_bytes(data[:start] + f"{card:8}= {2**40:>20}".encode().ljust(80) + data[start + 80 :])
    refused(made, "HDU COUNTS_BANDS")


def test_errors_survive_a_trip_to_another_process(made):
    import pickle

    made.write_bytes(made.read_bytes()[:5000])
    with pytest.raises(FileFormatError) as caught:
        open_dataset(made)
    assert re.search("truncated|END", str(pickle.loads(pickle.dumps(caught.value))))
