"""What a dataset has to be like."""

import time

import astropy.units as u
import numpy as np
import pytest
import xarray as xr

from tests.builders import SKIES, make_map_dataset
from xgamma.schema import VARIABLES
from xgamma.validate import check_structure, schema_order, validate


@pytest.fixture
def ds():
    return make_map_dataset()


def changed(ds, name, value, where=(0, 0, 0)):
    ds = ds.copy(deep=True)
    ds[name][where] = value
    return ds


# Chunks are looked at in the same way whatever the sky is.
@pytest.mark.parametrize(("sky", "chunks"), [*((sky, None) for sky in SKIES), ("oblique", {"y": 5})])
@pytest.mark.parametrize("options", [{}, {"irf_on_sky": False}, {"migra": True}], ids=str)
def test_good_datasets(sky, options, chunks):
    ds = make_map_dataset(**SKIES[sky], **options, chunks=chunks)
    before = ds.copy(deep=True)
    assert validate(ds) is None
    assert validate(ds.transpose(*reversed(list(ds.dims)))) is None
    for part in ({"x": slice(None, None, 3)}, {"energy": [1], "y": slice(2, 5)}, {"gti": []}, {"x": slice(0, 0)}):
        assert validate(ds.isel(part)) is None
    assert validate(xr.Dataset()) is None
    xr.testing.assert_identical(ds, before)


def test_real_datasets(cta_path, fermi_path):
    from xgamma.io.open import open_dataset

    for path in (cta_path, fermi_path):
        assert validate(open_dataset(path)) is None


def test_structure_of_lazy_data_is_free(no_compute):
    ds = make_map_dataset(chunks={"y": 5})
    with no_compute():
        check_structure(ds)
        with pytest.raises(AssertionError, match="computed"):
            validate(ds)


def test_structure_is_checked_in_no_time(ds):
    times = []
    for _ in range(20):
        start = time.perf_counter()
        check_structure(ds)
        times.append(time.perf_counter() - start)
    assert min(times) < 1e-3


STRUCTURE = {
    "lost dim": (lambda ds: ds.assign(counts=ds["counts"].isel(energy=0, drop=True)), r"counts has dims \(y, x\); it"),
    "half a sky": (lambda ds: ds.assign(counts=ds["counts"].isel(x=0, drop=True)), r"counts has dims \(energy, y\)"),
    "strange dim": (lambda ds: ds.assign(counts=ds["counts"].expand_dims("obs")), "where obs does not belong.*"),
    "other grid": (
        lambda ds: ds.assign(counts=(["energy", "y_psf", "x_psf"], np.zeros((4, 3, 4)), {"units": ""})),
        "where y_psf, x_psf does not belong",
    ),
    "mixed grids": (
        lambda ds: ds.assign(psf_exposure=(["energy_true", "y", "x_psf"], np.zeros((6, 12, 4)), {"units": "m2 s"})),
        r"psf_exposure has dims .* of one grid",
    ),
    "mask type": (lambda ds: ds.assign(mask_fit=ds["mask_fit"].astype(int)), "mask_fit is of type int64.*astype"),
    "counts type": (lambda ds: ds.assign(counts=ds["counts"].astype(complex)), "counts is of type complex128"),
    "no unit": (lambda ds: ds.assign(exposure=ds["exposure"].drop_attrs()), "exposure has no unit.*m2 s"),
    "wrong unit": (
        lambda ds: ds.assign(exposure=ds["exposure"].assign_attrs(units="m2")),
        "exposure is in 'm2', which cannot be converted to 'm2 s'",
    ),
    "no such unit": (lambda ds: ds.assign(psf=ds["psf"].assign_attrs(units="barns-ish")), "psf .*'barns-ish'"),
    "unit of no text": (lambda ds: ds.assign(psf=ds["psf"].assign_attrs(units=3)), "psf has no unit"),
    "quantity": (
        lambda ds: ds.assign(livetime=xr.Variable((), u.Quantity(3, "s"), {"units": "s"})),
        "livetime holds a Quantity",
    ),
    "axis": (lambda ds: ds.drop_indexes("energy"), "dim energy has no index of bins.*decode"),
    "no labels": (lambda ds: ds.drop_vars("energy"), "dim energy has no index of bins"),
    "no edges": (lambda ds: ds.drop_vars("energy_min"), "dim energy lacks its coordinate energy_min"),
    "edges": (
        lambda ds: ds.assign_coords(energy_max=ds["energy_max"] * 2),
        "coordinate energy_max differs from the edges in the index of energy",
    ),
    "edges of another dim": (
        lambda ds: ds.assign_coords(energy_max=("gti", [1.0, 2.0])),
        r"energy_max has dims \('gti',\)",
    ),
    "unit of axis": (lambda ds: _with_attrs(ds, "energy", units="m"), "energy is in 'm'.*'TeV'"),
    "no wcs": (lambda ds: ds.drop_vars("wcs_psf"), "dims y_psf and x_psf lack the coordinates wcs_psf"),
    "no lonlat": (lambda ds: ds.drop_vars(["lon", "lat"]), "dims y and x lack the index of lon and lat"),
    "other wcs": (
        lambda ds: _with_attrs(ds, "wcs", CRVAL1=3.0),
        "coordinate wcs and the index of lon are of different maps",
    ),
    "other labels": (lambda ds: ds.assign_coords(x=ds["x"] + 1), "coordinate x differs from the index of lon"),
    "format": (lambda ds: ds.assign_attrs(format="ogip"), "attr 'format' is 'ogip'"),
    "version": (lambda ds: ds.assign_attrs(format_version="7.1"), "'format_version' is '7.1'.*newer xgamma"),
    "models": (lambda ds: ds.assign_attrs(models=["a"]), "attr 'models' is of type list"),
}


def _with_attrs(ds, name, **attrs):
    ds = ds.copy()
    ds[name].attrs = {**ds[name].attrs, **attrs}
    return ds


@pytest.mark.parametrize("case", STRUCTURE)
def test_structure(ds, case):
    break_it, message = STRUCTURE[case]
    broken = break_it(ds)
    for check in (check_structure, validate):
        with pytest.raises(ValueError, match=message):
            check(broken)


def test_coordinates_of_another_map_are_noticed(ds):
    other = make_map_dataset(center=(0.05, 0.0))
    np.testing.assert_array_equal(ds["x"], other["x"])
    mixed = ds.assign_coords(wcs=other["wcs"].reset_coords(drop=True))
    with pytest.raises(ValueError, match="wcs and the index of lon are of different maps"):
        check_structure(mixed)


@pytest.mark.parametrize("chunks", [None, {"y": 5}])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("exposure", np.nan, r"exposure \(energy_true, y, x\) holds 1 values that are NaN"),
        ("background", np.inf, r"background \(energy, y, x\) holds 1 values that are NaN or infinite"),
        ("psf", np.nan, r"psf \(energy_true, rad, y_psf, x_psf\) holds 1 values"),
        ("edisp", np.nan, "edisp .* holds 1 values"),
        ("counts", np.nan, "counts .* holds 1 values"),
        ("counts", -1e-12, "counts .* holds negative values, down to -1e-12"),
        ("background", -1e-3, "background .* negative values, down to -0.001 where .* rounding noise.*clip"),
        ("exposure", -1e5, "exposure .* negative values, down to -100000 m2 s"),
        ("psf_exposure", -1e5, "psf_exposure .* negative"),
    ],
)
def test_values(ds, name, value, message, chunks):
    broken = changed(ds, name, value, (0,) * ds[name].ndim)
    broken = broken if chunks is None else broken.chunk(chunks)
    check_structure(broken)
    with pytest.raises(ValueError, match=message):
        validate(broken)


def test_rounding_noise_is_let_through(ds):
    validate(changed(ds, "background", -1e-10))
    validate(changed(ds, "exposure", -0.5))
    validate(changed(ds, "psf", -1.0, (0, 0, 0, 0)))


def test_a_map_without_a_finite_value(ds):
    with pytest.raises(ValueError, match="holds 768 values that are NaN"):
        validate(ds.assign(background=ds["background"] * np.nan))


def test_times(ds):
    with pytest.raises(ValueError, match="later than gti_stop in 1 intervals"):
        validate(changed(ds, "gti_start", 1e6, 0))
    with pytest.raises(ValueError, match=r"livetime \(\) holds negative values, down to -1 s"):
        validate(ds.assign(livetime=((), -1.0, {"units": "s"})))


def test_all_problems_are_told_at_once(ds):
    broken = changed(changed(ds, "counts", -1), "exposure", np.nan)
    with pytest.raises(ValueError, match="2 problems") as caught:
        validate(broken)
    assert str(caught.value).count("\n- ") == 2


def test_lazy_values_are_read_in_one_pass():
    import dask

    reads = []

    def count(block):
        reads.append(block.shape)
        return block

    ds = make_map_dataset(chunks={"y": 4})
    ds["background"] = ds["background"].copy(
        data=ds["background"].data.map_blocks(count, dtype=float, meta=np.empty((0, 0, 0)))
    )
    with dask.config.set(scheduler="synchronous"):
        validate(ds)
    assert len(reads) == 3


def test_order_of_dims(ds):
    for name, spec in VARIABLES.items():
        assert schema_order(name, spec.dims[::-1]) == spec.dims
    assert schema_order("psf", ("x_psf", "rad", "energy", "y_psf")) == ("energy", "rad", "y_psf", "x_psf")
    assert schema_order("edisp", ("x", "y", "migra", "energy_true_edisp")) == ("energy_true_edisp", "migra", "y", "x")
    assert schema_order("counts", ("x", "obs", "y", "energy")) == ("obs", "energy", "y", "x")
    assert schema_order("other", ("x", "y")) == ("x", "y")
