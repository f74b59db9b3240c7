"""Edges of energy bins."""

from __future__ import annotations

import math
from typing import Any

import astropy.units as u
import numpy as np

from xgamma.coords.labels import to_value

__all__ = ["energy_edges"]


def energy_edges(energy_min: Any, energy_max: Any, nbin: int, per_decade: bool = False) -> u.Quantity:
    """Return edges of energy bins that are even in the logarithm.

    Parameters
    ----------
    energy_min, energy_max : str, Quantity or number
        Ends of the axis; numbers are in TeV.
    nbin : int
        Number of bins, or of bins a decade.
    per_decade : bool
        Whether `nbin` counts the bins of a decade. The bins then are made a little narrower, where needed, so that a
        whole number of them fits.

    Returns
    -------
    Quantity
        Edges in the unit of `energy_max`.

    Raises
    ------
    ValueError
        If the limits are no energies or in the wrong order, or `nbin` is below one.
    """
    top = u.Quantity(energy_max) if isinstance(energy_max, str | u.Quantity) else energy_max * u.TeV
    limits = [float(to_value(value, u.TeV, "an energy")) for value in (energy_min, top)]
    if not 0 < limits[0] < limits[1]:
        raise ValueError(f"energies from {energy_min} to {energy_max} do not rise from above zero")
    if not per_decade and nbin != int(nbin):
        raise ValueError(f"nbin is {nbin}: give a whole number of bins")
    if nbin < 1:
        raise ValueError(f"nbin is {nbin}: there must be at least one bin")
    low, high = float((limits[0] * u.TeV).to_value(top.unit)), float(top.value)
    if per_decade:
        # a whole number of decades must not gain a bin by rounding
        nbin = math.ceil(math.log10(limits[1] / limits[0]) * nbin - 1e-9)
    return np.geomspace(low, high, int(nbin) + 1) * top.unit
