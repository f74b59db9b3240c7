"""Sums over regions, and predictions of what was summed."""

import astropy.units as u
import numpy as np
import pytest
import regions as rg
import xarray as xr
from astropy.coordinates import SkyCoord

from tests.builders import SKIES, make_map_dataset
from tests.reduce.chunks import chunked
from xgamma.coords import SkyGrid
from xgamma.io.open import open_dataset
from xgamma.irf.psf import containment
from xgamma.models import (
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from xgamma.predict import npred_signal
from xgamma.reduce.masks import region_mask
from xgamma.reduce.spectrum import to_region_map_dataset, to_spectrum_dataset
from xgamma.reduce.stack import stack
from xgamma.validate import validate


def at(ds, lon=0.0, lat=0.0):
    """A position by its offset from the middle of the map, in deg."""
    return SkyGrid.from_dataset(ds).center.directional_offset_by(
        np.arctan2(lon, lat) * u.rad, np.hypot(lon, lat) * u.deg
    )


def shapes(ds):
    centre, aside = at(ds), at(ds, 0.12, 0.2)
    circle = rg.CircleSkyRegion(centre, 0.4 * u.deg)
    corners = SkyCoord([at(ds, -0.3, -0.3), at(ds, 0.4, -0.2), at(ds, 0.1, 0.4)])
    return {
        "circle": circle,
        "annulus": rg.CircleAnnulusSkyRegion(centre, 0.2 * u.deg, 0.5 * u.deg),
        "ellipse": rg.EllipseSkyRegion(aside, 0.6 * u.deg, 0.3 * u.deg, 30 * u.deg),
        "rectangle": rg.RectangleSkyRegion(aside, 0.6 * u.deg, 0.3 * u.deg, 60 * u.deg),
        "polygon": rg.PolygonSkyRegion(corners),
        "point": rg.PointSkyRegion(aside),
        "union": circle | rg.CircleSkyRegion(at(ds, 0.0, 0.6), 0.2 * u.deg),
        "intersection": circle & rg.CircleSkyRegion(at(ds, 0.3, 0.0), 0.4 * u.deg),
        "difference": circle ^ rg.CircleSkyRegion(centre, 0.2 * u.deg),
        "list": [circle, rg.CircleSkyRegion(at(ds, 0.0, 0.6), 0.2 * u.deg)],
    }


SHAPES = list(shapes(make_map_dataset()))


def trusted(sky):
    """A map whose energies but the first are trusted everywhere."""
    out = make_map_dataset(**SKIES[sky], npix=(24, 26))
    out["mask_safe"] = (("energy", "y", "x"), np.broadcast_to([[[False]], [[True]], [[True]], [[True]]], (4, 24, 26)))
    return out.drop_vars("mask_fit")


@pytest.fixture(scope="module", params=SKIES)
def ds(request):
    return trusted(request.param)


@pytest.mark.parametrize("shape", SHAPES)
def test_sums(ds, shape):
    region = shapes(ds)[shape]
    before = ds.copy(deep=True)
    out = to_region_map_dataset(ds, region)
    assert ds.identical(before)
    validate(out)
    inside = region_mask(ds, region) & ds.mask_safe
    for name in ("counts", "background"):
        np.testing.assert_allclose(out[name], ds[name].where(inside, 0).sum(("y", "x")), rtol=1e-12)
    assert list(out.mask_safe.values) == [False, True, True, True]
    assert not set(out.dims) & {"y", "x", "y_psf", "x_edisp"}
    assert "wcs" not in out.coords and "wcs_psf" not in out.coords
    if shape != "point":
        mean = ds.exposure.where(region_mask(ds, region)).mean(("y", "x"))
        np.testing.assert_allclose(out.exposure, mean, rtol=1e-12)
    # what is stored is the region, so that the sum can be repeated with it
    again = to_region_map_dataset(ds, out.attrs["region"])
    np.testing.assert_allclose(again.counts, out.counts)


def check_lazy(ds, operation, region, no_compute):
    expected = operation(ds, region)
    lazy = chunked(ds)
    with no_compute():
        actual = operation(lazy, region)
    assert all(actual[name].chunks is not None for name in actual if actual[name].ndim)
    xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-10, atol=1e-12)
    assert actual.attrs == expected.attrs
    turned = operation(ds.transpose(), region)
    for name in expected:
        xr.testing.assert_allclose(turned[name].transpose(*expected[name].dims), expected[name])


@pytest.mark.parametrize("shape", SHAPES)
def test_lazy(ds, shape, no_compute):
    check_lazy(ds, to_region_map_dataset, shapes(ds)[shape], no_compute)


@pytest.mark.parametrize(("shape", "sky"), list(zip(SHAPES, list(SKIES) * 2, strict=True)))
def test_lazy_spectrum(shape, sky, no_compute):
    """What is left without the PSF is the same."""
    ds = trusted(sky)
    check_lazy(ds, to_spectrum_dataset, shapes(ds)[shape], no_compute)


def test_centre(ds):
    out = to_spectrum_dataset(ds, shapes(ds)["ellipse"])
    frame = SkyGrid.from_dataset(ds).frame
    assert out.lon.attrs == out.lat.attrs == {"units": "deg", "frame": frame}
    centre = SkyCoord(float(out.lon), float(out.lat), unit="deg", frame=frame)
    assert centre.separation(at(ds, 0.12, 0.2)).deg < 1e-9
    assert not {"psf", "psf_exposure", "rad", "rad_min"} & set(out.variables)
    assert out.attrs["history"].startswith("to_spectrum_dataset(")
    assert to_spectrum_dataset(ds, at(ds), name="on").attrs["name"] == "on"
    middle = to_region_map_dataset(ds, rg.CircleSkyRegion(SkyGrid.from_dataset(ds, "psf").center, 0.3 * u.deg))
    np.testing.assert_allclose(containment(middle, "0.1 deg"), containment(ds, "0.1 deg"), rtol=1e-6)


def test_containment_correction(ds):
    circle = shapes(ds)["circle"]
    plain, corrected = (to_spectrum_dataset(ds, circle, containment_correction=c) for c in (False, True))
    part = containment(ds, "0.4 deg", position=circle.center)
    np.testing.assert_allclose(corrected.exposure / plain.exposure, part, rtol=1e-12)
    lazy = to_spectrum_dataset(ds.chunk(), circle, containment_correction=True)
    np.testing.assert_allclose(lazy.exposure, corrected.exposure, rtol=1e-12)
    with pytest.raises(ValueError, match="for circles only"):
        to_spectrum_dataset(ds, shapes(ds)["ellipse"], containment_correction=True)
    with pytest.raises(ValueError, match="no variable 'psf'"):
        to_spectrum_dataset(ds.drop_vars("psf"), circle, containment_correction=True)


def test_regions_beyond_the_map(ds):
    for lon, lat in ((1.1, 0.0), (0.0, 1.1), (0.0, -1.1)):
        with pytest.raises(ValueError, match="not contained in the map"):
            to_region_map_dataset(ds, rg.CircleSkyRegion(at(ds, lon, lat), 0.4 * u.deg))
    with pytest.raises(ValueError, match="not contained in the map"):
        to_region_map_dataset(
            ds, rg.CircleSkyRegion(at(ds), 0.3 * u.deg) | rg.CircleSkyRegion(at(ds, 1.8), 0.3 * u.deg)
        )
    with pytest.raises(ValueError, match="no pixel's centre"):
        to_region_map_dataset(ds, rg.CircleSkyRegion(at(ds, 8.0, 0.0), 0.4 * u.deg))
    with pytest.raises(ValueError, match="no pixel's centre"):
        to_region_map_dataset(ds, rg.CircleSkyRegion(at(ds, 0.03, 0.02), 0.001 * u.deg))


@pytest.mark.parametrize("name", ["mask_safe", "mask_fit"])
def test_regions_cut_by_a_mask(ds, name):
    region = rg.CircleSkyRegion(at(ds), 0.4 * u.deg)
    mask = np.ones(ds.counts.shape, dtype=bool)
    mask[2:, :12] = False
    ds = ds.assign({name: (("energy", "y", "x"), mask)})
    with pytest.raises(ValueError, match="cut by a mask in 2 of 4 bins of energy"):
        to_spectrum_dataset(ds, region)
    lazy = to_spectrum_dataset(ds.chunk(y=7), region)
    with pytest.raises(ValueError, match="cut by a mask in 2 of 4"):
        lazy.mask_safe.compute()


def test_spectra_stack(ds):
    region = shapes(ds)["circle"]
    one = to_region_map_dataset(ds, region)
    out = stack(one, one)
    np.testing.assert_allclose(out.counts, 2 * one.counts.where(one.mask_safe, 0))
    np.testing.assert_allclose(out.psf, one.psf)
    assert out.attrs["region"] == one.attrs["region"]


def model(spatial):
    return [SkyModel(PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"), spatial, name="source")]


def test_prediction_off_the_centre_of_a_circle():
    """A circle summed by the formula for rings, and written as a union of two equal circles, by integration."""
    ds = make_map_dataset(npix=(40, 44)).drop_vars(["mask_safe", "mask_fit"])
    circle = shapes(ds)["circle"]
    for lon in (0.0, 0.2, 0.4, 0.6):
        models = model(PointSpatialModel(lon_0=lon, lat_0=0.0, frame="galactic"))
        one, two = (npred_signal(to_region_map_dataset(ds, r), models) for r in (circle, [circle, circle]))
        np.testing.assert_allclose(one, two, rtol=5e-3)


def test_predictions_lazy(no_compute):
    ds = make_map_dataset(npix=(40, 44)).drop_vars(["mask_safe", "mask_fit"])
    region = to_region_map_dataset(ds, shapes(ds)["circle"])
    for spatial in (
        PointSpatialModel(lon_0=0.1, lat_0=0.0, frame="galactic"),
        GaussianSpatialModel(lon_0=0.1, lat_0=0.0, sigma=0.2, frame="galactic"),
    ):
        with no_compute():
            lazy = npred_signal(region.chunk(energy_true=2, rad=7), model(spatial))
        assert lazy.chunks is not None
        np.testing.assert_allclose(lazy, npred_signal(region, model(spatial)), rtol=1e-10)


def test_spectra_predict_all_of_a_source():
    """Without a PSF the exposure holds what part of a source lies in the region."""
    ds = make_map_dataset(npix=(40, 44)).drop_vars(["mask_safe", "mask_fit"])
    circle = shapes(ds)["circle"]
    point = model(PointSpatialModel(lon_0=0.0, lat_0=0.0, frame="galactic"))
    corrected = npred_signal(to_spectrum_dataset(ds, circle, containment_correction=True), point)
    np.testing.assert_allclose(corrected, npred_signal(to_region_map_dataset(ds, circle), point), rtol=1e-6)
    plain = to_spectrum_dataset(ds, circle)
    np.testing.assert_allclose(npred_signal(plain, point), npred_signal(plain, model(None)), rtol=1e-12)


@pytest.mark.parametrize("radius, key", [(0.5, ""), (0.1, "0.1deg_")])
@pytest.mark.parametrize("correct", [False, True])
def test_reference(radius, key, correct, cta_path, reference):
    expected = reference("tutorial_cta")[f"to_spectrum_dataset_{key}containment_{correct}"]
    circle = rg.CircleSkyRegion(SkyCoord(0, 0, unit="deg", frame="galactic"), radius * u.deg)
    ds = open_dataset(cta_path)
    out = to_spectrum_dataset(ds, circle, containment_correction=correct)
    np.testing.assert_array_equal(out.counts, expected["counts_values"])
    np.testing.assert_array_equal(out.mask_safe, np.array(expected["mask_safe"]["per_energy"], dtype=bool))
    np.testing.assert_allclose(out.background, expected["background_values"], rtol=1e-4)
    np.testing.assert_allclose(out.exposure, expected["exposure_values"], rtol=5e-3 if correct else 1e-3)
    if "edisp_matrix" in expected:
        # the reference has the dispersion of one of the four pixels that meet at the centre
        aside = rg.CircleSkyRegion(SkyCoord(0.25, -0.25, unit="deg", frame="galactic"), radius * u.deg)
        np.testing.assert_allclose(to_spectrum_dataset(ds, aside).edisp, expected["edisp_matrix"], atol=1e-5)


def test_reference_region_map(cta_path, reference):
    expected = reference("tutorial_cta")["to_region_map_dataset"]
    circle = rg.CircleSkyRegion(SkyCoord(0, 0, unit="deg", frame="galactic"), 0.5 * u.deg)
    out = to_region_map_dataset(open_dataset(cta_path), circle)
    np.testing.assert_array_equal(out.counts, expected["counts"]["per_energy"])
    np.testing.assert_allclose(out.background, expected["background"]["per_energy"], rtol=1e-4)
    np.testing.assert_allclose(out.exposure, expected["exposure"]["per_energy"], rtol=1e-3)
    spectrum = PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1", index=2, reference="1 TeV")
    for kind, spatial in (
        ("point", PointSpatialModel(lon_0=0, lat_0=0, frame="galactic")),
        ("gauss", GaussianSpatialModel(lon_0=0.1, lat_0=0.05, sigma=0.3, frame="galactic")),
    ):
        npred = npred_signal(out, [SkyModel(spectrum, spatial, name=kind)])
        np.testing.assert_allclose(npred, expected[f"npred_signal_{kind}"], rtol=5e-3)
