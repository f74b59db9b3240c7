"""Predictions and statistics for many values of parameters, by label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from xgamma import statistic
from xgamma.coords import Axis
from xgamma.likelihood.chunks import is_chunked, term_tasks
from xgamma.likelihood.parameters import joint_models, part_of, vector_of
from xgamma.likelihood.points import Points, named, points_of, released
from xgamma.likelihood.spectrum import Spectrum, simplify
from xgamma.likelihood.term import term_of
from xgamma.models import FoVBackgroundModel, SkyModel
from xgamma.onoff import alpha, is_onoff, most_likely_values
from xgamma.predict import models_for
from xgamma.predict import npred as npred_of
from xgamma.predict.counts import like_counts
from xgamma.predict.scan import Varied, block_edges, signal_scan
from xgamma.schema import is_flux_points

__all__ = ["npred", "stat_sum"]


def stat_sum(
    datasets: xr.Dataset | Iterable[xr.Dataset], models: Any, parameters: Mapping[str, Any], priors: bool = False
) -> xr.DataArray:
    """Sum of the fit statistic over the bins inside both masks, for many values of parameters.

    Parameters
    ----------
    datasets : Dataset or iterable of Dataset
        With ``counts`` and what `xgamma.statistic.stat_sum` needs; the statistics of several are added up.
    models : Models, list of models, or model, or None
        None for those stored with the datasets.
    parameters : mapping
        Values by name, ``model.parameter``, or by parameters of the models, in place of those in the models, frozen or
        not: DataArrays, whose dims are those of the result, numbers or quantities. Numbers are in the unit of the
        parameter, or that in the attrs.
    priors : bool
        Whether to add what priors on parameters contribute.

    Returns
    -------
    DataArray
        Over the dims of all values, with their coordinates. Lazy where a dataset is.

    Raises
    ------
    ValueError
        If a parameter is unknown, a unit does not fit, labels along a common dim differ, or `xgamma.statistic.stat_sum`
        has something to say.

    Notes
    -----
    Where sources stand still the points are products of matrices; a source that moves is
    evaluated once for each of its places and shapes.
    """
    items = [datasets] if isinstance(datasets, xr.Dataset) else list(datasets)
    everything = joint_models(items, models)
    parameters = named(everything if models is None else models, parameters)
    chosen = released(everything, parameters)
    points = points_of(chosen, parameters)
    for par, value in zip(chosen.parameters.free_unique_parameters, points.values[:1].T, strict=True):
        # Sources are compiled where the scan begins.
        par.value = float(value[0])
    total: Any = np.zeros(len(points.values))
    for ds in items:
        total = total + _many(ds, chosen, points)
    if priors:
        still = sum(par.prior_stat_sum() for par in chosen.parameters.unique_parameters if par.frozen)
        vector = vector_of(chosen)
        total = total + [still + vector.prior(row) for row in points.values]
    return points.labelled(total, "stat_sum", "sum of the fit statistic")


def _many(ds: xr.Dataset, models: Any, points: Points) -> Any:
    """Statistic (point,) of a dataset, lazy where it is."""
    lazy = any(variable.chunks is not None for variable in ds.variables.values())
    if not lazy:
        return term_of(ds, models).many(points.values)
    import dask
    import dask.array as da

    # Bad input is told now, and not when something is computed.
    statistic.stat_sum(ds, models)
    tasks = [task for task, _ in term_tasks(ds, models)] if is_chunked(ds) else [dask.delayed(term_of)(ds, models)]
    evaluate = dask.delayed(_evaluated, pure=False)
    parts = [da.from_delayed(evaluate(task, points.values), (len(points.values),), dtype=np.float64) for task in tasks]
    return da.stack(parts).sum(axis=0)


def _evaluated(term: Any, x: Any) -> Any:
    return term.many(x)


def npred(ds: xr.Dataset, models: Any, parameters: Mapping[str, Any]) -> xr.DataArray:
    r"""Predict counts for many values of parameters.

    Parameters
    ----------
    ds : Dataset
        With what `xgamma.predict.npred` needs.
    models : Models, list of models, or model, or None
        None for those stored with the dataset.
    parameters : mapping
        Values by name, as for `stat_sum`.

    Returns
    -------
    DataArray, dims (\*dims of the values, energy, y, x) or (\*dims of the values, energy)
        Lazy, also where the dataset is in memory: predictions of all points may be large. A block is one point, or some
        along the last dim where the map is small.

    Raises
    ------
    ValueError
        If a parameter is unknown, a unit does not fit, labels along a common dim differ, the dataset has a dim of the
        same name, or `xgamma.predict.npred` has something to say.
    """
    import dask.array as da

    if is_flux_points(ds):
        raise ValueError("Flux points have no predicted counts: predict their fluxes with ds.gp.flux_pred(models).")
    everything = joint_models([ds], models)
    parameters = named(everything if models is None else models, parameters)
    everything = released(everything, parameters)
    points = points_of(everything, parameters)
    taken = [dim for dim in points.dims if dim in ("energy", "y", "x")]
    if taken:
        raise ValueError(
            f"parameters: the dim {taken[0]!r} is one of the counts: rename it, such as with "
            f".rename({taken[0]}='{taken[0]}_of_parameter')."
        )
    slots = {id(par): i for i, par in enumerate(everything.parameters.free_unique_parameters)}
    chosen = list(models_for(ds, everything))
    # Bad input is told now, and not when something is computed.
    plain = npred_of(ds.chunk(), chosen)
    bins = tuple(dim for dim in ("energy", "y", "x") if dim in plain.dims)
    dims, size = (*points.dims, *bins), int(np.prod([plain.sizes[dim] for dim in bins]))
    sources = [_varied(ds, model, slots, points) for model in chosen if isinstance(model, SkyModel)]
    signal = xr.Variable(dims, signal_scan(ds, sources, points.shape)) if sources else None
    if is_onoff(ds):
        base = xr.zeros_like(plain.variable) if signal is None else signal
        off = most_likely_values(ds.chunk(), base)
        total = base + alpha(ds).variable.chunk() * off
    else:
        scaling = [model for model in chosen if isinstance(model, FoVBackgroundModel)]
        factor = np.ones((len(points.values), plain.sizes["energy"]))
        if scaling and "background" in ds:
            energy = Axis.from_dataset(ds["background"], "energy").to("TeV").center
            factor = Spectrum(part_of(scaling[0].spectral_model, slots), energy, energy).rows(points.values)
        blocks = (*block_edges(points.shape, size), (plain.sizes["energy"],))
        scale = da.from_array(factor.reshape(*points.shape, -1), chunks=blocks)
        table = ds["background"].variable.chunk() if "background" in ds else xr.zeros_like(plain.variable)
        total = table * xr.Variable((*points.dims, "energy"), scale)
        total = total if signal is None else total + signal
    out = like_counts(ds, total.transpose(*dims), "npred", "predicted counts")
    return out.assign_coords(points.coords.coords)


def _varied(ds: xr.Dataset, model: SkyModel, slots: dict[int, int], points: Points) -> Varied:
    """Separate the places of a source from its spectra."""
    axis = Axis.from_dataset(ds["exposure"], "energy_true").to("TeV")
    x, place, models = points.values, np.zeros(len(points.values), dtype=np.intp), [model]
    spectrum = Spectrum(part_of(model.spectral_model, slots), axis.lower, axis.upper)
    if model.spatial_model is not None:
        spatial = part_of(model.spatial_model, slots)
        if spatial.free:
            _, first, which = np.unique(
                x[:, [free.slot for free in spatial.free]], axis=0, return_index=True, return_inverse=True
            )
            place = which.ravel()
            models = [
                SkyModel(model.spectral_model, spatial.at(x[i]), name=model.name, apply_irf=model.apply_irf)
                for i in first
            ]
    reduced, shape = simplify(spectrum, x[0])
    return Varied(models, place, None if shape is None else shape[None], reduced.rows(x))
