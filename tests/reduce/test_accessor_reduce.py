"""Every reduction through ``.gp``: in memory and lazily, on maps of several kinds, on data with off regions."""

import astropy.units as u
import numpy as np
import pytest
import regions as rg
import xarray as xr

from tests.builders import SKIES, make_map_dataset
from tests.reduce.chunks import chunked
from xgamma.coords import SkyGrid
from xgamma.models import Models, PointSpatialModel, PowerLawSpectralModel, SkyModel
from xgamma.onoff import background, to_onoff


def circle(ds, radius=0.3):
    return rg.CircleSkyRegion(SkyGrid.from_dataset(ds).center, radius * u.deg)


REDUCTIONS = {
    "cutout": lambda ds: ds.gp.cutout(SkyGrid.from_dataset(ds).center, "1 deg"),
    "slice_by_energy": lambda ds: ds.gp.slice_by_energy("1 TeV", "10 TeV"),
    "downsample": lambda ds: ds.gp.downsample(2),
    "downsample energy": lambda ds: ds.gp.downsample(2, axis_name="energy"),
    "resample_energy_axis": lambda ds: ds.gp.resample_energy_axis([0.5, 3, 20] * u.TeV),
    "to_image": lambda ds: ds.gp.to_image(),
    "pad": lambda ds: ds.gp.pad(2),
    "to_masked": lambda ds: ds.gp.to_masked(),
    "stack": lambda ds: ds.gp.stack(ds),
    "to_region_map_dataset": lambda ds: ds.gp.to_region_map_dataset(circle(ds)),
    "to_spectrum_dataset": lambda ds: ds.gp.to_spectrum_dataset(circle(ds)),
    "containment": lambda ds: ds.gp.to_spectrum_dataset(circle(ds), containment_correction=True),
    "residuals": lambda ds: ds.gp.residuals("diff/sqrt(model)").to_dataset(),
    "fake": lambda ds: ds.gp.fake(42),
    "asimov": lambda ds: ds.gp.asimov(),
}
KEEP_COUNTS = ["downsample", "downsample energy", "resample_energy_axis", "to_image", "to_masked"]


def make(sky, **options):
    ds = make_map_dataset(**SKIES[sky], npix=(24, 26), **options)
    # a region must not be cut by the masks
    ds["mask_safe"] = ds.mask_safe.copy(data=np.broadcast_to([[[False]], [[True]], [[True]], [[True]]], (4, 24, 26)))
    grid = SkyGrid.from_dataset(ds)
    lonlat = grid.center.spherical
    source = PointSpatialModel(lon_0=lonlat.lon.deg, lat_0=lonlat.lat.deg, frame=grid.frame)
    models = Models([SkyModel(PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"), source, name="source")])
    return ds.drop_vars("mask_fit").gp.assign_models(models).assign_attrs(meta='{"OBS_ID": [1]}')


@pytest.fixture(scope="module", params=["CAR", "TAN", "wrap"])
def ds(request):
    return make(request.param)


OFF = [name for name in REDUCTIONS if name not in ("residuals", "fake", "asimov")]
SKY_OF = dict(zip(OFF, ["CAR", "TAN", "wrap"] * 4, strict=True))
"""Reductions one by one are tested on all skies; here each takes its turn."""


@pytest.mark.parametrize(
    ("name", "sky"),
    [(name, sky) for name in REDUCTIONS for sky in ("CAR", "TAN", "wrap") if SKY_OF.get(name, sky) == sky],
)
def test_all(name, sky, no_compute):
    ds = make(sky)
    operation = REDUCTIONS[name]
    before = ds.copy(deep=True)
    expected = operation(ds)
    assert ds.identical(before)
    lazy = chunked(ds)
    with no_compute():
        actual = operation(lazy)
    assert all(actual[key].chunks is not None for key in actual if actual[key].ndim)
    computed = actual.compute()
    xr.testing.assert_allclose(computed, expected, rtol=1e-9, atol=1e-12)
    assert set(actual.xindexes) == set(expected.xindexes)
    assert all(index.equals(expected.xindexes[key]) for key, index in actual.xindexes.items())
    assert actual.attrs == expected.attrs
    assert {key: v.attrs for key, v in actual.variables.items()} == {k: v.attrs for k, v in expected.variables.items()}
    if name != "residuals":
        expected.gp.validate()
        assert expected.gp.name == "test" and expected.gp.models.names == ["source"]
        assert len(expected.attrs["history"].splitlines()) == 2
        meta = '{"OBS_ID": [1, 1]}' if name == "stack" else '{"OBS_ID": [1]}'
        assert expected.attrs["meta"] == meta
        assert float(expected["livetime"]) == (2 if name == "stack" else 1) * float(ds["livetime"])
        # good time intervals unite, whatever happens to the maps
        np.testing.assert_array_equal(expected["gti_stop"], ds["gti_stop"])


@pytest.mark.parametrize(("name", "sky"), SKY_OF.items())
def test_off_regions(name, sky, no_compute):
    """Backgrounds of on/off data add up as those of others do, whatever the projection."""
    ds = make(sky)
    flat = ds.counts.copy(data=np.random.default_rng(1).poisson(20.0, ds.counts.shape).astype(float))
    onoff = to_onoff(ds.drop_vars("background"), 1, flat + 3, counts_off=flat)
    known = ds.assign(background=background(onoff).variable)
    out = REDUCTIONS[name](onoff)
    assert "background" not in out and {"counts_off", "acceptance", "acceptance_off"} <= set(out)
    expected = REDUCTIONS[name](known)["background"]
    np.testing.assert_allclose(background(out), expected, rtol=1e-12)
    lazy = chunked(onoff)
    with no_compute():
        actual = REDUCTIONS[name](lazy)
    xr.testing.assert_allclose(actual.compute(), out, rtol=1e-9)


@pytest.mark.parametrize("name", KEEP_COUNTS)
def test_counts_inside_the_mask_are_kept(ds, name):
    assert float(REDUCTIONS[name](ds).counts.sum()) == float(ds.counts.where(ds.mask_safe, 0).sum())


def test_a_name_may_be_given():
    ds = make("CAR")
    for operation in (
        ds.gp.to_image,
        ds.gp.to_masked,
        lambda name: ds.gp.downsample(2, name=name),
        lambda name: ds.gp.stack(ds, name=name),
        lambda name: ds.gp.to_spectrum_dataset(circle(ds), name=name),
    ):
        assert operation(name="other").gp.name == "other"
