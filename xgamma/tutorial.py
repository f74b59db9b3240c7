"""Sample data that need no file, in the manner of `xarray.tutorial`.

They are simulated from simple formulas for the responses of an instrument like an array of Cherenkov telescopes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.coordinates import SkyCoord

from xgamma.coords import Axis, SkyGrid, energy_edges
from xgamma.create import create_map_dataset
from xgamma.history import record
from xgamma.models import (
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from xgamma.predict import assign_models, npred
from xgamma.schema import VARIABLES

__all__ = ["SAMPLES", "open_dataset"]

_SEED = 20261124
_POINTING = SkyCoord(0.1, 0.1, unit="deg", frame="galactic")
_LIVETIME = 5 * 3600.0
_FIELD_OF_VIEW = 1.6


def open_dataset(name: str = "gc", chunks: Any = None) -> xr.Dataset:
    """Return sample data, the same at every call.

    Parameters
    ----------
    name : {"gc"}
        ``"gc"``: a map dataset about the Galactic centre, five hours of one pointing simulated in a fraction of a
        second: 8 energy bins from 0.3 to 30 TeV, 50 x 60 pixels of 0.05 deg; a point source ``gc`` and an extended
        one ``shock`` above a background. The models with which it was simulated are stored with it.
    chunks : dict, int or "auto", optional
        Makes the variables lazy, as `xarray.Dataset.chunk` does.

    Returns
    -------
    Dataset
        ``counts`` (Poisson, with a fixed seed), ``background``, ``exposure``, ``psf`` and ``edisp`` on a coarse grid
        with their exposures, ``mask_safe``, two good time intervals, ``livetime``.

    Raises
    ------
    ValueError
        If there is no sample of that name.

    Examples
    --------
    >>> import xgamma.tutorial
    >>> ds = xgamma.tutorial.open_dataset("gc")
    >>> dict(ds.counts.sizes)
    {'energy': 8, 'y': 50, 'x': 60}
    """
    if name not in SAMPLES:
        raise ValueError(f"There is no sample '{name}', only {sorted(SAMPLES)}.")
    ds = SAMPLES[name]()
    return ds if chunks is None else ds.chunk(chunks)


def _galactic_center() -> xr.Dataset:
    empty = create_map_dataset(
        center=(0.0, 0.0),
        width=(3.0, 2.5),
        binsz=0.05,
        frame="galactic",
        energy=energy_edges("0.3 TeV", "30 TeV", nbin=8),
        energy_true=energy_edges("0.2 TeV", "45 TeV", nbin=12),
        rad=np.linspace(0, 0.6, 61) * u.deg,
        binsz_irf=0.5,
        gti=([0, 10000] * u.s, [9500, 19500] * u.s),
        name="gc",
    )
    energy, true = (Axis.from_dataset(empty, dim) for dim in ("energy", "energy_true"))
    offset = _offset(SkyGrid.from_dataset(empty))
    values = {
        "background": _background(energy, offset),
        "exposure": _exposure(true, offset),
        "mask_safe": _mask_safe(energy, offset),
        "psf": _psf(true, Axis.from_dataset(empty, "rad"), _offset(SkyGrid.from_dataset(empty, "psf"))),
        "edisp": _edisp(true, energy, _offset(SkyGrid.from_dataset(empty, "edisp"))),
        "psf_exposure": _exposure(true, _offset(SkyGrid.from_dataset(empty, "psf"))),
        "edisp_exposure": _exposure(true, _offset(SkyGrid.from_dataset(empty, "edisp"))),
    }
    ds = empty.assign({key: empty[key].copy(data=value) for key, value in values.items()})
    ds["livetime"] = ((), _LIVETIME, {"long_name": VARIABLES["livetime"].meaning, "units": "s"})
    models = _models()
    expected = npred(ds, models)
    counts = np.random.default_rng(_SEED).poisson(expected.values)
    ds["counts"] = ds["counts"].copy(data=counts.astype(np.float64))
    ds.attrs["history"] = ""
    return assign_models(record(ds, "tutorial.open_dataset('gc')"), models)


SAMPLES: dict[str, Callable[[], xr.Dataset]] = {"gc": _galactic_center}


def _models() -> Models:
    point = SkyModel(
        PowerLawSpectralModel(index=2.2, amplitude="4e-12 cm-2 s-1 TeV-1"),
        PointSpatialModel(lon_0="0 deg", lat_0="0 deg", frame="galactic"),
        name="gc",
    )
    shock = SkyModel(
        ExpCutoffPowerLawSpectralModel(index=1.9, amplitude="5e-12 cm-2 s-1 TeV-1", lambda_="0.1 TeV-1"),
        GaussianSpatialModel(lon_0="0.87 deg", lat_0="0.08 deg", sigma="0.15 deg", frame="galactic"),
        name="shock",
    )
    return Models([point, shock, FoVBackgroundModel(dataset_name="gc")])


def _offset(grid: SkyGrid) -> np.ndarray:
    """Angle (y, x) of the pixels from the pointing direction, in deg."""
    return grid.position(*grid.lonlat()).separation(_POINTING).deg


def _cube(spectrum: np.ndarray, image: np.ndarray) -> np.ndarray:
    return spectrum[:, None, None] * image


def _exposure(true: Axis, offset: np.ndarray) -> np.ndarray:
    """In m2 s: the effective area rises to a square kilometre and falls off the pointing direction."""
    area = 1e6 / (1 + (true.center / 1.2) ** -1.3)
    return _cube(area * _LIVETIME, np.exp(-0.5 * (offset / 1.9) ** 2))


def _background(energy: Axis, offset: np.ndarray) -> np.ndarray:
    """In counts a bin: a power law of index 2.6, with the acceptance of the camera."""
    slope = 1.6
    spectrum = 0.55 * (energy.lower**-slope - energy.upper**-slope)
    return _cube(spectrum, np.exp(-0.5 * (offset / 1.5) ** 2))


def _mask_safe(energy: Axis, offset: np.ndarray) -> np.ndarray:
    """Inside the field of view, which is smaller below 0.5 TeV."""
    radius = np.where(energy.lower < 0.5, 0.8 * _FIELD_OF_VIEW, _FIELD_OF_VIEW)
    return offset < radius[:, None, None]


def _psf(true: Axis, rad: Axis, offset: np.ndarray) -> np.ndarray:
    """In sr-1, (energy_true, rad, y, x): a Gaussian with a tail, narrower at high energies, wider off the axis."""
    sigma = (0.035 + 0.035 * true.center**-0.7)[:, None, None, None] * (1 + 0.08 * offset**2)
    r = rad.center[:, None, None]
    profile = np.exp(-0.5 * (r / sigma) ** 2) + 0.02 * np.exp(-0.5 * (r / (2.5 * sigma)) ** 2)
    ring = 2 * np.pi * (np.cos(np.radians(rad.lower)) - np.cos(np.radians(rad.upper)))
    return profile / np.einsum("trij,r->tij", profile, ring)[:, None]


def _edisp(true: Axis, energy: Axis, offset: np.ndarray) -> np.ndarray:
    """Probability (energy_true, energy, y, x): log-normal, a little broader off the axis, biased at the threshold."""
    width = (0.09 + 0.05 * true.center**-0.5)[:, None, None, None] * (1 + 0.05 * offset)
    bias = 0.06 * np.exp(-true.center / 0.4)[:, None, None, None]
    edges = np.log(energy.edges[:, None, None] / true.center[:, None, None, None])
    cumulative = 0.5 * (1 + np.vectorize(erf)((edges - bias) / (np.sqrt(2) * width)))
    return np.diff(cumulative, axis=1)
