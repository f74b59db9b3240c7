"""Files go to gammapy and come from it without loss. Needs a Python with gammapy in XGAMMA_GAMMAPY_PYTHON."""

import numpy as np
import pytest
import xarray as xr

from tests.fuzz.samples import PLACES, sample
from xgamma.io.fits import write_fits
from xgamma.io.open import open_dataset

CLASSES = {"on-off": "MapDatasetOnOff", "spectrum": "SpectrumDataset"}
KINDS = [
    "car",
    "tan-migra",
    "ait-across-zero",
    "own-exposure-grid",
    "reco-psf",
    "irf-without-sky",
    "on-off",
    "spectrum",
]


def without_name(description):
    return {key: value for key, value in description.items() if key != "name"}


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(gammapy, tmp_path, kind):
    theirs, ours = tmp_path / "theirs.fits", tmp_path / "ours.fits"
    gammapy("fits-write", kind, theirs)
    ds = open_dataset(theirs)
    write_fits(ds, ours)
    xr.testing.assert_identical(open_dataset(ours), ds)
    kept = [gammapy("fits-read", CLASSES.get(kind, "MapDataset"), path) for path in (theirs, ours)]
    if kind == "spectrum":  # the region goes through the pixels of another WCS
        for description in kept:
            for part in description["maps"].values():
                center = part and part.pop("center", None)
                assert center is None or center == pytest.approx([83.63, 22.01], abs=1e-6)
    assert without_name(kept[0]) == without_name(kept[1])
    if kind != "on-off":
        assert kept[1]["name"] == ds.attrs["name"] == {"spectrum": "spectrum"}.get(kind, "made")


@pytest.mark.parametrize("kind", ["car", "tan-migra", "ait-across-zero"])
def test_what_gammapy_writes_means_the_same_here(gammapy, tmp_path, kind):
    path = tmp_path / "theirs.fits"
    gammapy("fits-write", kind, path)
    told = gammapy("fits-read", "MapDataset", path)
    ds = open_dataset(path)
    for name, part in told["maps"].items():
        if part is None:
            assert name not in ds
            continue
        values = ds[name].values
        if name.endswith("_exposure"):
            values = values[:, np.newaxis]
        assert list(values.shape) == part["shape"]
        weights = np.arange(1, values.size + 1).reshape(values.shape)
        np.testing.assert_allclose((values * weights).sum(dtype=float), part["weighted"], rtol=1e-12)
        suffix = {"psf": "_psf", "edisp": "_edisp"}.get(name.removesuffix("_exposure"), "")
        for key in ("lon", "lat"):
            grid = ds[key + suffix].values
            ours = np.array([grid[0, 0], grid[-1, -1], grid[0, -1]])
            np.testing.assert_allclose(ours % 360, np.array(part[key], float) % 360, atol=1e-9)
        for axis in set(part["axes"]) & set(ds.dims):
            edges = [*ds[f"{axis}_min"].values, ds[f"{axis}_max"].values[-1]]
            if name.removesuffix("_exposure") not in ("psf", "edisp") or name in ("psf", "edisp"):
                np.testing.assert_allclose(edges, part["axes"][axis][0], rtol=1e-12)
                assert ds[axis].attrs["units"] == part["axes"][axis][1]
    assert told["livetime"] == f"{float(ds.livetime)} s"


@pytest.mark.parametrize("irf_sky", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_made_here_means_the_same_there(gammapy, tmp_path, place, irf_sky):
    ds = sample(place, irf_sky)
    path = tmp_path / "ours.fits.gz"
    write_fits(ds, path)
    told = gammapy("fits-read", "MapDataset", path)
    assert told["name"] == "sample"
    assert told["livetime"] == f"{float(ds.livetime)!r} s"
    assert told["meta"]["OBJECT"] == ["Crab", "Vela X"]
    for name in ("counts", "background", "mask_fit", "mask_safe", "exposure", "psf", "edisp"):
        values, part = ds[name].values, told["maps"][name]
        assert part["unit"] == ds[name].attrs.get("units", "")
        assert part["shape"][: values.ndim] == list(values.shape)
        weights = np.arange(1, values.size + 1).reshape(values.shape)
        np.testing.assert_allclose((values * weights).sum(dtype=float), part["weighted"], rtol=1e-12)
    for key in ("lon", "lat"):
        grid = ds[key].values
        ours = np.array([grid[0, 0], grid[-1, -1], grid[0, -1]])
        np.testing.assert_allclose(ours % 360, np.array(told["maps"]["counts"][key]) % 360, atol=1e-9)


@pytest.mark.parametrize("name", ["cta_path", "fermi_path"])
def test_real_files(gammapy, tmp_path, request, name):
    source = request.getfixturevalue(name)
    ours = tmp_path / "ours.fits.gz"
    write_fits(open_dataset(source, chunks={}), ours)
    before, after = gammapy("fits-read", "MapDataset", source), gammapy("fits-read", "MapDataset", ours)
    for description in (before, after):
        description["maps"]["psf_exposure"]["axes"].pop("rad")  # one bin of no meaning
    assert without_name(before) == without_name(after)
