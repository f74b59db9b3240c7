"""Pictures of masks."""

from __future__ import annotations

from typing import Any

import xarray as xr

from xgamma.coords import Axis
from xgamma.plot.arrays import draw_map
from xgamma.plot.labels import draw_legend
from xgamma.plot.profiles import MASKS, is_map, masks_along_energy
from xgamma.plot.sky import outline
from xgamma.plot.spectra import draw_masks
from xgamma.plot.steps import axes_along
from xgamma.reduce.masks import mask

__all__ = ["draw_borders", "plot_masks"]

_LINES = {"mask_safe": ("Safe mask", "tab:gray", "--"), "mask_fit": ("Fit mask", "tab:green", "-")}


def plot_masks(
    ds: xr.Dataset,
    ax: Any = None,
    *,
    kwargs_safe: dict[str, Any] | None = None,
    kwargs_fit: dict[str, Any] | None = None,
) -> Any:
    """Draw where masks leave data: borders on the sky, or bands along energy.

    Parameters
    ----------
    ds : Dataset
        With ``counts`` and ``mask_safe``, ``mask_fit`` or both. Computed if lazy.
    ax : matplotlib Axes, optional
        Of a picture to which they are added. Without a WCS, energies are shaded in which any pixel is inside. Left out,
        a map is drawn that tells how many bins of energy are inside both masks, and a spectrum on its own.
    kwargs_safe, kwargs_fit : dict, optional
        For ``contour`` on the sky, and for ``fill_between`` along energy.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are no counts, or no masks.
    """
    if not any(name in ds for name in MASKS):
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no masks: neither {' nor '.join(MASKS)}.")
    own = {"mask_safe": kwargs_safe or {}, "mask_fit": kwargs_fit or {}}
    if is_map(ds) and (ax is None or hasattr(ax, "coords")):
        if ax is None:
            ax = draw_map(mask(ds).sum("energy").rename("bins inside all masks"), cmap="Greys", vmin=0)
        draw_borders(ds, ax, own)
        return ax
    ax, axis = axes_along(ax, Axis.from_dataset(ds, "energy"))
    if not ax.has_data():
        ax.set_yticks([])
        ax.set_xlim(axis.lower.min(), axis.upper.max())
    draw_masks(ax, axis, masks_along_energy(ds).compute(), own)
    draw_legend(ax)
    return ax


def draw_borders(ds: xr.Dataset, ax: Any, own: dict[str, dict[str, Any]]) -> None:
    """Draw the border of the pixels with a bin inside each mask, with a legend."""
    from matplotlib.lines import Line2D

    handles = []
    for name in MASKS:
        if name in ds:
            label, color, style = _LINES[name]
            options = {"colors": color, "linestyles": style, **own.get(name, {})}
            outline(ax, ds[name].any("energy") if "energy" in ds[name].dims else ds[name], **options)
            handles.append(Line2D([], [], color=options["colors"], linestyle=options["linestyles"], label=label))
    ax.legend(handles=handles, loc="upper right")
