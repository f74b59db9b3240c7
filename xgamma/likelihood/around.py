"""What is around a point source that may move: the corners of pixels that its evaluation needs, collected once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.kernels import edges
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.integrals import integrals_of
from xgamma.likelihood.lookup import Lookups, exposure_of
from xgamma.likelihood.nearby import nearby_of
from xgamma.likelihood.placed import Placed
from xgamma.likelihood.point import PointWindow
from xgamma.predict.component import Component
from xgamma.predict.window import Window

__all__ = ["point_window"]

Array = NDArray[np.float64]

_MARGIN = 0.15
"""By which part of the reach of the PSF a source may move before the window is made anew."""
_SURE = 1.01
"""Factor on sizes of pixels where they limit what is looked at: between corners they may differ a little."""


def _limits(component: Component) -> Window:
    """Where the nearest pixel of a point source may be without a window made anew."""
    row, column = round(component.y), round(component.x)
    margin = (max(3, int(np.ceil(_MARGIN * n / 2))) for n in component.target.shape)
    return Window(row, row + 1, column, column + 1).grow(*margin)


def point_window(ds: xr.Dataset, bins: Bins, item: Placed, lookups: Lookups) -> PointWindow | None:
    """Collect the corners around a point source; None where a part of the window is not on the sky.

    Parameters
    ----------
    ds : Dataset
        With the exposure.
    bins : Bins
        The bins of the dataset.
    item : Placed
        The source.
    lookups : Lookups
        The responses.
    """
    assert bins.grid is not None and lookups.psf is not None
    grid, component, common = bins.grid, item.component, replace(item.response, profiles=None)
    inner, radii = _limits(component), edges.Radii.of(common.rad)
    window = component.target.grow(*((n - 1) // 2 for n in inner.shape))
    ny, nx = window.shape
    labels_y, labels_x = window.edges()
    lon, lat = grid.labels_to_lonlat(labels_y[:, None], labels_x)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    vectors = _vectors(lon, lat).reshape(-1, 3).T
    centre = round(component.y) - window.y_0, round(component.x) - window.x_0
    plane = edges.project(vectors, float(np.radians(lon[centre])), float(np.radians(lat[centre])))
    sign, step, diagonal = _sizes(plane.points.reshape(ny + 1, nx + 1))
    held = np.flatnonzero(bins.inside.any(axis=(1, 2)))
    used = slice(int(held[0]), int(held[-1]) + 1) if held.size else slice(0, 1)
    inside = _mask(bins, window.grow(1, 1))[used]
    number = 1 + max(max(at, n - 1 - at) for at, n in zip(centre, window.shape, strict=True))
    index = bins.within(window)
    y, x = bins.y[index] - window.y_0, bins.x[index] - window.x_0
    order, bin_rings = _by_rings(np.maximum(np.abs(y - centre[0]), np.abs(x - centre[1])), number)
    index, first = index[order], (y * (nx + 1) + x)[order]
    path = np.stack([first, first + 1, first + nx + 2, first + nx + 1, first])[:: int(sign)]
    needed = np.zeros((ny + 1, nx + 1), dtype=bool)
    needed.ravel()[path] = True
    border, border_energy, signs = _border(inside)
    needed.ravel()[border] = True
    # All corners of the nine pixels around a source.
    y_0, x_0 = inner.y_0 - window.y_0, inner.x_0 - window.x_0
    y_1, x_1 = y_0 + inner.shape[0] + 1, x_0 + inner.shape[1] + 1
    needed[y_0 - 1 : y_1 + 1, x_0 - 1 : x_1 + 1] = True
    # The corners of all pixels up to a ring are those up to the same ring.
    along_y, along_x = (
        np.maximum(at - np.arange(n), np.arange(n) - at - 1) for at, n in zip(centre, needed.shape, strict=True)
    )
    rings = np.maximum(along_y[:, None], along_x).ravel()
    corners = np.flatnonzero(needed)
    order, corner_rings = _by_rings(rings[corners], number)
    corners = corners[order]
    place = np.zeros(needed.size, dtype=np.intp)
    place[corners] = np.arange(corners.size)
    order, border_rings = _by_rings(rings[border].max(axis=0), number)
    out = PointWindow(
        window=window,
        inner=inner,
        centre=centre,
        bins=index,
        energy=bins.e[index] - used.start,
        bare=bins.bare[index] if bins.bare[index].any() else None,
        used=used,
        inside=np.ascontiguousarray(inside[:, 1:-1, 1:-1].transpose(1, 2, 0)),
        surrounded=bool(inside[:, y_0 : y_1 + 1, x_0 : x_1 + 1].all()),
        corners=np.ascontiguousarray(vectors[:, corners]),
        grid=place.reshape(needed.shape),
        pixels=place[path],
        corner_rings=corner_rings,
        bin_rings=bin_rings,
        border_rings=border_rings,
        border=place[border[:, order]],
        border_energy=border_energy[order],
        signs=sign * signs[order],
        step=step / _SURE,
        diagonal=diagonal * _SURE,
        sign=sign,
        sky=grid,
        lookups=lookups,
        exposure=exposure_of(ds, grid.frame, inner) if component.use_exposure else None,
        radii=radii,
        profiles=integrals_of(lookups, radii, lon[y_0:y_1, x_0:x_1], lat[y_0:y_1, x_0:x_1], component.use_edisp),
        common=common,
        use_edisp=component.use_edisp,
    )
    limits = [(float(part[y_0:y_1, x_0:x_1].min()), float(part[y_0:y_1, x_0:x_1].max())) for part in (lon, lat)]
    return replace(out, nearby=nearby_of(out.labels, *limits))


def _by_rings(rings: NDArray[np.int64], number: int) -> tuple[NDArray[np.intp], list[int]]:
    """Order by rings, and how many there are up to each of a number of rings."""
    order = np.argsort(rings, kind="stable")
    return order, rings[order].searchsorted(np.arange(number), side="right").tolist()


def _vectors(lon: Array, lat: Array) -> Array:
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _mask(bins: Bins, window: Window) -> NDArray[np.bool_]:
    """Return the mask on a window, gaps and what lies beyond the map included."""
    out = np.zeros((bins.inside.shape[0], *window.shape), dtype=bool)
    along_y, along_x, place_y, place_x = bins.slices(window)
    out[np.ix_(np.arange(len(out)), place_y, place_x)] = bins.inside[:, along_y, along_x]
    return out


def _sizes(points: NDArray[np.complex128]) -> tuple[float, float, float]:
    """Orientation of pixels, least distance of two rows or columns, largest one of two corners of a pixel.

    Corners (y + 1, x + 1), x + i y, lie on a plane that keeps distances from its centre, and stretches those across.
    """
    right, up = np.diff(points, axis=1), np.diff(points, axis=0)
    across = points[1:, 1:] - points[:-1, :-1], points[1:, :-1] - points[:-1, 1:]
    area = (right[:-1].conj() * up[:, :-1]).imag
    shrink = float(np.sinc(np.abs(points).max() / np.pi))
    step = shrink * min(float((np.abs(area) / np.abs(side)).min()) for side in (right[:-1], up[:, :-1]))
    diagonal = max(float(np.abs(part).max()) for part in (right, up, *across))
    return float(np.sign(area.sum())), step, diagonal


def _border(inside: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Edges of a mask (energy, y, x) on a window, given with a margin of one pixel.

    Returns
    -------
    corners : ndarray of int, shape (2, edge)
        Where each starts and stops among the corners of the window.
    energy : ndarray of int, shape (edge,)
        To which energy each belongs.
    sign : ndarray, shape (edge,)
        Whether it adds or takes away.
    """
    mask, nx = inside.astype(np.int8), inside.shape[2] - 2
    # A pixel counts its lower edge up and its upper edge down; of two neighbours inside both cancel.
    rows = mask[:, 1:, 1:-1] - mask[:, :-1, 1:-1]
    columns = mask[:, 1:-1, :-1] - mask[:, 1:-1, 1:]
    found = []
    for both, step in ((rows, 1), (columns, nx + 1)):
        energy, y, x = np.nonzero(both)
        start = y * (nx + 1) + x
        found.append(np.stack([start, start + step, energy, both[energy, y, x]]))
    edge = np.concatenate(found, axis=1)
    return edge[:2], edge[2], edge[3].astype(np.float64)
