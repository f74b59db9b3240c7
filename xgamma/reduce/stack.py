"""Add datasets."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import SkyGrid
from xgamma.history import record
from xgamma.reduce.align import Embedding, common_chunks, common_grids, embeddings, same_axes
from xgamma.reduce.gti import concat_meta, union_gti
from xgamma.reduce.irf_mask import irf_mask
from xgamma.reduce.rebuild import named, rebuild
from xgamma.schema import VARIABLES, base_name, suffix_of
from xgamma.validate import schema_order

__all__ = ["stack", "stack_many", "to_masked"]


def stack(ds: xr.Dataset, other: xr.Dataset, name: str | None = None) -> xr.Dataset:
    """Add another dataset, see `stack_many`.

    Parameters
    ----------
    ds, other : Dataset
        Parts of one sky grid, such as a map and a cutout, with the same bins; they stay as they are.
    name : str, optional
        Name of the new dataset, by default that of the first one.

    Returns
    -------
    Dataset
        Lazy where one of them is.

    Raises
    ------
    ValueError
        As for `stack_many`.
    """
    return stack_many([ds, other], name=name)


def stack_many(datasets: Iterable[xr.Dataset], name: str | None = None) -> xr.Dataset:
    """Add datasets.

    Counts and background add up inside each one's ``mask_safe``, and the exposure where the mask holds for any energy.
    Responses average, weighted by their exposures; the energy dispersion also by the mask, so that the prediction for
    the sum is the sum of the predictions. Masks hold where they hold for any dataset. Good time intervals unite, live
    times add up and the tables of observations are joined. The order does not matter but for rounding, name and
    stored models.

    Parameters
    ----------
    datasets : iterable of Dataset
        At least one. Their maps are parts of one sky grid, such as cutouts; the sum covers the smallest map that holds
        all. Bins are the same. They stay as they are.
    name : str, optional
        Name of the new dataset, by default that of the first one.

    Returns
    -------
    Dataset
        In the units of the first dataset, with its attrs; values that are not finite count as zero. Lazy where one of
        them is: then a tree of sums, of which a scheduler needs to hold a few parts at a time. Variables that the
        schema does not know are left out, and stored background models are not applied.

    Raises
    ------
    ValueError
        If there is no dataset, bins or grids do not fit, units do not convert, or a variable or its weight is missing
        in one of them.
    """
    chosen = list(datasets)
    if not chosen:
        raise ValueError("there is no dataset to stack: give at least one")
    out = _stacked(chosen)
    line = ", ".join(str(ds.attrs.get("name", "")) for ds in chosen[1:])
    return named(record(out, f"stack({line})"), name)


def to_masked(ds: xr.Dataset, name: str | None = None) -> xr.Dataset:
    """Set everything outside ``mask_safe`` to zero.

    Parameters
    ----------
    ds : Dataset
        It stays as it is.
    name : str, optional
        Name of the new dataset, by default that of the old one.

    Returns
    -------
    Dataset
        The sum of this dataset alone, see `stack_many`: values that are not finite become zero as well. Without
        ``mask_safe`` all is inside. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the bins or grids are damaged.
    """
    return named(record(_stacked([ds]), "to_masked()"), name)


def _stacked(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    first = datasets[0]
    same_axes(datasets)
    grids = common_grids(datasets)
    places = embeddings(datasets, grids)
    sizes = {**first.sizes, **{dim: size for place in places for dim, (size, _) in place.positions.items()}}
    masks = [_Masks(ds) for ds in datasets]
    lazy = any(v.chunks is not None for ds in datasets for v in ds.data_vars.variables.values())
    sums: dict[str, xr.Variable] = {}
    for name, spec in VARIABLES.items():
        having = [i for i, ds in enumerate(datasets) if name in ds.data_vars]
        if not having or spec.combine in (None, "union"):
            continue
        # Missing masks and live times do no harm; any other sum would be wrong without one of its parts.
        if len(having) < len(datasets) and spec.dtype == "f" and spec.dims:
            missing = next(i for i in range(len(datasets)) if i not in having)
            raise ValueError(
                f"dataset {missing} ({datasets[missing].attrs.get('name', '')!r}) has no variable {name!r}, which "
                f"dataset {having[0]} has: add it to that one or drop it from the others"
            )
        if name == "mask_safe":
            having = list(range(len(datasets)))
        like = datasets[having[0]].variables[name] if name in datasets[having[0]] else masks[having[0]].safe()
        dims = schema_order(name, like.dims)
        parts = (
            _part(name, datasets[i], masks[i], datasets[having[0]], alone=len(datasets) == 1).transpose(*dims).data
            for i in having
        )
        here = [places[i].along(dims) for i in having]
        merge = np.logical_or if spec.dtype == "b" else np.add
        data = _total(parts, here, dims, tuple(sizes[dim] for dim in dims), merge, lazy and bool(dims))
        sums[name] = xr.Variable(dims, data, like.attrs)
    variables: dict[Hashable, xr.Variable] = dict(_averages(sums))
    variables.update(union_gti(datasets) if len(datasets) > 1 else {n: v for n, v in _times(first)})
    for key, variable in first.data_vars.variables.items():
        if key in variables and set(variable.dims) == set(variables[key].dims):
            variables[key] = variables[key].transpose(*variable.dims)
    gone = [str(d) for d in first.dims if d == "gti"]
    changed = {s: grid for s, grid in grids.items() if not grid.equals(SkyGrid.from_dataset(first, s))}
    out = rebuild(first, variables, grids=changed, gone=gone)
    meta = concat_meta(datasets)
    return out if meta is None else out.assign_attrs(meta=meta)


def _times(ds: xr.Dataset) -> Iterable[tuple[str, xr.Variable]]:
    return ((n, ds.variables[n]) for n in ("gti_start", "gti_stop") if n in ds.variables)


class _Masks:
    """The safe mask of a dataset on each of its grids, looked up once."""

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds
        self._found: dict[tuple[str | None, bool], xr.Variable | None] = {}

    def on(self, variable: xr.Variable) -> xr.Variable | None:
        """Mask for a variable, over ``energy`` if that has it; None if all is inside."""
        if "mask_safe" not in self._ds.variables:
            return None
        rows = [str(dim) for dim in variable.dims if base_name(str(dim)) == "y"]
        suffix = suffix_of(rows[0]) if rows else None
        key = suffix, "energy" in variable.dims
        if key not in self._found:
            whole = self._found.get((suffix, True))
            whole = irf_mask(self._ds, suffix) if whole is None else whole
            self._found[suffix, True] = whole
            self._found[suffix, False] = whole.any("energy")
        return self._found[key]

    def safe(self) -> xr.Variable:
        """Return ``mask_safe`` itself, True everywhere if there is none."""
        if "mask_safe" in self._ds.variables:
            return self._ds.variables["mask_safe"]
        having = (v for n, v in self._ds.data_vars.variables.items() if n in VARIABLES)
        like = next(v for v in having if set(v.dims) in ({"energy"}, {"energy", "y", "x"}))
        return xr.ones_like(like, dtype=bool)._replace(attrs={})


def _part(name: str, ds: xr.Dataset, masks: _Masks, first: xr.Dataset, alone: bool) -> xr.Variable:
    """Return what a dataset adds to a sum, in the units of the first dataset."""
    spec = VARIABLES[name]
    if spec.dtype == "b":
        return masks.safe() if name == "mask_safe" else ds.variables[name]
    variable = ds.variables[name]
    factor = _factor(name, ds, first)
    if not spec.dims:
        return variable * factor
    mask = masks.on(variable)
    if spec.combine == "mean":
        weight = ds.variables.get(spec.weight) if spec.weight else None
        if weight is None:
            if not alone:
                raise ValueError(
                    f"{name} of dataset '{ds.attrs.get('name', '')}' has no weight {spec.weight!r}, without which "
                    "responses cannot be averaged: add the exposure on its grid"
                )
        else:
            factor *= _factor(str(spec.weight), ds, first)
            variable = variable * weight
    data = variable.data if factor == 1 else variable.data * variable.dtype.type(factor)
    return variable.copy(data=_inside(data, mask, variable))


def _inside(data: Any, mask: xr.Variable | None, variable: xr.Variable) -> Any:
    """Set what is outside a mask or not finite to zero."""
    if mask is None:
        keep = np.isfinite(data)
    else:
        keep = mask.set_dims(dict(variable.sizes)).transpose(*variable.dims).data
        if data.dtype.kind == "f":
            keep = keep & np.isfinite(data)
    return np.where(keep, data, data.dtype.type(0))


def _factor(name: str, ds: xr.Dataset, first: xr.Dataset) -> float:
    mine, wanted = (d.variables[name].attrs.get("units", "") for d in (ds, first))
    if mine == wanted:
        return 1.0
    try:
        return float(u.Unit(mine).to(wanted))
    except (u.UnitConversionError, ValueError) as error:
        raise ValueError(
            f"{name} is in {mine!r} in one dataset and in {wanted!r} in another, which do not convert into each other"
        ) from error


def _total(
    parts: Iterator[Any],
    places: list[Embedding],
    dims: Sequence[Hashable],
    shape: tuple[int, ...],
    merge: np.ufunc,
    lazy: bool,
) -> Any:
    """Add arrays, or combine masks, each in its place."""
    if lazy:
        return _tree(list(parts), places, dims, merge)
    first = next(parts)
    if places[0].positions or merge is np.logical_or:
        out = np.zeros(shape, dtype=first.dtype)
        index = places[0].index(dims, shape)
        out[index] = first
    else:
        out = np.asarray(first)
    for part, place in zip(parts, places[1:], strict=True):
        out = out.astype(np.result_type(out, part), copy=False)
        if place.positions:
            index = place.index(dims, shape)
            out[index] = merge(out[index], part)
        else:
            out = merge(out, part, out=out)
    return out


def _tree(parts: list[Any], places: list[Embedding], dims: Sequence[Hashable], merge: np.ufunc) -> Any:
    """Add lazy arrays in pairs, then the sums in pairs: to compute one, few parts have to be held at a time."""
    chunks = common_chunks(parts, places, dims)
    level = [place.lazily(part, dims, chunks) for part, place in zip(parts, places, strict=True)]
    while len(level) > 1:
        pairs = [merge(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[2 * len(pairs) :]
    return level[0]


def _averages(sums: dict[str, xr.Variable]) -> Iterator[tuple[str, xr.Variable]]:
    """Divide sums of weighted responses by the sums of their weights."""
    for name, total in sums.items():
        weight = sums.get(VARIABLES[name].weight or "")
        if weight is None:
            yield name, total
            continue
        scale = xr.where(weight > 0, 1 / weight.where(weight > 0, 1), 0).astype(total.dtype)
        yield name, (total * scale).transpose(*total.dims)._replace(attrs=total.attrs)
