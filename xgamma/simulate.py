"""Counts that are drawn from, or equal to, those that models predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.history import record
from xgamma.onoff import is_onoff
from xgamma.predict import npred
from xgamma.predict.counts import ModelsLike
from xgamma.predict.onoff import asimov_onoff
from xgamma.validate import check_whole, schema_order

__all__ = ["asimov", "fake"]


def fake(ds: xr.Dataset, seed: int = 0, models: ModelsLike = None, npred_background: Any = None) -> xr.Dataset:
    """Replace the counts by random ones about the prediction.

    Each row of pixels draws from a stream of random numbers of its own, which the seed, the bin of energy and the row
    determine: results do not depend on chunks.

    Parameters
    ----------
    ds : Dataset
        With what `npred` needs; it stays as it is.
    seed : int
        Not negative. The same seed gives the same counts; a generator, which changes as it draws, is refused.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    npred_background : DataArray or float, optional
        Expected background of on/off data in the on region, by default what the off region tells.

    Returns
    -------
    Dataset
        ``counts``, and ``counts_off`` of on/off data, are Poisson numbers, in all bins, masks or not. Lazy where the
        dataset is.

    Raises
    ------
    ValueError
        If the seed is no such number, or a background is given for other than on/off data.
    """
    if isinstance(seed, np.random.Generator | np.random.RandomState | np.random.BitGenerator):
        raise ValueError(
            f"seed is {seed!r}, which would change as it draws: give a whole number, such as int(rng.integers(2**63))"
        )
    seed = check_whole(seed, "seed")
    expected = asimov(ds, models, npred_background)
    names = ["counts", "counts_off"] if is_onoff(ds) else ["counts"]
    keys = np.random.SeedSequence(seed).generate_state(2 * len(names), np.uint64).reshape(-1, 2)
    drawn = {name: _poisson(expected[name], key) for name, key in zip(names, keys, strict=True)}
    return record(ds.assign(drawn), f"fake(seed={seed})", own=True)


def asimov(ds: xr.Dataset, models: ModelsLike = None, npred_background: Any = None) -> xr.Dataset:
    """Replace the counts by the prediction itself: the dataset that models describe exactly.

    Parameters
    ----------
    ds : Dataset
        With what `npred` needs; it stays as it is.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    npred_background : DataArray or float, optional
        Expected background of on/off data in the on region, by default what the off region tells, see
        `xgamma.predict.onoff.asimov_onoff`.

    Returns
    -------
    Dataset
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If a background is given for other than on/off data.
    """
    if is_onoff(ds):
        return asimov_onoff(ds, models, npred_background)
    if npred_background is not None:
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' has no off regions: its background is the variable 'background', "
            "which npred_background cannot replace"
        )
    expected = npred(ds, models)
    expected = expected.transpose(*schema_order("counts", expected.dims))
    expected = expected.where(np.isfinite(expected), 0.0)
    dims = ds["counts"].dims if "counts" in ds else expected.dims
    attrs = ds["counts"].attrs if "counts" in ds else {"units": ""}
    counts = xr.Variable(dims, expected.variable.transpose(*dims).data, attrs)
    return record(ds.assign(counts=counts), "asimov()", own=True)


def _poisson(expected: xr.DataArray, keys: NDArray[np.unsignedinteger]) -> xr.Variable:
    """Draw numbers about expected ones."""
    ordered = expected.transpose(*schema_order("counts", expected.dims))
    rows = ordered["y"].values if "y" in ordered.dims else np.zeros(1, dtype=np.int64)
    data = ordered.data if "y" in ordered.dims else ordered.data[:, None, None]
    if hasattr(data, "dask"):
        import dask.array as da

        data = data.rechunk({2: -1})
        bins = da.arange(data.shape[0], chunks=(data.chunks[0],))[:, None, None]
        labels = da.from_array(rows, chunks=(data.chunks[1],))[None, :, None]
        drawn = da.map_blocks(_draw, data, bins, labels, keys=keys, dtype=np.float64, chunks=data.chunks)
    else:
        drawn = _draw(data, np.arange(data.shape[0])[:, None, None], rows[None, :, None], keys)
    if "y" not in ordered.dims:
        drawn = drawn[:, 0, 0]
    return xr.Variable(ordered.dims, drawn, expected.attrs).transpose(*expected.dims)


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
