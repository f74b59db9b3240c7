"""Archives and FITS files under a cluster of two processes."""

import dask
import numpy as np
import pytest
import xarray as xr

from tests.builders import make_map_dataset
from xgamma.io.archive import open_archive
from xgamma.io.fits import write_fits
from xgamma.io.netcdf import write_netcdf
from xgamma.io.open import open_dataset
from xgamma.io.zarr import write_zarr

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.slow

WRITERS = {"fits": write_fits, "nc": write_netcdf, "zarr": write_zarr}


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ds():
    return make_map_dataset(npix=(24, 32))


def sums(ds):
    lazy = {name: ds[name].sum() for name in ds.data_vars} | {"excess": (ds["counts"] - ds["background"]).sum()}
    return {name: float(value) for name, value in dask.compute(lazy)[0].items()}


@pytest.mark.parametrize("kind", WRITERS)
def test_sums_are_those_of_threads(client, ds, tmp_path, kind):
    path = tmp_path / f"map.{kind}"
    WRITERS[kind](ds.chunk(x=16) if kind == "zarr" else ds, path)
    opened = open_dataset(path, chunks={} if kind == "zarr" else {"y": -1})
    assert opened["counts"].chunks is not None
    with dask.config.set(scheduler="threads"):
        expected = sums(opened)
    assert sums(opened) == expected
    assert expected["counts"] == float(ds["counts"].sum())
    assert expected["background"] == pytest.approx(float(ds["background"].sum()), rel=1e-6)


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_a_cluster_writes_archives(client, ds, tmp_path, kind):
    path = tmp_path / f"map.{kind}"
    WRITERS[kind](ds.chunk(x=8, y=12), path)
    xr.testing.assert_identical(open_archive(path), ds)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_cluster_appends_and_writes_regions(client, ds, tmp_path):
    path = tmp_path / "map.zarr"
    lazy = ds.chunk(x=5, y=7)
    write_zarr(lazy.isel(x=slice(0, 20)), path)
    write_zarr(lazy.isel(x=slice(20, None)), path, append_dim="x")
    write_zarr(
        lazy.isel(y=slice(3, 9)).assign(background=lazy["background"].isel(y=slice(3, 9)) * 2), path, region="auto"
    )
    expected = ds.copy(deep=True)
    expected["background"][:, 3:9] *= 2
    xr.testing.assert_identical(open_archive(path), expected)


def test_damage_found_by_a_worker_names_the_file(client, ds, tmp_path):
    path = tmp_path / "map.zarr"
    write_zarr(ds, path)
    chunk = path / "counts" / "c" / "0" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(ValueError, match=r"map\.zarr: counts: cannot be read"):
        open_archive(path, chunks={})["counts"].compute()


def test_lazy_datasets_are_small_to_send(ds, tmp_path):
    import pickle

    big = ds.assign(counts=ds["counts"] + np.zeros((1, 1, 1)))
    for kind in ("nc", "zarr"):
        WRITERS[kind](big, tmp_path / f"map.{kind}")
        opened = open_archive(tmp_path / f"map.{kind}", chunks={})
        assert len(pickle.dumps(opened["counts"].data)) < 20_000
