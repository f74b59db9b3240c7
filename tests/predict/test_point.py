import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from tests import brute
from tests.builders import SKIES, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.models import PointSpatialModel, PowerLawSpectralModel, SkyModel
from xgamma.predict import npred_signal

BINSZ = 0.1
OFFSETS = [(0.0, 0.0), (0.5, 0.5), (0.23, -0.41), (0.0, 0.5)]


def point(ds, dy, dx, **pixel):
    """A point source at a sub-pixel offset from a pixel of the map."""
    grid = SkyGrid.from_dataset(ds)
    y, x = pixel.get("y", grid.y[grid.shape[0] // 2]), pixel.get("x", grid.x[grid.shape[1] // 2])
    lon, lat = grid.labels_to_lonlat(np.array(y + dy), np.array(x + dx))
    spatial = PointSpatialModel(lon_0=f"{float(lon)} deg", lat_0=f"{float(lat)} deg", frame=grid.frame)
    return SkyModel(PowerLawSpectralModel(index=2.1, amplitude="1e-11 cm-2 s-1 TeV-1"), spatial, name="source")


def assert_close(actual, expected):
    """Within 0.5 % of the peak and 1 % of the flux in every energy bin."""
    actual = actual.transpose("energy", "y", "x").values
    peak = expected.max(axis=(1, 2))
    assert (np.abs(actual - expected).max(axis=(1, 2)) < 0.005 * peak).all()
    assert (np.abs(actual - expected).sum(axis=(1, 2)) < 0.01 * expected.sum(axis=(1, 2))).all()


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize("offset", OFFSETS)
def test_brute_force(sky, offset):
    ds = make_map_dataset(**SKIES[sky], npix=(15, 18), binsz=BINSZ)
    model = point(ds, *offset)
    assert_close(npred_signal(ds, [model]), brute.point_source(ds, model))


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("position", [(0.0, 0.0), (1.3, -0.7), (-2.1, 1.4)])
def test_brute_force_cta(cta_path, offset, position):
    from xgamma.io.open import open_dataset

    ds = open_dataset(cta_path)
    grid = SkyGrid.from_dataset(ds)
    y, x = (round(float(v)) for v in grid.position_to_labels(SkyCoord(*position, unit="deg", frame="galactic")))
    model = point(ds, *offset, y=y, x=x)
    cut = ds.sel(y=slice(y - 35, y + 35), x=slice(x - 35, x + 35))
    assert_close(npred_signal(cut, [model]), brute.point_source(cut, model))


def test_frame_of_the_model_does_not_matter():
    ds = make_map_dataset()
    model = point(ds, 0.1, 0.2)
    other = SkyModel(
        model.spectral_model,
        PointSpatialModel(
            lon_0=model.spatial_model.position.icrs.ra, lat_0=model.spatial_model.position.icrs.dec, frame="icrs"
        ),
        name="other",
    )
    np.testing.assert_allclose(npred_signal(ds, [model]), npred_signal(ds, [other]), rtol=1e-7, atol=1e-12)


def test_sum_is_flux_times_exposure_times_dispersion():
    ds = make_map_dataset(npix=(40, 44))
    model = point(ds, 0.3, 0.1)
    exposure, _, edisp, _ = brute.response(ds, model.spatial_model.position)
    expected = (brute.flux(ds, model) * exposure) @ edisp
    np.testing.assert_allclose(npred_signal(ds, [model]).sum(("y", "x")), expected, rtol=1e-6)


def test_narrow_psf_fills_one_pixel():
    """A PSF far narrower than a pixel puts all counts of a source in the pixel that holds it."""
    wide = make_map_dataset(binsz=2.0, binsz_irf=8.0)
    wide["psf"] = wide["psf"].copy(
        data=np.where(np.arange(wide.sizes["rad"])[:, None, None] < 1, 1.0, 0.0) * np.ones(wide["psf"].shape)
    )
    model = point(wide, 0.2, 0.1)
    image = npred_signal(wide, [model]).sum("energy")
    assert float(image.max() / image.sum()) == pytest.approx(1, abs=1e-6)


def test_source_outside_spills_into_the_map():
    ds = make_map_dataset(npix=(30, 30))
    cut = ds.isel(x=slice(0, 15))
    model = point(ds, 0.0, 0.0, x=int(ds.x[15]))
    whole, part = npred_signal(ds, [model]), npred_signal(cut, [model])
    # the exposure at the edge of the cut differs by 0.1 % from that at the source
    np.testing.assert_allclose(part, whole.isel(x=slice(0, 15)), rtol=2e-3)
    assert float(part.sum()) > 0.2 * float(whole.sum())


def test_source_far_outside_gives_nothing():
    ds = make_map_dataset()
    model = point(ds, 0.0, 0.0, x=int(ds.x[-1]) + 40)
    assert not npred_signal(ds, [model]).any()


@pytest.mark.parametrize("irf", ["exposure", "psf", "edisp"])
def test_apply_irf(irf):
    ds = make_map_dataset(npix=(25, 25))
    model = point(ds, 0.0, 0.0)
    model.apply_irf[irf] = False
    out = npred_signal(ds, [model])
    exposure, _, edisp, _ = brute.response(ds, model.spatial_model.position)
    if irf == "psf":
        assert int((out.sum("energy") > 0).sum()) == 1
    elif irf == "exposure":
        np.testing.assert_allclose(out.sum(("y", "x")), brute.flux(ds, model) @ edisp, rtol=2e-3)
    else:
        np.testing.assert_allclose(out.sum(), (brute.flux(ds, model) * exposure)[1:-1].sum(), rtol=0.3)
        without = npred_signal(ds.drop_vars("edisp"), [model])
        np.testing.assert_allclose(out, without)


def test_psf_in_reconstructed_energy():
    """A PSF over reconstructed energy is applied after the energy dispersion."""
    ds = make_map_dataset(npix=(41, 41))
    model = point(ds, 0.2, 0.3)
    rows = ds["psf"].isel(energy_true=slice(1, 5)).rename(energy_true="energy")
    reco = ds.drop_vars(["psf", "psf_exposure"])
    reco["psf"] = (("energy", "rad", "y_psf", "x_psf"), rows.values, ds["psf"].attrs)
    out = npred_signal(reco, [model])
    same = npred_signal(ds, [model]).sum(("y", "x"))
    np.testing.assert_allclose(out.sum(("y", "x")), same, rtol=1e-5)
    moment = ((out["lat"] - out["lat"].mean()) ** 2 * out).sum(("y", "x")) / out.sum(("y", "x"))
    assert (np.diff(moment) < 0).all()


def test_exposure_on_a_grid_of_its_own():
    ds = make_map_dataset(npix=(40, 44))
    model = point(ds, 0.2, 0.3)
    coarse = make_map_dataset(npix=(10, 11), binsz=0.4)["exposure"]
    own = ds.drop_vars("exposure")
    grid = SkyGrid.from_dataset(coarse)
    own = own.assign_coords(grid.to_coords("exposure"))
    own["exposure"] = (("energy_true", "y_exposure", "x_exposure"), coarse.values, coarse.attrs)
    # the exposure, a Gaussian of 2.5 deg, on pixels of 0.4 deg: h^2 / 8 sigma^2 along each dim
    np.testing.assert_allclose(
        npred_signal(own, [model]).sum(("y", "x")), npred_signal(ds, [model]).sum(("y", "x")), rtol=6.4e-3
    )


def test_unit_of_the_exposure():
    ds = make_map_dataset()
    model = point(ds, 0.2, 0.3)
    other = ds.assign(exposure=(ds["exposure"] * 1e4).assign_attrs(units="cm2 s"))
    np.testing.assert_allclose(npred_signal(other, [model]), npred_signal(ds, [model]), rtol=1e-12)
