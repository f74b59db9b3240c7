"""Predicted fluxes of flux points, and how the measured ones differ from them."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.fluxpoints.convert import predict, quantity, reference
from xgamma.fluxpoints.convert import sed_type as known_type
from xgamma.fluxpoints.limits import is_ul
from xgamma.models import SkyModel, SpectralModel
from xgamma.models.units import FLUX
from xgamma.predict.counts import ModelsLike, models_for
from xgamma.schema import FLUX_VARIABLES, SED_TYPES
from xgamma.units import to_unit

__all__ = ["FLUX_METHODS", "flux_pred", "flux_residuals", "spectra_of"]

FLUX_METHODS = ("diff", "diff/model")
"""Residuals of flux points: the difference itself, or divided by the predicted flux."""


def spectra_of(ds: xr.Dataset, models: ModelsLike = None) -> list[SpectralModel]:
    """Return the spectral models of the sources that apply to flux points.

    Parameters
    ----------
    ds : Dataset
        Flux points.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Raises
    ------
    ValueError
        If a spectral model is no flux, but a factor of a spatial template.
    """
    sources = [model for model in models_for(ds, models) if isinstance(model, SkyModel)]
    for model in sources:
        if model.spectral_model.unit != FLUX:
            raise ValueError(
                f"Model '{model.name}' has no spectrum of its own, its {type(model.spectral_model).__name__} scales a "
                "spatial template: give it a spectral model of a flux to compare it with flux points."
            )
    return [model.spectral_model for model in sources]


def flux_pred(ds: xr.Dataset, models: ModelsLike = None, sed_type: str = "dnde") -> xr.DataArray:
    """Predict the fluxes of the source models at flux points.

    Parameters
    ----------
    ds : Dataset
        Flux points.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    sed_type : {"dnde", "e2dnde", "flux", "eflux", "likelihood"}
        The quantity: the differential flux at the energy of the points, times energy squared, an integral over the bin,
        or a differential flux relative to that of the reference model.

    Returns
    -------
    DataArray, dims (energy,)
        The sum of the models, zero if there are none, in the unit that `xgamma.schema.FLUX_VARIABLES` gives it.

    Raises
    ------
    ValueError
        If the type is unknown, bins for an integral are not known, or a model has no spectrum.
    """
    if sed_type not in SED_TYPES:
        raise ValueError(f"there is no SED type {sed_type!r}; there are: {', '.join(SED_TYPES)}")
    known_type(ds)
    axis, name = Axis.from_dataset(ds, "energy"), SED_TYPES[sed_type]
    # The norm of a model is what it predicts relative to the reference.
    base = "dnde" if name == "norm" else name
    values = np.zeros(axis.size)
    for spectrum in spectra_of(ds, models):
        values = values + predict(spectrum, axis, base)
    out = reference(ds, name).copy(data=values)
    if name == "norm":
        out = out.copy(data=(out.variable / reference(ds, "dnde").variable).data)
    out.attrs = {"units": FLUX_VARIABLES[name].unit, "long_name": f"predicted {FLUX_VARIABLES[base].meaning}"}
    return out.rename("flux_pred")


def flux_residuals(ds: xr.Dataset, method: str = "diff", models: ModelsLike = None) -> xr.DataArray:
    """Return the difference of measured and predicted differential fluxes.

    Parameters
    ----------
    ds : Dataset
        Flux points.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    method : {"diff", "diff/model"}
        The difference itself, in the unit of the measured flux, or divided by the predicted flux.

    Returns
    -------
    DataArray, dims (energy,)
        nan for upper limits, and where nothing is predicted to divide by. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the method is unknown.
    """
    if method not in FLUX_METHODS:
        raise ValueError(f"method is {method!r}: for flux points it must be one of {list(FLUX_METHODS)}")
    measured = quantity(ds, "dnde")
    unit = u.Unit(measured.attrs["units"])
    model = to_unit(flux_pred(ds, models), unit).variable
    values = measured.variable - model
    if method == "diff/model":
        values = values / model.where(model != 0)
    out = measured.copy(data=values.where(~is_ul(ds).variable).transpose(*measured.dims).data)
    out.attrs = {
        "units": measured.attrs["units"] if method == "diff" else "",
        "long_name": f"residuals ({method})",
    }
    return out.rename("residuals")
