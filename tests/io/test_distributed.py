"""Files, predictions and statistics give the same in memory, with threads, and under a cluster of two processes."""

import pickle

import dask
import numpy as np
import pytest
import xarray as xr

from tests.builders import make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.io.archive import open_archive
from xgamma.io.fits import write_fits
from xgamma.io.netcdf import write_netcdf
from xgamma.io.open import open_dataset
from xgamma.io.zarr import write_zarr
from xgamma.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.slow

WRITERS = {"fits": write_fits, "fits.gz": write_fits, "nc": write_netcdf, "zarr": write_zarr}
CHUNKS = {"y": 11, "x": 13}


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def models(ds):
    middle = SkyGrid.from_dataset(ds).center.galactic
    at = {"lon_0": f"{middle.l.deg + 0.13} deg", "lat_0": f"{middle.b.deg - 0.21} deg", "frame": "galactic"}
    shapes = {"point": PointSpatialModel(**at), "gauss": GaussianSpatialModel(**at, sigma="0.15 deg")}
    spectrum = PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1")
    return [
        *(SkyModel(spectrum.copy(), shape, name=name) for name, shape in shapes.items()),
        FoVBackgroundModel(dataset_name=ds.gp.name),
    ]


@pytest.fixture(scope="module")
def ds():
    return make_map_dataset(npix=(16, 20))


@pytest.fixture(scope="module", params=[*WRITERS, "CTA"])
def opened(request, ds, tmp_path_factory):
    """A dataset in a file of each kind: opened without chunks, and with chunks that do not divide the map."""
    if request.param == "CTA":
        path = request.getfixturevalue("cta_path")
        return [
            open_dataset(path, chunks=chunks).isel(y=slice(110, 130), x=slice(150, 175)) for chunks in (None, CHUNKS)
        ]
    path = tmp_path_factory.mktemp("kinds") / f"map.{request.param}"
    WRITERS[request.param](ds.chunk(CHUNKS) if request.param == "zarr" else ds, path)
    return [open_dataset(path), open_dataset(path, chunks={}).chunk(CHUNKS)]


def results(ds):
    """What is compared: maps, their sums, and the statistic."""
    there = models(ds)
    found = {name: ds[name].sum() for name in ds.data_vars if ds[name].dtype.kind in "fib"}
    signal = ds.gp.npred_signal(there, stack=False)
    stat = ds.gp.stat_sum(there)
    return found | {
        "signal": signal,
        "npred": ds.gp.npred(there),
        "stat": stat,
        "cut": ds.gp.cutout(SkyGrid.from_dataset(ds).center, "0.4 deg").gp.npred_background(there),
    }


def test_memory_threads_and_a_cluster_agree(client, opened):
    plain, lazy = opened
    assert lazy["counts"].chunks is not None and plain["counts"].chunks is None
    expected, graph = results(plain), results(lazy)
    with dask.config.set(scheduler="threads"):
        threaded = dask.compute(graph)[0]
    spread = dask.compute(graph)[0]
    assert len(client.nthreads()) == 2
    for name, value in expected.items():
        # where an array lies in memory moves the last bits of numpy's sums, in single processes too
        noise = 1e-14 * float(abs(threaded[name]).max())
        np.testing.assert_allclose(spread[name], threaded[name], rtol=1e-14, atol=noise, err_msg=name)
        xr.testing.assert_identical(spread[name].copy(data=threaded[name].values), threaded[name])
        assert spread[name].attrs == value.attrs
        # maps that have other neighbours are summed in another order; the files hold single precision
        np.testing.assert_allclose(spread[name], value, rtol=1e-6 if name in plain else 1e-9, atol=1e-12, err_msg=name)
    assert float(spread["counts"]) == float(plain["counts"].sum())


def test_whole_datasets_come_back(client, opened):
    plain, lazy = opened
    xr.testing.assert_identical(lazy.compute(), plain.load())


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_a_cluster_writes_archives(client, ds, tmp_path, kind):
    path = tmp_path / f"map.{kind}"
    WRITERS[kind](ds.chunk(x=10, y=8), path)
    xr.testing.assert_identical(open_archive(path), ds)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_cluster_appends_and_writes_regions(client, tmp_path):
    ds = make_map_dataset(npix=(12, 20), irf_on_sky=False)
    path = tmp_path / "map.zarr"
    lazy = ds.chunk(x=7, y=6)
    write_zarr(lazy.isel(x=slice(0, 10)), path)
    write_zarr(lazy.isel(x=slice(10, None)), path, append_dim="x")
    part = lazy[["background"]].isel(y=slice(3, 9))
    write_zarr(part.assign(background=part["background"] * 2), path, region="auto")
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


def test_lazy_datasets_are_small_to_send(opened):
    # a dask array carries its graph, a few hundred bytes for each chunk
    assert len(pickle.dumps(opened[1]["counts"].data)) < 30_000
