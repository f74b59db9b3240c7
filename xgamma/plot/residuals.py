"""Pictures of residuals, on the sky and along energy, and of spectra with residuals below."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xgamma.plot.arrays import draw_map
from xgamma.plot.fluxpoints import fit_of_points, residuals_of_points
from xgamma.plot.labels import draw_legend
from xgamma.plot.profiles import MASKS, along_energy, is_map
from xgamma.plot.sky import outline, sky_axes
from xgamma.plot.spectra import draw_excess, draw_masks, energy_axes
from xgamma.plot.steps import join_labels, pair_of_axes, points
from xgamma.predict import npred
from xgamma.predict.residuals import METHODS, compare
from xgamma.reduce.masks import mask, region_mask
from xgamma.schema import is_flux_points

__all__ = ["plot_fit", "plot_residuals", "plot_residuals_spatial", "plot_residuals_spectral"]

_LABELS = {
    "diff": "Data - model",
    "diff/model": "(Data - model) / model",
    "diff/sqrt(model)": "(Data - model) / sqrt(model)",
}


def plot_residuals_spatial(
    ds: xr.Dataset,
    models: Any = None,
    ax: Any = None,
    *,
    method: str = "diff",
    smooth_kernel: str = "gauss",
    smooth_radius: Any = "0.1 deg",
    colorbar: bool = True,
    **options: Any,
) -> Any:
    """Draw how the counts on the sky differ from the predicted ones, summed over energy inside the masks and smoothed.

    Parameters
    ----------
    ds : Dataset
        A map with ``counts``. Computed if lazy.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    ax : matplotlib Axes, optional
        Axes with a WCS: made anew if left out, in a new figure.
    method : {"diff", "diff/model", "diff/sqrt(model)"}
        As for `xgamma.predict.residuals.residuals`.
    smooth_kernel : {"gauss", "disk", "box"}
        Of the smoothing.
    smooth_radius : Quantity, str, float or None
        Width of the smoothing; numbers are in deg, with None there is none.
    colorbar : bool
        Whether there is a colour bar.
    **options
        For ``imshow``. Colours are even about zero unless ``vmin``, ``vmax`` or ``norm`` say otherwise.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are no counts or no map, or the method is unknown.
    """
    _check(method)
    if not is_map(ds):
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no dims on the sky: use plot_residuals_spectral.")
    inside = mask(ds)
    model = npred(ds, models)
    counts = model.copy(data=ds["counts"].variable.transpose(*model.dims).data)
    image, expected = (part.where(inside.variable, 0.0).sum("energy") for part in (counts, model))
    shown = compare(image, expected, inside.any("energy"), method, smooth_radius, smooth_kernel).compute()
    if not {"vmin", "vmax", "norm"} & options.keys():
        reach = float(abs(shown).max())
        reach = reach if reach > 0 else 1.0
        options = {"vmin": -reach, "vmax": reach, **options}
    return draw_map(shown, ax, colorbar=colorbar, label=_LABELS[method], **{"cmap": "RdBu_r", **options})


def plot_residuals_spectral(
    ds: xr.Dataset,
    models: Any = None,
    ax: Any = None,
    *,
    method: str = "diff",
    region: Any = None,
    kwargs_safe: dict[str, Any] | None = None,
    kwargs_fit: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Draw how the counts along energy differ from the predicted ones, inside the masks.

    Parameters
    ----------
    ds : Dataset
        With ``counts``; those of a map are summed. Computed if lazy.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    ax : matplotlib Axes, optional
        Made anew in a new figure if left out.
    method : {"diff", "diff/model", "diff/sqrt(model)"}
        As for `xgamma.predict.residuals.residuals`.
    region : region, SkyCoord, str, or list of regions, optional
        Pixels of a map to sum over, by default all.
    kwargs_safe, kwargs_fit : dict, optional
        For ``fill_between`` of the energies inside each mask.
    **options
        For ``errorbar``.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are no counts, the method is unknown, or there is a region of a dataset without map.
    """
    _check(method)
    own = {"mask_safe": kwargs_safe or {}, "mask_fit": kwargs_fit or {}}
    return _draw_spectral(along_energy(ds, models, region), ax, method, own, options)


def _draw_spectral(
    data: xr.Dataset, ax: Any, method: str, own: dict[str, dict[str, Any]], options: dict[str, Any]
) -> Any:
    values = compare(data["counts"], data["npred"], data["mask"], method).values
    # an error is divided as the difference is
    errors = compare(data["error"], xr.zeros_like(data["npred"]), data["mask"]).values
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = errors / {"diff": 1.0, "diff/model": data["npred"].values}.get(method, np.sqrt(data["npred"].values))
    errors = np.where(np.isfinite(values), errors, np.nan)
    ax, axis = energy_axes(data, ax, _LABELS[method])
    points(ax, axis, values, errors, **{"color": "black", **options})
    ax.axhline(0, color="black", linewidth=0.7)
    reach = np.nanmax(np.abs(values) + errors) if np.isfinite(values).any() else 0
    if reach > 0:
        ax.set_ylim(-1.1 * reach, 1.1 * reach)
    draw_masks(ax, axis, data, own)
    if any(name in data for name in MASKS):
        draw_legend(ax)
    return ax


def plot_residuals(
    ds: xr.Dataset,
    models: Any = None,
    ax: Any = None,
    *,
    method: str = "diff",
    region: Any = None,
    kwargs_spatial: dict[str, Any] | None = None,
    kwargs_spectral: dict[str, Any] | None = None,
) -> Any:
    """Draw how data differ from their prediction: on the sky and along energy for a map, along energy for other data.

    Parameters
    ----------
    ds : Dataset
        With ``counts``, or flux points. Computed if lazy.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    ax : matplotlib Axes, or a pair of them, optional
        For a map a pair: axes with a WCS, and others. Of one alone, that for which it is made is drawn. Left out, they
        are made anew in a new figure.
    method : {"diff", "diff/model", "diff/sqrt(model)"}
        As for `xgamma.predict.residuals.residuals`; for flux points the first two.
    region : region, SkyCoord, str, or list of regions, optional
        Pixels of a map to sum over along energy, by default all; it is drawn on the map.
    kwargs_spatial : dict, optional
        As for `plot_residuals_spatial`.
    kwargs_spectral : dict, optional
        As for `plot_residuals_spectral`.

    Returns
    -------
    Axes, or a pair of them
        As many as were drawn on.

    Raises
    ------
    ValueError
        If there are no counts, the method is unknown, or there is a region of a dataset without map.
    """
    if is_flux_points(ds):
        _no_region(ds, region)
        return residuals_of_points(ds, models, ax, **{"method": method, **(kwargs_spectral or {})})
    _check(method)
    spatial = {"method": method, **(kwargs_spatial or {})}
    spectral = {"method": method, "region": region, **(kwargs_spectral or {})}
    if not is_map(ds):
        return plot_residuals_spectral(ds, models, ax, **spectral)
    if ax is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(12, 4), layout="constrained")
        ax = sky_axes(ds["counts"], figure, (1, 2, 1)), figure.add_subplot(1, 2, 2)
    alone = not np.iterable(ax)
    drawn = []
    for one in [ax] if alone else ax:
        if hasattr(one, "coords"):
            drawn.append(plot_residuals_spatial(ds, models, one, **spatial))
            if spectral["region"] is not None:
                outline(one, region_mask(ds, spectral["region"]), colors="black")
        else:
            drawn.append(plot_residuals_spectral(ds, models, one, **spectral))
    return drawn[0] if alone else tuple(drawn)


def plot_fit(
    ds: xr.Dataset,
    models: Any = None,
    ax: Any = None,
    *,
    method: str | None = None,
    region: Any = None,
    kwargs_spectrum: dict[str, Any] | None = None,
    kwargs_residuals: dict[str, Any] | None = None,
) -> Any:
    """Draw the excess, or flux points, with the prediction along energy, and the residuals below.

    Parameters
    ----------
    ds : Dataset
        With ``counts``, of which those of a map are summed inside both masks; or flux points. Computed if lazy.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    ax : matplotlib Axes, or a pair of them, optional
        The upper and the lower axes; of one alone, the lower part is taken for the residuals. Left out, they are made
        anew in a new figure.
    method : {"diff", "diff/model", "diff/sqrt(model)"}, optional
        As for `xgamma.predict.residuals.residuals`, by default "diff"; for flux points the first two, by default
        "diff/model".
    region : region, SkyCoord, str, or list of regions, optional
        Pixels of a map to sum over, by default all.
    kwargs_spectrum : dict, optional
        ``kwargs_excess`` and ``kwargs_npred_signal`` as for `plot_excess`, and options for both; for flux points as for
        `xgamma.plot.plot_spectrum`.
    kwargs_residuals : dict, optional
        As for `plot_residuals_spectral`.

    Returns
    -------
    spectrum, residuals : Axes

    Raises
    ------
    ValueError
        If there are no counts, the method is unknown, or there is a region of a dataset without map.
    """
    if is_flux_points(ds):
        _no_region(ds, region)
        return fit_of_points(ds, models, ax, method or "diff/model", kwargs_spectrum, kwargs_residuals)
    below = {"method": method or "diff", **(kwargs_residuals or {})}
    _check(below["method"])
    above = dict(kwargs_spectrum or {})
    excess, signal = (above.pop(key, {}) for key in ("kwargs_excess", "kwargs_npred_signal"))
    data = along_energy(ds, models, region)
    upper, lower = pair_of_axes(ax)
    own = {name: below.pop(f"kwargs_{name[5:]}", {}) for name in MASKS}
    draw_excess(data, upper, above | excess, above | signal)
    _draw_spectral(data, lower, below.pop("method"), own, below)
    draw_masks(upper, energy_axes(data, upper, upper.get_ylabel())[1], data, own)
    draw_legend(upper)
    join_labels(upper, lower)
    if lower.get_legend():
        lower.get_legend().remove()
    return upper, lower


def _check(method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"method is {method!r}: it must be one of {list(METHODS)}")


def _no_region(ds: xr.Dataset, region: Any) -> None:
    if region is not None:
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' holds flux points, which have no pixels: leave region out."
        )
