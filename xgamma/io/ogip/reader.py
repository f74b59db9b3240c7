"""From the OGIP files of a spectrum to a dataset."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import Axis
from xgamma.coords.axes import RTOL
from xgamma.io.errors import FileFormatError
from xgamma.io.fits.axes import read_unit
from xgamma.io.fits.extras import read_extras, read_gti
from xgamma.io.fits.hdus import Hdu
from xgamma.io.fits.maps import FitsFile
from xgamma.io.fits.region import read_region
from xgamma.io.fits.tables import Table
from xgamma.io.ogip.files import beside, open_file, read_bins, required_table
from xgamma.io.ogip.matrix import read_matrix
from xgamma.paths import absolute
from xgamma.schema import FORMAT, FORMAT_VERSION, VARIABLES
from xgamma.validate import check_structure

__all__ = ["check_ogip", "open_ogip"]

_RESPONSES = {"SPECRESP": "ANCRFILE", "MATRIX": "RESPFILE", "SPECRESP MATRIX": "RESPFILE"}
"""Extensions of files that a spectrum names, and the keyword by which it does."""


def check_ogip(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a FITS file with a spectrum, an extension SPECTRUM. Only its headers are read.

    Parameters
    ----------
    path : path-like or str
        The file. If it is damaged so that nothing can be told, it is none.

    Raises
    ------
    FileFormatError
        It is a response, which is of use with a spectrum only.
    OSError
        It cannot be opened.
    """
    try:
        with open_file(absolute(path)) as file:
            names = list(file.hdus)
    except FileFormatError:
        return False
    for name, keyword in _RESPONSES.items():
        if name in names and "SPECTRUM" not in names:
            raise FileFormatError(
                path, f"HDU {name}", f"is the response of a spectrum: open the PHA file, which names it as {keyword}"
            )
    return "SPECTRUM" in names


def open_ogip(path: str | os.PathLike[str], name: str | None = None) -> xr.Dataset:
    """Open a spectrum: an OGIP file of counts (PHA, type I) and the files that it names.

    The keywords RESPFILE, ANCRFILE and BACKFILE name the energy dispersion, the effective area and the counts of the
    off region, in the folder of the file or below; a keyword that is missing or "none" names no file. Spectra are
    small, they are read at once. Channels stay as they are, whatever a column GROUPING says.

    Parameters
    ----------
    path : path-like or str
        The PHA file.
    name : str, optional
        Name of the dataset. Left out, it is OBS_ID, or else the name of the file without its ending.

    Returns
    -------
    Dataset
        ``counts`` and ``mask_safe`` (energy), and ``mask_fit`` if `write_ogip` wrote it. Safe are channels whose
        QUALITY is zero and that lie between LO_THRES and HI_THRES (in TeV), if the header has them. ``livetime``:
        EXPOSURE in s. ``exposure`` (energy_true): effective area x livetime, in the unit of the file x s. ``edisp``
        (energy_true, energy) and its ``edisp_exposure``.
        ``counts_off``, ``acceptance`` and ``acceptance_off`` (energy): the acceptances are BACKSCAL, that of the off
        region multiplied by the ratios of AREASCAL and EXPOSURE of the off and the on region, where these differ.
        AREASCAL of the on region scales the exposure. ``gti_start``, ``gti_stop``, and the region with its centre
        ``lon``, ``lat`` if the file holds them.

    Raises
    ------
    FileFormatError
        A file is damaged, missing or of another kind, a name leads out of the folder, or files do not fit together. The
        file and the extension at fault are named.
    OSError
        The file cannot be opened.
    """
    with open_file(absolute(path)) as file:
        return _read(file, name)


def _read(file: FitsFile, name: str | None) -> xr.Dataset:
    on = _Spectrum(required_table(file, "SPECTRUM"))
    if on.hdu.text("HDUCLAS2").upper() == "BKG":
        raise on.hdu.error(
            "it holds the counts of an off region (HDUCLAS2 is BKG): open the PHA file, which names it as BACKFILE"
        )
    livetime = on.time()
    paths = {key: beside(on.hdu, key) for key in ("RESPFILE", "ANCRFILE", "BACKFILE")}
    bounds = file.table("EBOUNDS")
    axes: dict[str, Axis] = {}
    variables: dict[str, xr.Variable] = {}
    if bounds is not None:
        axes["energy"] = _channels(bounds, on)
    if paths["ANCRFILE"] is not None:
        axes["energy_true"], variables["exposure"] = _read_area(paths["ANCRFILE"], livetime * on.area_scale())
    if paths["RESPFILE"] is not None:
        _read_response(paths["RESPFILE"], on, axes, variables)
    if "energy" not in axes:
        raise on.hdu.error(
            "there is no extension EBOUNDS in this file, and no RESPFILE that would tell the energies of its channels"
        )
    variables["counts"] = _variable("counts", ("energy",), on.counts())
    variables["mask_safe"] = _variable("mask_safe", ("energy",), on.safe(axes["energy"]))
    fit = on.table.columns.get("MASK_FIT")
    if fit is not None:
        if fit.dtype != bool or fit.ndim != 1:
            raise on.hdu.error("column MASK_FIT must hold one truth value a row")
        variables["mask_fit"] = _variable("mask_fit", ("energy",), fit)
    if paths["BACKFILE"] is not None:
        variables |= _read_off(paths["BACKFILE"], on, axes["energy"])
    elif on.has("BACKSCAL"):
        variables["acceptance"] = _variable("acceptance", ("energy",), on.column("BACKSCAL", 1.0))
    variables["livetime"] = _variable("livetime", (), np.float64(livetime))
    variables |= read_gti(file)
    region, place = _region(file)
    coords = xr.Coordinates(place)
    for axis in axes.values():
        coords = coords | axis.to_coords()
    attrs = {"format": FORMAT, "format_version": FORMAT_VERSION, "name": on.name(), **region}
    attrs |= read_extras(file).attrs
    if name:
        attrs["name"] = name
    ds = xr.Dataset({key: variables[key] for key in VARIABLES if key in variables}, coords, attrs)
    try:
        check_structure(ds)
    except ValueError as error:
        raise FileFormatError(file.path, "", str(error)) from error
    return ds


class _Spectrum:
    """The extension SPECTRUM of a file: numbers a channel, each a column or, if constant, a keyword."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.hdu: Hdu = table.hdu
        counts = table.columns.get("COUNTS")
        if counts is None:
            raise self.hdu.error(
                f"it has no column COUNTS, only {', '.join(table.columns)}: spectra of rates are no counts"
            )
        if counts.ndim != 1 or "SPEC_NUM" in table.columns:
            raise self.hdu.error("it holds several spectra (a PHA file of type II): split it into files of one each")
        if not table.rows:
            raise self.hdu.error("it has no rows: there are no channels")

    def has(self, name: str) -> bool:
        return name in self.table.columns or name in self.hdu.values

    def column(self, name: str, default: float) -> NDArray[np.float64]:
        if name in self.table.columns:
            return self.table.floats(name)
        return np.full(self.table.rows, float(self.hdu.number(name, default)))

    def counts(self) -> NDArray[np.float64]:
        counts = self.table.floats("COUNTS")
        if counts.min() < 0:
            raise self.hdu.error("column COUNTS holds negative numbers")
        return counts

    def numbers(self) -> NDArray[np.float64] | None:
        """Numbers of the channels, if the file tells."""
        return self.table.floats("CHANNEL") if "CHANNEL" in self.table.columns else None

    def time(self) -> float:
        if "EXPOSURE" not in self.hdu.values:
            raise self.hdu.error("the keyword EXPOSURE is missing, the livetime in s")
        seconds = float(self.hdu.number("EXPOSURE", 0.0))
        if seconds < 0:
            raise self.hdu.error(f"EXPOSURE is {seconds} s, less than zero")
        return seconds

    def area_scale(self) -> float:
        scales = self.area_scales()
        if scales.min() != scales.max():
            raise self.hdu.error("AREASCAL must be the same in all channels, since it scales the effective area")
        return float(scales[0])

    def area_scales(self) -> NDArray[np.float64]:
        scales = self.column("AREASCAL", 1.0)
        if scales.min() <= 0:
            raise self.hdu.error("AREASCAL must be positive, or left out")
        return scales

    def safe(self, axis: Axis) -> NDArray[np.bool_]:
        flags = self.table.columns.get("QUALITY")
        # gammapy writes it as a logical column.
        if flags is not None and flags.dtype == bool and flags.ndim == 1:
            safe = ~flags
        else:
            safe = self.column("QUALITY", 0) == 0
        scale = u.Unit(axis.unit).to("TeV")
        if "LO_THRES" in self.hdu.values:
            safe &= axis.lower * scale >= self.hdu.number("LO_THRES", 0) * (1 - RTOL)
        if "HI_THRES" in self.hdu.values:
            safe &= axis.upper * scale <= self.hdu.number("HI_THRES", 0) * (1 + RTOL)
        return np.asarray(safe)

    def name(self) -> str:
        identity = str(self.hdu.values.get("OBS_ID", "")).strip()
        stem = os.path.basename(self.hdu.path).removesuffix(".gz")
        return identity or os.path.splitext(stem)[0] or stem


def _variable(name: str, dims: tuple[str, ...], values: Any, units: str | None = None) -> xr.Variable:
    spec = VARIABLES[name]
    attrs = {"long_name": spec.meaning} | (
        {} if spec.dtype == "b" else {"units": spec.unit if units is None else units}
    )
    return xr.Variable(dims, values, attrs)


def _channels(bounds: Table, spectrum: _Spectrum) -> Axis:
    """Read the energies of the channels, which must be those of the spectrum."""
    axis = read_bins(bounds, "energy", "E_MIN", "E_MAX")
    counted = spectrum.numbers()
    numbers = bounds.floats("CHANNEL") if "CHANNEL" in bounds.columns else None
    differ = numbers is not None and counted is not None and not np.array_equal(numbers, counted)
    if axis.size != spectrum.table.rows or differ:
        raise bounds.hdu.error(
            f"its {axis.size} channels are not the {spectrum.table.rows} of HDU SPECTRUM in {spectrum.hdu.path}"
        )
    return axis


def _read_area(path: str, seconds: float) -> tuple[Axis, xr.Variable]:
    with open_file(path) as file:
        table = required_table(file, "SPECRESP")
        axis = read_bins(table, "energy_true", "ENERG_LO", "ENERG_HI")
        unit = read_unit(table.hdu, "the unit of column SPECRESP", table.units.get("SPECRESP") or "cm2", "cm2")
        area = table.floats("SPECRESP")
        if area.min() < 0:
            raise table.hdu.error("column SPECRESP holds negative areas")
        units = (u.Unit(unit) * u.s).to_string("fits")
        return axis, _variable("exposure", ("energy_true",), area * seconds, units)


def _read_response(path: str, on: _Spectrum, axes: dict[str, Axis], variables: dict[str, xr.Variable]) -> None:
    """Read the energy dispersion, and the energies that are not known yet."""
    with open_file(path) as file:
        table = required_table(file, "MATRIX", "SPECRESP MATRIX")
        if table.hdu.text("HDUCLAS3").upper() == "FULL":
            raise table.hdu.error("its matrix includes the effective area: split it into an ARF and an RMF file")
        true = read_bins(table, "energy_true", "ENERG_LO", "ENERG_HI")
        bounds = required_table(file, "EBOUNDS")
        reco = _channels(bounds, on)
        for own, what in ((true, table.hdu), (reco, bounds.hdu)):
            known = axes.setdefault(own.name, own)
            if not own.to(known.unit).matches(known):
                other = "ANCRFILE" if own is true else "the PHA file"
                raise what.error(f"the bins of its axis {own.name} are not those of {other}")
        first = int(bounds.floats("CHANNEL")[0]) if "CHANNEL" in bounds.columns else 1
        position = list(table.columns).index("F_CHAN") + 1 if "F_CHAN" in table.columns else 0
        first = int(table.hdu.number(f"TLMIN{position}", first))
        values = read_matrix(table, first, reco.size)
    variables["edisp"] = _variable("edisp", ("energy_true", "energy"), values)
    if "exposure" in variables:
        exposure = variables["exposure"]
        variables["edisp_exposure"] = _variable(
            "edisp_exposure", ("energy_true",), exposure.values.copy(), exposure.attrs["units"]
        )


def _read_off(path: str, on: _Spectrum, energy: Axis) -> dict[str, xr.Variable]:
    with open_file(path) as file:
        off = _Spectrum(required_table(file, "SPECTRUM"))
        if off.table.rows != energy.size:
            raise off.hdu.error(f"its {off.table.rows} channels are not the {energy.size} of {on.hdu.path}")
        bounds = file.table("EBOUNDS")
        if bounds is not None and not _channels(bounds, off).to(energy.unit).matches(energy):
            raise bounds.hdu.error(f"the bins of its axis energy are not those of {on.hdu.path}")
        ratio = off.area_scales() / on.area_scale()
        if on.time() > 0 and off.time() > 0:
            ratio *= off.time() / on.time()
        values = {
            "counts_off": off.counts(),
            "acceptance": on.column("BACKSCAL", 1.0),
            "acceptance_off": off.column("BACKSCAL", 1.0) * ratio,
        }
    return {key: _variable(key, ("energy",), part) for key, part in values.items()}


def _region(file: FitsFile) -> tuple[dict[str, str], dict[str, xr.Variable]]:
    """Read the extension REGION, if it is a table of shapes with a WCS as map datasets have it."""
    hdu = file.hdus.get("REGION")
    if hdu is None or "CTYPE1" not in hdu.values:
        return {}, {}
    return read_region(replace(file, hdus={"COUNTS_REGION": hdu}))
