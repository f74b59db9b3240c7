"""Datasets and models for tests of the likelihood."""

import numpy as np
import xarray as xr

from tests.builders import make_map_dataset
from xgamma import models as xm
from xgamma.coords import SkyGrid
from xgamma.likelihood import Likelihood
from xgamma.statistic import stat_sum

MOVE = {"source.lon_0": 0.013, "source.lat_0": -0.017}
FAR = {"source.lon_0": 0.31, "source.lat_0": 0.22}


def place(ds, dy=0.2, dx=-0.3):
    """The position of a sub-pixel offset from the middle pixel, as arguments of a spatial model."""
    grid = SkyGrid.from_dataset(ds)
    lon, lat = grid.labels_to_lonlat(
        np.array(grid.y[grid.shape[0] // 2] + dy), np.array(grid.x[grid.shape[1] // 2] + dx)
    )
    return {"lon_0": f"{float(lon)} deg", "lat_0": f"{float(lat)} deg", "frame": grid.frame}


def spectrum(**values):
    return xm.PowerLawSpectralModel(**{"index": 2.1, "amplitude": "2e-11 cm-2 s-1 TeV-1"} | values)


def source(ds, kind="point", name="source", spectral=None, free=True, dy=0.2, dx=-0.3, **values):
    shapes = {"point": xm.PointSpatialModel, "gauss": xm.GaussianSpatialModel, "disk": xm.DiskSpatialModel}
    spatial = shapes[kind](**place(ds, dy, dx), **values)
    if not free:
        spatial.freeze()
    return xm.SkyModel(spectrum() if spectral is None else spectral, spatial, name=name)


def background(ds, **values):
    model = xm.FoVBackgroundModel(ds.attrs["name"], xm.PowerLawNormSpectralModel(**values))
    model.spectral_model.tilt.frozen = False
    return model


def reference(lik, datasets, x):
    """The statistic by way of predictions of all bins."""
    models = lik.models(x)
    return sum(float(stat_sum(ds, models)) for ds in datasets) + models.parameters.prior_stat_sum()


def agree(datasets, models, moves, rtol=1e-9):
    """Check a likelihood at its start and after moves of some parameters, given as {name: step}."""
    datasets = [datasets] if isinstance(datasets, xr.Dataset) else datasets
    lik = Likelihood(datasets, models)
    for step in ({}, *moves):
        x = lik.x0
        for name, value in step.items():
            x[lik.parameters.index(name)] += value
        np.testing.assert_allclose(lik(x), reference(lik, datasets, x), rtol=rtol, atol=1e-7, err_msg=str(step))
    return lik


def differences(function, x, steps):
    """Derivatives by a five-point rule."""
    out = []
    for i, step in enumerate(steps):
        values = []
        for k in (-2, -1, 1, 2):
            there = x.copy()
            there[i] += k * step
            values.append(function(there))
        out.append((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step))
    return np.array(out)


def map_dataset(**options):
    return make_map_dataset(**{"npix": (24, 26)} | options)


def spectrum_dataset(ds=None, region=None):
    """A dataset without dims on the sky from one pixel of a map, with the PSF if it has a region."""
    ds = map_dataset() if ds is None else ds
    spec = xr.Dataset(attrs=ds.attrs | ({} if region is None else {"region": region}))
    starts = ("energy",) if region is None else ("energy", "rad")
    keep = [key for key in ds.coords if key.startswith(starts)]
    spec = spec.assign_coords(ds[keep].coords)
    for name in ("counts", "background", "exposure"):
        spec[name] = ds[name].variable.isel(y=12, x=13)
    for name in ("psf", "edisp") if region else ("edisp",):
        spec[name] = ds[name].variable.isel({f"y_{name}": 2, f"x_{name}": 2})
    if region is not None:
        here = place(ds, 0, 0)
        attrs = {"units": "deg", "frame": here["frame"]}
        spec = spec.assign_coords({key: ((), float(here[f"{key}_0"][:-4]), attrs) for key in ("lon", "lat")})
    return spec
