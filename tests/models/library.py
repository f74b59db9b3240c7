"""Models of every type, with values that are not the defaults."""

import astropy.units as u

from xgamma import models as xm

SPECTRAL = {
    "const": lambda: xm.ConstantSpectralModel(const="3e-13 TeV-1 s-1 cm-2"),
    "pl": lambda: xm.PowerLawSpectralModel(index=2.3, amplitude="4e-9 m-2 s-1 TeV-1", reference="2000 GeV"),
    "pl-2": lambda: xm.PowerLaw2SpectralModel(amplitude=2e-12, index=2.4, emin="0.3 TeV", emax="30 TeV"),
    "bpl": lambda: xm.BrokenPowerLawSpectralModel(index1=1.8, index2=2.9, ebreak="1.5 TeV"),
    "sbpl": lambda: xm.SmoothBrokenPowerLawSpectralModel(index1=1.8, index2=2.9, ebreak="1.5 TeV", beta=0.8),
    "sbpl-up": lambda: xm.SmoothBrokenPowerLawSpectralModel(index1=2.9, index2=1.8, ebreak="1.5 TeV", beta=0.8),
    "lp": lambda: xm.LogParabolaSpectralModel(reference="1 TeV", alpha=2.1, beta=0.15),
    "lp2": lambda: xm.LogParabola2SpectralModel(reference="3 TeV", alpha=2.1, beta=0.15, escale="2 TeV"),
    "gauss": lambda: xm.GaussianSpectralModel(mean="2 TeV", sigma="0.3 TeV"),
    "ecpl": lambda: xm.ExpCutoffPowerLawSpectralModel(index=1.7, lambda_="0.15 TeV-1", alpha=1.2),
    "ecpl-3fgl": lambda: xm.ExpCutoffPowerLaw3FGLSpectralModel(index=1.7, ecut="8 TeV"),
    "secpl-3fgl": lambda: xm.SuperExpCutoffPowerLaw3FGLSpectralModel(index_1=1.6, index_2=0.7, ecut="8 TeV"),
    "secpl-4fgl": lambda: xm.SuperExpCutoffPowerLaw4FGLSpectralModel(expfactor=2e-7, index_1=1.6, index_2=0.9),
    "secpl-4fgl-dr3": lambda: xm.SuperExpCutoffPowerLaw4FGLDR3SpectralModel(expfactor=0.05, index_1=1.6, index_2=0.9),
    "pl-norm": lambda: xm.PowerLawNormSpectralModel(tilt=0.2, norm=1.3),
    "lp-norm": lambda: xm.LogParabolaNormSpectralModel(norm=1.2, reference="1 TeV", alpha=0.1, beta=0.05),
    "ecpl-norm": lambda: xm.ExpCutoffPowerLawNormSpectralModel(index=0.2, norm=1.1),
    "piecewise-norm": lambda: xm.PiecewiseNormSpectralModel([0.1, 1, 10] * u.TeV, norms=[1, 0.5, 2]),
    "piecewise-norm-lin": lambda: xm.PiecewiseNormSpectralModel([0.1, 1, 10] * u.TeV, norms=[1, 0.5, 2], interp="lin"),
    "template": lambda: xm.TemplateSpectralModel(
        [0.05, 0.2, 1, 5, 30] * u.TeV, [4e-10, 2e-11, 8e-13, 2e-14, 1e-16] * u.Unit("TeV-1 s-1 cm-2")
    ),
    "compound": lambda: xm.PowerLawSpectralModel(index=1.9) * xm.ExpCutoffPowerLawNormSpectralModel(index=0.1),
    "compound-add": lambda: xm.PowerLawSpectralModel(index=1.9) + xm.LogParabolaSpectralModel(),
}

CENTRE = {"lon_0": "0.3 deg", "lat_0": "0.2 deg", "frame": "galactic"}
SPATIAL = {
    "point": lambda: xm.PointSpatialModel(**CENTRE),
    "gauss": lambda: xm.GaussianSpatialModel(**CENTRE, sigma="0.2 deg"),
    "gauss-e": lambda: xm.GaussianSpatialModel(**CENTRE, sigma="0.3 deg", e=0.7, phi="35 deg"),
    "gauss-pole": lambda: xm.GaussianSpatialModel(
        lon_0="10 deg", lat_0="89.9 deg", sigma="0.3 deg", e=0.7, phi="35 deg"
    ),
    "gauss-general": lambda: xm.GeneralizedGaussianSpatialModel(**CENTRE, r_0="0.25 deg", eta=0.4, e=0.3, phi="20 deg"),
    "disk": lambda: xm.DiskSpatialModel(**CENTRE, r_0="0.35 deg"),
    "disk-e": lambda: xm.DiskSpatialModel(**CENTRE, r_0="0.5 deg", e=0.6, phi="60 deg", edge_width=0.3),
    "shell": lambda: xm.ShellSpatialModel(**CENTRE, radius="0.3 deg", width="0.1 deg"),
    "shell2": lambda: xm.Shell2SpatialModel(**CENTRE, r_0="0.4 deg", eta=0.3),
    "const": lambda: xm.ConstantSpatialModel(),
}


def spectral(tag):
    return SPECTRAL[tag]()


def spatial(tag):
    return SPATIAL[tag]()


def every_model():
    """A list of models in which every type occurs, with links, priors, limits and a background."""
    shape = "gauss"
    items = [
        xm.FoVBackgroundModel(f"spectral-{tag}", make())
        if make().is_norm_spectral_model
        else xm.SkyModel(make(), spatial(shape), name=f"spectral-{tag}")
        for tag, make in SPECTRAL.items()
    ]
    items += [xm.SkyModel(spectral("pl"), make(), name=f"spatial-{tag}") for tag, make in SPATIAL.items()]
    models = xm.Models(items)
    first = models["spatial-gauss"]
    first.datasets_names = ["one", "two"]
    first.apply_irf = {"psf": False}
    first.spectral_model.index.min, first.spectral_model.index.max = 0, 10
    first.spectral_model.index.error = 0.1
    first.spectral_model.index.prior = xm.GaussianPrior(mu=2, sigma=0.3)
    # gammapy gives a parameter the limits of its uniform prior; here it has them already.
    first.spectral_model.amplitude.min, first.spectral_model.amplitude.max = 1e-14, 1e-8
    first.spatial_model.sigma.max = 2
    first.spectral_model.amplitude.prior = xm.LogUniformPrior(min=1e-14, max=1e-8)
    first.spatial_model.sigma.prior = xm.UniformPrior(min=0, max=2)
    first.spatial_model.sigma.frozen = True
    models["spatial-disk"].spectral_model.index = first.spectral_model.index
    return models + xm.FoVBackgroundModel("one")
