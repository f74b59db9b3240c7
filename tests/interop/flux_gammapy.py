"""Run by a Python that has gammapy: tells what gammapy reads in a file of flux points, or writes one.

A line on stdin is a JSON list, ``["read", PATH]``, ``["write", FROM, TO, SED_TYPE]``, ``["dataset", FROM, TO]`` or
``["list", PATH]``; a line of JSON is the answer.
"""

import json
import sys

import numpy as np
from gammapy.datasets import Datasets, FluxPointsDataset
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

NAMES = ("norm", "dnde", "e2dnde", "flux", "eflux")
ENDS = ("", "_err", "_errn", "_errp", "_ul")


def plain(values):
    return [None if not np.isfinite(value) else float(value) for value in np.ravel(values)]


def statistics(datasets):
    """Statistic of each dataset with a model that does not fit well, inside the masks."""
    model = SkyModel(PowerLawSpectralModel(index=2.1, amplitude="2.5e-12 cm-2 s-1 TeV-1"))
    out = {}
    for dataset in datasets:
        dataset.models = [model]
        for kind in ("chi2", "profile") if dataset.data.has_stat_profiles else ("chi2",):
            dataset.stat_type = kind
            out[f"{dataset.name} {kind}"] = float(dataset.stat_sum())
    return out


def describe(points):
    quantities = {}
    for name in NAMES:
        for end in ENDS:
            quantity = getattr(points, f"{name}{end}").quantity
            quantities[f"{name}{end}"] = (plain(quantity.value), quantity.unit.to_string("fits"))
    model = SkyModel(PowerLawSpectralModel(index=2.1, amplitude="2.5e-12 cm-2 s-1 TeV-1"))
    dataset = FluxPointsDataset(models=[model], data=points, name="test")
    return {
        "quantities": quantities,
        "e_ref": plain(points.energy_ref.to_value("TeV")),
        "is_ul": np.ravel(points.is_ul.data).tolist(),
        "mask_safe": np.ravel(dataset.mask_safe).tolist(),
        "stat_sum": float(dataset.stat_sum()),
    }


for line in sys.stdin:
    command, path, *rest = json.loads(line)
    if command == "list":
        print(json.dumps(statistics(Datasets.read(path))), flush=True)
        continue
    if command == "dataset":
        dataset = FluxPointsDataset.read(path, name="test")
        dataset.write(rest[0], overwrite=True)
        print(json.dumps(statistics([dataset])), flush=True)
        continue
    points = FluxPoints.read(path)
    if command == "write":
        points.write(rest[0], sed_type=rest[1], overwrite=True)
    print(json.dumps(describe(points)), flush=True)
