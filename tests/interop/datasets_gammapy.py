"""What gammapy reads in files of datasets and in lists of them, and how it writes them again.

Answers have shapes, sums, axes, masks, times, models and statistics, from which a test compares files.
"""

from fits_gammapy import describe
from flux_gammapy import plain
from gammapy.datasets import (
    Datasets,
    FluxPointsDataset,
    MapDataset,
    MapDatasetOnOff,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)

CLASSES = {c.__name__: c for c in (MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff)}


def figures(dataset):
    told = {"type": type(dataset).__name__, "name": dataset.name, "stat_sum": float(dataset.stat_sum())}
    told["models"] = list(dataset.models.names) if dataset.models is not None else []
    if isinstance(dataset, FluxPointsDataset):
        dnde = dataset.data.dnde.quantity
        return told | {"dnde": plain(dnde.value), "unit": dnde.unit.to_string("fits")}
    return told | {"npred": float(dataset.npred().data.sum()), **describe(dataset)}


def read(name, path):
    return figures(CLASSES[name].read(path))


def rewrite(name, path, to):
    dataset = CLASSES[name].read(path)
    dataset.write(to, overwrite=True)
    return figures(dataset)


def read_list(path, models=None):
    return [figures(dataset) for dataset in Datasets.read(path, filename_models=models, lazy=False)]


def rewrite_list(path, models, to, to_models):
    datasets = Datasets.read(path, filename_models=models, lazy=False)
    told = [figures(dataset) for dataset in datasets]
    datasets.write(to, filename_models=to_models, overwrite=True)
    return told


COMMANDS = {"read": read, "rewrite": rewrite, "read-list": read_list, "rewrite-list": rewrite_list}
