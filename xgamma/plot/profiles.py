"""Counts along energy, as pictures of spectra need them: summed over the sky where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xgamma.irf.lookup import sky_dims
from xgamma.models import FoVBackgroundModel
from xgamma.onoff import alpha, background, is_onoff
from xgamma.predict import models_for, npred, npred_background, npred_signal
from xgamma.reduce.masks import mask, region_mask

__all__ = ["MASKS", "along_energy", "is_map", "masks_along_energy"]

MASKS = ("mask_safe", "mask_fit")


def is_map(ds: xr.Dataset) -> bool:
    """Whether counts lie on the sky."""
    return sky_dims(_counts(ds)) is not None


def _counts(ds: xr.Dataset) -> xr.DataArray:
    if "counts" not in ds:
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no variable 'counts' to draw.")
    return ds["counts"]


def along_energy(ds: xr.Dataset, models: Any = None, region: Any = None) -> xr.Dataset:
    """Return what is observed and predicted in each bin of energy; computes lazy data, in one pass.

    Parameters
    ----------
    ds : Dataset
        With ``counts``.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    region : region, SkyCoord, str, or list of regions, optional
        Pixels of a map to sum over, by default all.

    Returns
    -------
    Dataset, dim energy
        ``counts``; ``error``, that of the excess; ``background``: that of the models, or ``alpha * counts_off``;
        ``npred_signal`` where there are source models, and ``npred``. Of a map these are sums inside both masks.
        ``mask`` and, where the dataset has them, ``mask_safe`` and ``mask_fit``: whether any pixel is inside.

    Raises
    ------
    ValueError
        If there are no counts, or a region of a dataset without map.
    """
    counts = _counts(ds)
    on_sky = is_map(ds)
    if region is not None and not on_sky:
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' is no map, of which a region could be drawn: leave it out."
        )
    chosen = models_for(ds, models)
    parts = {"counts": counts.astype(np.float64)}
    if any(not isinstance(model, FoVBackgroundModel) for model in chosen):
        parts["npred_signal"] = npred_signal(ds, chosen)
    parts["npred"] = npred(ds, chosen)
    parts["error"] = parts["counts"]
    if is_onoff(ds):
        parts["background"], parts["error"] = background(ds), parts["counts"] + alpha(ds) ** 2 * ds["counts_off"]
    else:
        parts["background"] = npred_background(ds, chosen)
    area = _area(ds, region)
    within = mask(ds).variable & area if on_sky else area
    sums = {name: _over_sky(part.variable.where(within, 0.0), "sum") for name, part in parts.items()}
    out = masks_along_energy(ds, region).assign(sums).compute()
    return out.assign(error=np.sqrt(out["error"]))


def masks_along_energy(ds: xr.Dataset, region: Any = None) -> xr.Dataset:
    """Return in which bins of energy any pixel is inside the masks: ``mask``, and each that the dataset has."""
    inside = {"mask": mask(ds)} | {name: ds[name].astype(bool) for name in MASKS if name in ds}
    area = _area(ds, region)
    keep = [name for name, coord in ds.coords.items() if coord.dims == ("energy",)]
    found = {name: _over_sky(part.variable & area, "any") for name, part in inside.items()}
    return ds.coords.to_dataset()[keep].assign(found)


def _area(ds: xr.Dataset, region: Any) -> xr.Variable:
    return xr.Variable((), True) if region is None else region_mask(ds, region).variable


def _over_sky(values: xr.Variable, how: str) -> xr.Variable:
    return getattr(values, how)([dim for dim in values.dims if dim != "energy"])
