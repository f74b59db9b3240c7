"""The bins of a dataset that a likelihood needs: those with counts, and sums over the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import Axis, FixedGrid, SkyGrid
from xgamma.predict.window import Window
from xgamma.reduce.masks import mask

__all__ = ["Bins", "bins_of"]

Array = NDArray[np.float64]

_TINY = 1e-20
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
        Grid of the map, labels ascending; None for a spectrum.
    rows, columns : ndarray
        All labels.
    inside : ndarray of bool, shape (energy, y, x)
        The mask.
    background : ndarray, shape (energy, y, x)
        The background of every bin.
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

    @property
    def whole(self) -> Window:
        """The window of all pixels."""
        return Window.of(self.rows, self.columns)

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


def _blocks(ds: xr.Dataset, template: xr.DataArray) -> list[dict[str, slice]]:
    """Parts of the sky that are held in memory at the same time: the chunks of a lazy dataset."""
    if template.chunks is None or "y" not in template.dims:
        return [{}]
    sizes = dict(zip(template.dims, template.chunks, strict=True))
    edges = [np.concatenate([[0], np.cumsum(sizes[dim])]) for dim in ("y", "x")]
    return [
        {"y": slice(y_0, y_1), "x": slice(x_0, x_1)}
        for y_0, y_1 in zip(edges[0][:-1], edges[0][1:], strict=True)
        for x_0, x_1 in zip(edges[1][:-1], edges[1][1:], strict=True)
    ]


def bins_of(ds: xr.Dataset, every: bool = False) -> Bins:
    """Collect the bins of a dataset, a chunk at a time.

    Parameters
    ----------
    ds : Dataset
        With ``counts``; ``background`` and masks where there are any.
    every : bool
        Whether to keep the bins without counts as well.

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
    sky = {"y", "x"} <= set(ds["counts"].dims)
    dims = ("energy", "y", "x") if sky else ("energy",)
    names = [name for name in ("counts", "background", "mask_safe", "mask_fit") if name in ds]
    size = Axis.from_dataset(ds["counts"], "energy").size
    shape = (size, *(ds.sizes[dim] for dim in dims[1:])) if sky else (size, 1, 1)
    inside = np.zeros(shape, dtype=bool)
    background = np.zeros(shape, dtype=ds["background"].dtype if "background" in ds else np.float64)
    zero = np.zeros(1, dtype=np.int64)
    rows, columns = ((ds[dim].values if sky else zero) for dim in ("y", "x"))
    order = [np.argsort(labels, kind="stable") for labels in (rows, columns)]
    place = [np.argsort(o) for o in order]
    kept, sum_b = [], np.zeros(size)
    for block in _blocks(ds, ds["counts"]):
        part = ds[names].isel(block).compute()
        n = part["counts"].transpose(*dims).values
        n = n if sky else n[:, None, None]
        ok = mask(part).transpose(*dims).values.reshape(n.shape)
        b = part["background"].transpose(*dims).values.reshape(n.shape) if "background" in part else 0.0
        where = np.ix_(np.arange(size), place[0][block.get("y", slice(None))], place[1][block.get("x", slice(None))])
        inside[where] = ok
        background[where] = b
        b = background[where]
        some = ok & (every | (n != 0) | ~(b >= 0))
        e, j, i = np.nonzero(some)
        kept.append(
            (n[some], b[some], e, rows[block.get("y", slice(None))][j], columns[block.get("x", slice(None))][i])
        )
        sum_b += np.where(ok & (b > _TINY), b, 0.0).sum(axis=(1, 2), dtype=np.float64)
    n, b, e, y, x = (np.concatenate(v) for v in zip(*kept, strict=True))
    chain = np.lexsort((e, x, y))
    b = b[chain].astype(np.float64)
    rows, columns = rows[order[0]], columns[order[1]]
    grid = FixedGrid(SkyGrid.from_dataset(ds).keywords, rows, columns) if sky else None
    return Bins(
        n=n[chain].astype(np.float64),
        b=b,
        e=e[chain],
        y=y[chain],
        x=x[chain],
        bare=~(b > _TINY),
        sum_b=sum_b,
        grid=grid,
        rows=rows.copy(),
        columns=columns.copy(),
        inside=inside,
        background=background,
    )
