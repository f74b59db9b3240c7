"""Flux points: spectra that are given as fluxes, with errors and upper limits, in place of counts."""

from xgamma.fluxpoints.convert import (
    REFERENCES,
    assign_reference_model,
    has_scan_of_unknown_reference,
    quantity,
    reference,
    reference_model,
    reference_text,
    sed_type,
    to_sed_type,
)
from xgamma.fluxpoints.limits import is_ul, n_sigma_ul, sqrt_ts
from xgamma.fluxpoints.statistics import mask_valid, stat_type

__all__ = [
    "REFERENCES",
    "assign_reference_model",
    "has_scan_of_unknown_reference",
    "is_ul",
    "mask_valid",
    "n_sigma_ul",
    "quantity",
    "reference",
    "reference_model",
    "reference_text",
    "sed_type",
    "sqrt_ts",
    "stat_type",
    "to_sed_type",
]
