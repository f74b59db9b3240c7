"""Predicted counts."""

from xgamma.predict.counts import (
    assign_models,
    excess,
    models_for,
    npred,
    npred_background,
    npred_off,
    npred_signal,
)

__all__ = ["assign_models", "excess", "models_for", "npred", "npred_background", "npred_off", "npred_signal"]
