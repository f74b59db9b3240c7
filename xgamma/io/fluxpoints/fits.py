"""Flux points in FITS files."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from astropy.io import fits
from astropy.table import Table

from xgamma.io.errors import FileFormatError
from xgamma.io.fits.content import BLOCK
from xgamma.io.fits.extras import EXTRAS_HDU, read_extras, read_gti
from xgamma.io.fits.hdus import Hdu
from xgamma.io.fits.header import make_header
from xgamma.io.fits.maps import FitsFile
from xgamma.io.fits.stream import write_primary, write_table
from xgamma.io.fits.tables import read_table
from xgamma.io.fits.writer import _gti_hdu, write_jobs
from xgamma.io.fluxpoints.reader import FluxTable, dataset_of
from xgamma.io.fluxpoints.writer import MASKS, extras_of_points, flux_points_to_table, with_extras
from xgamma.io.ogip.files import open_file
from xgamma.paths import absolute
from xgamma.schema import FORMAT

__all__ = ["is_flux_fits", "open_flux_fits", "write_flux_fits"]

_HDU = "FLUXPOINTS"
_ENERGIES = {"e_ref", "e_min", "e_max"}
_KEYWORDS = ("SED_TYPE", "UL_CONF", "N_SIGMA")


def is_flux_fits(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a FITS file with a table of flux points. Only its headers are read.

    Parameters
    ----------
    path : path-like or str
        The file.

    Raises
    ------
    FileFormatError
        The file is damaged.
    OSError
        It cannot be opened.
    """
    with open_file(absolute(path)) as file:
        return _find(file) is not None


def _find(file: FitsFile) -> Hdu | None:
    """Return the table of flux points: the one of that name, or else the first with energies and a type."""
    if _HDU in file.hdus:
        return file.hdus[_HDU]
    for hdu in file.hdus.values():
        names = {str(value).strip().lower() for key, value in hdu.values.items() if key.startswith("TTYPE")}
        if hdu.is_table and ("SED_TYPE" in hdu.values or names & _ENERGIES) and "channel" not in names:
            return hdu
    return None


def open_flux_fits(path: str | os.PathLike[str], name: str | None = None) -> xr.Dataset:
    """Open a FITS file with a table of flux points. Tables are small, they are read at once.

    Parameters
    ----------
    path : path-like or str
        A file in the form ``gadf-sed`` of gamma-astro-data-formats: a table FLUXPOINTS, or whichever has the columns.
    name : str, optional
        Name of the dataset. Left out, it is that with which it was written, or else the name of the file without its
        ending.

    Returns
    -------
    Dataset
        As `xgamma.io.fluxpoints.create_flux_points` makes it.

    Raises
    ------
    FileFormatError
        The file is damaged or holds no flux points. The file and the table at fault are named.
    OSError
        The file cannot be opened.
    """
    full = absolute(path)
    with open_file(full) as file:
        hdu = _find(file)
        if hdu is None:
            raise FileFormatError(
                full, "", f"there is no table of flux points: the extensions are {', '.join(file.hdus)}"
            )
        # To read columns of variable length astropy wants the padding of the data as well.
        padded = Hdu(**{**vars(hdu), "nbytes": hdu.nbytes + -hdu.nbytes % BLOCK})
        table = read_table(file.content, padded)
        columns = {key.lower(): _checked(hdu, key, values) for key, values in table.columns.items()}
        units = {key.lower(): unit for key, unit in table.units.items()}
        meta = {key.lower(): value for key, value in hdu.values.items()}
        ds = dataset_of(FluxTable(columns, units, meta, hdu.error), _stem(full))
        ds = with_extras(ds.assign(read_gti(file)), read_extras(file))
    return ds if name is None else ds.assign_attrs(name=name)


def _checked(hdu: Hdu, name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "O":
        raise hdu.error(f"column {name} has lists of different lengths, which have no place in a dataset")
    return np.char.strip(values) if values.dtype.kind in "US" else values


def _stem(path: str) -> str:
    stem = os.path.basename(path).removesuffix(".gz")
    return os.path.splitext(stem)[0] or stem


def write_flux_fits(
    ds: xr.Dataset, path: str | os.PathLike[str], sed_type: str | None = None, overwrite: bool = False
) -> None:
    """Write flux points to a FITS file in the form ``gadf-sed``, with checksums.

    Models, history and what else such a table has no place for go into a table XGAMMA, which other programs pass over.

    Parameters
    ----------
    ds : Dataset
        Flux points. Lazy ones are computed.
    path : path-like or str
        The file, gzipped if its name ends in ``.gz``. It appears when it is complete.
    sed_type : str, optional
        The quantity, see `xgamma.fluxpoints.to_sed_type`; by default that of the dataset.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    ValueError
        There are no flux points, or something of the dataset has no place in such a file. It is named.
    FileExistsError
        The file exists and `overwrite` is not set.
    """
    ds = ds.compute()
    table = flux_points_to_table(ds, sed_type)
    kept = extras_of_points(ds)
    for name in MASKS:
        # gammapy asks lists of datasets for both masks, with the pixel of a region behind the energy.
        values = table[name] if name in table.colnames else np.ones(len(table), dtype=bool)
        table[name] = np.asarray(values).reshape(-1, 1, 1)
    keywords = {key.upper(): value for key, value in table.meta.items() if key.upper() in _KEYWORDS}
    jobs: list[Any] = [partial(write_table, hdu=_table_hdu(table, keywords))]
    if "gti_start" in ds and ds["gti_start"].size:
        jobs.append(partial(write_table, hdu=_gti_hdu(ds)))
    text = fits.Column("JSON", f"{max(len(kept), 1)}A", array=np.array([kept]))
    jobs.append(partial(write_table, hdu=fits.BinTableHDU.from_columns([text], name=EXTRAS_HDU)))
    jobs.insert(0, partial(write_primary, header=make_header({"NEXTEND": len(jobs), "CREATOR": FORMAT})))
    write_jobs(jobs, path, overwrite)


def _table_hdu(table: Table, keywords: dict[str, Any]) -> fits.BinTableHDU:
    plain = Table(table, meta={})
    hdu = fits.BinTableHDU(plain, name=_HDU)
    hdu.header += make_header(keywords)
    return hdu
