"""Laws of reductions, predictions and archives together."""

import numpy as np
import pytest
import regions as rg
import xarray as xr
from astropy import units as u
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xgamma as xg
from tests.builders import SKIES, make_map_dataset
from tests.fluxpoints.points import points
from tests.spectra import plain_spectrum, spectrum, with_off
from xgamma.coords import SkyGrid
from xgamma.models import GaussianSpatialModel, Models, PointSpatialModel, PowerLawSpectralModel, SkyModel

LAW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def fine(sky):
    """Pixels a half of the PSF's width, all of them trusted."""
    ds = make_map_dataset(**SKIES[sky], npix=(24, 24), binsz=0.05)
    return ds.drop_vars("mask_fit").assign(mask_safe=xr.ones_like(ds.mask_safe))


MAPS = {sky: fine(sky) for sky in ("CAR", "TAN", "wrap")}
places = st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))


def source(ds, offset, sigma, index):
    grid = SkyGrid.from_dataset(ds)
    lon, lat = offset
    there = grid.center.directional_offset_by(np.arctan2(lon, lat) * u.rad, np.hypot(lon, lat) * u.deg).spherical
    place = {"lon_0": there.lon.deg, "lat_0": there.lat.deg, "frame": grid.frame}
    spatial = GaussianSpatialModel(**place, sigma=sigma) if sigma else PointSpatialModel(**place)
    return Models([SkyModel(PowerLawSpectralModel(index=index), spatial, name="source")])


sources = st.builds(
    lambda offset, sigma, index: lambda ds: source(ds, offset, sigma, index),
    places,
    st.sampled_from([0, 0.1, 0.3]),
    st.floats(1.8, 3.0),
)
maps = st.sampled_from(list(MAPS)).map(MAPS.get)


@LAW
@given(maps, sources, st.sampled_from([2, 3, 4]))
def test_predictions_of_the_downsampled_are_downsampled_predictions(ds, make, factor):
    models = make(ds)
    npred = ds.gp.npred(models)
    merged = npred.values.reshape(4, 24 // factor, factor, 24 // factor, factor).sum(axis=(2, 4))
    # the mean of the exposure over the merged pixels stands for that at the source
    np.testing.assert_allclose(ds.gp.downsample(factor).gp.npred(models), merged, rtol=1e-2)


@LAW
@given(maps, sources, st.sampled_from([[0.5, 2, 20], [0.5, 20], [1.2, 3.1, 20]]))
def test_predictions_of_merged_energies_are_merged_predictions(ds, make, edges):
    models = make(ds)
    out = ds.gp.resample_energy_axis(edges * u.TeV)
    npred = ds.gp.npred(models)
    merged = [
        npred.values[(npred.energy_min > low * (1 - 1e-6)) & (npred.energy_max < high * (1 + 1e-6))].sum(axis=0)
        for low, high in zip(out.energy_min.values, out.energy_max.values, strict=True)
    ]
    np.testing.assert_allclose(out.gp.npred(models), merged, rtol=1e-9, atol=1e-12)


@LAW
@given(maps, sources, st.integers(0, 3), st.integers(1, 4))
def test_slice_then_predict_is_predict_then_slice(ds, make, start, number):
    models = make(ds)
    part = slice(start, min(start + number, 4))
    expected = ds.gp.npred(models).isel(energy=part)
    found = ds.gp.slice_by_idx({"energy": part}).gp.npred(models)
    xr.testing.assert_allclose(found, expected, rtol=1e-12)
    limits = [float(expected.energy_min[0]), float(expected.energy_max[-1])] * u.TeV
    xr.testing.assert_allclose(ds.gp.slice_by_energy(*limits).gp.npred(models), expected, rtol=1e-12)


@LAW
@given(maps, sources, st.integers(0, 6), st.integers(0, 6))
def test_cut_then_predict_is_predict_then_cut(ds, make, y, x):
    """But for what the PSF brings in from where a cutout has no exposure: within its border."""
    models = make(ds)
    part = {"y": slice(y, y + 18), "x": slice(x, x + 18)}
    found, expected = ds.isel(part).gp.npred(models), ds.gp.npred(models).isel(part)
    # beyond the border its values stand for the exposure, which falls by 1 % in 0.3 deg
    np.testing.assert_allclose(found, expected, rtol=2e-2)


@LAW
@given(maps, places, st.floats(0.1, 0.25))
def test_a_region_of_the_downsampled_holds_its_counts(ds, offset, radius):
    """Of regions of whole pixels, the sum does not depend on the size of the pixels."""
    grid = SkyGrid.from_dataset(ds)
    box = ds.isel(y=slice(4, 20), x=slice(8, 16)).gp.downsample(2)
    assert float(box.counts.sum()) == float(ds.counts[:, 4:20, 8:16].sum())
    circle = rg.CircleSkyRegion(grid.center, radius * u.deg)
    inside = ds.gp.region_mask(circle)
    total = ds.gp.to_spectrum_dataset(circle).counts
    np.testing.assert_array_equal(total, ds.counts.where(inside, 0).sum(("y", "x")))


def onoff(seed):
    return with_off(make_map_dataset(seed=seed, name=f"obs-{seed}"), seed)


ONOFF = {seed: onoff(seed) for seed in range(3)}
SPECTRA = {seed: spectrum(seed, f"obs-{seed}") for seed in range(3)}


@LAW
@given(st.sampled_from([ONOFF, SPECTRA]), st.permutations(range(3)))
def test_off_regions_stack_in_any_order(pool, order):
    parts = [pool[i] for i in order]
    expected = xg.Datasets(pool.values()).stack_reduce("sum")
    pair = parts[0].gp.stack(parts[1]).gp.stack(parts[2])
    for name in ("counts", "counts_off", "acceptance", "exposure", "mask_safe", "livetime"):
        np.testing.assert_allclose(pair[name], expected[name], rtol=1e-9, err_msg=name)
    # where the mask leaves bins, the background is that of all; elsewhere any acceptance does
    safe = expected.mask_safe.values & (expected.counts_off.values > 0)
    background = pair.gp.background.values[safe]
    np.testing.assert_allclose(background, expected.gp.background.values[safe], rtol=1e-9)


CIRCLE = "galactic;circle(0, 0, 0.3)"
TRUSTED = fine("CAR")
KINDS = {
    "map": lambda: make_map_dataset(),
    "migra": lambda: make_map_dataset(migra=True),
    "on/off map": lambda: ONOFF[0],
    "spectrum": lambda: plain_spectrum(),
    "on/off spectrum": lambda: SPECTRA[0],
    "region map": lambda: TRUSTED.gp.to_region_map_dataset(CIRCLE),
    "spectrum of a map": lambda: TRUSTED.gp.to_spectrum_dataset(CIRCLE, containment_correction=True),
    "image": lambda: TRUSTED.gp.to_image(),
    "cutout": lambda: TRUSTED.gp.cutout(SkyGrid.from_dataset(TRUSTED).center, "0.4 deg"),
    "downsampled": lambda: TRUSTED.gp.downsample(3),
    "sum": lambda: TRUSTED.gp.stack(TRUSTED.isel(x=slice(3, 9))),
    "padded": lambda: TRUSTED.gp.pad(2),
    "simulated": lambda: TRUSTED.gp.fake(3),
    "flux points": lambda: points(scan=True),
    "flux points without bins": lambda: points(bins=False),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_open_after_save_is_the_identity(kind, suffix, tmp_path):
    ds = KINDS[kind]()
    path = tmp_path / f"archive.{suffix}"
    (ds.gp.to_netcdf if suffix == "nc" else ds.gp.to_zarr)(path)
    for chunks in (None, {}):
        back = xg.open_dataset(path, chunks=chunks)
        xr.testing.assert_identical(back.compute(), ds)
        assert set(back.xindexes) == set(ds.xindexes)
        for name, index in ds.xindexes.items():
            assert type(back.xindexes[name]) is type(index) and back.xindexes[name].equals(index)
