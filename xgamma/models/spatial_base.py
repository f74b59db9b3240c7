"""What all spatial models can do: frame, position and values on the sky."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from xgamma.models.base import Declared, ModelBase
from xgamma.models.units import array, energies

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FRAMES", "SR", "PositionedSpatialModel", "SpatialModel"]

SR = u.Unit("sr-1")
FRAMES = ("icrs", "galactic", "fk5")
"""The frames that positions may be in."""


class SpatialModel(ModelBase):
    """Base of the spatial models.

    Parameters
    ----------
    frame : {"icrs", "galactic", "fk5"}
        The frame of longitudes and latitudes. Assigning it later leaves their numbers as they are.
    **values : float, str, Quantity or Parameter
        Values of the parameters.

    Raises
    ------
    ValueError
        If the frame or a parameter is not possible.
    """

    kind: ClassVar[str] = "spatial"
    has_means: ClassVar[bool] = False
    """Whether `means` has a formula."""
    # A pure function of plain arrays: lon, lat and energy by position, parameters by name.
    _evaluate: Callable[..., np.ndarray]
    # The outline as a region of the package regions, which takes keywords for it.
    to_region: Callable[..., Any]

    def __init__(self, frame: str = "icrs", **values: Any) -> None:
        super().__init__(**values)
        self.frame = frame

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> Self:
        return cls(frame=data.get("frame", "icrs"))

    @property
    def frame(self) -> str:
        """The frame of longitudes and latitudes."""
        return self._frame

    @frame.setter
    def frame(self, frame: str) -> None:
        if frame not in FRAMES:
            raise ValueError(f"frame of {type(self).__name__} must be one of {', '.join(FRAMES)}, not {frame!r}")
        self._frame = frame

    @property
    def unit(self) -> u.UnitBase:
        """The unit of what `evaluate_lonlat` returns."""
        return SR

    @property
    def _known_unit(self) -> u.UnitBase | None:
        """The unit if it is known without reading a file."""
        return self.unit

    @property
    def is_energy_dependent(self) -> bool:
        """Whether the model needs an energy to be evaluated."""
        return False

    @property
    def position_lonlat(self) -> Any:
        """Longitude and latitude of the centre in degrees, in `frame`; None without a centre."""
        return None

    @property
    def position(self) -> Any:
        """The centre, a SkyCoord or None. A position in another frame is converted when assigned."""
        return None

    @property
    def radius_deg(self) -> float | None:
        """The `evaluation_radius` in degrees."""
        return None

    @property
    def scale_deg(self) -> float:
        """The `scale` in degrees."""
        return 180.0

    @property
    def spread_deg(self) -> float:
        """Root mean square of the distance from the centre along the major axis, in degrees; inf for the whole sky."""
        # That of a uniform disk.
        return np.inf if self.radius_deg is None else self.radius_deg / 2

    @property
    def evaluation_radius(self) -> u.Quantity | None:
        """Angle from the centre beyond which the model is zero or negligible, None for the whole sky."""
        radius = self.radius_deg
        return None if radius is None else u.Quantity(radius, "deg")

    @property
    def scale(self) -> u.Quantity:
        """The smallest angle on which the model changes; to integrate it take steps that are smaller."""
        return u.Quantity(self.scale_deg, "deg")

    def evaluate_lonlat(self, lon: Any, lat: Any, energy: Any = None, **values: Any) -> np.ndarray:
        """Return the values of the model.

        Parameters
        ----------
        lon, lat : array_like
            Directions in degrees, in `frame`, broadcast against each other.
        energy : array_like, optional
            Energies in TeV, broadcast against the directions; only models with `is_energy_dependent` need them.
        **values : array_like
            Values of parameters in place of the current ones, in the units of `values`.

        Returns
        -------
        ndarray
            In `unit`.

        Raises
        ------
        ValueError
            If there is no such parameter, or an energy is needed and missing.
        TypeError
            If the model has no value at a direction, as a point source.
        """
        if self.is_energy_dependent and energy is None:
            raise ValueError(f"{type(self).__name__} depends on energy; evaluate it with an energy")
        lon, lat = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)
        return self._evaluate(lon, lat, energy, **self._merge(values))

    def means(self, lon: Any, lat: Any) -> np.ndarray:
        """Return the means of the model over the cells of a mesh, free of the size of the cells.

        Parameters
        ----------
        lon, lat : array_like, shape (row, column)
            Directions of the nodes in degrees, in `frame`.

        Returns
        -------
        ndarray, shape (row - 1, column - 1)
            In `unit`; nan where a node is.

        Raises
        ------
        TypeError
            If the model has no formula for it, as all but shells: see `has_means`.
        """
        raise TypeError(f"{type(self).__name__} has no formula for means over cells; take values at points")

    def evaluate(self, lon: Any, lat: Any, energy: Any = None) -> u.Quantity:
        """Return the values of the model.

        Parameters
        ----------
        lon, lat : Quantity or str
            Directions in `frame`, broadcast against each other.
        energy : Quantity or str, optional
            Energies, broadcast against the directions.

        Returns
        -------
        Quantity
            In `unit`.

        Raises
        ------
        ValueError
            If a unit is wrong, or an energy is needed and missing.
        TypeError
            If the model has no value at a direction, as a point source.
        """
        degrees = array(lon, u.deg, "lon"), array(lat, u.deg, "lat")
        values = self.evaluate_lonlat(*degrees, None if energy is None else energies(energy))
        return u.Quantity(values, self.unit)

    def __call__(self, lon: Any, lat: Any, energy: Any = None) -> u.Quantity:
        """Return the values of the model, as `evaluate` does."""
        return self.evaluate(lon, lat, energy)

    def evaluate_geom(self, geom: Any, energy: Any = None) -> xr.DataArray:
        """Return the mean of the model over each pixel of a map, see `xgamma.models.on_grid.evaluate_geom`."""
        from xgamma.models.on_grid import evaluate_geom

        return evaluate_geom(self, geom, energy)

    def plot(self, ax: Any = None, geom: Any = None, *, energy: Any = None, **options: Any) -> Any:
        """Draw the model on the sky.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes with the WCS of `geom`: made anew if left out, in a new figure.
        geom : DataArray, Dataset, Geom or SkyGrid, optional
            What has the pixels, such as ``ds.counts``; by default a map about the model that holds all of it.
        energy : Quantity or str, optional
            One energy; only models that depend on energy need it.
        **options
            As for `xgamma.plot.plot`: ``colorbar``, ``cmap``, ``norm`` and what else ``imshow`` takes.

        Returns
        -------
        Axes

        Raises
        ------
        ValueError
            As for `evaluate_geom`, or if there is neither `geom` nor a position.
        """
        from xgamma.models.on_grid import plot_spatial

        return plot_spatial(self, ax, geom, energy, options)

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return the model as it is written to YAML.

        Parameters
        ----------
        full_output : bool
            Also write what equals the default.
        """
        return {
            "type": self.tag[0],
            "frame": self.frame,
            "parameters": self.parameters_to_list(full_output),
        }


class PositionedSpatialModel(SpatialModel):
    """Base of the spatial models with a centre."""

    lon_0 = Declared(0.0, "deg")
    lat_0 = Declared(0.0, "deg", min=-90.0, max=90.0)

    @property
    def position_lonlat(self) -> tuple[float, float]:
        """Longitude and latitude of the centre in degrees, in `frame`."""
        lon, lat = self._parameters["lon_0"].canonical_value, self._parameters["lat_0"].canonical_value
        if abs(lat) > 90:
            raise ValueError(f"lat_0 of {type(self).__name__} is {lat:.6g} deg: a latitude lies within -90 and 90 deg")
        return lon, lat

    @property
    def position(self) -> SkyCoord:
        """The centre. A position in another frame is converted when assigned."""
        return SkyCoord(*self.position_lonlat, unit="deg", frame=self.frame)

    @position.setter
    def position(self, position: SkyCoord) -> None:
        self._check_unlocked()
        if not isinstance(position, SkyCoord) or not position.isscalar:
            raise ValueError(f"position of {type(self).__name__} must be one SkyCoord, not {position!r}")
        new = position.transform_to(self.frame).spherical
        for name, angle in (("lon_0", new.lon), ("lat_0", new.lat)):
            parameter = self._parameters[name]
            parameter.value = angle.to_value(parameter.unit)
