"""Longitudes or latitudes of a grid as an array that is computed where it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
from xarray.core.indexing import CoordinateTransformIndexingAdapter, ExplicitIndexer, OuterIndexer

__all__ = ["LonLatArray"]


class LonLatArray(CoordinateTransformIndexingAdapter):
    """As xarray's own array, but a whole number as an index takes its axis away, which dask relies on.

    Without it, a row or pixel picked from chunked coordinates has dims left that its variable lacks.
    """

    def _oindex_get(self, indexer: OuterIndexer) -> np.ndarray:
        values = super()._oindex_get(indexer)
        return values.squeeze(tuple(axis for axis, i in enumerate(indexer.tuple) if isinstance(i, int | np.integer)))

    def __getitem__(self, indexer: ExplicitIndexer) -> Any:
        """Return values for whole numbers and slices."""
        self._check_and_raise_if_non_basic_indexer(indexer)
        return self._oindex_get(OuterIndexer(indexer.tuple))
