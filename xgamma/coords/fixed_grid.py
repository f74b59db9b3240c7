"""A sky grid whose projection is set up once."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import Wcsprm

from xgamma.coords.keywords import CYLINDRICAL, celestial_frame
from xgamma.coords.skygrid import SkyGrid

__all__ = ["FixedGrid"]


class FixedGrid(SkyGrid):
    """A grid for many transformations of few positions, for which setting up a WCS would take most of the time.

    Each call works on a copy of the projection, as wcslib may not be used on one from two threads.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_projection", super().prm)
        object.__setattr__(self, "_celestial", celestial_frame(self.keywords))

    @classmethod
    def of(cls, grid: SkyGrid) -> FixedGrid:
        """Return the same grid with its projection set up."""
        return cls(grid.keywords, grid.y, grid.x)

    @property
    def prm(self) -> Wcsprm:
        """What transforms positions: a copy of the projection."""
        part = copy.copy(self._projection)  # type: ignore[attr-defined]
        if self.proj in CYLINDRICAL:
            # Copies lose this setting: pixels more than half a turn from the reference point are on the sky.
            part.bounds_check(False, True)
        return part

    def position(self, lon: Any, lat: Any) -> SkyCoord:
        """Return the SkyCoord of longitudes and latitudes in degrees in the frame of the map."""
        return SkyCoord(lon, lat, unit="deg", frame=self._celestial)  # type: ignore[attr-defined]

    def position_to_labels(self, position: SkyCoord) -> tuple[np.ndarray, np.ndarray]:
        """Return fractional labels y, x of a position in any frame."""
        sky = position.frame.transform_to(self._celestial).spherical  # type: ignore[attr-defined]
        return self.lonlat_to_labels(sky.lon.deg, sky.lat.deg)
