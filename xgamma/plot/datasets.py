"""Quick looks at datasets."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.irf.lookup import sky_dims
from xgamma.plot.arrays import plot
from xgamma.plot.labels import bin_titles
from xgamma.plot.sky import image, sky_axes
from xgamma.predict import models_for, npred, npred_background

__all__ = ["peek"]


def peek(ds: xr.Dataset, models: Any = None, figsize: tuple[float, float] = (11, 8.5)) -> Any:
    """Draw what a dataset holds, in four panels; computes lazy data.

    Parameters
    ----------
    ds : Dataset
        A map or region dataset with ``counts``.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.
    figsize : pair of float
        Size of the figure in inches.

    Returns
    -------
    ndarray of Axes, shape (2, 2)
        Of a map: counts and predicted counts summed over energy, exposure in the middle bin, and the excess over the
        predicted background inside the masks, with their border drawn. Of a spectrum: counts, predicted counts,
        exposure and excess along energy. A panel for which there are no data says so.

    Raises
    ------
    ValueError
        If there are no counts.
    """
    import matplotlib.pyplot as plt

    if "counts" not in ds:
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no variable 'counts' to draw.")
    chosen = models_for(ds, models)
    panels: list[tuple[str, xr.DataArray | None]] = [("Counts", ds["counts"])]
    predicted = npred(ds, chosen) if len(chosen) or "background" in ds else None
    if predicted is not None and not len(chosen):
        predicted = predicted.rename("background")
    panels.append(("Predicted counts" if len(chosen) else "Background", predicted))
    panels.append(("Exposure", ds.get("exposure")))
    inside = _inside(ds)
    excess = None
    if "background" in ds:
        difference = ds["counts"].variable - npred_background(ds, chosen).variable.transpose(*ds["counts"].dims)
        excess = ds["counts"].copy(data=difference.where(inside.variable).data).rename("excess")
    panels.append(("Excess inside the masks", excess))

    figure = plt.figure(figsize=figsize, layout="constrained")
    axes = np.empty((2, 2), dtype=object)
    for i, (title, array) in enumerate(panels):
        place = (2, 2, i + 1)
        if array is None:
            ax = figure.add_subplot(*place)
            ax.text(0.5, 0.5, "no data", ha="center", va="center", transform=ax.transAxes)
            ax.set_axis_off()
        else:
            ax, title = _panel(figure, place, array, title)
        ax.set_title(title)
        axes.flat[i] = ax
    if sky_dims(ds["counts"]) is not None:
        _draw_border(axes[0, 0], inside)
        _draw_border(axes[1, 1], inside)
    figure.suptitle(str(ds.attrs.get("name", "")))
    return axes


def _inside(ds: xr.Dataset) -> xr.DataArray:
    inside = xr.ones_like(ds["counts"], dtype=bool)
    for name in ("mask_safe", "mask_fit"):
        if name in ds:
            both = inside.variable & ds[name].variable
            inside = inside.copy(data=both.transpose(*inside.dims).data)
    return inside


def _panel(figure: Any, place: tuple[int, ...], array: xr.DataArray, title: str) -> tuple[Any, str]:
    from matplotlib.colors import PowerNorm

    sky = sky_dims(array)
    if sky is None:
        return plot(array, ax=figure.add_subplot(*place)), title
    energy = next(str(dim) for dim in array.dims if dim not in sky)
    if energy == "energy":
        options: dict[str, Any] = {} if array.name == "excess" else {"norm": PowerNorm(0.5, vmin=0)}
        image = array.astype(float).sum(energy, keep_attrs=True, min_count=1)
        return plot(image, ax=sky_axes(array, figure, place), **options), title
    middle = array.sizes[energy] // 2
    text = bin_titles(Axis.from_dataset(array, energy))[middle]
    return plot(array.isel({energy: middle}), ax=sky_axes(array, figure, place)), f"{title}, {text}"


def _draw_border(ax: Any, inside: xr.DataArray) -> None:
    """Draw the border of the pixels with a bin inside the masks."""
    values, _ = image(inside.any("energy"))
    values = np.nan_to_num(values)
    if 0 < values.mean() < 1:
        ax.contour(values, levels=[0.5], colors="white", linewidths=1)
