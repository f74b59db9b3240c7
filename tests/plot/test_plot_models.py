"""Pictures of spectral and spatial models."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.builders import SKIES, all_sky, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.models import (
    ConstantSpatialModel,
    DiskSpatialModel,
    ExpCutoffPowerLawSpectralModel,
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    ShellSpatialModel,
)

BOUNDS = ["0.5 TeV", "50 TeV"]


@pytest.fixture
def model():
    made = ExpCutoffPowerLawSpectralModel(index=1.8, amplitude="2e-12 cm-2 s-1 TeV-1", lambda_="0.2 TeV-1")
    made.index.error, made.amplitude.error = 0.1, 2e-13
    return made


def test_values(model):
    ax = model.plot(BOUNDS, n_points=5, label="cut off")
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(x, np.geomspace(0.5, 50, 5))
    np.testing.assert_allclose(y, model(x * u.TeV).value)
    assert ax.lines[0].get_label() == "cut off"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Energy [TeV]", "dN/dE [TeV⁻¹ s⁻¹ cm⁻²]")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


@pytest.mark.parametrize(("kind", "name"), [("flux", "integral"), ("eflux", "energy_flux")])
def test_integrals_over_bins(model, kind, name):
    ax = model.plot(BOUNDS, sed_type=kind, n_points=4)
    edges = np.geomspace(0.5, 50, 5) * u.TeV
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(x, np.sqrt(edges[1:] * edges[:-1]).value)
    np.testing.assert_allclose(
        y, getattr(model, name)(edges[:-1], edges[1:]).to_value({"flux": "s-1 cm-2"}.get(kind, "erg s-1 cm-2"))
    )


def test_units_of_the_axes_stay(model):
    ax = plt.figure().add_subplot()
    assert model.plot([500, 5e4] * u.GeV, ax, sed_type="e2dnde") is ax
    assert ax.get_xlabel() == "Energy [GeV]"
    PowerLawSpectralModel().plot(BOUNDS, ax, energy_power=2)
    x, y = ax.lines[1].get_data()
    np.testing.assert_allclose(x[[0, -1]], [500, 5e4])
    np.testing.assert_allclose(y, 1e-12 * u.TeV.to("erg"))
    assert ax.get_ylabel() == "E² dN/dE [erg s⁻¹ cm⁻²]"
    with pytest.raises(ValueError, match="does not convert: use other axes"):
        model.plot(BOUNDS, ax, sed_type="flux")


def test_errors_are_a_band(model):
    ax = model.plot_error(BOUNDS, n_points=5, n_sigma=2)
    low, high = model.error_band(np.geomspace(0.5, 50, 5) * u.TeV, n_sigma=2)
    vertices = ax.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(vertices[:, 1].max(), high.value.max())
    assert set(np.round(np.log10(low.value), 6)) <= set(np.round(np.log10(vertices[:, 1]), 6))
    wide = model.copy()
    wide.amplitude.error = 1e-11
    limits = wide.plot_error(BOUNDS).get_ylim()
    assert limits[0] > wide(50 * u.TeV).value / 100, "a band down to zero does not squeeze the rest"


def test_factors_without_unit():
    norm = PowerLawNormSpectralModel(tilt=0.3)
    ax = norm.plot(BOUNDS)
    assert ax.get_ylabel() == "Norm"
    np.testing.assert_allclose(ax.lines[0].get_ydata()[0], 0.5**-0.3)
    with pytest.raises(ValueError, match="only sed_type 'norm' can be drawn"):
        norm.plot(BOUNDS, sed_type="dnde")


@pytest.mark.parametrize(
    ("bounds", "options", "words"),
    [
        (["1 TeV"], {}, "must be a pair of energies"),
        ([1, 10], {}, "must be a pair of energies"),
        (["1 TeV", "soon"], {}, "must be a pair of energies"),
        (["10 TeV", "1 TeV"], {}, "the first must be the lower energy"),
        (BOUNDS, {"n_points": 1}, "two points are the fewest"),
        (BOUNDS, {"sed_type": "sed"}, "a spectral model is drawn in one of dnde, e2dnde, flux, eflux"),
    ],
)
def test_refusals(model, bounds, options, words):
    with pytest.raises(ValueError, match=words):
        model.plot(bounds, **options)


@pytest.mark.parametrize("sky", SKIES)
def test_a_spatial_model_on_a_map(sky):
    """In the frame of the map, whatever that of the model is; the same by any of what has the pixels."""
    ds = make_map_dataset(**SKIES[sky])
    centre = ds.counts.gp.grid.center.icrs
    disk = DiskSpatialModel(lon_0=centre.ra, lat_0=centre.dec, r_0="0.3 deg", edge_width=0.8)
    ax = disk.plot(geom=ds.counts, cmap="magma")
    (drawn,) = ax.get_images()
    values = disk.evaluate_geom(ds.counts)
    np.testing.assert_array_equal(drawn.get_array(), values)
    pixels = ds.gp.geoms["geom"].grid
    for geom in (ds, ds.gp.geoms["geom"], pixels):
        assert disk.evaluate_geom(geom).identical(values)
    # The disk is wider than its edge and inside the map: the sum is its integral.
    total = float((values * pixels.solid_angle()).sum())
    assert total == pytest.approx(1 + 0.092 * 0.8**2, rel=0.02)
    sides = "Galactic longitude" if SKIES[sky]["frame"] == "galactic" else "Right ascension"
    assert ax.coords[0].get_axislabel() == f"{sides} [deg]"
    assert ax.figure.axes[1].get_ylabel() == "Spatial model [sr⁻¹]"
    assert drawn.get_cmap().name == "magma"


def test_a_point_fills_the_pixel_that_holds_it():
    ds = make_map_dataset(**SKIES["wrap"])
    grid = ds.counts.gp.grid
    lon, lat = grid.labels_to_lonlat(grid.y[4] + 0.3, grid.x[9] - 0.4)
    point = PointSpatialModel(lon_0=f"{lon} deg", lat_0=f"{lat} deg", frame=grid.frame)
    values = point.evaluate_geom(ds.counts).values
    assert np.argwhere(values).tolist() == [[4, 9]]
    assert values[4, 9] == pytest.approx(1 / grid.solid_angle()[4, 9])
    point.lat_0 = float(lat) + 20
    assert not point.evaluate_geom(ds.counts).any(), "outside"


def test_a_spatial_model_on_a_map_of_its_own():
    """All of it is inside, its middle is that of the picture."""
    gauss = GaussianSpatialModel(lon_0="83.6 deg", lat_0="22 deg", sigma="0.3 deg", e=0.7, phi="30 deg")
    (drawn,) = gauss.plot(colorbar=False).get_images()
    values = drawn.get_array()
    assert values.shape == (201, 201)
    assert np.unravel_index(values.argmax(), values.shape) == (100, 100)
    assert values.max() == pytest.approx(gauss.evaluate(83.6 * u.deg, 22 * u.deg).value, rel=1e-3)
    (drawn,) = PointSpatialModel(lon_0="83.6 deg", lat_0="22 deg").plot().get_images()
    assert drawn.get_array().shape == (21, 21), "a point is one pixel, which is to be seen"
    assert np.argwhere(drawn.get_array()).tolist() == [[10, 10]]
    edge = DiskSpatialModel(lon_0="83.6 deg", lat_0="22 deg", r_0="1 deg").plot().get_images()[0].get_array()
    assert not (edge[0].any() or edge[-1].any() or edge[:, 0].any() or edge[:, -1].any()), "nothing is cut off"


def test_narrow_models_are_not_lost_between_centres():
    """A mean over points in a pixel: exact to a tenth for a width of a quarter of it."""
    ds = make_map_dataset(**SKIES["TAN"])
    grid = ds.counts.gp.grid
    lon, lat = grid.labels_to_lonlat(grid.y[4] + 0.5, grid.x[9] + 0.5)
    narrow = GaussianSpatialModel(lon_0=f"{lon} deg", lat_0=f"{lat} deg", sigma=f"{grid.pixel_scale[0] / 4} deg")
    total = float((narrow.evaluate_geom(grid) * grid.solid_angle()).sum())
    assert total == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("sky", [*SKIES, "all of CAR", "all of AIT"])
@pytest.mark.parametrize("thickness", [0.1, 3.3])
def test_means_of_shells_are_exact(sky, thickness):
    """Whatever the pixels, and on the far side of the sky too."""
    ds = make_map_dataset(**SKIES[sky], npix=(16, 18)) if sky in SKIES else all_sky(sky[-3:])
    grid = ds.counts.gp.grid
    step = min(grid.pixel_scale)
    y, x = (labels[labels.size // 2] + 0.3 for labels in (grid.y, grid.x))
    lon, lat = grid.labels_to_lonlat(np.array(y), np.array(x))
    place = {"lon_0": lon * u.deg, "lat_0": lat * u.deg, "frame": grid.frame}
    shell = ShellSpatialModel(**place, radius=2.1 * step * u.deg, width=thickness * step * u.deg)
    values = shell.evaluate_geom(grid)
    total = float((values * grid.solid_angle()).sum())
    # It is normalised on the plane, of which a sphere is smaller by a sixth of the square of the radius.
    assert total == pytest.approx(1, abs=1e-5 + np.radians(6 * step) ** 2 / 5)
    far = values.where((abs(values.y - y) > 6) | (abs(values.x - x) > 6), 0)
    assert not far.fillna(0).any()


def test_shell_at_the_rim_of_a_projection():
    grid = SkyGrid.create((175, 0), frame="galactic", proj="AIT", binsz=5, shape=(40, 74))
    lon, lat = grid.labels_to_lonlat(grid.y[:, None], grid.x)
    shell = ShellSpatialModel(lon_0="178 deg", lat_0="3 deg", frame="galactic", radius="12 deg", width="9 deg")
    values = shell.evaluate_geom(grid)
    np.testing.assert_array_equal(np.isfinite(values), np.isfinite(lon))
    assert float((values * grid.solid_angle()).sum()) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ConstantSpatialModel().plot(), "has no size of its own: pass geom, such as ds.counts"),
        (lambda: PointSpatialModel().plot(geom=5), "geom must be a map, its geometry or a SkyGrid, not int"),
        (lambda: ConstantSpatialModel().plot(geom=make_map_dataset().energy), "has no dims on the sky"),
        (lambda: GaussianSpatialModel().evaluate_geom(make_map_dataset(), [1, 2] * u.TeV), "energy holds 2 values"),
    ],
)
def test_refusals_of_spatial_models(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_constant_is_one_colour():
    (drawn,) = ConstantSpatialModel().plot(geom=make_map_dataset().counts).get_images()
    assert np.unique(drawn.get_array()).tolist() == [1.0]
