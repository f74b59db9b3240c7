"""A dataset of a collection, opened when it is needed, and what is known of it before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from astropy.time import Time, TimeDelta

from xgamma.schema import base_name, is_flux_points
from xgamma.units import quantity

__all__ = ["Member", "Times", "dataset_type", "gti_times", "name_of"]

Times = list[Any]
"""First start and last stop in s, day and fraction of the reference time, its scale; empty without intervals."""


def dataset_type(ds: xr.Dataset) -> str:
    """Tell what a dataset is, in gammapy's words.

    Parameters
    ----------
    ds : Dataset
        Any dataset.

    Returns
    -------
    {"MapDataset", "MapDatasetOnOff", "SpectrumDataset", "SpectrumDatasetOnOff", "FluxPointsDataset"}
    """
    if is_flux_points(ds):
        return "FluxPointsDataset"
    dims = ds["counts"].dims if "counts" in ds else ds.dims
    kind = "MapDataset" if {"y", "x"} <= {base_name(str(dim)) for dim in dims} else "SpectrumDataset"
    return f"{kind}OnOff" if "counts_off" in ds or "acceptance" in ds else kind


def name_of(ds: xr.Dataset) -> str:
    """Return the name of a dataset.

    Raises
    ------
    ValueError
        If it has none.
    """
    name = ds.attrs.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("a dataset has no name: give it one with ds.assign_attrs(name=...)")
    return name


def gti_times(ds: xr.Dataset) -> Times:
    """Return when the good time intervals of a dataset begin and end.

    Parameters
    ----------
    ds : Dataset
        Any dataset. Its intervals are computed where they are lazy: they are a few numbers.

    Returns
    -------
    list
        Empty if there are no intervals.
    """
    if "gti_start" not in ds or "gti_stop" not in ds or not ds["gti_start"].size:
        return []
    attrs = ds["gti_start"].attrs
    start, stop = (_seconds(ds[name]) for name in ("gti_start", "gti_stop"))
    day, fraction = int(attrs.get("mjdrefi", 0)), float(attrs.get("mjdreff", 0.0))
    scale = str(attrs.get("timesys", "tt")).lower()
    return [float(np.min(start)), float(np.max(stop)), day, fraction, scale]


def _seconds(times: xr.DataArray) -> np.ndarray:
    # A table is not data: it is read whatever scheduler is set for them.
    read = times if times.chunks is None else times.compute(scheduler="synchronous")
    return np.asarray(quantity(read).to_value("s"))


class Member:
    """A dataset, or how to open it.

    Parameters
    ----------
    dataset : Dataset, optional
        The dataset.
    opener : callable, optional
        Opens the dataset, when it is asked for first.
    known : mapping, optional
        What is known of it before: ``name``, ``type`` and the attrs ``meta`` and ``models`` as text, ``times`` as
        `gti_times` gives them.
    """

    def __init__(
        self,
        dataset: xr.Dataset | None = None,
        opener: Callable[[], xr.Dataset] | None = None,
        known: Mapping[str, Any] | None = None,
    ) -> None:
        self._dataset = dataset
        self._opener = opener
        self._known = dict(known or {})

    @property
    def is_open(self) -> bool:
        """Whether the dataset was opened."""
        return self._dataset is not None

    @property
    def dataset(self) -> xr.Dataset:
        """The dataset, which is opened now if it was not."""
        if self._dataset is None:
            assert self._opener is not None
            self._dataset = self._opener()
        return self._dataset

    def _get(self, key: str, read: Callable[[xr.Dataset], Any]) -> Any:
        if self._dataset is None and key in self._known:
            return self._known[key]
        return read(self.dataset)

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._get("name", name_of))

    @property
    def type(self) -> str:
        """What it is, see `dataset_type`."""
        return str(self._get("type", dataset_type))

    @property
    def models(self) -> str:
        """The models stored with it, as text."""
        return str(self._get("models", lambda ds: ds.attrs.get("models") or ""))

    @property
    def meta_text(self) -> str:
        """The table of observations, as text."""
        return str(self._get("meta", lambda ds: ds.attrs.get("meta") or ""))

    @property
    def times(self) -> Times:
        """When its good time intervals begin and end, see `gti_times`."""
        return list(self._get("times", gti_times))

    @property
    def meta(self) -> dict[str, list[Any]]:
        """The table of observations by column.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        text = self.meta_text
        if not text:
            return {}
        try:
            table = json.loads(text)
            return {str(key): list(values) for key, values in table.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(
                f"attr 'meta' of dataset {self.name!r} is no table in JSON ({error}): correct or remove it"
            ) from error

    @property
    def interval(self) -> tuple[Time, Time] | None:
        """First start and last stop of its good time intervals."""
        if not self.times:
            return None
        start, stop, day, fraction, scale = self.times
        zero = Time(day, fraction, format="mjd", scale=scale)
        return zero + TimeDelta(start, format="sec"), zero + TimeDelta(stop, format="sec")

    def known(self) -> dict[str, Any]:
        """Return all that is known, for the index of a store."""
        return {
            "name": self.name,
            "type": self.type,
            "models": self.models,
            "meta": self.meta_text,
            "times": self.times,
        }

    def copy(self) -> Member:
        """Return a member with a dataset of its own, which shares the data."""
        dataset = None if self._dataset is None else self._dataset.copy()
        return Member(dataset, self._opener, self._known)
