"""What is particular to Zarr stores."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

from tests.builders import make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.io.archive import open_archive
from xgamma.io.layout import chunk_shapes
from xgamma.io.zarr import write_zarr


@pytest.fixture
def ds():
    return make_map_dataset(npix=(60, 80))


def test_layout(tmp_path, ds):
    write_zarr(ds, tmp_path / "map.zarr")
    group = zarr.open_group(tmp_path / "map.zarr", mode="r")
    assert group.metadata.zarr_format == 3 and group.metadata.consolidated_metadata is not None
    array = group["counts"]
    assert array.chunks == (4, 60, 80)
    assert [type(codec).__name__ for codec in array.compressors] == ["BloscCodec", "Crc32cCodec"]
    files = sum(p.stat().st_size for p in (tmp_path / "map.zarr").rglob("*") if p.is_file())
    assert files < 0.6 * ds.nbytes


def test_large_maps_are_cut_on_the_sky_alone():
    shape = (20, 4000, 3000)
    ds = xr.Dataset(coords=SkyGrid.create(width=1, binsz=0.01, shape=shape[1:]).to_coords())
    deep = xr.Dataset(
        {
            "npred": (("step", "y", "x"), da.zeros(shape, chunks=(1, 4000, 3000))),
            "flag": (("step", "y", "x"), np.broadcast_to(np.False_, shape)),
            "plane": (("y", "x"), np.broadcast_to(np.float32(0), shape[1:])),
        },
        coords={name: ds[name] for name in ("y", "x", "wcs")},
    )
    shapes = chunk_shapes(deep)
    assert shapes["npred"][0] == 20 and shapes["npred"] == shapes["flag"] and shapes["npred"][1:] == shapes["plane"]
    assert 2**22 <= 8 * np.prod(shapes["npred"]) <= 2**23


def test_one_huge_dim_is_cut_too():
    huge = xr.Dataset({"table": ("row", np.broadcast_to(0.0, 10**8))})
    assert 2**24 <= 8 * chunk_shapes(huge)["table"][0] <= 2**26


@pytest.mark.parametrize(
    ("chunks", "kept"),
    [
        ({"y": 64, "x": 32}, True),
        ({"y": (64, 32), "x": (32, 32, 32)}, True),
        ({"y": (10, 86), "x": 96}, False),
        ({"y": 16, "x": 8}, False),
    ],
    ids=str,
)
def test_chunks_of_dask_are_kept_if_they_make_sense(tmp_path, chunks, kept):
    ds = make_map_dataset(npix=(96, 96))
    write_zarr(ds.chunk(chunks), tmp_path / "map.zarr")
    opened = open_archive(tmp_path / "map.zarr", chunks={})
    assert (opened["counts"].chunks == ds.chunk(chunks)["counts"].chunks) == kept
    xr.testing.assert_identical(opened, ds)


def test_chunks_of_an_earlier_file_are_forgotten(tmp_path):
    ds = make_map_dataset(npix=(96, 96))
    write_zarr(ds.chunk(y=32), tmp_path / "small.zarr")
    opened = open_archive(tmp_path / "small.zarr", chunks={}).isel(y=slice(5, None)).chunk(-1)
    write_zarr(opened, tmp_path / "large.zarr")
    xr.testing.assert_identical(open_archive(tmp_path / "large.zarr"), ds.isel(y=slice(5, None)))


def test_types_that_netcdf_does_not_know(tmp_path, ds):
    ds["phase"] = ("y", np.exp(1j * np.arange(60)))
    ds["half"] = ("y", np.arange(60, dtype="f2"))
    write_zarr(ds, tmp_path / "map.zarr")
    xr.testing.assert_identical(open_archive(tmp_path / "map.zarr"), ds)


def test_only_stores_are_replaced(tmp_path, ds):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="no Zarr store, and will not be replaced"):
        write_zarr(ds, folder, overwrite=True)
    assert (folder / "chapter.tex").read_text() == "years of work"
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="is a file where a folder"):
        write_zarr(ds, tmp_path / "file", overwrite=True)
    (tmp_path / "empty").mkdir()
    write_zarr(ds, tmp_path / "empty", overwrite=True)
    xr.testing.assert_identical(open_archive(tmp_path / "empty"), ds)


def test_urls(tmp_path, ds):
    fsspec = pytest.importorskip("fsspec")
    write_zarr(ds, tmp_path / "map.zarr")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "map.zarr"), "/archive/map.zarr", recursive=True)
    opened = open_archive("memory://archive/map.zarr", chunks={})
    xr.testing.assert_identical(opened, ds)
    with pytest.raises(ValueError, match="not a local path"):
        write_zarr(ds, "memory://archive/other.zarr")
    memory.rm("/archive", recursive=True)


def test_plain_xarray_opens_a_store_without_warnings(tmp_path, ds):
    write_zarr(ds, tmp_path / "map.zarr")
    with xr.open_zarr(tmp_path / "map.zarr") as plain:
        assert plain["counts"].chunks is not None
