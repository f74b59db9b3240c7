"""Predicted counts of source models in a region: spectra without dims on the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import xarray as xr

from xgamma.coords import Axis
from xgamma.irf import edisp
from xgamma.predict.component import flux_of

if TYPE_CHECKING:
    from xgamma.models import SkyModel

__all__ = ["region_npred"]


def region_npred(ds: xr.Dataset, models: list[SkyModel]) -> xr.DataArray:
    """Predicted counts of source models in the region of a spectrum.

    Parameters
    ----------
    ds : Dataset
        With ``exposure`` over true energy, without dims on the sky.
    models : list of SkyModel
        Models that apply to the dataset.

    Returns
    -------
    DataArray, dims (energy,)
        Flux x exposure x energy dispersion, summed over the models: the exposure holds what part of a source lies in
        the region.
    """
    exposure = ds["exposure"]
    axis = Axis.from_dataset(exposure, "energy_true")
    scale = u.Unit(exposure.attrs.get("units", "")).to("cm2 s")
    perfect = ds.drop_vars("edisp", errors="ignore")
    total = 0.0
    for model in models:
        counts = flux_of(model, axis)
        if model.apply_irf.get("exposure", True):
            counts = counts * (exposure.data * scale)
        matrix = edisp.matrix(ds if model.apply_irf.get("edisp", True) else perfect, None, axis)
        total = total + counts @ matrix
    return xr.DataArray(total, dims=("energy",))
