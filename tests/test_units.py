import astropy.units as u
import numpy as np
import pytest
import xarray as xr

from tests.builders import make_map_dataset
from xgamma.units import quantity, to_unit, unit_of


def test_quantity():
    exposure = make_map_dataset()["exposure"]
    out = quantity(exposure)
    assert out.unit == u.Unit("m2 s")
    np.testing.assert_array_equal(out.value, exposure.values)
    assert quantity(make_map_dataset()["mask_safe"]).unit == u.one


def test_to_unit(no_compute):
    exposure = make_map_dataset(chunks={"x": 5})["exposure"]
    with no_compute():
        out = to_unit(exposure, "cm2 s")
    assert out.attrs == {**exposure.attrs, "units": "cm2 s"}
    np.testing.assert_allclose(out, exposure * 1e4)
    xr.testing.assert_identical(to_unit(exposure, "m2 s"), exposure)


def test_errors():
    exposure = make_map_dataset()["exposure"]
    with pytest.raises(ValueError, match="'exposure' is in 'm2 s', which does not convert to 'TeV'"):
        to_unit(exposure, "TeV")
    with pytest.raises(ValueError, match="'exposure' has units 'parsnips', which is no unit"):
        unit_of(exposure.assign_attrs(units="parsnips"))
