"""Gradients are those of the statistic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.likelihood.cases import background, differences, map_dataset, place, source, spectrum, spectrum_dataset
from tests.models.library import SPECTRAL
from tests.models.test_models_template import write_map
from xgamma import models as xm
from xgamma.likelihood import Likelihood
from xgamma.models.registry import SPATIAL_MODELS


def check(lik, x, rtol=1e-6, share=0.02):
    """Compare with differences over a share of each standard error, in units of these errors.

    The tolerance is relative to the largest component of the gradient, or to a gradient of one per standard error.
    """
    bend = np.maximum(np.diag(lik.expand(x).hessian), 1e-300)
    # Where data tell next to nothing of a parameter, half of its value stands for its error.
    error = np.minimum(np.sqrt(2 / bend), 0.5 * np.where(x == 0, 0.2, np.abs(x)))
    expected = differences(lik, x, share * error) * error
    actual = lik.gradient(x) * error
    # Values of the statistic have a rounding of their own.
    rounding = 4 * np.finfo(float).eps * abs(lik(x)) / share
    tolerance = rtol * max(np.abs(expected).max(), 1.0) + rounding
    assert (np.abs(actual - expected) < tolerance).all(), (lik.parameters, actual, expected, tolerance)


@pytest.fixture(scope="module")
def small():
    return map_dataset(npix=(12, 13))


@pytest.mark.parametrize("tag", SPECTRAL)
@settings(max_examples=4)
@given(data=st.data())
def test_spectra(small, tag, data):
    spectral = SPECTRAL[tag]()
    for name, par in spectral._parameters.items():
        par.frozen = "reference" in name or name in ("emin", "emax", "escale")
    if spectral.is_norm_spectral_model:
        models = [source(small, free=False), xm.FoVBackgroundModel("test", spectral)]
    else:
        models = [source(small, spectral=spectral, free=False), background(small)]
    lik = Likelihood(small, models)
    factors = data.draw(st.lists(st.floats(0.93, 1.07), min_size=len(lik.x0), max_size=len(lik.x0)))
    check(lik, lik.x0 * factors, share=0.004)


SHAPES = {
    "point": lambda ds: xm.PointSpatialModel(**place(ds)),
    "gauss": lambda ds: xm.GaussianSpatialModel(**place(ds), sigma="0.17 deg"),
    "cloud": lambda ds: xm.GaussianSpatialModel(**place(ds), sigma="0.015 deg"),
    "ellipse": lambda ds: xm.GaussianSpatialModel(**place(ds), sigma="0.2 deg", e=0.6, phi="30 deg"),
    "disk": lambda ds: xm.DiskSpatialModel(**place(ds), r_0="0.31 deg", edge_width=0.3),
    "sharp": lambda ds: xm.DiskSpatialModel(**place(ds), r_0="0.31 deg", edge_width=0.05, e=0.5, phi="20 deg"),
    "shell": lambda ds: xm.ShellSpatialModel(**place(ds), radius="0.24 deg", width="0.11 deg"),
    "shell2": lambda ds: xm.Shell2SpatialModel(**place(ds), r_0="0.337 deg", eta=0.26),
    "cloud of a shell": lambda ds: xm.ShellSpatialModel(**place(ds), radius="0.02 deg", width="0.007 deg"),
    "general": lambda ds: xm.GeneralizedGaussianSpatialModel(**place(ds), r_0="0.27 deg"),
    "cusp": lambda ds: xm.GeneralizedGaussianSpatialModel(**place(ds), r_0="0.27 deg", eta=1.0, e=0.3),
    "const": lambda ds: xm.ConstantSpatialModel(value="30 sr-1"),
}


def test_every_shape_is_there(small):
    """Templates have tests of their own."""
    found = {type(shape(small)).__name__ for shape in SHAPES.values()}
    assert found | {"TemplateSpatialModel"} == set(SPATIAL_MODELS)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(small, shape):
    """Where a source was compiled, and elsewhere."""
    # Pixels that resolve the PSF, so that what is much smaller than one is a cloud of points.
    ds = map_dataset(npix=(12, 13), binsz=0.05) if "cloud" in shape else small
    model = xm.SkyModel(spectrum(), SHAPES[shape](ds), name="source")
    for par in model.parameters:
        par.frozen = par.name in ("reference", "index") or (
            par.name in ("e", "phi") and model.parameters["e"].value == 0
        )
    lik = Likelihood(ds, [model, background(ds)])
    if "cloud" in shape:
        assert [plan.kind for source in lik._terms[0].sources for plan in source._plans(source.items)] == ["cloud"]
    moved = lik.x0
    for name in ("lon_0", "lat_0") if shape != "const" else ():
        moved[lik.parameters.index(f"source.{name}")] += 0.023
    # Second derivatives of shells change by steps where an edge comes to touch that of a pixel.
    options = {"share": 0.0004} if "shell" in shape else {}
    if shape != "cusp":
        check(lik, moved, **options)
    else:
        # One parameter is at its upper limit, where differences have one side.
        keep = lik.gradient(moved)
        step = moved.copy()
        i = lik.parameters.index("source.eta")
        step[i] -= 1e-4
        np.testing.assert_allclose(lik.gradient(step), keep, rtol=0.01, atol=0.01 * np.abs(keep[i]))
    if shape in ("point", "gauss", "shell", "shell2"):
        check(lik, lik.x0, **options)


@pytest.fixture(scope="module", params=["image", "cube"])
def template(request, small, tmp_path_factory):
    here = place(small, 0, 0)
    at = tuple(float(here[key][:-4]) for key in ("lon_0", "lat_0"))
    images = np.random.default_rng(4).uniform(0.5, 1.5, (3, 9, 10))
    path = tmp_path_factory.mktemp("template") / "map.fits"
    if request.param == "image":
        return xm.TemplateSpatialModel(write_map(path, images[0], crval=at, cdelt=(-0.15, 0.15)))
    cube = write_map(path, images, crval=at, cdelt=(-0.15, 0.15), energy=np.array([1e5, 3e6, 1e8]))
    return xm.TemplateSpatialModel(cube, normalize=False)


@settings(max_examples=4)
@given(data=st.data())
def test_template(small, template, data):
    """A template that stands still, and the spectrum that scales it."""
    model = xm.SkyModel(spectrum(amplitude="3e-10 cm-2 s-1 TeV-1"), template, name="source")
    lik = Likelihood(small, [model, background(small)])
    assert {"source.index", "source.amplitude"} <= set(lik.parameters)
    factors = data.draw(st.lists(st.floats(0.93, 1.07), min_size=len(lik.x0), max_size=len(lik.x0)))
    check(lik, lik.x0 * factors, share=0.004)


def test_template_that_moves(small, template):
    """At places where no point of the quadrature lies on a kink of the brightness, which is linear between pixels."""
    model = xm.SkyModel(spectrum(amplitude="3e-10 cm-2 s-1 TeV-1"), template.copy(), name="source")
    model.spectral_model.freeze()
    for name in ("lon_0", "lat_0"):
        getattr(model.spatial_model, name).frozen = False
    lik = Likelihood(small, [model, background(small)])
    assert {"source.lon_0", "source.lat_0"} <= set(lik.parameters)
    for steps in ((0.003, -0.0018), (0.0307, -0.0184)):
        x = lik.x0
        for name, step in zip(("lon_0", "lat_0"), steps, strict=True):
            x[lik.parameters.index(f"source.{name}")] += step
        assert (lik.gradient(x) != 0).all()
        check(lik, x, share=0.0004)


REGION_SHAPES = {
    "point": lambda at: xm.PointSpatialModel(**at),
    "gauss": lambda at: xm.GaussianSpatialModel(**at, sigma="0.12 deg"),
}


@pytest.mark.parametrize("shape", REGION_SHAPES)
def test_region_source_that_moves(shape):
    """A source next to the middle of a circle, where it was compiled and elsewhere."""
    ds = map_dataset()
    lon, lat = (place(ds, 0, 0)[key][:-4] for key in ("lon_0", "lat_0"))
    spec = spectrum_dataset(ds, region=f"{place(ds)['frame']};circle({lon},{lat},0.2)")
    # Counts that tell where it is.
    spec["counts"] = spec["counts"] * 0 + 30
    model = xm.SkyModel(spectrum(), REGION_SHAPES[shape](place(ds, 0.7, -0.8)), name="source")
    # Each evaluation of such a source takes long, and spectra have tests of their own.
    model.spectral_model.index.frozen = True
    lik = Likelihood(spec, [model])
    moved = lik.x0
    for name, step in (("lon_0", 0.021), ("lat_0", -0.013)):
        moved[lik.parameters.index(f"source.{name}")] += step
    for x in (lik.x0, moved):
        assert (lik.gradient(x) != 0).all()
        check(lik, x, share=0.004)


PRIORS = [
    lambda data: xm.GaussianPrior(mu=data.draw(st.floats(-3, 3)), sigma=data.draw(st.floats(0.1, 3))),
    lambda data: xm.UniformPrior(min=0.1, max=9.0),
    lambda data: xm.LogUniformPrior(min=0.1, max=9.0),
]


@pytest.mark.parametrize("prior", PRIORS)
@settings(max_examples=10)
@given(data=st.data())
def test_priors(prior, data):
    spec = spectrum_dataset()
    model = xm.SkyModel(spectrum(), name="source")
    model.spectral_model.index.prior = prior(data)
    lik = Likelihood(spec, [model])
    x = lik.x0 * data.draw(st.floats(0.8, 1.2))
    check(lik, x)
    i = lik.parameters.index("source.index")
    steps = 1e-3 * np.abs(x)
    np.testing.assert_allclose(
        lik.vector.prior_gradient(x)[i], differences(lik.prior, x, steps)[i], rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("step", [-2.05e-11, -2.3e-11])
def test_negative_amplitude(step):
    """Where a hole is deeper than the background the statistic is cut off, and its gradient with it."""
    ds = map_dataset()
    lik = Likelihood(ds, [source(ds), background(ds)])
    x = lik.x0
    x[lik.parameters.index("source.amplitude")] += step
    # Differences meet bins that pass from one side to the other.
    check(lik, x, rtol=1e-3)


def test_bins_without_background():
    ds = map_dataset()
    some = np.random.default_rng(2).random(ds["background"].shape) < 0.3
    ds["background"] = ds["background"].where(~some, 0.0)
    ds["mask_fit"] = ds["mask_fit"] & (ds["lat"] < 0.3) & (ds["lat"] > -0.3) & (np.abs(ds["lon"]) < 0.3)
    lik = Likelihood(ds, [source(ds), background(ds)])
    check(lik, lik.x0)


def test_limits_are_not_crossed():
    """A derivative at a limit uses values on the allowed side alone."""
    ds = map_dataset()
    spectral = xm.ExpCutoffPowerLawSpectralModel(
        index=2.0, amplitude="2e-11 TeV-1 s-1 cm-2", lambda_="0 TeV-1", alpha=0.5
    )
    spectral.lambda_.min = 0
    spectral.lambda_.error = 0.1
    model = source(ds, spectral=spectral, free=False)
    spectral.alpha.frozen = True
    lik = Likelihood(ds, [model, background(ds)])
    assert np.isfinite(lik.gradient(lik.x0)).all()


def test_spectrum_dataset_and_priors():
    spec = spectrum_dataset()
    model = xm.SkyModel(spectrum(), name="source")
    model.spectral_model.index.prior = xm.GaussianPrior(mu=2.0, sigma=0.1)
    lik = Likelihood(spec, [model, background(spec)])
    check(lik, lik.x0 * 1.1)
    assert abs(lik.vector.prior_gradient(lik.x0)[lik.parameters.index("source.index")]) > 1
