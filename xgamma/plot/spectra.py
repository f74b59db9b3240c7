"""Pictures of counts along energy."""

from __future__ import annotations

from typing import Any

import xarray as xr

from xgamma.coords import Axis
from xgamma.plot.labels import draw_legend
from xgamma.plot.profiles import along_energy
from xgamma.plot.steps import axes_along, band, points, scaled, steps

__all__ = ["draw_excess", "draw_masks", "energy_axes", "plot_counts", "plot_excess"]

_BANDS = {
    "mask_safe": {"color": "black", "alpha": 0.08, "label": "Safe mask"},
    "mask_fit": {"color": "tab:green", "alpha": 0.1, "label": "Fit mask"},
}


def energy_axes(data: xr.Dataset, ax: Any, label: str) -> tuple[Any, Axis]:
    """Return axes for numbers along energy, with a name, and the energies in their unit."""
    ax, axis = axes_along(ax, Axis.from_dataset(data, "energy"))
    scaled(ax, data["energy"].values, "")
    ax.set_ylabel(label)
    return ax, axis


def plot_counts(
    ds: xr.Dataset,
    models: Any = None,
    ax: Any = None,
    *,
    region: Any = None,
    kwargs_counts: dict[str, Any] | None = None,
    kwargs_background: dict[str, Any] | None = None,
    kwargs_npred: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Draw counts, the background among them, and predicted counts where there are source models, along energy.

    Parameters
    ----------
    ds : Dataset
        With ``counts``; of a map they are summed inside both masks. Computed if lazy.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    ax : matplotlib Axes, optional
        Made anew in a new figure if left out.
    region : region, SkyCoord, str, or list of regions, optional
        Pixels of a map to sum over, by default all.
    kwargs_counts, kwargs_background, kwargs_npred : dict, optional
        For ``stairs`` of each.
    **options
        For ``stairs`` of all.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are no counts, or a region of a dataset without map.
    """
    data = along_energy(ds, models, region)
    ax, axis = energy_axes(data, ax, "Counts")
    shown = {"counts": ("Counts", kwargs_counts), "background": ("Background", kwargs_background)}
    if "npred_signal" in data:
        shown["npred"] = ("Predicted counts", kwargs_npred)
    for name, (label, own) in shown.items():
        if data[name].values.any():
            steps(ax, axis, data[name].values, **{"label": label, **options, **(own or {})})
    ax.set_yscale("log")
    measured = data[["counts", "background"]].to_dataarray().values
    if measured.any():
        ax.set_ylim(bottom=measured[measured > 0].min() / 3)
        draw_legend(ax)
    return ax


def plot_excess(
    ds: xr.Dataset,
    models: Any = None,
    ax: Any = None,
    *,
    region: Any = None,
    kwargs_excess: dict[str, Any] | None = None,
    kwargs_npred_signal: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Draw the counts less the background, with errors, and the counts that source models predict, along energy.

    Parameters
    ----------
    ds : Dataset
        As for `plot_counts`.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    ax : matplotlib Axes, optional
        Made anew in a new figure if left out.
    region : region, SkyCoord, str, or list of regions, optional
        Pixels of a map to sum over, by default all.
    kwargs_excess : dict, optional
        For ``errorbar``.
    kwargs_npred_signal : dict, optional
        For ``stairs``.
    **options
        For both.

    Returns
    -------
    Axes
        Logarithmic where counts are positive; an excess below zero lies under its lower end.

    Raises
    ------
    ValueError
        If there are no counts, or a region of a dataset without map.
    """
    data = along_energy(ds, models, region)
    return draw_excess(data, ax, options | (kwargs_excess or {}), options | (kwargs_npred_signal or {}))


def draw_excess(data: xr.Dataset, ax: Any, excess_options: dict[str, Any], signal_options: dict[str, Any]) -> Any:
    """Draw the excess of what `along_energy` returns."""
    ax, axis = energy_axes(data, ax, "Excess counts")
    filled = data["counts"].values + data["background"].values > 0
    values = (data["counts"] - data["background"]).where(filled).values
    points(ax, axis, values, data["error"].values, **{"label": "Excess", **excess_options})
    if "npred_signal" in data:
        steps(ax, axis, data["npred_signal"].values, **{"label": "Predicted signal", **signal_options})
    ax.set_yscale("log")
    positive = values[values > 0]
    if positive.size:
        ax.set_ylim(positive.min() / 5, (values + data["error"].values)[filled].max() * 2)
    draw_legend(ax)
    return ax


def draw_masks(ax: Any, axis: Axis, data: xr.Dataset, own: dict[str, dict[str, Any]]) -> None:
    """Shade the energies inside each mask of what `masks_along_energy` returns."""
    for name, options in _BANDS.items():
        if name in data:
            band(ax, axis, data[name].values, **{**options, **own.get(name, {})})
