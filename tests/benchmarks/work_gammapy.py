"""The gammapy side of `compare.py`, run by an interpreter that has gammapy; the cases are those of `work_xgamma.py`."""

import json
import resource
import statistics
import sys
import time

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, MapDataset, SpectrumDatasetOnOff
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from regions import CircleSkyRegion

CENTRE = SkyCoord(0, 0, unit="deg", frame="galactic")
EDGES = [0.1, 0.4, 1, 3, 10] * u.TeV


def source(spec):
    at = {"lon_0": f"{spec['lon']} deg", "lat_0": f"{spec['lat']} deg", "frame": "galactic"}
    sigma = spec.get("sigma")
    shape = GaussianSpatialModel(sigma=f"{sigma} deg", **at) if sigma else PointSpatialModel(**at)
    spectrum = PowerLawSpectralModel(index=spec.get("index", 2.3), amplitude="2e-12 cm-2 s-1 TeV-1")
    return SkyModel(spectrum, shape, name=spec["name"])


def background():
    return FoVBackgroundModel(dataset_name="cta")


def freeze(models, free):
    for model in models:
        for par in model.parameters:
            par.frozen = f"{model.name}.{par.name}" not in free


def cta(config, masked=False):
    ds = MapDataset.read(config["file"], name="cta")
    if masked:
        geom = ds.counts.geom
        ds.mask_fit = geom.region_mask(CircleSkyRegion(CENTRE, 1.5 * u.deg)) & geom.energy_mask(0.3 * u.TeV, 7 * u.TeV)
    return ds


def read(config):
    return lambda i: [float(MapDataset.read(config["file"]).counts.data.sum())]


def npred(config, which, warm):
    ds, models = cta(config), Models([*map(source, config[which]), background()])
    if warm:
        ds.models = models
        ds.npred()

    def work(i):
        models[0].spectral_model.amplitude.value = 2e-12 * (1 + 0.01 * i)
        if not warm:
            ds.models = models
        return ds.npred()

    return work


def statistic(config, name, masked, which):
    models = Models([*map(source, config[which]), background()])
    freeze(models, {name})
    ds = cta(config, masked)
    ds.models = models
    ds.stat_sum()
    model, par = name.split(".")
    par = next(p for p in models[model].parameters if p.name == par)
    x0, step = par.value, config["steps"][name]

    def work(i):
        par.value = x0 + step * (i + 1)
        return [float(ds.stat_sum())]

    return work


def fit(config, which, masked, free):
    ds = cta(config, masked)
    ds.models = Models([background()])
    freeze(ds.models, ["cta-bkg.norm"])
    Fit().run(datasets=[ds])

    def work(i):
        models = Models([*map(source, config[which]), background()])
        freeze(models, free)
        ds.models = models
        return [float(Fit().run(datasets=[ds]).total_stat)]

    return work


def fit_hess(config):
    datasets = Datasets([SpectrumDatasetOnOff.read(path) for path in config["hess"]])

    def work(i):
        spectrum = PowerLawSpectralModel(index=2, amplitude="2e-11 cm-2 s-1 TeV-1")
        datasets.models = [SkyModel(spectrum, name="crab")]
        return [float(Fit().run(datasets=datasets).total_stat)]

    work(0)
    return work


def reduction(config, name):
    ds = cta(config)
    circle = CircleSkyRegion(CENTRE, 0.5 * u.deg)

    def stack():
        out = ds.copy()
        out.stack(ds)
        return out

    work = {
        "cutout": lambda: ds.cutout(CENTRE, 2 * u.deg),
        "slice_by_energy": lambda: ds.slice_by_energy(1 * u.TeV, 5 * u.TeV),
        "downsample": lambda: ds.downsample(2),
        "resample_energy_axis": lambda: ds.resample_energy_axis(MapAxis.from_energy_edges(EDGES)),
        "to_image": lambda: ds.to_image(),
        "to_spectrum_dataset": lambda: ds.to_spectrum_dataset(circle),
        "to_region_map_dataset": lambda: ds.to_region_map_dataset(circle),
        "stack": stack,
    }[name]
    return lambda i: work().counts


def survey(config):
    spec = config["survey"]
    energy = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=spec["energy"])
    true = MapAxis.from_energy_bounds("0.05 TeV", "200 TeV", nbin=spec["energy_true"], name="energy_true")
    geom = WcsGeom.create(npix=tuple(spec["shape"]), binsz=0.02, frame="galactic", proj="CAR", axes=[energy])
    ds = MapDataset.create(geom, energy_axis_true=true, name="cta")
    ds.exposure.quantity = np.full(ds.exposure.data.shape, 1e10) * u.Unit("m2 s")
    ds.background.data += 0.1
    ds.mask_safe.data[...] = True
    ds.psf = PSFMap.from_gauss(true, sigma=0.05 * u.deg)
    region = RegionGeom.create("galactic;circle(0, 0, 30)", axes=[energy, true])
    ds.edisp = EDispKernelMap.from_diagonal_response(energy, true, geom=region.to_image())
    sources = [source(s) for s in config["survey_sources"]]

    def work(i):
        ds.models = Models([*sources, background()])
        return ds.npred()

    return work


CASES = {
    "read": read, "npred": npred, "statistic": statistic, "fit": fit, "fit_hess": fit_hess, "reduction": reduction,
    "survey": survey,
}  # fmt: skip


def timed(work, number):
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
    config, ready = json.loads(sys.stdin.readline()), {}
    for line in sys.stdin:
        name, number = json.loads(line)
        if name not in ready:
            kind, *args = config["cases"][name]
            ready = {name: cases[kind](config, *args)}
        seconds, out = timed(ready[name], number)
        values = out if isinstance(out, list) else [float(np.sum(out.data))]
        del out
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "check": values, "peak": peak}), flush=True)


if __name__ == "__main__":
    serve(CASES)
