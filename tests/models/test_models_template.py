"""Template maps: real and synthetic files, interpolation, normalisation, damage."""

import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from xgamma.models import Models, PowerLawNormSpectralModel, PowerLawSpectralModel, SkyModel, TemplateSpatialModel


def write_map(
    path, data, ctype=("GLON-CAR", "GLAT-CAR"), crval=(0.0, 0.0), cdelt=(-0.5, 0.5), unit="sr-1", energy=None
):
    """Write an image or a cube whose reference is the middle of the map."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ctype, crval, cdelt
    wcs.wcs.crpix = [(data.shape[-1] + 1) / 2, (data.shape[-2] + 1) / 2]
    primary = fits.PrimaryHDU(data, wcs.to_header())
    primary.header["BUNIT"] = unit
    hdus = [primary]
    if energy is not None:
        column = fits.Column("Energy", "D", unit="MeV", array=energy)
        hdus.append(fits.BinTableHDU.from_columns([column], name="ENERGIES"))
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.fixture
def image(tmp_path):
    """A map with a gradient in both directions, linear in the pixels."""
    row, column = np.mgrid[:20, :30]
    return write_map(tmp_path / "map.fits", 1.0 + row + 2.0 * column)


def test_linear_on_the_sky(image):
    model = TemplateSpatialModel(image, normalize=False)
    assert model.frame == "galactic"
    assert model.position_lonlat == pytest.approx((0, 0), abs=1e-9)
    lon, lat = np.array([0.0, 3.1, -2.7]), np.array([0.0, 1.3, -4.2])
    expected = 1 + (9.5 + lat / 0.5) + 2 * (14.5 - lon / 0.5)
    np.testing.assert_allclose(model.evaluate_lonlat(lon, lat), expected, rtol=1e-10)
    np.testing.assert_array_equal(model.evaluate_lonlat([0, 7.6, 180], [5.1, 0, 0]), 0)
    assert model.scale.to_value("deg") == 0.5
    assert model.evaluation_radius.to_value("deg") == pytest.approx(np.hypot(7.5, 5), rel=0.01)
    assert model.unit == "sr-1"
    assert not model.is_energy_dependent
    assert type(model.to_region()).__name__ == "PolygonSkyRegion"


def test_a_normalised_map_integrates_to_one(image):
    model = TemplateSpatialModel(image)
    lat = np.linspace(-5, 5, 401)
    lon = np.linspace(-7.5, 7.5, 601)
    lat, lon = (lat[1:] + lat[:-1]) / 2, (lon[1:] + lon[:-1]) / 2
    area = np.radians(lat[1] - lat[0]) * np.radians(lon[1] - lon[0]) * np.cos(np.radians(lat))[:, None]
    assert np.sum(model.evaluate_lonlat(*np.meshgrid(lon, lat)) * area) == pytest.approx(1, abs=1e-4)


def test_moved(image):
    model = TemplateSpatialModel(image, normalize=False)
    here = model.evaluate_lonlat(1.0, 0.5)
    model.lon_0, model.lat_0 = 362.0, 0.25
    np.testing.assert_allclose(model.evaluate_lonlat(3.0, 0.75), here, rtol=1e-9)
    np.testing.assert_allclose(
        model.evaluate_lonlat(3.0, 0.75, lon_0=np.array([2.0, 3.0]), lat_0=0.25)[0], here, rtol=1e-9
    )


@pytest.mark.parametrize("edge", [180.0, -180.0, 179.9, 179.5])
def test_a_map_of_the_whole_sky_has_no_seam(tmp_path, edge):
    lon = np.arange(360)[::-1] + 0.5 - 180
    data = np.tile(2 + np.cos(np.radians(lon)), (180, 1))
    path = write_map(tmp_path / "all.fits", data, cdelt=(-1.0, 1.0))
    model = TemplateSpatialModel(path, normalize=False)
    assert model.evaluation_radius is None
    np.testing.assert_allclose(model.evaluate_lonlat(edge, 20.0), 2 + np.cos(np.radians(edge)), rtol=1e-4)


@pytest.mark.parametrize("ctype", [("RA---TAN", "DEC--TAN"), ("GLON-AIT", "GLAT-AIT"), ("RA---CAR", "DEC--CAR")])
def test_projections(tmp_path, ctype):
    path = write_map(tmp_path / "map.fits", np.ones((20, 20)), ctype=ctype, crval=(0.0, 0.0), cdelt=(-0.1, 0.1))
    model = TemplateSpatialModel(path)
    assert model.frame == ("icrs" if ctype[0].startswith("RA") else "galactic")
    np.testing.assert_allclose(model.evaluate_lonlat([359.5, 0.5], [0.1, 0.2]), 1 / np.deg2rad(2) ** 2, rtol=2e-3)


def test_power_law_in_energy(tmp_path):
    energy = np.array([100.0, 1000.0, 10000.0])
    data = 3e-6 * (energy / 100)[:, None, None] ** -2.3 * np.ones((3, 8, 10))
    model = TemplateSpatialModel(write_map(tmp_path / "cube.fits", data, unit="", energy=energy), normalize=False)
    assert model.is_energy_dependent
    assert model.unit == u.Unit("TeV-1 s-1 cm-2 sr-1")
    e = np.array([1.2e-4, 1e-3, 7.7e-3])
    np.testing.assert_allclose(model.evaluate_lonlat(0.1, 0.1, e), 3.0 * (e / 1e-4) ** -2.3, rtol=1e-6)
    np.testing.assert_array_equal(model.evaluate_lonlat(0.1, 0.1, [5e-5, 1.0]), 0)
    assert model.evaluate_lonlat(np.zeros((1, 4, 5)), np.zeros((1, 4, 5)), e[:, None, None]).shape == (3, 4, 5)
    with pytest.raises(ValueError, match="depends on energy"):
        model.evaluate_lonlat(0, 0)
    model.evaluate("0 deg", "0 deg", "1 GeV")


@pytest.mark.parametrize("name", ["ENERGY", "ENERGY_TRUE"])
@pytest.mark.parametrize("edges", [True, False])
def test_axis_of_either_name(tmp_path, name, edges):
    """Cubes over true energy have its columns, with the edges of bins or with nodes."""
    path = tmp_path / "cube.fits"
    limits = np.geomspace(0.1, 10.0, 4)
    center = np.sqrt(limits[1:] * limits[:-1])
    write_map(path, 3e-6 * center[:, None, None] ** -2.3 * np.ones((3, 8, 10)), unit="TeV-1 s-1 cm-2 sr-1")
    low, high = ("E_MIN", "E_MAX") if name == "ENERGY" else (f"{name}_MIN", f"{name}_MAX")
    columns = {name: center} | ({low: limits[:-1], high: limits[1:]} if edges else {})
    made = [fits.Column(key, "D", unit="TeV", array=values) for key, values in columns.items()]
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.BinTableHDU.from_columns(made, name="PRIMARY_BANDS"))
    fits.setval(path, "BANDSHDU", value="PRIMARY_BANDS")
    model = TemplateSpatialModel(path, normalize=False)
    e = np.array([0.12, 0.9, 8.0])
    inside = edges | ((e > center[0]) & (e < center[-1]))
    np.testing.assert_allclose(model.evaluate_lonlat(0.1, 0.1, e), np.where(inside, 3e-6 * e**-2.3, 0), rtol=1e-6)


def test_planes_without_signal_are_zero(tmp_path):
    data = np.stack([np.zeros((4, 4)), np.ones((4, 4))])
    path = write_map(tmp_path / "cube.fits", data, unit="", energy=[100.0, 1000.0])
    for normalize in (True, False):
        values = TemplateSpatialModel(path, normalize=normalize).evaluate_lonlat(0.1, 0.1, [1e-4, 3e-4, 1e-3])
        assert values[0] == pytest.approx(0, abs=1e-9)
        assert values[0] < values[1] < values[2]


def test_diffuse_cube(gammapy_data, monkeypatch):
    monkeypatch.setenv("GAMMAPY_DATA", str(gammapy_data))
    name = "$GAMMAPY_DATA/fermi-3fhl-gc/gll_iem_v06_gc.fits.gz"
    model = TemplateSpatialModel(name, normalize=False)
    assert model.frame == "galactic"
    assert model.position_lonlat == pytest.approx((0, -0.0625), abs=1e-6)
    with fits.open(gammapy_data / "fermi-3fhl-gc" / "gll_iem_v06_gc.fits.gz") as hdus:
        data, energy = hdus[0].data, hdus[1].data["ENERGY"] * 1e-6
    # The middle of pixel (10, 20) of plane 5.
    lon, lat = 0.125 * (20 - 59.5), 0.125 * (10 - 32)
    np.testing.assert_allclose(model.evaluate_lonlat(lon, lat, energy[5]), data[5, 10, 20] * 1e6, rtol=1e-5)
    sky = Models(SkyModel(PowerLawNormSpectralModel(), model, name="diffuse"))
    text = sky.to_yaml()
    assert name in text
    again = Models.from_yaml(text)
    assert again.to_yaml() == text
    np.testing.assert_array_equal(
        again[0].spatial_model.evaluate_lonlat(0.1, 0.2, 0.01), model.evaluate_lonlat(0.1, 0.2, 0.01)
    )


def test_copies_share_the_map_and_pickle_it(image):
    model = TemplateSpatialModel(image)
    assert model.copy().map is model.map
    image.unlink()
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(twin.evaluate_lonlat(1, 1), model.evaluate_lonlat(1, 1))


def test_a_view_needs_no_file_until_the_map_is_used(image, tmp_path):
    text = Models(SkyModel(PowerLawSpectralModel(), TemplateSpatialModel(image), name="shape")).to_yaml()
    image.rename(tmp_path / "elsewhere.fits")
    view = Models.from_yaml(text, read_only=True)
    assert "shape" in str(view)
    assert view.to_yaml() == text
    with pytest.raises(ValueError, match=r"TemplateSpatialModel: template map .*map\.fits' cannot be found"):
        view["shape"].spatial_model.evaluate_lonlat(0, 0)
    with pytest.raises(ValueError, match=r"component 'shape': template map .*map\.fits'"):
        Models.from_yaml(text)
    (tmp_path / "elsewhere.fits").rename(image)
    assert view["shape"].spatial_model.evaluate_lonlat(0, 0) > 0


def test_variables_that_are_not_set_are_named(monkeypatch):
    monkeypatch.delenv("NO_SUCH_FOLDER", raising=False)
    with pytest.raises(ValueError, match="environment variable NO_SUCH_FOLDER is not set"):
        TemplateSpatialModel("$NO_SUCH_FOLDER/map.fits")


def damaged(path, image, how):
    if how == "text":
        path.write_text("not a map")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(image.read_bytes()[:3000])
    elif how == "folder":
        path.mkdir()
    elif how == "table":
        fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])]).writeto(path)
    elif how == "no energies":
        write_map(path, np.ones((3, 4, 4)))
    elif how == "too few energies":
        write_map(path, np.ones((3, 4, 4)), energy=[1.0, 2.0])
    elif how == "four axes":
        write_map(path, np.ones((2, 3, 4, 4)))
    elif how == "unit":
        write_map(path, np.ones((4, 4)), unit="TeV")
    elif how == "not a unit":
        write_map(path, np.ones((4, 4)), unit="bananas")
    elif how == "no wcs":
        fits.PrimaryHDU(np.ones((4, 4))).writeto(path)


@pytest.mark.parametrize(
    "how",
    ["missing", "text", "empty", "truncated", "folder", "table", "no energies", "too few energies", "four axes",
     "unit", "not a unit", "no wcs"],
)  # fmt: skip
def test_damage_is_named(tmp_path, image, how):
    path = tmp_path / "damaged.fits"
    damaged(path, image, how)
    with pytest.raises(ValueError, match=r"damaged\.fits|the map is in 'TeV'"):
        TemplateSpatialModel(path, normalize=False)
