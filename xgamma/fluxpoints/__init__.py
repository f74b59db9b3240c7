"""Flux points: spectra that are given as fluxes, with errors and upper limits, in place of counts."""

from xgamma.fluxpoints.convert import (
    assign_reference_model,
    quantity,
    reference,
    reference_model,
    sed_type,
    to_sed_type,
)
from xgamma.fluxpoints.limits import is_ul, n_sigma_ul, sqrt_ts
from xgamma.fluxpoints.statistics import mask_valid, stat_type

__all__ = [
    "assign_reference_model",
    "is_ul",
    "mask_valid",
    "n_sigma_ul",
    "quantity",
    "reference",
    "reference_model",
    "sed_type",
    "sqrt_ts",
    "stat_type",
    "to_sed_type",
]
