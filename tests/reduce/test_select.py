import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from astropy.nddata import Cutout2D

from tests.builders import SKIES, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.io.open import open_dataset
from xgamma.reduce.masks import energy_mask, region_mask
from xgamma.reduce.select import cutout, slice_by_energy, slice_by_idx

MAPS = ("counts", "background", "exposure", "mask_safe", "mask_fit")


@pytest.fixture(scope="module", params=SKIES)
def ds(request):
    return make_map_dataset(**SKIES[request.param], npix=(30, 40))


def at(ds, dlon=0.0, dlat=0.0, frame="fk5"):
    grid = SkyGrid.from_dataset(ds)
    middle = grid.center.spherical
    return grid.position(middle.lon.deg + dlon, middle.lat.deg + dlat).transform_to(frame)


@pytest.mark.parametrize("width", ["1.2 deg", (1.3 * u.deg, 30 * u.arcmin), 0.01, [9, 0.7]])
@pytest.mark.parametrize("offset", [(0, 0), (0.43, -0.61), (1.6, 1.2)])
def test_maps_are_those_of_cutout2d(ds, width, offset):
    before = ds.copy(deep=True)
    position = at(ds, *offset)
    part = cutout(ds, position, width)
    sides = u.Quantity([u.Quantity(w, u.deg) for w in (width if isinstance(width, list | tuple) else (width, width))])
    size = np.maximum(np.round(sides.to_value("deg")[::-1] / 0.1), 1)
    wcs = SkyGrid.from_dataset(ds).fits_header()
    for name in MAPS:
        layer = ds[name].values[0]
        np.testing.assert_array_equal(part[name][0], Cutout2D(layer, position, size, wcs, mode="trim").data)
    xr.testing.assert_identical(part.counts, ds.counts.sel(y=part.y, x=part.x))
    xr.testing.assert_identical(ds, before)


def linear(irf, lon, lat):
    """Linear interpolation at positions, with the nearest pixel beyond the rim."""
    y, x = SkyGrid.from_dataset(irf, "psf").lonlat_to_labels(lon, lat)
    points = {"y_psf": xr.DataArray(y, dims="p"), "x_psf": xr.DataArray(x, dims="p")}
    for dim in points:
        points[dim] = points[dim].clip(float(irf[dim].min()), float(irf[dim].max()))
    return irf.drop_vars(["lon_psf", "lat_psf"]).interp(points).values


@pytest.mark.parametrize("width", [0.3, (1.9, 0.5), 2.4])
@pytest.mark.parametrize("offset", [(0, 0), (0.43, -0.61), (1.5, 1.1)])
def test_responses_keep_what_interpolation_needs(ds, width, offset):
    part = cutout(ds, at(ds, *offset), width)
    lon, lat = part.lon.values.ravel(), part.lat.values.ravel()
    np.testing.assert_allclose(linear(part.psf, lon, lat), linear(ds.psf, lon, lat), rtol=1e-12)
    assert part.sizes["y_edisp"] == part.sizes["y_psf"]
    assert np.isin(part.y_psf, ds.y_psf).all()


def test_responses_are_cut(ds):
    part = cutout(ds, at(ds), 0.5)
    assert 3 <= part.sizes["y_psf"] <= 5 < ds.sizes["y_psf"]
    assert part.psf_exposure.sizes["x_psf"] == part.sizes["x_psf"]


def test_a_cutout_of_a_cutout(ds):
    once = cutout(ds, at(ds), 0.8)
    twice = cutout(cutout(ds, at(ds), 2.0), at(ds), 0.8)
    xr.testing.assert_identical(twice.drop_attrs(deep=False)[list(MAPS)], once.drop_attrs(deep=False)[list(MAPS)])


def test_an_exposure_on_its_own_grid_is_cut_to_the_pixel(ds):
    coarse = SkyGrid.from_dataset(ds).with_binsz(0.3)
    exposure = xr.DataArray(np.ones((6, *coarse.shape)), dims=("energy_true", "y_exposure", "x_exposure"))
    other = ds.drop_vars("exposure").assign(exposure=exposure).assign_coords(coarse.to_coords("exposure"))
    part = cutout(other, at(ds, 0.2), 1.0)
    assert part.sizes["x_exposure"] == 3 and part.sizes["x"] == 10


def test_responses_without_sky_stay(ds):
    plain = make_map_dataset(irf_on_sky=False, npix=(30, 40))
    part = cutout(plain, at(plain), 1)
    xr.testing.assert_identical(part.psf.drop_vars("wcs"), plain.psf.drop_vars("wcs"))


def test_modes(ds):
    corner = at(ds, 1.7, 1.3)
    trimmed = cutout(ds, corner, 1)
    with pytest.raises(ValueError, match="not wholly inside"):
        cutout(ds, corner, 1, mode="strict")
    xr.testing.assert_identical(cutout(ds, at(ds), 1, mode="strict").counts, cutout(ds, at(ds), 1).counts)
    filled = cutout(ds, corner, 1, mode="partial")
    assert filled.counts.shape == (4, 10, 10)
    xr.testing.assert_identical(filled.sel(y=trimmed.y, x=trimmed.x).counts, trimmed.counts)
    assert filled.counts.sum() == trimmed.counts.sum() and filled.mask_safe.sum() == trimmed.mask_safe.sum()
    assert filled.mask_safe.dtype == bool
    lon, lat = SkyGrid.from_dataset(filled).lonlat()
    np.testing.assert_array_equal(filled.lon, lon)
    xr.testing.assert_identical(filled.psf, trimmed.psf)
    wcs = SkyGrid.from_dataset(ds).fits_header()
    expected = Cutout2D(ds.background.values[1], corner, (10, 10), wcs, mode="partial", fill_value=0).data
    np.testing.assert_array_equal(filled.background[1], expected)
    with pytest.raises(ValueError, match="gaps"):
        cutout(ds.isel(x=slice(None, None, 2)), corner, 1, mode="partial")


def test_cutouts_of_strided_and_transposed_maps(ds):
    position = at(ds, 0.3, -0.2)
    part = cutout(ds, position, 1.1)
    strided = cutout(ds.isel(y=slice(None, None, 2), x=slice(None, None, 3)), position, 1.1)
    rows, columns = np.isin(part.y, ds.y[::2]), np.isin(part.x, ds.x[::3])
    xr.testing.assert_identical(strided.counts, part.counts.isel(y=rows, x=columns))
    turned = cutout(ds.transpose("x_psf", "x", "y", ...), position, 1.1)
    xr.testing.assert_identical(turned.transpose(*ds.dims).counts, part.counts)


def test_errors_name_what_is_wrong(ds):
    with pytest.raises(ValueError, match="misses the map"):
        cutout(ds, at(ds, 0, 8), 1)
    with pytest.raises(ValueError, match="width is given as '1 TeV'|width.*'1 TeV'"):
        cutout(ds, at(ds), "1 TeV")
    with pytest.raises(ValueError, match="one SkyCoord"):
        cutout(ds, (0, 0), 1)
    with pytest.raises(ValueError, match="no sky grid 'y', 'x'"):
        cutout(ds[["psf"]], at(ds), 1)
    with pytest.raises(ValueError, match="no sky grid 'y', 'x'"):
        cutout(ds.isel(x=3), at(ds), 1)


def test_names_and_history(ds):
    part = cutout(ds, at(ds, frame="galactic"), (1, 0.5), name="part")
    assert part.attrs["name"] == "part" and ds.attrs["name"] == "test"
    assert part.attrs["history"].startswith("cutout(position=") and "width=(1, 0.5) deg" in part.attrs["history"]
    both = slice_by_energy(part, "1 TeV")
    assert both.attrs["name"] == "part"
    assert both.attrs["history"].splitlines()[1] == "slice_by_energy(1 TeV, None)"
    last = slice_by_idx(both, {"energy_true": slice(1, None, 2), "energy": -1}, name="last")
    assert last.attrs["history"].splitlines()[2] == "slice_by_idx(energy_true=1::2, energy=-1:)"
    assert last.attrs["name"] == "last"


def test_lazy_data_stay_lazy(ds, no_compute):
    lazy = ds.chunk(y=11, x=13)
    with no_compute():
        parts = [
            cutout(lazy, at(ds), 1.1),
            cutout(lazy, at(ds, 1.7), 1.1, mode="partial"),
            slice_by_energy(lazy, "1 TeV", "5 TeV"),
            slice_by_idx(lazy, {"x": slice(3, 9)}),
        ]
    expected = [
        cutout(ds, at(ds), 1.1),
        cutout(ds, at(ds, 1.7), 1.1, mode="partial"),
        slice_by_energy(ds, "1 TeV", "5 TeV"),
        slice_by_idx(ds, {"x": slice(3, 9)}),
    ]
    for part, whole in zip(parts, expected, strict=True):
        assert part.counts.chunks is not None
        xr.testing.assert_identical(part.compute(), whole)


def test_energies_snap_to_the_nearest_edge(ds):
    part = slice_by_energy(ds, "1.3 TeV", 9000 * u.GeV)
    assert part.sizes["energy"] == 2 == part.edisp.sizes["energy"]
    np.testing.assert_allclose(part.energy_min, ds.energy_min[1:3])
    assert part.sizes["energy_true"] == ds.sizes["energy_true"]
    xr.testing.assert_identical(slice_by_energy(ds).drop_attrs(deep=False), ds.drop_attrs(deep=False))
    with pytest.raises(ValueError, match="enclose no bin of axis 'energy'"):
        slice_by_energy(ds, "30 TeV", "40 TeV")
    with pytest.raises(ValueError, match="'1 deg'"):
        slice_by_energy(ds, "1 deg")
    with pytest.raises(ValueError, match="do not touch"):
        slice_by_energy(ds.isel(energy=[0, 2]), "1 TeV")
    with pytest.raises(ValueError, match="no axis 'energy'"):
        slice_by_energy(ds[["psf"]])


def test_bins_by_position(ds):
    part = slice_by_idx(ds, {"energy": slice(1, 3), "energy_true": 2})
    xr.testing.assert_identical(
        part.drop_attrs(deep=False), ds.isel(energy=[1, 2], energy_true=[2]).drop_attrs(deep=False)
    )
    assert part.exposure.dims == ds.exposure.dims
    with pytest.raises(ValueError, match="no dim 'energie'"):
        slice_by_idx(ds, {"energie": slice(1)})
    with pytest.raises(ValueError, match="4 bins: there is none at position 4"):
        slice_by_idx(ds, {"energy": 4})
    with pytest.raises(ValueError, match="leaves none of the 4 bins"):
        slice_by_idx(ds, {"energy": slice(2, 2)})


def check(part, expected, names=("counts", "background", "exposure")):
    for name in names:
        assert list(part[name].shape) == expected[name]["shape"]
        sums = part[name].astype(float).sum(["y", "x"])
        np.testing.assert_allclose(sums, expected[name]["per_energy"], rtol=1e-6)
    for name in ("mask_safe", "mask_fit"):
        if name in expected and name in part:
            np.testing.assert_array_equal(part[name].sum(["y", "x"]), expected[name]["per_energy"])


@pytest.mark.parametrize("chunks", [None, {"y": 100, "x": 100}])
def test_the_tutorial(cta_path, reference, chunks):
    expected = reference("tutorial_cta")
    ds = open_dataset(cta_path, chunks=chunks)
    ds["mask_fit"] = region_mask(ds, "galactic;circle(0,0,1.5)") & energy_mask(ds, "0.3 TeV", "8 TeV")
    center = SkyCoord(0, 0, unit="deg", frame="galactic").transform_to("icrs")
    check(cutout(ds, center, "2 deg"), expected["cutout_2deg"])
    offset = cutout(ds, SkyCoord(1.2, -0.6, unit="deg", frame="galactic"), (1.5 * u.deg, 0.8 * u.deg))
    check(offset, expected["cutout_offset_1.5x0.8deg"])
    check(slice_by_energy(ds, "1 TeV", "5 TeV"), expected["slice_1_5TeV"])


def test_the_fermi_file(fermi_path, reference):
    ds = open_dataset(fermi_path)
    part = cutout(ds, SkyCoord(0, 0, unit="deg", frame="galactic"), 2)
    check(part, reference("fermi-3fhl-gc")["cutout_2deg"])
    xr.testing.assert_identical(part.psf.drop_vars("wcs"), ds.psf.drop_vars("wcs"))
