"""Images on the sky and steps along axes: what is drawn, where, and how it is labelled."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from astropy.visualization.wcsaxes.frame import EllipticalFrame

from tests.builders import SKIES, make_map_dataset
from xgamma.coords import Axis, energy_edges
from xgamma.create import create_map_dataset
from xgamma.plot import plot, plot_grid
from xgamma.plot.labels import bin_titles, title_of


def image_of(da):
    return da.isel(energy=0)


def draw(ax):
    ax.figure.canvas.draw()
    return ax


@pytest.mark.parametrize("sky", SKIES)
def test_pixels_lie_where_they_belong(sky):
    ds = make_map_dataset(**SKIES[sky])
    ax = draw(plot(image_of(ds.counts)))
    (drawn,) = ax.get_images()
    np.testing.assert_array_equal(drawn.get_array(), ds.counts.values[0])
    assert drawn.origin == "lower"
    for y, x in [(0, 0), (3, 11), (11, 15)]:
        lon, lat = ax.wcs.wcs_pix2world([[x, y]], 0)[0]
        assert (lon - float(ds.lon[y, x]) + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)
        assert lat == pytest.approx(float(ds.lat[y, x]))


@pytest.mark.parametrize(
    ("sky", "lon", "lat"),
    [
        ("CAR", "Galactic longitude [deg]", "Galactic latitude [deg]"),
        ("TAN", "Right ascension [deg]", "Declination [deg]"),
    ],
)
def test_labels(sky, lon, lat):
    ds = make_map_dataset(**SKIES[sky])
    ax = draw(plot(ds.exposure.isel(energy_true=2)))
    assert [coord.get_axislabel() for coord in ax.coords] == [lon, lat]
    assert [coord.get_format_unit() for coord in ax.coords] == [u.deg, u.deg]
    low, high = float(ds.energy_true_min[2]), float(ds.energy_true_max[2])
    assert ax.get_title() == f"{low:.3g} - {high:.3g} TeV"
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "Exposure [m² s]"
    np.testing.assert_allclose(bar.get_window_extent().intervaly, ax.get_window_extent().intervaly)
    assert ax.get_window_extent().x1 < bar.get_window_extent().x0
    assert plot(image_of(ds.counts)).figure.axes[1].get_ylabel() == "Counts"


@pytest.mark.parametrize(("sky", "wrap"), [("CAR", 180), ("wrap", 180), ("oblique", 180), ("TAN", 360), ("AIT", 360)])
def test_longitudes_next_to_zero_have_a_sign(sky, wrap):
    options = {**SKIES[sky], "binsz": 0.1}
    ax = draw(plot(image_of(make_map_dataset(**options).counts)))
    assert ax.coords[0].coord_wrap.to_value("deg") == wrap


def test_draws_on_axes_that_are_given():
    ds = make_map_dataset()
    da = image_of(ds.background)
    given = plt.subplot(projection=da.coords["lon"].xindexes["lon"].grid.fits_header())
    assert plot(da, ax=given, colorbar=False, cmap="magma", vmax=2) is given
    (drawn,) = given.get_images()
    assert drawn.get_cmap().name == "magma"
    assert drawn.get_clim()[1] == 2
    assert given.figure.axes == [given]
    with pytest.raises(ValueError, match="no WCS"):
        plot(da, ax=plt.figure().add_subplot())


def test_stride_fills_the_gaps():
    ds = make_map_dataset()
    part = image_of(ds.counts).isel(x=slice(1, None, 3), y=slice(None, None, 2))
    ax = plot(part)
    assert ax.get_images()[0].get_array().shape == part.shape
    for y, x in [(0, 0), (4, 2)]:
        np.testing.assert_allclose(ax.wcs.wcs_pix2world([[x, y]], 0)[0], [part.lon[y, x], part.lat[y, x]])


def test_gaps_are_empty_and_order_does_not_matter():
    ds = make_map_dataset()
    whole = image_of(ds.counts)
    parts = xr.concat([whole.isel(x=slice(8, 10)), whole.isel(x=slice(0, 3))], "x")
    drawn = plot(parts.transpose("x", "y")).get_images()[0].get_array()
    assert drawn.shape == (12, 10)
    np.testing.assert_array_equal(drawn[:, [0, 1, 2, 8, 9]], whole.values[:, [0, 1, 2, 8, 9]])
    assert np.ma.getmaskarray(drawn)[:, 3:8].all()
    backwards = plot(whole.isel(x=slice(None, None, -1))).get_images()[0].get_array()
    np.testing.assert_array_equal(backwards, whole)
    with pytest.raises(ValueError, match="twice"):
        plot(xr.concat([whole.isel(x=[1, 2]), whole.isel(x=[2, 3])], "x"))


def test_whole_sky_is_round():
    ds = create_map_dataset(proj="AIT", frame="galactic", binsz=10, energy=energy_edges("1 TeV", "9 TeV", 1))
    ax = draw(plot(ds.counts))
    assert isinstance(ax.coords.frame, EllipticalFrame)
    # the ellipse is 4 sqrt(2) radians wide and half as high
    width, height = (np.ptp(limits) * 10 for limits in (ax.get_xlim(), ax.get_ylim()))
    assert (width, height) == pytest.approx((4 * np.degrees(2**0.5), 2 * np.degrees(2**0.5)))


def test_masks_and_lazy_arrays():
    ds = make_map_dataset(chunks={"x": 5})
    drawn = plot(image_of(ds.mask_safe)).get_images()[0].get_array()
    np.testing.assert_array_equal(drawn, ds.mask_safe[0])


def test_irf_grid():
    ds = make_map_dataset()
    ax = plot(ds.psf_exposure.isel(energy_true=0))
    np.testing.assert_allclose(ax.wcs.wcs_pix2world([[0, 0]], 0)[0], [ds.lon_psf[0, 0], ds.lat_psf[0, 0]])


def test_spectrum_is_steps():
    ds = make_map_dataset()
    ax = plot(ds.exposure.isel(y=2, x=3))
    (steps,) = ax.patches
    values, edges, _ = steps.get_data()
    np.testing.assert_allclose(values, ds.exposure[:, 2, 3])
    np.testing.assert_allclose(edges[[0, -1]], [0.3, 30])
    assert ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("True energy [TeV]", "Exposure [m² s]")
    ax = plot(ds.psf.isel(energy_true=0, y_psf=0, x_psf=0))
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == (
        "linear",
        "Offset [deg]",
        "Point spread function [sr⁻¹]",
    )


def test_one_unit_on_a_side_of_a_picture():
    ds = make_map_dataset()
    ax = plot(ds.exposure.isel(y=2, x=3))
    other = ds.exposure.isel(y=2, x=4).gp.to_unit("cm2 s")
    assert plot(other, ax=ax) is ax
    np.testing.assert_allclose(ax.patches[1].get_data().values, ds.exposure[:, 2, 4])
    assert ax.get_ylabel() == "Exposure [m² s]"
    with pytest.raises(ValueError, match="'m2 s'.*use other axes"):
        plot(ds.counts.isel(y=2, x=3), ax=ax)


def test_gamma_rays_in_kev_are_drawn_in_tev():
    ds = make_map_dataset()
    axis = Axis.from_dataset(ds, "energy").to("keV")
    da = ds.counts.isel(y=2, x=3).drop_vars(["energy_min", "energy_max", "energy"]).assign_coords(axis.to_coords())
    ax = plot(da)
    assert ax.get_xlabel() == "Energy [TeV]"
    np.testing.assert_allclose(ax.patches[0].get_data().edges[[0, -1]], [0.5, 20])


def test_spectrum_of_a_falling_axis():
    ds = make_map_dataset()
    (steps,) = plot(ds.exposure.isel(y=2, x=3, energy_true=slice(None, None, -1))).patches
    np.testing.assert_allclose(steps.get_data().values, ds.exposure[:, 2, 3])


def test_spectrum_with_gaps_is_points():
    ds = make_map_dataset()
    (line,) = plot(ds.exposure.isel(y=2, x=3, energy_true=slice(None, None, 2))).lines
    np.testing.assert_allclose(line.get_xdata(), ds.energy_true[::2])
    assert line.get_marker() == "."


@pytest.mark.parametrize("transposed", [False, True])
def test_grid_has_a_panel_a_bin(transposed):
    ds = make_map_dataset()
    counts = ds.counts.transpose("x", "energy", "y") if transposed else ds.counts
    axes = plot_grid(counts, ncols=3, vmax=7)
    assert axes.shape == (4,)
    for i, ax in enumerate(axes):
        assert ax.get_title() == f"{float(ds.energy_min[i]):.3g} - {float(ds.energy_max[i]):.3g} TeV"
        np.testing.assert_array_equal(ax.get_images()[0].get_array(), ds.counts[i])
        assert ax.get_images()[0].get_clim()[1] == 7
    named = [[bool(axis.get_axislabel()) for axis in ax.coords] for ax in axes]
    assert named == [[False, True], [True, False], [True, False], [True, True]], "at the bottom and at the left"
    geometry = axes[0].get_subplotspec().get_gridspec()
    assert (geometry.nrows, geometry.ncols) == (2, 3)
    assert plot_grid(counts.isel(energy=[1])).shape == (1,)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda ds: plot(ds.counts), "use plot_grid"),
        (lambda ds: plot(ds.counts.isel(x=[], energy=0)), "no pixels"),
        (lambda ds: plot(ds.livetime), "dims"),
        (lambda ds: plot(ds.gti_start), "one axis"),
        (lambda ds: plot_grid(ds.gti_start), "use plot"),
        (lambda ds: plot_grid(ds.psf), "select until one is left"),
        (lambda ds: plot_grid(ds.counts.isel(energy=0)), "select until one is left"),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call(make_map_dataset())


@pytest.mark.parametrize(
    ("edges", "unit", "want"),
    [
        ([1e7, 1.43e7, 5e8], "keV", ["10 - 14.3 GeV", "14.3 - 500 GeV"]),
        ([0.3, 30, 300], "TeV", ["0.3 - 30 TeV", "30 - 300 TeV"]),
        ([1e4, 2e6, 1e8], "MeV", ["0.01 - 2 TeV", "2 - 100 TeV"]),
        ([0.5, 2, 8], "keV", ["0.5 - 2 keV", "2 - 8 keV"]),
        ([1e-9, 1, 1e9], "TeV", ["1e-09 - 1 TeV", "1 - 1e+09 TeV"]),
    ],
)
def test_titles_are_in_a_unit_that_suits_them(edges, unit, want):
    axis = Axis.from_edges("energy", edges, unit)
    assert bin_titles(axis) == want
    nodes = Axis.from_nodes("energy", [8.45e4, 1e5], unit="MeV")
    assert bin_titles(nodes) == ["84.5 GeV", "100 GeV"]
    energy = {"units": "MeV", "node_type": "center"}
    assert title_of(xr.DataArray(1.0, {"energy": ((), 8.45e4, energy)})) == "84.5 GeV"
    ends = {f"energy_{end}": ((), value, {"units": "keV"}) for end, value in (("min", 1e7), ("max", 2e7))}
    assert title_of(xr.DataArray(1.0, {"energy": ((), 1.4e7, {"units": "keV"}), **ends})) == "10 - 20 GeV"
