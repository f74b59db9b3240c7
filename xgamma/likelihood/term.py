"""A dataset, or a chunk of one, and models as one term of the statistic."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis, SkyGrid
from xgamma.coords.labels import parse_unit
from xgamma.likelihood.bins import bins_of
from xgamma.likelihood.cash import cash_term
from xgamma.likelihood.deep import Image
from xgamma.likelihood.fluxpoints import flux_term
from xgamma.likelihood.lookup import lookups_of
from xgamma.likelihood.mapsource import map_source
from xgamma.likelihood.parameters import part_of
from xgamma.likelihood.source import region_source
from xgamma.likelihood.spectrum import Spectrum
from xgamma.likelihood.wstat import WstatTerm, off_of
from xgamma.models import FoVBackgroundModel, Models, SkyModel
from xgamma.predict import models_for
from xgamma.predict.response import Responses
from xgamma.schema import is_flux_points
from xgamma.statistic import stat_type

__all__ = ["term_of"]


def term_of(
    ds: xr.Dataset,
    models: Models,
    responses: xr.Dataset | None = None,
    whole: SkyGrid | None = None,
    spectra: dict[Any, Spectrum] | None = None,
) -> Any:
    """Compile a dataset.

    Parameters
    ----------
    ds : Dataset
        With ``counts``; in memory.
    models : Models
        All models of the likelihood, which nothing else may change; the order of their free parameters is that of the
        vector.
    responses : Dataset, optional
        What holds the exposure, PSF and energy dispersion, by default `ds`.
    whole : SkyGrid, optional
        Grid of the map of which `ds` is a chunk.
    spectra : dict, optional
        Where to keep spectra, which datasets with the same true energies share.

    Returns
    -------
    CashTerm, WstatTerm or FluxTerm
        The statistic as a function of the vector.

    Raises
    ------
    ValueError
        If something is missing that the models need.
    """
    name = str(ds.attrs.get("name", ""))
    free = models.parameters.free_unique_parameters
    slots, x = {id(par): i for i, par in enumerate(free)}, free.value
    chosen = list(models_for(ds, models))
    if is_flux_points(ds):
        return flux_term(ds, chosen, slots)
    responses = ds if responses is None else responses
    on_off = stat_type(ds) == "wstat"
    bins = bins_of(ds, every=on_off, whole=whole)
    if on_off:
        bins, n_off, alpha = off_of(ds, name, bins)
    sources = [model for model in chosen if isinstance(model, SkyModel)]
    if sources and "exposure" not in responses:
        raise ValueError(f"Dataset '{name}' has no variable 'exposure', which models need to predict counts.")
    moving = [m for m in sources if m.spatial_model is not None and part_of(m.spatial_model, slots).free]
    lookups = lookups_of(responses, bins.grid.frame) if moving and bins.grid is not None else None
    lower = upper = np.zeros(0)
    if sources:
        axis = Axis.from_dataset(responses, "energy_true")
        to_tev = parse_unit(axis.unit, "axis 'energy_true'").to(u.TeV)
        lower, upper = axis.lower * to_tev, axis.upper * to_tev
    spectra = {} if spectra is None else spectra
    compiled: list[Any] = []
    images: list[list[Image]] = []
    shared: Responses | None = None
    for model in sources:
        key = id(model.spectral_model), lower.tobytes(), upper.tobytes()
        spectrum = spectra.get(key) or Spectrum(part_of(model.spectral_model, slots), lower, upper).scaled()
        spectra[key] = spectrum
        if bins.grid is None:
            spatial = None if model.spatial_model is None else part_of(model.spatial_model, slots)
            compiled.append(region_source(responses, bins, model, spectrum, spatial, x))
            continue
        if model.spatial_model is None:
            raise ValueError(
                f"Model '{model.name}' has no spatial model: a map needs one, such as PointSpatialModel or "
                "ConstantSpatialModel."
            )
        spatial = part_of(model.spatial_model, slots)
        shared = Responses(responses, bins.grid) if shared is None else shared
        one, seen = map_source(responses, bins, shared, model, spectrum, spatial, x, lookups)
        compiled.append(one)
        images.append(seen)
    if on_off:
        return WstatTerm(name, bins, tuple(compiled), n_off, alpha)
    scaling = [model for model in chosen if isinstance(model, FoVBackgroundModel)]
    if len(scaling) > 1:
        raise ValueError(
            f"More than one background model applies to dataset '{name}': {[model.name for model in scaling]}."
        )
    background = None
    if scaling and "background" in ds:
        energy = Axis.from_dataset(ds["background"], "energy").to("TeV").center.copy()
        background = Spectrum(part_of(scaling[0].spectral_model, slots), energy, energy).scaled()
    return cash_term(name, bins, background, tuple(compiled), images, x)
