"""The xgamma side of `compare.py`: cases by name, each a function that does the work once and returns check numbers."""

import json
import resource
import statistics
import sys
import time

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

import xgamma as xg
from xgamma.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

CENTRE = SkyCoord(0, 0, unit="deg", frame="galactic")
EDGES = [0.1, 0.4, 1, 3, 10] * u.TeV


def source(spec):
    """A power law, a point or a Gaussian."""
    at = {"lon_0": f"{spec['lon']} deg", "lat_0": f"{spec['lat']} deg", "frame": "galactic"}
    sigma = spec.get("sigma")
    shape = GaussianSpatialModel(sigma=f"{sigma} deg", **at) if sigma else PointSpatialModel(**at)
    spectrum = PowerLawSpectralModel(index=spec.get("index", 2.3), amplitude="2e-12 cm-2 s-1 TeV-1")
    return SkyModel(spectrum, shape, name=spec["name"])


def background():
    """A background whose norm is free and whose tilt can be changed."""
    return FoVBackgroundModel(dataset_name="cta")


def freeze(models, free):
    """Leave only the named parameters free."""
    for model in models:
        for par in model.parameters:
            par.frozen = f"{model.name}.{par.name}" not in free


def cta(config, masked=False):
    """The dataset of the tutorial in memory."""
    ds = xg.open_dataset(config["file"], name="cta").load()
    if masked:
        ds["mask_fit"] = ds.gp.region_mask(CircleSkyRegion(CENTRE, 1.5 * u.deg)) & ds.gp.energy_mask("0.3 TeV", "7 TeV")
    return ds


def read(config):
    """Open the file and sum its counts."""
    return lambda i: [float(xg.open_dataset(config["file"])["counts"].sum())]


def npred(config, which, warm):
    """Predict a map, for models that are new or of which the amplitude changed."""
    ds, models = cta(config), Models([*map(source, config[which]), background()])

    def work(i):
        models[0].spectral_model.amplitude.value = 2e-12 * (1 + 0.01 * i)
        return ds.gp.npred(models)

    return work


def statistic(config, name, masked, which):
    """The statistic with one parameter changed."""
    models = Models([*map(source, config[which]), background()])
    freeze(models, {name})
    likelihood = xg.Likelihood(cta(config, masked), models)
    x0 = likelihood.x0[0]
    step = config["steps"][name]
    return lambda i: [likelihood(np.array([x0 + step * (i + 1)]))]


def fit(config, which, masked, free):
    """Fit models, compilation included; a first fit of a norm alone loads what is loaded when it is used first."""
    ds = cta(config, masked)
    norm = Models([background()])
    freeze(norm, ["cta-bkg.norm"])
    run_fit(ds, norm)

    def work(i):
        models = Models([*map(source, config[which]), background()])
        freeze(models, free)
        return [run_fit(ds, models)]

    return work


def compilation(config, which, masked, free):
    """Compile a likelihood."""
    ds, models = cta(config, masked), Models([*map(source, config[which]), background()])
    freeze(models, free)
    return lambda i: [xg.Likelihood(ds, models).x0[0]]


def run_fit(datasets, models):
    """Statistic of the best fit."""
    from xgamma.fit import Fit

    result = Fit(progress=False).run(datasets, models)
    if not result.success:
        raise RuntimeError(result.message)
    return float(result.total_stat)


def fit_hess(config):
    """Joint fit of spectra with off regions, which are in memory as those of gammapy are; see `fit` for the first."""
    datasets = xg.Datasets(xg.open_dataset(path).load() for path in config["hess"])

    def work(i):
        spectrum = PowerLawSpectralModel(index=2, amplitude="2e-11 cm-2 s-1 TeV-1")
        return [run_fit(datasets, Models([SkyModel(spectrum, name="crab")]))]

    work(0)
    return work


def compilation_hess(config):
    """Compile the joint likelihood of spectra with off regions."""
    datasets = xg.Datasets(xg.open_dataset(path).load() for path in config["hess"])
    models = Models([SkyModel(PowerLawSpectralModel(index=2, amplitude="2e-11 cm-2 s-1 TeV-1"), name="crab")])
    return lambda i: [xg.Likelihood(datasets, models).x0[0]]


def reduction(config, name):
    """One reduction of the dataset."""
    ds = cta(config)
    circle = CircleSkyRegion(CENTRE, 0.5 * u.deg)
    work = {
        "cutout": lambda: ds.gp.cutout(CENTRE, 2 * u.deg),
        "slice_by_energy": lambda: ds.gp.slice_by_energy("1 TeV", "5 TeV"),
        "downsample": lambda: ds.gp.downsample(2),
        "resample_energy_axis": lambda: ds.gp.resample_energy_axis(EDGES),
        "to_image": lambda: ds.gp.to_image(),
        "to_spectrum_dataset": lambda: ds.gp.to_spectrum_dataset(circle),
        "to_region_map_dataset": lambda: ds.gp.to_region_map_dataset(circle),
        "stack": lambda: ds.gp.stack(ds),
    }[name]
    return lambda i: work()["counts"]


def survey(config):
    """Predict a hundred Gaussians on a large map."""
    spec = config["survey"]
    edges = xg.energy_edges("0.1 TeV", "100 TeV", nbin=spec["energy"])
    true = xg.energy_edges("0.05 TeV", "200 TeV", nbin=spec["energy_true"])
    ds = xg.create_map_dataset(
        center=(0, 0), width=tuple(0.02 * n for n in spec["shape"]), binsz=0.02, frame="galactic", energy=edges,
        energy_true=true, rad=np.linspace(0, 0.66, 67) * u.deg, binsz_irf=1, name="cta",
    )  # fmt: skip
    rad = np.radians(ds["rad"].values)
    profile = np.exp(-0.5 * (rad / np.radians(0.05)) ** 2) / (2 * np.pi * np.radians(0.05) ** 2)
    ds["exposure"][:] = 1e10
    ds["background"][:] = 0.1
    ds["mask_safe"][:] = True
    ds["psf"] = ds["psf"].copy(data=np.broadcast_to(profile[:, None, None], ds["psf"].shape).astype(np.float32))
    # A perfect measurement of energy: the overlaps of the bins, in both libraries.
    overlap = _overlap(ds)
    values = np.broadcast_to(overlap[:, :, None, None], ds["edisp"].shape).astype(np.float32)
    ds["edisp"] = ds["edisp"].copy(data=values)
    sources = [source(s) for s in config["survey_sources"]]
    return lambda i: ds.gp.npred(Models([*sources, background()]))


def _overlap(ds):
    low, high = ds["energy_min"].values, ds["energy_max"].values
    true_low, true_high = ds["energy_true_min"].values[:, None], ds["energy_true_max"].values[:, None]
    return np.clip(np.minimum(true_high, high) - np.maximum(true_low, low), 0, None) / (true_high - true_low)


CASES = {
    "read": read, "npred": npred, "statistic": statistic, "compilation": compilation,
    "compilation_hess": compilation_hess, "fit": fit, "fit_hess": fit_hess, "reduction": reduction, "survey": survey,
}  # fmt: skip


def timed(work, number):
    """Call for at least 0.05 s with two numbers in turn; return the median time, and what the first call gave."""
    times, first, begin = [], None, time.perf_counter()
    while not times or time.perf_counter() - begin < 0.05:
        start = time.perf_counter()
        out = work(number + len(times) % 2)
        times.append(time.perf_counter() - start)
        first = out if len(times) == 1 else first
        # The next call finds the memory that it would in a new process.
        del out
    return statistics.median(times), first


def serve(cases):
    """Answer requests, one JSON line each, until the input ends. Results of work are summed outside the clock."""
    config, ready = json.loads(sys.stdin.readline()), {}
    for line in sys.stdin:
        name, number = json.loads(line)
        if name not in ready:
            kind, *args = config["cases"][name]
            ready = {name: cases[kind](config, *args)}
        seconds, out = timed(ready[name], number)
        values = out if isinstance(out, list) else [float(getattr(out, "data", out).sum())]
        del out
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "check": values, "peak": peak}), flush=True)


if __name__ == "__main__":
    serve(CASES)
