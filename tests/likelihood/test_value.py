"""The compiled statistic is that of the predictions."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from tests.builders import SKIES
from tests.likelihood.cases import (
    FAR,
    MOVE,
    agree,
    background,
    map_dataset,
    place,
    reference,
    source,
    spectrum,
    spectrum_dataset,
)
from tests.models.library import SPECTRAL
from xgamma import models as xm
from xgamma.likelihood import Likelihood
from xgamma.predict import assign_models, npred


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize("kind", ["point", "gauss"])
def test_projections(sky, kind):
    ds = map_dataset(**SKIES[sky])
    models = [source(ds, kind, **({"sigma": "0.15 deg"} if kind == "gauss" else {})), background(ds, norm=1.1)]
    agree(ds, models, [{"source.index": 0.2, "test-bkg.tilt": 0.1}, MOVE, FAR, {"source.lat_0": 20.0}])


@pytest.mark.parametrize("tag", SPECTRAL)
def test_spectra(tag):
    ds = map_dataset(npix=(12, 13))
    spectral = SPECTRAL[tag]()
    if spectral.is_norm_spectral_model:
        models = [source(ds, free=False), xm.FoVBackgroundModel("test", spectral)]
    else:
        models = [source(ds, spectral=spectral, free=False), background(ds)]
    lik = Likelihood(ds, models)
    agree(ds, models, [{name: 0.02 * abs(x)} for name, x in zip(lik.parameters, lik.x0, strict=True)])


SHAPES = {
    "cloud": lambda ds: xm.GaussianSpatialModel(**place(ds), sigma="0.015 deg"),
    "ellipse": lambda ds: xm.GaussianSpatialModel(**place(ds), sigma="0.2 deg", e=0.6, phi="30 deg"),
    "disk": lambda ds: xm.DiskSpatialModel(**place(ds), r_0="0.3 deg"),
    "shell": lambda ds: xm.ShellSpatialModel(**place(ds), radius="0.25 deg", width="0.1 deg"),
    "general": lambda ds: xm.GeneralizedGaussianSpatialModel(**place(ds), r_0="0.2 deg"),
    "const": lambda ds: xm.ConstantSpatialModel(value="30 sr-1"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape):
    # Pixels that resolve the PSF, so that what is much smaller than one is a cloud of points.
    ds = map_dataset(npix=(20, 21), binsz=0.05 if shape == "cloud" else 0.1)
    model = xm.SkyModel(spectrum(), SHAPES[shape](ds), name="source")
    for par in model.parameters:
        par.frozen = par.name == "reference"
    lik = Likelihood(ds, [model])
    moves = [{name: 0.03 * abs(x)} for name, x in zip(lik.parameters, lik.x0, strict=True) if "lat" not in name]
    agree(ds, [model, background(ds)], moves)


@pytest.mark.parametrize("shape", ["gauss", "disk", "shell"])
@pytest.mark.parametrize("sky", ["TAN", "wrap"])
def test_sizes(sky, shape):
    """Shapes that shrink, grow a little, and grow beyond what was set up for them, some of them over the rim."""
    ds = map_dataset(**SKIES[sky], npix=(24, 22))
    at = place(ds, 4.0, -3.0)
    spatial, name = {
        "gauss": (xm.GaussianSpatialModel(**at, sigma="0.2 deg"), "sigma"),
        "disk": (xm.DiskSpatialModel(**at, r_0="0.6 deg"), "r_0"),
        "shell": (xm.ShellSpatialModel(**at, radius="0.5 deg", width="0.11 deg"), "radius"),
    }[shape]
    size = spatial.values[name]
    moves = [{f"source.{name}": (factor - 1) * size} for factor in (0.4, 0.9, 1.01, 1.1, 1.14, 1.5)]
    agree(ds, [xm.SkyModel(spectrum(), spatial, name="source"), background(ds)], moves)


@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.parametrize("binsz", [0.03, 0.1, 0.2])
def test_sizes_inside(hole, binsz):
    """Windows well inside the map, without and with a hole in the mask; large pixels are cut into parts."""
    ds = map_dataset(npix=(64, 66), binsz=binsz)
    ds["mask_safe"][:] = True
    if hole:
        ds["mask_safe"][1, 30:34, 35] = False
    sigma = 2 * binsz
    models = [source(ds, "gauss", sigma=f"{sigma} deg"), source(ds, "gauss", "other", sigma=f"{binsz} deg", dx=5)]
    for model in models:
        model.spatial_model.freeze()
        model.spatial_model.sigma.frozen = False
    moves = [{"source.sigma": -0.3 * sigma}, {"source.sigma": 0.03 * sigma, "other.sigma": 0.1 * binsz}]
    moves.append({"source.sigma": 0.1 * sigma, "source.index": 0.1, "other.sigma": 0.001})
    for chosen, some in ((models, moves), (models[:1], moves[:1])):
        lik = agree(ds, [*chosen, background(ds)], some)
        x, i = lik.x0, lik.parameters.index("source.sigma")
        x[i] *= 1.001
        value, slopes = lik.value_and_gradient(x)
        np.testing.assert_allclose(value, lik(x), rtol=1e-12)
        step = 1e-4 * x[i] * np.eye(x.size)[i]
        np.testing.assert_allclose(slopes[i], (lik(x + step) - lik(x - step)) / (2 * step[i]), rtol=1e-4)


@pytest.mark.parametrize("binsz", [0.03, 0.1])
def test_smaller_transforms(binsz):
    """What is lost beyond the pixels of a smaller transform is nothing next to the background of any bin."""
    ds = map_dataset(npix=(84, 86), binsz=binsz)
    model = source(ds, "gauss", sigma=f"{4 * binsz} deg")
    model.spatial_model.freeze()
    model.spatial_model.sigma.frozen = False
    lik = Likelihood(ds, [model])
    (one,) = lik._terms[0].sources
    window, flux = one.window, one.window.component.flux[None]
    *smaller, last = window.transforms
    assert len(smaller) == 2
    exact = replace(window, transforms=(last,))
    for factor, part in ((0.7, smaller[0]), (1.001, smaller[0]), (1.1, smaller[1])):
        x = lik.x0
        x[lik.parameters.index("source.sigma")] *= factor
        at = one.spatial.at(x)
        counts, total = window.counts(at, window.shape(at), flux)
        expected, whole = exact.counts(at, window.shape(at), flux)
        assert part.outside.any()
        assert (counts[part.outside] == 0).all()
        assert (np.abs(counts - expected)[:, 0] < 1e-8 * one.bins.b[window.bins]).all()
        np.testing.assert_allclose(total, whole, rtol=1e-13)
        # Of a source as bright as this more would be lost.
        bright, _ = window.counts(at, window.shape(at), 1e12 * flux)
        np.testing.assert_allclose(bright, 1e12 * expected, rtol=1e-12, atol=1e-3 * expected.max())


def test_transforms_without_background():
    """Nothing at all is lost where a bin has no background to lose it in."""
    ds = map_dataset(npix=(84, 86), binsz=0.03)
    ds["background"][:, 44:48, 44:48] = 0.0
    model = source(ds, "gauss", sigma="0.12 deg")
    model.spatial_model.freeze()
    model.spatial_model.sigma.frozen = False
    lik = agree(ds, [model], [{"source.sigma": step} for step in (-0.02, 0.002, 0.01)])
    (one,) = lik._terms[0].sources
    window, at = one.window, one.spatial.at(1.001 * lik.x0)
    assert window.bare.size
    exact = replace(window, transforms=window.transforms[-1:])
    args = at, window.shape(at), window.component.flux[None]
    counts, expected = (part.counts(*args)[0] for part in (window, exact))
    np.testing.assert_allclose(counts, expected, rtol=0, atol=1e-15 * expected.max())


@pytest.mark.parametrize("irf", ["exposure", "psf", "edisp"])
@pytest.mark.parametrize("kind", ["point", "gauss"])
def test_apply_irf(irf, kind):
    ds = map_dataset()
    model = source(ds, kind, **({"sigma": "0.15 deg"} if kind == "gauss" else {}))
    model.apply_irf = {irf: False}
    if irf == "exposure":
        model.spectral_model.amplitude.value = 300.0
    agree(ds, [model, background(ds)], [MOVE, {"source.index": 0.1}])


@pytest.mark.parametrize("options", [{"irf_on_sky": False}, {"migra": True}])
def test_responses(options):
    ds = map_dataset(**options)
    agree(ds, [source(ds), background(ds)], [MOVE, FAR])


def test_psf_in_reconstructed_energy():
    ds = map_dataset()
    rows = ds["psf"].isel(energy_true=slice(1, 5)).rename(energy_true="energy")
    reco = ds.drop_vars(["psf", "psf_exposure"])
    reco["psf"] = (("energy", "rad", "y_psf", "x_psf"), rows.values, ds["psf"].attrs)
    agree(reco, [source(ds), background(ds)], [MOVE, {"source.index": 0.1}])
    agree(reco, [source(ds, "gauss", sigma="0.15 deg"), background(ds)], [MOVE, {"source.index": 0.1}])


@pytest.mark.parametrize("part", [{"x": slice(None, None, -1)}, {"y": slice(1, None, 2), "x": slice(None, None, 3)}])
def test_strided_and_reversed_maps(part):
    ds = map_dataset()
    models = [source(ds), source(ds, "gauss", "wide", sigma="0.1 deg"), background(ds)]
    agree(ds.isel(part), models, [MOVE])


def test_source_beside_the_map():
    """A source that starts outside of the map may come in, and one inside may leave."""
    ds = map_dataset(npix=(30, 30))
    model = source(ds, dx=60)
    assert float(npred(ds, [model]).sum()) == pytest.approx(float(ds["background"].sum()))
    steps = [{"source.lon_0": 6.0}, {"source.lon_0": 4.6}, {"source.index": 0.3}]
    agree(ds, [model, background(ds)], steps)
    agree(ds, [source(ds), background(ds)], [{"source.lon_0": -6.0}, {"source.lon_0": -1.6}])


def test_masks():
    ds = map_dataset()
    for names in (["mask_safe"], ["mask_fit"], ["mask_safe", "mask_fit"]):
        agree(ds.drop_vars(names), [source(ds), background(ds)], [MOVE])
    holes = ds.assign(mask_fit=ds["mask_fit"] & (np.random.default_rng(1).random(ds["mask_fit"].shape) > 0.4))
    agree(holes, [source(ds), background(ds)], [MOVE, FAR])


def test_without_background():
    ds = map_dataset().drop_vars("background")
    agree(ds, [source(ds, "gauss", sigma="0.6 deg")], [{"source.index": 0.1}])


@pytest.mark.parametrize("value", [0.0, -0.5])
def test_background_that_vanishes(value):
    """Bins without background, or less than none, are evaluated one by one."""
    ds = map_dataset()
    some = np.random.default_rng(2).random(ds["background"].shape) < 0.3
    ds["background"] = ds["background"].where(~some, value)
    agree(ds, [source(ds), background(ds)], [MOVE, {"source.amplitude": -1.9e-11}, {"test-bkg.norm": 0.2}])


def test_nan_in_the_background():
    ds = map_dataset()
    ds["background"] = ds["background"].where(np.arange(ds.sizes["x"]) != 12)
    lik = Likelihood(ds, [source(ds), background(ds)])
    assert np.isnan(lik(lik.x0)) and np.isnan(reference(lik, [ds], lik.x0))


@pytest.mark.parametrize("amplitude", [-1e-13, -3e-12, -1e-9])
def test_negative_amplitude(amplitude):
    """A hole in the background that is shallow, and one that is deeper than the background."""
    ds = map_dataset()
    step = {"source.amplitude": amplitude - 2e-11}
    agree(ds, [source(ds), background(ds)], [step, step | MOVE])
    frozen = source(ds, free=False)
    frozen.spectral_model.index.frozen = True
    agree(ds, [frozen, background(ds)], [step])


def test_negative_background():
    ds = map_dataset()
    agree(ds, [source(ds), background(ds)], [{"test-bkg.norm": -1.0}, {"test-bkg.norm": -1.3}])


def test_no_counts_and_no_models():
    ds = map_dataset()
    empty = ds.assign(counts=ds["counts"] * 0)
    agree(empty, [source(ds), background(ds)], [MOVE])
    lik = agree(ds, [], [])
    assert lik.parameters == () and lik.gradient([]).shape == (0,)
    nothing = Likelihood(ds.assign(mask_fit=ds["mask_fit"] & False), [source(ds), background(ds)])
    assert nothing(nothing.x0) == 0


def test_spectrum_dataset():
    spec = spectrum_dataset()
    models = [xm.SkyModel(spectrum(), name="source"), background(spec)]
    lik = agree(spec, models, [{"source.index": 0.2}, {"source.amplitude": -3e-9}, {"test-bkg.norm": 0.1}])
    np.testing.assert_allclose(lik.npred(lik.x0 * 1.1), npred(spec, lik.models(lik.x0 * 1.1)), rtol=1e-12)


@pytest.mark.parametrize("kind", ["point", "gauss"])
def test_region_dataset(kind):
    """A region with a PSF sees what part of a source reaches it."""
    ds = map_dataset()
    here = place(ds, 0, 0)
    region = f"galactic;circle({here['lon_0'][:-4]},{here['lat_0'][:-4]},0.2)"
    model = source(ds, kind, **({"sigma": "0.15 deg"} if kind == "gauss" else {}))
    agree(spectrum_dataset(ds, region), [model, background(ds)], [MOVE, {"source.index": 0.1}])


def test_joint_datasets_share_and_link_parameters():
    one, two = map_dataset(name="one"), map_dataset(name="two", seed=3, npix=(15, 18))
    first, second = source(one, free=False), source(one, "gauss", "other", sigma="0.1 deg")
    second.spectral_model.index = first.spectral_model.index
    second.datasets_names = ["two"]
    models = xm.Models([first, second, background(one), background(two)])
    lik = agree([one, two], models, [{"source.index": 0.1}, {"other.sigma": 0.05, "two-bkg.norm": 0.1}])
    assert lik.parameters.count("source.index") == 1 and "other.index" not in lik.parameters
    np.testing.assert_allclose(lik.stat_sums(lik.x0).sum(), lik(lik.x0))
    assert lik.stat_sums(lik.x0).dims == ("dataset",)


def test_stored_models_of_one_name_are_one():
    one, two = map_dataset(name="one"), map_dataset(name="two", seed=3)
    first, second, third = (source(one, name=name) for name in ("source", "second", "third"))
    second.datasets_names, third.datasets_names = ["one"], ["two"]
    second.spectral_model.index = first.spectral_model.index
    third.spectral_model.index = first.spectral_model.index
    stored = [assign_models(one, [first, second]), assign_models(two, [first, third])]
    lik = Likelihood(stored)
    assert [name for name in lik.parameters if name.endswith("index")] == ["source.index"]
    x = lik.x0
    x[0] += 0.1
    np.testing.assert_allclose(lik(x), reference(lik, [one, two], x), rtol=1e-10)
    changed = source(one)
    changed.spectral_model.index.value = 3
    with pytest.raises(ValueError, match="'source' of dataset 'two' differs"):
        Likelihood([stored[0], assign_models(two, [changed])])


def test_priors_are_added_and_reported():
    ds = map_dataset()
    model = source(ds)
    model.spectral_model.index.prior = xm.GaussianPrior(mu=2.0, sigma=0.1)
    lik = agree(ds, [model, background(ds)], [{"source.index": 0.2}])
    x = lik.x0
    assert lik.prior(x) == pytest.approx(model.parameters.prior_stat_sum())
    assert lik(x) == pytest.approx(float(lik.stat_sums(x).sum()) + lik.prior(x))


def test_npred():
    ds = map_dataset().isel(y=slice(None, None, -1))
    models = [source(ds), source(ds, "gauss", "wide", sigma="0.2 deg"), background(ds)]
    lik = Likelihood(ds, models)
    x = lik.x0
    x[lik.parameters.index("source.lon_0")] += 0.02
    expected = npred(ds, lik.models(x))
    actual = lik.npred(x)
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-13)
    assert actual.dims == expected.dims and actual.attrs == expected.attrs
    xr.testing.assert_identical(actual.coords.to_dataset(), expected.coords.to_dataset())


def test_real_data(cta_path):
    from xgamma.io.open import open_dataset

    ds = open_dataset(cta_path, name="cta")
    point = xm.SkyModel(
        xm.PowerLawSpectralModel(index=2.3, amplitude="2e-12 TeV-1 s-1 cm-2"),
        xm.PointSpatialModel(lon_0="0.01 deg", lat_0="-0.02 deg", frame="galactic"),
        name="source",
    )
    steps = [{"source.index": 0.2}, MOVE, {"source.lat_0": 0.9}, {"cta-bkg.norm": 0.5, "source.amplitude": -4e-12}]
    agree(ds, [point, background(ds)], steps, rtol=1e-10)


def test_a_width_that_starts_at_zero():
    """An extended model that is compiled as a point becomes extended again."""
    ds = map_dataset(npix=(14, 15))
    model = source(ds, "gauss", sigma="0 deg")
    lik = agree(ds, [model, background(ds)], [{"source.sigma": 0.1}, {"source.sigma": 0.2} | MOVE])
    x = lik.x0
    x[lik.parameters.index("source.sigma")] = 0.1
    assert abs(lik(x) - lik(lik.x0)) > 1


@pytest.mark.parametrize("at", [(0.0, 0.0), (0.05, 0.0), (0.0125, 0.0125)], ids=["corner", "other corner", "middle"])
def test_moved_to_a_corner_of_pixels(cta_path, at):
    """Rounding of positions decides nothing there: the sum over bins and that of the likelihood agree to rounding."""
    from xgamma.io.open import open_dataset

    ds = open_dataset(cta_path, name="cta").load()
    spatial = xm.PointSpatialModel(lon_0="0.02 deg", lat_0="-0.03 deg", frame="galactic")
    model = xm.SkyModel(spectrum(amplitude="2e-12 cm-2 s-1 TeV-1"), spatial, name="gc")
    model.spectral_model.freeze()
    lik = Likelihood(ds, [model])
    assert lik.parameters == ("gc.lon_0", "gc.lat_0")
    np.testing.assert_allclose(lik(np.array(at)), reference(lik, [ds], np.array(at)), rtol=1e-12)


@pytest.mark.parametrize("amplitude", ["2e-11 cm-2 s-1 TeV-1", "-1e-12 cm-2 s-1 TeV-1", "-1e-9 cm-2 s-1 TeV-1"])
@pytest.mark.parametrize("kind", ["point", "gauss", "region"])
def test_a_source_that_moves_alone(kind, amplitude):
    """Only the bins that it reaches change; and where it stands still, is far, or negative, all is as ever."""
    ds = map_dataset()
    sources = [source(ds, "point" if kind == "region" else kind, spectral=spectrum(amplitude=amplitude))]
    sources[0].spectral_model.freeze()
    if kind == "region":
        ds = spectrum_dataset(ds, region="galactic;circle(0, 0, 0.2)")
    lik = Likelihood(ds, sources)
    assert lik._terms[0].alone is not None
    for step in ({}, MOVE, FAR, {"source.lon_0": 1e-5}, {"source.sigma": 0.03}):
        x = lik.x0
        for name in step.keys() & set(lik.parameters):
            x[lik.parameters.index(name)] += step[name]
        np.testing.assert_allclose(lik(x), reference(lik, [ds], x), rtol=1e-11)
    assert Likelihood(ds, [*sources, background(ds)])._terms[0].alone is None
