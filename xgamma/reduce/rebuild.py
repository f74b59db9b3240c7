"""Put a dataset together again after bins of it were merged, added or removed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import xarray as xr

from xgamma.coords import Axis, SkyGrid
from xgamma.coords.skygrid import GridNames
from xgamma.history import separate

__all__ = ["grid_dims", "rebuild"]


def grid_dims(suffix: str = "") -> tuple[str, str]:
    """Names of the dims (y, x) of the sky grid with a suffix."""
    names = GridNames(suffix)
    return names["y"], names["x"]


def rebuild(
    ds: xr.Dataset,
    variables: Mapping[Hashable, xr.Variable],
    axes: Iterable[Axis] = (),
    grids: Mapping[str, SkyGrid] | None = None,
    gone: Iterable[str] = (),
    coords: Mapping[Hashable, xr.Variable] | None = None,
    attrs: Mapping[Hashable, Any] | None = None,
) -> xr.Dataset:
    """Return a dataset with new variables, and with the coordinates that go with them.

    Parameters
    ----------
    ds : Dataset
        Gives attrs, the order of variables, and the coordinates along dims that stay as they are.
    variables : mapping
        All data variables of the result.
    axes : iterable of Axis
        New bins.
    grids : mapping of str to SkyGrid
        New sky grids by suffix.
    gone : iterable of str
        Dims that are left out, with all their coordinates.
    coords : mapping
        Further scalar coordinates.
    attrs : mapping
        Attributes that are new or change.

    Returns
    -------
    Dataset
        Other coordinates along new or removed dims are left out.
    """
    axes, gone, grids = list(axes), list(gone), grids or {}
    if not (axes or grids or coords) and _fits(ds, variables, gone):
        return _refilled(ds, variables, attrs or {})
    changed = {axis.name for axis in axes} | set(gone)
    scalars = set()
    for suffix in {*grids, *(dim[2:] for dim in gone if dim.startswith("y_")), *("" for dim in gone if dim == "y")}:
        changed.update(grid_dims(suffix))
        scalars.add(GridNames(suffix)["wcs"])
    old = ds.coords.variables
    kept: dict[Hashable, xr.Variable] = {
        key: v for key, v in old.items() if key not in scalars and not changed.intersection(v.dims)
    }
    indexes = {key: index for key, index in ds.xindexes.items() if key in kept}
    for new in (*(axis.to_coords() for axis in axes), *(grid.to_coords(s) for s, grid in grids.items())):
        for key, variable in new.variables.items():
            if key in old:
                variable.attrs = {**old[key].attrs, **variable.attrs}
            kept[key] = variable
        indexes.update(new.xindexes)
    kept.update(coords or {})
    order = [*(name for name in ds.data_vars if name in variables), *(n for n in variables if n not in ds.data_vars)]
    return xr.Dataset(
        {name: variables[name] for name in order},
        coords=xr.Coordinates(kept, indexes=indexes),
        attrs={**ds.attrs, **(attrs or {})},
    )


def _fits(ds: xr.Dataset, variables: Mapping[Hashable, xr.Variable], gone: Iterable[str]) -> bool:
    """Whether variables have the shape that they have in a dataset, and no coordinate is along dims that go."""
    old, lost = ds.variables, set(gone)
    return (
        variables.keys() <= ds.data_vars.keys()
        and all(old[name].dims == v.dims and old[name].shape == v.shape for name, v in variables.items())
        and not any(lost.intersection(v.dims) for v in ds.coords.variables.values())
    )


def _refilled(ds: xr.Dataset, variables: Mapping[Hashable, xr.Variable], attrs: Mapping[Hashable, Any]) -> xr.Dataset:
    """Return a dataset with other values; putting one together takes several times as long."""
    others = [name for name in ds.data_vars if name not in variables]
    out = separate(ds.drop_vars(others) if others else ds)
    made = out.variables
    for name, variable in variables.items():
        new = made[name]
        new.data, new.attrs, new.encoding = variable.data, variable.attrs, variable.encoding
    out.attrs = {**ds.attrs, **attrs}
    return out
