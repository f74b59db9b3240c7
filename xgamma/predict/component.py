"""What a prediction needs to know of a source model: numbers, free of the model's later changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords import Axis, SkyGrid
from xgamma.kernels.sphere import rotate
from xgamma.predict.window import Window, around, pixel_steps

if TYPE_CHECKING:
    from xgamma.models import SkyModel

__all__ = [
    "TILE",
    "Component",
    "components_of",
    "components_with",
    "directed",
    "flux_of",
    "located",
    "placed",
    "rotation_between",
    "turned",
    "turns_of",
]

TILE = 256
"""Size in pixels of the tiles into which models of all the sky are cut, to bound the memory of one of them."""

_FROM_POLE = 1e-6
"""Distance in deg that sources keep from a pole."""


@dataclass(frozen=True)
class Component:
    """A source model, or a tile of one, on the grid of a dataset.

    Attributes
    ----------
    name : str
        Name of the model.
    flux : ndarray, shape (energy_true,)
        Integral over each true-energy bin in cm-2 s-1, or in TeV where the spatial model has the unit of a flux.
    spatial : SpatialModel or None
        A copy of the spatial model; None for a model without one.
    lonlat : tuple of float or None
        Where the responses are taken, in deg in the frame of the map; None for the centre of their maps.
    y, x : float
        Labels of the position, or of the middle of the tile.
    steps : tuple of float
        Distances in deg between rows and columns there.
    source : Window
        Pixels on which the model does not vanish, before the PSF.
    target : Window
        Pixels on which it predicts counts.
    rotation : ndarray, shape (3, 3)
        From the frame of the map to that of the spatial model.
    use_exposure, use_psf, use_edisp : bool
        Which responses apply.
    """

    name: str
    flux: NDArray[np.float64]
    spatial: Any
    lonlat: tuple[float, float] | None
    y: float
    x: float
    steps: tuple[float, float]
    source: Window
    target: Window
    rotation: NDArray[np.float64]
    use_exposure: bool = True
    use_psf: bool = True
    use_edisp: bool = True

    @property
    def is_point(self) -> bool:
        """Whether the model is a point on the sky."""
        return self.spatial is not None and self.spatial.radius_deg == 0


@lru_cache(maxsize=16)
def rotation_between(frame_from: str, frame_to: str) -> NDArray[np.float64]:
    """Read-only matrix that takes Cartesian unit vectors from one celestial frame to another."""
    from astropy.coordinates import SkyCoord

    axes = SkyCoord([0, 90, 0], [0, 0, 90], unit="deg", frame=frame_from).transform_to(frame_to)
    matrix = np.eye(3) if frame_from == frame_to else np.array(axes.cartesian.xyz.value)
    matrix.flags.writeable = False
    return matrix


def psf_reach(ds: xr.Dataset) -> float:
    """Radius in deg beyond which the PSF vanishes."""
    return float(Axis.from_dataset(ds["psf"], "rad").to("deg").center[-1]) if "psf" in ds else 0.0


def flux_of(model: SkyModel, axis: Axis) -> NDArray[np.float64]:
    """Integral of the spectrum over each true-energy bin, energies in TeV."""
    true = axis if axis.unit == "TeV" else axis.to("TeV")
    return np.asarray(model.spectral_model.integrate_array(true.lower, true.upper), dtype=np.float64)


def components_of(ds: xr.Dataset, grid: SkyGrid, models: list[SkyModel]) -> list[Component]:
    """Resolve source models against the grid of a dataset.

    Parameters
    ----------
    ds : Dataset
        With ``exposure``; only coordinates are read.
    grid : SkyGrid
        Grid of the counts, with ascending labels.
    models : list of SkyModel
        Models that apply to the dataset.

    Returns
    -------
    list of Component
        Those that reach the map; a model of all the sky gives one for each tile.

    Raises
    ------
    ValueError
        If a model has no spatial model.
    """
    axis, reach = Axis.from_dataset(ds["exposure"], "energy_true").to("TeV"), psf_reach(ds)
    return [component for model in models for component in components_with(axis, reach, grid, model)]


def components_with(axis: Axis, reach: float, grid: SkyGrid, model: SkyModel) -> list[Component]:
    """Return what `components_of` does for one model, given true energies in TeV and the reach of the PSF in deg."""
    spatial = model.spatial_model
    if spatial is None:
        raise ValueError(
            f"Model '{model.name}' has no spatial model: a map needs one, such as PointSpatialModel or "
            "ConstantSpatialModel."
        )
    irf = {f"use_{key}": bool(model.apply_irf.get(key, True)) for key in ("exposure", "psf", "edisp")}
    common = {
        "name": model.name,
        "flux": flux_of(model, axis),
        "spatial": spatial.copy(),
        "rotation": rotation_between(grid.frame, spatial.frame),
        **irf,
    }
    components = _tiles if spatial.radius_deg is None else placed
    return components(grid, Window.of(grid.y, grid.x), reach if irf["use_psf"] else 0.0, common)


def placed(grid: SkyGrid, whole: Window, reach: float, common: dict[str, Any]) -> list[Component]:
    """Components of a model with a centre, one for each turn of a map around the sky that shows it.

    Parameters
    ----------
    grid : SkyGrid
        Grid of the counts.
    whole : Window
        All its pixels.
    reach : float
        Of the PSF in deg.
    common : dict
        The other attributes of the components.

    Returns
    -------
    list of Component
        Empty where the model does not reach the map.

    Raises
    ------
    ValueError
        If an extended model goes all around a pole of a cylindrical map.
    """
    spatial = common["spatial"]
    lonlat = directed(spatial, common["rotation"])
    y, x = (float(v) for v in grid.lonlat_to_labels(*map(np.array, lonlat)))
    if not (np.isfinite(y) and np.isfinite(x)):
        return []
    radius = spatial.radius_deg
    latitude = _native_latitude(grid, y)
    if latitude is not None and abs(latitude) > 90 - _FROM_POLE:
        # At the pole itself directions of rows and columns are undefined.
        shift = abs(latitude) - 90 + _FROM_POLE
        y -= np.copysign(shift, latitude) / float(grid.keywords["CDELT2"])
    steps = pixel_steps(grid, y, x)
    wide = steps
    if latitude is not None and radius + reach > 0:
        over_pole = abs(latitude) + radius + reach >= 90
        distance = 90 - abs(latitude)
        if over_pole and radius > 0 and distance < max(2 * abs(float(grid.keywords["CDELT2"])), radius / 2):
            raise ValueError(
                f"Model {common['name']!r} lies {distance:.2f} deg from a pole of the map, around which pixels of CAR "
                "are slivers that an extended model cannot be convolved on: predict it on a map about the pole, in TAN."
            )
        if over_pole and radius == 0:
            target = around(y, x, (steps[0], np.inf), reach)
            target = Window(target.y_0, target.y_1, whole.x_0, whole.x_1)
            source = around(y, x, steps, 0.0)
            return [Component(lonlat=lonlat, y=y, x=x, steps=steps, source=source, target=target, **common)]
        if not over_pole:
            # Meridians converge: a circle is widest beyond the parallel of its centre.
            widest = np.arcsin(np.sin(np.radians(radius + reach)) / np.cos(np.radians(latitude)))
            wide = steps[0], min(steps[1], (radius + reach) * np.radians(abs(float(grid.keywords["CDELT1"]))) / widest)
    out = []
    for turned in turns_of(grid):
        target = around(y, x + turned, wide, radius + reach)
        if target & whole:
            source = around(y, x + turned, wide, radius)
            out.append(Component(lonlat=lonlat, y=y, x=x + turned, steps=steps, source=source, target=target, **common))
    return out


def _native_latitude(grid: SkyGrid, y: float) -> float | None:
    """Latitude in deg of a row of a cylinder that may hold a pole; None for other projections."""
    keys = grid.keywords
    if grid.proj != "CAR" or any(float(keys.get(key, 0.0)) for key in ("PC1_2", "PC2_1")):
        return None
    return float(keys["CDELT2"]) * (y + 1 - float(keys["CRPIX2"]))


def located(grid: SkyGrid, spatial: Any, rotation: NDArray[np.float64]) -> tuple[float, float]:
    """Labels of the centre of a model, given the matrix from the frame of the grid to that of the model."""
    y, x = grid.lonlat_to_labels(*map(np.array, directed(spatial, rotation)))
    return float(y), float(x)


def directed(spatial: Any, rotation: NDArray[np.float64]) -> tuple[float, float]:
    """Direction of the centre of a model in deg in the frame of the grid, arguments as for `located`."""
    lon, lat = spatial.position_lonlat
    return turned(lon, lat, rotation)


def turned(lon: float, lat: float, rotation: NDArray[np.float64]) -> tuple[float, float]:
    """Direction in deg in the frame of the grid, given one in that of a model; rotations lead from grid to model."""
    if rotation[0, 0] == rotation[1, 1] == rotation[2, 2] == 1:
        return float(lon) % 360.0, float(lat)
    there = rotate(np.array(lon, dtype=np.float64), np.array(lat, dtype=np.float64), rotation.T)
    return float(there[0]), float(there[1])


def _tiles(grid: SkyGrid, whole: Window, reach: float, common: dict[str, Any]) -> list[Component]:
    """One component for each tile of the map; tiles lie at the same pixels wherever the map was cut."""
    out = []
    for row in range(whole.y_0 // TILE, (whole.y_1 - 1) // TILE + 1):
        for column in range(whole.x_0 // TILE, (whole.x_1 - 1) // TILE + 1):
            tile = Window(row * TILE, (row + 1) * TILE, column * TILE, (column + 1) * TILE)
            middle = _middle(grid, tile & whole)
            if middle is None:
                continue
            y, x = middle
            steps = pixel_steps(grid, y, x)
            near = around(y, x, steps, reach)
            margin = (near.shape[0] + 1) // 2, (near.shape[1] + 1) // 2
            out.append(Component(lonlat=None, y=y, x=x, steps=steps, source=tile.grow(*margin), target=tile, **common))
    return out


def _middle(grid: SkyGrid, part: Window) -> tuple[float, float] | None:
    """Labels of the place on the sky that is nearest to the middle of a window, None if it is off the projection."""
    y, x = (part.y_0 + part.y_1 - 1) / 2, (part.x_0 + part.x_1 - 1) / 2
    steps = np.linspace(-0.5, 0.5, 9)
    rows, columns = (v.ravel() for v in np.meshgrid(steps * part.shape[0], steps * part.shape[1], indexing="ij"))
    on_sky = np.flatnonzero(np.isfinite(grid.labels_to_lonlat(y + rows, x + columns)).all(axis=0))
    if on_sky.size == 0:
        return None
    best = on_sky[np.argmin(np.hypot(rows[on_sky], columns[on_sky]))]
    return float(y + rows[best]), float(x + columns[best])


def turns_of(grid: SkyGrid) -> tuple[int, ...]:
    """Shifts in pixels under which a map around the whole sky shows the same directions again."""
    turn = 360 / abs(float(grid.keywords["CDELT1"]))
    around_sky = grid.proj == "CAR" and grid.x.max() - grid.x.min() > 0.5 * turn and round(turn) == turn
    return (0, -int(turn), int(turn)) if around_sky else (0,)
