"""Every reference number of the reductions of the CTA dataset."""

import astropy.units as u
import numpy as np
import pytest
import regions as rg
from astropy.coordinates import SkyCoord

import xgamma as xg
from tests.reference import compare_info, compare_maps

CENTER = SkyCoord(0, 0, unit="deg", frame="galactic")
NAMES = ("counts", "background", "exposure", "mask_safe", "mask_fit")


@pytest.fixture(scope="module")
def expected(reference):
    return reference("tutorial_cta")


@pytest.fixture(scope="module")
def cta(cta_path):
    """The dataset with the mask of the tutorial."""
    ds = xg.open_dataset(cta_path, name="dataset-cta").load()
    circle = rg.CircleSkyRegion(CENTER, 1.5 * u.deg)
    return ds.assign(mask_fit=ds.gp.region_mask(circle) & ds.gp.energy_mask("0.3 TeV", "8 TeV"))


def edges(want):
    axis = want["counts"]["axes"]["energy"]
    return np.array(axis["edges"]) * u.Unit(axis["unit"])


MERGED = {
    "downsample_8": lambda ds, want: ds.gp.downsample(8),
    "downsample_energy_5": lambda ds, want: ds.gp.downsample(5, axis_name="energy"),
    "resample_energy": lambda ds, want: ds.gp.resample_energy_axis(edges(want)),
    "to_image": lambda ds, want: ds.gp.to_image(),
}


@pytest.mark.parametrize("key", MERGED)
@pytest.mark.parametrize("chunks", [None, {"y": 120, "x": 100}], ids=["numpy", "dask"])
def test_merged(cta, expected, key, chunks):
    want = expected[key]
    assert set(want) == {"info", *NAMES}
    out = MERGED[key](cta if chunks is None else cta.chunk(chunks), want)
    # sums in single precision, in another order
    compare_maps(out, want, rtol=1e-6)
    check_info(out, want["info"])


@pytest.mark.parametrize(
    ("key", "radius", "correct"),
    [
        ("to_spectrum_dataset_containment_True", 0.5, True),
        ("to_spectrum_dataset_containment_False", 0.5, False),
        ("to_spectrum_dataset_0.1deg_containment_True", 0.1, True),
        ("to_spectrum_dataset_0.1deg_containment_False", 0.1, False),
        ("to_region_map_dataset", 0.5, None),
    ],
)
def test_regions(cta, expected, key, radius, correct):
    want = expected[key]
    circle = rg.CircleSkyRegion(CENTER, radius * u.deg)
    ds = cta.drop_vars("mask_fit")
    if correct is None:
        out = ds.gp.to_region_map_dataset(circle)
    else:
        out = ds.gp.to_spectrum_dataset(circle, containment_correction=correct)
    # containment needs the PSF between four pixels, of which the reference takes one
    rtol = {"exposure": 5e-3 if correct else 1e-3, "background": 1e-4, "counts": 0}
    for name in ("counts", "background", "exposure"):
        found, numbers = out[name], want[name]
        assert found.sizes[found.dims[0]] == numbers["shape"][0]
        values = found.gp.quantity.to_value(numbers["unit"])
        np.testing.assert_allclose(values, numbers["per_energy"], rtol=rtol[name])
        for what in ("sum", "min", "max"):
            assert getattr(values, what)() == pytest.approx(numbers[what], rel=rtol[name])
        if f"{name}_values" in want:
            np.testing.assert_allclose(values, want[f"{name}_values"], rtol=rtol[name])
        axis = numbers["axes"][found.dims[0]]
        own = xg.coords.Axis.from_dataset(out, found.dims[0]).to(axis["unit"])
        np.testing.assert_allclose(own.edges, axis["edges"], rtol=1e-6)
    np.testing.assert_array_equal(out.mask_safe, np.array(want["mask_safe"]["per_energy"], bool))
    assert int(out.mask_safe.sum()) == want["mask_safe"]["n_true"]
    if "mask_safe_values" in want:
        np.testing.assert_array_equal(out.mask_safe, want["mask_safe_values"])
    check_info(out, want["info"], 5e-3 if correct else 1e-3)


def check_info(out, want, rtol=1e-3):
    got, want = out.gp.info(), dict(want)
    assert want.pop("name") and got.pop("name") == "dataset-cta"
    for key in ("exposure_min", "exposure_max"):
        number = want.pop(key)
        assert got.pop(key).to_value(number["unit"]) == pytest.approx(number["value"], rel=rtol)
    compare_info(got, want)


def test_stacked(cta_path, reference):
    want = reference("stacking_cta")["cta_a_plus_b"]
    assert set(want) == {
        "how", "info", "counts", "background", "exposure", "mask_safe", "edisp_center", "psf_r68_1TeV_center_deg"
    }  # fmt: skip
    one = xg.open_dataset(cta_path, name="dataset-cta").load()
    other = one.copy()
    other["counts"] = (one.counts * 2).assign_attrs(one.counts.attrs)
    other["exposure"] = (one.exposure * 0.5).assign_attrs(one.exposure.attrs)
    other["mask_safe"] = one.mask_safe & (one.energy_min >= 0.25)
    out = one.gp.to_masked().gp.stack(other)
    compare_maps(out, want)
    check_info(out, want["info"])
