import inspect
import pickle
import re

import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

import xgamma as xg
from tests.builders import SKIES, make_map_dataset
from xgamma.accessor.hints import USE_INSTEAD
from xgamma.models import FoVBackgroundModel, SkyModel

CENTRE = SkyCoord(0, 0, unit="deg", frame="galactic")


def test_holds_the_dataset_and_nothing_else():
    ds = make_map_dataset()
    accessor = ds.gp
    for name in ("name", "models", "mask", "psf", "edisp", "geoms", "stat_type"):
        getattr(accessor, name)
    accessor.npred()
    accessor.info()
    assert list(vars(accessor)) == ["_obj"]
    assert pickle.loads(pickle.dumps(ds)).identical(ds)


def test_models_are_read_only():
    ds = make_map_dataset().gp.assign_models([SkyModel.create("pl", "point", name="source")])
    with pytest.raises(AttributeError, match=r"ds = ds.gp.assign_models\(models\)"):
        ds.gp.models = []
    with pytest.raises(AttributeError, match="assign_models"):
        ds.gp.models["source"].spectral_model.amplitude.value = 3
    mutable = ds.gp.models.copy()
    mutable["source"].spectral_model.amplitude.value = 3
    assert ds.gp.models["source"].spectral_model.amplitude.value != 3
    with pytest.raises(AttributeError, match=r"ds.assign_attrs\(name=...\)"):
        ds.gp.name = "other"


def test_models_travel_through_selections():
    ds = make_map_dataset().gp.assign_models([FoVBackgroundModel(dataset_name="test")])
    for part in (
        ds.isel(x=slice(2, 9)),
        ds.sel(energy=slice("1 TeV", None)),
        ds.sel(lon=slice(-0.5, 0.5), lat=slice(-0.5, 0.5)),
        ds.gp.cutout(CENTRE, "1 deg"),
        ds.gp.slice_by_energy("1 TeV", "10 TeV"),
        ds.chunk(x=4),
    ):
        assert part.gp.models.names == ["test-bkg"]
        assert part.gp.name == "test"


def test_array_accessor():
    exposure = make_map_dataset()["exposure"]
    assert exposure.gp.quantity.unit.to_string() == "m2 s"
    assert exposure.gp.to_unit("cm2 s").attrs["units"] == "cm2 s"
    assert isinstance(exposure.gp.wcs, WCS)
    assert exposure.gp.wcs.array_shape == (12, 16)
    np.testing.assert_allclose(exposure.gp.wcs.pixel_to_world_values(7.5, 5.5), [0, 0], atol=1e-9)
    at = {"skycoord": CENTRE, "energy_true": "1 TeV"}
    assert exposure.gp.interp_by_coord(at).size == 1
    with pytest.raises(ValueError, match="'psf' has no dims on the sky"):
        make_map_dataset(irf_on_sky=False)["psf"].gp.grid  # noqa: B018


def test_every_method_points_to_its_text():
    """A line a method: each says where the full text stands, and takes what the function behind it takes."""
    for owner in (xg.DatasetAccessor, xg.DataArrayAccessor):
        for name, member in inspect.getmembers(owner):
            if name.startswith("_"):
                continue
            assert (member.fget if isinstance(member, property) else member).__doc__, f"{name} has no docstring"


def test_two_steps_of_the_tutorial():
    for sky in SKIES:
        ds = make_map_dataset(**SKIES[sky])
        before = ds.copy(deep=True)
        ds.gp.validate()
        assert "test" in repr(ds.gp)
        assert "<table" in ds.gp._repr_html_() or "<div" in ds.gp._repr_html_()
        assert ds.gp.excess.dims == ("energy", "y", "x")
        low, high = ds.gp.energy_range_safe
        assert float(low.min()) < float(high.max())
        assert ds.gp.decode().identical(ds)
        assert ds.identical(before)


def test_names_of_the_face():
    for name in xg.__all__:
        assert getattr(xg, name) is not None
        assert name in dir(xg)
    with pytest.raises(AttributeError, match="module 'xgamma' has no attribute 'nothing'"):
        xg.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("counts", r"ds\['counts'\]$"),
        ("counts_off", "which this dataset does not have"),
        ("info_dict", r"ds\.gp\.info\(\)"),
        ("write", "to_fits"),
        ("gti", "gti_start"),
    ],
)
def test_names_of_gammapy_lead_to_those_here(name, use):
    ds = make_map_dataset(npix=(8, 8), nenergy=2, ntrue=2)
    with pytest.raises(AttributeError, match=f"ds.gp has no '{name}': use .*{use}"):
        getattr(ds.gp, name)
    assert not hasattr(ds.gp, name)
    assert name not in dir(ds.gp)


def test_other_names_are_missing_as_anywhere():
    with pytest.raises(AttributeError, match="'DatasetAccessor' object has no attribute 'nonsense'"):
        xr.Dataset().gp.nonsense  # noqa: B018


def test_what_to_use_instead_exists():
    for hint in USE_INSTEAD.values():
        for name in re.findall(r"ds\.gp\.([a-z_]+)", hint):
            assert hasattr(xg.DatasetAccessor, name), hint
        for name in re.findall(r"xgamma\.([a-z_]+)", hint):
            assert hasattr(xg, name), hint
