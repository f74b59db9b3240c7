import json
import tracemalloc

import numpy as np
import pytest
import xarray as xr
from xarray.indexes import PandasIndex

from tests.builders import SKIES, make_map_dataset
from xgamma.coords import (
    Axis,
    EdgeIndex,
    SkyGrid,
    WcsIndex,
    decode,
    encode,
    energy_edges,
    from_grid,
    lonlat,
    solid_angle,
)


@pytest.fixture(scope="module", params=SKIES)
def ds(request):
    return make_map_dataset(**SKIES[request.param])


def _own_grid(ds):
    names = {key: f"{key}_exposure" for key in ("y", "x", "lon", "lat")}
    exposure = ds.exposure.drop_vars("wcs").rename(names).rename("exposure2")
    return ds.merge(exposure, compat="override", join="exact").assign_coords(wcs_exposure=ds.wcs)


def _own_energies(ds):
    return ds.rename({f"energy_true{end}": f"energy_true_psf{end}" for end in ("", "_min", "_max")})


CHANGES = {
    "whole": lambda ds: ds,
    "strided": lambda ds: ds.isel(y=slice(None, None, 2), x=slice(1, None, 3), energy=slice(None, None, 2)),
    "reversed": lambda ds: ds.isel(x=slice(None, None, -1), energy=slice(None, None, -1)),
    "transposed": lambda ds: ds.transpose("x", "y", "x_psf", ...),
    "cutout": lambda ds: ds.isel(y=slice(2, 5), x_psf=slice(1, 2)),
    "one pixel": lambda ds: ds.isel(y=3, x=2),
    "one row": lambda ds: ds.isel(y=3),
    "one bin": lambda ds: ds.isel(energy=1),
    "counts": lambda ds: ds[["counts"]],
    "chunked": lambda ds: ds.chunk(y=5, x=7, energy_true=2),
    "on another grid": _own_grid,
    "own true energies": _own_energies,
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_decode_undoes_encode(ds, change):
    ds = CHANGES[change](ds)
    before = ds.copy(deep=True)
    plain = encode(ds)
    xr.testing.assert_identical(ds, before)
    assert all(type(index) is PandasIndex for index in plain.xindexes.values())
    again = decode(plain)
    xr.testing.assert_identical(again, ds)
    for name, index in ds.xindexes.items():
        assert type(again.xindexes[name]) is type(index) and again.xindexes[name].equals(index)
    if change != "transposed":
        without = encode(ds, lonlat=False)
        assert not {"lon", "lat"} & set(without.coords) or "x" not in ds.dims or "y" not in ds.dims
        xr.testing.assert_identical(decode(without), ds)
        assert decode(ds) is ds
    assert decode(again) is again


def test_encoded_coordinates_hold_the_positions(ds):
    plain = encode(ds)
    np.testing.assert_array_equal(plain.lon, ds.lon)
    np.testing.assert_array_equal(plain.lat_psf, ds.lat_psf)
    assert plain.lon.attrs == ds.lon.attrs
    assert plain.lon.variable._data.__class__ is np.ndarray


def test_attrs_can_be_written_to_any_file(ds):
    plain = encode(ds)
    for name in plain.variables:
        for key, value in plain[name].attrs.items():
            assert type(value) in (str, int, float), (name, key)
    json.dumps({name: plain[name].attrs for name in plain.variables})


def test_encoding_lazy_data_computes_nothing(ds, no_compute):
    lazy = ds.chunk(y=5, x=7)
    fresh = lazy.drop_vars(["lon", "lat"]).assign_coords(SkyGrid.from_dataset(ds).to_coords())
    with no_compute():
        plain, other = encode(lazy), encode(fresh)
        encode(lazy, lonlat=False)
    assert plain.lon.chunksizes == {"y": (5, 5, 2), "x": (7, 7, 2)} == other.lon.chunksizes
    np.testing.assert_array_equal(plain.lon, ds.lon)
    np.testing.assert_array_equal(other.lat, ds.lat)


@pytest.mark.parametrize("engine", ["netcdf", "zarr"])
def test_archives_come_back_identical(ds, engine, tmp_path):
    path = tmp_path / "ds"
    if engine == "zarr":
        encode(ds).to_zarr(path, consolidated=False)
        stored = xr.open_zarr(path, chunks=None, consolidated=False)
    else:
        encode(ds).to_netcdf(path)
        stored = xr.open_dataset(path, engine="netcdf4")
    with stored:
        xr.testing.assert_identical(decode(stored).load(), ds)


def test_reset_coordinates_are_found(ds):
    # a reader without CF conventions leaves them among the data variables
    plain = encode(ds).reset_coords()
    xr.testing.assert_identical(decode(plain), ds)


def _change(name, function):
    def change(plain):
        changed = function(plain[name].copy(deep=True))
        return plain.drop_vars(name).assign_coords(
            {name: changed.variable if hasattr(changed, "variable") else changed}
        )

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.drop_vars("energy_min"), "'energy' lacks its edges: there is no variable 'energy_min'"),
        (lambda p: p.drop_vars("energy_true"), "no axis 'energy_true'"),
        (lambda p: p.drop_vars("wcs"), r"\['wcs'\]"),
        (lambda p: p.drop_vars("x_psf"), r"\['x_psf'\]"),
        (_change("wcs", lambda v: xr.Variable((), 0)), "'wcs' is damaged: .*lacks the keywords"),
        (_change("wcs_psf", lambda v: v.assign_attrs(CRVAL1="nought")), "'wcs_psf' is damaged: .*CRVAL1"),
        (_change("wcs", lambda v: v.assign_attrs(CTYPE1="GLON-QQQ")), "'wcs' is damaged"),
        (_change("energy", lambda v: xr.Variable("energy", v.values)), "'energy' lacks the attributes"),
        (_change("energy", lambda v: v.assign_attrs(units="TeW")), "'energy'.*unknown unit 'TeW'"),
        (_change("energy", lambda v: v.assign_attrs(units="m")), "'energy_min'.* in 'm'"),
        (_change("rad", lambda v: v.assign_attrs(interp="cubic")), "'rad' has interp 'cubic'"),
        (_change("energy_min", lambda v: v[::-1].drop_vars("energy")), "'energy' has bins whose lower edge"),
        (_change("energy_max", lambda v: v * np.nan), "'energy' has upper values that are not finite"),
        (_change("energy", lambda v: xr.Variable("energy", v.values * 0, v.attrs)), "centres outside their bins"),
        (_change("y", lambda v: xr.Variable("y", v.values + 0.5)), "'y' must be whole numbers"),
        (lambda p: p.drop_vars("lon").assign_coords(lon=("x", np.zeros(16))), "'lon' has dims"),
        (lambda p: p.drop_vars("energy_min").assign_coords(energy_min=3.0), "'energy_min' has dims"),
    ],
)  # fmt: skip
def test_damage_is_named(ds, damage, message):
    with pytest.raises(ValueError, match=message):
        decode(damage(encode(ds)))


def test_units_of_another_kind_are_named(ds):
    plain = encode(ds)
    for name in ("energy", "energy_min", "energy_max"):
        plain[name].attrs["units"] = "m"
    with pytest.raises(ValueError, match="'energy' is in 'm', which cannot be converted to 'TeV'"):
        decode(plain)


def test_falling_and_jumbled_axes():
    axis = Axis.from_edges("energy", energy_edges("1 TeV", "10 TeV", 5))
    jumbled = xr.Dataset(coords=axis.take([0, 3, 1]).to_coords())
    with pytest.raises(ValueError, match="'energy' neither rises nor falls"):
        decode(encode(jumbled))


def test_coarsen_between_encode_and_decode_fails_clearly(ds):
    # coarsening averages labels: half-integer ones cannot pass for a map
    coarse = encode(ds, lonlat=False)[["counts"]].coarsen(x=2, y=2).sum()
    with pytest.raises(ValueError, match="'y' must be whole numbers"):
        decode(coarse)


@pytest.mark.parametrize("chunks", [None, {"y": 5}, {"x": 7, "y": 5}, {"energy": 1}])
def test_arrays_over_a_grid_follow_the_chunks(ds, chunks, no_compute):
    lazy = ds.chunk(chunks) if chunks else ds
    with no_compute():
        lon, lat = lonlat(lazy)
        area, area_psf = solid_angle(lazy), solid_angle(lazy, "psf")
    for made, expected in [(lon, ds.lon), (lat, ds.lat), (area, SkyGrid.from_dataset(ds).solid_angle())]:
        np.testing.assert_array_equal(made, expected)
        assert made.dims == ("y", "x") and (made.chunks is None) == (chunks is None)
        assert isinstance(made.xindexes["lon"], WcsIndex)
    assert area.attrs == {"units": "sr"} and area_psf.dims == ("y_psf", "x_psf")
    assert "wcs_psf" not in area.coords and "energy" not in area.coords
    if chunks and "energy" not in chunks:
        for dim, size in chunks.items():
            assert max(area.chunksizes[dim]) == size


def test_large_maps_are_made_piece_by_piece():
    # its positions are 82 MB, and wcslib needs several times as much for them
    keys = SkyGrid.create(binsz=0.01, width=1, proj="TAN").keywords
    grid = SkyGrid(keys, np.arange(-3200, 3200), np.arange(-3200, 3200))
    ds = xr.Dataset(coords=grid.to_coords())
    import dask.array as da

    ds["image"] = (("y", "x"), da.zeros(grid.shape, chunks=400))
    ds = ds.isel(y=slice(0, 800))
    tracemalloc.start()
    total = from_grid(ds, _sum_of_latitudes).sum().compute(scheduler="synchronous")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.isfinite(total)
    assert peak < 25e6


def _sum_of_latitudes(grid):
    return grid.lonlat()[1]


def test_set_index_types(ds):
    assert isinstance(ds.xindexes["energy"], EdgeIndex) and isinstance(ds.xindexes["lon_edisp"], WcsIndex)
