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

__all__ = ["axis_label", "bin_titles", "title_of", "unit_text", "value_label", "with_unit"]

_SKY = {
    "galactic": ("Galactic longitude", "Galactic latitude"),
    "icrs": ("Right ascension", "Declination"),
    "fk5": ("Right ascension", "Declination"),
}

_NAMES = {"psf": "Point spread function", "edisp": "Energy dispersion", **SED_LABELS}


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


def bin_titles(axis: Axis) -> list[str]:
    """Edges and unit of each bin, or the value of each node."""
    if axis.node_type == "center":
        return [f"{value:.3g} {axis.unit}".strip() for value in axis.center]
    return [f"{low:.3g} - {high:.3g} {axis.unit}".strip() for low, high in zip(axis.lower, axis.upper, strict=True)]


def title_of(da: xr.DataArray) -> str:
    """Return the bins that an array was taken from: those of the axes that it has as scalar coordinates."""
    parts = []
    for name, coord in da.coords.items():
        if coord.ndim or base_name(str(name)) not in AXES:
            continue
        unit = coord.attrs.get("units", "")
        low, high = (da.coords.get(f"{name}_{end}") for end in ("min", "max"))
        if low is not None and high is not None and coord.attrs.get("node_type") != "center":
            parts.append(f"{float(low):.3g} - {float(high):.3g} {unit}")
        elif np.isfinite(float(coord)):
            parts.append(f"{float(coord):.3g} {unit}")
    return ", ".join(part.strip() for part in parts)
