"""Spectra in OGIP files: what is written, what is read back, which keywords count."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

import xgamma as xg
from tests.spectra import plain_spectrum, spectrum
from xgamma.io.errors import FileFormatError
from xgamma.io.ogip import open_ogip, write_ogip

KINDS = ("pha", "arf", "rmf", "bkg")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ogip") / "files"
    return folder, spectrum().gp.to_ogip(folder)


@pytest.fixture
def folder(written, tmp_path):
    """A copy of the files, to be changed."""
    return shutil.copytree(written[0], tmp_path / "copy")


def change(path, hdu="SPECTRUM", drop=(), **cards):
    """Change keywords or, given arrays, columns of a table; checksums go."""
    with fits.open(path) as hdus:
        table = hdus[hdu]
        for key, value in cards.items():
            if isinstance(value, np.ndarray):
                columns = [column for column in table.columns if column.name != key]
                columns.append(fits.Column(key, "L" if value.dtype == bool else "D", array=value))
                header = table.header
                table = fits.BinTableHDU.from_columns(columns, name=hdu)
                for card in header.cards:
                    if card.keyword not in table.header and not card.keyword.startswith("TLM"):
                        table.header.append(card)
                hdus[hdu] = table
            else:
                table.header[key] = value
        for key in drop:
            table.header.pop(key, None)
        for part in hdus:
            for key in ("CHECKSUM", "DATASUM", *drop):
                if part is table or key.endswith("SUM"):
                    part.header.pop(key, None)
        hdus.writeto(path, overwrite=True)


def test_there_and_back(written):
    ds = spectrum()
    folder, paths = written
    assert [path.name for path in paths] == [f"{kind}_obstest.fits" for kind in KINDS]
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in paths)
    back = xg.open_dataset(paths[0])
    back.gp.validate()
    assert back.attrs["name"] == "test"
    for key in ("counts", "counts_off", "acceptance", "acceptance_off", "mask_safe", "livetime", "edisp"):
        np.testing.assert_array_equal(back[key], ds[key], err_msg=key)
    for key in ("gti_start", "gti_stop"):
        np.testing.assert_allclose(back[key], ds[key])
    for key in ("exposure", "edisp_exposure"):
        np.testing.assert_allclose(back["exposure"].gp.to_unit("m2 s"), ds["exposure"], rtol=1e-14, err_msg=key)
    for axis in ("energy", "energy_true"):
        for edge in ("_min", "_max"):
            np.testing.assert_allclose(back[axis + edge] / 1e9, ds[axis + edge], rtol=1e-14)
    assert float(back["lon"]) == pytest.approx(0, abs=1e-9) or float(back["lon"]) == pytest.approx(360, abs=1e-9)
    assert "circle" in back.attrs["region"]
    again = folder.parent / "again"
    back.gp.to_ogip(again)
    assert xg.open_dataset(again / "pha_obstest.fits").drop_attrs(deep=False).identical(back.drop_attrs(deep=False))


def test_headers_follow_the_standard(written):
    """What XSPEC and sherpa look for."""
    classes = {"pha": ("SPECTRUM", "TOTAL"), "bkg": ("SPECTRUM", "BKG"), "arf": ("RESPONSE", "SPECRESP")}
    for kind, path in zip(KINDS, written[1], strict=True):
        with fits.open(path, checksum=True) as hdus:
            header = hdus[1].header
            assert header["HDUCLASS"] == "OGIP"
            expected = {**classes, "rmf": ("RESPONSE", "RSP_MATRIX")}[kind]
            assert (header["HDUCLAS1"], header["HDUCLAS2"]) == expected
            for key in ("TELESCOP", "INSTRUME", "FILTER", "HDUVERS"):
                assert header[key]
            if kind in ("pha", "bkg"):
                assert header["EXTNAME"] == "SPECTRUM"
                assert header["CHANTYPE"] == "PHA"
                assert header["DETCHANS"] == header["NAXIS2"] == 4
                assert header["POISSERR"] is True
                assert header["EXPOSURE"] == 3500.0
                assert hdus["SPECTRUM"].columns.names == ["CHANNEL", "COUNTS", "QUALITY", "BACKSCAL"]
            if kind == "rmf":
                assert header["TLMIN4"] == hdus["EBOUNDS"].data["CHANNEL"][0] == 0
                assert hdus["EBOUNDS"].columns["E_MIN"].unit == "keV"
                assert header["HDUCLAS3"] == "REDIST"
            if kind == "arf":
                assert hdus["SPECRESP"].columns["SPECRESP"].unit == "cm2"
    header = fits.getheader(written[1][0], "SPECTRUM")
    names = [header[key] for key in ("ANCRFILE", "RESPFILE", "BACKFILE")]
    assert names == ["arf_obstest.fits", "rmf_obstest.fits", "bkg_obstest.fits"]


def test_names_after_the_file(tmp_path):
    paths = write_ogip(spectrum(), tmp_path / "run7.pha")
    assert [path.name for path in paths] == ["run7.pha", "run7_arf.fits", "run7_rmf.fits", "run7_bkg.fits"]
    assert xg.open_dataset(paths[0]).sizes["energy"] == 4


def test_what_has_no_place_in_the_formats(tmp_path):
    ds = spectrum(name="Krebs näbel").assign(mask_fit=("energy", [True, False, True, True]))
    ds = ds.assign_attrs(meta='{"OBS_ID": [1]}', history="made\ncut").gp.assign_models(
        [xg.models.SkyModel.create("pl")]
    )
    back = xg.open_dataset(write_ogip(ds, tmp_path / "run.fits")[0])
    assert back.attrs == ds.attrs
    np.testing.assert_array_equal(back["mask_fit"], ds["mask_fit"])
    assert float(back.gp.stat_sum()) == pytest.approx(float(ds.gp.stat_sum()), rel=1e-12)
    assert xg.open_dataset(tmp_path / "run.fits", name="other").gp.name == "other"


def test_only_what_is_there(tmp_path):
    ds = spectrum().drop_vars(["counts_off", "acceptance", "acceptance_off", "edisp", "edisp_exposure", "mask_safe"])
    paths = write_ogip(ds, tmp_path)
    assert [path.name for path in paths] == ["pha_obstest.fits", "arf_obstest.fits"]
    header = fits.getheader(paths[0], "SPECTRUM")
    assert "BACKFILE" not in header
    assert "RESPFILE" not in header
    back = xg.open_dataset(paths[0])
    assert back["mask_safe"].all()
    assert not {"edisp", "counts_off"} & set(back.data_vars)


def test_lazy_data_are_computed(tmp_path):
    paths = write_ogip(spectrum().chunk(energy=2), tmp_path)
    assert open_ogip(paths[0]).identical(open_ogip(write_ogip(spectrum(), tmp_path / "other")[0]))


def test_nothing_is_overwritten(written, tmp_path):
    ds = spectrum()
    ds.gp.to_ogip(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "arf_obsother.fits").write_text("mine")
    with pytest.raises(FileExistsError, match="pha_obstest.fits exists already"):
        ds.gp.to_ogip(tmp_path)
    with pytest.raises(FileExistsError, match="arf_obsother.fits exists already"):
        ds.assign_attrs(name="other").gp.to_ogip(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "arf_obsother.fits"])
    changed = ds.assign(counts=ds["counts"] + 1)
    changed.gp.to_ogip(tmp_path, overwrite=True)
    np.testing.assert_array_equal(xg.open_dataset(tmp_path / "pha_obstest.fits")["counts"], changed["counts"])


@pytest.mark.parametrize(
    ("ds", "words"),
    [
        (plain_spectrum(), "has a variable 'background'.*to_onoff"),
        (spectrum().drop_vars("counts"), "no spectrum"),
        (spectrum().drop_vars("acceptance"), "no acceptance"),
        (spectrum().drop_vars("livetime"), "no positive livetime"),
        (spectrum().isel(energy=[0, 2]), "leave gaps"),
        (spectrum(name="../../x"), "no part of a file's name"),
    ],
)
def test_what_cannot_be_written(ds, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        ds.gp.to_ogip(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_quality_and_thresholds(folder):
    path = folder / "pha_obstest.fits"
    change(path, QUALITY=np.array([0.0, 1, 0, 2]))
    assert xg.open_dataset(path)["mask_safe"].values.tolist() == [True, False, True, False]
    change(path, QUALITY=np.array([False, True, False, True]))
    assert xg.open_dataset(path)["mask_safe"].values.tolist() == [True, False, True, False]
    edges = spectrum()["energy_min"].values
    change(path, LO_THRES=float(edges[1]))
    assert xg.open_dataset(path)["mask_safe"].values.tolist() == [False, False, True, False]
    change(path, HI_THRES=float(edges[2]))
    assert not xg.open_dataset(path)["mask_safe"].any()


def test_scales(folder):
    """The background in the on region is the off counts times the ratios of BACKSCAL, AREASCAL and EXPOSURE."""
    before = xg.open_dataset(folder / "pha_obstest.fits")
    change(folder / "bkg_obstest.fits", AREASCAL=2.0, EXPOSURE=7000.0)
    ds = xg.open_dataset(folder / "pha_obstest.fits")
    np.testing.assert_allclose(ds.gp.background, before.gp.background / 4)
    change(folder / "bkg_obstest.fits", AREASCAL=np.array([1.0, 2, 4, 8]), EXPOSURE=3500.0)
    ds = xg.open_dataset(folder / "pha_obstest.fits")
    np.testing.assert_allclose(ds.gp.background, before.gp.background / [1, 2, 4, 8])
    change(folder / "pha_obstest.fits", AREASCAL=0.5)
    ds = xg.open_dataset(folder / "pha_obstest.fits")
    np.testing.assert_allclose(ds["exposure"], before["exposure"] / 2)
    np.testing.assert_allclose(ds.gp.background, before.gp.background / [2, 4, 8, 16])
    change(folder / "pha_obstest.fits", BACKSCAL=np.array([1.0, 1, 2, 2]))
    np.testing.assert_array_equal(xg.open_dataset(folder / "pha_obstest.fits")["acceptance"], [1, 1, 2, 2])


def test_a_background_or_response_alone(written):
    """Off counts must not pass for on counts."""
    folder, _ = written
    for kind, words in (("bkg", "BACKFILE"), ("arf", "ANCRFILE"), ("rmf", "RESPFILE")):
        with pytest.raises(FileFormatError, match=f"{kind}_obstest.fits.*open the PHA file, which names it as {words}"):
            xg.open_dataset(folder / f"{kind}_obstest.fits")


@pytest.mark.parametrize("keyword", ["RESPFILE", "ANCRFILE", "BACKFILE"])
def test_a_file_that_is_named(folder, keyword):
    path = folder / "pha_obstest.fits"
    name = fits.getheader(path, "SPECTRUM")[keyword]
    (folder / "below").mkdir()
    (folder / name).rename(folder / "below" / name)
    with pytest.raises(FileFormatError, match=f"pha_obstest.fits: HDU SPECTRUM: {keyword} names the file '{name}'"):
        xg.open_dataset(path)
    change(path, **{keyword: f"below/{name}"})
    assert xg.open_dataset(path)["counts"].size == 4
    outside = folder.parent / name
    shutil.copy(folder / "below" / name, outside)
    for bad in (f"../{name}", str(outside), f"below/../../{name}", f"..\\{name}", f"C:{name}"):
        change(path, **{keyword: bad})
        with pytest.raises(FileFormatError, match=f"{keyword} names .* which is not below the folder of this file"):
            xg.open_dataset(path)
    change(path, **{keyword: "none"})
    ds = xg.open_dataset(path)
    assert {"RESPFILE": "edisp", "ANCRFILE": "exposure", "BACKFILE": "counts_off"}[keyword] not in ds


@pytest.mark.parametrize(
    ("kind", "hdu", "cards", "words"),
    [
        ("pha", "SPECTRUM", {"drop": ["EXPOSURE"]}, "keyword EXPOSURE is missing"),
        ("pha", "SPECTRUM", {"EXPOSURE": "long"}, "EXPOSURE must be a number"),
        ("pha", "SPECTRUM", {"EXPOSURE": -1.0}, "less than zero"),
        ("pha", "SPECTRUM", {"COUNTS": np.array([1.0, -1, 0, 0])}, "COUNTS holds negative numbers"),
        ("pha", "SPECTRUM", {"COUNTS": np.array([1.0, np.nan, 0, 0])}, "not finite"),
        ("pha", "SPECTRUM", {"AREASCAL": np.array([1.0, 2, 1, 1])}, "the same in all channels"),
        ("pha", "SPECTRUM", {"AREASCAL": 0.0}, "AREASCAL must be positive"),
        ("pha", "SPECTRUM", {"TTYPE2": "RATE"}, "no column COUNTS"),
        ("pha", "EBOUNDS", {"E_MIN": np.array([1.0, 3, 2, 4])}, "do not rise, leave gaps or overlap"),
        ("pha", "EBOUNDS", {"CHANNEL": np.array([1.0, 2, 3, 4])}, "are not the 4 of HDU SPECTRUM"),
        ("bkg", "SPECTRUM", {"COUNTS": np.array([1.0, -1, 0, 0])}, "COUNTS holds negative numbers"),
        ("arf", "SPECRESP", {"SPECRESP": np.full(6, -1.0)}, "negative areas"),
        ("arf", "SPECRESP", {"TUNIT3": "keV"}, "keV"),
        ("arf", "SPECRESP", {"EXTNAME": "OTHER"}, "SPECRESP: it is missing"),
        ("rmf", "MATRIX", {"HDUCLAS3": "FULL"}, "includes the effective area"),
        ("rmf", "MATRIX", {"ENERG_LO": np.linspace(1, 5, 6), "ENERG_HI": np.linspace(1.8, 5.8, 6)}, "not those of ANC"),
        ("rmf", "MATRIX", {"TLMIN4": 2}, "does not fit the 4 channels"),
        ("rmf", "MATRIX", {"TTYPE6": "OTHER"}, "no columns MATRIX"),
    ],
)
def test_damage_is_named(folder, kind, hdu, cards, words):
    change(folder / f"{kind}_obstest.fits", hdu, **cards)
    with pytest.raises(FileFormatError, match=words) as caught:
        xg.open_dataset(folder / "pha_obstest.fits")
    assert f"{kind}_obstest.fits" in str(caught.value)


def test_other_files_behind_a_name(folder):
    shutil.copy(folder / "arf_obstest.fits", folder / "rmf_obstest.fits")
    with pytest.raises(FileFormatError, match="rmf_obstest.fits: HDU MATRIX: it is missing"):
        xg.open_dataset(folder / "pha_obstest.fits")
    (folder / "rmf_obstest.fits").write_bytes(b"no FITS at all")
    with pytest.raises(FileFormatError, match="rmf_obstest.fits"):
        xg.open_dataset(folder / "pha_obstest.fits")
    (folder / "rmf_obstest.fits").unlink()
    (folder / "rmf_obstest.fits").mkdir()
    with pytest.raises(FileFormatError, match="RESPFILE names the file"):
        xg.open_dataset(folder / "pha_obstest.fits")


def test_real_files(gammapy_data, tmp_path):
    """The matrix of the real files is written in groups, some rows in two, as it was read."""
    ds = xg.open_dataset(gammapy_data / "joint-crab/spectra/hess/pha_obs23523.fits")
    paths = ds.gp.to_ogip(tmp_path)
    assert xg.open_dataset(paths[0]).identical(ds)
    theirs = fits.getheader(gammapy_data / "joint-crab/spectra/hess/rmf_obs23523.fits", "MATRIX")
    ours = fits.getheader(tmp_path / "rmf_obs23523.fits", "MATRIX")
    assert ours["NUMELT"] <= theirs["NUMELT"]
