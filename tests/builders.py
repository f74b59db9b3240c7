"""Small, smooth, complete datasets for tests, made without files."""

import numpy as np
import xarray as xr
from astropy.coordinates import SkyCoord
from scipy.special import erf

from xgamma.coords import Axis, SkyGrid, energy_edges, solid_angle
from xgamma.schema import FORMAT, FORMAT_VERSION

SKIES = {
    "CAR": {"proj": "CAR", "center": (0.0, 0.0), "frame": "galactic"},
    "TAN": {"proj": "TAN", "center": (83.63, 22.01), "frame": "icrs"},
    "AIT": {"proj": "AIT", "center": (10.0, 5.0), "frame": "galactic"},
    "wrap": {"proj": "CAR", "center": (359.9, 0.0), "frame": "icrs"},
    "oblique": {"proj": "CAR", "center": (0.1, 47.0), "frame": "icrs"},
}
"""Maps that differ in projection and frame; the last two lie across 0h."""


def make_map_dataset(
    proj="CAR",
    center=(0.0, 0.0),
    npix=(12, 16),
    binsz=0.1,
    nenergy=4,
    ntrue=6,
    frame="galactic",
    chunks=None,
    nrad=20,
    binsz_irf=0.4,
    irf_on_sky=True,
    migra=False,
    seed=42,
    name="test",
):
    """A dataset with every variable of a counts map: ``npix`` is (rows, columns), ``chunks`` as for ``ds.chunk``.

    The exposure falls off the centre and rises with energy, the PSF is a Gaussian that narrows with energy, the energy
    dispersion is nearly diagonal (as a kernel, or in migra), counts are Poisson noise about background and a source.
    With ``irf_on_sky=False`` the responses have no sky dims.
    """
    energy = Axis.from_edges("energy", energy_edges("0.5 TeV", "20 TeV", nenergy))
    true = Axis.from_edges("energy_true", energy_edges("0.3 TeV", "30 TeV", ntrue))
    rad = Axis.from_edges("rad", np.linspace(0, 0.6, nrad + 1), "deg", interp="lin")
    grid = SkyGrid.create(SkyCoord(*center, unit="deg", frame=frame), binsz=binsz, frame=frame, proj=proj, shape=npix)
    irf_grid = grid.with_binsz(binsz_irf)

    coords = energy.to_coords() | true.to_coords() | rad.to_coords() | grid.to_coords()
    ds = {}
    away = _separation(grid)
    log_true = np.log(true.center)[:, None, None]

    background = 3 * (energy.center[:, None, None] / energy.center[0]) ** -1.2 * np.exp(-0.5 * (away / 1.5) ** 2)
    source = 6 * (energy.center[:, None, None] / energy.center[0]) ** -0.8 * np.exp(-0.5 * (away / 0.15) ** 2)
    counts = np.random.default_rng(seed).poisson(background + source).astype(float)
    safe = np.broadcast_to(away < away.max() * 0.9, counts.shape).copy()
    safe[0] &= away < away.max() * 0.5
    fit = np.broadcast_to(away < away.max() * 0.7, counts.shape).copy()
    fit[-1] = False
    ds["counts"] = _variable(counts, "energy", "", "")
    ds["background"] = _variable(background, "energy", "", "")
    ds["exposure"] = _variable(_exposure(log_true, away), "energy_true", "", "m2 s")
    ds["mask_safe"] = (("energy", "y", "x"), safe)
    ds["mask_fit"] = (("energy", "y", "x"), fit)

    psf = _psf(true, rad)
    edges, axis = (np.linspace(0.2, 3, 57), "migra") if migra else (energy.edges, "energy")
    if migra:
        coords |= Axis.from_edges("migra", edges, "", interp="lin").to_coords()
    edisp = _edisp(true, edges, migra)
    if irf_on_sky:
        coords |= irf_grid.to_coords("psf") | irf_grid.to_coords("edisp")
        far = _separation(irf_grid)
        wider = 1 + 0.1 * far / far.max()
        table = np.stack([[_psf(true, rad, w) for w in row] for row in wider])
        ds["psf"] = (("energy_true", "rad", "y_psf", "x_psf"), table.transpose(2, 3, 0, 1), {"units": "sr-1"})
        table = np.stack([[_edisp(true, edges, migra, w) for w in row] for row in wider])
        ds["edisp"] = (("energy_true", axis, "y_edisp", "x_edisp"), table.transpose(2, 3, 0, 1), {"units": ""})
        for irf in ("psf", "edisp"):
            ds[f"{irf}_exposure"] = _variable(_exposure(log_true, far), "energy_true", f"_{irf}", "m2 s")
    else:
        ds["psf"] = (("energy_true", "rad"), psf, {"units": "sr-1"})
        ds["edisp"] = (("energy_true", axis), edisp, {"units": ""})
        for irf in ("psf", "edisp"):
            ds[f"{irf}_exposure"] = ("energy_true", _exposure(log_true, np.zeros((1, 1)))[:, 0, 0], {"units": "m2 s"})
    clock = {"units": "s", "mjdrefi": 51544, "mjdreff": 0.00074287037037037, "timesys": "tt"}
    ds["gti_start"] = ("gti", np.array([0.0, 2000.0]), dict(clock))
    ds["gti_stop"] = ("gti", np.array([1800.0, 3800.0]), dict(clock))
    ds["livetime"] = ((), 3500.0, {"units": "s"})
    attrs = {"format": FORMAT, "format_version": FORMAT_VERSION, "name": name}
    ds = xr.Dataset(ds, coords=coords, attrs=attrs)
    return ds if chunks is None else ds.chunk(chunks)


def all_sky(proj):
    """A map of all the sky in pixels of 2 deg, with the same everywhere, and responses without sky dims."""
    small = make_map_dataset(irf_on_sky=False)
    grid = SkyGrid.create(
        SkyCoord(0, 0, unit="deg", frame="galactic"), binsz=2, frame="galactic", proj=proj, shape=(90, 180)
    )
    ds = xr.Dataset(attrs=small.attrs).assign_coords(grid.to_coords())
    for name, array in small.data_vars.items():
        if {"y", "x"} <= set(array.dims):
            mean = array.astype(float).mean(("y", "x"))
            values = np.broadcast_to(mean.values[:, None, None], (*mean.shape, 90, 180))
            ds[name] = (array.dims, values.astype(array.dtype), array.attrs)
        else:
            ds[name] = array
    return ds.assign_coords(small.drop_dims(["y", "x"]).coords)


def solid_angles(ds):
    """The solid angles of a dataset's pixels as an array in sr."""
    return solid_angle(ds).to_numpy()


def _variable(values, axis, suffix, unit):
    return ((axis, f"y{suffix}", f"x{suffix}"), values, {"units": unit})


def _separation(grid):
    return grid.position(*grid.lonlat()).separation(grid.center).deg


def _exposure(log_true, away):
    return 1e9 * np.exp(0.9 * log_true - 0.12 * log_true**2) * np.exp(-0.5 * (away / 2.5) ** 2)


def _psf(true, rad, wider=1.0):
    sigma = np.radians(wider * (0.04 + 0.06 * true.center**-0.5))[:, None]
    profile = np.exp(-0.5 * (np.radians(rad.center) / sigma) ** 2)
    area = 2 * np.pi * (np.cos(np.radians(rad.lower)) - np.cos(np.radians(rad.upper)))
    return profile / (profile * area).sum(1, keepdims=True)


def _edisp(true, edges, migra, wider=1.0):
    ratio = edges if migra else edges / true.center[:, None]
    cumulative = 0.5 * (1 + erf(np.log(ratio / 1.02) / (0.12 * wider * np.sqrt(2))))
    table = np.diff(cumulative, axis=-1)
    # in migra the table is a density
    return np.broadcast_to(table / np.diff(edges), (true.size, edges.size - 1)) if migra else table
