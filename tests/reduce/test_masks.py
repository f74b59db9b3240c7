import pickle

import astropy.units as u
import numpy as np
import pytest
import regions as rg
import xarray as xr
from astropy.coordinates import SkyCoord

from tests.builders import SKIES, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.io.open import open_dataset
from xgamma.reduce.masks import energy_mask, energy_range, mask, mask_image, region_mask


@pytest.fixture(scope="module", params=SKIES)
def ds(request):
    return make_map_dataset(**SKIES[request.param], npix=(30, 40))


def center(ds):
    return SkyGrid.from_dataset(ds).center


def circle(ds, radius=0.8, east=0.0, frame="fk5"):
    middle = center(ds).directional_offset_by(90 * u.deg, east * u.deg)
    return rg.CircleSkyRegion(middle.transform_to(frame), radius * u.deg)


def separation(ds, position):
    return SkyGrid.from_dataset(ds).position(ds.lon.values, ds.lat.values).separation(position).deg


def test_a_circle_holds_the_pixels_whose_centre_is_inside(ds):
    before = ds.copy(deep=True)
    inside = region_mask(ds, circle(ds, 0.83))
    np.testing.assert_array_equal(inside, separation(ds, center(ds)) < 0.83)
    assert inside.dims == ("y", "x") and inside.dtype == bool and inside.attrs == {}
    np.testing.assert_array_equal(region_mask(ds, circle(ds, 0.83), inside=False), ~inside)
    xr.testing.assert_identical(ds, before)


@pytest.mark.parametrize(
    "make",
    [
        lambda c: rg.EllipseSkyRegion(c, 1.1 * u.deg, 0.5 * u.deg, 31 * u.deg),
        lambda c: rg.RectangleSkyRegion(c, 1.03 * u.deg, 0.47 * u.deg, 20 * u.deg),
        lambda c: rg.CircleAnnulusSkyRegion(c, 0.33 * u.deg, 0.91 * u.deg),
        lambda c: rg.PolygonSkyRegion(c.directional_offset_by([10, 130, 250] * u.deg, [0.9, 0.7, 1.1] * u.deg)),
    ],
)
def test_other_shapes_are_those_of_the_regions_package(ds, make):
    region = make(center(ds).transform_to("galactic"))
    wcs = SkyGrid.from_dataset(ds).fits_header()
    columns, rows = np.meshgrid(np.arange(40), np.arange(30))
    expected = region.to_pixel(wcs).contains(rg.PixCoord(columns, rows))
    assert 20 < expected.sum() < 600
    np.testing.assert_array_equal(region_mask(ds, region), expected)


def test_several_regions_make_their_union(ds):
    one, two = circle(ds, 0.4), circle(ds, 0.3, east=0.7)
    union = region_mask(ds, one) | region_mask(ds, two)
    assert union.sum() > region_mask(ds, one).sum()
    text = "\n".join(region.serialize(format="ds9") for region in (one, two))
    for regions in (
        [one, two],
        (one, two),
        rg.Regions([one, two]),
        one | two,
        text,
        [one, two.serialize(format="ds9")],
    ):
        np.testing.assert_array_equal(region_mask(ds, regions), union)
    np.testing.assert_array_equal(region_mask(ds, [one, two], inside=False), ~union)
    np.testing.assert_array_equal(region_mask(ds, one & two), region_mask(ds, one) & region_mask(ds, two))
    np.testing.assert_array_equal(region_mask(ds, one ^ two), region_mask(ds, one) ^ region_mask(ds, two))
    nested = (one | two) & circle(ds, 0.5)
    np.testing.assert_array_equal(region_mask(ds, nested), union & region_mask(ds, circle(ds, 0.5)))


def test_excluded_regions_are_cut_out_of_the_others(ds):
    one, two = circle(ds, 0.8), circle(ds, 0.3)
    hole = two.copy(meta=rg.RegionMeta({"include": False}))
    ring = region_mask(ds, one) & ~region_mask(ds, two)
    np.testing.assert_array_equal(region_mask(ds, [hole, one]), ring)
    np.testing.assert_array_equal(region_mask(ds, one & hole), ring)
    np.testing.assert_array_equal(region_mask(ds, hole), ~region_mask(ds, two))
    np.testing.assert_array_equal(
        region_mask(ds, "galactic;-circle(0,0,1)"), ~region_mask(ds, "galactic;circle(0,0,1)")
    )


def test_no_region_holds_no_pixel(ds):
    assert not region_mask(ds, []).any()
    assert region_mask(ds, [], inside=False).all()
    assert not region_mask(ds, "icrs;line(0,0,1,1)\nicrs;text(0,0) # text={here}").any()


def test_pixel_regions_count_rows_and_columns(ds):
    region = rg.CirclePixelRegion(rg.PixCoord(12, 20), 5.2)
    y, x = np.mgrid[:30, :40]
    expected = np.hypot(y - 20, x - 12) < 5.2
    np.testing.assert_array_equal(region_mask(ds, region), expected)
    part = ds.isel(y=slice(15, 30, 2), x=slice(None, None, -1))
    rows, columns = np.mgrid[:8, :40]
    np.testing.assert_array_equal(
        region_mask(part.chunk(y=3, x=7), rg.CirclePixelRegion(rg.PixCoord(12, 4), 3.1)),
        np.hypot(rows - 4, columns - 12) < 3.1,
    )
    assert region_mask(ds, "image;circle(13,21,5.2)").equals(region_mask(ds, region))


def test_a_point_is_the_pixel_that_contains_it(ds):
    position = SkyGrid.from_dataset(ds).position(float(ds.lon[7, 11]) + 0.02, float(ds.lat[7, 11]) - 0.02)
    for regions in (rg.PointSkyRegion(position.galactic), position, rg.PointPixelRegion(rg.PixCoord(10.8, 7.3))):
        np.testing.assert_array_equal(np.argwhere(region_mask(ds, regions).values), [[7, 11]])
    off = [rg.PointPixelRegion(rg.PixCoord(-3, 7)), center(ds).directional_offset_by(0 * u.deg, 20 * u.deg)]
    assert not region_mask(ds, off).any()
    several = SkyCoord([position, center(ds).transform_to(position.frame)])
    assert region_mask(ds, several).sum() == 2


def test_areas_of_the_sphere(ds):
    kind = getattr(rg, "CircleSphericalSkyRegion", None)
    if kind is None:
        pytest.skip("this version of regions has no areas of the sphere")
    position = center(ds).directional_offset_by(30 * u.deg, 0.3 * u.deg)
    region = kind(position.transform_to("galactic"), 0.77 * u.deg)
    np.testing.assert_array_equal(region_mask(ds, region), separation(ds, position) < 0.77)
    np.testing.assert_array_equal(region_mask(ds.chunk(y=7), region), separation(ds, position) < 0.77)


def test_regions_across_the_wrap_of_a_cylinder():
    whole = SkyGrid.create(binsz=0.5, frame="galactic", shape=(40, 720))
    far = SkyGrid(whole.keywords, whole.y, np.arange(-20, 21) - 360)
    ds = xr.Dataset(coords=far.to_coords())
    position = SkyCoord(179, 1, unit="deg", frame="galactic")
    np.testing.assert_array_equal(
        region_mask(ds, rg.CircleSkyRegion(position, 3.1 * u.deg)), separation(ds, position) < 3.1
    )
    corners = SkyCoord([176.1, 184.1, 184.1, 176.1], [-3.1, -3.1, 3.1, 3.1], unit="deg", frame="galactic")
    lon, lat = ds.lon.values, ds.lat.values
    inside = (lon > 176.1) & (lon < 184.1) & (abs(lat) < 3.1)
    np.testing.assert_array_equal(region_mask(ds, rg.PolygonSkyRegion(corners)), inside)


def test_regions_on_the_far_side_hold_nothing():
    ds = make_map_dataset(**SKIES["TAN"])
    far = SkyCoord(263, -22, unit="deg")
    shapes = [
        rg.CircleSkyRegion(far, 1 * u.deg),
        rg.EllipseSkyRegion(far, 1 * u.deg, 2 * u.deg),
        rg.PolygonSkyRegion(SkyCoord([263, 264, 265], [-22, -21, -22], unit="deg")),
        rg.PointSkyRegion(far),
    ]
    assert not region_mask(ds, shapes).any()
    with pytest.raises(ValueError, match="corners off the projection 'RA---TAN'"):
        region_mask(ds, rg.PolygonSkyRegion(SkyCoord([83, 84, 265], [22, 23, -22], unit="deg")))


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (3, "3 is no region"),
        ([1.5], "1.5 is no region"),
        ("", "holds no region"),
        (None, "None is no region"),
    ],
)
def test_what_is_no_region(ds, regions, message):
    with pytest.raises(ValueError, match=message):
        region_mask(ds, regions)


@pytest.mark.filterwarnings("ignore:.*skipping:astropy.utils.exceptions.AstropyUserWarning")
def test_text_without_regions(ds):
    for text in ("nonsense", "circle(1,2,3)"):
        with pytest.raises(ValueError, match=f"the text '{text[:6]}"):
            region_mask(ds, text)


def test_there_has_to_be_a_map(ds):
    with pytest.raises(ValueError, match="no sky grid 'y', 'x'"):
        region_mask(ds[["psf"]], circle(ds))
    with pytest.raises(ValueError, match="no axis 'energy'"):
        energy_mask(ds[["psf"]])
    with pytest.raises(ValueError, match="for want of a dim 'energy'"):
        mask(ds[["psf"]])


def test_masks_do_not_depend_on_the_part_of_the_map(ds):
    whole = region_mask(ds, circle(ds, 0.8))
    part = {"y": slice(3, 25, 2), "x": slice(30, 4, -1)}
    xr.testing.assert_identical(region_mask(ds.isel(part), circle(ds, 0.8)), whole.isel(part))
    turned = region_mask(ds.transpose("x", "y", ...), circle(ds, 0.8))
    np.testing.assert_array_equal(turned.transpose("y", "x"), whole)


def test_lazy_data_stay_lazy(ds, no_compute):
    lazy = ds.chunk(y=11, x=13, energy=2)
    shapes = [circle(ds, 0.7), rg.PointSkyRegion(center(ds)), circle(ds, 0.2) | circle(ds, 0.4, east=1)]
    with no_compute():
        made = [
            region_mask(lazy, shapes),
            mask(lazy),
            mask_image(lazy),
            *energy_range(lazy),
            *energy_range(lazy, "fit"),
        ]
        combined = lazy.assign(mask_fit=made[0] & energy_mask(lazy, "1 TeV"))
        both = mask(combined)
    expected = [region_mask(ds, shapes), mask(ds), mask_image(ds), *energy_range(ds), *energy_range(ds, "fit")]
    for one, other in zip(made, expected, strict=True):
        assert one.chunks is not None
        xr.testing.assert_identical(one.compute(), other)
    assert both.dims == ("energy", "y", "x")
    xr.testing.assert_identical(pickle.loads(pickle.dumps(made[0])).compute(), expected[0])


def test_a_new_mask_fits_the_dataset(ds):
    new = ds.copy()
    new["mask_fit"] = region_mask(ds, circle(ds)) & energy_mask(ds, "1.2 TeV", "10 TeV")
    assert set(new.mask_fit.dims) == {"energy", "y", "x"}
    for name, index in ds.xindexes.items():
        assert new.xindexes[name].equals(index)
    assert set(new.coords) == set(ds.coords)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((None, None), [True, True, True, True]),
        (("1 TeV", None), [False, True, True, True]),
        ((None, 8 * u.TeV), [True, True, True, False]),
        (("1.2574 TeV", "7.9527 TeV"), [False, True, True, False]),
        ((1.26, 7.9), [False, False, False, False]),
        (("500 GeV", "20000 GeV"), [True, True, True, True]),
    ],
)
def test_energy_mask_keeps_whole_bins(ds, limits, expected):
    made = energy_mask(ds, *limits)
    np.testing.assert_array_equal(made, expected)
    assert made.dims == ("energy",) and made.dtype == bool
    assert made.xindexes["energy"].equals(ds.xindexes["energy"]) and "energy_min" in made.coords


def test_limits_that_are_edges_include_their_bins(ds):
    low, high = float(ds.energy_min[1]), float(ds.energy_max[2])
    for unit in ("TeV", "keV", "erg"):
        made = energy_mask(ds, np.float32((low * u.TeV).to_value(unit)) * u.Unit(unit), (high * u.TeV).to(unit))
        np.testing.assert_array_equal(made, [False, True, True, False])


def test_energy_mask_refuses_nonsense(ds):
    with pytest.raises(ValueError, match="'1 deg'"):
        energy_mask(ds, "1 deg")
    with pytest.raises(ValueError, match="swapped or nan"):
        energy_mask(ds, "5 TeV", "1 TeV")
    with pytest.raises(ValueError, match="swapped or nan"):
        energy_mask(ds, np.nan)


def test_mask_is_both_or_either_or_all(ds):
    np.testing.assert_array_equal(mask(ds), ds.mask_safe.values & ds.mask_fit.values)
    np.testing.assert_array_equal(mask(ds.drop_vars("mask_fit")), ds.mask_safe)
    np.testing.assert_array_equal(mask(ds.drop_vars("mask_safe")), ds.mask_fit)
    bare = ds.drop_vars(["mask_safe", "mask_fit"])
    for empty in (bare, bare.drop_vars(["counts", "background"])):
        made = mask(empty)
        assert made.all() and made.dims == ("energy", "y", "x") and made.dtype == bool and made.attrs == {}
        assert made.xindexes["lon"].equals(ds.xindexes["lon"])
    assert mask(ds).name == "mask" and mask(ds).attrs == {}


def test_mask_takes_any_dims_and_order(ds):
    turned = ds.transpose("x", "energy", ...)
    np.testing.assert_array_equal(mask(turned), mask(ds))
    flat = ds.assign(mask_fit=region_mask(ds, circle(ds)), mask_safe=energy_mask(ds, "1 TeV"))
    expected = energy_mask(ds, "1 TeV").values[:, None, None] & region_mask(ds, circle(ds)).values
    np.testing.assert_array_equal(mask(flat), expected)
    np.testing.assert_array_equal(mask(flat.drop_vars("mask_safe")), np.broadcast_to(expected.any(0), (4, 30, 40)))
    whole_numbers = ds.assign(mask_safe=ds.mask_safe.astype(int))
    np.testing.assert_array_equal(mask(whole_numbers), mask(ds))


def test_a_spectrum_has_masks_too(ds):
    spectrum = ds.isel(y=15, x=20)
    np.testing.assert_array_equal(mask(spectrum), spectrum.mask_safe.values & spectrum.mask_fit.values)
    low, high = energy_range(spectrum)
    assert low.dims == () and float(low) == ds.energy_min[0] and float(high) == ds.energy_max[2]
    assert bool(mask_image(spectrum))


def test_mask_image(ds):
    made = mask_image(ds)
    np.testing.assert_array_equal(made, mask(ds).values.any(0))
    assert made.dims == ("y", "x") and 0 < made.sum() < made.size


@pytest.mark.parametrize("which", [None, "safe", "fit"])
def test_energy_range(ds, which):
    low, high = energy_range(ds, which)
    inside = {None: mask(ds), "safe": ds.mask_safe, "fit": ds.mask_fit}[which].values
    for row, column in [(0, 0), (15, 20), (4, 20), (15, 3)]:
        bins = np.flatnonzero(inside[:, row, column])
        expected = (ds.energy_min[bins[0]], ds.energy_max[bins[-1]]) if bins.size else (np.nan, np.nan)
        np.testing.assert_array_equal((low[row, column], high[row, column]), expected)
    assert np.isnan(low).sum() == (~inside.any(0)).sum() > 0
    assert low.attrs == high.attrs == {"units": "TeV"} and low.dims == high.dims == ("y", "x")
    assert low.xindexes["lon"].equals(ds.xindexes["lon"])


def test_energy_range_of_other_axes(ds):
    low, high = energy_range(ds)
    back = energy_range(ds.isel(energy=slice(None, None, -1)).transpose("x", "y", ...))
    np.testing.assert_array_equal(back[0], low)
    np.testing.assert_array_equal(back[1], high)
    bare = energy_range(ds.drop_vars(["mask_safe", "mask_fit"]))
    assert float(bare[0].max()) == float(ds.energy_min[0]) and float(bare[1].min()) == float(ds.energy_max[-1])
    with pytest.raises(ValueError, match="which is 'both'"):
        energy_range(ds, "both")


@pytest.mark.parametrize("chunks", [None, {"y": 100, "x": 100}])
def test_the_tutorial(cta_path, reference, chunks):
    expected = reference("tutorial_cta")
    ds = open_dataset(cta_path, chunks=chunks)
    region = rg.CircleSkyRegion(SkyCoord(0, 0, unit="deg", frame="galactic").icrs, 1.5 * u.deg)
    ds["mask_fit"] = region_mask(ds, region) & energy_mask(ds, "0.3 TeV", "8 TeV")
    np.testing.assert_array_equal(ds.mask_fit.sum(["y", "x"]), expected["mask_fit"]["per_energy"])
    for which in (None, "safe", "fit"):
        numbers = expected["energy_range" if which is None else f"energy_range_{which}"]
        low, high = (edge.to_numpy() for edge in energy_range(ds, which))
        np.testing.assert_allclose(np.unique(low[np.isfinite(low)]), numbers["min_unique"])
        np.testing.assert_allclose(np.unique(high[np.isfinite(high)]), numbers["max_unique"])
        assert np.isfinite(low).sum() == np.isfinite(high).sum() == numbers["n_finite"]
    assert int(mask(ds).sum()) == 67824


# proj, frame, position, region, and number and sum of the flat positions of the pixels inside, as gammapy's
# WcsGeom.create(skydir=position, width=(4, 3), binsz=0.05, frame=frame, proj=proj).region_mask gives them
GAMMAPY = """
CAR|galactic|0.1|0.4|galactic;circle(0.3,-0.2,0.77)|732|1050786
CAR|galactic|0.1|0.4|icrs;ellipse(0.31,0.1,0.5,0.9,33)|0|0
CAR|galactic|0.1|0.4|galactic;box(0,0,1.2,0.6,20)|286|503789
CAR|galactic|0.1|0.4|galactic;annulus(0,0,0.3,0.8)|700|1233050
TAN|icrs|0.3|0.0|galactic;circle(0.3,-0.2,0.77)|0|0
TAN|icrs|0.3|0.0|icrs;ellipse(0.31,0.1,0.5,0.9,33)|568|1456152
TAN|icrs|0.3|0.0|galactic;box(0,0,1.2,0.6,20)|0|0
TAN|icrs|0.3|0.0|galactic;annulus(0,0,0.3,0.8)|0|0
AIT|galactic|0.1|0.4|galactic;circle(0.3,-0.2,0.77)|732|1050786
AIT|galactic|0.1|0.4|icrs;ellipse(0.31,0.1,0.5,0.9,33)|0|0
AIT|galactic|0.1|0.4|galactic;box(0,0,1.2,0.6,20)|286|503789
AIT|galactic|0.1|0.4|galactic;annulus(0,0,0.3,0.8)|700|1233050
"""


@pytest.mark.parametrize("row", GAMMAPY.strip().splitlines())
def test_the_masks_of_gammapy(row):
    proj, frame, lon, lat, text, number, total = row.split("|")
    position = SkyCoord(float(lon), float(lat), unit="deg", frame=frame)
    grid = SkyGrid.create(position, width=(4, 3), binsz=0.05, frame=frame, proj=proj)
    inside = region_mask(xr.Dataset(coords=grid.to_coords()), text).values.ravel()
    assert (inside.sum(), np.flatnonzero(inside).sum()) == (int(number), int(total))
