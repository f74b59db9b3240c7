import copy
import pickle

import astropy.units as u
import numpy as np
import pytest
import xarray as xr

from tests.builders import SKIES, make_map_dataset
from xgamma.coords import LabelError, SkyGrid, WcsIndex, decode


@pytest.fixture(scope="module", params=SKIES)
def ds(request):
    return make_map_dataset(**SKIES[request.param])


@pytest.fixture(scope="module")
def car():
    return make_map_dataset(**SKIES["CAR"])


def index_of(obj, name="lon"):
    index = obj.xindexes[name]
    assert isinstance(index, WcsIndex)
    return index


def middle(ds):
    lon, lat = ds.lon.values, ds.lat.values
    return lon[6, 8], lat[6, 8]


def test_coordinates_are_those_of_the_grid(ds):
    lon, lat = index_of(ds).grid.lonlat()
    np.testing.assert_array_equal(ds.lon, lon)
    np.testing.assert_array_equal(ds.lat, lat)
    assert (ds.lon.attrs["units"], ds.lon.attrs["frame"]) == ("deg", index_of(ds).grid.frame)
    assert ds.lon.dims == ds.lat.dims == ("y", "x")
    assert "12 x 16 pixels" in repr(ds)


def test_coordinates_are_lazy():
    # a map of a hundred billion pixels: its coordinates can be made and cut, but not computed
    keys = SkyGrid.create(width=1, binsz=0.5).keywords
    ds = xr.Dataset(coords=SkyGrid(keys, np.arange(10**5), np.arange(10**6)).to_coords())
    part = ds.isel(y=slice(0, 3), x=[0, 5])
    assert np.isfinite(part.lon.values).all()
    assert ds.sel(lon=0.25, lat=-0.25).sizes == {}


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(2, 9), slice(3, 5)),
        (slice(None, None, 2), slice(None, None, 3)),
        (slice(None, None, -1), slice(10, 2, -2)),
        ([5, 1], np.array([3, 3, 0])),
        (np.arange(12) > 6, slice(None)),
        (slice(0, 0), slice(None)),
    ],
)
def test_isel_takes_the_pixels_along(ds, rows, columns):
    part = ds.isel(y=rows, x=columns)
    grid = index_of(part).grid
    np.testing.assert_array_equal(grid.y, part.y)
    np.testing.assert_array_equal(part.lon, ds.lon.values[rows][:, columns])
    np.testing.assert_array_equal(part.lat, ds.lat.values[rows][:, columns])
    assert part.lon.attrs == ds.lon.attrs
    np.testing.assert_array_equal(part.lon, ds.lon.isel(y=rows, x=columns))


def test_a_single_row_or_pixel_keeps_its_positions(ds):
    row = ds.isel(y=3)
    assert "lon" not in row.xindexes and row.lon.dims == ("x",)
    np.testing.assert_array_equal(row.lat, ds.lat.values[3])
    pixel = row.isel(x=4)
    assert float(pixel.lon) == ds.lon.values[3, 4] and int(pixel.x) == ds.x[4]
    points = ds.isel(y=xr.Variable("p", [1, 2]), x=xr.Variable("p", [3, 4]))
    np.testing.assert_array_equal(points.lon, ds.lon.values[[1, 2], [3, 4]])


def test_a_position_takes_its_pixel(ds):
    lon, lat = middle(ds)
    for labels in (
        {"lon": lon, "lat": lat},
        {"lon": lon + 360, "lat": lat},
        {"lon": (lon - 360) * u.deg, "lat": f"{lat} deg"},
        {"lon": lon + 0.02, "lat": lat - 0.03},
        {"lon": np.radians(lon) * u.rad, "lat": xr.DataArray(lat)},
    ):
        for method in (None, "nearest"):
            chosen = ds.sel(labels, method=method)
            assert (int(chosen.y), int(chosen.x)) == (int(ds.y[6]), int(ds.x[8]))
            assert chosen.counts.dims == ("energy",)


def test_points_take_a_pixel_each(ds):
    rows, columns = np.array([[1, 2], [6, 11]]), np.array([[3, 3], [0, 15]])
    lon = xr.DataArray(ds.lon.values[rows, columns], dims=("a", "b"), coords={"a": [10, 20]})
    lat = xr.DataArray(ds.lat.values[rows, columns], dims=("a", "b"))
    chosen = ds.sel(lon=lon, lat=lat)
    np.testing.assert_array_equal(chosen.counts.transpose("energy", "a", "b"), ds.counts.values[:, rows, columns])
    assert "a" in chosen.coords
    as_variables = ds.sel(lon=lon.variable, lat=lat.variable, method="nearest")
    np.testing.assert_array_equal(as_variables.counts, chosen.counts)
    arcmin = (lon * 60).assign_attrs(units="arcmin")
    np.testing.assert_array_equal(ds.sel(lon=arcmin, lat=lat).counts, chosen.counts)


def test_points_broadcast(car):
    lon = xr.DataArray([0.05, -0.05], dims="p")
    line = car.sel(lon=lon, lat=0.05)
    assert line.counts.dims == ("energy", "p")
    grid = car.sel(lon=lon, lat=xr.DataArray([-0.05, 0.05, 0.15], dims="q"))
    assert set(grid.counts.dims) == {"energy", "p", "q"}


def test_outside_the_map_is_a_clear_error(ds):
    lon, lat = middle(ds)
    far = (lat + 60) if lat < 20 else lat - 60
    for labels in ({"lon": lon, "lat": far}, {"lon": lon, "lat": xr.DataArray([lat, far], dims="p")}):
        for method in (None, "nearest"):
            with pytest.raises(LabelError, match="no pixel is at lon .*the map has its middle at"):
                ds.sel(labels, method=method)
    with pytest.raises(KeyError):
        ds.sel(lon=lon, lat=far)
    with pytest.raises(LabelError, match="no pixel is at lon nan"):
        ds.sel(lon=np.nan, lat=lat)


def test_edges_of_the_map_belong_to_it(car):
    # half a pixel beyond the outermost centre
    assert int(car.sel(lon=0.799, lat=-0.599).x) == int(car.x[0])
    with pytest.raises(LabelError):
        car.sel(lon=0.801, lat=0)


def test_gaps_of_a_strided_map(car):
    strided = car.isel(x=slice(None, None, 4))
    lon, lat = float(car.lon[3, 5]), float(car.lat[3, 5])
    assert int(strided.sel(lon=lon, lat=lat, method="nearest").x) == int(car.x[4])
    with pytest.raises(LabelError, match="no pixel is at"):
        strided.sel(lon=lon, lat=lat)


def box_by_hand(ds, inside):
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return ds.isel(y=slice(rows[0], rows[-1] + 1), x=slice(columns[0], columns[-1] + 1))


@pytest.mark.parametrize(
    ("east", "west", "south", "north"), [(-0.3, 0.4, -0.2, 0.35), (-9, 9, -0.1, 0.1), (-0.1, 0.1, -9, 9)]
)
def test_a_sky_box_holds_the_pixels_inside(ds, east, west, south, north):
    lon0, lat0 = middle(ds)
    lons, lats = slice(lon0 + east, lon0 + west), slice(lat0 + south, lat0 + north)
    inside = (abs(ds.lon.values - lon0 - (east + west) / 2) <= (west - east) / 2 + 1e-9) & (
        abs(ds.lat.values - lat0 - (south + north) / 2) <= (north - south) / 2 + 1e-9
    )
    expected = box_by_hand(ds, inside)
    xr.testing.assert_identical(ds.sel(lon=lons, lat=lats), expected)
    turned = slice((lons.start + 720) * u.deg, f"{lons.stop - 360} deg")
    xr.testing.assert_identical(ds.sel(lon=turned, lat=lats), expected)
    xr.testing.assert_identical(ds.sel(lon=slice(lons.start % 360, lons.stop % 360), lat=lats), expected)
    assert index_of(expected).grid.is_contiguous


def test_a_box_of_a_cylinder_is_exact(car):
    part = car.sel(lon=slice(-0.35, 0.25), lat=slice(-0.25, 0.15))
    np.testing.assert_allclose(part.lon[0], [0.25, 0.15, 0.05, -0.05, -0.15, -0.25, -0.35])
    np.testing.assert_allclose(part.lat[:, 0], [-0.25, -0.15, -0.05, 0.05, 0.15])
    xr.testing.assert_identical(car.sel(lon=slice(359.65, 0.25), lat=slice(-0.25, 0.15)), part)


def test_one_sided_boxes(ds):
    lon0, lat0 = middle(ds)
    xr.testing.assert_identical(ds.sel(lon=slice(None, lon0)), box_by_hand(ds, ds.lon.values <= lon0 + 1e-9))
    xr.testing.assert_identical(ds.sel(lon=slice(lon0 + 360, None)), box_by_hand(ds, ds.lon.values >= lon0 - 1e-9))
    xr.testing.assert_identical(ds.sel(lat=slice(lat0, None)), box_by_hand(ds, ds.lat.values >= lat0 - 1e-9))
    xr.testing.assert_identical(ds.sel(lon=slice(None)), ds)
    xr.testing.assert_identical(ds.sel(lon=slice(lon0 - 180, lon0 + 180)), ds)


def test_a_box_of_a_strided_map(car):
    strided = car.isel(y=slice(None, None, -2), x=slice(None, None, 3))
    part = strided.sel(lon=slice(-0.5, 0.5), lat=slice(-0.3, 0.3))
    lon, lat = strided.lon.values, strided.lat.values
    xr.testing.assert_identical(part, box_by_hand(strided, (abs(lon) <= 0.5) & (abs(lat) <= 0.3)))


def test_a_box_about_a_pole():
    polar = make_map_dataset(proj="TAN", center=(0.0, 90.0), frame="icrs", binsz=1.0)
    xr.testing.assert_identical(
        polar.sel(lon=slice(0, 360), lat=slice(85, 90)), box_by_hand(polar, polar.lat.values >= 85)
    )
    quarter = polar.sel(lon=slice(0, 90), lat=slice(80, 90))
    lon = polar.lon.values % 360
    xr.testing.assert_identical(quarter, box_by_hand(polar, (lon <= 90) & (polar.lat.values >= 80)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"lon": 0}, "'lon' and 'lat' together"),
        ({"lat": 0}, "'lon' and 'lat' together"),
        ({"lon": 0, "lat": slice(-1, 1)}, "'lon' and 'lat' together"),
        ({"lon": [0, 1], "lat": [0, 1]}, "need a dim"),
        ({"lon": np.array([0, 1]) * u.deg, "lat": 0}, "need a dim"),
        ({"lon": "1 TeV", "lat": 0}, "label of 'lon'.*'1 TeV'"),
        ({"lon": slice(1 * u.m, None)}, "limit of 'lon'"),
        ({"lat": slice(1, -1)}, "swapped"),
        ({"lon": slice(-1, 1, 2)}, "no step"),
        ({"lon": slice(120, 140)}, "no pixel has its centre in the box"),
        ({"lat": slice(0.001, 0.002)}, "no pixel has its centre in the box"),
    ],
)
def test_labels_that_make_no_sense(car, labels, message):
    with pytest.raises(ValueError, match=message):
        car.sel(labels)


def test_methods_that_make_no_sense(car):
    with pytest.raises(ValueError, match="method='nearest' without tolerance"):
        car.sel(lon=0, lat=0, method="pad")
    with pytest.raises(ValueError, match="without tolerance"):
        car.sel(lon=0, lat=0, method="nearest", tolerance=1)


def test_other_grids_of_a_dataset_select_by_their_names(car):
    part = car.sel(lon_psf=0.1, lat_psf=0.1, method="nearest")
    assert part.psf.dims == ("energy_true", "rad") and part.sizes["x"] == 16


def test_cutouts_align_with_their_parent(ds):
    part = ds.counts.isel(y=slice(3, 8), x=slice(2, 9))
    for total in (ds.counts + part, part + ds.counts, ds["counts"] - part):
        assert total.shape == part.shape
        np.testing.assert_array_equal(total.lon, part.lon)
        assert index_of(total).equals(index_of(part))
    np.testing.assert_array_equal(ds.counts - part, 0)
    assert (ds.counts + part).wcs.attrs == ds.wcs.attrs


@pytest.mark.parametrize("join", ["inner", "outer", "left", "right"])
def test_joins_of_overlapping_cutouts(ds, join):
    one, two = ds.counts.isel(y=slice(0, 7), x=slice(4, 12)), ds.counts.isel(y=slice(5, 12), x=slice(0, 9))
    first, second = xr.align(one, two, join=join)
    assert index_of(first).equals(index_of(second))
    expected = {"inner": (2, 5), "outer": (12, 12), "left": (7, 8), "right": (7, 9)}[join]
    assert first.shape[1:] == expected
    common = first.notnull() & second.notnull()
    assert bool((first == second).where(common, True).all()) and int(common.sum()) == 4 * 2 * 5
    lon, lat = index_of(first).grid.labels_to_lonlat(first.y.values[:, None], first.x.values)
    np.testing.assert_array_equal(first.lon, lon)


def test_joins_of_strided_and_reversed_maps(ds):
    strided, back = ds.counts.isel(x=slice(None, None, 3)), ds.counts.isel(y=slice(None, None, -1))
    np.testing.assert_array_equal(ds.counts - strided, np.zeros(strided.shape))
    np.testing.assert_array_equal(back - ds.counts, np.zeros(ds.counts.shape))
    total = strided + back
    np.testing.assert_array_equal(total.lat, index_of(total).grid.lonlat()[1])


def test_exact_join_and_reindex(ds):
    part = ds.counts.isel(x=slice(2, 9))
    with pytest.raises(ValueError):
        xr.align(ds.counts, part, join="exact")
    xr.align(ds.counts, ds.background, join="exact")
    whole = part.reindex_like(ds.counts)
    assert index_of(whole).equals(index_of(ds)) and whole.shape == ds.counts.shape
    np.testing.assert_array_equal(whole.isel(x=slice(2, 9)), part)
    xr.testing.assert_identical(ds.counts.reindex_like(part), part)


def other_grids(ds):
    grid = index_of(ds).grid
    keys = dict(grid.keywords)
    for key, value in {"CRVAL1": keys["CRVAL1"] + 1e-3, "CDELT2": 0.1001, "CRPIX1": 1.25}.items():
        yield SkyGrid(keys | {key: value}, grid.y, grid.x)


def _with_grid(array, grid):
    return array.drop_vars(["x", "y", "lon", "lat", "wcs"]).assign_coords(grid.to_coords())


def test_different_grids_refuse_to_join(ds):
    for grid in other_grids(ds):
        other = _with_grid(ds.counts, grid)
        operations = [
            lambda o: ds.counts + o,
            lambda o: o.isel(x=slice(3)) * ds.counts,
            lambda o: xr.align(ds.counts, o, join="outer"),
            lambda o: xr.align(ds.counts, o, join="left"),
            lambda o: ds.counts.reindex_like(o),
            lambda o: ds + o,
        ]
        for operation in operations:
            with pytest.raises(xr.AlignmentError, match="different sky grids: .* is .* here and .* there"):
                operation(other)
        for operation in (
            lambda o: xr.where(ds.mask_fit, ds.counts, o),
            lambda o: xr.align(ds.counts, o, join="exact"),
            lambda o: xr.concat([ds.counts, o], "y", join="exact"),
            lambda o: xr.concat([ds.counts, o], "run", join="outer"),
            lambda o: xr.merge([ds.counts, o.rename("other")], join="exact"),
        ):
            with pytest.raises(ValueError, match="different sky grids|'lon'"):
                operation(other)


def test_rounding_of_keywords_does_not_make_another_grid(ds):
    grid = index_of(ds).grid
    near = SkyGrid(dict(grid.keywords) | {"CRVAL1": grid.keywords["CRVAL1"] * (1 + 1e-15)}, grid.y, grid.x)
    other = _with_grid(ds.counts, near)
    assert (ds.counts + other).shape == ds.counts.shape


@pytest.mark.parametrize("dim", ["x", "y"])
def test_concat_puts_pieces_together_again(ds, dim):
    pieces = [ds.isel({dim: part}) for part in (slice(0, 3), slice(3, 4), slice(4, None))]
    how = {"coords": "minimal", "data_vars": "minimal", "compat": "override", "join": "exact"}
    joined = xr.concat(pieces, dim, **how)
    xr.testing.assert_identical(joined, ds)
    assert index_of(joined).equals(index_of(ds))
    with pytest.raises(ValueError):
        xr.concat([pieces[0], pieces[1].isel({"y" if dim == "x" else "x": slice(1, None)})], dim, **how)


def test_combine_by_coords(ds):
    parts = [(rows, columns) for rows in (slice(5), slice(5, None)) for columns in (slice(9), slice(9, None))]
    pieces = [ds[["counts"]].isel(y=rows, x=columns) for rows, columns in parts]
    joined = xr.combine_by_coords(
        pieces[::-1], join="outer", coords="minimal", compat="override", data_vars="minimal", combine_attrs="override"
    )
    xr.testing.assert_identical(joined.counts, ds.counts)
    assert index_of(joined).equals(index_of(ds))


def test_concat_along_another_dim(ds):
    runs = xr.concat([ds.counts, ds.background], "run", coords="minimal", compat="override", join="exact")
    assert index_of(runs).equals(index_of(ds)) and runs.sizes["run"] == 2


def test_transposed_maps(ds):
    turned = ds.transpose("x", "y", ...)
    np.testing.assert_array_equal(turned.lon, ds.lon.values.T)
    np.testing.assert_array_equal(turned.isel(x=slice(2, 5)).lat, ds.lat.values.T[2:5])
    xr.testing.assert_identical(turned.transpose(*ds.dims).counts, ds.counts)
    assert index_of(turned).equals(index_of(ds))
    total = turned.counts + ds.counts
    np.testing.assert_array_equal(total.transpose(*ds.counts.dims), 2 * ds.counts)
    lon, lat = middle(ds)
    assert turned.sel(lon=slice(lon - 0.2, lon + 0.2), lat=slice(lat - 0.1, lat + 0.1)).sizes == (
        ds.sel(lon=slice(lon - 0.2, lon + 0.2), lat=slice(lat - 0.1, lat + 0.1)).sizes
    )


def test_rename_roll_and_drop(ds):
    renamed = ds.counts.rename(lon="glon", lat="glat", x="column", y="row", wcs="frame")
    index = index_of(renamed, "glon")
    assert (index.names, index.dims) == (("glon", "glat"), ("row", "column"))
    lon, lat = middle(ds)
    assert int(renamed.sel(glon=lon, glat=lat).row) == int(ds.y[6])
    np.testing.assert_array_equal(renamed.isel(row=slice(2, 4)).glon, ds.lon.values[2:4])
    rolled = ds.roll(x=3, roll_coords=True)
    np.testing.assert_array_equal(rolled.lon, np.roll(ds.lon.values, 3, axis=1))
    assert int(rolled.sel(lon=lon, lat=lat).x) == int(ds.x[8])
    assert "lon" not in ds.drop_vars(["lon", "lat"]).coords


def test_assignment_keeps_the_index(ds):
    before = ds.copy(deep=True)
    new = ds.copy()
    new["npred"] = ds.counts * 2
    new["image"] = (("y", "x"), np.ones((12, 16)))
    new = new.assign(more=new.counts.sum("energy"), part=("energy", np.arange(4)))
    assert index_of(new).equals(index_of(ds)) and index_of(new.more).equals(index_of(ds))
    xr.testing.assert_identical(ds, before)


def test_copies_and_pickles_are_small(ds):
    for same in (ds.copy(deep=True), copy.deepcopy(ds), pickle.loads(pickle.dumps(ds))):
        xr.testing.assert_identical(same, ds)
        assert index_of(same).equals(index_of(ds))
    data = pickle.dumps(ds[["mask_fit"]].lon)
    assert b"astropy" not in data and len(pickle.dumps(index_of(ds))) < 2000


def test_equals_with_excluded_dims(ds):
    index, part = index_of(ds), index_of(ds.isel(x=slice(3)))
    assert not index.equals(part)
    assert index.equals(part, exclude=frozenset({"x"}))
    assert not index.equals(part, exclude=frozenset({"y"}))
    assert not index.equals(ds.xindexes["x"])


def test_map_blocks(ds, no_compute):
    lazy = ds[["counts", "background"]].chunk(y=5, x=6)
    with no_compute():
        result = lazy.map_blocks(_excess, template=lazy.counts)
    np.testing.assert_array_equal(result, ds.counts - ds.background)
    assert index_of(result).equals(index_of(ds))


def _excess(block):
    assert index_of(decode(block)).grid.shape == block.counts.shape[1:]
    return block.counts - block.background


def test_lazy_data_stay_lazy(ds, no_compute):
    lazy = ds.chunk(y=5, x=6)
    lon, lat = middle(ds)
    with no_compute():
        part = lazy.isel(y=slice(2, 9)).sel(lon=slice(lon - 0.3, lon + 0.3), lat=slice(lat - 0.2, lat + 0.2))
        total = part.counts + lazy.background
        turned = lazy.transpose("x", "y", ...).counts + lazy.counts
        lazy.sel(lon=lon, lat=lat)
    assert total.chunks is not None and turned.chunks is not None
    now = ds.isel(y=slice(2, 9)).sel(lon=slice(lon - 0.3, lon + 0.3), lat=slice(lat - 0.2, lat + 0.2))
    xr.testing.assert_identical(part.compute(), now)


def test_pandas_indexes(ds):
    assert ds.indexes["lon"].size == 12 * 16


def test_made_by_set_xindex(ds):
    index = index_of(ds)
    plain = ds.drop_vars(["lon", "lat"]).assign_coords(lon=ds.lon.variable, lat=ds.lat.variable)
    assert "lon" not in plain.xindexes
    made = plain.set_xindex(("lon", "lat"), WcsIndex, grid=index.grid)
    assert index_of(made).equals(index)
    with pytest.raises(ValueError, match="grid=SkyGrid"):
        plain.set_xindex(("lon", "lat"), WcsIndex)
    with pytest.raises(ValueError, match="shape of the grid"):
        plain.set_xindex(("lon", "lat"), WcsIndex, grid=index.grid.isel(slice(3)))


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize("pick", [{"x": 8}, {"y": 6}, {"x": 8, "y": 6}, {"x": -1, "y": slice(2, 9, 3)}])
def test_a_row_or_pixel_of_chunked_data(sky, pick):
    ds = make_map_dataset(**SKIES[sky])
    expected = ds.isel(pick)
    for lazy in (ds.chunk().isel(pick), ds.chunk(x=5, energy=2).isel(pick)):
        xr.testing.assert_identical(lazy.compute(), expected.compute())
