import astropy.units as u
import pytest

from xgamma.coords.labels import parse_unit


def test_a_unit_is_known_as_long_as_it_is_enabled():
    crab = u.def_unit("crabflux", 3e-11 * u.Unit("cm-2 s-1"))
    with u.add_enabled_units(crab):
        assert parse_unit("crabflux", "a flux") == crab
    with pytest.raises(ValueError, match="unknown unit 'crabflux'"):
        parse_unit("crabflux", "a flux")
