"""The region of a spectrum: a table of shapes in pixels of a WCS, as the regions package writes it."""

from __future__ import annotations

import warnings

import xarray as xr
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from xgamma.coords import SkyGrid
from xgamma.coords.labels import plain_variable
from xgamma.io.fits.header import make_header, sky_cards
from xgamma.io.fits.maps import FitsFile, sky_keywords
from xgamma.io.guard import naming

__all__ = ["read_region", "region_hdu"]

_REGION_HDUS = ("COUNTS_REGION", "BACKGROUND_REGION", "EXPOSURE_REGION")


def read_region(file: FitsFile) -> tuple[dict[str, str], dict[str, xr.Variable]]:
    """Read the region of a spectrum.

    Parameters
    ----------
    file : FitsFile
        The file.

    Returns
    -------
    attrs : dict
        The attr ``region``, DS9 text; empty if there is no region.
    coords : dict
        Scalars ``lon`` and ``lat`` of the region's centre in degrees.

    Raises
    ------
    FileFormatError
        The table or its WCS is damaged.
    """
    name = next((name for name in _REGION_HDUS if name in file.hdus), None)
    if name is None:
        return {}, {}
    hdu = file.hdus[name]
    file.table(name)  # checks the layout and the data
    from regions import Regions

    data = file.content.region(hdu.offset, hdu.nbytes).tobytes()
    with naming(file.path, f"HDU {name}"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about units of angles and old spellings of the WCS
        table = QTable.read(fits.BinTableHDU.fromstring(hdu.header + data))
        wcs = WCS(fits.Header({"WCSAXES": 2, **sky_keywords(hdu)}))
        shapes = []
        for shape in Regions.parse(table, format="fits"):
            shapes.append(shape.to_sky(wcs))
        text = Regions(shapes).serialize(format="ds9", precision=12)
        center = getattr(shapes[0], "center", None)
        if len(shapes) != 1 or not isinstance(center, SkyCoord):
            return {"region": text}, {}
        values = {"lon": center.spherical.lon.deg, "lat": center.spherical.lat.deg}
        frame = {"units": "deg", "frame": center.frame.name}
        return {"region": text}, {key: plain_variable((), float(value), dict(frame)) for key, value in values.items()}


def region_hdu(ds: xr.Dataset, name: str) -> fits.BinTableHDU:
    """Return the table of the region of a spectrum dataset.

    Raises
    ------
    ValueError
        ``attrs["region"]`` is no DS9 text of shapes on the sky.
    """
    from regions import Regions

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lines that are no shape are passed over
            shapes = Regions.parse(ds.attrs["region"], format="ds9")
        centers = [getattr(shape, "center", None) for shape in shapes]
        center = next((c for c in centers if c is not None), None)
        if center is None:
            vertices = shapes[0].vertices
            center = SkyCoord(vertices[0].spherical.lon, vertices[0].spherical.lat, frame=vertices.frame.name)
        # Any grid about the region would do; a fine one keeps pixels close to distances on the sky.
        grid = SkyGrid.create(center, width=1, binsz=0.01, frame=center.frame.name, proj="TAN")
        table = Regions([shape.to_pixel(grid.fits_header()) for shape in shapes]).serialize(format="fits")
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise ValueError(f"the attr 'region' is no DS9 text of regions on the sky ({error})") from error
    hdu = fits.BinTableHDU(table, name=name)
    hdu.header += make_header(sky_cards(grid, []))
    return hdu
