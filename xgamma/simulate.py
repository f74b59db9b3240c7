"""Counts that are drawn from, or equal to, those that models predict."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.history import record
from xgamma.predict import npred
from xgamma.predict.counts import ModelsLike
from xgamma.validate import schema_order

__all__ = ["asimov", "fake"]


def fake(ds: xr.Dataset, models: ModelsLike = None, seed: int = 0) -> xr.Dataset:
    """Replace the counts by random ones about the prediction.

    Each row of pixels draws from a stream of random numbers of its own, which the seed, the bin of energy and the row
    determine: results do not depend on chunks.

    Parameters
    ----------
    ds : Dataset
        With what `npred` needs; it stays as it is.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    seed : int
        Not negative. The same seed gives the same counts.

    Returns
    -------
    Dataset
        ``counts`` are Poisson numbers, in all bins, masks or not. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the seed is no such number, or the dataset has counts in off regions, of which no prediction exists here.
    """
    if isinstance(seed, bool) or seed != int(seed) or seed < 0:
        raise ValueError(f"seed is {seed!r}: give a whole number from 0 on")
    expected = _expected(ds, models)
    rows = expected["y"].values if "y" in expected.dims else np.zeros(1, dtype=np.int64)
    data = expected.data if "y" in expected.dims else expected.data[:, None, None]
    keys = np.random.SeedSequence(int(seed)).generate_state(2, np.uint64)
    if hasattr(data, "dask"):
        import dask.array as da

        data = data.rechunk({2: -1})
        bins = da.arange(data.shape[0], chunks=(data.chunks[0],))[:, None, None]
        labels = da.from_array(rows, chunks=(data.chunks[1],))[None, :, None]
        drawn = da.map_blocks(_draw, data, bins, labels, keys=keys, dtype=np.float64, chunks=data.chunks)
    else:
        drawn = _draw(data, np.arange(data.shape[0])[:, None, None], rows[None, :, None], keys)
    if "y" not in expected.dims:
        drawn = drawn[:, 0, 0]
    return record(_with_counts(ds, expected.copy(data=drawn)), f"fake(seed={int(seed)})")


def asimov(ds: xr.Dataset, models: ModelsLike = None) -> xr.Dataset:
    """Replace the counts by the prediction itself: the dataset that models describe exactly.

    Parameters
    ----------
    ds : Dataset
        With what `npred` needs; it stays as it is.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    Dataset
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the dataset has counts in off regions, of which no prediction exists here.
    """
    return record(_with_counts(ds, _expected(ds, models)), "asimov()")


def _expected(ds: xr.Dataset, models: ModelsLike) -> xr.DataArray:
    if "counts_off" in ds:
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' has counts in off regions: its background is no prediction, so "
            "counts cannot be simulated from the models alone."
        )
    out = npred(ds, models)
    out = out.transpose(*schema_order("counts", out.dims))
    return out.where(np.isfinite(out), 0.0)


def _draw(
    expected: NDArray[np.float64], bins: NDArray[np.int64], rows: NDArray[np.int64], keys: NDArray[np.unsignedinteger]
) -> NDArray[np.float64]:
    out = np.empty(expected.shape)
    for i, number in enumerate(bins[:, 0, 0]):
        for j, label in enumerate(rows[0, :, 0]):
            # Counters of a row are 2^64 apart from those of its neighbours; labels may be negative.
            counter = np.array([0, 0, int(label) % 2**64, int(number)], dtype=np.uint64)
            rng = np.random.Generator(np.random.Philox(key=keys, counter=counter))
            out[i, j] = rng.poisson(expected[i, j])
    return out


def _with_counts(ds: xr.Dataset, counts: xr.DataArray) -> xr.Dataset:
    dims = ds["counts"].dims if "counts" in ds else counts.dims
    attrs = ds["counts"].attrs if "counts" in ds else {"units": ""}
    return ds.assign(counts=xr.Variable(dims, counts.variable.transpose(*dims).data, attrs))
