"""Whether a direction lies in a region of the sky."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

__all__ = ["inside"]

_PIXEL = 0.01  # degrees; pixels are not rounded to, they only scale the plane


def inside(position: SkyCoord, region: Any, wcs: Any = None) -> bool:
    """Tell whether a direction lies in a region.

    Parameters
    ----------
    position : SkyCoord
        The direction.
    region : SkyRegion or str
        A region of `regions`, or its text in the DS9 format, of one region.
    wcs : WCS, optional
        The projection in which shapes other than circles and annuli are drawn; by default a tangential one about the
        middle of the region.

    Raises
    ------
    ValueError
        If it is no region on the sky.
    """
    from regions import CircleAnnulusSkyRegion, CircleSkyRegion, CompoundSkyRegion

    region = _parsed(region)
    if isinstance(region, CircleSkyRegion):
        return bool(region.center.separation(position) <= region.radius)
    if isinstance(region, CircleAnnulusSkyRegion):
        return bool(region.inner_radius <= region.center.separation(position) <= region.outer_radius)
    if isinstance(region, CompoundSkyRegion):
        parts = (inside(position, part, wcs) for part in (region.region1, region.region2))
        return bool(region.operator(*parts))
    plane = _plane(region) if wcs is None else wcs
    with np.errstate(invalid="ignore"):
        x, y = plane.world_to_pixel(position)
    return bool(np.isfinite(x) and np.isfinite(y) and region.contains(position, plane))


def _parsed(region: Any) -> Any:
    from regions import Regions, SkyRegion

    if isinstance(region, str):
        try:
            found = list(Regions.parse(region, format="ds9"))
        except Exception as error:
            raise ValueError(f"the text {region!r} is no region: {error}") from error
        if len(found) != 1:
            raise ValueError(f"the text {region!r} must be one region, and has {len(found)}")
        region = found[0]
    if not isinstance(region, SkyRegion):
        raise ValueError(f"models are selected by a region on the sky, such as CircleSkyRegion, not by {region!r}")
    return region


def _plane(region: Any) -> Any:
    """Return a tangential projection about the middle of a region."""
    from astropy.wcs import WCS

    corners = getattr(region, "vertices", None)
    center = region.center if corners is None else SkyCoord(corners.icrs.cartesian.mean(), frame="icrs")
    sky = center.galactic if center.frame.name == "galactic" else center.icrs
    names = ("GLON-TAN", "GLAT-TAN") if center.frame.name == "galactic" else ("RA---TAN", "DEC--TAN")
    plane = WCS(naxis=2)
    plane.wcs.ctype = list(names)
    plane.wcs.crval = [sky.spherical.lon.to_value(u.deg), sky.spherical.lat.to_value(u.deg)]
    plane.wcs.cdelt = [-_PIXEL, _PIXEL]
    plane.wcs.crpix = [1, 1]
    return plane
