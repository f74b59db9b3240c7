import copy
import pickle

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from tests.builders import SKIES
from xgamma.coords import SkyGrid, suffixes


def make(sky="CAR", shape=(12, 16), binsz=0.1):
    kind = SKIES[sky]
    center = SkyCoord(*kind["center"], unit="deg", frame=kind["frame"])
    return SkyGrid.create(center, binsz=binsz, frame=kind["frame"], proj=kind["proj"], shape=shape)


@pytest.fixture(params=SKIES)
def grid(request):
    return make(request.param)


def header_wcs(text):
    return WCS(fits.Header.fromstring(text, sep="\n"))


# shape, CRPIX, CRVAL and LATPOLE of gammapy.maps.WcsGeom.create, and shape and CRPIX of its to_binsz(0.4)
@pytest.mark.parametrize(
    ("proj", "frame", "position", "width", "binsz", "shape", "crpix", "crval", "latpole", "irf"),
    [
        ("CAR", "icrs", (83.6331, 22.0145), (5, 5), 0.05, (100, 100), (50.5, 50.5), (83.6331, 22.0145), 67.9855,
         (12, 12, 6.5)),
        ("TAN", "galactic", (0, 0), (8.01, 6.03), (0.1, 0.25), (24, 80), (40.5, 12.5), (0, 0), 0.0, (15, 20, 10.5)),
        ("AIT", "icrs", (0.05, -30), (3.3, 2.05), 0.1, (20, 33), (17, 10.5), (0.05, -30), 60.0, (5, 8, 4.5)),
        ("CAR", "galactic", (359.9, 0), (1.25, 1.25), 0.5, (2, 2), (1.5, 1.5), (359.9, 0), 90.0, (2, 2, 1.5)),
    ],
)  # fmt: skip
def test_create_makes_the_grid_of_gammapy(proj, frame, position, width, binsz, shape, crpix, crval, latpole, irf):
    center = SkyCoord(*position, unit="deg", frame=frame)
    grid = SkyGrid.create(center, width=width, binsz=binsz, frame=frame, proj=proj)
    keys = grid.fits_keywords()
    assert grid.shape == shape
    assert (keys["CRPIX1"], keys["CRPIX2"]) == crpix
    assert (keys["CRVAL1"], keys["CRVAL2"]) == crval
    np.testing.assert_allclose(keys["LATPOLE"], latpole, rtol=1e-14)
    coarse = grid.with_binsz(0.4)
    assert (*coarse.shape, coarse.fits_keywords()["CRPIX1"]) == irf


def test_create_takes_angles_in_any_form():
    one = SkyGrid.create((1, 2), width="3 deg", binsz="6 arcmin", frame="galactic")
    two = SkyGrid.create(SkyCoord(1, 2, unit="deg", frame="galactic"), (3, 3) * u.deg, (0.1, 0.1), "galactic")
    assert one.equals(two)
    assert SkyGrid.create(binsz=10).shape == (18, 36)
    assert SkyGrid.create(SkyCoord(0, 0, unit="deg", frame="galactic"), 1, frame="icrs").frame == "icrs"


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 0.1, "binsz": 1},
        {"width": -1},
        {"width": "1 TeV"},
        {"width": (1, 2, 3)},
        {"width": 1, "binsz": 0},
        {"width": 1, "frame": "ecliptic"},
        {"width": 1, "proj": "XYZ"},
    ],
)
def test_create_refuses_nonsense(arguments):
    with pytest.raises(ValueError) as error:
        SkyGrid.create(**arguments)
    assert any(str(value) in str(error.value) for value in arguments.values())


def test_labels_are_pixel_coordinates_of_the_canonical_wcs(grid):
    assert 1 <= grid.keywords["CRPIX1"] < 2 and 1 <= grid.keywords["CRPIX2"] < 2
    lon, lat = grid.wcs.wcs_pix2world(*np.meshgrid(grid.x, grid.y), 0)
    own_lon, own_lat = grid.lonlat()
    np.testing.assert_allclose((own_lon - lon + 180) % 360 - 180, 0, atol=1e-11)
    np.testing.assert_allclose(own_lat, lat, atol=1e-11)


def test_the_cta_grid():
    # CRPIX 160.5 of 320 columns leaves 1.5, and labels from -159 to 160
    grid = SkyGrid.create(width=(8, 6), binsz=0.025, frame="galactic")
    assert grid.keywords["CRPIX1"] == 1.5
    assert (grid.x[0], grid.x[-1], grid.y[0], grid.y[-1]) == (-159, 160, -119, 120)


@pytest.mark.parametrize("offset", [0.0, 0.123456789, 1 - 1e-12, 1e-12])
def test_cutouts_of_one_image_share_their_wcs(offset):
    wcs = make().fits_header()
    wcs.wcs.crpix = 8.5 + offset, 6.5 + offset
    whole = SkyGrid.from_wcs(wcs, (12, 16))
    part = wcs[3:9, 5:12]
    cut = SkyGrid.from_wcs(part, (6, 7))
    assert cut.keywords == whole.keywords
    np.testing.assert_array_equal(cut.x, whole.x[5:12])
    np.testing.assert_array_equal(cut.y, whole.y[3:9])


def test_longitudes_are_continuous(grid):
    lon, _ = grid.lonlat()
    assert np.abs(np.diff(lon, axis=1)).max() < 1
    assert np.all(np.abs(lon - grid.keywords["CRVAL1"]) <= 180)


@pytest.mark.parametrize("middle", [180.0, -180.0, 175.0, 360.0])
def test_a_cylinder_is_continuous_far_from_its_reference_point(middle):
    # pixels at longitudes 170 to 190 with CRVAL1 = 0
    whole = SkyGrid.create(binsz=0.5, frame="galactic", shape=(10, 720))
    columns = np.arange(-20, 21) - round(middle / 0.5)
    grid = SkyGrid(whole.keywords, whole.y, columns)
    lon, lat = grid.lonlat()
    np.testing.assert_allclose(lon[0], -0.5 * (columns - 0.5) + 0.0, atol=1e-10)
    assert np.isfinite(lat).all()
    y, x = grid.lonlat_to_labels(lon % 360, lat)
    np.testing.assert_allclose(x - columns, 0, atol=1e-8)
    np.testing.assert_allclose(y - grid.y[:, None], 0, atol=1e-8)
    assert abs((float(grid.center.spherical.lon.deg) - middle + 180) % 360 - 180) < 0.5


def test_there_and_back(grid):
    rng = np.random.default_rng(0)
    y, x = rng.uniform(grid.y[0], grid.y[-1], 50), rng.uniform(grid.x[0], grid.x[-1], 50)
    back = grid.lonlat_to_labels(*grid.labels_to_lonlat(y, x))
    np.testing.assert_allclose(back, [y, x], atol=1e-8)
    position = grid.position(*grid.labels_to_lonlat(y, x)).transform_to("fk5")
    np.testing.assert_allclose(grid.position_to_labels(position), [y, x], atol=1e-7)


def test_off_the_projection_is_nan():
    ait = SkyGrid.create(binsz=10, frame="galactic", proj="AIT")
    lon, lat = ait.lonlat()
    assert np.isnan(lon[0, 0]) and np.isnan(lat[0, 0]) and np.isfinite(lon[9, 18])
    tan = make("TAN")
    assert np.isnan(tan.lonlat_to_labels(263.6, -22)).all()
    assert np.isnan(tan.lonlat_to_labels([np.nan, 83.6], [0, 95])).all()
    beyond_pole = SkyGrid(SkyGrid.create(binsz=1, frame="galactic").keywords, np.array([0, 89, 90, 91]), np.arange(3))
    np.testing.assert_array_equal(np.isnan(beyond_pole.lonlat()[0][:, 0]), [False, False, False, True])
    np.testing.assert_array_equal(np.isnan(beyond_pole.solid_angle()[:, 0]), [False, False, False, True])


def test_any_part_gives_the_numbers_of_the_whole(grid):
    lon, lat = grid.lonlat()
    part = grid.isel(slice(1, 9, 3), [5, 2, 11])
    np.testing.assert_array_equal(part.lonlat()[0], lon[1:9:3][:, [5, 2, 11]])
    expected = (lon[1:9:3][:, [5, 2, 11]], lat[1:9:3][:, [5, 2, 11]])
    np.testing.assert_array_equal(part.labels_to_lonlat(part.y[:, None], part.x), expected)
    np.testing.assert_array_equal(part.solid_angle(), grid.solid_angle()[1:9:3][:, [5, 2, 11]])


def quadrature(grid, y, x, n=40):
    """The solid angle of a pixel from the Jacobian at many points inside it: the slow twin."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    step = 1e-4
    dy, dx = np.meshgrid(nodes / 2, nodes / 2, indexing="ij")

    def vectors(y, x):
        lon, lat = np.radians(grid.labels_to_lonlat(y, x))
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)

    along_y = (vectors(y + dy + step, x + dx) - vectors(y + dy - step, x + dx)) / (2 * step)
    along_x = (vectors(y + dy, x + dx + step) - vectors(y + dy, x + dx - step)) / (2 * step)
    area = np.linalg.norm(np.cross(along_y, along_x), axis=-1)
    return (area * np.outer(weights, weights)).sum() / 4


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize(("binsz", "rtol"), [(0.1, 1e-6), (2.0, 3e-4)])
def test_solid_angle_is_that_of_the_pixel(sky, binsz, rtol):
    grid = make(sky, binsz=binsz)
    areas = grid.solid_angle()
    for row, column in [(0, 0), (6, 8), (11, 15)]:
        np.testing.assert_allclose(areas[row, column], quadrature(grid, grid.y[row], grid.x[column]), rtol=rtol)


def test_solid_angles_add_up_to_the_sphere():
    for proj, tolerance in [("CAR", 1e-13), ("AIT", 2e-3), ("MER", 0.02)]:
        grid = SkyGrid.create(binsz=1, frame="galactic", proj=proj, shape=(180, 360) if proj != "MER" else (400, 360))
        np.testing.assert_allclose(np.nansum(grid.solid_angle()), 4 * np.pi, rtol=tolerance)


@pytest.mark.parametrize(
    ("proj", "corner"),
    [("CAR", 7.608330574903622e-07), ("TAN", 7.57300254747872e-07), ("AIT", 7.615433646517502e-07)],
)
def test_solid_angle_of_gammapy_for_small_pixels(proj, corner):
    # WcsGeom.create(skydir=(83.6331, 22.0145), width=5, binsz=0.05).solid_angle(), which takes pixels for flat
    grid = SkyGrid.create((83.6331, 22.0145), 5, 0.05, proj=proj)
    np.testing.assert_allclose(grid.solid_angle()[0, 0], corner, rtol=1e-6)


def test_a_strided_map_has_gaps_not_larger_pixels(grid):
    strided = grid.isel(slice(None, None, 3), slice(None, None, 2))
    np.testing.assert_array_equal(strided.solid_angle(), grid.solid_angle()[::3, ::2])
    assert strided.pixel_scale == grid.pixel_scale
    assert not strided.is_contiguous


@pytest.mark.parametrize("mode", ["trim", "strict", "partial"])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.26, -0.13), (0.7, 0.5)])
@pytest.mark.parametrize("width", [0.6, (0.75, 0.31), 5])
def test_cutout_holds_the_pixels_of_cutout2d(grid, offset, width, mode):
    middle = grid.center.spherical
    position = grid.position(middle.lon.deg + offset[0], middle.lat.deg + offset[1]).transform_to("galactic")
    size = np.broadcast_to(width, 2)[::-1] * u.deg
    wcs = grid.fits_header()
    try:
        expected = Cutout2D(np.zeros(grid.shape), position, size, wcs, mode=mode).slices_original
    except ValueError:
        with pytest.raises(ValueError, match="not wholly inside"):
            grid.cutout_slices(position, width, mode)
        return
    assert grid.cutout_slices(position, width, mode) == expected


def test_cutout_of_a_strided_map_is_the_strided_cutout(grid):
    y, x = grid.cutout_slices(grid.center, (0.9, 0.7))
    strided = grid.isel(slice(None, None, 2), slice(None, None, -3))
    cut = strided.isel(*strided.cutout_slices(grid.center, (0.9, 0.7)))
    inside_y, inside_x = grid.y[y], grid.x[x]
    np.testing.assert_array_equal(cut.y, [label for label in strided.y if label in inside_y])
    np.testing.assert_array_equal(cut.x, [label for label in strided.x if label in inside_x])


def test_cutout_explains_what_it_cannot_do(grid):
    opposite = grid.center.directional_offset_by(0 * u.deg, 170 * u.deg)
    near = grid.center.directional_offset_by(90 * u.deg, 4 * u.deg)
    for position in (opposite, near):
        with pytest.raises(ValueError, match="misses the map"):
            grid.cutout_slices(position, 1)
    with pytest.raises(ValueError, match="'trim', 'partial' or 'strict'"):
        grid.cutout_slices(grid.center, 1, mode="cut")
    with pytest.raises(ValueError, match="one SkyCoord"):
        grid.cutout_slices((0, 0), 1)
    with pytest.raises(ValueError, match="falls into a gap"):
        grid.isel([0, 11]).cutout_slices(grid.center, 0.3)


def test_fits_wcs_counts_from_the_array(grid):
    part = grid.isel(slice(2, 7), slice(3, 9))
    wcs = part.fits_header()
    assert wcs.array_shape == (5, 6)
    y, x = np.mgrid[:5, :6]
    lon, lat = wcs.wcs_pix2world(x, y, 0)
    np.testing.assert_allclose(lat, part.lonlat()[1], atol=1e-12)
    np.testing.assert_allclose((lon - part.lonlat()[0] + 180) % 360 - 180, 0, atol=1e-11)
    again = SkyGrid.from_wcs(wcs)
    assert again.equals(part) and again.keywords == part.keywords


def test_a_map_with_gaps_is_no_image(grid):
    for part in (grid.isel(slice(None, None, 2)), grid.isel(x=slice(None, None, -1)), grid.isel(slice(0, 0))):
        with pytest.raises(ValueError, match="FITS image"):
            part.fits_header()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("CTYPE1  = 'FREQ'\nCTYPE2  = 'STOKES'", "no pair of celestial axes"),
        ("CTYPE1  = 'GLAT-CAR'\nCTYPE2  = 'GLON-CAR'", "longitude must come first"),
        ("CTYPE1  = 'HPLN-TAN'\nCTYPE2  = 'HPLT-TAN'", "frame"),
    ],
)
def test_unfit_wcs_are_refused(extra, message):
    wcs = header_wcs(
        extra + "\nCRPIX1  = 1.0\nCRPIX2  = 1.0\nCDELT1  = -1.0\nCDELT2  = 1.0\nCRVAL1  = 0.0\nCRVAL2  = 0.0"
    )
    with pytest.raises(ValueError, match=message):
        SkyGrid.from_wcs(wcs, (2, 2))


def test_rotations_and_other_frames_are_kept():
    text = (
        "CTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRPIX1  = 5.25\nCRPIX2  = 7.75\nCRVAL1  = 83.123456789012345\n"
        "CRVAL2  = 22.0\nCD1_1   = -0.08\nCD1_2   = 0.06\nCD2_1   = 0.06\nCD2_2   = 0.08\n"
        "RADESYS = 'FK5'\nEQUINOX = 1975.0"
    )
    wcs = header_wcs(text)
    grid = SkyGrid.from_wcs(wcs, (4, 5))
    assert (grid.frame, grid.keywords["EQUINOX"], grid.keywords["PC1_2"]) == ("fk5", 1975.0, 0.06)
    assert grid.keywords["CRVAL1"] == wcs.wcs.crval[0]
    y, x = np.mgrid[:4, :5]
    np.testing.assert_allclose(grid.lonlat(), wcs.wcs_pix2world(x, y, 0), atol=1e-11)
    np.testing.assert_allclose(grid.pixel_scale, (0.1, 0.1))
    again = SkyGrid.from_keywords(dict(grid.keywords), grid.y, grid.x)
    assert again.equals(grid)
    position = SkyCoord(83.2, 22.1, unit="deg", frame="icrs")
    np.testing.assert_allclose(
        grid.position_to_labels(position)[1] - grid.x[0], position.to_pixel(wcs, 0)[0], atol=1e-8
    )


def test_a_cube_and_pv_keywords():
    text = (
        "CTYPE1  = 'RA---SZP'\nCTYPE2  = 'DEC--SZP'\nCTYPE3  = 'ENERGY'\nCRPIX1  = 1.0\nCRPIX2  = 1.0\nCRPIX3  = 1.0\n"
        "CRVAL1  = 10.0\nCRVAL2  = 20.0\nCRVAL3  = 1.0\nCDELT1  = -0.1\nCDELT2  = 0.1\nCDELT3  = 1.0\n"
        "PV2_1   = 3.0\nPV2_2   = 10.0\nPV2_3   = 80.0"
    )
    grid = SkyGrid.from_wcs(header_wcs(text), (3, 3))
    assert {key: grid.keywords[key] for key in ("PV2_1", "PV2_2", "PV2_3")} == {"PV2_1": 3, "PV2_2": 10, "PV2_3": 80}
    assert "CTYPE3" not in grid.keywords
    expected = header_wcs(text).celestial.wcs_pix2world([2], [1], 0)
    np.testing.assert_allclose(np.array(grid.labels_to_lonlat(1, 2)), np.ravel(expected), atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"CRVAL1": None}, r"lacks the keywords \['CRVAL1'\]"),
        ({"CDELT1": "wide"}, "CDELT1 is 'wide'"),
        ({"CDELT1": np.nan}, "not finite"),
        ({"CDELT1": 0.0}, "not valid"),
        ({"CTYPE1": "GLON-XXX"}, "not valid"),
        ({"CRPIX1": 7.5}, "canonical"),
    ],
)
def test_damaged_keywords_are_named(change, message):
    good = make()
    keys = {k: v for k, v in (dict(good.keywords) | change).items() if v is not None}
    with pytest.raises(ValueError, match=message):
        SkyGrid.from_keywords(keys, good.y, good.x)


def test_labels_must_be_whole_numbers():
    good = make()
    assert SkyGrid.from_keywords(good.keywords, good.y.astype(float), good.x).y.dtype == np.int64
    with pytest.raises(ValueError, match="'y' must be whole"):
        SkyGrid.from_keywords(good.keywords, good.y + 0.5, good.x)
    with pytest.raises(ValueError, match="'x' need one dimension"):
        SkyGrid.from_keywords(good.keywords, good.y, 3)


def test_a_grid_cannot_be_changed_and_pickles_small(grid):
    with pytest.raises(TypeError):
        grid.keywords["CRVAL1"] = 3
    with pytest.raises(ValueError, match="read-only"):
        grid.x[0] = 3
    data = pickle.dumps(grid)
    assert len(data) < 1500
    assert b"astropy" not in data
    for same in (pickle.loads(data), copy.deepcopy(grid)):
        assert same.equals(grid) and same.keywords == grid.keywords
        np.testing.assert_array_equal(same.lonlat(), grid.lonlat())


def test_from_dataset_and_suffixes(grid):
    ds = xr.Dataset(coords=grid.to_coords("psf"))
    assert suffixes(ds) == ("psf",)
    assert SkyGrid.from_dataset(ds, "psf") is grid
    plain = ds.drop_vars(["lon_psf", "lat_psf"])
    assert SkyGrid.from_dataset(plain, "psf").equals(grid)
    with pytest.raises(ValueError, match=r"\['wcs', 'y', 'x'\]"):
        SkyGrid.from_dataset(ds)
    plain["wcs_psf"].attrs.pop("CRVAL2")
    with pytest.raises(ValueError, match="'wcs_psf' is damaged.*CRVAL2"):
        SkyGrid.from_dataset(plain, "psf")


def test_footprint_and_width(grid):
    np.testing.assert_allclose(grid.width, (1.6, 1.2))
    lon, lat = grid.lonlat()
    corners = grid.footprint.spherical
    np.testing.assert_allclose(corners.lat.deg, lat[[0, 0, -1, -1], [0, -1, -1, 0]], atol=1e-12)
    kind = SKIES[next(k for k in SKIES if make(k).same_frame(grid))]
    expected = SkyCoord(*kind["center"], unit="deg", frame=kind["frame"])
    assert grid.center.separation(expected) < 1e-9 * u.deg
