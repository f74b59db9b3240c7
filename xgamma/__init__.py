"""Gamma-ray data as labelled arrays: datasets, models, predicted counts and likelihoods with xarray."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

from xgamma import accessor as _accessor
from xgamma.coords import energy_edges

__version__ = version("xgamma")

_LAZY = {
    "Datasets": "xgamma.datasets",
    "Fit": "xgamma.fit",
    "FitResult": "xgamma.fit",
    "Likelihood": "xgamma.likelihood",
    "create_flux_points": "xgamma.io.fluxpoints",
    "create_map_dataset": "xgamma.create",
    "create_spectrum_dataset": "xgamma.create_spectrum",
    "models": "xgamma.models",
    "open_dataset": "xgamma.io.open",
    "stats": "xgamma.stats",
    "tutorial": "xgamma.tutorial",
}

__all__ = ["__version__", "energy_edges", *_LAZY]

DataArrayAccessor = _accessor.DataArrayAccessor
DatasetAccessor = _accessor.DatasetAccessor


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'xgamma' has no attribute '{name}'")
    module = import_module(_LAZY[name])
    return module if _LAZY[name] == f"xgamma.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
