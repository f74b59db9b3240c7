"""Appending to a store and writing into a part of it."""

import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import xarray as xr

from tests.builders import make_map_dataset
from xgamma.io import update
from xgamma.io.archive import open_archive
from xgamma.io.errors import FileFormatError
from xgamma.io.update import restore_zarr
from xgamma.io.zarr import write_zarr


@pytest.fixture
def ds():
    return make_map_dataset(npix=(12, 16), nenergy=4, irf_on_sky=False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.zarr"


def state(path):
    """All files of a store and what is in them."""
    return {str(item.relative_to(path)): item.read_bytes() for item in sorted(path.rglob("*")) if item.is_file()}


@pytest.mark.parametrize(
    ("dim", "cut", "chunks"),
    [("x", 9, None), ("x", 9, {"y": 4, "x": 4}), ("y", 5, {"y": 4, "x": 4}), ("energy", 3, None), ("gti", 1, None)],
)
def test_append(path, dim, cut, chunks):
    ds = make_map_dataset(npix=(12, 16), nenergy=4)
    whole = ds if chunks is None else ds.chunk(chunks)
    write_zarr(whole.isel({dim: slice(None, cut)}), path)
    write_zarr(whole.isel({dim: slice(cut, None)}), path, append_dim=dim)
    xr.testing.assert_identical(open_archive(path), ds)
    with xr.open_zarr(path, chunks=None) as plain:
        assert plain.sizes[dim] == ds.sizes[dim] and set(plain.coords) == set(ds.coords)
    assert sorted(p.name for p in path.glob(".*")) == []


def test_append_many(ds, path):
    ds = ds.isel(x=slice(0, 6))
    write_zarr(ds.isel(x=[0]), path, lonlat=False)
    for i in range(1, ds.sizes["x"]):
        write_zarr(ds.isel(x=[i]), path, append_dim="x")
    xr.testing.assert_identical(open_archive(path), ds)


def test_what_does_not_fit_is_not_appended(ds, path):
    left, right = ds.isel(x=slice(0, 8)), ds.isel(x=slice(8, None))
    write_zarr(left, path)
    before = state(path)
    other_bins = right.isel(energy=slice(0, 3))
    for piece, dim, message in [
        (left, "x", "does not follow upon that of the store"),
        (ds.isel(x=slice(7, None)), "x", "does not follow"),
        (right, "energy", "'x' is .* in the store"),
        (right, "step", "both need this dim"),
        (right.isel(y=slice(1, None)), "x", "dim 'y' has 11 elements, in the store 12"),
        (right.drop_vars("counts"), "x", "lacks counts"),
        (right.assign(npred=right["counts"]), "x", "'npred' is not in the store"),
        (right.assign(counts=right["counts"].astype("f4")), "x", "type of 'counts'"),
        (right.assign(counts=right["counts"].assign_attrs(units="%")), "x", "units of 'counts'"),
        (right.assign(livetime=right["livetime"] * 2), "x", "'livetime' differs"),
        (other_bins, "x", "dim 'energy' has 3"),
        (right.drop_vars(["psf", "edisp"]), "x", "lacks"),
    ]:
        with pytest.raises(ValueError, match=message):
            write_zarr(piece, path, append_dim=dim)
        assert state(path) == before
    write_zarr(right, path, append_dim="x")
    xr.testing.assert_identical(open_archive(path), ds)


def test_another_map_is_not_appended(path):
    def sky(center):
        ds = make_map_dataset(center=center, irf_on_sky=False)
        return ds

    write_zarr(sky((0.0, 0.0)).isel(x=slice(0, 8)), path)
    other = sky((0.05, 0.0))
    other = other.isel(x=slice(8, None))
    with pytest.raises(ValueError, match="'wcs' is of another map|exposure"):
        write_zarr(other, path, append_dim="x")


def test_overlapping_bins_are_not_appended(ds, path):
    write_zarr(ds.isel(energy=slice(0, 2)), path)
    other = make_map_dataset(npix=(12, 16), nenergy=3, irf_on_sky=False)
    with pytest.raises(ValueError, match="does not follow upon|do not follow upon"):
        write_zarr(other.isel(energy=[1, 2]).drop_vars([]), path, append_dim="energy")


def test_a_missing_store_is_named(ds, path):
    with pytest.raises(FileNotFoundError, match="there is no such store"):
        write_zarr(ds, path, append_dim="x")
    with pytest.raises(FileNotFoundError, match="there is no such store"):
        write_zarr(ds, path, region="auto")


def test_one_way_of_writing_at_a_time(ds, path):
    write_zarr(ds, path)
    for options in ({"append_dim": "x", "region": "auto"}, {"overwrite": True, "region": "auto"}):
        with pytest.raises(ValueError, match="only one of"):
            write_zarr(ds, path, **options)


def failing(ds, name="background"):
    def fail(block):
        raise ZeroDivisionError

    lazy = ds.chunk(y=3)
    data = lazy[name].data.map_blocks(fail, dtype=ds[name].dtype, meta=np.empty((0, 0, 0), ds[name].dtype))
    return lazy.assign({name: lazy[name].copy(data=data)})


def test_an_append_that_fails_is_taken_back(ds, path):
    left, right = ds.isel(x=slice(0, 8)), ds.isel(x=slice(8, None))
    write_zarr(left, path)
    with pytest.raises(ZeroDivisionError):
        write_zarr(failing(right), path, append_dim="x")
    xr.testing.assert_identical(open_archive(path), left)
    write_zarr(right, path, append_dim="x")
    xr.testing.assert_identical(open_archive(path), ds)


@pytest.mark.parametrize(
    ("part", "region", "chunks"),
    [
        ({"x": slice(3, 9)}, "auto", {"y": 5, "x": 3}),
        ({"x": slice(3, 9)}, "slices", None),
        ({"y": slice(0, 4), "x": slice(15, 16)}, "auto", None),
        ({"energy": slice(1, 2)}, "slices", {"y": 5, "x": 3}),
        ({}, "auto", {"y": 5, "x": 3}),
        ({}, "slices", None),
    ],
    ids=str,
)
def test_region(ds, path, part, region, chunks):
    write_zarr(ds.chunk(y=4, x=4), path)
    changed = ds.assign(counts=ds["counts"] + 1)
    piece = changed.isel(part)
    where = "auto" if region == "auto" else part or {"x": slice(None)}
    write_zarr(piece if chunks is None else piece.chunk(chunks), path, region=where)
    expected = ds.copy(deep=True)
    expected["counts"][part] += 1
    xr.testing.assert_identical(open_archive(path), expected)
    assert not list(path.glob(".*"))


def test_region_of_some_variables(ds, path):
    write_zarr(ds, path)
    piece = ds[["mask_fit"]].isel(x=slice(2, 5)).copy(deep=True)
    piece["mask_fit"][:] = True
    write_zarr(piece, path, region={"x": slice(2, 5)})
    expected = ds.copy(deep=True)
    expected["mask_fit"][:, :, 2:5] = True
    xr.testing.assert_identical(open_archive(path), expected)


def test_what_does_not_fit_is_not_written_into_a_region(ds, path):
    write_zarr(ds.isel(x=slice(0, 10)), path)
    before = state(path)
    piece = ds.isel(x=slice(2, 6))
    other = make_map_dataset(npix=(12, 16), nenergy=3, irf_on_sky=False)
    for wrong, region, message in [
        (piece, {"x": slice(3, 7)}, "are at 2, the region begins at 3"),
        (piece, {"x": slice(2, 5)}, "does not hold the 4 elements"),
        (piece, {"x": slice(2, 10, 2)}, "does not hold"),
        (piece, {"z": slice(2, 6)}, r"names \['z'\]"),
        (ds.isel(x=slice(8, 12)), "auto", "no stretch"),
        (ds.isel(x=[2, 4]), "auto", "no stretch"),
        (other.isel(x=slice(2, 6)), "auto", "no stretch"),
        (ds.isel(gti=[1], x=slice(2, 6)), "auto", "'gti' has no labels"),
        (piece.assign(npred=piece["counts"]), "auto", "'npred' is not in the store"),
        (piece.assign(counts=piece["counts"].astype("f4")), "auto", "type of 'counts'"),
        (piece.assign(livetime=piece["livetime"] + 1), "auto", "'livetime' differs"),
    ]:
        with pytest.raises(ValueError, match=message):
            write_zarr(wrong, path, region=region)
        assert state(path) == before


def test_a_region_that_fails_is_marked_until_it_is_repeated(ds, path):
    write_zarr(ds, path)
    changed = ds.assign(background=ds["background"] + 1).isel(x=slice(0, 4))
    with pytest.raises(ZeroDivisionError):
        write_zarr(failing(changed), path, region="auto")
    with pytest.raises(FileFormatError, match=r"a write into .*x=0:4.* broken off.*repeat the same write_zarr"):
        open_archive(path)
    assert open_archive(path, verify=False).sizes == ds.sizes
    with pytest.raises(FileFormatError, match="broken off"):
        write_zarr(ds, path, append_dim="gti")
    write_zarr(ds.isel(x=slice(8, 9)), path, region="auto")
    with pytest.raises(FileFormatError, match="broken off"):
        open_archive(path)
    write_zarr(changed, path, region="auto")
    expected = ds.copy(deep=True)
    expected["background"][:, :, :4] += 1
    xr.testing.assert_identical(open_archive(path), expected)


def _append_and_hang(ds, path, started):
    write = update._write

    def hang(*args):
        write(*args)
        started.set()
        time.sleep(60)

    update._write = hang
    write_zarr(ds, path, append_dim="x")


def test_a_killed_append_is_noticed_and_taken_back(ds, path):
    left, right = ds.isel(x=slice(0, 8)), ds.isel(x=slice(8, None))
    write_zarr(left, path)
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_append_and_hang, args=(right, path, started))
    process.start()
    assert started.wait(60)
    with pytest.raises(FileFormatError, match="an append along 'x' is under way.*restore_zarr"):
        open_archive(path)
    with pytest.raises(FileFormatError, match="under way"):
        write_zarr(right, path, append_dim="x")
    with pytest.raises(FileFormatError, match="under way"):
        write_zarr(left, path, region="auto")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    process.close()
    with pytest.raises(FileFormatError, match="broken off"):
        open_archive(path)
    restore_zarr(path)
    xr.testing.assert_identical(open_archive(path), left)
    restore_zarr(path)  # nothing to do
    write_zarr(right, path, append_dim="x")
    xr.testing.assert_identical(open_archive(path), ds)


def test_metadata_edited_behind_the_store_are_not_built_upon(ds, path):
    write_zarr(ds.isel(x=slice(0, 8)), path)
    document = json.loads((path / "counts" / "zarr.json").read_text())
    document["fill_value"] = 7.0
    (path / "counts" / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match="'counts': its zarr.json differs"):
        write_zarr(ds.isel(x=slice(8, None)), path, append_dim="x")
