"""Predictions at the limits of what datasets hold: the right numbers, or an error that says what is missing."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from tests import brute
from tests.builders import SKIES, all_sky, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.models import (
    DiskSpatialModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from xgamma.predict import npred, npred_signal

SHAPES = {
    "point": PointSpatialModel,
    "gauss": lambda **at: GaussianSpatialModel(**at, sigma="0.1 deg"),
    "disk": lambda **at: DiskSpatialModel(**at, r_0="0.15 deg"),
}


def source(shape, position, frame="icrs", name="source"):
    there = position.transform_to(frame).spherical
    spatial = SHAPES[shape](lon_0=there.lon, lat_0=there.lat, frame=frame)
    return SkyModel(PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"), spatial, name=name)


def counts(ds, model):
    """Flux x exposure at the source, through the energy dispersion."""
    exposure, _, edisp, _ = brute.response(ds, model.spatial_model.position)
    return (brute.flux(ds, model) * exposure) @ edisp


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lacks", [["psf"], ["edisp"], ["psf", "edisp"]], ids="-".join)
def test_without_responses(sky, shape, lacks, no_compute):
    """Without a point spread function all stays where it is, without dispersion true energies are the energies."""
    ds = make_map_dataset(**SKIES[sky], npix=(21, 23), ntrue=4)
    whole = ds
    ds = ds.drop_vars([name for name in ds.data_vars if name.removesuffix("_exposure") in lacks])
    model = source(shape, SkyGrid.from_dataset(ds).center)
    out = npred_signal(ds, [model])
    assert np.isfinite(out).all() and float(out.min()) >= -1e-12
    if lacks == ["psf"]:
        # the exposure over the source differs from that at its centre, by its curvature
        np.testing.assert_allclose(out.sum(("y", "x")), counts(whole, model), rtol=5e-3)
        reach = {"point": 1, "gauss": 12, "disk": 5}[shape]
        assert int((out.sum("energy") > 1e-6 * float(out.sum("energy").max())).any("x").sum()) <= reach
    lazy = ds.chunk(y=13, x=9)
    with no_compute():
        later = npred_signal(lazy, [model])
    np.testing.assert_allclose(later, out, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("proj", ["TAN", "CAR"])
def test_a_source_at_a_pole(shape, frame, proj):
    """A map about a pole of its frame, and one of CAR near it, where pixels are slivers."""
    pole = SkyCoord(30, 90 if proj == "TAN" else 88, unit="deg", frame=frame)
    ds = make_map_dataset(proj=proj, center=(30.0, pole.spherical.lat.deg), frame=frame, npix=(25, 25))
    model = source(shape, pole, frame)
    out = npred_signal(ds, [model])
    assert np.isfinite(out).all()
    if proj == "TAN":
        image = out.sum("energy")
        peak = image.where(image == image.max(), drop=True)
        assert peak.sizes == {"y": 1, "x": 1} and abs(float(peak["lat"].squeeze()) - 90) < 0.11
        # what the point spread function carries over the border of the map is lost
        np.testing.assert_allclose(out.sum(("y", "x")), counts(ds, model), rtol=0.01)


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_sources_off_the_map(sky, shape):
    ds = make_map_dataset(**SKIES[sky])
    center = SkyGrid.from_dataset(ds).center
    far = [center.directional_offset_by(angle, 8 * u.deg) for angle in (0, 100, 250) * u.deg]
    far.append(center.directional_offset_by(0 * u.deg, 180 * u.deg))
    models = [source(shape, position, name=f"far-{i}") for i, position in enumerate(far)]
    assert not npred_signal(ds, models).any()
    assert not npred_signal(ds.chunk(x=9), models).any()
    np.testing.assert_array_equal(npred(ds, models), ds["background"])


@pytest.mark.parametrize("shape", SHAPES)
def test_names_of_datasets_that_there_are_not(shape):
    """Models of other datasets, and none at all, leave the background."""
    ds = make_map_dataset()
    other = source(shape, SkyGrid.from_dataset(ds).center)
    other.datasets_names = ["elsewhere", "nowhere"]
    models = [other, FoVBackgroundModel(dataset_name="elsewhere")]
    np.testing.assert_array_equal(npred(ds, models), ds["background"])
    assert not npred_signal(ds, models).any()
    np.testing.assert_array_equal(npred(ds, []), ds["background"])
    both = [other, source(shape, SkyGrid.from_dataset(ds).center, name="here")]
    assert list(npred_signal(ds, both, stack=False)["model"].values) == ["here"]


def test_true_energies_that_do_not_cover_the_energies():
    """Energies that no true energy reaches get nothing; with the dispersion, what it says."""
    ds = make_map_dataset(npix=(21, 23))
    model = source("point", SkyGrid.from_dataset(ds).center)
    part = ds.isel(energy_true=slice(0, 2))
    rest = ds.isel(energy_true=slice(2, None))
    np.testing.assert_allclose(
        npred_signal(part, [model]) + npred_signal(rest, [model]), npred_signal(ds, [model]), rtol=1e-9, atol=1e-10
    )
    bare = part.drop_vars(["edisp", "edisp_exposure"])
    out = npred_signal(bare, [model]).sum(("y", "x"))
    beyond = bare["energy_min"].values > float(bare["energy_true_max"].max())
    assert beyond.any() and (out.values[beyond] == 0).all() and (out.values[~beyond] > 0).any()


def test_wrap_in_either_spelling():
    """Across longitude 0 a position is the same one turn further on."""
    ds = make_map_dataset(**SKIES["wrap"], npix=(15, 18))
    first, *others = (
        npred_signal(ds, [SkyModel(PowerLawSpectralModel(), PointSpatialModel(lon_0=lon, lat_0="0.1 deg"), name="s")])
        for lon in ("-0.15 deg", "359.85 deg", "719.85 deg")
    )
    assert first.any()
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-7, atol=1e-25)


@pytest.mark.parametrize("lon", [0.0, 50.0])
@pytest.mark.parametrize("lat", [90.0, -90.0, 89.9, 89.0, 84.0])
def test_a_pole_within_a_map_of_all_the_sky(lon, lat):
    """A point source goes all around the pole; an extended one is refused there, and kept farther away."""
    ds = all_sky("CAR")
    at = {"lon_0": f"{lon} deg", "lat_0": f"{lat} deg", "frame": "galactic"}
    point = SkyModel(PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"), PointSpatialModel(**at), name="source")
    expected = (brute.flux(ds, point) * ds["exposure"].values[:, 45, 90] * 1e4) @ ds["edisp"].values
    out = npred_signal(ds, [point])
    np.testing.assert_allclose(out.sum(("y", "x")), expected, rtol=1e-6)
    if abs(lat) == 90:
        row = out[:, -1 if lat > 0 else 0].values
        np.testing.assert_allclose(row / row.mean(axis=1, keepdims=True), 1, rtol=1e-3)
    gauss = SkyModel(point.spectral_model, GaussianSpatialModel(**at, sigma="0.4 deg"), name="gauss")
    if abs(lat) >= 89:
        with pytest.raises(ValueError, match=r"Model 'gauss' lies [01]\.[01]0 deg from a pole of the map.*in TAN"):
            npred_signal(ds, [gauss])
    else:
        # pixels of 2 deg, of which the areas follow the cosine of the latitude
        np.testing.assert_allclose(npred_signal(ds, [gauss]).sum(("y", "x")), expected, rtol=0.02)


def test_points_near_a_pole_keep_their_shape():
    """Where meridians converge, windows are as wide as circles are: the PSF is that of a map about the source."""
    wide = make_map_dataset(proj="CAR", center=(0.0, 0.0), frame="icrs", npix=(30, 30), irf_on_sky=False)
    for lat in (60.0, 80.0, 88.5):
        keys = dict(SkyGrid.from_dataset(wide).keywords)
        middle = round(lat / 0.1)
        grid = SkyGrid(keys, np.arange(middle - 12, middle + 13), np.arange(-300, 301))
        part = wide.isel(y=slice(0, 1), x=slice(0, 1), drop=False)
        ds = part.drop_vars([n for n in part.variables if {"y", "x"} & {*part[n].dims}] + ["wcs"], errors="ignore")
        ds = ds.assign_coords(grid.to_coords())
        ds["exposure"] = (("energy_true", "y", "x"), np.full((6, *grid.shape), 1e9), {"units": "m2 s"})
        ds["counts"] = (("energy", "y", "x"), np.zeros((4, *grid.shape)), {"units": ""})
        model = source("point", SkyCoord(0.03, lat + 0.02, unit="deg"))
        out = npred_signal(ds, [model])
        expected = (brute.flux(ds, model) * 1e13) @ ds["edisp"].values
        np.testing.assert_allclose(out.sum(("y", "x")), expected, rtol=1e-6)
        truth = brute.point_source(ds, model, n=8)
        assert (np.abs(out.values - truth).sum(axis=(1, 2)) < 0.01 * truth.sum(axis=(1, 2))).all()
