"""Spatial models: values on the sky, positions and outlines."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import library
from xgamma import models as xm
from xgamma.models.registry import SPATIAL_MODELS
from xgamma.models.serialize import part_from_dict
from xgamma.models.sphere import position_angle, separation

SHAPES = [tag for tag in library.SPATIAL if tag not in ("point", "const")]
LON, LAT = st.floats(-360, 360), st.floats(-90, 90)


def sky_integral(model, n_radius=1500, n_angle=240):
    """The integral over rings around the centre, out to three evaluation radii, whatever the model is."""
    centre = SkyCoord(*model.position_lonlat, unit="deg")
    limit = min(3 * model.evaluation_radius.to_value("rad"), np.pi)
    edges = np.linspace(0, limit, n_radius + 1)
    theta = (edges[1:] + edges[:-1]) / 2
    angle = (np.arange(n_angle) + 0.5) * 2 * np.pi / n_angle
    points = centre.directional_offset_by(*np.broadcast_arrays(angle[None], theta[:, None], subok=True) * u.rad)
    values = model.evaluate_lonlat(points.spherical.lon.deg, points.spherical.lat.deg)
    return np.sum(values.mean(axis=1) * 2 * np.pi * (np.cos(edges[:-1]) - np.cos(edges[1:])))


def test_library_has_every_type():
    have = {type(make()).__name__ for make in library.SPATIAL.values()}
    assert have | {"TemplateSpatialModel"} == set(SPATIAL_MODELS)


def test_reference_values(reference):
    entries = reference("model_library")["spatial"]
    assert len(entries) == 10
    for entry in entries:
        model = part_from_dict(entry["dict"]["spatial"], SPATIAL_MODELS, "spatial model", {})
        assert entry["tag"] in model.tag
        assert model.frame == entry["frame"]
        if entry["evaluation_radius_deg"] is None:
            assert model.evaluation_radius is None
        else:
            assert model.evaluation_radius.to_value("deg") == pytest.approx(entry["evaluation_radius_deg"])
        if "evaluate" in entry:
            points = entry["evaluate"]
            expected = u.Quantity(points["value"]["value"], points["value"]["unit"])
            found = model(points["lon_deg"] * u.deg, points["lat_deg"] * u.deg)
            np.testing.assert_allclose(found.to_value(expected.unit), expected.value, rtol=1e-6)


@pytest.mark.parametrize("tag", SHAPES)
def test_integral_is_one(tag):
    # A disk with a wide edge is normalised as if the edge were sharp.
    expected = {"disk-e": 1 + 0.0924 * 0.3**2}.get(tag, 1)
    assert sky_integral(library.spatial(tag)) == pytest.approx(expected, abs=1e-3)


@given(st.floats(0.01, 8), st.floats(-90, 90))
@settings(max_examples=20, deadline=None)
def test_round_gaussians_of_any_size_have_integral_one(sigma, lat):
    model = xm.GaussianSpatialModel(lon_0="10 deg", lat_0=lat * u.deg, sigma=sigma * u.deg)
    assert sky_integral(model, n_angle=16) == pytest.approx(1, abs=1e-4)


@given(LON, LAT, LON, LAT)
def test_angles_agree_with_astropy(lon, lat, lon_0, lat_0):
    a, b = SkyCoord(lon_0, lat_0, unit="deg"), SkyCoord(lon, lat, unit="deg")
    apart = a.separation(b).rad
    assert separation(lon, lat, lon_0, lat_0) == pytest.approx(apart, abs=1e-12)
    if 1e-6 < apart < 3.14:
        ours, theirs = position_angle(lon, lat, lon_0, lat_0), a.position_angle(b).rad
        assert np.cos(ours - theirs) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("tag", SHAPES)
def test_values_may_be_arrays(tag):
    model = library.spatial(tag)
    lon, lat = np.array([0.31, 0.4, 0.9]), np.array([0.22, 0.0, 0.1])
    for name, value in model.values.items():
        values = (value + 0.01) * np.array([1.0, 1.05])[:, None]
        together = model.evaluate_lonlat(lon, lat, **{name: values})
        one_by_one = [model.evaluate_lonlat(lon, lat, **{name: float(v)}) for v in values[:, 0]]
        # A circle looks the same at every angle, so that many angles may give one value.
        np.testing.assert_allclose(np.broadcast_to(together, (2, 3)), one_by_one, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("tag", SHAPES)
@given(lon=st.floats(-1, 2), lat=st.floats(-1, 1))
@settings(max_examples=20, deadline=None)
def test_longitude_has_no_seam(tag, lon, lat):
    model = library.spatial(tag)
    here = model.evaluate_lonlat(lon, lat)
    np.testing.assert_allclose(model.evaluate_lonlat(lon + 360, lat), here, rtol=1e-6, atol=1e-6)
    moved = model.copy()
    moved.lon_0 = moved.lon_0.value - 360
    np.testing.assert_allclose(moved.evaluate_lonlat(lon, lat), here, rtol=1e-6, atol=1e-6)


@given(st.floats(0, 360), st.floats(-89, 89), st.floats(-2, 2), st.floats(-2, 2))
@settings(max_examples=40, deadline=None)
def test_round_shapes_do_not_depend_on_the_frame(lon, lat, dlon, dlat):
    galactic = xm.GaussianSpatialModel(lon_0=lon * u.deg, lat_0=lat * u.deg, sigma="0.7 deg", frame="galactic")
    icrs = xm.GaussianSpatialModel(sigma="0.7 deg", frame="icrs")
    icrs.position = galactic.position
    assert icrs.position.separation(galactic.position).deg < 1e-9
    point = SkyCoord(lon + dlon, np.clip(lat + dlat, -90, 90), unit="deg", frame="galactic")
    here = galactic.evaluate_lonlat(point.l.deg, point.b.deg)
    there = icrs.evaluate_lonlat(point.icrs.ra.deg, point.icrs.dec.deg)
    np.testing.assert_allclose(there, here, rtol=1e-8)


def test_position_converts_frames_and_keeps_units():
    model = xm.PointSpatialModel(lon_0="0.1 rad", lat_0="1 deg", frame="icrs")
    model.position = SkyCoord(0, 0, unit="deg", frame="galactic")
    assert model.lon_0.unit == "rad"
    assert model.position_lonlat == pytest.approx((266.404988, -28.936178), abs=1e-6)
    assert model.position.frame.name == "icrs"
    with pytest.raises(ValueError, match="one SkyCoord"):
        model.position = (0, 0)
    with pytest.raises(ValueError, match="one SkyCoord"):
        model.position = SkyCoord([1, 2], [1, 2], unit="deg")


def test_frames_are_checked():
    with pytest.raises(ValueError, match="frame of PointSpatialModel must be one of"):
        xm.PointSpatialModel(frame="altaz")


def test_a_point_has_no_value():
    with pytest.raises(TypeError, match="take its position"):
        xm.PointSpatialModel().evaluate_lonlat(0, 0)


def test_constant():
    model = xm.ConstantSpatialModel(value="2 sr-1")
    assert model.position is None
    assert model.position_lonlat is None
    assert model.evaluation_radius is None
    assert model.parameters.names == ["value"]
    np.testing.assert_array_equal(model.evaluate_lonlat([1, 2], [[1], [2]]), np.full((2, 2), 2.0))
    np.testing.assert_array_equal(model("1 deg", "2 deg"), 2 / u.sr)


@pytest.mark.parametrize(
    ("tag", "scale"), [("point", 0), ("gauss", 0.2), ("gauss-e", 0.3 * np.sqrt(0.51)), ("disk", 0.0035), ("shell", 0.1)]
)
def test_scale(tag, scale):
    assert library.spatial(tag).scale.to_value("deg") == pytest.approx(scale)


@pytest.mark.parametrize("tag", SHAPES)
def test_beyond_the_evaluation_radius_there_is_next_to_nothing(tag):
    model = library.spatial(tag)
    centre = SkyCoord(*model.position_lonlat, unit="deg")
    rim = centre.directional_offset_by(np.linspace(0, 6.3, 50) * u.rad, 1.001 * model.evaluation_radius)
    beyond = model.evaluate_lonlat(rim.spherical.lon.deg, rim.spherical.lat.deg)
    # The brightest ring is that of a shell.
    near = centre.directional_offset_by(0 * u.rad, np.linspace(0, 0.999, 50) * model.evaluation_radius)
    assert beyond.max() < 1e-3 * model.evaluate_lonlat(near.spherical.lon.deg, near.spherical.lat.deg).max()


def test_sharp_disk():
    model = xm.DiskSpatialModel(r_0="1 deg", edge_width=0.0)
    np.testing.assert_allclose(
        model.evaluate_lonlat([0, 0, 0], [0, 0.999, 1.001]) * 2 * np.pi * (1 - np.cos(np.pi / 180)), [1, 1, 0]
    )


@pytest.mark.parametrize(("eta", "other"), [(0.5, xm.GaussianSpatialModel(sigma="0.5 deg")), (0.01, None)])
def test_generalised_gaussian_has_known_limits(eta, other):
    model = xm.GeneralizedGaussianSpatialModel(r_0=np.sqrt(0.5) * u.deg, eta=eta)
    lon = np.array([0.0, 0.2, 0.5, 2.0])
    if other is not None:
        np.testing.assert_allclose(model.evaluate_lonlat(lon, 0), other.evaluate_lonlat(lon, 0), rtol=1e-3)
    else:
        disk = 1 / (np.pi * np.deg2rad(model.r_0.value) ** 2)
        np.testing.assert_allclose(model.evaluate_lonlat(lon, 0) / disk, [1, 1, 1, 0], rtol=0.02)


def test_outlines():
    names = {
        "point": "PointSkyRegion",
        "gauss-e": "EllipseSkyRegion",
        "disk": "EllipseSkyRegion",
        "shell": "CircleAnnulusSkyRegion",
        "shell2": "CircleAnnulusSkyRegion",
        "const": "RectangleSkyRegion",
    }
    for tag, name in names.items():
        assert type(library.spatial(tag).to_region()).__name__ == name
    region = library.spatial("gauss-e").to_region(size_factor=2)
    assert region.height.to_value("deg") == pytest.approx(1.2)
    assert region.width.to_value("deg") == pytest.approx(1.2 * np.sqrt(0.51))
    assert region.angle.to_value("deg") == 35
    assert region.center.frame.name == "galactic"
    shell = library.spatial("shell2").to_region()
    assert (shell.inner_radius.to_value("deg"), shell.outer_radius.to_value("deg")) == pytest.approx((0.28, 0.4))


def test_outline_of_an_ellipse_lies_along_its_major_axis():
    model = library.spatial("disk-e")
    lon_0, lat_0 = model.position_lonlat
    along = SkyCoord(lon_0, lat_0, unit="deg").directional_offset_by([60, 150] * u.deg, 0.45 * u.deg)
    inside, outside = model.evaluate_lonlat(along.spherical.lon.deg, along.spherical.lat.deg)
    assert inside > 5 * outside


def test_units_of_directions_are_checked():
    model = library.spatial("gauss")
    with pytest.raises(ValueError, match="lon needs a unit like 'deg'"):
        model("1 TeV", "1 deg")


def test_a_latitude_beyond_the_poles_is_refused():
    model = xm.GaussianSpatialModel(lat_0="120 deg", sigma="0.1 deg")
    with pytest.raises(ValueError, match="lat_0 of GaussianSpatialModel is 120 deg"):
        _ = model.position_lonlat
