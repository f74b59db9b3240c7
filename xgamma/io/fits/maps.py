"""A map of a file: its data, axes, pixels and unit."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from xarray.backends import CachingFileManager

from xgamma.coords import Axis, SkyGrid
from xgamma.io.fits.arrays import FitsArray, image_array
from xgamma.io.fits.axes import read_axes, read_unit
from xgamma.io.fits.content import Content
from xgamma.io.fits.hdus import Hdu
from xgamma.io.fits.tables import Table, read_table
from xgamma.io.guard import naming
from xgamma.schema import VARIABLES

__all__ = ["FitsFile", "FitsMap", "read_map", "sky_keywords"]

_WCS_KEYWORD = re.compile(
    r"(CTYPE|CUNIT|CRVAL|CDELT|CRPIX|CROTA)[12]|(PC|CD)[12]_[12]|PV[12]_\d+|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX"
)
_MAX_PIXEL = 1 << 40


@dataclass(frozen=True)
class FitsFile:
    """An opened file.

    Attributes
    ----------
    path : str
        Its name.
    manager : CachingFileManager
        Gives its content to lazy arrays.
    content : Content
        Its content, while it is being opened.
    hdus : dict of str to Hdu
        Extensions by name.
    """

    path: str
    manager: CachingFileManager[Content]
    content: Content
    hdus: dict[str, Hdu]

    def table(self, name: str) -> Table | None:
        """Read a table, if there is one of that name."""
        return read_table(self.content, self.hdus[name]) if name in self.hdus else None


@dataclass(frozen=True)
class FitsMap:
    """A variable of a dataset as it stands in a file.

    Attributes
    ----------
    hdu : Hdu
        Its extension.
    axes : tuple of Axis
        In numpy's order, without axes that the variable does not need.
    grid : SkyGrid or None
        The pixels, None where the data have no sky axes.
    data : FitsArray or ndarray
        Values, with y and x last if there is a grid.
    units : str or None
        None for masks.
    """

    hdu: Hdu
    axes: tuple[Axis, ...]
    grid: SkyGrid | None
    data: FitsArray | np.ndarray
    units: str | None


def read_map(file: FitsFile, name: str) -> FitsMap:
    """Read the headers and tables of a variable.

    Parameters
    ----------
    file : FitsFile
        The file, which has the extension of the variable.
    name : str
        Name of the variable.

    Raises
    ------
    FileFormatError
        The bins are missing or do not fit the data, or the unit or WCS is damaged.
    """
    spec = VARIABLES[name]
    hdu = file.hdus[spec.hdu or ""]
    axes, keep = _needed_axes(hdu, name, _axes(file, hdu))
    units = None
    sizes = tuple(axis.size for axis in axes)
    drop = tuple(i for i, wanted in enumerate(keep) if not wanted)
    grid: SkyGrid | None = None
    data: FitsArray | np.ndarray
    if hdu.is_image:
        if hdu.shape[:-2] != sizes:
            raise hdu.error(f"its axes {_names(axes)} have {sizes} bins, while its data have the shape {hdu.shape}")
        if spec.dtype != "b":
            units = read_unit(hdu, "BUNIT", hdu.text("BUNIT"), spec.physical or "")
        grid = _read_grid(hdu)
        if grid.shape == (1, 1) and spec.grid in ("psf", "edisp"):
            grid, drop = None, (*drop, len(sizes), len(sizes) + 1)
        data = image_array(file.manager, hdu, drop, spec.dtype == "b")
    else:
        table = read_table(file.content, hdu)
        values = table.columns.get("DATA")
        if values is None or values.dtype.kind not in "biuf":
            raise hdu.error("it has no column DATA of numbers; sparse and HEALPix maps are not supported")
        if values.size != math.prod(sizes):
            raise hdu.error(f"its axes {_names(axes)} have {sizes} bins, while its table has {values.size} numbers")
        if spec.dtype != "b":
            units = read_unit(hdu, "the unit of column DATA", table.units.get("DATA"), spec.physical or "")
        data = values.reshape(tuple(n for n, wanted in zip(sizes, keep, strict=True) if wanted))
        if spec.dtype == "b":
            data = data != 0
    return FitsMap(hdu, tuple(a for a, wanted in zip(axes, keep, strict=True) if wanted), grid, data, units)


def _names(axes: list[Axis]) -> str:
    return ", ".join(axis.name for axis in axes)


def _axes(file: FitsFile, hdu: Hdu) -> list[Axis]:
    """Return the axes in numpy's order."""
    if hdu.values.get("PIXTYPE") == "HEALPIX":
        raise hdu.error("it is a HEALPix map, which is not supported: project it to a WCS map first")
    if hdu.values.get("ZIMAGE") is True:
        raise hdu.error("it is a compressed image, which is not supported: unpack the file with funpack first")
    if not (hdu.is_image or hdu.is_table):
        raise hdu.error("it has no data: it must be an image or a binary table")
    name = hdu.text("BANDSHDU", f"{hdu.name}_BANDS").upper()
    bands = file.table(name)
    if bands is None:
        raise hdu.error(f"the table {name} with the bins of its axes is missing: the file is incomplete")
    return read_axes(bands, hdu)[::-1]


def _needed_axes(hdu: Hdu, name: str, axes: list[Axis]) -> tuple[list[Axis], list[bool]]:
    """Return the axes, and which of them the variable has in memory: the others are of one bin."""
    spec = VARIABLES[name]
    if name == "exposure":  # old files call its axis energy
        axes = [axis.rename("energy_true") if axis.name == "energy" else axis for axis in axes]
    found = [axis.name for axis in axes]
    needed = list(spec.dims[:-2])
    for dim, other in spec.alternatives.items():
        if dim not in found and other in found:
            needed[needed.index(dim)] = other
    keep = [axis.name in needed for axis in axes]
    extra = [axis for axis, wanted in zip(axes, keep, strict=True) if not wanted]
    if sorted(n for n in found if n in needed) != sorted(needed) or (extra and not name.endswith("_exposure")):
        raise hdu.error(f"its axes are {_names(axes)}, while {name} needs {', '.join(needed)}")
    for axis in extra:
        if axis.size != 1:
            raise hdu.error(f"its axis {axis.name} has {axis.size} bins, while {name} has one there")
    return axes, keep


def sky_keywords(hdu: Hdu) -> dict[str, Any]:
    """Return the keywords of the WCS of an extension, without those of times, about which astropy warns.

    Raises
    ------
    FileFormatError
        The reference pixel is absurdly far away, so that pixels could not be counted from it.
    """
    for key in ("CRPIX1", "CRPIX2"):
        if abs(hdu.number(key, 0)) > _MAX_PIXEL:
            raise hdu.error(f"{key} is {hdu.values[key]}, far off the map: the header is damaged")
    return {key: value for key, value in hdu.values.items() if _WCS_KEYWORD.fullmatch(key)}


def _read_grid(hdu: Hdu) -> SkyGrid:
    if len(hdu.shape) < 2 or 0 in hdu.shape[-2:]:
        raise hdu.error(f"its shape is {hdu.shape}, without two sky axes")
    keywords = sky_keywords(hdu)
    with naming(hdu.path, f"HDU {hdu.name}, its WCS"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wcslib tells which old spellings it understood
        wcs = WCS(fits.Header({"WCSAXES": 2, **keywords}), fix=True)
        return SkyGrid.from_wcs(wcs, (hdu.shape[-2], hdu.shape[-1]))
