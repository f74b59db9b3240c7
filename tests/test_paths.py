"""Paths with environment variables, as in tutorials: $GAMMAPY_DATA/..."""

from pathlib import Path

import pytest
import xarray as xr

import xgamma as xg
from tests.builders import make_map_dataset
from xgamma.models import Models, SkyModel
from xgamma.paths import absolute, expanded


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XGAMMA_TEST_FOLDER", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_variables_and_the_home_folder(folder, monkeypatch):
    assert expanded("$XGAMMA_TEST_FOLDER/a.fits") == expanded("~/a.fits") == str(folder / "a.fits")
    assert expanded(Path("${XGAMMA_TEST_FOLDER}") / "a") == str(folder / "a")
    monkeypatch.chdir(folder)
    assert absolute("a$b.fits") == str(folder / "a$b.fits")
    with pytest.raises(FileNotFoundError, match=r"^\$NO_SUCH/a.fits: the environment variable NO_SUCH is not set"):
        expanded("$NO_SUCH/a.fits")


@pytest.mark.parametrize("name", ["map.fits", "map.fits.gz", "map.nc", "map.zarr"])
def test_datasets(folder, name):
    ds, path = make_map_dataset(npix=(6, 8)), f"$XGAMMA_TEST_FOLDER/{name}"
    write = ds.gp.to_zarr if "zarr" in name else ds.gp.to_netcdf if name.endswith("nc") else ds.gp.to_fits
    write(path)
    assert (folder / name).exists()
    xr.testing.assert_equal(xg.open_dataset(path).load(), xg.open_dataset(folder / name).load())
    with pytest.raises(FileNotFoundError, match="the environment variable NO_SUCH is not set"):
        xg.open_dataset(f"$NO_SUCH/{name}")


@pytest.mark.parametrize("ending", ["yaml", "zarr", "nc"])
def test_collections_and_models(folder, ending):
    models = Models([SkyModel.create("pl", "point", name="source")])
    datasets = xg.Datasets([make_map_dataset(npix=(6, 8))], models=models)
    datasets.write(f"$XGAMMA_TEST_FOLDER/all.{ending}", filename_models="$XGAMMA_TEST_FOLDER/models.yaml")
    again = xg.Datasets.read(f"$XGAMMA_TEST_FOLDER/all.{ending}", filename_models="$XGAMMA_TEST_FOLDER/models.yaml")
    assert again.names == datasets.names
    assert again.models.equals(models) and Models.read("~/models.yaml").equals(models)
    with pytest.raises(FileExistsError, match=r"models\.yaml exists already"):
        models.write("$XGAMMA_TEST_FOLDER/models.yaml")
