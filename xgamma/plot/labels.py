"""Texts for axes, titles and colour bars."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.models.pictures import SED_LABELS
from xgamma.schema import AXES, base_name
from xgamma.units import unit_of

__all__ = [
    "axis_label",
    "bin_titles",
    "draw_legend",
    "energy_text",
    "title_of",
    "unit_text",
    "value_label",
    "with_unit",
]

_SKY = {
    "galactic": ("Galactic longitude", "Galactic latitude"),
    "icrs": ("Right ascension", "Declination"),
    "fk5": ("Right ascension", "Declination"),
}

_NAMES = {"psf": "Point spread function", "edisp": "Energy dispersion", **SED_LABELS}


_ENERGIES = ("TeV", "GeV", "MeV", "keV")
_SMALL, _LARGE = 1e-3, 999.5
"""Between these, three digits are written without a power of ten."""


def with_unit(text: str, unit: str) -> str:
    """Append a unit in brackets, if there is one."""
    return f"{text} [{unit}]" if unit else text


def unit_text(unit: Any) -> str:
    """Return a unit as people write it."""
    return "deg" if unit == u.deg else unit.to_string("unicode")


def value_label(da: xr.DataArray, unit: Any = None) -> str:
    """Name and unit of what an array holds; the unit may be given if values are shown in another."""
    name = str(da.name) if da.name is not None else str(da.attrs.get("long_name", "value"))
    text = _NAMES.get(name) or name[:1].upper() + name[1:].replace("_", " ")
    return with_unit(text, unit_text(unit_of(da) if unit is None else unit))


def axis_label(axis: Axis) -> str:
    """Meaning and unit of an axis."""
    name = base_name(axis.name)
    text = {"energy": "Energy", "energy_true": "True energy", "rad": "Offset", "migra": "Reconstructed / true energy"}
    return with_unit(text.get(name, name), axis.unit)


def sky_labels(frame: str) -> tuple[str, str]:
    """Names of longitude and latitude in a frame, with their unit."""
    lon, lat = _SKY.get(frame, ("Longitude", "Latitude"))
    return with_unit(lon, "deg"), with_unit(lat, "deg")


def _readable(values: np.ndarray, unit: Any) -> tuple[np.ndarray, Any]:
    """Return energies in a unit in which three digits are no powers of ten: their own, or else one that suits them."""
    if not u.Unit(unit).is_equivalent("TeV"):
        return values, unit
    for name, least in [(unit, _SMALL), *((name, least) for least in (1, _SMALL) for name in _ENERGIES)]:
        shown = (values * u.Unit(unit)).to_value(name)
        if shown.size and shown.min() >= least and shown.max() < _LARGE:
            return shown, name
    return values, unit


def energy_text(energy: u.Quantity) -> str:
    """Return an energy as people write it."""
    (value,), unit = _readable(np.array([energy.value]), energy.unit)
    return f"{value:.3g} {unit}"


def bin_titles(axis: Axis) -> list[str]:
    """Edges and unit of each bin, or the value of each node."""
    if axis.node_type == "center":
        nodes, unit = _readable(axis.center, axis.unit)
        return [f"{value:.3g} {unit}".strip() for value in nodes]
    (lower, upper), unit = _readable(np.stack([axis.lower, axis.upper]), axis.unit)
    return [f"{low:.3g} - {high:.3g} {unit}".strip() for low, high in zip(lower, upper, strict=True)]


def title_of(da: xr.DataArray) -> str:
    """Return the bins that an array was taken from: those of the axes that it has as scalar coordinates."""
    parts = []
    for name, coord in da.coords.items():
        if coord.ndim or base_name(str(name)) not in AXES:
            continue
        low, high = (da.coords.get(f"{name}_{end}") for end in ("min", "max"))
        nodes = coord.attrs.get("node_type") == "center"
        ends = [low, high] if low is not None and high is not None and not nodes else [coord]
        numbers = np.array([part.values for part in ends], dtype=float)
        if np.isfinite(numbers).all():
            numbers, unit = _readable(numbers, coord.attrs.get("units", ""))
            parts.append(f"{' - '.join(f'{number:.3g}' for number in numbers)} {unit}".strip())
    return ", ".join(parts)


def draw_legend(ax: Any, **options: Any) -> None:
    """Draw a legend that names data first, then what is drawn to compare, then masks."""
    from matplotlib.collections import Collection
    from matplotlib.container import ErrorbarContainer

    def place(handle: Any) -> int:
        return 0 if isinstance(handle, ErrorbarContainer) else 2 if isinstance(handle, Collection) else 1

    found = zip(*ax.get_legend_handles_labels(), strict=True)
    handles, labels = zip(*sorted(found, key=lambda pair: place(pair[0])), strict=True)
    ax.legend(handles, labels, **options)
