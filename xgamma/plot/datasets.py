"""Quick looks at datasets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from xgamma.irf.lookup import sky_dims
from xgamma.models import Models, SkyModel
from xgamma.onoff import background, is_onoff
from xgamma.plot.arrays import draw_map, plot
from xgamma.plot.fluxpoints import fit_of_points, plot_flux_points
from xgamma.plot.labels import title_of
from xgamma.plot.masks import draw_borders, plot_masks
from xgamma.plot.profiles import MASKS, is_map
from xgamma.plot.responses import plot_containment_radius, plot_matrix
from xgamma.plot.sky import sky_axes
from xgamma.plot.spectra import plot_counts
from xgamma.predict import models_for, npred, npred_background
from xgamma.reduce.masks import mask
from xgamma.schema import is_flux_points

__all__ = ["peek"]


@dataclass(frozen=True)
class Panel:
    """A part of a quick look.

    Attributes
    ----------
    title : str
    draw : callable, optional
        Draws on axes; left out, there are no data.
    sky : DataArray, optional
        The map on whose sky the panel lies.
    """

    title: str
    draw: Callable[[Any], Any] | None = None
    sky: xr.DataArray | None = None


def peek(ds: xr.Dataset, models: Any = None, figsize: tuple[float, float] | None = None) -> Any:
    """Draw what a dataset holds; computes lazy data.

    Parameters
    ----------
    ds : Dataset
        With ``counts``, or flux points.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    figsize : pair of float, optional
        Size of the figure in inches.

    Returns
    -------
    ndarray of Axes
        Of a map, shape (2, 3): counts, with the borders of the masks, and predicted counts, summed over energy; the
        excess over the background inside the masks; exposure in the middle bin, containment radii and energy
        dispersion at the centre. Of a spectrum, shape (3,): counts and exposure along energy, energy dispersion, and
        (4,) with containment radii where it has a point spread function. A panel for which there are no data says so.
        Of flux points, shape (1,), or (2,) with the residuals of source models.

    Raises
    ------
    ValueError
        If there are no counts.
    """
    import matplotlib.pyplot as plt

    if is_flux_points(ds):
        return _peek_points(ds, models, figsize)
    on_sky = is_map(ds)
    panels = (_map_panels if on_sky else _spectrum_panels)(ds, models_for(ds, models))
    shape = (2, 3) if on_sky else (1, len(panels))
    figure = plt.figure(figsize=figsize or (5 * shape[1], 3.8 * shape[0]), layout="constrained")
    axes = np.empty(len(panels), dtype=object)
    for i, panel in enumerate(panels):
        place = (*shape, i + 1)
        ax = figure.add_subplot(*place) if panel.sky is None else sky_axes(panel.sky, figure, place)
        if panel.draw is None:
            ax.text(0.5, 0.5, "no data", ha="center", va="center", transform=ax.transAxes)
            ax.set_axis_off()
        else:
            panel.draw(ax)
        ax.set_title(panel.title)
        axes[i] = ax
    figure.suptitle(str(ds.attrs.get("name", "")))
    return axes.reshape(shape) if on_sky else axes


def _peek_points(ds: xr.Dataset, models: Any, figsize: tuple[float, float] | None) -> Any:
    """Draw flux points, with models and residuals if there are models."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=figsize or (7, 6), layout="constrained")
    if any(isinstance(model, SkyModel) for model in models_for(ds, models)):
        drawn: tuple[Any, ...] = fit_of_points(
            ds, models, tuple(figure.subplots(2, 1, sharex=True, height_ratios=(7, 3)))
        )
    else:
        drawn = (plot_flux_points(ds, figure.add_subplot(), sed_type="e2dnde"),)
    figure.suptitle(str(ds.attrs.get("name", "")))
    return np.array(drawn, dtype=object)


def _map_panels(ds: xr.Dataset, models: Models) -> list[Panel]:
    counts = ds["counts"]
    known = background(ds) if is_onoff(ds) else npred_background(ds, models) if "background" in ds else None
    panels = [Panel("Counts", lambda ax: _counts_and_masks(ds, ax), counts)]
    if len(models):
        predicted = npred(ds, models)
        panels.append(Panel("Predicted counts", lambda ax: _total(predicted.rename("predicted counts"), ax), counts))
    elif known is not None:
        panels.append(Panel("Background", lambda ax: _total(known.rename("background"), ax), counts))
    else:
        panels.append(Panel("Background"))
    excess = None if known is None else partial(_excess, ds, known)
    panels.append(Panel("Excess inside the masks", excess, None if known is None else counts))
    return [*panels, _exposure_panel(ds), *_response_panels(ds)]


def _spectrum_panels(ds: xr.Dataset, models: Models) -> list[Panel]:
    panels = [Panel("Counts", lambda ax: _counts_along_energy(ds, models, ax)), _exposure_panel(ds)]
    return panels + _response_panels(ds)[0 if "psf" in ds else 1 :]


def _total(array: xr.DataArray, ax: Any) -> None:
    from matplotlib.colors import PowerNorm

    draw_map(array.astype(float).sum("energy", keep_attrs=True), ax, norm=PowerNorm(0.5, vmin=0))


def _counts_and_masks(ds: xr.Dataset, ax: Any) -> None:
    _total(ds["counts"], ax)
    if any(name in ds for name in MASKS):
        draw_borders(ds, ax, {"mask_safe": {"colors": "white"}, "mask_fit": {"colors": "tab:red"}})
        # White lines need a dark ground in the legend too.
        ax.get_legend().get_frame().set(facecolor="0.3", alpha=0.8)
        for text in ax.get_legend().get_texts():
            text.set_color("white")


def _excess(ds: xr.Dataset, known: xr.DataArray, ax: Any) -> None:
    difference = ds["counts"].astype(float) - known.variable
    image = difference.where(mask(ds).variable).sum("energy", min_count=1).rename("excess")
    draw_map(image, ax)


def _counts_along_energy(ds: xr.Dataset, models: Models, ax: Any) -> None:
    plot_counts(ds, models, ax)
    if any(name in ds for name in MASKS):
        plot_masks(ds, ax)


def _exposure_panel(ds: xr.Dataset) -> Panel:
    exposure = ds.get("exposure")
    sky = None if exposure is None else sky_dims(exposure)
    if exposure is None or sky is None:
        return Panel("Exposure", None if exposure is None else lambda ax: _exposure_along_energy(exposure, ax))
    energy = next(str(dim) for dim in exposure.dims if dim not in sky)
    middle = exposure.isel({energy: exposure.sizes[energy] // 2})
    return Panel(f"Exposure, {title_of(middle)}", lambda ax: draw_map(middle, ax), exposure)


def _exposure_along_energy(exposure: xr.DataArray, ax: Any) -> None:
    plot(exposure, ax)
    if (exposure > 0).any():
        ax.set_yscale("log")


def _response_panels(ds: xr.Dataset) -> list[Panel]:
    return [
        Panel("Point spread function", (lambda ax: plot_containment_radius(ds, ax=ax)) if "psf" in ds else None),
        Panel("Energy dispersion", (lambda ax: plot_matrix(ds, ax=ax)) if "edisp" in ds else None),
    ]
