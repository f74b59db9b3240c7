"""Names of what belongs to a sky grid."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from xgamma.schema import SUFFIXES

__all__ = ["GridNames", "suffixes"]


@dataclass(frozen=True)
class GridNames:
    """Names of the dims and coordinates of the sky grid with a suffix."""

    suffix: str = ""

    def __getitem__(self, name: str) -> str:
        return f"{name}_{self.suffix}" if self.suffix else name


def suffixes(obj: xr.Dataset | xr.DataArray) -> tuple[str, ...]:
    """Return the suffixes of the sky grids that are present: ``""`` for that of the counts, ``"psf"`` and so on."""
    dims = set(obj.dims)
    names = ((s, GridNames(s)) for s in ("", *SUFFIXES))
    return tuple(s for s, name in names if name["y"] in dims and name["x"] in dims)
