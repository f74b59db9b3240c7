"""Source models on maps: compiled where they stand, and evaluated anew on their window where they move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.kernels import radial
from xgamma.kernels.sphere import rotation_slopes
from xgamma.likelihood.around import point_window
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.deep import Image
from xgamma.likelihood.lookup import Lookups
from xgamma.likelihood.parameters import Part
from xgamma.likelihood.placed import Placed, compiled, evaluated, place, somewhere, weights_of
from xgamma.likelihood.point import Place, PointCounts, PointWindow
from xgamma.likelihood.shape import ShapeWindow, shape_window
from xgamma.likelihood.source import Contribution, Fixed, Many, contribution, independent, moved_many, still_many
from xgamma.likelihood.spectrum import Linear, Spectrum, simplify
from xgamma.likelihood.stencils import Stencils, stencils
from xgamma.models import PointSpatialModel, SkyModel
from xgamma.predict.component import (
    components_with,
    directed,
    located,
    placed,
    turned,
    turns_of,
)
from xgamma.predict.plan import Plan, plan_of
from xgamma.predict.response import Payload, Responses
from xgamma.predict.window import Window, pixel_steps

__all__ = ["MapSource", "map_source"]

Array = NDArray[np.float64]

_POSITION = ("lon_0", "lat_0")
_NONE = np.zeros(0, dtype=np.intp)
_ONE = np.ones(1)


@dataclass(frozen=True)
class MapSource:
    """A source on a map.

    Attributes
    ----------
    name : str
        Name of the model.
    bins : Bins
        The bins of the dataset.
    energy_true : ndarray
        Centres of the true-energy bins in TeV.
    spectrum : Spectrum
        Flux in each true-energy bin.
    spatial : Part
        The spatial model.
    start : dict
        Values of its free parameters when it was compiled.
    items : list of Placed
        The components at these values.
    reduced : Spectrum or Linear
        The spectrum, as one number where no more is free.
    shape : ndarray or None
        What that number multiplies.
    fixed : Fixed
        Counts at these values.
    payload : Payload or None
        Arrays that are needed where it may move.
    lookups : Lookups or None
        The same for the responses.
    common : dict
        What all components of the model have in common.
    reach : float
        Reach of the PSF in deg.
    point : PointWindow or None
        Pixels around a point source that may move.
    window : ShapeWindow or None
        Those around an extended one whose shape may change.
    """

    name: str
    bins: Bins
    energy_true: Array
    spectrum: Spectrum
    spatial: Part
    start: dict[str, float]
    items: list[Placed]
    reduced: Spectrum | Linear
    shape: Array | None
    fixed: Fixed
    payload: Payload | None
    lookups: Lookups | None
    common: dict[str, Any]
    reach: float
    point: PointWindow | None = None
    window: ShapeWindow | None = None

    def at(self, x: Array, order: int = 0, free: NDArray[np.bool_] | None = None) -> Contribution:
        """Return the counts for a parameter vector, with derivatives up to an order.

        Those of position and shape are of first order at most, and taken only for the free places in the vector.
        """
        still = self.spatial.values(x) == self.start
        moving = bool(order) and any(free is None or free[own.slot] for own in self.spatial.free)
        if still and not moving:
            return contribution(self.fixed, self.reduced, x, order)
        home = self._place(x)
        if home is not None and not order:
            flux = self.spectrum(x) if self.shape is None else self.reduced(x) * self.shape
            fixed = self._at_place(home, flux[None])
            return Contribution(fixed, _ONE, still=False, home=True, bounded=bool(flux.min() >= 0))
        model = self.spatial.at(x)
        flux, jacobian, bends = self._flux(x, order)
        fluxes, unit = independent(np.array([flux, *jacobian, *(row for *_, row in bends)]))
        evaluate: Callable[[Any, Array], Fixed]
        shape = None if moving and self._may_move else self._shape(model)
        if shape is not None:
            evaluate = partial(self._shaped, shape)
        elif home is None:
            items = self.items if still else self._items(model)
            plans = self._plans(items) if order else None

            def evaluate(model: Any, fluxes: Array) -> Fixed:
                there = items if model is start else self._items(model, items)
                return evaluated(self.bins, there, self.energy_true, fluxes, plans)

        start = model
        moves: list[tuple[int, Array, float]] = []
        if home is None:
            fixed = evaluate(model, fluxes)
        elif moving:
            fixed, moves = self._moving(home, fluxes, x, free)
        else:
            fixed = self._at_place(home, fluxes)
        rows = [(own.slot, row) for own, row in zip(self.spectrum.free, unit[1:], strict=False)]
        pairs = [(i, j, row) for (i, j, _), row in zip(bends, unit[1 + len(jacobian) :], strict=True)]
        for slot, stencil in self._stencils(x, model, free) if moving and home is None else []:
            there = [(weight, evaluate(moved, fluxes[:1])) for weight, moved in stencil]
            column = np.sum([weight * part.matrix[:, 0] for weight, part in there], axis=0)
            moves.append((slot, column, float(sum(weight * part.total[0] for weight, part in there))))
        return Contribution(
            fixed,
            unit[0],
            slopes=rows if order else [],
            bends=pairs,
            moves=moves,
            still=False,
            home=home is not None or shape is not None,
            bounded=bool((fluxes[0] >= 0).all()),
        )

    def _flux(self, x: Array, order: int) -> tuple[Array, Array, list[tuple[int, int, Array]]]:
        """Flux in each true-energy bin with derivatives, see `Spectrum.expand`."""
        if self.shape is None:
            return (
                self.spectrum.expand(x, order) if order else (self.spectrum(x), np.zeros((0, self.spectrum.size)), [])
            )
        slopes = self.reduced.jacobian(x) if order else np.zeros((0, 1))
        return self.reduced(x) * self.shape, slopes * self.shape, []

    @property
    def shape_slots(self) -> tuple[int, ...]:
        """Places in the vector of what may move it."""
        return tuple(free.slot for free in self.spatial.free)

    def many(self, x: Array) -> Many:
        """Return the counts for vectors (point, parameter) of one place and shape."""
        if self.spatial.values(x[0]) == self.start:
            return still_many(self.fixed, self.reduced, x)
        home = self._place(x[0])
        if home is not None:
            return moved_many(partial(self._at_place, home), self.spectrum, x)
        model = self.spatial.at(x[0])
        shape = self._shape(model)
        if shape is not None:
            return moved_many(partial(self._shaped, shape, model), self.spectrum, x)
        items = self._items(model)
        return moved_many(partial(evaluated, self.bins, items, self.energy_true), self.spectrum, x)

    def images(self, x: Array, slopes: bool) -> list[tuple[int | None, Any, Array]]:
        """Return counts in all bins and their derivatives: (place in the vector or None, part of the map, counts)."""
        still, model = self.spatial.values(x) == self.start, self.spatial.at(x)
        items = self.items if still else self._items(model)
        plans = self._plans(items)
        slots: list[int | None] = [None]
        fluxes = [self.spectrum(x)]
        if slopes:
            slots += [free.slot for free in self.spectrum.free]
            fluxes += list(self.spectrum.jacobian(x))
        out: list[tuple[int | None, Any, Array]] = []
        for item, plan in zip(items, plans, strict=True):
            out += [(slot, *self._image(item, flux, plan)) for slot, flux in zip(slots, fluxes, strict=True)]
        for slot, stencil in self._stencils(x, model) if slopes else []:
            for weight, moved in stencil:
                for item, plan in zip(self._items(moved, items), plans, strict=True):
                    part, image = self._image(item, fluxes[0], plan)
                    out.append((slot, part, image * weight))
        return out

    def _image(self, item: Placed, flux: Array, plan: Plan) -> tuple[Any, Array]:
        along_y, along_x, place_y, place_x = self.bins.slices(item.window)
        image = item.counts(self.bins, self.energy_true, weights_of(flux[None], item.response.edisp), plan)
        return np.s_[:, along_y, along_x], image[:, place_y][:, :, place_x]

    def _stencils(self, x: Array, model: Any, free: NDArray[np.bool_] | None = None) -> Stencils:
        """Return models around one for derivatives, see `xgamma.likelihood.stencils.stencils`."""
        if not self.spatial.free:
            return []
        assert self.bins.grid is not None
        return stencils(self.spatial, min(pixel_steps(self.bins.grid, *self._labels(model))), x, model, free)

    def _labels(self, model: Any) -> tuple[float, float]:
        assert self.bins.grid is not None
        if model.position_lonlat is None:
            whole = self.bins.full
            return (whole.y_0 + whole.y_1 - 1) / 2, (whole.x_0 + whole.x_1 - 1) / 2
        return located(self.bins.grid, model, self.common["rotation"])

    def _lonlat(self, model: Any) -> tuple[float, float]:
        """Position in deg in the frame of the map."""
        return directed(model, self.common["rotation"])

    def _responses(self, lonlat: tuple[float, float]) -> tuple[Array, Array | None]:
        """Energy dispersion and profiles of the PSF at a position."""
        assert self.payload is not None and self.lookups is not None
        edisp = self.lookups.matrix(*lonlat) if self.common["use_edisp"] else None
        profiles = self.lookups.profiles(*lonlat) if self.common["use_psf"] else None
        return self.payload.edisp if edisp is None else edisp, profiles

    def _place(self, x: Array) -> Place | None:
        """Where a point source is; None where it has to be evaluated on a window of its own."""
        if self.point is None or not abs(self.spatial.value("lat_0", x)) <= 90:
            return None
        return self.point.place(*self._position(x))

    def _position(self, x: Array) -> tuple[float, float]:
        """Position in deg in the frame of the map."""
        lon, lat = (self.spatial.value(name, x) for name in _POSITION)
        return turned(lon, lat, self.common["rotation"])

    def _at_place(self, place: Place, fluxes: Array) -> Fixed:
        """Return counts of a point source for k fluxes."""
        assert self.point is not None
        return self._reached(self.point.counts(place, fluxes))

    def _moving(
        self, place: Place, fluxes: Array, x: Array, free: NDArray[np.bool_] | None
    ) -> tuple[Fixed, list[tuple[int, Array, float]]]:
        """Return what `_at_place` does, and the derivatives for the first flux by position."""
        assert self.point is not None
        found, *moved = self.point.moving(place, fluxes)
        fixed = self._reached(found)
        columns = np.concatenate([part.counts for part in moved]).T
        totals = np.concatenate([part.total for part in moved]) - columns[fixed.bare].sum(axis=0)
        # Of the direction in the frame of the map, with respect to that of the model.
        slopes = np.linalg.inv(rotation_slopes(*self._position(x), self.common["rotation"]))
        moves = []
        for own in self.spatial.free:
            if free is None or free[own.slot]:
                along = slopes[:, _POSITION.index(own.name)] * np.radians(own.factor)
                moves.append((own.slot, columns @ along, float(totals @ along)))
        return fixed, moves

    def _reached(self, found: PointCounts) -> Fixed:
        """Return counts in the bins that a point source reaches."""
        assert self.point is not None
        bare = _NONE if self.point.bare is None else np.flatnonzero(self.point.bare.take(found.reached))
        return self._fixed(self.point.bins.take(found.reached), found.counts.T, found.total, bare)

    @property
    def _may_move(self) -> bool:
        return any(free.name in _POSITION for free in self.spatial.free)

    def _shape(self, model: Any) -> Window | None:
        """Return the part that a shape takes of the window of an extended source; None where it needs a new one."""
        values = model.values
        if self.window is None or any(
            values.get(key) != self.start.get(key, values.get(key)) for key in ("lon_0", "lat_0")
        ):
            return None
        return self.window.shape(model)

    def _shaped(self, shape: Window, model: Any, fluxes: Array) -> Fixed:
        """Return counts of an extended source where it started, for k fluxes."""
        assert self.window is not None
        return self._fixed(self.window.bins, *self.window.counts(model, shape, fluxes), self.window.bare)

    def _fixed(self, reached: NDArray[np.intp], matrix: Array, total: Array, bare: NDArray[np.intp]) -> Fixed:
        """Return counts (bin, k) in some bins, of which those without background are bare."""
        none, energy = np.zeros((total.size, self.bins.inside.shape[0])), _NONE
        if bare.size:
            total, energy = total - matrix[bare].sum(axis=0), self.bins.e[reached[bare]]
        return Fixed(reached, matrix, total, none, bare, energy, none)

    @property
    def home(self) -> NDArray[np.intp] | None:
        """Indices of the bins that it reaches wherever it stands near its start, if these are known."""
        known = self.point or self.window
        return None if known is None else known.bins

    def sorted_by(self, place: NDArray[np.intp]) -> MapSource:
        """Return the same source with the bins of its window in the order of their places among others."""
        return self if self.window is None else replace(self, window=self.window.sorted_by(place))

    def _items(self, model: Any, like: list[Placed] | None = None) -> list[Placed]:
        """Components of a spatial model, on the windows of others that are given."""
        assert self.payload is not None and self.bins.grid is not None
        if model.radius_deg is None:
            # Emission of all the sky stays on its tiles.
            return [replace(item, component=replace(item.component, spatial=model)) for item in self.items]
        if like is None:
            common = {**self.common, "spatial": model}
            components = placed(self.bins.grid, self.bins.full, self.reach, common)
        else:
            y, x = self._labels(model)
            components = [
                replace(item.component, y=y, x=x + item.component.x - like[0].component.x, spatial=model)
                for item in like
            ]
        components = [component for component in components if component.target & self.bins.whole]
        if not components:
            return []
        edisp, profiles = self._responses(self._lonlat(model))
        return [place(self.payload.moved(component, edisp, profiles), self.bins.whole) for component in components]

    def _plans(self, items: list[Placed]) -> list[Plan]:
        assert self.bins.grid is not None
        out = []
        for item in items:
            profiles = item.response.profiles
            normalized = None if profiles is None else radial.normalize(profiles, item.response.rad)
            out.append(plan_of(item.component, normalized, item.response.rad))
        return out


def map_source(
    ds: xr.Dataset,
    bins: Bins,
    shared: Responses,
    model: SkyModel,
    spectrum: Spectrum,
    spatial: Part,
    x: Array,
    lookups: Lookups | None,
) -> tuple[MapSource, list[Image]]:
    """Compile a source on a map, with what all of them share; return its counts where it stands as well."""
    assert bins.grid is not None
    reduced, shape = simplify(spectrum, x)
    components = components_with(shared.axis, shared.reach, bins.grid, model)
    payloads = [Payload(shared, component) for component in components if component.target & bins.whole]
    items = [place(payload, bins.whole) for payload in payloads]
    centre = shared.energy_true
    fixed, images = compiled(bins, items, centre, None if shape is None else shape[None])
    payload, common = None, {}
    if spatial.free:
        # A source that starts outside of the map may come in.
        first = payloads[0] if payloads else Payload(shared, somewhere(bins, model, spectrum(x)))
        payload = first.moved(first.component, np.asarray(first.edisp, dtype=np.float64), None)
        payload.variable = xr.Variable(first.variable.dims, np.array(first.variable.values))
        keys = ("name", "flux", "rotation", "use_exposure", "use_psf", "use_edisp")
        common = {key: getattr(first.component, key) for key in keys}
    use_psf = bool(model.apply_irf.get("psf", True))
    point = None
    once = len(items) == 1 and len(turns_of(bins.grid)) == 1
    # An extended model of no width is a point only where it starts.
    stays = isinstance(model.spatial_model, PointSpatialModel) and items and items[0].response.profiles is not None
    if spatial.free and once and stays:
        assert lookups is not None
        point = point_window(ds, bins, items[0], lookups)
    source = MapSource(
        name=model.name,
        bins=bins,
        energy_true=centre,
        spectrum=spectrum,
        spatial=spatial,
        start=spatial.values(x),
        items=items,
        reduced=reduced,
        shape=shape,
        fixed=fixed,
        payload=payload,
        lookups=lookups if spatial.free else None,
        common=common,
        reach=shared.reach if use_psf else 0.0,
        point=point,
    )
    reshaped = any(free.name not in _POSITION for free in spatial.free)
    if reshaped and once and not items[0].component.is_point and items[0].component.lonlat is not None:
        source = replace(source, window=shape_window(bins, payloads[0], spatial.at(x), source.reach))
    return source, images
