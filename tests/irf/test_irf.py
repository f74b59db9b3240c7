import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord

from tests import brute
from tests.builders import SKIES, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.irf import edisp, psf
from xgamma.irf.lookup import at_position, sky_dims

LOOKUPS = {
    "containment": lambda ds, at: psf.containment(ds, [0.05, 0.2] * u.deg, [1, 5] * u.TeV, at),
    "containment of the table": lambda ds, at: psf.containment(ds, "0.1 deg", position=at),
    "containment_radius": lambda ds, at: psf.containment_radius(ds, 0.68, [1, 5] * u.TeV, at),
    "containment_radius scalar": lambda ds, at: psf.containment_radius(ds, 0.68, "1 TeV", at),
    "psf kernel": psf.kernel,
    "edisp kernel": edisp.kernel,
    "bias": lambda ds, at: edisp.bias(ds, position=at),
    "resolution scalar": lambda ds, at: edisp.resolution(ds, "1 TeV", at),
}


@pytest.fixture(params=SKIES)
def ds(request):
    return make_map_dataset(**SKIES[request.param])


def near_centre(ds, dy=0.3, dx=-0.4):
    grid = SkyGrid.from_dataset(ds)
    centre = grid.center
    return SkyCoord(centre.spherical.lon + dx * u.deg, centre.spherical.lat + dy * u.deg, frame=grid.frame)


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_lazy(ds, lookup, no_compute):
    at = near_centre(ds)
    expected = LOOKUPS[lookup](ds, at)
    lazy = ds.chunk(y_psf=2, x_psf=1, rad=7, energy_true=4, y_edisp=3, energy=3)
    with no_compute():
        actual = LOOKUPS[lookup](lazy, at)
    assert actual.chunks is not None
    xr.testing.assert_allclose(actual.compute(), expected)
    assert actual.attrs == expected.attrs


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_migration_table(lookup):
    ds = make_map_dataset(migra=True)
    expected = LOOKUPS[lookup](ds, near_centre(ds))
    assert np.isfinite(expected).all()
    xr.testing.assert_allclose(LOOKUPS[lookup](ds.chunk(migra=9, energy_true=3), near_centre(ds)).compute(), expected)


def test_bilinear_on_the_sky(ds):
    at = near_centre(ds)
    _, profiles, matrix, _ = brute.response(ds, at)
    table = psf.profiles(ds, at)
    # labels are rounded to 1e-10 pixels, which shows in the steep tail
    np.testing.assert_allclose(
        table / table.sum(axis=1, keepdims=True), profiles / profiles.sum(axis=1)[:, None], rtol=1e-8
    )
    np.testing.assert_allclose(edisp.matrix(ds, at), matrix, rtol=1e-8)


def test_pixel_centre_is_the_table(ds):
    grid = SkyGrid.from_dataset(ds, "psf")
    lon, lat = grid.labels_to_lonlat(np.array(grid.y[1]), np.array(grid.x[2]))
    table = psf.profiles(ds, SkyCoord(float(lon), float(lat), unit="deg", frame=grid.frame))
    np.testing.assert_allclose(table, ds["psf"].isel(y_psf=1, x_psf=2), rtol=1e-9)


def test_clamped_beyond_the_outermost_pixels(ds):
    grid = SkyGrid.from_dataset(ds, "psf")
    lon, lat = grid.labels_to_lonlat(np.array(grid.y[0] - 0.4), np.array(grid.x[-1] + 0.4))
    table = psf.profiles(ds, SkyCoord(float(lon), float(lat), unit="deg", frame=grid.frame))
    np.testing.assert_allclose(table, ds["psf"].isel(y_psf=0, x_psf=-1), rtol=1e-9)


def test_reversed_and_transposed(ds):
    at = near_centre(ds)
    other = ds.isel(y_psf=slice(None, None, -1), x_psf=slice(None, None, -1)).transpose()
    np.testing.assert_allclose(psf.profiles(other, at), psf.profiles(ds, at), rtol=1e-12)


def test_undefined_neighbours_do_not_spoil(ds):
    grid = SkyGrid.from_dataset(ds, "psf")
    lon, lat = grid.labels_to_lonlat(np.array(grid.y[1]), np.array(grid.x[1]))
    holes = ds["psf"].where((ds.y_psf == grid.y[1]) & (ds.x_psf == grid.x[1]))
    table = at_position(holes, SkyCoord(float(lon), float(lat), unit="deg", frame=grid.frame), ("energy_true", "rad"))
    assert np.isfinite(table).all()


def test_one_profile_for_all_the_sky():
    ds = make_map_dataset(irf_on_sky=False)
    np.testing.assert_array_equal(psf.profiles(ds, near_centre(ds)), ds["psf"])
    np.testing.assert_array_equal(psf.profiles(ds), ds["psf"])


def test_off_the_projection():
    ds = make_map_dataset(**SKIES["TAN"])
    with pytest.raises(ValueError, match="not on the projection of 'psf'"):
        psf.profiles(ds, SkyCoord(263.63, -22, unit="deg"))


def test_missing_variables():
    ds = make_map_dataset().drop_vars(["psf", "edisp"])
    with pytest.raises(ValueError, match="Dataset 'test' has no variable 'psf'"):
        psf.containment(ds, "0.1 deg", "1 TeV")
    with pytest.raises(ValueError, match="Dataset 'test' has no variable 'edisp'"):
        edisp.kernel(ds)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ds: psf.containment(ds, "1 TeV", "1 TeV"), "rad needs a unit of angle, such as '0.1 deg', not 'TeV'"),
        (lambda ds: psf.containment(ds, "1 deg", "1 deg"), "energy_true needs a unit of energy, such as '1 TeV'"),
        (lambda ds: psf.containment(ds, "1 deg", 3.0), "energy_true needs a unit of energy, such as '1 TeV'"),
        (lambda ds: psf.containment_radius(ds, 1.5), "fraction must be one number between 0 and 1, not 1.5"),
        (lambda ds: psf.kernel(ds.drop_vars("wcs")), "give binsz"),
        (lambda ds: sky_dims(ds["psf"].isel(y_psf=0)), "'psf' has the sky dim 'x_psf' without its partner"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(make_map_dataset())


def test_containment_brute_force(ds):
    at = near_centre(ds)
    _, profiles, _, rad = brute.response(ds, at)
    r = np.linspace(0, np.radians(0.12), 20_001)
    expected = [np.trapezoid(2 * np.pi * r * np.interp(r, rad, row), r) for row in profiles]
    np.testing.assert_allclose(psf.containment(ds, "0.12 deg", position=at), expected, rtol=1e-4)


def test_kernel_sums_to_one(ds):
    image = psf.kernel(ds, near_centre(ds))
    np.testing.assert_allclose(image.sum(("y", "x")), 1, rtol=1e-6)
    assert image.sizes["y"] % 2 == 1
    assert float(image.max()) == float(image.sel(y=0, x=0, method="nearest").max())


def test_kernel_options(ds):
    image = psf.kernel(ds, binsz="0.05 deg", max_radius=0.2)
    assert dict(image.sizes) == {"energy_true": 6, "y": 9, "x": 9}
    np.testing.assert_allclose(np.diff(image["x"]), 0.05)


def test_reference(cta_path, reference):
    from xgamma.io.open import open_dataset

    ds = open_dataset(cta_path)
    expected = reference("tutorial_cta")
    for row in expected["containment_radius"]:
        at = SkyCoord(row["lon"], row["lat"], unit="deg", frame="galactic")
        actual = psf.containment_radius(ds, row["fraction"], row["energy_true_TeV"] * u.TeV, at)
        assert float(actual) == pytest.approx(row["radius_deg"], abs=0.01), "one bin in rad"
    default = psf.containment_radius(ds, 0.95, "1 TeV")
    assert float(default) == pytest.approx(expected["containment_radius_default_position_1TeV_95"], abs=0.01)
    centre = SkyCoord(0, 0, unit="deg", frame="galactic")
    for row in expected["containment"]:
        actual = psf.containment(ds, row["rad_deg"] * u.deg, row["energy_true_TeV"] * u.TeV, centre)
        # gammapy sums whole bins in rad, of 0.01 deg
        assert float(actual) == pytest.approx(row["value"], abs=0.02)
    kernel = edisp.kernel(ds, centre)
    # gammapy takes the nearest of four pixels
    np.testing.assert_allclose(kernel, expected["edisp_kernel_center"]["matrix"], atol=4e-3)
    assert float(edisp.bias(ds, "1 TeV", centre)) == pytest.approx(
        expected["edisp_kernel_center"]["bias_1TeV"], abs=1e-3
    )
    assert float(edisp.resolution(ds, "1 TeV", centre)) == pytest.approx(
        expected["edisp_kernel_center"]["resolution_1TeV"], abs=1e-3
    )
