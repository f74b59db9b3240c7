"""A sky grid whose projection is set up once."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.wcs import Wcsprm

from xgamma.coords import SkyGrid
from xgamma.coords.keywords import frame_name

__all__ = ["FixedGrid"]


@dataclass(frozen=True)
class _Projection:
    """The part of an astropy WCS that transforms positions."""

    wcs: Wcsprm

    def wcs_world2pix(self, lon: np.ndarray, lat: np.ndarray, origin: int) -> tuple[np.ndarray, np.ndarray]:
        """Return pixel coordinates, as the method of an astropy WCS does."""
        pixel = self.wcs.s2p(np.stack([lon, lat], axis=-1), origin)["pixcrd"]
        return pixel[:, 0], pixel[:, 1]


class FixedGrid(SkyGrid):
    """A grid for many transformations of few positions, for which setting up a WCS would take most of the time.

    Each call works on a copy of the projection, as wcslib may not be used on one from two threads.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        wcs = super().wcs
        object.__setattr__(self, "_projection", wcs.wcs)
        object.__setattr__(self, "_frame", frame_name(wcs))

    @classmethod
    def of(cls, grid: SkyGrid) -> FixedGrid:
        """Return the same grid with its projection set up."""
        return cls(grid.keywords, grid.y, grid.x)

    @property
    def wcs(self) -> Any:
        """What transforms positions."""
        return _Projection(copy.copy(self._projection))  # type: ignore[attr-defined]

    @property
    def frame(self) -> str:
        """Name of the celestial frame."""
        return str(self._frame)  # type: ignore[attr-defined]
