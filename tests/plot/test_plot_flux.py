"""Pictures of flux points, with and without models: what they draw, and where."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import xgamma as xg
from tests.builders import make_map_dataset
from tests.fluxpoints.points import points, source
from xgamma.fluxpoints import is_ul, quantity
from xgamma.models import Models, SkyModel
from xgamma.plot import plot_fit, plot_flux_points, plot_residuals, plot_spectrum
from xgamma.schema import SED_TYPES

NAMES = {
    "dnde": "dN/dE [TeV⁻¹ s⁻¹ cm⁻²]",
    "e2dnde": "E² dN/dE [erg s⁻¹ cm⁻²]",
    "flux": "Flux [s⁻¹ cm⁻²]",
    "eflux": "Energy flux [erg s⁻¹ cm⁻²]",
    "likelihood": "Norm",
}


@pytest.fixture
def model():
    """A source whose errors are known."""
    made = source(amplitude="3e-10 cm-2 s-1 TeV-1")
    made.spectral_model.index.error = 0.1
    made.spectral_model.amplitude.error = 3e-11
    return made


def bars(container):
    """Lower and upper end of each upright bar that can be seen, and the left and right one of each level bar."""
    _, _, (level, upright) = container
    segments = [np.array([part for part in lines.get_segments() if len(part)]) for lines in (upright, level)]
    return segments[0][..., 1].T, segments[1][..., 0].T


def drawn(ax):
    """Points and upper limits: values, ends of bars."""
    measured, limits = ax.containers
    return measured.lines[0].get_ydata(), bars(measured), bars(limits)


@pytest.mark.parametrize("chunks", [None, {"energy": 2}])
@pytest.mark.parametrize("kind", SED_TYPES)
def test_points_and_limits(kind, chunks):
    ds = points()
    before = ds.copy(deep=True)
    lazy = ds if chunks is None else ds.chunk(chunks)
    ax = lazy.gp.plot(sed_type=kind, label="ours")
    name, limit = SED_TYPES[kind], is_ul(ds).values
    part = {end: quantity(ds, f"{name}{end}").values for end in ("", "_errn", "_errp", "_ul")}
    values, (upright, level), (arrows, ranges) = drawn(ax)
    np.testing.assert_allclose(values, np.where(limit, np.nan, part[""]))
    np.testing.assert_allclose(upright[0], (part[""] - part["_errn"])[~limit])
    np.testing.assert_allclose(upright[1], (part[""] + part["_errp"])[~limit])
    np.testing.assert_allclose(level, [ds.energy_min[~limit], ds.energy_max[~limit]])
    np.testing.assert_allclose(arrows[1], part["_ul"][limit])
    assert (arrows[0] < arrows[1]).all()
    np.testing.assert_allclose(ranges, [ds.energy_min[limit], ds.energy_max[limit]])
    assert ax.get_ylabel() == NAMES[kind]
    assert (ax.get_xlabel(), ax.get_xscale(), ax.get_yscale()) == ("Energy [TeV]", "log", "log")
    (low, high), (left, right) = ax.get_ylim(), ax.get_xlim()
    assert low < np.nanmin(values) and high > max(np.nanmax(values), part["_ul"][limit].max())
    assert left < ds.energy_min[0] and right > ds.energy_max[-1]
    assert [text.get_text() for text in ax.legend().get_texts()] == ["ours"]
    colors = {tuple(c.lines[2][1].get_color()[0]) for c in ax.containers}
    assert len(colors) == 1
    assert ds.identical(before)


def test_quantities_and_units_meet_on_one_picture():
    ds = points()
    ax = plt.figure().add_subplot()
    assert plot_flux_points(ds.gp.to_sed_type("e2dnde"), ax) is ax
    assert ax.get_ylabel() == NAMES["e2dnde"]
    plot_flux_points(ds, ax, sed_type="dnde", energy_power=2)
    first, second = (ax.containers[i].lines[0].get_ydata() for i in (0, 2))
    np.testing.assert_allclose(first, second)
    with pytest.raises(ValueError, match="to which .* does not convert: use other axes"):
        plot_flux_points(ds, ax, sed_type="flux")
    powered = plot_flux_points(ds, energy_power=2.5)
    assert powered.get_ylabel().startswith("E^2.5 x dN/dE [TeV")
    assert plot_flux_points(ds, energy_power=2).get_ylabel() == "E² dN/dE [TeV s⁻¹ cm⁻²]"


def test_default_quantity():
    ds = points(scan=True)
    assert plot_flux_points(ds.gp.to_sed_type("likelihood")).get_ylabel() == NAMES["dnde"]
    assert plot_flux_points(ds.gp.to_sed_type("eflux")).get_ylabel() == NAMES["eflux"]


def test_what_cannot_be_seen_leaves_the_picture_whole():
    ds = points()
    ds["dnde"] = ds["dnde"].copy(data=np.where(np.arange(6) == 1, -1e-11, ds["dnde"]))
    ds["dnde_errn"] = ds["dnde_errn"].copy(data=np.where(np.arange(6) == 0, 10 * ds["dnde"], ds["dnde_errn"]))
    ax = plot_flux_points(ds.isel(energy=slice(0, 4)))
    assert ax.get_ylim()[0] > float(ds["dnde"][3]) / 20
    both = plot_flux_points(ds.drop_vars(["dnde_errn", "dnde_errp"]))
    _, (upright, _), _ = drawn(both)
    np.testing.assert_allclose(upright[1][3] - upright[0][3], 2 * ds["dnde_err"][3])
    bare = ds[["dnde"]].assign_attrs(ds.attrs)
    assert len(plot_flux_points(bare).containers) == 1
    limits = ds.drop_vars(["dnde", "dnde_err", "dnde_errn", "dnde_errp"])
    (alone,) = plot_flux_points(limits, label="limits").containers
    assert alone.get_label() == "limits"


@pytest.mark.parametrize("kind", ["dnde", "e2dnde"])
def test_spectrum(kind, model):
    ds = points()
    ax = plot_spectrum(ds, model, sed_type=kind, kwargs_fp={"color": "red"}, kwargs_model={"linewidth": 3})
    line = next(line for line in ax.lines if line.get_label() == "source")
    x, y = line.get_data()
    np.testing.assert_allclose(x[[0, -1]], [ds.energy_min[0], ds.energy_max[-1]])
    expected = model.spectral_model(x * xg.models.PowerLawSpectralModel().reference.unit)
    factor = 1 if kind == "dnde" else x**2 * 1.602176634
    np.testing.assert_allclose(y, expected.value * factor, rtol=1e-9)
    assert line.get_linewidth() == 3
    assert ax.get_ylim()[0] < y.min() < y.max() < ax.get_ylim()[1]
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"source", "Flux points"}
    (band,) = [part for part in ax.collections if type(part).__name__.startswith(("Poly", "Fill"))]
    np.testing.assert_allclose(band.get_facecolor()[0][:3], plt.matplotlib.colors.to_rgb(line.get_color()))


@pytest.mark.parametrize("kind", ["flux", "eflux", "likelihood"])
def test_spectra_in_bins_and_their_sum(kind, model):
    ds = points()
    models = [model, source(name="other", index=3)]
    ax = ds.gp.plot_spectrum(models, sed_type=kind)
    steps = {patch.get_label(): patch.get_data().values for patch in ax.patches}
    assert list(steps) == ["source", "other", "Sum"]
    np.testing.assert_allclose(steps["Sum"], ds.gp.flux_pred(models, sed_type=kind))
    np.testing.assert_allclose(steps["source"], ds.gp.flux_pred(model, sed_type=kind))


def test_a_model_far_away_does_not_squeeze_the_points():
    ds = points()
    far = source(amplitude="1e-30 cm-2 s-1 TeV-1")
    low, _ = plot_spectrum(ds, far).get_ylim()
    assert low > float(quantity(ds, "e2dnde")[:4].min()) / 1e3


@pytest.mark.parametrize("chunks", [None, {"energy": 2}])
@pytest.mark.parametrize("method", ["diff", "diff/model"])
def test_residuals(method, chunks, model):
    ds = points() if chunks is None else points().chunk(chunks)
    ax = plot_residuals(ds, model, method=method)
    (container,) = ax.containers
    values = container.lines[0].get_ydata()
    np.testing.assert_allclose(values, ds.gp.residuals(method, model))
    upright, _ = bars(container)
    divisor = 1 if method == "diff" else ds.gp.flux_pred(model).values
    np.testing.assert_allclose(upright[1] - values[:4], (ds["dnde_errp"] / divisor)[:4])
    assert np.isnan(values[4:]).all()
    label = {"diff": "Data - model [TeV⁻¹ s⁻¹ cm⁻²]", "diff/model": "(Data - model) / model"}
    assert (ax.get_ylabel(), ax.get_yscale()) == (label[method], "linear")
    low, high = ax.get_ylim()
    assert -low == high > np.nanmax(abs(values))


def test_fit_and_peek(model):
    ds = points(name="crab")
    upper, lower = plot_fit(ds, model)
    assert upper.get_ylabel() == NAMES["e2dnde"]
    assert lower.get_ylabel() == "(Data - model)\n/ model"
    assert (upper.get_xlabel(), lower.get_xlabel()) == ("", "Energy [TeV]")
    assert upper.get_xlim() == lower.get_xlim()
    _, pair = plt.subplots(2)
    assert plot_fit(ds, model, tuple(pair), method="diff") == tuple(pair)
    assert [ax.get_ylabel() for ax in ds.gp.peek()] == [NAMES["e2dnde"]]
    stored = ds.gp.assign_models(Models([model]))
    axes = stored.gp.peek()
    assert axes.shape == (2,)
    assert axes[0].figure.get_suptitle() == "crab"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda ds: make_map_dataset().gp.plot(), "holds no flux points: draw one of its arrays, as ds.counts.gp.plot"),
        (lambda ds: ds.gp.plot(sed_type="sed"), "no SED type 'sed'; there are: likelihood, dnde"),
        (lambda ds: points(bins=False).gp.plot(sed_type="flux"), "the energy range of the points"),
        (lambda ds: ds.gp.plot_residuals(method="diff/sqrt(model)"), "for flux points it must be one of"),
        (lambda ds: ds.gp.plot_fit(method="ratio"), "for flux points it must be one of"),
        (lambda ds: ds.gp.plot_fit(region="circle"), "have no pixels: leave region out"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call(points())


def test_points_without_bins_and_one_point(model):
    bare = points(bins=False)
    ax = plot_spectrum(bare, model)
    assert ax.get_xlim()[0] < float(bare.energy[0])
    one = bare.isel(energy=[0])
    assert isinstance(plot_spectrum(one, SkyModel(model.spectral_model, name="x")), plt.Axes)


def test_markers_and_lines_are_a_matter_of_taste():
    plain, styled, short = (points().gp.plot(**options) for options in ({}, {"marker": "D", "ls": "--"}, {"fmt": "s-"}))
    found = [(ax.lines[0].get_marker(), ax.lines[0].get_linestyle()) for ax in (plain, styled, short)]
    assert found == [("o", "None"), ("D", "--"), ("s", "-")]
