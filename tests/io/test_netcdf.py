"""What is particular to NetCDF files."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.builders import make_map_dataset
from xgamma.io.archive import open_archive
from xgamma.io.netcdf import write_netcdf
from xgamma.io.trailer import add_trailer, check_trailer


@pytest.fixture
def ds():
    return make_map_dataset(npix=(60, 80))


def test_data_are_compressed_and_carry_checksums(tmp_path, ds):
    write_netcdf(ds, tmp_path / "map.nc")
    with netCDF4.Dataset(tmp_path / "map.nc") as file:
        assert file.data_model == "NETCDF4"
        for name in ("counts", "mask_safe", "psf", "lon", "energy"):
            filters = file[name].filters()
            assert filters["zlib"] and filters["shuffle"] and filters["fletcher32"]
        assert file["counts"].chunking() == [4, 60, 80]
        assert "_FillValue" not in file["counts"].ncattrs()
    assert (tmp_path / "map.nc").stat().st_size < 0.6 * ds.nbytes


def test_chunks_of_dask_are_kept(tmp_path, ds):
    big = make_map_dataset(npix=(96, 96)).chunk(y=64, x=32)
    write_netcdf(big, tmp_path / "map.nc")
    assert open_archive(tmp_path / "map.nc", chunks={}).chunksizes["y"] == (64, 32)


@pytest.mark.parametrize("dtype", [complex, np.float16])
def test_types_that_netcdf_does_not_know(tmp_path, ds, dtype):
    with pytest.raises(ValueError, match="'extra' is of type .* NetCDF does not know.*write Zarr"):
        write_netcdf(ds.assign(extra=("y", np.zeros(60, dtype))), tmp_path / "map.nc")


def test_other_programs_may_change_a_file(tmp_path, ds):
    path = tmp_path / "map.nc"
    write_netcdf(ds, path)
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("note", str, ())[...] = "mine"
    with open_archive(path) as opened:
        assert opened["note"].item() == "mine"
        xr.testing.assert_identical(opened.drop_vars("note"), ds)


def test_trailer(tmp_path):
    path = tmp_path / "file"
    data = np.random.default_rng(0).bytes(2**20 * 2 + 77)
    path.write_bytes(data)
    check_trailer(str(path))  # a file without one is let through
    add_trailer(path)
    whole = path.read_bytes()
    assert whole.startswith(data) and len(whole) < len(data) + 60
    check_trailer(str(path))
    for position, message in [
        (5, "bytes 0 to 1048576: are damaged"),
        (2**20, "bytes 1048576 to 2097152"),
        (len(data) - 1, "bytes 2097152 to 2097229"),
        (len(data), "checksums at its end"),
        (len(whole) - 19, "has not the size|checksums"),
    ]:
        damaged = bytearray(whole)
        damaged[position] ^= 16
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=message):
            check_trailer(str(path))
    path.write_bytes(whole[:100] + whole[101:])
    with pytest.raises(ValueError, match="has not the size"):
        check_trailer(str(path))
