"""What gammapy reads in a file of flux points, and how it writes it again."""

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


def read(path):
    return describe(FluxPoints.read(path))


def write(path, to, sed_type):
    points = FluxPoints.read(path)
    points.write(to, sed_type=sed_type, overwrite=True)
    return describe(points)


def rewrite_dataset(path, to):
    dataset = FluxPointsDataset.read(path, name="test")
    dataset.write(to, overwrite=True)
    return statistics([dataset])


def statistics_of_list(path):
    return statistics(Datasets.read(path))


COMMANDS = {"flux-read": read, "flux-write": write, "flux-dataset": rewrite_dataset, "flux-list": statistics_of_list}
