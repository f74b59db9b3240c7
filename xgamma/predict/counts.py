"""Predicted counts of a dataset and its models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeAlias

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.history import record
from xgamma.irf.lookup import sky_dims
from xgamma.kernels.aside import Aside
from xgamma.models import FoVBackgroundModel, Models, SkyModel
from xgamma.onoff import alpha, background, is_onoff, most_likely_off
from xgamma.predict.maps import map_npred
from xgamma.predict.region import region_npred
from xgamma.schema import is_flux_points, suffix_of

__all__ = [
    "assign_models",
    "excess",
    "like_counts",
    "models_for",
    "npred",
    "npred_background",
    "npred_off",
    "npred_signal",
]

_LARGE = 2**22
"""Number of values from which on an array is filled by another thread while this one predicts sources."""

ModelsLike: TypeAlias = "Models | Iterable[SkyModel | FoVBackgroundModel] | SkyModel | FoVBackgroundModel | None"


def models_for(ds: xr.Dataset, models: ModelsLike = None) -> Models:
    """Return the models that apply to a dataset.

    Parameters
    ----------
    ds : Dataset
        Any dataset.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    Models
        Those that name this dataset or none at all.
    """
    if models is None:
        text = ds.attrs.get("models")
        chosen = Models.from_yaml(text) if text else Models()
    else:
        chosen = models if isinstance(models, Models) else Models(models)
    name = ds.attrs.get("name")
    return Models([m for m in chosen if m.datasets_names is None or name in m.datasets_names])


def like_counts(ds: xr.Dataset, values: xr.Variable, name: str, meaning: str) -> xr.DataArray:
    """Give a prediction the coordinates of the counts' grid, a name and a unit."""
    dims = set(values.dims)
    keep = [key for key, c in ds.coords.variables.items() if set(c.dims) <= dims and _belongs(str(key))]
    indexes = {key: ds.xindexes[key] for key in keep if key in ds.xindexes}
    # With their indexes at hand, coordinates need not be aligned.
    coords = xr.Coordinates({key: ds.variables[key] for key in keep}, indexes=indexes)
    attrs = {"units": "", "long_name": meaning}
    return xr.DataArray(xr.Variable(values.dims, values.data, attrs), coords=coords, name=name)


def _belongs(name: str) -> bool:
    """Whether a coordinate goes with the counts, not with a response on a grid of its own."""
    return not suffix_of(name)


def _zeros(ds: xr.Dataset) -> xr.Variable:
    """Zeros on the grid of the counts, lazy where the dataset is."""
    for name in ("counts", "background", "mask_safe", "counts_off", "acceptance"):
        if name in ds:
            return xr.zeros_like(ds[name].variable, dtype=np.float64)
    if "exposure" not in ds:
        hint = "; the fluxes of flux points are predicted by flux_pred" if is_flux_points(ds) else ""
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' has neither counts nor background nor exposure, so that there "
            f"are no bins to predict counts in{hint}"
        )
    dims = ("energy", *(sky_dims(ds["exposure"]) or ()))
    if "energy" not in ds.sizes:
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no dim 'energy' along which to predict counts.")
    return xr.Variable(dims, np.zeros([ds.sizes[dim] for dim in dims]))


def npred_signal(
    ds: xr.Dataset, models: ModelsLike = None, names: str | Iterable[str] | None = None, stack: bool = True
) -> xr.DataArray:
    """Predict the counts of the source models.

    Parameters
    ----------
    ds : Dataset
        With ``exposure``; ``psf`` and ``edisp`` where they apply.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    names : str or list of str, optional
        The models to take; by default all that apply to the dataset.
    stack : bool
        Whether to sum over the models; otherwise the first dim is ``model``.

    Returns
    -------
    DataArray, dims (energy, y, x) or (energy,), in front of it ``model`` where not stacked
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If a name is unknown, or there is no exposure for a model.
    """
    sources = [m for m in models_for(ds, models) if isinstance(m, SkyModel)]
    if names is not None:
        wanted = [names] if isinstance(names, str) else list(names)
        known = [m.name for m in sources]
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise ValueError(f"No source model is named {unknown}; there are {known}.")
        sources = [m for m in sources if m.name in wanted]
    if not stack:
        if not sources:
            raise ValueError("There is no source model to predict counts of, so there is nothing to put side by side.")
        each = [npred_signal(ds, Models([m])) for m in sources]
        return xr.concat(
            each, xr.Variable("model", [m.name for m in sources]), join="exact", coords="minimal", compat="override"
        )
    values = _signal(ds, sources) if sources else _zeros(ds)
    return like_counts(ds, values, "npred_signal", "predicted signal counts")


def _signal(
    ds: xr.Dataset,
    sources: list[SkyModel],
    onto: xr.Variable | None = None,
    ready: Callable[[], None] | None = None,
) -> xr.Variable:
    """Predict the counts of source models, added to others where given; see `map_npred` for `ready`."""
    if "exposure" not in ds:
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' has no variable 'exposure', which models need to predict counts."
        )
    if {"y", "x"} <= set(ds.dims):
        return map_npred(ds, sources, onto, ready)
    if ready is not None:
        ready()
    signal = region_npred(ds, sources).variable
    return signal if onto is None else onto + signal


def npred_background(ds: xr.Dataset, models: ModelsLike = None) -> xr.DataArray:
    """Predict the counts of the background.

    Parameters
    ----------
    ds : Dataset
        With ``background``, or without: then zeros. With counts in off regions it is that which is most likely, given
        the signal, see `npred_off`.
    models : Models, list of models, or model, optional
        By default those stored with the dataset. A background model scales ``background``.

    Returns
    -------
    DataArray, dims (energy, y, x) or (energy,)
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If more than one background model applies, or acceptances of off regions are missing.
    """
    return like_counts(ds, _background(ds, models_for(ds, models)), "npred_background", "predicted background counts")


def _background(ds: xr.Dataset, models: Models, aside: Aside | None = None) -> xr.Variable:
    """Predict the counts of the background, always a new array, which may be filled aside."""
    if is_onoff(ds):
        off = alpha(ds).variable * npred_off(ds, models).variable
        return off.transpose(*_zeros(ds).dims)
    scaling = [m for m in models if isinstance(m, FoVBackgroundModel)]
    if len(scaling) > 1:
        raise ValueError(
            f"More than one background model applies to dataset '{ds.attrs.get('name', '')}': "
            f"{[m.name for m in scaling]}."
        )
    if "background" not in ds:
        return _zeros(ds)
    table = ds["background"].variable
    norm = xr.Variable((), 1.0)
    if scaling:
        axis = Axis.from_dataset(ds["background"], "energy")
        values = scaling[0].spectral_model(axis.center * u.Unit(axis.unit)).to_value("")
        norm = xr.Variable("energy", np.asarray(values, dtype=np.float64))
    if aside is None or table.size < _LARGE or table.chunks is not None:
        return (table * norm).transpose(*table.dims)
    data, factor = table.data, norm.set_dims(table.dims, [norm.sizes.get(dim, 1) for dim in table.dims]).data
    out = np.empty(table.shape)
    # The first touch of so much memory takes longer than the numbers.
    rows = zip(data, np.broadcast_to(factor, (len(data), *factor.shape[1:])), out, strict=True)
    aside.begin([partial(np.multiply, row, scale, out=part) for row, scale, part in rows])
    return xr.Variable(table.dims, out, table.attrs)


def npred_off(ds: xr.Dataset, models: ModelsLike = None) -> xr.DataArray:
    """Predict the counts in the off region: the background that is most likely, given the signal of the models.

    Parameters
    ----------
    ds : Dataset
        With ``counts_off``, ``acceptance``, ``acceptance_off`` and what `npred_signal` needs. Without ``counts`` the
        prediction is ``counts_off``.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    DataArray, dims as ``counts_off``
        No unit. ``alpha`` times it is the background in the on region. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If there are no off regions, or what the models need is missing.
    """
    return most_likely_off(ds, npred_signal(ds, models))


def npred(ds: xr.Dataset, models: ModelsLike = None) -> xr.DataArray:
    """Predict counts: background and source models.

    Parameters
    ----------
    ds : Dataset
        With ``background`` and, for source models, ``exposure``; ``psf`` and ``edisp`` where they apply.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    DataArray, dims (energy, y, x) or (energy,)
        A function of the data and the models as they are now. Lazy where the dataset is.
    """
    chosen = models_for(ds, models)
    sources = [m for m in chosen if isinstance(m, SkyModel)]
    with Aside() as aside:
        values = _background(ds, chosen, aside)
        if sources:
            values = _signal(ds, sources, onto=values, ready=aside.finish)
    return like_counts(ds, values, "npred", "predicted counts")


def excess(ds: xr.Dataset, models: ModelsLike = None) -> xr.DataArray:
    """Return the counts less the predicted background, or less that which off regions tell.

    Parameters
    ----------
    ds : Dataset
        With ``counts``.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    DataArray, dims as ``counts``
        Lazy where the dataset is.

    Raises
    ------
    ValueError
        If there are no counts.
    """
    if "counts" not in ds:
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no variable 'counts'.")
    known = background(ds).variable if is_onoff(ds) else _background(ds, models_for(ds, models))
    values = ds["counts"].variable - known.transpose(*ds["counts"].dims)
    return like_counts(ds, values, "excess", "counts less background")


def assign_models(ds: xr.Dataset, models: ModelsLike) -> xr.Dataset:
    """Store models with a dataset, as text.

    Parameters
    ----------
    ds : Dataset
        Any dataset; it stays as it is.
    models : Models, list of models, model, or None
        Replaces the models stored before; None removes them.

    Returns
    -------
    Dataset
        With the models in its attrs. Later changes of the models given do not reach it.
    """
    attrs = {key: value for key, value in ds.attrs.items() if key != "models"}
    out = ds.copy()
    out.attrs = attrs
    if models is None:
        return record(out, "assign_models(None)")
    chosen = models if isinstance(models, Models) else Models(models)
    return record(out.assign_attrs(models=chosen.to_yaml()), f"assign_models({', '.join(chosen.names)})")
