import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord

import xgamma as xg
from tests.builders import SKIES, make_map_dataset
from xgamma.models import FoVBackgroundModel, PointSpatialModel, PowerLawSpectralModel, SkyModel
from xgamma.predict import npred
from xgamma.statistic import cash, stat_sum, stat_type


def tutorial_models(name):
    spectrum = PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1", index=2)
    source = SkyModel(spectrum, PointSpatialModel(lon_0="0 deg", lat_0="0 deg", frame="galactic"), name="gc")
    return [source, FoVBackgroundModel(dataset_name=name)]


@pytest.fixture(params=SKIES)
def ds(request):
    return make_map_dataset(**SKIES[request.param])


def test_cash_brute_force(ds):
    prediction = npred(ds).values
    expected = 2 * (prediction - ds["counts"].values * np.log(prediction))
    np.testing.assert_allclose(cash(ds), expected)
    total = sum(
        expected[index] for index in np.ndindex(expected.shape) if (ds["mask_safe"] & ds["mask_fit"]).values[index]
    )
    assert float(stat_sum(ds)) == pytest.approx(total, rel=1e-12)


def test_lazy(ds, no_compute):
    lazy = ds.chunk(x=5, y=7)
    with no_compute():
        each, total = cash(lazy), stat_sum(lazy)
    assert each.chunks is not None
    assert total.chunks is not None
    xr.testing.assert_allclose(each.compute(), cash(ds))
    xr.testing.assert_allclose(total.compute(), stat_sum(ds))


@pytest.mark.parametrize("left", [["mask_safe"], ["mask_fit"], []])
def test_masks_that_are_there(left):
    ds = make_map_dataset()
    part = ds.drop_vars({"mask_safe", "mask_fit"} - set(left))
    inside = np.ones(ds["counts"].shape, dtype=bool)
    for name in left:
        inside &= ds[name].values
    assert float(stat_sum(part)) == pytest.approx(cash(ds).values[inside].sum(), rel=1e-12)


def test_order_of_dims_carries_no_meaning(ds):
    other = ds.transpose()
    assert cash(other).dims == other["counts"].dims
    assert float(stat_sum(other)) == pytest.approx(float(stat_sum(ds)), rel=1e-12)
    mixed = ds.assign(mask_fit=ds["mask_fit"].transpose())
    assert float(stat_sum(mixed)) == pytest.approx(float(stat_sum(ds)), rel=1e-12)


def test_attrs(ds):
    assert cash(ds).name == "cash"
    assert cash(ds).attrs["units"] == ""
    assert stat_sum(ds).dims == ()
    assert stat_type(ds) == "cash"


def test_no_counts():
    with pytest.raises(ValueError, match="Dataset 'test' has no variable 'counts'"):
        stat_sum(make_map_dataset().drop_vars("counts"))


@pytest.mark.parametrize("chunks", [None, {"x": 100, "y": 90}])
def test_reference(cta_path, reference, chunks):
    """The tutorial's model: brute force gives 424690.0 with the safe mask and 44353.8 with the fit mask."""
    import astropy.units as u
    from regions import CircleSkyRegion

    ds = xg.open_dataset(cta_path, name="dataset-cta", chunks=chunks)
    models = tutorial_models("dataset-cta")
    assert float(ds.gp.stat_sum(models)) == pytest.approx(424690.0, abs=0.5)
    expected = reference("tutorial_cta")
    signal = ds.gp.npred_signal(models).sum(("y", "x"))
    np.testing.assert_allclose(signal, expected["models"]["npred_signal_per_energy"], rtol=5e-3)
    centre = SkyCoord(0, 0, unit="deg", frame="galactic")
    circle = CircleSkyRegion(centre, 1.5 * u.deg)
    ds["mask_fit"] = ds.gp.region_mask(circle) & ds.gp.energy_mask("0.3 TeV", "7 TeV")
    assert int(ds["mask_fit"].sum()) == expected["mask_fit"]["n_true"]
    np.testing.assert_array_equal(ds["mask_fit"].sum(("y", "x")), expected["mask_fit"]["per_energy"])
    assert float(ds.gp.stat_sum(models)) == pytest.approx(44353.8, abs=0.5)
