"""From a spectrum dataset to OGIP files that gammapy, sherpa and XSPEC read."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.io import fits
from numpy.typing import NDArray

from xgamma.atomic import local_path, write_beside
from xgamma.coords import Axis
from xgamma.io.fits.extras import EXTRAS_HDU, extras_json
from xgamma.io.fits.header import make_header
from xgamma.io.fits.region import region_hdu
from xgamma.io.fits.stream import write_primary, write_table
from xgamma.io.fits.writer import _gti_hdu
from xgamma.io.ogip.matrix import matrix_columns
from xgamma.irf import edisp
from xgamma.onoff import is_onoff
from xgamma.schema import FORMAT
from xgamma.validate import check_structure

__all__ = ["ogip_paths", "write_ogip"]

_ENDINGS = (".fits", ".fit", ".pha")
_KEYWORDS = {"arf": "ANCRFILE", "rmf": "RESPFILE", "bkg": "BACKFILE"}
_LARGEST = 2**31 - 1
"""The largest whole number that a column of counts holds."""


def write_ogip(ds: xr.Dataset, path: str | os.PathLike[str], overwrite: bool = False) -> list[Path]:
    """Write a spectrum to OGIP files: counts (PHA), off counts (BKG), effective area (ARF), energy dispersion (RMF).

    Energies are written in keV and areas in cm2, which is what programs for X-rays take for granted. Files carry
    checksums. Each appears when it is complete, and the PHA file, which names the others, comes last. What the formats
    have no place for goes where other programs pass over it: ``mask_fit`` into a column MASK_FIT, models, history and
    the table of observations into a table XGAMMA, all in the PHA file.

    Parameters
    ----------
    ds : Dataset
        A spectrum with ``counts``, and on/off data or no background at all. Lazy data are computed.
    path : path-like or str
        The PHA file, if the name ends in .fits, .fit or .pha; the others are then named after it, as ``NAME_arf.fits``.
        Otherwise a folder, which is made if there is none, for the files ``pha_obsNAME.fits``, ``arf_obsNAME.fits`` and
        so on with the dataset's name.
    overwrite : bool
        Whether files that exist may be replaced.

    Returns
    -------
    list of Path
        The files, that with the counts first.

    Raises
    ------
    ValueError
        The dataset is no spectrum, has a model of the background, an exposure without a positive livetime, or bins that
        leave gaps. The way out is named.
    FileExistsError
        A file exists and `overwrite` is not set.
    """
    _check(ds)
    ds = ds.compute()
    targets = _targets(ds, path)
    names = {kind: target.name for kind, target in targets.items()}
    content = {kind: _BUILDERS[kind](ds, names) for kind in targets}
    targets["pha"].parent.mkdir(exist_ok=True)
    with ExitStack() as stack:
        # Files are renamed in the reverse order, and none of those that are left if one cannot be.
        for kind, target in targets.items():
            beside = stack.enter_context(write_beside(target, overwrite))
            with beside.open("wb+") as stream:
                write_primary(stream, make_header({"NEXTEND": len(content[kind]), "CREATOR": FORMAT}))
                for hdu in content[kind]:
                    write_table(stream, hdu)
    return list(targets.values())


def ogip_paths(ds: xr.Dataset, path: str | os.PathLike[str]) -> list[Path]:
    """Return the files that `write_ogip` would write, that with the counts first."""
    return list(_targets(ds, path).values())


def _check(ds: xr.Dataset) -> None:
    title = f"Dataset '{ds.attrs.get('name', '')}'"
    check_structure(ds)
    if "counts" not in ds or ds["counts"].dims != ("energy",):
        raise ValueError(f"{title} is no spectrum, for want of counts over energy alone: reduce it to a region first.")
    for name in ("background", "psf"):
        if name in ds:
            raise ValueError(
                f"{title} has a variable '{name}', for which OGIP files have no place: write FITS, NetCDF or Zarr, or "
                + ("turn it into on/off data with to_onoff" if name == "background" else "drop it with drop_vars")
            )
    missing = [name for name in ("acceptance", "acceptance_off") if name not in ds]
    if is_onoff(ds) and missing:
        raise ValueError(f"{title} has counts_off, but no {' and no '.join(missing)}: assign them.")
    if "exposure" in ds and not ("livetime" in ds and float(ds["livetime"]) > 0):
        raise ValueError(f"{title} has no positive livetime to divide the exposure by: assign the variable 'livetime'.")
    for dim in ("energy", "energy_true"):
        if dim in ds.dims:
            axis = Axis.from_dataset(ds, dim)
            if not axis.is_contiguous or np.any(np.diff(axis.lower) <= 0):
                raise ValueError(f"{title}: the bins along {dim} leave gaps or fall, which OGIP files cannot express.")


def _targets(ds: xr.Dataset, path: str | os.PathLike[str]) -> dict[str, Path]:
    """Return where each file goes, that with the counts first."""
    kinds = ["pha"]
    kinds += ["arf"] * ("exposure" in ds) + ["rmf"] * ("edisp" in ds) + ["bkg"] * is_onoff(ds)
    whole = local_path(path)
    if whole.suffix.lower() in _ENDINGS and not whole.is_dir():
        return {kind: whole if kind == "pha" else whole.with_name(f"{whole.stem}_{kind}.fits") for kind in kinds}
    name = str(ds.attrs.get("name", ""))
    if not name or not name.isprintable() or not name.isascii() or set(name) & set('/\\:"*?<>|'):
        raise ValueError(f"the dataset's name {name!r} is no part of a file's name: give the path of the PHA file.")
    return {kind: whole / f"{kind}_obs{name}.fits" for kind in kinds}


def _table(columns: list[fits.Column], name: str, cards: dict[str, Any]) -> fits.BinTableHDU:
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header += make_header({"TELESCOP": "unknown", "INSTRUME": "unknown", "FILTER": "none", **cards})
    return hdu


def _energies(axis: Axis, lower: str, upper: str) -> list[fits.Column]:
    kev = axis.to("keV")
    return [
        fits.Column(name, "D", unit="keV", array=values) for name, values in ((lower, kev.lower), (upper, kev.upper))
    ]


def _channels(size: int) -> fits.Column:
    return fits.Column("CHANNEL", "J", array=np.arange(size, dtype=np.int32))


def _bounds(ds: xr.Dataset) -> fits.BinTableHDU:
    size = ds.sizes["energy"]
    columns = [_channels(size), *_energies(Axis.from_dataset(ds, "energy"), "E_MIN", "E_MAX")]
    cards = {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "EBOUNDS", "HDUVERS": "1.2.0"}
    first = {"TLMIN1": 0, "TLMAX1": size - 1}
    return _table(columns, "EBOUNDS", {"CHANTYPE": "PHA", "DETCHANS": size, **first, **cards})


def _spectrum(ds: xr.Dataset, counts: str, acceptance: str, cards: dict[str, Any]) -> fits.BinTableHDU:
    size = ds.sizes["energy"]
    safe = ds["mask_safe"].values if "mask_safe" in ds else np.ones(size, dtype=bool)
    scale = ds[acceptance].values if acceptance in ds else np.ones(size)
    columns = [
        _channels(size),
        _counts(ds[counts].values),
        fits.Column("QUALITY", "I", array=np.where(safe, 0, 5).astype(np.int16)),
        fits.Column("BACKSCAL", "D", array=scale.astype(np.float64)),
    ]
    if counts == "counts" and "mask_fit" in ds:
        columns.append(fits.Column("MASK_FIT", "L", array=ds["mask_fit"].values))
    livetime = float(ds["livetime"]) if "livetime" in ds else 0.0
    name = str(ds.attrs.get("name", ""))
    fixed = {
        "HDUCLASS": "OGIP",
        "HDUCLAS1": "SPECTRUM",
        "HDUCLAS3": "COUNT",
        "HDUCLAS4": "TYPE:I",
        "HDUVERS": "1.2.1",
        "CHANTYPE": "PHA",
        "DETCHANS": size,
        "TLMIN1": 0,
        "TLMAX1": size - 1,
        "POISSERR": True,
        "AREASCAL": 1.0,
        "CORRSCAL": 0.0,
        "CORRFILE": "none",
        "GROUPING": 0,
        "EXPOSURE": livetime,
    }
    identity = {"OBS_ID": name} if name.isascii() and name.isprintable() and len(name) <= 60 else {}
    return _table(columns, "SPECTRUM", {**fixed, **identity, **cards})


def _counts(values: NDArray[Any]) -> fits.Column:
    whole = np.array_equal(values, np.rint(values)) and np.abs(values).max(initial=0) <= _LARGEST
    return fits.Column("COUNTS", "J" if whole else "D", unit="count", array=values.astype("i4" if whole else "f8"))


def _pha(ds: xr.Dataset, names: dict[str, str]) -> list[fits.BinTableHDU]:
    # A keyword is left out where there is no such file, since not all readers take "none" for that.
    files = {keyword: names[kind] for kind, keyword in _KEYWORDS.items() if kind in names}
    hdus = [_spectrum(ds, "counts", "acceptance", {"HDUCLAS2": "TOTAL", **files}), _bounds(ds)]
    if "gti_start" in ds and ds["gti_start"].size:
        hdus.append(_gti_hdu(ds))
    if "region" in ds.attrs:
        hdus.append(region_hdu(ds, "REGION"))
    attrs = {str(key): value for key, value in ds.attrs.items() if key not in ("format", "format_version", "name")}
    if "OBS_ID" not in hdus[0].header:
        attrs["name"] = ds.attrs.get("name", "")
    if attrs:
        text = extras_json(xr.Dataset(), attrs, [], False)
        column = fits.Column("JSON", f"{len(text)}A", array=np.array([text.encode("ascii")]))
        hdus.append(fits.BinTableHDU.from_columns([column], name=EXTRAS_HDU))
    return hdus


def _bkg(ds: xr.Dataset, names: dict[str, str]) -> list[fits.BinTableHDU]:
    files = dict.fromkeys(_KEYWORDS.values(), "none")
    return [_spectrum(ds, "counts_off", "acceptance_off", {"HDUCLAS2": "BKG", **files}), _bounds(ds)]


def _arf(ds: xr.Dataset, names: dict[str, str]) -> list[fits.BinTableHDU]:
    exposure = ds["exposure"]
    scale = u.Unit(exposure.attrs["units"]).to("cm2 s")
    livetime = float(ds["livetime"]) * u.Unit(ds["livetime"].attrs.get("units", "s")).to("s")
    area = exposure.values.astype(np.float64) * scale / livetime
    columns = _energies(Axis.from_dataset(ds, "energy_true"), "ENERG_LO", "ENERG_HI")
    columns.append(fits.Column("SPECRESP", "D", unit="cm2", array=area))
    cards = {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "SPECRESP", "HDUVERS": "1.1.0"}
    return [_table(columns, "SPECRESP", cards)]


def _rmf(ds: xr.Dataset, names: dict[str, str]) -> list[fits.BinTableHDU]:
    axis = Axis.from_dataset(ds, "energy_true")
    columns, numbers = matrix_columns(np.asarray(edisp.matrix(ds, None, axis)))
    size = ds.sizes["energy"]
    cards = {
        "HDUCLASS": "OGIP",
        "HDUCLAS1": "RESPONSE",
        "HDUCLAS2": "RSP_MATRIX",
        "HDUCLAS3": "REDIST",
        "HDUVERS": "1.3.0",
        "CHANTYPE": "PHA",
        "DETCHANS": size,
        "LO_THRES": 0.0,
        "TLMIN4": 0,
        "TLMAX4": size - 1,
        **numbers,
    }
    return [_table([*_energies(axis, "ENERG_LO", "ENERG_HI"), *columns], "MATRIX", cards), _bounds(ds)]


_BUILDERS = {"pha": _pha, "bkg": _bkg, "arf": _arf, "rmf": _rmf}
