"""The FITS keywords of a celestial WCS, at full precision."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.coordinates import FK4, FK5, ICRS, BaseCoordinateFrame, Galactic
from astropy.time import Time
from astropy.wcs import WCS, Wcsprm
from astropy.wcs.utils import wcs_to_celestial_frame

__all__ = [
    "CYLINDRICAL",
    "build_prm",
    "build_wcs",
    "canonical",
    "celestial_frame",
    "clean",
    "frame_name",
    "pixel_matrix",
    "same_keywords",
    "wcs_keywords",
]

CYLINDRICAL = frozenset({"CAR", "CEA", "CYP", "MER"})
"""Projections in which longitude runs on beyond half a turn from the reference point."""

_TEXT = ("CTYPE1", "CTYPE2", "CUNIT1", "CUNIT2")
_NUMBER = ("CRVAL1", "CRVAL2", "CDELT1", "CDELT2", "CRPIX1", "CRPIX2", "LONPOLE", "LATPOLE")
_OPTIONAL_NUMBER = re.compile(r"PC[12]_[12]|PV[12]_\d+|EQUINOX")
_PIXEL_DIGITS = 10
_ATOL = 1e-9


def wcs_keywords(wcs: WCS) -> dict[str, float | str]:
    """Return the keywords of the celestial part of a WCS.

    Parameters
    ----------
    wcs : WCS
        With a celestial part, longitude first, without distortions.

    Returns
    -------
    dict
        FITS keywords, as str and float. ``PCi_j`` is given where it differs from unity. A CD matrix or rotation
        becomes CDELT and PC.

    Raises
    ------
    ValueError
        If there are no celestial axes, or distortions, or the latitude comes first.
    """
    if not wcs.has_celestial:
        raise ValueError(f"the WCS with axes {list(wcs.wcs.ctype)} has no pair of celestial axes")
    if wcs.has_distortion:
        raise ValueError("the WCS has distortions (SIP or look-up tables), which maps of gamma rays do not have")
    if wcs.wcs.lng > wcs.wcs.lat:
        raise ValueError(f"the WCS has the axes {list(wcs.wcs.ctype)}: longitude must come first")
    part = wcs.celestial.wcs
    part.set()
    keys: dict[str, float | str] = {}
    for i in (1, 2):
        keys[f"CTYPE{i}"] = str(part.ctype[i - 1])
        keys[f"CUNIT{i}"] = str(part.cunit[i - 1])
        keys[f"CRVAL{i}"] = float(part.crval[i - 1])
        keys[f"CDELT{i}"] = float(part.get_cdelt()[i - 1])
        keys[f"CRPIX{i}"] = float(part.crpix[i - 1])
    keys["LONPOLE"], keys["LATPOLE"] = float(part.lonpole), float(part.latpole)
    for (i, j), value in np.ndenumerate(part.get_pc()):
        if value != float(i == j):
            keys[f"PC{i + 1}_{j + 1}"] = float(value)
    for i, m, value in part.get_pv():
        keys[f"PV{i}_{m}"] = float(value)
    if not str(part.ctype[0]).startswith("GLON"):
        frame = wcs_to_celestial_frame(wcs.celestial)
        keys["RADESYS"] = frame.name.upper()
        if frame.name.startswith("fk"):
            keys["EQUINOX"] = float(frame.equinox.jyear if frame.name == "fk5" else frame.equinox.byear)
    return keys


def canonical(keywords: Mapping[str, Any]) -> tuple[dict[str, float | str], tuple[int, int]]:
    """Return keywords with CRPIX in [1, 2), and how many whole pixels (x, y) it was reduced by.

    CRPIX is kept to 1e-10 of a pixel, so that cutouts of one grid agree in it exactly.
    """
    keys = clean(keywords)
    shifts = []
    for i in (1, 2):
        value = float(keys[f"CRPIX{i}"])
        shift = math.floor(value) - 1
        rest = round(value - shift, _PIXEL_DIGITS)
        if rest >= 2:
            rest, shift = rest - 1, shift + 1
        keys[f"CRPIX{i}"] = rest
        shifts.append(shift)
    return keys, (shifts[0], shifts[1])


def clean(keywords: Mapping[str, Any]) -> dict[str, float | str]:
    """Return the keywords that matter as str and float, leaving out others.

    Raises
    ------
    ValueError
        If one is missing or is no number.
    """
    missing = [key for key in (*_TEXT, *_NUMBER) if key not in keywords]
    if missing:
        raise ValueError(f"the WCS lacks the keywords {missing}")
    keys: dict[str, float | str] = {key: str(keywords[key]) for key in _TEXT}
    optional = sorted(key for key in map(str, keywords) if _OPTIONAL_NUMBER.fullmatch(key))
    for key in (*_NUMBER, *optional):
        try:
            keys[key] = float(keywords[key])
        except (TypeError, ValueError) as error:
            raise ValueError(f"the WCS keyword {key} is {keywords[key]!r}, which is no number") from error
        if not math.isfinite(float(keys[key])):
            raise ValueError(f"the WCS keyword {key} is {keywords[key]!r}, which is not finite")
    if "RADESYS" in keywords:
        keys["RADESYS"] = str(keywords["RADESYS"])
    return keys


def build_wcs(keywords: Mapping[str, Any]) -> WCS:
    """Return the astropy WCS of some keywords, see `build_prm`."""
    wcs = WCS(naxis=2)
    wcs.wcs = build_prm(keywords)
    return wcs


def build_prm(keywords: Mapping[str, Any]) -> Wcsprm:
    """Return the part of the WCS of some keywords that transforms positions, in a third of the time of the whole.

    Raises
    ------
    ValueError
        If wcslib refuses them.
    """
    part = Wcsprm(naxis=2)
    part.ctype = [keywords["CTYPE1"], keywords["CTYPE2"]]
    part.cunit = [keywords["CUNIT1"], keywords["CUNIT2"]]
    for name in ("crval", "cdelt", "crpix"):
        setattr(part, name, [keywords[f"{name.upper()}1"], keywords[f"{name.upper()}2"]])
    part.lonpole, part.latpole = keywords["LONPOLE"], keywords["LATPOLE"]
    matrix = pixel_matrix(keywords)
    if not np.array_equal(matrix, np.eye(2)):
        part.pc = matrix
    powers = [(int(k[2]), int(k[4:]), v) for k, v in keywords.items() if k.startswith("PV")]
    if powers:
        part.set_pv(powers)
    if "RADESYS" in keywords:
        part.radesys = keywords["RADESYS"]
    if "EQUINOX" in keywords:
        part.equinox = keywords["EQUINOX"]
    if keywords["CTYPE1"][5:] in CYLINDRICAL:
        # pixels more than half a turn from the reference point are on the sky all the same
        part.bounds_check(False, True)
    try:
        part.set()
        frame_name(keywords)
    except ValueError as error:
        raise ValueError(f"the WCS {dict(keywords)} is not valid: {str(error).strip()}") from error
    return part


def pixel_matrix(keywords: Mapping[str, Any]) -> np.ndarray:
    """Return the matrix ``PCi_j`` of some keywords, unity where they have none."""
    return np.array([[keywords.get(f"PC{i}_{j}", float(i == j)) for j in (1, 2)] for i in (1, 2)])


def frame_name(keywords: Mapping[str, Any]) -> str:
    """Return the name of the celestial frame of some keywords: galactic, icrs, fk5 or fk4.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    kind = str(keywords["CTYPE1"])[:4]
    if kind == "GLON":
        return "galactic"
    equinox = keywords.get("EQUINOX")
    # FITS 4.0, table 24
    default = "ICRS" if equinox is None else "FK4" if equinox < 1984 else "FK5"
    name = str(keywords.get("RADESYS") or default).lower()
    if kind != "RA--" or name not in ("icrs", "fk5", "fk4"):
        raise ValueError(
            f"the celestial frame of {keywords['CTYPE1']!r} in {name.upper()!r} is not supported: "
            "use galactic, icrs, fk5 or fk4"
        )
    return name


def celestial_frame(keywords: Mapping[str, Any]) -> BaseCoordinateFrame:
    """Return the celestial frame of some keywords: that of the WCS which they describe, without building it."""
    kind, form = {"galactic": (Galactic, ""), "icrs": (ICRS, ""), "fk5": (FK5, "jyear"), "fk4": (FK4, "byear")}[
        frame_name(keywords)
    ]
    if not form or "EQUINOX" not in keywords:
        return kind()
    return kind(equinox=Time(keywords["EQUINOX"], format=form))


def same_keywords(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two sets of canonical keywords describe one grid, to 1e-9."""
    if one == other or one.keys() != other.keys():
        return one == other
    return all(
        math.isclose(value, other[key], rel_tol=_ATOL, abs_tol=_ATOL)
        if isinstance(value, float)
        else value == other[key]
        for key, value in one.items()
    )
