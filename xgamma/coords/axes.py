"""Binned, non-spatial axes: energy, true energy, offset, migration."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords.labels import parse_unit, plain_variable, to_number, to_value

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

__all__ = ["RTOL", "Axis", "slack"]

RTOL = 1e-6
"""Bins whose edges differ by less than this part of themselves are equal: files hold edges in float32."""

Interp = Literal["log", "lin"]
NodeType = Literal["edges", "center"]


def _float_array(values: Any) -> np.ndarray:
    array = np.array(values, dtype=float, ndmin=1)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Axis:
    """Bins along an axis.

    Attributes
    ----------
    name : str
        Name of the dim and of the coordinate of centres.
    center, lower, upper : ndarray
        Float64, one value a bin, in `unit`. Bins need not touch: an axis from which every other bin was taken
        keeps the edges of those that are left.
    unit : str
        In astropy's FITS notation.
    interp : {"log", "lin"}
        The scale in which the axis is even, and in which distances along it are measured.
    node_type : {"edges", "center"}
        Whether the edges are what the axis was made from, or the centres.
    """

    name: str
    center: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    unit: str
    interp: Interp = "log"
    node_type: NodeType = "edges"

    def __post_init__(self) -> None:
        unit = parse_unit(self.unit, f"axis {self.name!r}")
        object.__setattr__(self, "unit", unit.to_string("fits"))
        for key in ("center", "lower", "upper"):
            object.__setattr__(self, key, _float_array(getattr(self, key)))
        if self.interp not in ("log", "lin"):
            raise ValueError(f"axis {self.name!r} has interp {self.interp!r}: it is 'log' or 'lin'")
        if self.node_type not in ("edges", "center"):
            raise ValueError(f"axis {self.name!r} has node_type {self.node_type!r}: it is 'edges' or 'center'")
        if self.center.ndim != 1 or not self.center.shape == self.lower.shape == self.upper.shape:
            raise ValueError(f"axis {self.name!r} needs one-dimensional centres and edges of one length")
        _check_bins(self)

    @classmethod
    def from_edges(
        cls, name: str, edges: Any, unit: str | u.UnitBase | None = None, interp: str = "log", node_type: str = "edges"
    ) -> Axis:
        """Return an axis of touching bins.

        Parameters
        ----------
        name : str
            Name of the axis.
        edges : array-like or Quantity
            Edges, one more than there are bins, rising.
        unit : str, optional
            Unit of plain numbers, and of the axis. Left out, it is that of the Quantity.
        interp : {"log", "lin"}
            Where the centre of a bin lies.
        node_type : {"edges", "center"}
            What the axis was made from.

        Raises
        ------
        ValueError
            If the edges do not rise, or are not positive on a logarithmic axis.
        """
        values, unit = _values(edges, unit, name)
        if values.ndim != 1 or values.size < 2:
            raise ValueError(f"axis {name!r} needs at least two edges in one dimension, not shape {values.shape}")
        lower, upper = values[:-1], values[1:]
        if interp == "log" and not np.all(values > 0):
            raise ValueError(f"axis {name!r} has edges that are not positive, which a logarithmic axis cannot hold")
        center = np.sqrt(lower * upper) if interp == "log" else (lower + upper) / 2
        return cls(name, center, lower, upper, unit, interp, node_type)  # type: ignore[arg-type]

    @classmethod
    def from_nodes(
        cls,
        name: str,
        center: Any,
        lower: Any = None,
        upper: Any = None,
        unit: str | u.UnitBase | None = None,
        interp: str = "log",
    ) -> Axis:
        """Return an axis made from the centres of its bins.

        Parameters
        ----------
        name : str
            Name of the axis.
        center : array-like or Quantity
            Nodes, rising.
        lower, upper : array-like or Quantity, optional
            Edges of each bin. Left out, they lie half-way between nodes in the scale of `interp`, and the outermost
            bins are even about their nodes.
        unit : str, optional
            Unit of plain numbers, and of the axis.
        interp : {"log", "lin"}
            The scale of the axis.

        Raises
        ------
        ValueError
            If the nodes do not rise, or only one of `lower` and `upper` is given.
        """
        values, unit = _values(center, unit, name)
        if (lower is None) != (upper is None):
            raise ValueError(f"axis {name!r} is given only one of lower and upper edges: give both or none")
        if lower is None:
            if values.size < 2:
                raise ValueError(f"axis {name!r} has a single node, from which no edges follow: give lower and upper")
            scaled = _scale(values, interp, name)
            middle = (scaled[1:] + scaled[:-1]) / 2
            edges = np.concatenate([[2 * scaled[0] - middle[0]], middle, [2 * scaled[-1] - middle[-1]]])
            edges = np.exp(edges) if interp == "log" else edges
            lower, upper = edges[:-1], edges[1:]
        what = f"edges of axis {name!r}"
        lower, upper = to_value(lower, unit, what), to_value(upper, unit, what)
        return cls(name, values, lower, upper, unit, interp, "center")  # type: ignore[arg-type]

    @classmethod
    def from_dataset(
        cls, obj: xr.Dataset | xr.DataArray, name: Hashable, indexes: Mapping[Any, Any] | None = None
    ) -> Axis:
        """Return an axis of a dataset or an array.

        Parameters
        ----------
        obj : Dataset or DataArray
            Decoded, or plain with the coordinates ``name``, ``name_min`` and ``name_max``.
        name : str
            Name of the axis, such as ``energy_true``.
        indexes : mapping, optional
            What ``obj.xindexes`` is, which xarray makes anew whenever it is asked.

        Raises
        ------
        ValueError
            If the axis or what belongs to it is missing or damaged.
        """
        axis = getattr((obj.xindexes if indexes is None else indexes).get(name), "axis", None)
        if isinstance(axis, cls):
            return axis
        if name not in obj.coords:
            raise ValueError(f"there is no axis {name!r} here: the coordinates are {sorted(map(str, obj.coords))}")
        parts = [obj.coords[name]]
        for edge in (f"{name}_min", f"{name}_max"):
            if edge not in obj.variables if isinstance(obj, xr.Dataset) else edge not in obj.coords:
                raise ValueError(f"coordinate {name!r} lacks its edges: there is no variable {edge!r}")
            parts.append(obj[edge])
        if not parts[0].ndim:
            raise ValueError(
                f"coordinate {name!r} is a single number here, without the dim: select one bin with a list such as "
                f"isel({name}=[0]), which keeps it"
            )
        for part in parts:
            if part.dims != (name,):
                raise ValueError(f"variable {part.name!r} has dims {part.dims}: it needs ({name!r},)")
        attrs = parts[0].attrs
        missing = [key for key in ("units", "interp", "node_type") if key not in attrs]
        if missing:
            raise ValueError(f"coordinate {name!r} lacks the attributes {missing}, which describe its bins")
        unit = parse_unit(attrs["units"], f"coordinate {name!r}")
        center, lower, upper = (to_value(part, unit, f"coordinate {part.name!r}") for part in parts)
        return cls(str(name), center, lower, upper, unit.to_string("fits"), attrs["interp"], attrs["node_type"])

    @property
    def size(self) -> int:
        """Number of bins."""
        return self.center.size

    @property
    def is_contiguous(self) -> bool:
        """Whether each bin begins where the one before ends."""
        if self.size < 2:
            return True
        ends, starts = (self.upper, self.lower) if self.center[1] > self.center[0] else (self.lower, self.upper)
        gaps = ends[:-1] - starts[1:]
        # edges that were made as one list are the same numbers
        return not gaps.any() or bool(np.all(np.abs(gaps) <= slack(self)[1:]))

    @property
    def edges(self) -> np.ndarray:
        """Edges in `unit`, one more than there are bins, in the order of the bins.

        Raises
        ------
        ValueError
            If the bins do not touch.
        """
        if not self.is_contiguous:
            raise ValueError(
                f"the bins of axis {self.name!r} do not touch, so it has no common edges: "
                f"use its lower and upper edges, or select without stride"
            )
        if self.size > 1 and self.center[1] < self.center[0]:
            return np.append(self.upper, self.lower[-1])
        return np.append(self.lower, self.upper[-1])

    def take(self, positions: Any) -> Axis:
        """Return the axis with the bins at the given positions (a slice, or an array of integers or booleans)."""
        parts = {key: getattr(self, key)[positions] for key in _ARRAYS}
        if not isinstance(positions, slice):
            return replace(self, **parts)
        # a part of bins that were checked needs no check, which takes longer than the rest
        taken = copy(self)
        for key, values in parts.items():
            object.__setattr__(taken, key, values)
        return taken

    def rename(self, name: str) -> Axis:
        """Return the axis under another name."""
        return replace(self, name=str(name))

    def to(self, unit: str | u.UnitBase) -> Axis:
        """Return the axis in another unit.

        Raises
        ------
        ValueError
            If the unit is of another kind.
        """
        if unit == self.unit:
            return self
        own, target = u.Unit(self.unit), parse_unit(unit, f"axis {self.name!r}")
        what = f"axis {self.name!r}"
        center, lower, upper = (to_value(part * own, target, what) for part in (self.center, self.lower, self.upper))
        return replace(self, unit=target.to_string("fits"), center=center, lower=lower, upper=upper)

    def matches(self, other: Axis) -> bool:
        """Whether the other axis has the same bins, to `RTOL`, in the same unit."""
        if self is other:
            return True
        if self.size != other.size or u.Unit(self.unit) != u.Unit(other.unit):
            return False
        margin = slack(self)
        return all(bool(np.all(np.abs(getattr(self, k) - getattr(other, k)) <= margin)) for k in ("lower", "upper"))

    def to_coords(self) -> xr.Coordinates:
        """Return the coordinates ``name`` (with an EdgeIndex), ``name_min`` and ``name_max``."""
        from xgamma.coords.edge_index import EdgeIndex

        index = EdgeIndex(self)
        variables = index.create_variables()
        for end, values in (("min", self.lower), ("max", self.upper)):
            variables[f"{self.name}_{end}"] = plain_variable(self.name, values.copy(), {"units": self.unit})
        return xr.Coordinates(variables, indexes={self.name: index})

    @property
    def attrs(self) -> dict[str, str]:
        """Attributes of the coordinate that holds the centres."""
        return {"units": self.unit, "interp": self.interp, "node_type": self.node_type}

    def group(self, edges: Any) -> list[slice]:
        """Return the bins between each two of the given edges, which snap to the nearest edge of the axis.

        Parameters
        ----------
        edges : array-like or Quantity
            At least two, rising. Those outside the axis snap to its ends. The distance to an edge is measured in
            the scale of the axis; edges that snap to the same one count once.

        Returns
        -------
        list of slice
            Positions of the bins of each group.

        Raises
        ------
        ValueError
            If no group is left, the axis is made from centres, or its bins do not touch or do not rise.
        """
        limits = self.edges
        wanted = np.atleast_1d(to_value(edges, self.unit, f"an edge along axis {self.name!r}"))
        nearest = np.unique(self._nearest(limits, wanted))
        if nearest.size < 2:
            raise self._encloses_nothing(limits, wanted)
        return [slice(int(start), int(stop)) for start, stop in zip(nearest[:-1], nearest[1:], strict=True)]

    def _nearest(self, limits: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return the numbers of the edges nearest to some values."""
        if self.node_type != "edges":
            raise ValueError(f"axis {self.name!r} is made from the centres of its bins: only edges can be grouped")
        own = _scale(limits, self.interp, self.name)
        if own[-1] < own[0]:
            raise ValueError(f"axis {self.name!r} falls: reverse it with isel({self.name}=slice(None, None, -1)) first")
        if np.isnan(wanted).any():
            raise ValueError(f"an edge along axis {self.name!r} is nan")
        clipped = np.minimum(np.maximum(wanted, limits[0]), limits[-1])
        return np.rint(np.interp(_scale(clipped, self.interp, self.name), own, np.arange(own.size)))

    def _encloses_nothing(self, limits: np.ndarray, wanted: np.ndarray) -> ValueError:
        return ValueError(
            f"the edges {wanted} {self.unit} enclose no bin of axis {self.name!r}, "
            f"which covers {limits[0]:.6g} to {limits[-1]:.6g} {self.unit}"
        )

    def snap(self, minimum: Any = None, maximum: Any = None) -> slice:
        """Return the bins between two limits, which snap to the nearest edge of the axis.

        Parameters
        ----------
        minimum, maximum : str, Quantity or number, optional
            Limits. Left out, they are the ends of the axis.

        Returns
        -------
        slice
            Positions of the bins.

        Raises
        ------
        ValueError
            As for `group`, and if the limits are in the wrong order.
        """
        edges = self.edges
        what = f"a limit along axis {self.name!r}"
        start = float(edges.min()) if minimum is None else to_number(minimum, self.unit, what)
        stop = float(edges.max()) if maximum is None else to_number(maximum, self.unit, what)
        if start > stop:
            raise ValueError(f"the limits {start:.6g} and {stop:.6g} {self.unit} of axis {self.name!r} are swapped")
        wanted = np.array([start, stop])
        first, last = (int(number) for number in self._nearest(edges, wanted))
        if first == last:
            raise self._encloses_nothing(edges, wanted)
        return slice(first, last)

    def scaled(self, values: Any) -> np.ndarray:
        """Return values (in `unit`) in the scale of the axis: their logarithm, or themselves."""
        return _scale(np.asarray(values, dtype=float), self.interp, self.name)


_ARRAYS = ("center", "lower", "upper")


def _values(values: Any, unit: str | u.UnitBase | None, name: str) -> tuple[np.ndarray, str]:
    if unit is None:
        if not isinstance(values, u.Quantity):
            values = u.Quantity(values)
        unit = values.unit
    target = parse_unit(unit, f"axis {name!r}")
    return to_value(values, target, f"axis {name!r}"), target.to_string("fits")


def _scale(values: np.ndarray, interp: str, name: str) -> np.ndarray:
    if interp != "log":
        return values
    if not np.all(values > 0):
        raise ValueError(f"axis {name!r} is logarithmic and takes positive values only, not {values}")
    return np.log(values)


def slack(axis: Axis) -> np.ndarray:
    """Return how far edges of a bin may lie apart and still count as the same."""
    return RTOL * np.maximum(np.maximum(np.abs(axis.lower), np.abs(axis.upper)), axis.upper - axis.lower)


def _check_bins(axis: Axis) -> None:
    name = axis.name
    for key in _ARRAYS:
        values = getattr(axis, key)
        if not np.isfinite(values).all():
            raise ValueError(f"axis {name!r} has {key} values that are not finite: {values}")
    if axis.node_type == "edges" and not np.all(axis.lower < axis.upper):
        raise ValueError(f"axis {name!r} has bins whose lower edge is not below the upper one: edges must rise")
    margin = slack(axis)
    if not (np.all(axis.lower <= axis.center + margin) and np.all(axis.center <= axis.upper + margin)):
        raise ValueError(f"axis {name!r} has centres outside their bins")
