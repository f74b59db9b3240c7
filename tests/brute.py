"""Predictions the slow and obvious way, to compare with."""

import astropy.units as u
import numpy as np

from xgamma.coords import Axis, SkyGrid


def bilinear(values, labels_y, labels_x, y, x):
    """Interpolate (..., y, x) at one pair of labels, with the values of the border beyond it."""
    y, x = np.clip(y, labels_y[0], labels_y[-1]), np.clip(x, labels_x[0], labels_x[-1])
    j = min(int(np.searchsorted(labels_y, y, side="right")) - 1, len(labels_y) - 2)
    i = min(int(np.searchsorted(labels_x, x, side="right")) - 1, len(labels_x) - 2)
    wy = (y - labels_y[j]) / (labels_y[j + 1] - labels_y[j])
    wx = (x - labels_x[i]) / (labels_x[i + 1] - labels_x[i])
    low = values[..., j, i] * (1 - wx) + values[..., j, i + 1] * wx
    high = values[..., j + 1, i] * (1 - wx) + values[..., j + 1, i + 1] * wx
    return low * (1 - wy) + high * wy


def response(ds, position):
    """Exposure (t) in cm2 s, normalised radial profiles (t, rad) and dispersion (t, e) at a position."""
    out = []
    for name, suffix in (("exposure", ""), ("psf", "psf"), ("edisp", "edisp")):
        array = ds[name]
        dims = [d for d in array.dims if not d.startswith(("y", "x"))]
        if f"y_{suffix}" not in array.dims and "y" not in array.dims:
            out.append(array.values.astype(float))
            continue
        grid = SkyGrid.from_dataset(ds, suffix)
        y, x = grid.position_to_labels(position)
        sky = ["y", "x"] if not suffix else [f"y_{suffix}", f"x_{suffix}"]
        out.append(bilinear(array.transpose(*dims, *sky).values.astype(float), grid.y, grid.x, float(y), float(x)))
    exposure, psf, edisp = out
    rad = np.radians(Axis.from_dataset(ds, "rad").to("deg").center)
    fine = np.linspace(0, rad[-1], 20_001)
    profiles = np.array([np.interp(fine, rad, row) for row in psf])
    total = np.trapezoid(2 * np.pi * np.sin(fine) * profiles, fine, axis=1)[:, None]
    psf = np.divide(psf, total, out=np.zeros_like(psf), where=total > 0)
    return exposure * u.Unit(ds["exposure"].attrs["units"]).to("cm2 s"), psf, edisp, rad


def flux(ds, model):
    """Integral of the spectrum over each true-energy bin in cm-2 s-1."""
    axis = Axis.from_dataset(ds, "energy_true")
    unit = u.Unit(axis.unit)
    return model.spectral_model.integral(axis.lower * unit, axis.upper * unit).to_value("cm-2 s-1")


def point_source(ds, model, n=16):
    """Counts (e, y, x) of a point source: the PSF at n x n points in each pixel, about the exact position."""
    position = model.spatial_model.position
    grid = SkyGrid.from_dataset(ds)
    exposure, profiles, edisp, rad = response(ds, position)
    sub = (np.arange(n) + 0.5) / n - 0.5
    y, x = (grid.y[:, None] + sub).ravel(), (grid.x[:, None] + sub).ravel()
    lon, lat = (np.radians(v) for v in grid.labels_to_lonlat(y[:, None], x))
    there = position.transform_to(grid.frame).spherical
    lon_0, lat_0 = there.lon.rad, there.lat.rad
    haversine = np.sin((lat - lat_0) / 2) ** 2 + np.cos(lat) * np.cos(lat_0) * np.sin((lon - lon_0) / 2) ** 2
    r = 2 * np.arcsin(np.sqrt(haversine))
    area = grid.solid_angle() / n**2
    counts = flux(ds, model) * exposure
    out = np.zeros((edisp.shape[1], *grid.shape))
    for row, profile, number in zip(edisp, profiles, counts, strict=True):
        image = np.interp(r, rad, profile, right=0.0)
        image = image.reshape(grid.shape[0], n, grid.shape[1], n).sum(axis=(1, 3)) * area
        out += row[:, None, None] * image * number
    return out


def extended_source(ds, model, factor=15, half=30):
    """Counts on a window of (2 half + 1)^2 pixels around an extended source, on pixels cut factor x factor.

    Returns the counts (e, y, x) and the labels of the window.
    """
    from scipy.signal import fftconvolve

    grid = SkyGrid.from_dataset(ds)
    position = model.spatial_model.position
    _, profiles, edisp, rad = response(ds, position)
    y, x = (round(float(v)) for v in grid.position_to_labels(position))
    labels = np.arange(y - half, y + half + 1), np.arange(x - half, x + half + 1)
    fine = [start - 0.5 + (np.arange((2 * half + 1) * factor) + 0.5) / factor for start in (y - half, x - half)]
    lon, lat = grid.labels_to_lonlat(fine[0][:, None], fine[1])
    lonlat = grid.position(lon, lat).transform_to(model.spatial_model.frame).spherical
    density = model.spatial_model.evaluate_lonlat(lonlat.lon.deg, lonlat.lat.deg)
    area = SkyGrid.from_keywords(grid.keywords, *labels).solid_angle() / factor**2
    image = density * np.kron(area, np.ones((factor, factor)))
    step = np.sqrt(area[half, half])
    reach = int(np.ceil(rad[-1] / step)) + 1
    offset = np.arange(-reach, reach + 1)
    r = _separations(grid, y, x, offset / factor)
    exposure = ds["exposure"].transpose("energy_true", "y", "x").values.astype(float)
    scale = u.Unit(ds["exposure"].attrs["units"]).to("cm2 s")
    out = np.zeros((edisp.shape[1], 2 * half + 1, 2 * half + 1))
    rows = _weights(grid.y, fine[0])
    columns = _weights(grid.x, fine[1])
    for row, profile, number, below in zip(edisp, profiles, flux(ds, model), exposure, strict=True):
        kernel = np.interp(r, rad, profile, right=0.0)
        if kernel.sum() == 0:
            continue
        spread = fftconvolve(image * (rows @ below @ columns.T) * scale, kernel / kernel.sum(), mode="same")
        spread = spread.reshape(2 * half + 1, factor, 2 * half + 1, factor).sum(axis=(1, 3))
        out += row[:, None, None] * spread * number
    return out, labels


def _weights(nodes, x):
    return np.array([np.interp(x, nodes, unit) for unit in np.eye(len(nodes))]).T


def _separations(grid, y, x, offset):
    lon, lat = (np.radians(v) for v in grid.labels_to_lonlat(y + offset[:, None], x + offset))
    lon_0, lat_0 = (np.radians(float(v)) for v in grid.labels_to_lonlat(np.array(y), np.array(x)))
    haversine = np.sin((lat - lat_0) / 2) ** 2 + np.cos(lat) * np.cos(lat_0) * np.sin((lon - lon_0) / 2) ** 2
    return 2 * np.arcsin(np.sqrt(haversine))
