"""Flux points in ECSV files: text with a header in YAML (astropy APE 6)."""

from __future__ import annotations

import os
import warnings

import xarray as xr
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from xgamma.atomic import write_beside
from xgamma.io.errors import FileFormatError
from xgamma.io.fits.extras import EXTRAS_HDU, Extras, extras_of
from xgamma.io.fluxpoints.reader import FluxTable, dataset_of
from xgamma.io.fluxpoints.writer import extras_of_points, flux_points_to_table, with_extras
from xgamma.paths import absolute

__all__ = ["open_ecsv", "write_ecsv"]


def open_ecsv(path: str | os.PathLike[str], name: str | None = None) -> xr.Dataset:
    """Open an ECSV file with a table of flux points.

    Parameters
    ----------
    path : path-like or str
        A file in the form ``gadf-sed`` of gamma-astro-data-formats.
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
        The file is damaged or holds no flux points.
    OSError
        The file cannot be opened.
    """
    full = absolute(path)

    def error(problem: str) -> FileFormatError:
        return FileFormatError(full, "", problem)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyWarning)
            table = Table.read(full, format="ascii.ecsv")
    except OSError:
        raise
    except Exception as problem:
        # The parsers answer damaged text with nearly every kind of error.
        raise error(
            f"the table cannot be read, it is damaged ({type(problem).__name__}: {_first(problem)})"
        ) from problem
    kept = table.meta.pop(EXTRAS_HDU, None)
    extras = Extras() if kept is None else extras_of(kept, error)
    stem = os.path.splitext(os.path.basename(full))[0]
    ds = with_extras(dataset_of(FluxTable.from_astropy(table, error), stem), extras)
    return ds if name is None else ds.assign_attrs(name=name)


def _first(problem: Exception) -> str:
    return str(problem).strip().partition("\n")[0] or "no reason given"


def write_ecsv(
    ds: xr.Dataset, path: str | os.PathLike[str], sed_type: str | None = None, overwrite: bool = False
) -> None:
    """Write flux points to an ECSV file in the form ``gadf-sed``.

    Models, history and what else such a table has no place for go into an entry XGAMMA of the header.

    Parameters
    ----------
    ds : Dataset
        Flux points. Lazy ones are computed.
    path : path-like or str
        The file, which appears when it is complete.
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
    if "gti_start" in ds:
        raise ValueError(
            "good time intervals have no place in an ECSV file: write FITS, NetCDF or Zarr, or drop the variables "
            "gti_start and gti_stop with drop_vars"
        )
    ds = ds.compute()
    table = flux_points_to_table(ds, sed_type)
    table.meta[EXTRAS_HDU] = extras_of_points(ds)
    with write_beside(path, overwrite) as beside:
        table.write(beside, format="ascii.ecsv")
