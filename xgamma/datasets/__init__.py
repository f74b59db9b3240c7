"""The collection of datasets."""

from xgamma.datasets.collection import Datasets

__all__ = ["Datasets"]
