"""Gamma-ray data as labelled arrays: datasets, models, predicted counts and likelihoods with xarray."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from xgamma.accessor import DataArrayAccessor, DatasetAccessor
from xgamma.coords import energy_edges
from xgamma.io.fits import open_fits as _open_fits  # noqa: F401  that the first file opens fast
from xgamma.io.open import open_dataset

_LAZY = {
    "Datasets": "xgamma.datasets",
    "Fit": "xgamma.fit",
    "FitResult": "xgamma.fit",
    "Likelihood": "xgamma.likelihood",
    "coords": "xgamma.coords",
    "create_flux_points": "xgamma.io.fluxpoints",
    "create_map_dataset": "xgamma.create",
    "create_spectrum_dataset": "xgamma.create_spectrum",
    "models": "xgamma.models",
    "stats": "xgamma.stats",
    "tutorial": "xgamma.tutorial",
}

__all__ = ["DataArrayAccessor", "DatasetAccessor", "__version__", "energy_edges", "open_dataset", *_LAZY]


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
