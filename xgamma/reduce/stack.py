"""Add datasets."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import SkyGrid
from xgamma.history import record
from xgamma.kernels.mask import add_inside
from xgamma.onoff import conserve_background, expose_background, is_onoff
from xgamma.reduce.align import Embedding, Grids, common_grids, embeddings, own_grids, same_axes
from xgamma.reduce.gti import concat_meta, union_gti
from xgamma.reduce.irf_mask import Lookup, any_energy, irf_mask, lookup
from xgamma.reduce.parts import Term, averages, masked_part, mean_dtype, sky_suffix, sum_dtype
from xgamma.reduce.rebuild import grid_dims, rebuild
from xgamma.schema import VARIABLES
from xgamma.validate import check_counts, schema_order

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
    r"""Add datasets.

    Counts and background add up inside each one's ``mask_safe``, and the exposure where the mask holds for any energy.
    Responses average, weighted by their exposures; the energy dispersion also by the mask, so that the prediction for
    the sum is the sum of the predictions. Masks hold where they hold for any dataset. Good time intervals unite, live
    times add up and the tables of observations are joined. The order does not matter but for rounding, name and
    stored models.

    With counts in off regions these and acceptances add up inside ``mask_safe``, and the acceptance of the off regions
    follows from the background, :math:`a_{off} = a_{on} \sum n_{off} / \sum \alpha n_{off}`, so that the background
    of the sum is the sum of the backgrounds; in bins without off counts the sums run over all bins.

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
        in one of them, such as off regions.
    """
    # a dataset is iterable too, over its names
    if isinstance(datasets, Mapping) or not isinstance(datasets, Iterable):
        raise ValueError(f"datasets is of type {type(datasets).__name__}: give a list of datasets to stack")
    chosen = list(datasets)
    for number, ds in enumerate(chosen):
        if not isinstance(ds, xr.Dataset):
            raise ValueError(
                f"dataset {number} of the sum is of type {type(ds).__name__}: give xarray Datasets, and several at "
                "once with Datasets.stack_reduce"
            )
    if not chosen:
        raise ValueError("there is no dataset to stack: give at least one")
    plain = [str(ds.attrs.get("name", "")) for ds in chosen if not is_onoff(ds)]
    if 0 < len(plain) < len(chosen):
        raise ValueError(
            f"the datasets {plain} have no variable 'counts_off', and cannot be added to on/off data: give them off "
            "regions with to_onoff, or turn the others into data with a background by to_cash"
        )
    out = conserve_background(_stacked([expose_background(ds) for ds in chosen]))
    line = ", ".join(str(ds.attrs.get("name", "")) for ds in chosen[1:])
    return record(out, f"stack({line})", name, own=True)


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
    return record(_stacked([ds]), "to_masked()", name, own=True)


def _stacked(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    first = datasets[0]
    for ds in datasets:
        check_counts(ds, "stacking")
    same_axes(datasets)
    own = own_grids(datasets)
    grids = common_grids(datasets, own)
    places = embeddings(own, grids)
    terms = _terms(datasets)
    if any(_is_lazy(v) for ds in datasets for v in ds.data_vars.variables.values()):
        from xgamma.reduce.tree import lazy_sums

        sums = lazy_sums(datasets, terms, places, grids)
    else:
        sums = averages(_sums(datasets, own, terms, places, {**first.sizes, **_sizes(grids)}))
    variables: dict[Hashable, xr.Variable] = {}
    variables.update(sums)
    variables.update(_times(datasets))
    for key, variable in first.data_vars.variables.items():
        dims = variables[key].dims if key in variables else variable.dims
        if dims != variable.dims and set(dims) == set(variable.dims):
            variables[key] = variables[key].transpose(*variable.dims)
    changed = {s: grid for s, grid in grids.items() if not grid.equals(own[0][s])}
    meta = concat_meta(datasets)
    gone = [str(dim) for dim in first.dims if dim == "gti"]
    out = rebuild(first, variables, grids=changed, gone=gone, attrs={} if meta is None else {"meta": meta})
    # sums have whole energies: edges of bins that were cut would contradict them, positions do not
    indexed = out.xindexes
    edges = {key: v for key, v in out.coords.variables.items() if key not in indexed and _is_lazy(v)}
    cut = {key: v.chunk(dict.fromkeys(v.dims, -1)) for key, v in edges.items()}
    return out.assign_coords(cut) if cut else out


def _is_lazy(variable: xr.Variable) -> bool:
    # asking for chunks takes as long as adding a small array
    return variable.__dask_graph__() is not None


def _sizes(grids: dict[str, SkyGrid]) -> dict[str, int]:
    return {dim: n for s, grid in grids.items() for dim, n in zip(grid_dims(s), grid.shape, strict=True)}


def _terms(datasets: Sequence[xr.Dataset]) -> list[Term]:
    """Find out what is to be added, and check that it can be."""
    out = []
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
        first = datasets[having[0]]
        weight = spec.weight if spec.weight in first else None
        if spec.combine == "mean" and weight is None and len(datasets) > 1:
            raise ValueError(
                f"{name} of dataset '{first.attrs.get('name', '')}' has no weight {spec.weight!r}, without which "
                "responses cannot be averaged: add the exposure on its grid"
            )
        factors = {}
        for i in having if spec.dtype == "f" else ():
            factors[i] = _factor(name, datasets[i], first)
            if weight is not None:
                factors[i] *= _factor(weight, datasets[i], first)
        variable = first.variables[name]
        dims = schema_order(name, variable.dims)
        dtype = np.dtype(bool)
        if spec.dtype == "f":
            types = [datasets[i].variables[key].dtype for i in having for key in (name, weight) if key is not None]
            whole = weight is None and all(factor == 1 for factor in factors.values())
            dtype = (sum_dtype if whole else mean_dtype)(np.result_type(*types))
        out.append(Term(name, dims, dtype, factors, weight, dict(variable.attrs)))
    return out


def _sums(
    datasets: Sequence[xr.Dataset],
    own: Sequence[Grids],
    terms: list[Term],
    places: list[Embedding],
    sizes: Mapping[Any, int],
) -> dict[str, xr.Variable]:
    """Add datasets in memory."""
    lookups = _Lookups()
    masks = [_Masks(ds, grids, lookups) for ds, grids in zip(datasets, own, strict=True)]
    out = {}
    for term in terms:
        chosen = [i for i, ds in enumerate(datasets) if term.name in ds.data_vars or term.name == "mask_safe"]
        here = {i: places[i].along(term.dims) for i in chosen}
        whole = [i for i in chosen if not here[i].positions]
        shape = tuple(sizes[dim] for dim in term.dims)
        total = (np.empty if whole else np.zeros)(shape, dtype=term.dtype)
        if whole:
            _add(total, term, whole, datasets, masks, first=True)
        for i in chosen:
            if here[i].positions:
                index = here[i].index(term.dims, shape)
                # a view, but for parts with gaps
                part = total[index]
                _add(part, term, [i], datasets, masks, first=False)
                total[index] = part
        out[term.name] = xr.Variable(term.dims, total, term.attrs)
    return out


def _add(
    total: Any, term: Term, numbers: Sequence[int], datasets: Sequence[xr.Dataset], masks: list[_Masks], first: bool
) -> None:
    """Add a variable of some datasets to an array of its shape, which they overwrite if they are the first."""
    parts = []
    for i in numbers:
        ds, factor = datasets[i], term.factors.get(i, 1.0)
        variable = masks[i].safe() if term.name == "mask_safe" else ds.variables[term.name]
        variable = variable if variable.dims == term.dims else variable.transpose(*term.dims)
        if term.dtype != bool and term.dims:
            weight = ds.variables[term.weight] if term.weight else None
            parts.append(masked_part(total, variable, masks[i].on(variable), factor, weight))
            continue
        data = variable.data if term.dtype == bool else variable.data * factor
        if first and i == numbers[0]:
            total[...] = data
        else:
            np.add(total, data, out=total)
    if parts:
        add_inside(total, parts, first, finite=True)


def _times(datasets: Sequence[xr.Dataset]) -> dict[str, xr.Variable]:
    if len(datasets) > 1:
        return union_gti(datasets)
    return {n: datasets[0].variables[n] for n in ("gti_start", "gti_stop") if n in datasets[0].variables}


class _Lookups:
    """Where the pixels of responses lie on maps, of which many datasets have the same."""

    def __init__(self) -> None:
        self._found: list[tuple[SkyGrid, SkyGrid, Lookup]] = []

    def of(self, grid: SkyGrid, other: SkyGrid) -> Lookup:
        """Rows and columns as `irf_mask.lookup` finds them."""
        for known_grid, known_other, found in self._found:
            if grid.equals(known_grid) and other.equals(known_other):
                return found
        found = lookup(grid, other)
        self._found.append((grid, other, found))
        return found


class _Masks:
    """The safe mask of a dataset on each of its grids, looked up once."""

    def __init__(self, ds: xr.Dataset, grids: Grids, lookups: _Lookups) -> None:
        self._ds = ds
        self._grids = grids
        self._lookups = lookups
        self._found: dict[tuple[str | None, bool], xr.Variable | None] = {}

    def on(self, variable: xr.Variable) -> xr.Variable | None:
        """Mask for a variable, over ``energy`` if that has it; None if all is inside."""
        if "mask_safe" not in self._ds.variables:
            return None
        suffix = sky_suffix(variable.dims)
        key = suffix, "energy" in variable.dims
        if key not in self._found:
            whole = self._found.get((suffix, True))
            if whole is None:
                on_map = {"y", "x"} <= set(self._ds.variables["mask_safe"].dims)
                found = self._lookups.of(self._grids[""], self._grids[suffix]) if suffix and on_map else None
                whole = irf_mask(self._ds, suffix, found)
            self._found[suffix, True] = whole
            self._found[suffix, False] = any_energy(whole)
        return self._found[key]

    def safe(self) -> xr.Variable:
        """Return ``mask_safe`` itself, True everywhere if there is none."""
        if "mask_safe" in self._ds.variables:
            return self._ds.variables["mask_safe"]
        dims = [dim for dim in ("energy", "y", "x") if dim in self._ds.dims]
        return xr.Variable(dims, np.ones([self._ds.sizes[dim] for dim in dims], dtype=bool))


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
