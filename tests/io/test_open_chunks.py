"""Chunks along dims that a dataset does not have."""

import pytest

import xgamma as xg
from tests.builders import make_map_dataset
from tests.fluxpoints.points import points
from xgamma.io.fits import write_fits
from xgamma.io.fluxpoints import write_ecsv, write_flux_fits
from xgamma.io.netcdf import write_netcdf
from xgamma.io.zarr import write_zarr

WRITERS = {"fits": write_fits, "nc": write_netcdf, "zarr": write_zarr, "ecsv": write_ecsv, "flux.fits": write_flux_fits}


@pytest.mark.parametrize("kind", WRITERS)
def test_unknown_dims_are_named(tmp_path, kind):
    ds = points() if kind in ("ecsv", "flux.fits") else make_map_dataset(npix=(4, 6), irf_on_sky=False)
    path = tmp_path / f"a.{kind}"
    WRITERS[kind](ds, path)
    with pytest.raises(ValueError, match=r"chunks names \['nosuchdim'\], and .*a\..* it has .*energy"):
        xg.open_dataset(path, chunks={"nosuchdim": 1, "energy": -1})
    assert xg.open_dataset(path, chunks={"energy": -1}).sizes == ds.sizes
