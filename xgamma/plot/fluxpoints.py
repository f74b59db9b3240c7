"""Pictures of flux points, alone and with models."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.fluxpoints import is_ul, quantity, sed_type
from xgamma.models import SkyModel
from xgamma.models.pictures import data_limits, spectrum_on
from xgamma.plot.labels import draw_legend, unit_text, with_unit
from xgamma.plot.steps import axes_along, join_labels, pair_of_axes, points, scaled, steps
from xgamma.predict import models_for
from xgamma.predict.flux import FLUX_METHODS, flux_pred, flux_residuals, spectra_of
from xgamma.schema import SED_TYPES, is_flux_points
from xgamma.units import quantity as quantity_of
from xgamma.units import unit_of

__all__ = ["fit_of_points", "plot_flux_points", "plot_spectrum", "residuals_of_points"]

_LABELS = {"diff": "Data - model", "diff/model": "(Data - model) / model"}
_ARROW = 0.4
"""Length of the arrow of an upper limit, as a part of the limit."""

_REACH = 100.0
"""By which factor models may widen a picture beyond the points."""


def plot_flux_points(
    ds: xr.Dataset, ax: Any = None, *, sed_type: str | None = None, energy_power: float = 0, **options: Any
) -> Any:
    """Draw flux points with their errors and energy ranges, upper limits as arrows.

    Parameters
    ----------
    ds : Dataset
        Flux points. Computed if lazy.
    ax : matplotlib Axes, optional
        Made anew in a new figure if left out.
    sed_type : {"dnde", "e2dnde", "flux", "eflux", "likelihood"}, optional
        The quantity, by default that of the dataset, or "dnde" in place of norms.
    energy_power : float
        Power of energy by which the values are multiplied.
    **options
        For ``errorbar``, such as ``label`` and ``color``.

    Returns
    -------
    Axes
        With logarithmic scales, in the units that `ax` shows already. A flux below zero is out of sight. Upper limits
        whose value is not known are not drawn.

    Raises
    ------
    ValueError
        If these are no flux points, the type is unknown or needs energy ranges that are not known, or `ax` shows
        another kind of quantity.
    """
    name = SED_TYPES[_type_of(ds, sed_type)]
    found = {end: _column(ds, name, end) for end in ("", "_err", "_errn", "_errp", "_ul")}
    ax, axis = axes_along(ax, Axis.from_dataset(ds, "energy"))
    ax, _, up = spectrum_on(ax, name, energy_power, axis.unit)
    power = (axis.center * u.Unit(axis.unit)) ** energy_power
    numbers = {end: (quantity_of(part) * power).to_value(up) for end, part in found.items()}
    limit = is_ul(ds).values
    value, bound = np.where(limit, np.nan, numbers[""]), np.where(limit, numbers["_ul"], np.nan)
    # Without bounds of their own the errors are the same on both sides.
    errors = np.stack([np.where(numbers[end] >= 0, numbers[end], numbers["_err"]) for end in ("_errn", "_errp")])
    errors = np.where(errors >= 0, errors, np.nan)
    low, high = value - errors[0], value + errors[1]
    seen = [value, high, np.where(low > value / 10, low, np.nan), bound, 0.8 * (1 - _ARROW) * bound]
    across = [axis.center] * len(seen) + [axis.lower, axis.upper]
    seen += [np.where(limit, bound, value)] * 2
    with data_limits(ax, np.concatenate(across), np.concatenate(seen)):
        options = {"capsize": 0, **options}
        if np.isfinite(value).any() or not np.isfinite(bound).any():
            drawn = points(ax, axis, value, errors, **options)
            options = {**options, "color": drawn.lines[0].get_color(), "label": None}
        if np.isfinite(bound).any():
            points(ax, axis, bound, _ARROW * bound, **{**options, "uplims": True, "fmt": "none", "capsize": 2.5})
    return ax


def _type_of(ds: xr.Dataset, given: str | None) -> str:
    if not is_flux_points(ds):
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' holds no flux points: draw one of its arrays, as "
            "ds.counts.gp.plot(), or all of it with ds.gp.peek()"
        )
    if given is None:
        given = sed_type(ds)
        given = "dnde" if given == "likelihood" else given
    if given not in SED_TYPES:
        raise ValueError(f"there is no SED type {given!r}; there are: {', '.join(SED_TYPES)}")
    return given


def _column(ds: xr.Dataset, name: str, end: str) -> xr.DataArray:
    """Return fluxes, errors or limits in a quantity; nan where the dataset has none."""
    if f"{SED_TYPES[sed_type(ds)]}{end}" in ds or f"{name}{end}" in ds:
        return quantity(ds, f"{name}{end}").compute()
    like = quantity(ds, next(f"{name}{other}" for other in ("", "_ul") if f"{SED_TYPES[sed_type(ds)]}{other}" in ds))
    return xr.full_like(like, np.nan, dtype=np.float64).compute()


def plot_spectrum(
    ds: xr.Dataset,
    models: Any = None,
    ax: Any = None,
    *,
    sed_type: str = "e2dnde",
    kwargs_fp: dict[str, Any] | None = None,
    kwargs_model: dict[str, Any] | None = None,
) -> Any:
    """Draw flux points and the spectra of models, with the errors of the models as bands.

    Parameters
    ----------
    ds : Dataset
        Flux points. Computed if lazy.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    ax : matplotlib Axes, optional
        Made anew in a new figure if left out.
    sed_type : {"e2dnde", "dnde", "flux", "eflux", "likelihood"}
        The quantity. Integrals of models are those over the energy ranges of the points.
    kwargs_fp : dict, optional
        For `plot_flux_points`.
    kwargs_model : dict, optional
        For the line of each model and of their sum.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        As for `plot_flux_points`, or if a model has no spectrum.
    """
    ax = plot_flux_points(ds, ax, **{"sed_type": sed_type, "label": "Flux points", **(kwargs_fp or {})})
    sources = [model for model in models_for(ds, models) if isinstance(model, SkyModel)]
    parts = {model.name: [model] for model in sources} | ({"Sum": sources} if len(sources) > 1 else {})
    for label, chosen in parts.items():
        _draw_models(ds, chosen, ax, sed_type, {"label": label, **(kwargs_model or {})})
    draw_legend(ax)
    return ax


def _draw_models(ds: xr.Dataset, chosen: list[SkyModel], ax: Any, kind: str, options: dict[str, Any]) -> None:
    """Draw the sum of models, inside the picture of the points and not far beyond."""
    axis = Axis.from_dataset(ds, "energy")
    predicted = flux_pred(ds, chosen, kind)
    shown = axis.to(ax.xaxis.get_units())
    values, _ = scaled(ax, predicted.values, unit_of(predicted))
    low, high = ax.get_ylim()
    energy = shown.center
    spectrum = ends = None
    if kind in ("dnde", "e2dnde"):
        spectrum = reduce(add, spectra_of(ds, chosen))
        ends = u.Quantity([shown.lower.min(), shown.upper.max()], shown.unit)
        ends = ends * [0.9, 1.1] if ends[0] == ends[1] else ends
        at_ends = spectrum(ends) * (ends**2 if kind == "e2dnde" else 1)
        energy, values = np.append(energy, ends.value), np.append(values, at_ends.to_value(ax.yaxis.get_units()))
    inside = np.clip(values, low / _REACH, high * _REACH)
    with data_limits(ax, energy, np.where(values > 0, inside, np.nan)):
        if spectrum is None:
            steps(ax, shown, values, **options)
            return
        spectrum.plot(ends, ax, kind, **options)
        if np.any(spectrum.covariance):
            spectrum.plot_error(ends, ax, kind, facecolor=ax.lines[-1].get_color())


def residuals_of_points(
    ds: xr.Dataset, models: Any = None, ax: Any = None, method: str = "diff", **options: Any
) -> Any:
    """Draw how flux points differ from models, see `xgamma.plot.plot_residuals`; options are for ``errorbar``."""
    if method not in FLUX_METHODS:
        raise ValueError(f"method is {method!r}: for flux points it must be one of {list(FLUX_METHODS)}")
    values = flux_residuals(ds, method, models).compute()
    ax, axis = axes_along(ax, Axis.from_dataset(ds, "energy"))
    numbers, unit = scaled(ax, values.values, unit_of(values))
    # An error is divided as the difference is.
    predicted = quantity_of(flux_pred(ds, models))
    divisor = 1 * unit if method == "diff" else np.where(predicted != 0, predicted, np.nan)
    both = _column(ds, "dnde", "_err")
    sides = []
    for end in ("_errn", "_errp"):
        own = _column(ds, "dnde", end)
        sides.append((quantity_of(both.where(~(own >= 0), own)) / divisor).to_value(""))
    errors = np.stack(sides)
    errors = np.where((errors >= 0) & np.isfinite(numbers), errors, np.nan)
    points(ax, axis, numbers, errors, **{"color": "black", **options})
    ax.axhline(0, color="black", linewidth=0.7)
    reach = np.nanmax(np.abs(numbers) + np.nan_to_num(errors)) if np.isfinite(numbers).any() else 0
    if reach > 0:
        ax.set_ylim(-1.1 * reach, 1.1 * reach)
    ax.set_ylabel(with_unit(_LABELS[method], unit_text(unit)))
    return ax


def fit_of_points(
    ds: xr.Dataset,
    models: Any = None,
    ax: Any = None,
    method: str = "diff/model",
    kwargs_spectrum: dict[str, Any] | None = None,
    kwargs_residuals: dict[str, Any] | None = None,
) -> tuple[Any, Any]:
    """Draw flux points and models, and the residuals below, see `xgamma.plot.plot_fit`."""
    below = {"method": method, **(kwargs_residuals or {})}
    if below["method"] not in FLUX_METHODS:
        raise ValueError(f"method is {below['method']!r}: for flux points it must be one of {list(FLUX_METHODS)}")
    upper, lower = pair_of_axes(ax)
    plot_spectrum(ds, models, upper, **(kwargs_spectrum or {}))
    residuals_of_points(ds, models, lower, **below)
    join_labels(upper, lower)
    return upper, lower
