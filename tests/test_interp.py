import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord

from tests.builders import SKIES, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.interp import interp_by_coord


@pytest.fixture(params=SKIES)
def ds(request):
    return make_map_dataset(**SKIES[request.param])


def positions(ds, dy=0.3, dx=0.6):
    grid = SkyGrid.from_dataset(ds)
    rows, columns = grid.y[2:6] + dy, grid.x[3:7] + dx
    return SkyCoord(*grid.labels_to_lonlat(rows, columns), unit="deg", frame=grid.frame)


def test_pixel_centres(ds):
    at = positions(ds, 0, 0)
    out = interp_by_coord(ds["exposure"], {"skycoord": at})
    assert out.dims == ("point_0", "energy_true")
    expected = np.array([ds["exposure"].values[:, 2 + i, 3 + i] for i in range(4)])
    np.testing.assert_allclose(out, expected, rtol=1e-9)
    assert out.attrs == ds["exposure"].attrs
    np.testing.assert_array_equal(out["energy_true"], ds["energy_true"])


def test_bilinear(ds):
    values = ds["exposure"].values[:, 2:4, 3:5]
    weights = np.outer([0.7, 0.3], [0.4, 0.6])
    out = interp_by_coord(ds["exposure"], {"skycoord": positions(ds)[0]})
    assert out.dims == ("energy_true",)
    np.testing.assert_allclose(out, (values * weights).sum(axis=(1, 2)), rtol=1e-9)


def test_axis_in_its_scale(ds):
    centre = ds["energy_true"].values
    between = np.sqrt(centre[1] * centre[2])
    out = interp_by_coord(ds["exposure"], {"energy_true": between * u.TeV})
    np.testing.assert_allclose(out, ds["exposure"].isel(energy_true=slice(1, 3)).mean("energy_true"))
    assert out.dims == ("y", "x")
    both = interp_by_coord(ds["exposure"], {"skycoord": positions(ds), "energy_true": f"{between * 1e3} GeV"})
    np.testing.assert_allclose(both, interp_by_coord(out, {"skycoord": positions(ds)}))


def test_lon_lat_are_those_of_the_map(ds):
    grid = SkyGrid.from_dataset(ds)
    lon, lat = grid.labels_to_lonlat(grid.y[2] + 0.3, grid.x[3] + 0.6)
    out = interp_by_coord(ds["exposure"], {"lon": float(lon) + 360, "lat": float(lat) * u.deg})
    np.testing.assert_allclose(out, interp_by_coord(ds["exposure"], {"skycoord": positions(ds)[0]}), rtol=1e-9)


def test_outside_is_undefined(ds):
    grid = SkyGrid.from_dataset(ds)
    lon, lat = grid.labels_to_lonlat(np.array([0.0, 0.0]) + grid.y[0], grid.x[0] + np.array([-0.4, -0.6]))
    out = interp_by_coord(ds["exposure"], {"lon": lon, "lat": lat})
    assert np.isfinite(out[0]).all()
    assert np.isnan(out[1]).all()


def test_lazy(ds, no_compute):
    request = {"skycoord": positions(ds)[:, None], "energy_true": [1, 2, 3] * u.TeV}
    expected = interp_by_coord(ds["exposure"], request)
    assert expected.dims == ("point_0", "point_1")
    with no_compute():
        actual = interp_by_coord(ds["exposure"].chunk(x=5, y=4, energy_true=2), request)
    assert actual.chunks is not None
    xr.testing.assert_allclose(actual.compute(), expected)


def test_transposed_and_reversed(ds):
    other = ds["exposure"].transpose().isel(x=slice(None, None, -1))
    out = interp_by_coord(other, {"skycoord": positions(ds)})
    np.testing.assert_allclose(out, interp_by_coord(ds["exposure"], {"skycoord": positions(ds)}), rtol=1e-9)


@pytest.mark.parametrize(
    ("coords", "message"),
    [
        ({"rad": "1 deg"}, "'exposure' has no axis 'rad', its dims are"),
        ({"energy_true": "1 deg"}, "'energy_true' needs a unit that converts to 'TeV', not 'deg'"),
        ({"lon": 0}, "Both lon and lat are needed, 'lat' is missing"),
    ],
)
def test_errors(coords, message):
    with pytest.raises(ValueError, match=message):
        interp_by_coord(make_map_dataset()["exposure"], coords)


def test_no_sky():
    ds = make_map_dataset(irf_on_sky=False)
    with pytest.raises(ValueError, match="'psf' has no dims on the sky"):
        interp_by_coord(ds["psf"], {"lon": 0, "lat": 0})
