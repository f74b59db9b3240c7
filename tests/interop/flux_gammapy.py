"""Run by a Python that has gammapy: tells what gammapy reads in a file of flux points, or writes one.

A line on stdin is a JSON list, ``["read", PATH]`` or ``["write", FROM, TO, SED_TYPE]``; a line of JSON is the answer.
"""

import json
import sys

import numpy as np
from gammapy.datasets import FluxPointsDataset
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

NAMES = ("norm", "dnde", "e2dnde", "flux", "eflux")
ENDS = ("", "_err", "_errn", "_errp", "_ul")


def plain(values):
    return [None if not np.isfinite(value) else float(value) for value in np.ravel(values)]


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
    points = FluxPoints.read(path)
    if command == "write":
        points.write(rest[0], sed_type=rest[1], overwrite=True)
    print(json.dumps(describe(points)), flush=True)
