"""Archives give back dims in the order that they had, whatever it was, also to plain xarray and ``decode``."""

import astropy.units as u
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

import xgamma as xg
from tests.builders import SKIES, make_map_dataset

KINDS = ("nc", "zarr")


def natural(ds):
    """A mask written region first, whose dims are (y, x, energy)."""
    circle = CircleSkyRegion(SkyCoord(ds.gp.geoms["geom"].grid.center), 0.3 * u.deg)
    return ds.assign(mask_fit=ds.gp.region_mask(circle) & ds.gp.energy_mask("1 TeV", "10 TeV"))


ORDERS = {
    "schema": lambda ds: ds,
    "mask": natural,
    "all": lambda ds: ds.transpose(),
    "some": lambda ds: ds.assign(counts=ds["counts"].transpose("x", "energy", "y"), psf=ds["psf"].transpose()),
    "own": lambda ds: ds.assign(own=ds["counts"].transpose("y", "energy", "x") + 1),
}


def write(ds, path, **options):
    (ds.gp.to_netcdf if path.suffix == ".nc" else ds.gp.to_zarr)(path, **options)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_reopened_is_identical(tmp_path, kind, order):
    ds = ORDERS[order](make_map_dataset())
    for lonlat, each in ((True, (None, {})), (False, (None,))):
        path = tmp_path / f"{lonlat}.{kind}"
        write(ds, path, lonlat=lonlat)
        for chunks in each:
            with xg.open_dataset(path, chunks=chunks) as opened:
                xr.testing.assert_identical(opened, ds)
                assert all(opened[name].dims == ds[name].dims for name in ds.variables)


def test_lazy_stays_lazy(tmp_path, no_compute):
    ds = natural(make_map_dataset())
    path = tmp_path / "map.zarr"
    ds.chunk(x=4, y=5).gp.to_zarr(path)
    opened = xg.open_dataset(path, chunks={})
    with no_compute():
        assert opened["mask_fit"].dims == ds["mask_fit"].dims
        assert opened["mask_fit"].chunks is not None
    xr.testing.assert_identical(opened, ds)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_decode_of_what_plain_xarray_opened(tmp_path, kind, order):
    chunks = {} if order in ("mask", "some") else None
    ds = ORDERS[order](make_map_dataset())
    path = tmp_path / f"map.{kind}"
    write(ds, path)
    plain = (xr.open_zarr if kind == "zarr" else xr.open_dataset)(path, chunks=chunks)
    with plain:
        decoded = plain.gp.decode()
        xr.testing.assert_identical(decoded, ds)
        xr.testing.assert_identical(decoded.gp.decode(), ds)


@pytest.mark.parametrize("sky", SKIES)
def test_every_sky(tmp_path, sky):
    ds = make_map_dataset(**SKIES[sky]).transpose("x", "y", ...)
    ds.gp.to_zarr(tmp_path / "map.zarr")
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "map.zarr").gp.decode(), ds)
