"""Every public method of the accessors on dask arrays: what returns labelled arrays computes nothing.

A method without an entry here fails the test.
"""

import inspect

import astropy.units as u
import dask
import pytest
import regions as rg
import xarray as xr

import xgamma.accessor
from tests.builders import SKIES, make_map_dataset
from tests.fluxpoints import points as flux
from xgamma.coords import SkyGrid
from xgamma.models import FoVBackgroundModel, PointSpatialModel, PowerLawSpectralModel, SkyModel
from xgamma.onoff import to_onoff

PREFIXES = {
    "DatasetAccessor": "",
    "DataArrayAccessor": "array.",
    "PSFAccessor": "psf.",
    "EDispAccessor": "edisp.",
    "SEDAccessor": "sed.",
}


def center(ds):
    return SkyGrid.from_dataset(ds).center


def circle(ds):
    return rg.CircleSkyRegion(center(ds), 0.3 * u.deg)


def at(ds):
    return {"skycoord": center(ds), "energy_true": "1 TeV"}


MAPS = {
    "mask": lambda ds: ds.gp.mask,
    "mask_safe": lambda ds: ds.gp.mask_safe,
    "mask_image": lambda ds: ds.gp.mask_image,
    "excess": lambda ds: ds.gp.excess,
    "background": lambda ds: ds.gp.background,
    "energy_range": lambda ds: ds.gp.energy_range,
    "energy_range_safe": lambda ds: ds.gp.energy_range_safe,
    "energy_range_fit": lambda ds: ds.gp.energy_range_fit,
    "decode": lambda ds: ds.gp.decode(),
    "assign_models": lambda ds: ds.gp.assign_models([]),
    "npred": lambda ds: ds.gp.npred(),
    "npred_signal": lambda ds: ds.gp.npred_signal(stack=False),
    "npred_background": lambda ds: ds.gp.npred_background(),
    "stat_array": lambda ds: ds.gp.stat_array(),
    "cash": lambda ds: ds.gp.cash(),
    "stat_sum": lambda ds: ds.gp.stat_sum(),
    "region_mask": lambda ds: ds.gp.region_mask(circle(ds)),
    "cutout": lambda ds: ds.gp.cutout(center(ds), "0.7 deg"),
    "slice_by_energy": lambda ds: ds.gp.slice_by_energy("1 TeV", "10 TeV"),
    "slice_by_idx": lambda ds: ds.gp.slice_by_idx({"energy": slice(1, 3), "x": 2}),
    "to_onoff": lambda ds: ds.gp.to_onoff(1, 5),
    "downsample": lambda ds: ds.gp.downsample(2),
    "resample_energy_axis": lambda ds: ds.gp.resample_energy_axis(["0.5 TeV", "3 TeV", "20 TeV"]),
    "to_image": lambda ds: ds.gp.to_image(),
    "pad": lambda ds: ds.gp.pad(2),
    "to_masked": lambda ds: ds.gp.to_masked(),
    "stack": lambda ds: ds.gp.stack(ds),
    "to_region_map_dataset": lambda ds: ds.gp.to_region_map_dataset(circle(ds)),
    "to_spectrum_dataset": lambda ds: ds.gp.to_spectrum_dataset(circle(ds), containment_correction=True),
    "residuals": lambda ds: ds.gp.residuals(),
    "fake": lambda ds: ds.gp.fake(1),
    "asimov": lambda ds: ds.gp.asimov(),
    "psf.containment": lambda ds: ds.gp.psf.containment("0.1 deg", "1 TeV", center(ds)),
    "psf.containment_radius": lambda ds: ds.gp.psf.containment_radius(0.68, "1 TeV", center(ds)),
    "psf.kernel": lambda ds: ds.gp.psf.kernel(center(ds)),
    "edisp.kernel": lambda ds: ds.gp.edisp.kernel(center(ds)),
    "edisp.bias": lambda ds: ds.gp.edisp.bias("1 TeV", center(ds)),
    "edisp.resolution": lambda ds: ds.gp.edisp.resolution("1 TeV", center(ds)),
    "array.to_unit": lambda ds: ds["exposure"].gp.to_unit("cm2 s"),
    "array.interp_by_coord": lambda ds: ds["exposure"].gp.interp_by_coord(at(ds)),
    "array.smooth": lambda ds: ds["counts"].gp.smooth("0.2 deg"),
}
OFF = {
    "alpha": lambda ds: ds.gp.alpha,
    "npred_off": lambda ds: ds.gp.npred_off(),
    "wstat": lambda ds: ds.gp.wstat(),
    "to_cash": lambda ds: ds.gp.to_cash(),
}
FLUX = {
    "flux_pred": lambda ds: ds.gp.flux_pred([flux.source()]),
    "to_sed_type": lambda ds: ds.gp.to_sed_type("e2dnde"),
    "sed.quantity": lambda ds: ds.gp.sed.quantity("eflux_ul"),
    "sed.reference": lambda ds: ds.gp.sed.reference("dnde"),
    "sed.assign_reference_model": lambda ds: ds.gp.sed.assign_reference_model(flux.source()),
} | {
    f"sed.{name}": (lambda ds, name=name: getattr(ds.gp.sed, name))
    for name in ("norm", "dnde", "e2dnde", "flux", "eflux", "is_ul", "sqrt_ts", "mask_valid")
}
# Answers that are no labelled arrays, or follow from axes alone; nothing is computed for them either.
PLAIN = {
    "name": lambda ds: ds.gp.name,
    "models": lambda ds: ds.gp.models,
    "stat_type": lambda ds: ds.gp.stat_type,
    "data_shape": lambda ds: ds.gp.data_shape,
    "geoms": lambda ds: ds.gp.geoms,
    "psf": lambda ds: ds.gp.psf,
    "edisp": lambda ds: ds.gp.edisp,
    "sed": lambda ds: ds.gp.sed,
    "energy_mask": lambda ds: ds.gp.energy_mask("1 TeV"),
    "array.grid": lambda ds: ds["counts"].gp.grid,
    "array.wcs": lambda ds: ds["counts"].gp.wcs,
}
PLAIN_FLUX = {
    "sed.type": lambda ds: ds.gp.sed.type,
    "sed.n_sigma_ul": lambda ds: ds.gp.sed.n_sigma_ul,
    "sed.reference_model": lambda ds: ds.gp.sed.reference_model,
}
# Printouts, checks, pictures, files, tables and quantities need numbers.
MAY_COMPUTE = {
    *("info", "summary", "validate", "to_fits", "to_ogip", "to_netcdf", "to_zarr"),
    *("array.quantity", "sed.to_table", "sed.to_fits", "sed.to_ecsv"),
}
DRAW = ("peek", "plot")


def public():
    for owner in map(xgamma.accessor.__dict__.get, xgamma.accessor.__all__):
        for name, _ in inspect.getmembers(owner):
            if not name.startswith(("_", *DRAW)):
                yield PREFIXES[owner.__name__] + name


def test_every_method_has_an_entry():
    entries = {*MAPS, *OFF, *FLUX, *PLAIN, *PLAIN_FLUX, *MAY_COMPUTE}
    assert set(public()) == entries


@pytest.fixture(scope="module")
def datasets():
    ds = make_map_dataset(**SKIES["wrap"], npix=(10, 12), nrad=8, irf_on_sky=False)
    ds["mask_safe"] = ds["mask_safe"] | True  # a region must not be cut by masks
    middle = center(ds).spherical
    spatial = PointSpatialModel(lon_0=middle.lon, lat_0=middle.lat, frame="icrs")
    point = SkyModel(PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"), spatial, name="source")
    models = [point, FoVBackgroundModel(dataset_name="test")]
    found = {
        "map": ds.gp.assign_models(models),
        "on/off": to_onoff(ds.drop_vars("background"), 1, 5, ds["counts"] + 3).gp.assign_models([point]),
        "flux points": flux.points(),
    }
    chunks = {"map": {"y": 7, "x": 5, "energy": 3, "rad": 3, "energy_true": 4}, "flux points": {"energy": 4}}
    return {kind: (data, data.chunk(chunks.get(kind, chunks["map"]))) for kind, data in found.items()}


CASES = [
    pytest.param(kind, operation, labelled, id=name)
    for kind, operations, labelled in [
        ("map", MAPS, True),
        ("on/off", OFF, True),
        ("flux points", FLUX, True),
        ("map", PLAIN, False),
        ("flux points", PLAIN_FLUX, False),
    ]
    for name, operation in operations.items()
]


@pytest.mark.parametrize(("kind", "operation", "labelled"), CASES)
def test_nothing_is_computed(datasets, no_compute, kind, operation, labelled):
    ds, lazy = datasets[kind]
    before = lazy.copy()
    with no_compute():
        found = operation(lazy)
    assert lazy.identical(before)
    if not labelled:
        return
    for actual, expected in zip(each(found), each(operation(ds)), strict=True):
        parts = actual.data_vars.values() if isinstance(actual, xr.Dataset) else [actual]
        assert all(dask.is_dask_collection(part) for part in parts if part.ndim)
        assert any(dask.is_dask_collection(part) for part in parts)
        xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-9, atol=1e-12)
        assert actual.attrs == expected.attrs


def each(found):
    return found if isinstance(found, tuple) else (found,)
