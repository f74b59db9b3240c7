import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion, PolygonSkyRegion, Regions

import xgamma as xg
from xgamma.create_spectrum import create_spectrum_dataset
from xgamma.io.zarr import write_zarr
from xgamma.onoff import is_onoff
from xgamma.reduce.stack import stack_many
from xgamma.schema import VARIABLES

ENERGY = xg.energy_edges("1 TeV", "10 TeV", nbin=4)
TRUE = xg.energy_edges("0.5 TeV", "20 TeV", nbin=7)
CRAB = SkyCoord(83.63, 22.01, unit="deg")


def test_defaults():
    ds = create_spectrum_dataset(ENERGY)
    ds.gp.validate()
    assert list(ds.data_vars) == [
        "counts",
        "background",
        "exposure",
        "edisp",
        "edisp_exposure",
        "mask_safe",
        "gti_start",
        "gti_stop",
    ]
    assert ds["edisp"].dims == ("energy_true", "energy")
    assert ds["edisp"].shape == (4, 4)
    assert dict(ds.sizes) == {"energy": 4, "energy_true": 4, "gti": 0}
    assert ds.attrs["name"] == "spectrum-dataset"
    assert ds.attrs["history"] == "create_spectrum_dataset(4)"
    assert "region" not in ds.attrs
    assert "lon" not in ds.coords
    assert not any(ds[key].any() for key in ds.data_vars)
    for key, part in ds.data_vars.items():
        assert part.attrs.get("units") == (None if key == "mask_safe" else VARIABLES[key].unit)
    np.testing.assert_allclose(ds["energy_true_min"], ENERGY[:-1].value)
    assert ds["energy"].attrs["interp"] == "log"


def test_options():
    ds = create_spectrum_dataset(
        ENERGY.to("GeV"),
        TRUE,
        gti=([0, 100] * u.s, [50, 130] * u.s),
        name="on",
        migra=np.linspace(0, 3, 31),
        onoff=True,
    )
    ds.gp.validate()
    assert is_onoff(ds)
    assert "background" not in ds
    assert {"acceptance", "acceptance_off"} <= set(ds.data_vars)
    assert ds["edisp"].dims == ("energy_true", "migra")
    assert ds["edisp"].shape == (7, 30)
    assert ds["energy"].attrs["units"] == "GeV"
    assert ds["gti_stop"].values.tolist() == [50, 130]
    assert ds.attrs["name"] == "on"


@pytest.mark.parametrize(
    ("region", "center", "frame"),
    [
        ("icrs;circle(83.63, 22.01, 0.11)", (83.63, 22.01), "icrs"),
        ("galactic;ellipse(359.9,-0.1,1,0.5,30)", (359.9, -0.1), "galactic"),
        (CRAB, (83.63, 22.01), "icrs"),
        (CircleSkyRegion(CRAB.galactic, 0.1 * u.deg), (184.55974, -5.78918), "galactic"),
        (PolygonSkyRegion(SkyCoord([359.5, 0.5, 0.5, 359.5], [1, 1, 2, 2], unit="deg")), (0, 1.5), "icrs"),
        ([CircleSkyRegion(CRAB, 0.1 * u.deg), CircleSkyRegion(CRAB, 0.3 * u.deg)], (83.63, 22.01), "icrs"),
    ],
)
def test_region(region, center, frame, tmp_path):
    ds = create_spectrum_dataset(ENERGY, region=region)
    separation = SkyCoord(*center, unit="deg", frame=frame).separation(
        SkyCoord(float(ds["lon"]), float(ds["lat"]), unit="deg", frame=frame)
    )
    assert separation.deg < 1e-3
    assert ds["lon"].attrs == {"units": "deg", "frame": frame}
    shapes = Regions.parse(ds.attrs["region"], format="ds9")
    assert len(shapes) == (len(region) if isinstance(region, list) else 1)
    ds.gp.validate()
    write_zarr(ds, tmp_path / "a.zarr")
    with xg.open_dataset(tmp_path / "a.zarr") as back:
        assert back.identical(ds)


def test_it_is_the_zero_of_sums():
    ds = create_spectrum_dataset(ENERGY, TRUE)
    full = ds.assign({key: ds[key] + 2 for key in ("counts", "background", "exposure", "edisp", "edisp_exposure")})
    full = full.assign(mask_safe=~ds["mask_safe"])
    for key in ds.data_vars:
        full[key].attrs = ds[key].attrs
    total = stack_many([ds, full])
    for key in ("counts", "background", "exposure", "edisp", "mask_safe"):
        np.testing.assert_allclose(total[key], full[key], err_msg=key)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"energy": [1, 2, 3] * u.m}, "energy is in 'm'"),
        ({"energy": "lots"}, "energy is 'lots'"),
        ({"energy": ENERGY, "energy_true": [1, 2] * u.s}, "energy_true is in 's'"),
        ({"energy": ENERGY, "migra": [1, 2] * u.TeV}, "migra is in 'TeV'"),
        ({"energy": ENERGY, "region": "circle(1,2,3)"}, "no region on the sky.*with its frame"),
        ({"energy": ENERGY, "region": "somewhere"}, "no region on the sky"),
        ({"energy": ENERGY, "region": 3 * [None]}, "no region on the sky"),
        ({"energy": ENERGY, "region": "icrs;circle(83.63, x, 0.11)"}, "DS9"),
        ({"energy": ENERGY, "gti": 3}, "gti must be a pair"),
    ],
)
def test_errors(arguments, words):
    with pytest.raises(ValueError, match=words):
        create_spectrum_dataset(**arguments)


def test_compound_regions_have_no_text():
    shape = CircleSkyRegion(CRAB, 0.1 * u.deg)
    with pytest.raises(ValueError, match="is a compound"):
        create_spectrum_dataset(ENERGY, region=shape & shape)
