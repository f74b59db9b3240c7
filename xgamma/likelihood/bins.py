"""The bins of a dataset that a likelihood needs: those with counts, and sums over the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import FixedGrid, SkyGrid
from xgamma.predict.window import Window

__all__ = ["Bins", "bins_of"]

Array = NDArray[np.float64]

TINY = 1e-20
"""A background at or below it is no background: its bins are evaluated one by one."""


@dataclass(frozen=True)
class Bins:
    """Bins inside the masks, as flat arrays in the order of rows, columns and energies.

    A spectrum is a map of one pixel. Bins without background, or with a negative one, are ``bare``: the prediction may
    be cut off there, so that no sum over the mask holds those that are kept.

    Attributes
    ----------
    n, b : ndarray, shape (bin,)
        Counts and background.
    e : ndarray, shape (bin,)
        Index of the energy.
    y, x : ndarray, shape (bin,)
        Labels of the pixel.
    bare : ndarray of bool, shape (bin,)
        Which bins are bare. Those are kept without counts as well if the background is negative.
    sum_b : ndarray, shape (energy,)
        Sum of the background over the mask, without bare bins.
    grid : SkyGrid or None
        Grid of the whole map, labels ascending; None for a spectrum.
    rows, columns : ndarray
        Labels of these bins: all of the map, or those of a chunk.
    inside : ndarray of bool, shape (energy, y, x)
        The mask.
    background : ndarray, shape (energy, y, x)
        The background of every bin.
    every : bool
        Whether bins without counts are kept, as statistics need that are no sums over bins.
    """

    n: Array
    b: Array
    e: NDArray[np.intp]
    y: NDArray[np.int64]
    x: NDArray[np.int64]
    bare: NDArray[np.bool_]
    sum_b: Array
    grid: SkyGrid | None
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    inside: NDArray[np.bool_]
    background: NDArray[Any]
    every: bool

    @property
    def whole(self) -> Window:
        """The window of all pixels of these bins."""
        return Window.of(self.rows, self.columns)

    @property
    def full(self) -> Window:
        """The window of all pixels of the map."""
        return self.whole if self.grid is None else Window.of(self.grid.y, self.grid.x)

    def only(self, some: NDArray[np.bool_]) -> Bins:
        """Return some of the bins, with the sums as they are."""
        if some.all():
            return self
        return replace(self, **{name: getattr(self, name)[some] for name in ("n", "b", "e", "y", "x", "bare")})

    def within(self, window: Window) -> NDArray[np.intp]:
        """Return the indices of the bins in a window."""
        start, stop = np.searchsorted(self.y, [window.y_0, window.y_1])
        x = self.x[start:stop]
        return start + np.flatnonzero((x >= window.x_0) & (x < window.x_1))

    def slices(self, window: Window) -> tuple[slice, slice, NDArray[np.int64], NDArray[np.int64]]:
        """Where the pixels of a window lie in the map: slices along y and x, and their places in the window."""
        parts = []
        for labels, low, high in ((self.rows, window.y_0, window.y_1), (self.columns, window.x_0, window.x_1)):
            first, last = (int(v) for v in np.searchsorted(labels, [low, high]))
            parts.append((slice(first, last), labels[first:last] - low))
        return parts[0][0], parts[1][0], parts[0][1], parts[1][1]

    def counts(self) -> Array:
        """Return the counts of every bin inside the mask, shape (energy, y, x)."""
        out = np.zeros(self.inside.shape)
        out[self.e, np.searchsorted(self.rows, self.y), np.searchsorted(self.columns, self.x)] = self.n
        return out


def bins_of(ds: xr.Dataset, every: bool = False, whole: SkyGrid | None = None) -> Bins:
    """Collect the bins of a dataset.

    Parameters
    ----------
    ds : Dataset
        With ``counts``; ``background`` and masks where there are any. It is computed: a chunk, or what fits in memory.
    every : bool
        Whether to keep the bins without counts as well.
    whole : SkyGrid, optional
        Grid of the map of which this is a part.

    Returns
    -------
    Bins
        Copies, which later changes of the dataset do not reach.

    Raises
    ------
    ValueError
        If there are no counts.
    """
    if "counts" not in ds:
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no variable 'counts' to compare a prediction with.")
    # Variables, as arrays with labels take longer to make than all the rest for a spectrum.
    variables = ds.variables
    counts = variables["counts"]
    sky = {"y", "x"} <= set(counts.dims)
    dims = ("energy", "y", "x") if sky else ("energy",)
    zero = np.zeros(1, dtype=np.int64)
    rows, columns = (variables[dim].values.copy() if sky else zero for dim in ("y", "x"))
    order = [None if (np.diff(labels) > 0).all() else np.argsort(labels, kind="stable") for labels in (rows, columns)]
    shape = (ds.sizes["energy"], rows.size, columns.size)

    def values(name: str) -> NDArray[Any]:
        """Values on all bins, labels ascending."""
        variable = variables[name]
        if variable.dims != dims:
            full = variable.set_dims(counts.sizes) if set(variable.dims) < set(counts.dims) else variable
            variable = full.transpose(*dims)
        array = np.asarray(variable.values).reshape(shape)
        for axis, chain in enumerate(order, start=1):
            array = array if chain is None else np.take(array, chain, axis=axis)
        return array

    n, inside = values("counts"), np.ones(shape, dtype=bool)
    for name in ("mask_safe", "mask_fit"):
        if name in variables:
            inside &= values(name).astype(bool, copy=False)
    background = np.array(values("background")) if "background" in variables else np.zeros(shape)
    good = background > TINY
    some = inside & (every | (n != 0) | ~(background >= 0))
    # Bins of a pixel lie side by side, and pixels of a row: sorted, as the few are found fastest as they lie.
    e, pixel = np.divmod(np.flatnonzero(some), shape[1] * shape[2])
    pixel, e = np.divmod(np.sort(pixel * shape[0] + e), shape[0])
    y, x = np.divmod(pixel, shape[2])
    rows, columns = (
        labels if chain is None else labels[chain] for labels, chain in zip((rows, columns), order, strict=True)
    )
    good &= inside
    if whole is None and sky:
        whole = FixedGrid(SkyGrid.from_dataset(ds).keywords, rows, columns)
    flat = (e * shape[1] + y) * shape[2] + x
    sums = [plane[part].sum(dtype=np.float64) for plane, part in zip(background, good, strict=True)] if sky else None
    b = background.ravel()[flat].astype(np.float64)
    return Bins(
        n=n.ravel()[flat].astype(np.float64),
        b=b,
        e=e,
        y=rows[y],
        x=columns[x],
        bare=~(b > TINY),
        sum_b=np.where(good, background, 0.0).ravel().astype(np.float64) if sums is None else np.array(sums),
        grid=whole,
        rows=rows,
        columns=columns,
        inside=inside,
        background=background,
        every=every,
    )
