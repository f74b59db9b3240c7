"""Pictures of responses: energy dispersion and point spread function at a position."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.irf import edisp, psf
from xgamma.plot.labels import axis_label, energy_text, unit_text, with_unit
from xgamma.plot.steps import axes_along, scaled
from xgamma.units import unit_of, unit_on

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["plot_bias", "plot_containment_radius", "plot_matrix", "plot_psf_vs_rad"]

_DECADES = 6
"""How many powers of ten below its largest value a profile is shown."""


def plot_matrix(
    ds: xr.Dataset, position: SkyCoord | None = None, ax: Any = None, *, colorbar: bool = True, **options: Any
) -> Any:
    """Draw the energy dispersion: the probability of each reconstructed energy at each true energy.

    Parameters
    ----------
    ds : Dataset
        With ``edisp``. Computed if lazy.
    position : SkyCoord, optional
        By default the centre of the map of ``edisp``.
    ax : matplotlib Axes, optional
        Made anew in a new figure if left out.
    colorbar : bool
        Whether there is a colour bar.
    **options
        For ``pcolormesh``, such as ``cmap`` or ``norm``; by default colours go with the square root.

    Returns
    -------
    Axes
        With true energies to the right.

    Raises
    ------
    ValueError
        If there is no ``edisp``.
    """
    from matplotlib.colors import PowerNorm

    kernel = edisp.kernel(ds, position)
    true, energy = (Axis.from_dataset(kernel, str(dim)) for dim in kernel.dims)
    ax, true = axes_along(ax, true)
    energy = energy.to(unit_on(ax.yaxis, true.unit))
    norm = {} if {"norm", "vmin", "vmax"} & options.keys() else {"norm": PowerNorm(0.5, vmin=0, vmax=1)}
    drawn = ax.pcolormesh(true.edges, energy.edges, kernel.values.T, **{"cmap": "GnBu", **norm, **options})
    ax.set_yscale("log" if energy.interp == "log" else "linear")
    ax.set_ylabel(axis_label(energy))
    if colorbar:
        ax.figure.colorbar(drawn, ax=ax, label="Probability")
    return ax


def plot_bias(ds: xr.Dataset, position: SkyCoord | None = None, ax: Any = None, **options: Any) -> Any:
    """Draw the mean relative error of reconstructed energies.

    Parameters
    ----------
    ds : Dataset
        With ``edisp``. Computed if lazy.
    position : SkyCoord, optional
        By default the centre of the map of ``edisp``.
    ax : matplotlib Axes, optional
        Made anew in a new figure if left out.
    **options
        For ``plot``, such as ``color`` or ``label``.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is no ``edisp``.
    """
    bias = edisp.bias(ds, position=position)
    ax, true = axes_along(ax, Axis.from_dataset(bias, str(bias.dims[0])))
    values, _ = scaled(ax, bias.values, "")
    ax.plot(true.center, values, **options)
    ax.set_ylabel("Bias, (energy - true energy) / true energy")
    return ax


def plot_containment_radius(
    ds: xr.Dataset,
    fraction: float | Iterable[float] = (0.68, 0.95),
    position: SkyCoord | None = None,
    ax: Any = None,
    **options: Any,
) -> Any:
    """Draw the radius that holds a part of the events of a point source, along true energy.

    Parameters
    ----------
    ds : Dataset
        With ``psf``. Computed if lazy.
    fraction : float or list of float
        Between 0 and 1, a line for each.
    position : SkyCoord, optional
        By default the centre of the PSF's map.
    ax : matplotlib Axes, optional
        Made anew in a new figure if left out.
    **options
        For ``plot``, such as ``linestyle``.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is no ``psf``, or a fraction is not between 0 and 1.
    """
    for part in np.atleast_1d(np.asarray(fraction, dtype=float)):
        radius = psf.containment_radius(ds, float(part), position=position)
        ax, energy = axes_along(ax, Axis.from_dataset(ds["psf"], psf.energy_dim(ds["psf"])))
        values, unit = scaled(ax, radius.values, unit_of(radius))
        ax.plot(energy.center, values, **{"label": f"{100 * part:.3g} %", **options})
        ax.set_ylabel(with_unit("Containment radius", unit_text(unit)))
    ax.set_ylim(bottom=0)
    ax.legend(title="Containment")
    return ax


def plot_psf_vs_rad(
    ds: xr.Dataset, energy_true: Any = None, position: SkyCoord | None = None, ax: Any = None, **options: Any
) -> Any:
    """Draw profiles of the point spread function.

    Parameters
    ----------
    ds : Dataset
        With ``psf``. Computed if lazy.
    energy_true : Quantity or str, optional
        One energy or several, a line for each; by default 0.1, 1 and 10 TeV as far as the table has them; its first,
        middle and last energy if it has one of them at most.
    position : SkyCoord, optional
        By default the centre of the PSF's map.
    ax : matplotlib Axes, optional
        Made anew in a new figure if left out.
    **options
        For ``plot``, such as ``linestyle``.

    Returns
    -------
    Axes
        That show the uppermost six decades.

    Raises
    ------
    ValueError
        If there is no ``psf``.
    """
    table = np.asarray(psf.profiles(ds, position), dtype=np.float64)
    axis = Axis.from_dataset(ds["psf"], psf.energy_dim(ds["psf"]))
    energies = np.atleast_1d(_energies(axis) if energy_true is None else u.Quantity(energy_true))
    profiles = psf.energy_matrix(axis, energies) @ table
    ax, rad = axes_along(ax, Axis.from_dataset(ds["psf"], "rad"))
    values, unit = scaled(ax, profiles, unit_of(ds["psf"]))
    for energy, line in zip(energies, values, strict=True):
        ax.plot(rad.center, line, **{"label": energy_text(energy), **options})
    ax.set_yscale("log")
    if values.max() > 0:
        ax.set_ylim(values.max() / 10**_DECADES, values.max() * 2)
    ax.set_ylabel(with_unit("Point spread function", unit_text(unit)))
    ax.legend(title="True energy")
    return ax


def _energies(axis: Axis) -> u.Quantity:
    usual = u.Quantity([0.1, 1, 10], "TeV").to(axis.unit)
    inside = usual[(usual.value >= axis.lower.min()) & (usual.value <= axis.upper.max())]
    if inside.size > 1:
        return inside.to("TeV")
    return u.Quantity(axis.center[np.unique([0, axis.size // 2, axis.size - 1])], axis.unit)
