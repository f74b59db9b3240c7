"""The geometry of each kind of map in a dataset."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from xgamma.coords import Axis, SkyGrid
from xgamma.irf.lookup import sky_dims
from xgamma.schema import VARIABLES, base_name, suffix_of

__all__ = ["Geom", "geoms"]

_KINDS = {
    "geom": ("counts", "background", "mask_safe", "mask_fit"),
    "geom_exposure": ("exposure",),
    "geom_psf": ("psf",),
    "geom_edisp": ("edisp",),
}


@dataclass(frozen=True)
class Geom:
    """Sky grid and axes of a variable.

    Attributes
    ----------
    grid : SkyGrid or None
        None for a region or a response without dims on the sky.
    axes : dict of str to Axis
        The other axes, by dim, in the schema's order.
    """

    grid: SkyGrid | None
    axes: dict[str, Axis]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins along each axis, then along y and x."""
        return (*(axis.size for axis in self.axes.values()), *(self.grid.shape if self.grid else ()))

    def __repr__(self) -> str:
        """One line: numbers of bins, projection and steps of the sky, ends of the axes."""
        sky = []
        if self.grid is not None:
            keys = self.grid.keywords
            rows, columns = self.grid.shape
            step = " x ".join(f"{abs(float(keys[f'CDELT{i}'])):.4g}" for i in (1, 2))
            sky = [f"{columns} x {rows} pixels of {step} deg ({keys['CTYPE1']}, {keys['CTYPE2']})"]
        axes = [
            f"{name}: {axis.size} from {axis.lower.min():.4g} to {axis.upper.max():.4g} {axis.unit}".rstrip()
            for name, axis in self.axes.items()
        ]
        return f"<Geom {'; '.join(sky + axes)}>"


def geoms(ds: xr.Dataset) -> dict[str, Geom]:
    """Return the geometry of the counts and of each response.

    Parameters
    ----------
    ds : Dataset
        Any dataset.

    Returns
    -------
    dict of str to Geom
        Keys ``geom``, ``geom_exposure``, ``geom_psf``, ``geom_edisp``, those that the dataset has.
    """
    out = {}
    for kind, names in _KINDS.items():
        name = next((n for n in names if n in ds), None)
        if name is None:
            continue
        array = ds[name]
        order = [*VARIABLES[name].dims, *VARIABLES[name].alternatives.values()]
        dims = sorted(
            (str(d) for d in array.dims if base_name(str(d)) not in ("y", "x")), key=lambda d: order.index(base_name(d))
        )
        sky = sky_dims(array)
        grid = SkyGrid.from_dataset(array, suffix_of(sky[0])) if sky else None
        out[kind] = Geom(grid, {dim: Axis.from_dataset(array, dim) for dim in dims})
    return out
