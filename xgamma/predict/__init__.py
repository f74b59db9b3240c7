"""Predicted counts."""

from xgamma.predict.counts import models_for, npred, npred_background, npred_signal

__all__ = ["models_for", "npred", "npred_background", "npred_signal"]
