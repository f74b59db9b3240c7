"""Predictions of datasets without dims on the sky, against sums over a fine plane."""

import astropy.units as u
import numpy as np
import pytest
import regions as rg
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from scipy.signal import fftconvolve

from tests import brute
from tests.builders import SKIES, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.models import (
    ConstantSpatialModel,
    DiskSpatialModel,
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from xgamma.predict import npred_signal
from xgamma.predict.region import region_response
from xgamma.reduce.spectrum import to_region_map_dataset

STEP = 0.0125
"""Pixel of the plane in deg: a fourth of the narrowest PSF or source, which leaves sums of Gaussians 1e-6."""
PARTS = 3
"""Each is cut so often along a side to see how much of it a source with an edge covers."""
FINE = 8
"""Each is cut so often along a side to see how much of it a region covers, which gives circles of 0.1 deg to 1e-3."""


def at(ds, lon=0.0, lat=0.0):
    """A position by its offset from the middle of the map, in deg."""
    middle = SkyGrid.from_dataset(ds).center
    return middle.directional_offset_by(np.arctan2(lon, lat) * u.rad, np.hypot(lon, lat) * u.deg)


def circle(ds, radius, *offset):
    return rg.CircleSkyRegion(at(ds, *offset), radius * u.deg)


SHAPES = {
    "circle": lambda ds: circle(ds, 0.4, 0.1, 0.0),
    "small circle": lambda ds: circle(ds, 0.1),
    "annulus": lambda ds: rg.CircleAnnulusSkyRegion(at(ds), 0.2 * u.deg, 0.5 * u.deg),
    "thin ring": lambda ds: rg.CircleAnnulusSkyRegion(at(ds), 0.45 * u.deg, 0.5 * u.deg),
    "ellipse": lambda ds: rg.EllipseSkyRegion(at(ds, 0.12, 0.2), 1.0 * u.deg, 0.3 * u.deg, 30 * u.deg),
    "rectangle": lambda ds: rg.RectangleSkyRegion(at(ds, 0.12, 0.1), 0.8 * u.deg, 0.25 * u.deg, 60 * u.deg),
    "polygon": lambda ds: rg.PolygonSkyRegion(SkyCoord([at(ds, -0.4, -0.3), at(ds, 0.5, -0.2), at(ds, 0.1, 0.5)])),
    "union": lambda ds: circle(ds, 0.3) | circle(ds, 0.25, 0.1, 0.5),
    "difference": lambda ds: circle(ds, 0.5) ^ circle(ds, 0.25),
    "list": lambda ds: [circle(ds, 0.2, -0.3, 0.0), circle(ds, 0.2, 0.3, 0.1)],
}


def sources(ds):
    """Points and sources of 0.05 to 0.5 deg, in the region and at its border."""
    out = {}
    for name, spatial, offset, size in (
        ("point", PointSpatialModel, (0.05, 0.1), {}),
        ("point aside", PointSpatialModel, (0.35, 0.3), {}),
        ("narrow", GaussianSpatialModel, (0.2, 0.25), {"sigma": 0.05}),
        ("wide", GaussianSpatialModel, (0.05, 0.1), {"sigma": 0.5}),
        ("disk", DiskSpatialModel, (0.1, -0.1), {"r_0": 0.3}),
    ):
        there = at(ds, *offset)
        lonlat = there.spherical
        place = {"lon_0": float(lonlat.lon.deg), "lat_0": float(lonlat.lat.deg), "frame": there.frame.name}
        out[name] = spatial(**place, **size)
    return {name: SkyModel(PowerLawSpectralModel(index=2.3), spatial, name="s") for name, spatial in out.items()}


def covered(shapes, wcs, number):
    """Which points of a square plane are inside of a region, by the regions package; each shape in its own box."""
    found = np.zeros((number, number), dtype=bool)
    for shape in shapes:
        pixels = shape.to_pixel(wcs)
        part, _ = pixels.bounding_box.get_overlap_slices(found.shape)
        y, x = np.mgrid[part]
        found[part] |= pixels.contains(rg.PixCoord(x, y))
    return found


class Plane:
    """A fine plane about a region, and how much of each pixel the region covers."""

    def __init__(self, spectrum, shapes):
        self.spectrum, self.frame = spectrum, spectrum.lon.attrs["frame"]
        self.exposure, self.profiles, self.edisp, self.rad = brute.response(spectrum, None)
        self.half = int(np.ceil((0.85 + np.degrees(self.rad[-1])) / STEP))
        wcs, number = self.pixels(PARTS)
        y, x = np.mgrid[:number, :number]
        self.lonlat = [values.reshape(x.shape) for values in wcs.wcs_pix2world(x.ravel(), y.ravel(), 0)]
        self.inside = self.mean(covered(shapes, *self.pixels(FINE)))
        self.area = np.radians(STEP) ** 2
        offset = np.radians(STEP) * (np.arange(2 * self.half + 1) - self.half)
        r = np.hypot(offset[:, None], offset)
        self.kernels = [np.interp(r, self.rad, row, right=0) * self.area for row in self.profiles]

    def pixels(self, parts):
        """A WCS of the plane, of which each pixel is cut into parts, and the number of its rows and columns."""
        number = (2 * self.half + 1) * parts
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["GLON-TAN", "GLAT-TAN"] if self.frame == "galactic" else ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = float(self.spectrum.lon), float(self.spectrum.lat)
        wcs.wcs.crpix = (number + 1) / 2, (number + 1) / 2
        wcs.wcs.cdelt = -STEP / parts, STEP / parts
        return wcs, number

    def mean(self, values):
        """Average the parts of each pixel."""
        number = 2 * self.half + 1
        return values.reshape(number, len(values) // number, number, -1).mean(axis=(1, 3))

    def counts(self, model):
        """Counts in the region: the source on the plane, spread by the PSF of the region's centre."""
        lon, lat = self.lonlat
        if isinstance(model.spatial_model, PointSpatialModel):
            middle = (slice(PARTS // 2, None, PARTS),) * 2
            there = SkyCoord(lon[middle], lat[middle], unit="deg", frame=self.frame)
            r = there.separation(model.spatial_model.position).rad
            part = [np.sum(self.inside * np.interp(r, self.rad, row, right=0)) * self.area for row in self.profiles]
        else:
            image = np.broadcast_to(model.spatial_model.evaluate_lonlat(lon, lat), lon.shape)
            image = self.mean(image) * self.area
            part = [np.sum(self.inside * fftconvolve(image, kernel, mode="same")) for kernel in self.kernels]
        return (brute.flux(self.spectrum, model) * self.exposure * part) @ self.edisp


@pytest.mark.parametrize(("shape", "sky"), list(zip(SHAPES, ["CAR", "TAN", "wrap"] * 4, strict=False)))
def test_counts_in_a_region(shape, sky):
    ds = make_map_dataset(**SKIES[sky], npix=(36, 38)).drop_vars(["mask_safe", "mask_fit"])
    spectrum = to_region_map_dataset(ds, SHAPES[shape](ds))
    # what is stored is the region, but for compounds that DS9 does not know: of these it is their pixels
    stored = list(rg.Regions.parse(spectrum.attrs["region"], format="ds9"))
    own = SHAPES[shape](ds)
    own = own if isinstance(own, list) else [own.region1, own.region2] if shape == "union" else [own]
    plane = Plane(spectrum, stored if shape == "difference" else own)
    for name, model in sources(ds).items():
        found = npred_signal(spectrum, [model])
        # 0.5 % of the counts, and where hardly any of the PSF enters, 1e-4 of all that the source has; ten times that
        # in a square hole of pixels, at whose straight edges the tails fall by a third within a pixel of the map
        total = npred_signal(spectrum.drop_vars("psf"), [model])
        tail = (1e-3 if shape == "difference" else 1e-4) * float(total.max())
        np.testing.assert_allclose(found, plane.counts(model), 5e-3, tail, err_msg=name)
        if name in ("point", "narrow"):
            response = region_response(spectrum, model)
            np.testing.assert_allclose(brute.flux(spectrum, model) @ response, found, rtol=1e-6)


@pytest.mark.parametrize("shape", ["circle", "polygon"])
def test_a_model_without_edge(shape):
    ds = make_map_dataset(npix=(36, 38)).drop_vars(["mask_safe", "mask_fit"])
    shapes = SHAPES[shape](ds)
    spectrum = to_region_map_dataset(ds, shapes)
    model = SkyModel(PowerLawSpectralModel(), ConstantSpatialModel(), name="s")
    np.testing.assert_allclose(npred_signal(spectrum, [model]), Plane(spectrum, [shapes]).counts(model), rtol=5e-3)


def test_regions_beyond_the_map_or_cut_by_a_mask():
    ds = make_map_dataset(npix=(36, 38)).drop_vars(["mask_safe", "mask_fit"])
    for shape in SHAPES:
        part = ds.isel(x=slice(0, 19))
        with pytest.raises(ValueError, match="not contained in the map"):
            to_region_map_dataset(part, SHAPES[shape](ds))
        cut = ds.assign(mask_safe=ds.counts.copy(data=np.arange(38) + 0 * ds.counts.values > 18).astype(bool))
        with pytest.raises(ValueError, match="cut by a mask in 4 of 4 bins"):
            to_region_map_dataset(cut, SHAPES[shape](ds))
