"""Spatial models that are maps in files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from astropy import units as u

from xgamma.models.base import Declared
from xgamma.models.spatial_base import SR, PositionedSpatialModel
from xgamma.models.sphere import separation
from xgamma.models.template_map import TemplateMap, read_template
from xgamma.models.units import unit_of, unit_text

if TYPE_CHECKING:
    from regions import SkyRegion

__all__ = ["TemplateSpatialModel"]

BRIGHTNESS = u.Unit("TeV-1 s-1 cm-2 sr-1")
"""Unit in which maps of surface brightness are evaluated."""


class TemplateSpatialModel(PositionedSpatialModel):
    """A map in a FITS file, on the sky or on the sky and energy.

    Between pixels it is linear, between energies a power law, and outside of the map it is zero. Its position is
    the middle of the map; another one moves the map in longitude and latitude, which is right for small steps.

    Parameters
    ----------
    filename : str or path
        The file; variables such as ``$GAMMAPY_DATA`` are expanded, and written as given.
    normalize : bool
        Whether to scale the map, each plane of a cube for itself, to an integral of 1 over the sky.
    unit : str or Unit, optional
        Unit of the map, in place of that in the file. Without either, an image is in sr-1 and a cube in
        MeV-1 s-1 cm-2 sr-1, as those of Fermi-LAT.
    **values : float, str, Quantity or Parameter
        Values of the parameters.

    Raises
    ------
    ValueError
        If the file cannot be read or is not such a map; the message names it.
    """

    tag = ("TemplateSpatialModel", "template")
    lon_0 = Declared(0.0, "deg", frozen=True)
    lat_0 = Declared(0.0, "deg", min=-90.0, max=90.0, frozen=True)

    def __init__(self, filename: Any, normalize: bool = True, unit: Any = None, **values: Any) -> None:
        self._prepare(filename, normalize, unit, values)
        self._load("TemplateSpatialModel")
        self._centre(values)

    def _prepare(self, filename: Any, normalize: bool, unit: Any, values: dict[str, Any]) -> None:
        """Set everything that does not need the file."""
        if not isinstance(normalize, bool):
            raise ValueError(f"normalize of TemplateSpatialModel must be True or False, not {normalize!r}")
        super().__init__(**values)
        self._filename = str(filename)
        self._normalize = normalize
        self._given_unit = None if unit is None else unit_of(unit, "TemplateSpatialModel")
        self._map: TemplateMap | None = None

    def _centre(self, values: Any) -> None:
        """Put the model in the middle of the map, unless it has a position."""
        lon, lat = self.map.centre
        self._frame = self.map.grid.frame
        for name, value in (("lon_0", lon), ("lat_0", lat)):
            if name not in values:
                self._parameters[name].value = value

    @classmethod
    def read(cls, filename: Any, normalize: bool = True, **kwargs: Any) -> Self:
        """Return the model of a map, as the constructor does."""
        return cls(filename, normalize=normalize, **kwargs)

    def _load(self, what: str) -> None:
        if self._map is not None:
            return
        try:
            template = read_template(self._filename, self._unit_to_read)
            if not self._normalize:
                _factor(template.unit)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from error
        # Not a change of the model: the file is part of it, and only read late.
        object.__setattr__(self, "_map", template.normalised() if self._normalize else template)

    @property
    def _unit_to_read(self) -> u.UnitBase | None:
        # A normalised map is written with the unit that it has then, which says nothing about the file.
        return None if self._normalize and self._given_unit == SR else self._given_unit

    @property
    def map(self) -> TemplateMap:
        """The map."""
        self._load("TemplateSpatialModel")
        assert self._map is not None
        return self._map

    @property
    def filename(self) -> str:
        """The file, as given."""
        return self._filename

    @property
    def normalize(self) -> bool:
        """Whether the map is scaled to an integral of 1 over the sky."""
        return self._normalize

    @property
    def unit(self) -> u.UnitBase:
        """The unit of what `evaluate_lonlat` returns, sr-1 or TeV-1 s-1 cm-2 sr-1."""
        return _factor(self.map.unit)[0]

    @property
    def _known_unit(self) -> u.UnitBase | None:
        return SR if self._normalize else None if self._map is None else self.unit

    @property
    def is_energy_dependent(self) -> bool:
        """Whether the map has an energy axis."""
        return self.map.energy is not None

    @property
    def radius_deg(self) -> float | None:
        """Distance of the farthest point of the map from its position, None beyond 90 deg."""
        lon, lat = self.map.corners()
        radius = np.degrees(np.max(separation(lon, lat, *self.map.centre)))
        # Points off the projection are those of a map of the whole sky.
        return radius if radius < 90 else None

    @property
    def scale_deg(self) -> float:
        """The size of a pixel."""
        return self.map.pixel

    def _evaluate(self, lon: np.ndarray, lat: np.ndarray, energy: Any, *, lon_0: Any, lat_0: Any) -> np.ndarray:
        centre_lon, centre_lat = self.map.centre
        step = np.mod(lon_0 - centre_lon + 180, 360) - 180
        values = self.map.evaluate(lon - step, lat - (lat_0 - centre_lat), energy)
        return values * _factor(self.map.unit)[1]

    def to_region(self, **kwargs: Any) -> SkyRegion:
        """Return the outline of the map as a polygon; keywords are passed to it."""
        from astropy.coordinates import SkyCoord
        from regions import PolygonSkyRegion

        grid = self.map.grid
        (bottom, top), (left, right) = ((labels[0] - 0.5, labels[-1] + 0.5) for labels in (grid.y, grid.x))
        lon, lat = grid.labels_to_lonlat(np.array([bottom, bottom, top, top]), np.array([left, right, right, left]))
        return PolygonSkyRegion(SkyCoord(lon, lat, unit="deg", frame=grid.frame), **kwargs)

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return the model as it is written to YAML.

        Parameters
        ----------
        full_output : bool
            Also write what equals the default.
        """
        unit = self._given_unit if self._map is None else self._map.unit
        return {
            **super().to_dict(full_output),
            "filename": self._filename,
            "normalize": self._normalize,
            **({} if unit is None else {"unit": unit_text(unit)}),
        }

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> Self:
        if not isinstance(data.get("filename"), str):
            raise ValueError("TemplateSpatialModel needs 'filename', the file of its map")
        unit = str(data["unit"]) if data.get("unit") is not None else None
        normalize = data.get("normalize", True)
        model = cls.__new__(cls)
        entries = data.get("parameters") or []
        written = {entry.get("name") for entry in entries if isinstance(entry, dict)}
        model._prepare(data["filename"], normalize, unit, {})
        if {"lon_0", "lat_0"} <= written and "frame" in data:
            # Complete without the file, which may be on another machine.
            model.frame = data["frame"]
        else:
            model._load("TemplateSpatialModel")
            model._centre(())
        return model


def _factor(unit: u.UnitBase) -> tuple[u.UnitBase, float]:
    """Return the unit in which a map is evaluated, and what converts to it."""
    for target in (SR, BRIGHTNESS):
        if unit.is_equivalent(target):
            return target, float(unit.to(target))
    raise ValueError(
        f"the map is in {unit_text(unit) or 'no unit'!r}, and a template must be in {unit_text(SR)!r} or like "
        f"{unit_text(BRIGHTNESS)!r}; give its unit"
    )
