"""Files of real instruments hold what gammapy says they do."""

import numpy as np
import pytest
import xarray as xr

from tests.fuzz.samples import sample
from xgamma.io.errors import FileFormatError
from xgamma.io.fits import write_fits
from xgamma.io.open import open_dataset

FILES = {"cta_path": "tutorial_cta", "fermi_path": "fermi-3fhl-gc"}


@pytest.mark.parametrize("chunks", [None, {}], ids=["numpy", "dask"])
@pytest.mark.parametrize("name", FILES)
def test_contents(request, reference, name, chunks):
    ds = open_dataset(request.getfixturevalue(name), chunks=chunks)
    expected = reference(FILES[name])["read"]
    for variable in ("counts", "background", "exposure"):
        truth, data = expected[variable], ds[variable]
        assert list(data.shape) == truth["shape"]
        assert data.attrs["units"] == truth["unit"]
        total = data.astype(float).sum(["y", "x"])
        rtol = 0 if variable == "counts" else 1e-6
        np.testing.assert_allclose(total, truth["per_energy"], rtol=rtol)
        assert float(data.min()) == truth["min"] and float(data.max()) == truth["max"]
        for axis, bins in truth["axes"].items():
            assert ds[axis].attrs["units"] == bins["unit"]
            np.testing.assert_allclose([*ds[f"{axis}_min"], ds[f"{axis}_max"][-1]], bins["edges"], rtol=1e-6)
    assert ds.mask_safe.dtype == bool
    assert ds.mask_safe.sum(["y", "x"]).values.tolist() == expected["mask_safe"]["per_energy"]
    info = expected["info"]
    assert int(ds.counts.where(ds.mask_safe, 0).sum()) == info["counts"]
    if info["livetime"]["value"] is not None:
        assert float(ds.livetime) == info["livetime"]["value"]
        assert float((ds.gti_stop - ds.gti_start).sum()) == pytest.approx(info["ontime"]["value"], rel=1e-12)


def test_dims_of_the_cta_file(cta_path):
    ds = open_dataset(cta_path)
    assert dict(ds.sizes) == {
        "energy": 10, "y": 240, "x": 320, "energy_true": 14, "rad": 66, "y_psf": 12, "x_psf": 16, "y_edisp": 12,
        "x_edisp": 16, "gti": 3,
    }  # fmt: skip
    assert ds.edisp.dims == ("energy_true", "energy", "y_edisp", "x_edisp")
    assert (int(ds.x[0]), int(ds.x[-1])) == (-159, 160)
    assert ds.wcs.attrs["CRPIX1"] == 1.5
    np.testing.assert_allclose([ds.lon[0, 0], ds.lon[0, -1]], [3.9875, -3.9875], rtol=1e-12)
    assert ds.attrs["name"] == "stacked"
    assert '"OBS_ID": [110380, 111140, 111159]' in ds.attrs["meta"]
    attrs = ds.gti_start.attrs
    assert (attrs["mjdrefi"], attrs["mjdreff"], attrs["timesys"]) == (51544, 0.0, "utc")


def test_dims_of_the_fermi_file(fermi_path):
    ds = open_dataset(fermi_path)
    assert dict(ds.sizes) == {
        "energy": 11, "y": 200, "x": 400, "energy_true": 12, "energy_true_psf": 11, "rad": 130,
    }  # fmt: skip
    assert ds.counts.dtype == np.int32 and ds.exposure.attrs["units"] == "cm2 s"
    assert ds.psf.dims == ("energy_true_psf", "rad") and ds.edisp.dims == ("energy_true", "energy")
    assert ds.energy_true.attrs["node_type"] == ds.rad.attrs["node_type"] == "center"
    assert ds.energy.attrs["units"] == "keV" and ds.energy_true.attrs["units"] == "MeV"
    assert float(ds.energy_true[0]) == 10000 and float(ds.rad[0]) == 0
    assert ds.attrs["name"] == "fermi-3fhl-gc" and "livetime" not in ds and "gti_start" not in ds


def test_a_template_is_no_dataset(gammapy_data):
    with pytest.raises(FileFormatError, match=r"gll_iem_v06_gc\.fits\.gz.*no map dataset: there are PRIMARY"):
        open_dataset(gammapy_data / "fermi-3fhl-gc" / "gll_iem_v06_gc.fits.gz")


@pytest.mark.parametrize(("kind", "part"), [("rmf", "HDU MATRIX.*RESPFILE"), ("arf", "HDU SPECRESP.*ANCRFILE")])
def test_the_response_of_a_spectrum_is_no_dataset(gammapy_data, kind, part):
    with pytest.raises(FileFormatError, match=rf"{kind}_obs23523\.fits: {part}"):
        open_dataset(gammapy_data / "joint-crab" / "spectra" / "hess" / f"{kind}_obs23523.fits")


def test_old_files_call_the_offset_theta(gammapy_data):
    ds = open_dataset(gammapy_data / "tests" / "models" / "gc_example_data_gc.fits")
    assert ds.psf.dims == ("energy_true", "rad", "y_psf", "x_psf")
    assert ds.gti_start.attrs["timesys"] == "tt"


@pytest.mark.parametrize("name", FILES)
def test_written_files_are_the_same(request, tmp_path, name):
    ds = open_dataset(request.getfixturevalue(name)).assign_attrs(sample().attrs)
    write_fits(ds, tmp_path / "a.fits.gz")
    xr.testing.assert_identical(open_dataset(tmp_path / "a.fits.gz"), ds)
