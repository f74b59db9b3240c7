"""Sources that do not stand where their photons are: where a fit should rather begin with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xgamma.coords import SkyGrid
from xgamma.fit.newton import approach
from xgamma.fit.objective import Objective
from xgamma.fit.start import Start, scales_of
from xgamma.models import SkyModel
from xgamma.predict.component import located, rotation_between

__all__ = ["Movable", "doubts", "faint", "movable_of", "placed"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_FAINT = 5.0
"""Standard errors of its amplitude up to which a source may stand in the wrong place."""
_LIFTED = 3.0
"""The same, with which its width is found."""
_REACHES = (4, 8)
"""How far around a source is looked for a better place, in its widths: farther only if nothing is there."""
_GAINS, _NOTHING = (4.0, 9.0), 16.0
"""How much more the statistic has to fall there than nearer by, and by how much noise alone may let it fall."""
_ROUGHLY = 0.1
"""Expected decrease of the statistic that is near enough on the way."""


@dataclass(frozen=True)
class Movable:
    """A source with a free amplitude of its own and a free position.

    Attributes
    ----------
    name : str
        Name of the model.
    norm, lon, lat : int
        Places of these in the vector.
    """

    name: str
    norm: int
    lon: int
    lat: int


def movable_of(names: tuple[str, ...]) -> list[Movable]:
    """Return the sources that may move, given the names of the free parameters, ``model.parameter``."""
    place, scales = {name: i for i, name in enumerate(names)}, np.flatnonzero(scales_of(names))
    out = []
    for name, i in place.items():
        model, _, key = name.rpartition(".")
        norms = [int(j) for j in scales if names[j].rpartition(".")[0] == model]
        if key == "lon_0" and f"{model}.lat_0" in place and len(norms) == 1:
            out.append(Movable(model, norms[0], i, place[f"{model}.lat_0"]))
    return out


def faint(objective: Objective, sources: list[Movable], x: Array, stat: float, errors: Array) -> list[Movable]:
    """Return the sources that data do not demand.

    Parameters
    ----------
    objective : Objective
        The statistic.
    sources : list of Movable
        The sources.
    x : ndarray, shape (parameter,)
        Values.
    stat : float
        The statistic there.
    errors : ndarray, shape (parameter,)
        Standard errors of amplitudes that know of each other, and thus of sources that share a place.
    """
    out = []
    for source in sources:
        without = np.where(np.arange(x.size) == source.norm, 0.0, x)
        if not x[source.norm] > _FAINT * errors[source.norm] or objective.value(without) - stat < _FAINT**2:
            out.append(source)
    return out


def doubts(objective: Objective, x: Array, stat: float) -> tuple[list[str], bool]:
    """Say what is strange about the sources of a best fit, and whether one has left all maps.

    Parameters
    ----------
    objective : Objective
        The statistic.
    x : ndarray, shape (parameter,)
        The best fit.
    stat : float
        The statistic there.
    """
    likelihood, said, left = objective.likelihood, [], False
    sources = movable_of(objective.names)
    grids = [grid for grid in likelihood.grids if grid is not None]
    if sources and len(grids) == len(likelihood.grids):
        end = likelihood.models(x)
        for source in sources:
            if not any(_holds(grid, end[source.name]) for grid in grids):
                said.append(f"Source '{source.name}' is off the map, where nothing tells its position.")
                left |= any(_holds(grid, likelihood.models()[source.name]) for grid in grids)
    for source in sources:
        if x[source.norm] < 0:
            said.append(f"Source '{source.name}' takes counts away: its {objective.names[source.norm]} is below zero.")
            continue
        without = np.where(np.arange(x.size) == source.norm, 0.0, x)
        rise = float(objective.likelihood(without)) - stat
        if rise < _FAINT**2:
            said.append(
                f"Source '{source.name}' may be noise, and its position with it: without it the statistic is "
                f"{rise:.3g} higher."
            )
    return said, left


def _holds(grid: SkyGrid, model: SkyModel) -> bool:
    """Whether the centre of a model lies on a map."""
    spatial = model.spatial_model
    if spatial is None:
        return True
    y, x = located(grid, spatial, rotation_between(grid.frame, spatial.frame))
    return bool(np.abs(grid.y - y).min() <= 0.5 and np.abs(grid.x - x).min() <= 0.5)


def placed(objective: Objective, start: Start, most: Array, x: Array, lost: list[Movable]) -> Array:
    """Put sources that are faint where they stand where more of their photons may be.

    Parameters
    ----------
    objective : Objective
        The statistic.
    start : Start
        Where the fit began: a source is looked for around its place there.
    most : ndarray, shape (parameter,)
        The longest step of each parameter, see `xgamma.fit.newton.approach`.
    x : ndarray, shape (parameter,)
        Values, of which others than those of these sources are kept.
    lost : list of Movable
        The sources.

    Returns
    -------
    ndarray
        The values, with all amplitudes and norms near their best.
    """
    names, bounds = objective.names, (start.scale, start.lower, start.upper)
    own = {source.name for source in lost}
    theirs = np.array([name.rpartition(".")[0] in own for name in names], dtype=bool)
    norms = scales_of(names)
    x = np.where(theirs, start.x, x)
    # Without them, as long as all others settle.
    for source in lost:
        x[source.norm] = _none(source, start)
    if not theirs.all():
        x, _ = approach(objective, x, most, *bounds, ~theirs, near=_ROUGHLY)
    for source in lost:
        better = _better(objective, source, start, x)
        if better is not None:
            x, _ = approach(objective, better, most, *bounds, norms & (better != 0), near=_ROUGHLY)
    return approach(objective, x, most, *bounds, norms, near=_ROUGHLY)[0]


def _none(source: Movable, start: Start) -> float:
    """Return the amplitude next to zero that limits allow."""
    return float(np.clip(0.0, start.lower[source.norm], start.upper[source.norm]))


def _better(objective: Objective, source: Movable, start: Start, x: Array) -> Array | None:
    """Look for a better place of a source.

    On a grid around it, as coarse as the source is wide, the statistic is expanded about no amplitude at all. Its slope
    and curvature along the amplitude tell by how much it would fall with the source there (a score test).

    Parameters
    ----------
    objective : Objective
        The statistic.
    source : Movable
        The source.
    start : Start
        With the limits.
    x : ndarray, shape (parameter,)
        Values, without amplitude of the source.

    Returns
    -------
    ndarray or None
        The values with the source at the best place of the grid, and the amplitude that it seems to have there; None
        if that is no better.

    Notes
    -----
    The width of a source, PSF included, is the ratio of the errors of its position and of its relative amplitude: both
    come from the same curvatures, and for a faint Gaussian it is 1.4 times the standard deviation.
    """
    widths = _widths(objective, source, start, x)
    if widths is None:
        return None

    def gain(i: int, j: int) -> tuple[float, Array]:
        there = x.copy()
        there[source.lon] += j * widths[0]
        there[source.lat] += i * widths[1]
        if (there < start.lower).any() or (there > start.upper).any():
            return 0.0, x
        slope, bend = _along(objective, source, there)
        if not slope < 0 < bend:
            return 0.0, x
        there[source.norm] = min(there[source.norm] - slope / bend, start.upper[source.norm])
        return slope**2 / (2 * bend), there

    here = best = gain(0, 0)
    last = 0
    for reach, more in zip(_REACHES, _GAINS, strict=True):
        steps = range(-reach, reach + 1)
        ring = [gain(i, j) for i in steps for j in steps if last**2 < i**2 + j**2 <= reach**2]
        found, last = max(ring, key=lambda one: one[0]), reach
        best = found if found[0] > best[0] + more else best
        if max(found[0], best[0]) > _NOTHING:
            break
    return None if best is here else best[1]


def _along(objective: Objective, source: Movable, x: Array) -> tuple[float, float]:
    """Return slope and curvature of the statistic along the amplitude of a source."""
    norm = np.zeros(x.size, dtype=bool)
    norm[source.norm] = True
    found = objective.expand(x, norm)
    return found.gradient[source.norm], found.hessian[source.norm, source.norm]


def _widths(objective: Objective, source: Movable, start: Start, x: Array) -> tuple[float, float] | None:
    """Return the width of a source along longitude and latitude; None if data tell nothing of it."""
    bend = _along(objective, source, x)[1]
    if not bend > 0:
        return None
    x, i = x.copy(), source.norm
    x[i] = np.clip(_LIFTED * np.sqrt(2 / bend), start.lower[i], start.upper[i])
    free = np.zeros(x.size, dtype=bool)
    free[[i, source.lon, source.lat]] = True
    bends = np.diag(objective.expand(x, free).hessian)[[i, source.lon, source.lat]]
    if not (bends > 0).all():
        return None
    lon, lat = x[i] * np.sqrt(bends[0] / bends[1:])
    return float(lon), float(lat)
