"""Whether a dataset fits the schema, and whether its values make sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xgamma import coords
from xgamma.coords.keywords import same_keywords
from xgamma.coords.labels import parse_unit
from xgamma.schema import (
    AXES,
    FLUX_VARIABLES,
    FORMAT,
    FORMAT_VERSION,
    VARIABLES,
    VariableSpec,
    base_name,
    is_flux_points,
    suffix_of,
    variables_of,
)

__all__ = ["check_counts", "check_structure", "check_whole", "schema_order", "validate"]

ROUNDING = 1e-9
"""Negative values above this part of the maximum, with the sign reversed, are no rounding noise."""

# Reductions of a variable: how many values are not finite, and the least and greatest of those that are.
_Extremes = tuple[Any, Any, Any]


def check_structure(ds: xr.Dataset) -> None:
    """Check names, dims, types, units and indexes, without looking at values.

    Parameters
    ----------
    ds : Dataset
        Any dataset. Variables that the schema does not know are left alone.

    Raises
    ------
    ValueError
        With a line for each thing that is wrong, which names the variable and the way out.
    """
    _raise(_structure(ds))


def validate(ds: xr.Dataset) -> None:
    """Check the structure of a dataset, then its values.

    Maps must be finite. Exposures, acceptances and the background must not be negative beyond rounding noise, which
    is 1e-9 of the maximum; counts and times not at all. Of flux points any value may be NaN, where nothing was
    measured, but none infinite, and no error negative. Lazy variables are reduced together, in one pass.

    Parameters
    ----------
    ds : Dataset
        Any dataset.

    Raises
    ------
    ValueError
        With a line for each thing that is wrong, which names the variable, its dims and unit, and the way out.
    """
    check_structure(ds)
    _raise(_flux_values(ds) if is_flux_points(ds) else _values(ds))


def schema_order(name: str, dims: Sequence[Any], specs: Mapping[str, VariableSpec] = VARIABLES) -> tuple[Any, ...]:
    """Return the dims of a variable in the order of the schema, dims of other origin first.

    Parameters
    ----------
    name : str
        A variable; one that the schema does not know keeps its order.
    dims : sequence of str
        In any order.
    specs : mapping of str to VariableSpec
        What is declared, for flux points `xgamma.schema.FLUX_VARIABLES`.

    Returns
    -------
    tuple of str
        The same dims.
    """
    spec = specs.get(name)
    return tuple(dims) if spec is None else tuple(sorted(dims, key=lambda dim: _place(spec, dim)))


def _place(spec: VariableSpec, dim: Any) -> int:
    stands_for = {other: own for own, other in spec.alternatives.items()}
    base = base_name(str(dim))
    if base not in spec.dims:
        base = stands_for.get(base, base)
    return spec.dims.index(base) if base in spec.dims else -1


def _raise(problems: Iterable[str]) -> None:
    lines = list(problems)
    if lines:
        count = "a problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise ValueError("\n- ".join([f"the dataset has {count}:", *lines]))


def _structure(ds: xr.Dataset) -> Iterator[str]:
    yield from _attrs(ds)
    specs = variables_of(ds)
    for name, variable in ds.variables.items():
        spec = specs.get(str(name))
        if spec is not None:
            yield from _variable(str(name), variable, spec)
    for dim in map(str, ds.dims):
        if base_name(dim) in AXES:
            yield from _axis(ds, dim)
    for suffix in coords.suffixes(ds):
        yield from _grid(ds, suffix)


def _attrs(ds: xr.Dataset) -> Iterator[str]:
    if ds.attrs.get("format", FORMAT) != FORMAT:
        yield f"attr 'format' is {ds.attrs['format']!r} in place of {FORMAT!r}: it is not a dataset of this package"
    version = str(ds.attrs.get("format_version", FORMAT_VERSION))
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        yield f"attr 'format_version' is {version!r}, of which {FORMAT_VERSION!r} knows nothing: use a newer xgamma"
    for name in ("name", "models", "region", "meta", "history"):
        if not isinstance(ds.attrs.get(name, ""), str):
            yield f"attr {name!r} is of type {type(ds.attrs[name]).__name__}: it has to be text, or left out"


def _variable(name: str, variable: xr.Variable, spec: VariableSpec) -> Iterator[str]:
    dims = tuple(map(str, variable.dims))
    places = [_place(spec, dim) for dim in dims]
    sky = {"y", "x", "dataset"} & set(spec.dims)
    found = {spec.dims[place] for place in places if place >= 0}
    strange = [
        dim for dim, place in zip(dims, places, strict=True) if place < 0 or suffix_of(dim) not in ("", spec.grid)
    ]
    if strange or len(set(places)) < len(places) or found not in (set(spec.dims), set(spec.dims) - sky):
        wanted = "(" + ", ".join(spec.dims) + ")"
        without = f" or the same without {' and '.join(d for d in spec.dims if d in sky)}" if sky else ""
        at_fault = f", where {', '.join(strange)} does not belong" if strange else ""
        yield (
            f"{name} has dims ({', '.join(dims)}){at_fault}; it needs {wanted}{without}, in any order: select single "
            "bins with lists such as [0], which keep the dim, and store other quantities under other names"
        )
    elif len({suffix_of(dim) for dim in dims if base_name(dim) in sky}) > 1:
        yield f"{name} has dims ({', '.join(dims)}): y and x have to be of one grid"
    if spec.dtype == "b" and variable.dtype != bool:
        yield f"{name} is of type {variable.dtype}, but masks are bool: use .astype(bool)"
    if spec.dtype == "f" and variable.dtype.kind not in "iuf":
        yield f"{name} is of type {variable.dtype}, but needs real numbers: use .astype(float)"
    if spec.physical is not None:
        yield from _unit(name, variable, spec.physical)
    if hasattr(variable._data, "unit"):
        yield f"{name} holds a Quantity: store plain numbers, and the unit in attrs['units']"


def _unit(name: str, variable: xr.Variable, physical: str) -> Iterator[str]:
    unit = variable.attrs.get("units")
    if unit == physical:
        return
    if not isinstance(unit, str):
        yield f"{name} has no unit: set its attrs['units'], such as {physical!r}"
        return
    try:
        fits = parse_unit(unit, name).is_equivalent(physical)
    except ValueError as error:
        yield str(error)
        return
    if not fits:
        yield f"{name} is in {unit!r}, which cannot be converted to {physical!r}: set attrs['units']"


_DECODE = "write operations so that they keep it, or restore it with coords.decode"


def _axis(ds: xr.Dataset, dim: str) -> Iterator[str]:
    index = ds.xindexes.get(dim)
    if not isinstance(index, coords.EdgeIndex):
        yield f"dim {dim} has no index of bins: {_DECODE}"
        return
    axis = index.axis
    for edge, own in ((f"{dim}_min", axis.lower), (f"{dim}_max", axis.upper)):
        if edge not in ds.variables:
            yield f"dim {dim} lacks its coordinate {edge}: {_DECODE}"
        elif ds.variables[edge].dims != (dim,):
            yield f"coordinate {edge} has dims {ds.variables[edge].dims}: it needs ({dim},)"
        elif isinstance(ds.variables[edge]._data, np.ndarray) and not np.array_equal(ds.variables[edge].values, own):
            yield f"coordinate {edge} differs from the edges in the index of {dim}: assign a new axis as a whole"
    if ds.variables[dim].attrs.get("units") != axis.unit:
        yield (
            f"coordinate {dim} is in {ds.variables[dim].attrs.get('units')!r} by its attrs, but its bins are in "
            f"{axis.unit!r}: assign a new axis as a whole"
        )
    yield from _unit(dim, ds.variables[dim], AXES[base_name(dim)].physical)


def _grid(ds: xr.Dataset, suffix: str) -> Iterator[str]:
    names = coords.GridNames(suffix)
    missing = [names[key] for key in ("y", "x", "wcs") if names[key] not in ds.coords]
    index = ds.xindexes.get(names["lon"])
    if missing or not isinstance(index, coords.WcsIndex) or ds.xindexes.get(names["lat"]) is not index:
        what = f"the coordinates {', '.join(missing)}" if missing else f"the index of {names['lon']} and {names['lat']}"
        yield f"dims {names['y']} and {names['x']} lack {what}: {_DECODE}"
        return
    assert index is not None
    grid = index.grid
    if not same_keywords(ds.variables[names["wcs"]].attrs, grid.keywords):
        yield (
            f"coordinate {names['wcs']} and the index of {names['lon']} are of different maps: "
            "bring variables to one grid before they are put together"
        )
    for key in ("y", "x"):
        if not np.array_equal(ds.variables[names[key]].values, getattr(grid, key)):
            yield f"coordinate {names[key]} differs from the index of {names['lon']}: select rows and columns with isel"


def _values(ds: xr.Dataset) -> Iterator[str]:
    names = [name for name, spec in VARIABLES.items() if name in ds and spec.dtype == "f" and ds[name].size]
    extremes = dict(zip(names, _compute([_extremes(ds[name]) for name in names]), strict=True))
    for name, (bad, low, high) in extremes.items():
        where = f"{name} ({', '.join(map(str, ds[name].dims))})"
        unit = ds[name].attrs["units"]
        if bad:
            yield f"{where} holds {int(bad)} values that are NaN or infinite: fill them, as with .fillna(0)"
        if name in ("psf", "edisp", "gti_start", "gti_stop"):
            continue
        noise = 0.0 if name in ("counts", "counts_off", "livetime") else ROUNDING * max(float(high), 0.0)
        if float(low) < -noise:
            yield (
                f"{where} holds negative values, down to {float(low):.6g} {unit}".rstrip()
                + f" where {-noise:.3g} would be rounding noise: set them to zero, as with .clip(min=0)"
            )
    if {"gti_start", "gti_stop"} <= ds.variables.keys():
        backward = int((ds["gti_start"].values > ds["gti_stop"].values).sum())
        if backward:
            yield f"gti_start is later than gti_stop in {backward} intervals (gti): swap them or remove the intervals"


def _flux_values(ds: xr.Dataset) -> Iterator[str]:
    names = [name for name, spec in FLUX_VARIABLES.items() if name in ds and spec.dtype == "f" and ds[name].size]
    ranges = _compute([(np.isinf(ds[name]).sum(), ds[name].min(), ds[name].max()) for name in names])
    for name, (bad, low, _) in zip(names, ranges, strict=True):
        where = f"{name} ({', '.join(map(str, ds[name].dims))})"
        if bad:
            yield f"{where} holds {int(bad)} values that are infinite: set them to NaN where nothing is known"
        if name.endswith(("_err", "_errn", "_errp")) and float(low) < 0:
            yield f"{where} holds negative errors, down to {float(low):.6g}: give their absolute values"


def _extremes(da: xr.DataArray) -> _Extremes:
    if da.dtype.kind != "f":
        return 0, da.min(), da.max()
    finite = np.isfinite(da)
    filled = da.where(finite, 0)
    return (~finite).sum(), filled.min(), filled.max()


def _compute(values: list[_Extremes]) -> list[_Extremes]:
    import dask

    (computed,) = dask.compute(values)
    return computed


def check_counts(ds: xr.Dataset, what: str) -> None:
    """Refuse flux points, of which an operation on counts would keep nothing.

    Raises
    ------
    ValueError
        If the dataset holds flux points; `what` names the operation.
    """
    if is_flux_points(ds):
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' holds flux points, which {what} does not take: it is for counts and "
            "responses"
        )


def check_whole(value: Any, what: str, least: int = 0) -> int:
    """Return an argument that has to be a whole number.

    Raises
    ------
    ValueError
        If it is anything else, or less than `least`; `what` names it.
    """
    try:
        text = isinstance(value, bool | np.bool_ | str | bytes)
        fits = not text and np.ndim(value) == 0 and bool(value == int(value) >= least)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise ValueError(f"{what} is {value!r}: give a whole number from {least} on")
    return int(value)
