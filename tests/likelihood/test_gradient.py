"""Gradients are those of the statistic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.likelihood.cases import background, differences, map_dataset, place, source, spectrum, spectrum_dataset
from tests.models.library import SPECTRAL
from xgamma import models as xm
from xgamma.likelihood import Likelihood


def steps_of(lik, x, relative, sky):
    """Steps in angles as such, in other parameters relative to them."""
    angles = ("lon_0", "lat_0", "sigma", "r_0", "radius", "width")
    pairs = zip(lik.parameters, x, strict=True)
    return [sky if n.endswith(angles) else relative * (abs(v) or 0.1) for n, v in pairs]


def check(lik, x, relative=3e-4, sky=4e-4, of_error=1e-4):
    """Compare with differences, to 1e-6 and a part of what a step of one standard error does to the gradient."""
    steps = steps_of(lik, x, relative, sky)
    expected = differences(lik, x, steps)
    actual = lik.gradient(x)
    curvature = []
    for i, step in enumerate(steps):
        ahead, back = x.copy(), x.copy()
        ahead[i] += 10 * step
        back[i] -= 10 * step
        curvature.append(abs(lik.gradient(ahead)[i] - lik.gradient(back)[i]) / (20 * step))
    tolerance = 1e-6 * np.abs(expected) + of_error * np.sqrt(np.array(curvature)) + 1e-9
    assert (np.abs(actual - expected) < tolerance).all(), (lik.parameters, actual, expected, tolerance)


@pytest.mark.parametrize("tag", SPECTRAL)
@settings(max_examples=5)
@given(data=st.data())
def test_spectra(tag, data):
    ds = map_dataset(npix=(12, 13))
    spectral = SPECTRAL[tag]()
    for name, par in spectral._parameters.items():
        par.frozen = "reference" in name or name in ("emin", "emax", "escale")
    if spectral.is_norm_spectral_model:
        models = [source(ds, free=False), xm.FoVBackgroundModel("test", spectral)]
    else:
        models = [source(ds, spectral=spectral, free=False), background(ds)]
    lik = Likelihood(ds, models)
    factors = data.draw(st.lists(st.floats(0.93, 1.07), min_size=len(lik.x0), max_size=len(lik.x0)))
    check(lik, lik.x0 * factors)


SHAPES = {
    "point": lambda ds: xm.PointSpatialModel(**place(ds)),
    "gauss": lambda ds: xm.GaussianSpatialModel(**place(ds), sigma="0.17 deg"),
    "cloud": lambda ds: xm.GaussianSpatialModel(**place(ds), sigma="0.02 deg"),
    "ellipse": lambda ds: xm.GaussianSpatialModel(**place(ds), sigma="0.2 deg", e=0.6, phi="30 deg"),
    "disk": lambda ds: xm.DiskSpatialModel(**place(ds), r_0="0.31 deg", edge_width=0.3),
    "shell": lambda ds: xm.ShellSpatialModel(**place(ds), radius="0.24 deg", width="0.11 deg"),
    "shell2": lambda ds: xm.Shell2SpatialModel(**place(ds), r_0="0.33 deg", eta=0.3),
    "general": lambda ds: xm.GeneralizedGaussianSpatialModel(**place(ds), r_0="0.27 deg"),
    "const": lambda ds: xm.ConstantSpatialModel(value="30 sr-1"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("moved", [False, True])
def test_shapes(shape, moved):
    # Shells have edges that need small pixels.
    ds = map_dataset(npix=(40, 42), binsz=0.04) if "shell" in shape else map_dataset(npix=(20, 21))
    model = xm.SkyModel(spectrum(), SHAPES[shape](ds), name="source")
    for par in model.parameters:
        par.frozen = par.name == "reference" or (par.name in ("e", "phi") and model.parameters["e"].value == 0)
    lik = Likelihood(ds, [model, background(ds)])
    x = lik.x0
    for name in ("lon_0", "lat_0") if moved and shape != "const" else ():
        x[lik.parameters.index(f"source.{name}")] += 0.023
    # Models with sharp edges are sampled at points: their derivatives are smooth on the scale of pixels alone.
    rough = {"sky": 0.004, "relative": 0.02, "of_error": 0.4}
    if shape == "shell2":
        rough = {"sky": 0.004, "relative": 0.05, "of_error": 1.5}
    check(lik, x, **(rough if shape in ("disk", "shell", "shell2", "general") else {}))


@pytest.mark.parametrize("step", [-2.05e-11, -2.3e-11])
def test_negative_amplitude(step):
    """Where a hole is deeper than the background the statistic is cut off, and its gradient with it."""
    ds = map_dataset()
    lik = Likelihood(ds, [source(ds), background(ds)])
    x = lik.x0
    x[lik.parameters.index("source.amplitude")] += step
    # Differences meet bins that pass from one side to the other.
    check(lik, x, of_error=0.02)


def test_bins_without_background():
    ds = map_dataset()
    some = np.random.default_rng(2).random(ds["background"].shape) < 0.3
    ds["background"] = ds["background"].where(~some, 0.0)
    ds["mask_fit"] = ds["mask_fit"] & (ds["lat"] < 0.3) & (ds["lat"] > -0.3) & (np.abs(ds["lon"]) < 0.3)
    check(Likelihood(ds, [source(ds), background(ds)]), Likelihood(ds, [source(ds), background(ds)]).x0)


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
