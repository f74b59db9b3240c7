"""Datasets and models, compiled into one function of a parameter vector."""

from xgamma.likelihood.likelihood import Likelihood

__all__ = ["Likelihood"]
