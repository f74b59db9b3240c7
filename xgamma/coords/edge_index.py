"""The index of a binned axis."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from xarray.core.indexing import IndexSelResult
from xarray.indexes import Index, PandasIndex

from xgamma.coords.axes import Axis, slack
from xgamma.coords.labels import LabelError, to_number, to_value

__all__ = ["EdgeIndex"]


class EdgeIndex(PandasIndex):
    """Index of bin centres that knows the edges of its bins.

    - ``sel(energy=slice("1 TeV", 5 * u.TeV))`` keeps the bins whose centre is inside, ends included.
    - ``sel(energy="2 TeV")`` takes the bin that contains the value, and so for each value of an array.
    - ``method="nearest"`` takes the bin with the nearest centre in the scale of the axis.
    - Plain numbers are in the unit of the axis.
    - Alignment joins equal bins; axes of which two bins overlap without being equal are refused.

    Parameters
    ----------
    axis : Axis
        The bins.
    dim : str, optional
        The dim, where it is not named as the axis.
    index : pandas.Index, optional
        That of the centres, where there is one already.
    """

    axis: Axis

    def __init__(self, axis: Axis, dim: Hashable | None = None, index: pd.Index | None = None):
        index = pd.Index(axis.center, name=axis.name) if index is None else index
        super().__init__(index, axis.name if dim is None else dim, np.dtype(float), fastpath=True)
        self.axis = axis

    @classmethod
    def from_variables(cls, variables: Mapping[Any, xr.Variable], *, options: Mapping[str, Any]) -> EdgeIndex:
        """Make the index of a coordinate, for ``set_xindex(name, EdgeIndex, lower=..., upper=...)``."""
        if len(variables) != 1:
            raise ValueError(f"an EdgeIndex owns one coordinate, not {sorted(map(str, variables))}")
        ((name, var),) = variables.items()
        if var.ndim != 1:
            raise ValueError(f"coordinate {name!r} has dims {var.dims}: an EdgeIndex needs exactly one")
        if "lower" not in options or "upper" not in options:
            raise ValueError(f"the EdgeIndex of {name!r} needs the edges of its bins: give lower= and upper=")
        attrs = {"units": "", "interp": "lin", "node_type": "edges"} | var.attrs
        unit = attrs["units"]
        lower, upper = (to_value(options[k], unit, f"{k} edges of {name!r}") for k in ("lower", "upper"))
        axis = Axis(str(name), var.to_numpy(), lower, upper, unit, attrs["interp"], attrs["node_type"])
        return cls(axis, var.dims[0])

    def create_variables(self, variables: Mapping[Any, xr.Variable] | None = None) -> dict[Hashable, Any]:
        """Return the coordinate of centres."""
        created = super().create_variables(variables)
        for var in created.values():
            var.attrs = {**self.axis.attrs, **var.attrs}
        return created

    def _with(self, axis: Axis) -> EdgeIndex:
        return type(self)(axis, self.dim)

    def isel(self, indexers: Mapping[Any, Any]) -> EdgeIndex | None:
        """Return the index of some bins, each with its own edges, or None for a single one."""
        indexer = indexers[self.dim]
        if isinstance(indexer, xr.Variable):
            if indexer.dims != (self.dim,):
                return None
            indexer = indexer.to_numpy()
        if not isinstance(indexer, slice) and np.ndim(indexer) == 0:
            return None
        return self[indexer]

    def __getitem__(self, indexer: Any) -> EdgeIndex:
        part = self.index[indexer] if isinstance(indexer, slice) else None
        return type(self)(self.axis.take(indexer), self.dim, part)

    def sel(self, labels: dict[Any, Any], method: str | None = None, tolerance: Any = None) -> IndexSelResult:
        """Return the positions of bins, as the class describes.

        Raises
        ------
        LabelError
            A KeyError and ValueError, if no bin fits.
        ValueError
            If the unit does not fit.
        """
        ((_, label),) = labels.items()
        if isinstance(label, slice):
            if method is not None and method != "nearest":
                raise ValueError(f"axis {self.axis.name!r} knows no method {method!r}")
            return IndexSelResult({self.dim: self._slice(label)})
        if _is_boolean(label):
            return IndexSelResult({self.dim: label})
        values = to_value(label, self.axis.unit, f"a label of axis {self.axis.name!r}")
        if method is None and tolerance is None:
            positions = self._containing(values)
        elif method in (None, "nearest"):
            positions = self._nearest(values, tolerance)
        else:
            raise ValueError(f"axis {self.axis.name!r} knows no method {method!r}: leave it out or use 'nearest'")
        indexer: Any = positions
        if isinstance(label, xr.Variable):
            indexer = xr.Variable(label.dims, positions)
        elif isinstance(label, xr.DataArray):
            indexer = xr.DataArray(positions, coords=label.coords, dims=label.dims)
        elif positions.ndim == 0:
            indexer = int(positions)
        return IndexSelResult({self.dim: indexer})

    def _range(self) -> str:
        axis = self.axis
        if not axis.size:
            return f"axis {axis.name!r} is empty"
        return f"axis {axis.name!r} covers {axis.lower.min():.6g} to {axis.upper.max():.6g} {axis.unit}".rstrip()

    def _slice(self, label: slice) -> slice | np.ndarray:
        axis, what = self.axis, f"a limit of axis {self.axis.name!r}"
        low = -np.inf if label.start is None else to_number(label.start, axis.unit, what)
        high = np.inf if label.stop is None else to_number(label.stop, axis.unit, what)
        if low > high:
            if not (axis.size > 1 and axis.center[0] > axis.center[1]):
                raise LabelError(f"the limits {low:.6g} and {high:.6g} {axis.unit} of axis {axis.name!r} are swapped")
            low, high = high, low
        # conversion between units may move a limit by a rounding error
        margin = 1e-12 * np.abs(axis.center)
        inside = np.flatnonzero((axis.center >= low - margin) & (axis.center <= high + margin))
        if not inside.size:
            raise LabelError(f"no bin has its centre between {low:.6g} and {high:.6g} {axis.unit}: {self._range()}")
        step = 1 if label.step is None else int(label.step)
        if np.all(np.diff(inside) == 1):
            first, last = int(inside[0]), int(inside[-1])
            return slice(first, last + 1, step) if step > 0 else slice(last, first - 1 if first else None, step)
        return inside[::step]

    def _containing(self, values: np.ndarray) -> np.ndarray:
        axis, flat = self.axis, values.reshape(-1, 1)
        inside = (flat >= axis.lower) & (flat < axis.upper)
        # the upper edge belongs to the bin below where no bin begins there
        inside = np.where(inside.any(1, keepdims=True), inside, flat == axis.upper)
        missed = ~inside.any(1)
        if missed.any():
            raise LabelError(f"no bin contains {flat[missed][0, 0]:.6g} {axis.unit}".rstrip() + f": {self._range()}")
        return inside.argmax(1).reshape(values.shape)

    def _nearest(self, values: np.ndarray, tolerance: Any) -> np.ndarray:
        axis = self.axis
        if not axis.size or not np.isfinite(values).all():
            raise LabelError(f"no bin is nearest to {values}: {self._range()}")
        distance = np.abs(axis.scaled(values).reshape(-1, 1) - axis.scaled(axis.center))
        found = distance.argmin(1).reshape(values.shape)
        if tolerance is not None:
            limit = to_value(tolerance, axis.unit, f"the tolerance along axis {axis.name!r}")
            if np.any(np.abs(axis.center[found] - values) > limit):
                raise LabelError(f"no bin has its centre within {tolerance} of {values} {axis.unit}: {self._range()}")
        return found

    def equals(self, other: Index, *, exclude: frozenset[Hashable] | None = None) -> bool:
        """Whether the other is an EdgeIndex of the same bins, to float32 precision."""
        return isinstance(other, EdgeIndex) and self.dim == other.dim and self.axis.matches(other.axis)

    def _positions_of(self, other: EdgeIndex) -> np.ndarray:
        """Return where the other's bins are, -1 for those that are not, and refuse those that differ."""
        mine, theirs = self.axis, other.axis
        if mine.unit != theirs.unit:
            raise xr.AlignmentError(
                f"axis {mine.name!r} is in {mine.unit!r} here and in {theirs.unit!r} there: bring both to one unit"
            )
        low, high = theirs.lower[:, None], theirs.upper[:, None]
        margin = slack(theirs)[:, None]
        equal = (np.abs(mine.lower - low) <= margin) & (np.abs(mine.upper - high) <= margin)
        overlap = (np.minimum(mine.upper, high) - np.maximum(mine.lower, low)) > margin
        if np.any(overlap & ~equal):
            raise xr.AlignmentError(
                f"axis {mine.name!r} has different bins here and there, with edges\n{_show(mine)}\n{_show(theirs)}\n"
                "Bring both to the same bins first."
            )
        return np.where(equal.any(1), equal.argmax(1), -1) if mine.size else np.full(theirs.size, -1)

    def join(self, other: EdgeIndex, how: str = "inner") -> EdgeIndex:
        """Return the bins in both, or in either, of two parts of one axis.

        Raises
        ------
        AlignmentError
            A ValueError, if bins differ or none is common.
        """
        positions = self._positions_of(other)
        if how == "outer":
            new = other.axis.take(positions < 0)
            joined = _append([self.axis, new])
            falls = self.axis.size > 1 and self.axis.center[0] > self.axis.center[1]
            order = np.argsort(joined.center)
            return self._with(joined.take(order[::-1] if falls else order))
        common = np.sort(positions[positions >= 0])
        if not common.size and self.axis.size and other.axis.size:
            raise xr.AlignmentError(
                f"axis {self.axis.name!r} has no bin in common here and there:\n{_show(self.axis)}\n{_show(other.axis)}"
            )
        return self[common]

    def reindex_like(self, other: EdgeIndex, method: Any = None, tolerance: Any = None) -> dict[Hashable, Any]:
        """Return the positions of the other's bins in this axis, -1 for missing ones."""
        if method is not None or tolerance is not None:
            raise ValueError(f"axis {self.axis.name!r} is binned and cannot be reindexed with method or tolerance")
        return {self.dim: self._positions_of(other)}

    @classmethod
    def concat(
        cls, indexes: Sequence[EdgeIndex], dim: Hashable, positions: Iterable[Iterable[int]] | None = None
    ) -> EdgeIndex:
        """Return the index of the bins of all, one after the other.

        Raises
        ------
        ValueError
            If units or scales differ.
        """
        axis = _append([index.axis for index in indexes])
        if positions is not None:
            axis = axis.take(np.argsort(np.concatenate([np.asarray(p) for p in positions])))
        return cls(axis, dim)

    def roll(self, shifts: Mapping[Any, int]) -> EdgeIndex:
        """Return the index with its bins moved around."""
        return self[np.roll(np.arange(self.axis.size), shifts[self.dim])]

    def rename(self, name_dict: Mapping[Any, Hashable], dims_dict: Mapping[Any, Hashable]) -> EdgeIndex:
        """Return the index with new names of coordinate and dim."""
        name = str(name_dict.get(self.axis.name, self.axis.name))
        dim = dims_dict.get(self.dim, self.dim)
        return type(self)(self.axis.rename(name), dim)

    def _copy(self, deep: bool = True, memo: dict[int, Any] | None = None) -> EdgeIndex:
        # it never changes: the axis is frozen, and so are its arrays
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.axis, self.dim))

    def _repr_inline_(self, max_width: int) -> str:
        return repr(self)

    def __repr__(self) -> str:
        axis = self.axis
        return f"EdgeIndex({axis.size} bins, {axis.interp}, {self._range()})"


def _is_boolean(label: Any) -> bool:
    if isinstance(label, list):
        return bool(label) and all(isinstance(value, bool | np.bool_) for value in label)
    return getattr(getattr(label, "dtype", None), "kind", "") == "b"


def _show(axis: Axis) -> str:
    return f"{axis.lower} to {axis.upper} {axis.unit}"


def _append(axes: Sequence[Axis]) -> Axis:
    first = axes[0]
    for axis in axes:
        if (axis.unit, axis.interp, axis.node_type) != (first.unit, first.interp, first.node_type):
            raise ValueError(
                f"axis {first.name!r} differs in unit, scale or kind between the parts: {first.attrs} and {axis.attrs}"
            )
    parts = {key: np.concatenate([getattr(axis, key) for axis in axes]) for key in ("center", "lower", "upper")}
    return Axis(first.name, unit=first.unit, interp=first.interp, node_type=first.node_type, **parts)
