"""Pictures of spectral models; matplotlib is imported when the first is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from xgamma.models.units import energies
from xgamma.schema import FLUX_VARIABLES, SED_TYPES
from xgamma.units import unit_on

if TYPE_CHECKING:
    from xgamma.models.spectral_base import SpectralModel

__all__ = ["SED_LABELS", "data_limits", "plot_spectral", "plot_spectral_error", "spectrum_on"]

SED_LABELS = {"norm": "Norm", "dnde": "dN/dE", "e2dnde": "E² dN/dE", "flux": "Flux", "eflux": "Energy flux"}
"""How axes of pictures name each quantity of a spectrum."""


def _label(name: str, power: float, unit: u.UnitBase) -> str:
    """Return the text at the upright side of a picture of a spectrum times a power of energy."""
    text = SED_LABELS[name]
    if power:
        text = SED_LABELS["e2dnde"] if (name, power) == ("dnde", 2) else f"E^{power:g} x {text}"
    shown = unit.to_string("unicode")
    return f"{text} [{shown}]" if shown else text


def spectrum_on(ax: Any, name: str, power: float, energy_unit: Any = "TeV") -> tuple[Any, u.UnitBase, u.UnitBase]:
    """Return axes for a spectrum, with logarithmic scales and labels, and the units on both sides.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Made anew in a new figure if None.
    name : {"norm", "dnde", "e2dnde", "flux", "eflux"}
        The quantity.
    power : float
        Power of energy by which it is multiplied.
    energy_unit : Unit or str
        Of the energies, if `ax` shows none yet.

    Raises
    ------
    ValueError
        If `ax` shows something of another unit.
    """
    import matplotlib.pyplot as plt

    ax = plt.figure(layout="constrained").add_subplot() if ax is None else ax
    unit = u.Unit(FLUX_VARIABLES[name].unit) * u.TeV**power
    right, up = unit_on(ax.xaxis, energy_unit), unit_on(ax.yaxis, unit)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(f"Energy [{right.to_string('unicode')}]")
    ax.set_ylabel(_label(name, power, up))
    return ax, right, up


@contextmanager
def data_limits(ax: Any, x: np.ndarray, y: np.ndarray) -> Iterator[None]:
    """Let the limits of axes follow from points alone, whatever else is drawn inside the context.

    Parameters
    ----------
    ax : matplotlib Axes
        The limits of what was drawn on it before stay in force.
    x, y : ndarray
        The points; on logarithmic scales those that are not positive do not count.
    """
    from matplotlib.transforms import Bbox

    before = ax.dataLim.frozen() if ax.has_data() else Bbox.null()
    good = np.isfinite(x) & np.isfinite(y) & (y > 0)
    points = np.stack([x[good], y[good]], axis=1)
    # Some artists ask for the limits while they are made, which logarithmic scales have only where there are points.
    ax.update_datalim(points)
    yield
    ax.dataLim = before
    ax.update_datalim(points)
    ax.autoscale_view()


def plot_spectral(
    model: SpectralModel,
    energy_bounds: Any,
    ax: Any = None,
    sed_type: str | None = None,
    energy_power: float = 0,
    n_points: int = 100,
    **options: Any,
) -> Any:
    """Draw a spectral model as a line, see `xgamma.models.SpectralModel.plot`."""
    ax, energy, values, _ = _curve(model, energy_bounds, ax, sed_type, energy_power, n_points, errors=False)
    ax.plot(energy, values, **options)
    return ax


def plot_spectral_error(
    model: SpectralModel,
    energy_bounds: Any,
    ax: Any = None,
    sed_type: str | None = None,
    energy_power: float = 0,
    n_points: int = 100,
    n_sigma: float = 1.0,
    **options: Any,
) -> Any:
    """Draw the errors of a spectral model as a band, see `xgamma.models.SpectralModel.plot_error`."""
    ax, energy, values, errors = _curve(model, energy_bounds, ax, sed_type, energy_power, n_points, errors=True)
    # On a logarithmic scale a band that reaches zero goes on to the lower end of the axes.
    low = np.maximum(values - n_sigma * errors, np.finfo(float).tiny)
    high = values + n_sigma * errors
    defaults = {"facecolor": "black", "alpha": 0.2, "linewidth": 0}
    with data_limits(ax, np.tile(energy, 2), np.concatenate([values, high])):
        ax.fill_between(energy, low, high, **{**defaults, **options})
    return ax


def _curve(
    model: SpectralModel, bounds: Any, ax: Any, sed_type: str | None, power: float, n_points: int, errors: bool
) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """Return axes, and energies, values and errors in their units."""
    name = _quantity_of(model, sed_type)
    edges, unit = _edges(bounds, n_points, integral=name in ("flux", "eflux"))
    value, error = _values(model, name, edges, errors)
    energy = np.sqrt(edges[:-1] * edges[1:]) if value.size < edges.size else edges
    ax, right, up = spectrum_on(ax, name, power, unit)
    factor = (energy * u.TeV) ** power
    return ax, (energy * u.TeV).to_value(right), (value * factor).to_value(up), (error * factor).to_value(up)


def _quantity_of(model: SpectralModel, sed_type: str | None) -> str:
    if model.is_norm_spectral_model:
        if sed_type not in (None, "norm", "likelihood"):
            raise ValueError(f"{type(model).__name__} is a factor without unit: only sed_type 'norm' can be drawn")
        return "norm"
    chosen = "dnde" if sed_type is None else sed_type
    if chosen not in SED_TYPES or chosen == "likelihood":
        known = ", ".join(name for name in SED_TYPES if name != "likelihood")
        raise ValueError(f"sed_type is {sed_type!r}: a spectral model is drawn in one of {known}")
    return chosen


def _edges(bounds: Any, n_points: int, integral: bool) -> tuple[np.ndarray, u.UnitBase]:
    """Return energies in TeV, logarithmically even, one more if they are edges of bins; and the unit of the bounds."""
    try:
        pair = u.Quantity(bounds) if isinstance(bounds, u.Quantity) else u.Quantity([u.Quantity(end) for end in bounds])
        low, high = energies(pair, "energy_bounds")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"energy_bounds is {bounds!r}: it must be a pair of energies, such as ['1 TeV', '10 TeV']"
        ) from error
    if not low < high or n_points < 2:
        raise ValueError(
            f"energy_bounds is {bounds!r} with {n_points} points: the first must be the lower energy, "
            "and two points are the fewest"
        )
    return np.geomspace(low, high, n_points + integral), pair.unit


def _values(model: SpectralModel, name: str, edges: np.ndarray, errors: bool) -> tuple[u.Quantity, u.Quantity]:
    energy = edges * u.TeV
    function, arguments = "evaluate", [energy]
    if name in ("flux", "eflux"):
        function, arguments = {"flux": "integral", "eflux": "energy_flux"}[name], [energy[:-1], energy[1:]]
    scale = energy**2 if name == "e2dnde" else 1
    if errors:
        value, error = getattr(model, f"{function}_error")(*arguments)
        return value * scale, error * scale
    value = getattr(model, function)(*arguments)
    return value * scale, 0 * value * scale
