"""Fits: the best values of models, their errors, and the statistic around them."""

from xgamma.fit.result import FitResult
from xgamma.fit.run import Fit

__all__ = ["Fit", "FitResult"]
