import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from tests import brute
from tests.builders import SKIES, all_sky, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.models import (
    ConstantSpatialModel,
    DiskSpatialModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    Shell2SpatialModel,
    ShellSpatialModel,
    SkyModel,
)
from xgamma.predict import npred_signal

SPECTRUM = {"index": 2.1, "amplitude": "1e-11 cm-2 s-1 TeV-1"}


def source(spatial):
    return SkyModel(PowerLawSpectralModel(**SPECTRUM), spatial, name="source")


def place(ds, dy, dx):
    grid = SkyGrid.from_dataset(ds)
    lon, lat = grid.labels_to_lonlat(
        np.array(grid.y[grid.shape[0] // 2] + dy), np.array(grid.x[grid.shape[1] // 2] + dx)
    )
    return {"lon_0": f"{float(lon)} deg", "lat_0": f"{float(lat)} deg", "frame": grid.frame}


def assert_close(ds, model, half, limit, factor=15):
    """L1 of the difference below a fraction of the flux in every energy bin."""
    expected, (y, x) = brute.extended_source(ds, model, factor, half)
    actual = npred_signal(ds, [model]).sel(y=y, x=x).values
    assert (np.abs(actual - expected).sum(axis=(1, 2)) < limit * expected.sum(axis=(1, 2))).all()


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
def test_gaussian_brute_force(sky, sigma):
    ds = make_map_dataset(**SKIES[sky], npix=(41, 41), nenergy=2, ntrue=3)
    model = source(GaussianSpatialModel(**place(ds, 0.21, -0.37), sigma=f"{0.1 * sigma} deg"))
    assert_close(ds, model, 15, 0.005)


@pytest.mark.parametrize("sigma", [0.02, 0.2, 0.34, 0.36])
def test_compact_gaussian_brute_force(sigma):
    """Much smaller than a pixel, on either side of the limit between two ways to integrate it."""
    ds = make_map_dataset(npix=(41, 41), binsz=0.05, nenergy=2, ntrue=3)
    model = source(GaussianSpatialModel(**place(ds, 0.21, -0.37), sigma=f"{0.05 * sigma} deg"))
    assert_close(ds, model, 8, 0.005, factor=45)


@pytest.mark.parametrize("pixels", [0.6, 0.75, 1.7, 3.0])
@pytest.mark.parametrize(
    "spatial",
    [
        lambda at, radius: DiskSpatialModel(**at, r_0=radius),
        lambda at, radius: ShellSpatialModel(**at, radius=0.83 * radius, width=0.17 * radius),
        lambda at, radius: Shell2SpatialModel(**at, r_0=radius, eta=0.9),
        lambda at, radius: GeneralizedGaussianSpatialModel(**at, r_0=radius, eta=0.05),
    ],
)
def test_sharp_edges_within_a_few_pixels(spatial, pixels):
    """On either side of the limit between two ways to integrate them."""
    ds = make_map_dataset(npix=(41, 41), binsz=0.08, nenergy=2, ntrue=3)
    model = source(spatial(place(ds, 0.21, -0.37), 0.08 * pixels * u.deg))
    assert_close(ds, model, 8, 0.005, factor=45)


def test_vanishing_gaussian_is_a_point():
    ds = make_map_dataset(npix=(31, 31), binsz=0.05)
    where = place(ds, 0.21, -0.37)
    gauss = npred_signal(ds, [source(GaussianSpatialModel(**where, sigma="1e-5 deg"))])
    point = npred_signal(ds, [source(PointSpatialModel(**where))])
    np.testing.assert_allclose(gauss, point, atol=2e-6 * float(point.max()), rtol=0)


@pytest.mark.parametrize(
    "spatial",
    [
        lambda at: GaussianSpatialModel(**at, sigma="0.2 deg", e=0.8, phi="35 deg"),
        lambda at: GeneralizedGaussianSpatialModel(**at, r_0="0.25 deg", eta=0.4, e=0.3, phi="20 deg"),
        lambda at: DiskSpatialModel(**at, r_0="0.35 deg", e=0.6, phi="60 deg"),
        lambda at: DiskSpatialModel(**at, r_0="0.12 deg"),
        lambda at: ShellSpatialModel(**at, radius="0.3 deg", width="0.1 deg"),
    ],
)
def test_shapes_brute_force(spatial):
    ds = make_map_dataset(npix=(61, 61), binsz=0.05, nenergy=2, ntrue=3)
    assert_close(ds, source(spatial(place(ds, 0.21, -0.37))), 28, 0.005)


@pytest.mark.parametrize(("sigma", "position"), [(0.5, (0.3, 0.2)), (1.0, (-1.2, 0.9)), (4.0, (0.3, 0.2))])
def test_gaussian_brute_force_cta(cta_path, sigma, position):
    from xgamma.io.open import open_dataset

    ds = open_dataset(cta_path)
    lon, lat = position[0] + 0.37 * 0.025, position[1] + 0.21 * 0.025
    spatial = GaussianSpatialModel(
        lon_0=f"{lon} deg", lat_0=f"{lat} deg", sigma=f"{sigma * 0.025} deg", frame="galactic"
    )
    cut = ds.sel(lon=slice(lon - 2, lon + 2), lat=slice(lat - 2, lat + 2)).load()
    assert_close(cut, source(spatial), 45, 0.005, factor=9)


def test_narrow_psf():
    """A PSF that no oversampling resolves leaves the model integrated over the pixels."""
    ds = make_map_dataset(npix=(31, 31), binsz=0.5, binsz_irf=2.0)
    table = np.zeros(ds["psf"].shape)
    table[:, 0] = 1.0
    ds["psf"] = ds["psf"].copy(data=table)
    ds["exposure"] = ds["exposure"].copy(data=np.full(ds["exposure"].shape, 1e9))
    model = source(GaussianSpatialModel(**place(ds, 0.21, -0.37), sigma="0.5 deg"))
    bare = npred_signal(ds.drop_vars(["psf", "psf_exposure"]), [model])
    out = npred_signal(ds, [model])
    # the kernel is cut into eighths of a pixel, the PSF is a disk of 0.06 pixels
    assert float(np.abs(out - bare).sum() / bare.sum()) < 0.002


def test_constant_follows_the_exposure():
    ds = make_map_dataset(npix=(61, 61), binsz=0.1)
    model = source(ConstantSpatialModel())
    out = npred_signal(ds, [model]).isel(y=slice(20, 41), x=slice(20, 41))
    grid = SkyGrid.from_dataset(ds)
    exposure = ds["exposure"].isel(y=slice(20, 41), x=slice(20, 41)).values * 1e4
    area = grid.solid_angle()[20:41, 20:41]
    centre = brute.response(ds, grid.center)[2]
    expected = np.tensordot(centre.T, brute.flux(ds, model)[:, None, None] * exposure * area, axes=1)
    # the PSF averages the exposure, whose curvature over 0.1 deg is 0.3 %
    np.testing.assert_allclose(out, expected, rtol=5e-3)


def test_large_map_in_tiles(monkeypatch):
    """Models of all the sky are cut into tiles, which does not show."""
    from xgamma.predict import component

    ds = make_map_dataset(npix=(40, 52))
    model = source(ConstantSpatialModel())
    whole = npred_signal(ds, [model])
    monkeypatch.setattr(component, "TILE", 16)
    # kernels are made at the centre of each tile, at latitudes that differ by 2 deg: cos differs by 6e-4
    np.testing.assert_allclose(npred_signal(ds, [model]), whole, rtol=2e-4)


def test_model_is_evaluated_in_its_frame():
    ds = make_map_dataset(npix=(41, 41))
    centre = SkyCoord(0.02, 0.03, unit="deg", frame="galactic")
    size = {"sigma": "0.2 deg"}
    one = source(GaussianSpatialModel(lon_0="0.02 deg", lat_0="0.03 deg", frame="galactic", **size))
    other = source(GaussianSpatialModel(lon_0=centre.icrs.ra, lat_0=centre.icrs.dec, frame="icrs", **size))
    np.testing.assert_allclose(npred_signal(ds, [one]), npred_signal(ds, [other]), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("entry", range(10))
def test_reference_sums(cta_path, reference, entry):
    from xgamma import models
    from xgamma.io.open import open_dataset

    expected = reference("model_library")["spatial"][entry]
    values = {par["name"]: f"{par['value']} {par['unit']}" for par in expected["parameters"]}
    frame = {} if expected["tag"] == "const" else {"frame": expected["frame"]}
    spatial = getattr(models, expected["type"])(**values, **frame)
    model = SkyModel(PowerLawSpectralModel(index=2.2, amplitude="5e-12 cm-2 s-1 TeV-1"), spatial, name="source")
    out = npred_signal(open_dataset(cta_path), [model])
    np.testing.assert_allclose(out.sum(("y", "x")), expected["npred_signal_per_energy"], rtol=5e-3)
    image = out.sum("energy")
    rows, columns = np.arange(image.sizes["y"]), np.arange(image.sizes["x"])
    centroid = (float((image * i).sum() / image.sum()) for i in (image.dims and columns, rows[:, None]))
    # gammapy takes the exposure after the PSF, which moves a centroid on the slope of the exposure
    np.testing.assert_allclose(
        list(centroid), expected["centroid_pix"], atol=0.25 if expected["tag"] == "const" else 0.06
    )


@pytest.mark.parametrize("proj", ["CAR", "AIT"])
def test_all_sky_constant(proj):
    """The whole sky, pixels off the projection and poles included, gives flux x exposure x 4 pi."""
    ds = all_sky(proj)
    out = npred_signal(ds, [source(ConstantSpatialModel())])
    assert np.isfinite(out).all()
    exposure = ds["exposure"].values[:, 45, 90] * 1e4
    area = np.nansum(SkyGrid.from_dataset(ds).solid_angle())
    expected = (brute.flux(ds, source(ConstantSpatialModel())) * exposure * area) @ ds["edisp"].values
    # what the PSF carries over the border of the projection is lost: a degree at the border of the ellipse
    np.testing.assert_allclose(out.sum(("y", "x")), expected, rtol=0.02 if proj == "AIT" else 0.005)


def test_source_across_the_wrap_of_an_all_sky_map():
    """At the border of a map around the sky, a source goes on at the opposite border."""
    ds = all_sky("CAR")
    at = {"lat_0": "0 deg", "frame": "galactic", "sigma": "3 deg"}
    inside = npred_signal(ds, [source(GaussianSpatialModel(lon_0="1 deg", **at))])
    across = npred_signal(ds, [source(GaussianSpatialModel(lon_0="179 deg", **at))])
    np.testing.assert_allclose(across, np.roll(inside, -89, axis=2), rtol=1e-6, atol=1e-9)
