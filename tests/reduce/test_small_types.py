"""Counts and masks in few bits add up without wrapping around."""

import numpy as np
import pytest
import regions as rg
import xarray as xr
from astropy import units as u

from tests.builders import make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.reduce.parts import mean_dtype, sum_dtype

DS = make_map_dataset()
REGION = rg.CircleSkyRegion(SkyGrid.from_dataset(DS).center, 0.3 * u.deg)
REDUCTIONS = {
    "downsample": lambda ds: ds.gp.downsample(4),
    "downsample energies": lambda ds: ds.gp.downsample(2, axis_name="energy"),
    "image": lambda ds: ds.gp.to_image(),
    "resample": lambda ds: ds.gp.resample_energy_axis([0.5, 2, 20] * u.TeV),
    "spectrum": lambda ds: ds.gp.to_spectrum_dataset(REGION),
    "region map": lambda ds: ds.gp.to_region_map_dataset(REGION),
    "stack": lambda ds: ds.gp.stack(ds),
    "stack part": lambda ds: ds.gp.stack(ds.isel(x=slice(2, 9))),
    "masked": lambda ds: ds.gp.to_masked(),
}
TYPES = ("uint8", "int8", "int16", "uint16", "int32", "uint64", "bool", "float32", "float64", ">i2")


def bright(dtype):
    """As many counts in each bin as the type holds, or a thousand."""
    dtype = np.dtype(dtype)
    most = 1 if dtype.kind == "b" else 1000 if dtype.kind == "f" else min(int(np.iinfo(dtype).max), 1000)
    safe = xr.ones_like(DS.mask_safe)
    ds = DS.drop_vars("mask_fit").assign(mask_safe=safe)
    return ds.assign(counts=DS.counts.copy(data=np.full(DS.counts.shape, most).astype(dtype))), most


@pytest.mark.parametrize("dtype", TYPES)
def test_counts_of_any_type_add_up(dtype, no_compute):
    ds, most = bright(dtype)
    wide = ds.assign(counts=ds.counts.copy(data=np.full(ds.counts.shape, float(most))))
    for name, reduction in REDUCTIONS.items():
        expected = reduction(wide).counts.values
        out = reduction(ds).counts
        np.testing.assert_array_equal(out.values, expected, err_msg=name)
        assert out.dtype == sum_dtype(np.dtype(dtype)), name
        if dtype in ("uint8", ">i2"):
            with no_compute():
                lazy = reduction(ds.chunk(y=5, x=-1)).counts
            computed = lazy.compute()
            assert lazy.dtype == computed.dtype == out.dtype, name
            np.testing.assert_array_equal(computed.values, expected, err_msg=name)


def test_averages_of_integers_have_fractions():
    """Of exposures and responses alike; a sum in other units as well."""
    ds = DS.assign(
        {name: DS[name].copy(data=DS[name].data * 0 + 1) for name in ("exposure", "edisp_exposure", "edisp")}
    )
    ds["exposure"][..., ::2] = 2
    whole = ds.assign({name: ds[name].astype("int16") for name in ("exposure", "edisp_exposure", "edisp")})
    for lazy in (False, True):
        source = whole.chunk(y=6) if lazy else whole
        for reduction in (REDUCTIONS["downsample"], REDUCTIONS["spectrum"], REDUCTIONS["stack"]):
            out, expected = reduction(source), reduction(ds)
            for name in ("exposure", "edisp"):
                np.testing.assert_allclose(out[name].values, expected[name].values, rtol=1e-6, err_msg=name)
        small = source.assign(exposure=(source.exposure * 100).assign_attrs(units="cm2 s"))
        out = source.gp.stack(small).exposure
        np.testing.assert_allclose(out.values, source.gp.to_masked().exposure.values * 1.01)
    # a type of 16 bit would overflow where weights multiply
    big = whole.assign(edisp=whole.edisp + 29, edisp_exposure=whole.edisp_exposure * 2000)
    np.testing.assert_allclose(big.gp.stack(big).edisp.max(), 30)


def test_types():
    assert [str(sum_dtype(np.dtype(t))) for t in TYPES] == [
        *["int64"] * 5,
        "uint64",
        "int64",
        "float32",
        "float64",
        "int64",
    ]
    assert {str(mean_dtype(np.dtype(t))) for t in TYPES if np.dtype(t).kind != "f"} == {"float64"}
    assert mean_dtype(np.dtype("float32")) == sum_dtype(np.dtype("float16")) == np.float32
