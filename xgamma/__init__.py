"""Gamma-ray data as labelled arrays: datasets, models, predicted counts and likelihoods with xarray.

Whatever xarray opens loads this module, by way of its engine. It registers ``.gp`` and imports the rest on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import xarray as xr

_LAZY = {
    "DataArrayAccessor": "xgamma.accessor",
    "DatasetAccessor": "xgamma.accessor",
    "Datasets": "xgamma.datasets",
    "Fit": "xgamma.fit",
    "FitResult": "xgamma.fit",
    "Likelihood": "xgamma.likelihood",
    "coords": "xgamma.coords",
    "create_flux_points": "xgamma.io.fluxpoints",
    "create_map_dataset": "xgamma.create",
    "create_spectrum_dataset": "xgamma.create_spectrum",
    "energy_edges": "xgamma.coords",
    "models": "xgamma.models",
    "open_dataset": "xgamma.io.open",
    "stats": "xgamma.stats",
    "tutorial": "xgamma.tutorial",
}

__all__ = ["__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("xgamma")
    if name not in _LAZY:
        raise AttributeError(f"module 'xgamma' has no attribute '{name}'")
    module = import_module(_LAZY[name])
    return module if _LAZY[name] == f"xgamma.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)


@xr.register_dataset_accessor("gp")
def _gp_of_dataset(obj: xr.Dataset) -> Any:
    """Gamma-ray methods of a Dataset, see `xgamma.DatasetAccessor`."""
    from xgamma.accessor import DatasetAccessor

    return DatasetAccessor(obj)


@xr.register_dataarray_accessor("gp")
def _gp_of_array(obj: xr.DataArray) -> Any:
    """Gamma-ray methods of a DataArray, see `xgamma.DataArrayAccessor`."""
    from xgamma.accessor import DataArrayAccessor

    return DataArrayAccessor(obj)
