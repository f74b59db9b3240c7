"""Counts, excess, masks and residuals along energy and on the sky: what is drawn, where, and how it is labelled."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

from tests.builders import SKIES, make_map_dataset
from xgamma.models import SkyModel
from xgamma.onoff import alpha, background, to_onoff
from xgamma.plot import (
    plot_counts,
    plot_excess,
    plot_fit,
    plot_masks,
    plot_residuals,
    plot_residuals_spatial,
    plot_residuals_spectral,
)
from xgamma.predict.counts import npred_off
from xgamma.predict.residuals import residuals

CENTER = SkyCoord(0, 0, unit="deg", frame="galactic")
CIRCLE = CircleSkyRegion(CENTER, 0.25 * u.deg)
CHUNKS = [None, {"x": 5}]


@pytest.fixture(scope="module")
def model():
    found = SkyModel.create("pl", "point", name="source")
    found.spatial_model.position = CENTER
    found.spectral_model.amplitude.value = 3e-12
    return found


def spectrum(chunks=None):
    ds = make_map_dataset(irf_on_sky=False).isel(x=8, y=6).drop_vars("psf")
    return ds if chunks is None else ds.chunk(chunks)


def sums(ds, array):
    inside = ds.mask_safe & ds.mask_fit & ds.gp.region_mask(CIRCLE)
    return np.where(inside, array, 0).sum((1, 2))


def heights(ax):
    return {patch.get_label(): patch.get_data().values for patch in ax.patches}


def data_points(ax):
    """Label, values and errors of what ``errorbar`` drew."""
    (bars,) = ax.containers
    middle, _, (_, upright) = bars.lines
    # bins that are not drawn have no line
    ends = np.array([segment[:, 1] for segment in upright.get_segments() if len(segment)])
    return bars.get_label(), middle.get_ydata(), np.diff(ends, axis=1)[:, 0] / 2


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("chunks", CHUNKS)
def test_counts_of_a_map(chunks, model):
    ds = make_map_dataset(chunks=chunks)
    ax = plot_counts(ds, [model], region=CIRCLE, kwargs_counts={"color": "red"}, linewidth=3)
    drawn = heights(ax)
    assert list(drawn) == legend(ax) == ["Counts", "Background", "Predicted counts"]
    np.testing.assert_allclose(drawn["Counts"], sums(ds, ds.counts))
    np.testing.assert_allclose(drawn["Background"], sums(ds, ds.background))
    np.testing.assert_allclose(drawn["Predicted counts"], sums(ds, ds.gp.npred([model])))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Energy [TeV]", "Counts")
    assert ax.patches[0].get_edgecolor()[:3] == (1, 0, 0)
    assert {patch.get_linewidth() for patch in ax.patches} == {3}


@pytest.mark.parametrize("chunks", [None, {"energy": 2}])
def test_counts_of_a_spectrum_are_all_drawn(chunks):
    ds = spectrum(chunks)
    given = plt.figure().add_subplot()
    assert plot_counts(ds, ax=given) is given
    np.testing.assert_allclose(heights(given)["Counts"], ds.counts)
    with pytest.raises(ValueError, match="is no map"):
        plot_counts(ds, region=CIRCLE)
    with pytest.raises(ValueError, match="no variable 'counts'"):
        plot_counts(ds.drop_vars("counts"))


def test_an_empty_spectrum_has_its_axes():
    ds = spectrum().drop_vars("background")
    ax = plot_counts(ds.assign(counts=0 * ds.counts))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Energy [TeV]", "Counts")
    assert plot_excess(ds.assign(counts=0 * ds.counts)).get_ylabel() == "Excess counts"


@pytest.mark.parametrize("chunks", [None, {"energy": 2}])
def test_excess(chunks, model):
    ds = spectrum(chunks)
    ax = plot_excess(ds, [model])
    label, values, errors = data_points(ax)
    np.testing.assert_allclose(values, ds.counts - ds.background)
    # the error of a number of counts is its root
    np.testing.assert_allclose(errors, np.sqrt(ds.counts))
    np.testing.assert_allclose(heights(ax)["Predicted signal"], ds.gp.npred_signal([model]))
    assert legend(ax) == [label, "Predicted signal"]
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "Excess counts")


def test_excess_over_off_regions(model):
    ds = to_onoff(spectrum(), acceptance_off=4)
    _, values, errors = data_points(plot_excess(ds, [model]))
    np.testing.assert_allclose(values, ds.counts - background(ds))
    np.testing.assert_allclose(errors, np.sqrt(ds.counts + alpha(ds) ** 2 * ds.counts_off))
    drawn = heights(plot_counts(ds, [model]))
    want = ds.gp.npred_signal([model]) + alpha(ds) * npred_off(ds, [model])
    np.testing.assert_allclose(drawn["Predicted counts"], want)


def test_masks_are_bands_along_energy():
    ds = spectrum()
    ax = plot_masks(ds, plot_counts(ds))
    assert legend(ax)[-2:] == ["Safe mask", "Fit mask"]
    shaded = ax.collections[-1].get_paths()
    edges = np.array([[path.vertices[:, 0].min(), path.vertices[:, 0].max()] for path in shaded])
    inside = ds.mask_fit.values
    np.testing.assert_allclose(edges, np.stack([ds.energy_min[inside], ds.energy_max[inside]], axis=1))
    alone = plot_masks(ds)
    assert alone.get_xlabel() == "Energy [TeV]"
    assert len(alone.get_yticks()) == 0
    with pytest.raises(ValueError, match="no masks: neither mask_safe nor mask_fit"):
        plot_masks(ds.drop_vars(["mask_safe", "mask_fit"]))


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("sky", ["TAN", "wrap"])
def test_masks_are_borders_on_the_sky(sky, chunks):
    ds = make_map_dataset(**SKIES[sky], chunks=chunks)
    ax = plot_masks(ds, kwargs_fit={"colors": "blue"})
    assert legend(ax) == ["Safe mask", "Fit mask"]
    np.testing.assert_array_equal(ax.get_images()[0].get_array(), (ds.mask_safe & ds.mask_fit).sum("energy"))
    (border,) = ax.collections[1].get_paths()
    # the border encloses the pixels with a bin inside
    x, y = np.meshgrid(np.arange(16), np.arange(12))
    found = border.contains_points(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)
    np.testing.assert_array_equal(found, ds.mask_fit.any("energy"))
    np.testing.assert_allclose(ax.collections[1].get_edgecolor()[0][:3], (0, 0, 1))
    bands = plot_masks(ds, plt.figure().add_subplot())
    assert bands.get_xlabel() == "Energy [TeV]"


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("method", ["diff", "diff/model", "diff/sqrt(model)"])
def test_residuals_on_the_sky(method, chunks, model):
    ds = make_map_dataset(chunks=chunks)
    ax = plot_residuals_spatial(ds, [model], method=method, smooth_radius=None)
    inside = (ds.mask_safe & ds.mask_fit).values
    counts, expected = (np.where(inside, part, 0).sum(0) for part in (ds.counts, ds.gp.npred([model])))
    with np.errstate(invalid="ignore"):
        divisor = {"diff": 1, "diff/model": expected, "diff/sqrt(model)": np.sqrt(expected)}[method]
        want = np.where(inside.any(0), (counts - expected) / divisor, np.nan)
    (drawn,) = ax.get_images()
    np.testing.assert_allclose(drawn.get_array().filled(np.nan), want)
    assert drawn.get_clim() == pytest.approx((-np.nanmax(abs(want)), np.nanmax(abs(want))))
    label = {"diff": "Data - model", "diff/model": "(Data - model) / model"}
    assert ax.figure.axes[1].get_ylabel() == label.get(method, "(Data - model) / sqrt(model)")


def test_smoothing_of_residuals(model):
    ds = make_map_dataset().isel(energy=[1])
    ax = plot_residuals_spatial(ds, [model], smooth_radius="0.15 deg", smooth_kernel="disk", vmax=3)
    want = residuals(ds, models=[model], width="0.15 deg", kernel="disk").isel(energy=0)
    np.testing.assert_allclose(ax.get_images()[0].get_array().filled(np.nan), want)
    assert ax.get_images()[0].get_clim()[1] == 3


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("method", ["diff", "diff/model", "diff/sqrt(model)"])
def test_residuals_along_energy(method, chunks, model):
    ds = make_map_dataset(chunks=chunks)
    ax = plot_residuals_spectral(ds, [model], method=method, region=CIRCLE)
    counts, expected = sums(ds, ds.counts)[:3], sums(ds, ds.gp.npred([model]))[:3]
    divisor = {"diff": 1, "diff/model": expected, "diff/sqrt(model)": np.sqrt(expected)}[method]
    _, values, errors = data_points(ax)
    # the last bin is outside the fit mask
    np.testing.assert_allclose(values, [*((counts - expected) / divisor), np.nan])
    np.testing.assert_allclose(errors, np.sqrt(counts) / divisor)
    low, high = ax.get_ylim()
    assert -low == high > np.abs(values[:3]).max()
    assert legend(ax) == ["Safe mask", "Fit mask"]
    assert ax.get_xlabel() == "Energy [TeV]"


def test_both_residuals_of_a_map(model):
    ds = make_map_dataset()
    sky, energy = plot_residuals(ds, [model], region=CIRCLE, kwargs_spatial={"vmax": 2}, method="diff/model")
    assert sky.figure is energy.figure
    assert len(sky.collections) == 1, "the border of the region"
    assert sky.get_images()[0].get_clim()[1] == 2
    assert energy.get_ylabel() == "(Data - model) / model"
    plain = plt.figure().add_subplot()
    assert plot_residuals(ds, [model], plain) is plain
    on_sky = plt.figure().add_subplot(projection=ds.counts.gp.wcs)
    assert plot_residuals(ds, [model], on_sky) is on_sky
    assert on_sky.get_images()
    assert plot_residuals(spectrum(), [model]).get_ylabel() == "Data - model"


@pytest.mark.parametrize("on_sky", [True, False])
def test_fit(on_sky, model):
    ds = make_map_dataset() if on_sky else spectrum()
    region = CIRCLE if on_sky else None
    upper, lower = plot_fit(
        ds, [model], region=region, method="diff/model", kwargs_spectrum={"kwargs_excess": {"color": "red"}}
    )
    np.testing.assert_array_equal(data_points(upper)[1], data_points(plot_excess(ds, [model], region=region))[1])
    want = data_points(plot_residuals_spectral(ds, [model], region=region, method="diff/model"))[1]
    np.testing.assert_array_equal(data_points(lower)[1], want)
    assert upper.get_xlim() == lower.get_xlim()
    assert (upper.get_xlabel(), lower.get_xlabel()) == ("", "Energy [TeV]")
    assert legend(upper) == ["Excess", "Predicted signal", "Safe mask", "Fit mask"], "data first, masks last"
    assert data_points(upper)[0] == "Excess"


def test_fit_on_given_axes(model):
    ds = spectrum()
    figure, pair = plt.subplots(2)
    assert plot_fit(ds, [model], tuple(pair)) == tuple(pair)
    one = plt.figure().add_subplot()
    upper, lower = plot_fit(ds, [model], one)
    one.figure.canvas.draw()
    assert upper is one
    assert lower.get_position(original=False).y1 < upper.get_position(original=False).y0
    assert upper.get_shared_x_axes().joined(upper, lower)


@pytest.mark.parametrize("draw", [plot_residuals, plot_residuals_spatial, plot_residuals_spectral, plot_fit])
def test_unknown_method(draw):
    with pytest.raises(ValueError, match="'ratio': it must be one of"):
        draw(make_map_dataset(), method="ratio")


def test_spectra_have_no_residuals_on_the_sky():
    with pytest.raises(ValueError, match="use plot_residuals_spectral"):
        plot_residuals_spatial(spectrum())


def test_input_stays_as_it_is(model):
    ds = make_map_dataset()
    before = ds.copy(deep=True)
    for draw in (ds.gp.plot_residuals, ds.gp.plot_fit, ds.gp.plot_counts, ds.gp.plot_excess):
        draw(models=[model])
    ds.gp.plot_masks()
    ds.gp.peek(models=[model])
    assert ds.identical(before)
