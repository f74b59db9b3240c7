"""Sky models: a spectrum with a shape."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from astropy import units as u
from astropy.coordinates import SkyCoord

from xgamma.models.base import ModelBase
from xgamma.models.component import Component, checked_name, checked_names, checked_part
from xgamma.models.describe import describe, describe_html
from xgamma.models.registry import SPATIAL_MODELS, SPECTRAL_MODELS, find
from xgamma.models.spatial_base import SpatialModel
from xgamma.models.spectral_base import SpectralModel
from xgamma.models.units import FLUX, array, energies, unit_text

__all__ = ["SkyModel"]

T = TypeVar("T", bound=ModelBase)
IRFS = ("exposure", "psf", "edisp")


class SkyModel(Component):
    """A source: a spectral model, and a spatial model for maps.

    Parameters
    ----------
    spectral_model : SpectralModel
        The spectrum.
    spatial_model : SpatialModel, optional
        The shape; a spectrum dataset needs none.
    name : str, optional
        Its name; without one it gets a random name.
    apply_irf : mapping, optional
        Which of "exposure", "psf" and "edisp" predictions apply, all if left out.
    datasets_names : str or sequence of str, optional
        The datasets that have this source, all if left out.

    Raises
    ------
    ValueError
        If a part is not a model, the parts do not make a flux together, or a name is not text.
    """

    tag = ("SkyModel", "sky-model")

    def __init__(
        self,
        spectral_model: SpectralModel,
        spatial_model: SpatialModel | None = None,
        name: str | None = None,
        apply_irf: Mapping[str, bool] | None = None,
        datasets_names: str | Iterable[str] | None = None,
    ) -> None:
        self._name = checked_name(uuid.uuid4().hex[:8] if name is None else name)
        self._spectral_model = checked_part(spectral_model, SpectralModel, f"spectral_model of {self.name!r}")
        self.spatial_model = spatial_model
        self.apply_irf = apply_irf or {}
        self.datasets_names = datasets_names

    @classmethod
    def create(cls, spectral_model: str, spatial_model: str | None = None, **kwargs: Any) -> SkyModel:
        """Create a model from tags, with default parameters.

        Parameters
        ----------
        spectral_model : str
            Name or tag of the spectral model, "pl".
        spatial_model : str, optional
            Name or tag of the spatial model, "point".
        **kwargs
            Passed to `SkyModel`: ``name``, ``datasets_names``, ``apply_irf``.

        Returns
        -------
        SkyModel

        Raises
        ------
        ValueError
            If there is no model with that tag, or it has no defaults, as a template.
        """
        spectral = _default(find(SPECTRAL_MODELS, spectral_model, "spectral model"))
        if spatial_model is None:
            return cls(spectral, **kwargs)
        return cls(spectral, _default(find(SPATIAL_MODELS, spatial_model, "spatial model")), **kwargs)

    @property
    def spectral_model(self) -> SpectralModel:
        """The spectrum."""
        return self._spectral_model

    @spectral_model.setter
    def spectral_model(self, model: SpectralModel) -> None:
        model = checked_part(model, SpectralModel, f"spectral_model of {self.name!r}")
        self._check_units(model, self._spatial_model)
        self._spectral_model = model

    @property
    def spatial_model(self) -> SpatialModel | None:
        """The shape."""
        return self._spatial_model

    @spatial_model.setter
    def spatial_model(self, model: SpatialModel | None) -> None:
        what = f"spatial_model of {self.name!r}"
        model = None if model is None else checked_part(model, SpatialModel, what)
        self._check_units(self._spectral_model, model)
        self._spatial_model = model

    def _check_units(self, spectral: SpectralModel, spatial: SpatialModel | None) -> None:
        """Check that the parts make a flux together, as far as that is known without reading a map."""
        shape = u.Unit("") if spatial is None else spatial._known_unit
        want = FLUX if spatial is None else FLUX / u.sr
        if shape is None or (spectral.unit * shape).is_equivalent(want):
            return
        parts = " and ".join(
            f"{type(part).__name__} in {unit_text(unit) or 'no unit'!r}"
            for part, unit in ((spectral, spectral.unit), (spatial, shape))
            if part is not None
        )
        raise ValueError(
            f"model {self.name!r} has {parts}, which does not make a flux like {unit_text(want)!r}; "
            "a factor needs a template map of surface brightness, and a flux a normalised shape"
        )

    @property
    def apply_irf(self) -> Mapping[str, bool]:
        """Which of exposure, psf and edisp predictions apply."""
        return MappingProxyType(self._apply_irf) if self._locked else self._apply_irf

    @apply_irf.setter
    def apply_irf(self, value: Mapping[str, bool]) -> None:
        wrong = [key for key, use in dict(value).items() if key not in IRFS or not isinstance(use, bool)]
        if wrong:
            raise ValueError(
                f"apply_irf of {self.name!r} takes True or False for {', '.join(IRFS)}, not {dict(value)!r}"
            )
        self._apply_irf = {**dict.fromkeys(IRFS, True), **value}

    @property
    def datasets_names(self) -> list[str] | tuple[str, ...] | None:
        """The datasets that have this source, None for all."""
        names = self._datasets_names
        return tuple(names) if names is not None and self._locked else names

    @datasets_names.setter
    def datasets_names(self, names: str | Iterable[str] | None) -> None:
        self._datasets_names = checked_names(names, self.name)

    def _parts(self) -> dict[str, ModelBase]:
        parts: dict[str, ModelBase] = {"spectral": self._spectral_model}
        return parts if self._spatial_model is None else {**parts, "spatial": self._spatial_model}

    @property
    def position(self) -> SkyCoord | None:
        """The centre, None without one."""
        return None if self.spatial_model is None else self.spatial_model.position

    @property
    def position_lonlat(self) -> tuple[float, float] | None:
        """Longitude and latitude of the centre in degrees, in `frame`; None without one."""
        return None if self.spatial_model is None else self.spatial_model.position_lonlat

    @property
    def frame(self) -> str | None:
        """The frame of the spatial model."""
        return None if self.spatial_model is None else self.spatial_model.frame

    @property
    def evaluation_radius(self) -> u.Quantity | None:
        """Angle from the centre beyond which the model is negligible, None for the whole sky."""
        return None if self.spatial_model is None else self.spatial_model.evaluation_radius

    @property
    def unit(self) -> u.UnitBase:
        """The unit of what `evaluate` returns."""
        unit = self.spectral_model.unit
        return unit if self.spatial_model is None else unit * self.spatial_model.unit

    def evaluate(self, lon: Any, lat: Any, energy: Any) -> u.Quantity:
        """Return the surface brightness.

        Parameters
        ----------
        lon, lat : Quantity or str
            Directions in `frame`.
        energy : Quantity or str
            Energies, broadcast against the directions.

        Returns
        -------
        Quantity
            TeV-1 s-1 cm-2 sr-1, without the sr-1 if there is no spatial model.

        Raises
        ------
        ValueError
            If a unit is wrong.
        TypeError
            If the model is a point source.
        """
        e = energies(energy)
        values = self.spectral_model.evaluate_array(e)
        if self.spatial_model is not None:
            degrees = array(lon, u.deg, "lon"), array(lat, u.deg, "lat")
            values = values * self.spatial_model.evaluate_lonlat(*degrees, e)
        return u.Quantity(values, self.unit)

    def copy(self, name: str | None = None) -> SkyModel:
        """Return an independent copy.

        Parameters
        ----------
        name : str, optional
            Its name, the same if left out.
        """
        new = self._copy()
        if name is not None:
            new._name = checked_name(name)
        return new

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return the model as it is written to YAML.

        Parameters
        ----------
        full_output : bool
            Also write what equals the default.
        """
        data: dict[str, Any] = {"name": self.name, "type": self.tag[0]}
        if not all(self._apply_irf.values()):
            data["apply_irf"] = dict(self._apply_irf)
        if self._datasets_names is not None:
            data["datasets_names"] = list(self._datasets_names)
        return data | {kind: part.to_dict(full_output) for kind, part in self._parts().items()}

    def __str__(self) -> str:
        """Return names, types and parameters."""
        return "SkyModel\n\n" + describe(self)

    def __repr__(self) -> str:
        """Return name and types."""
        parts = ", ".join(type(part).__name__ for part in self._parts().values())
        return f"SkyModel({self.name!r}: {parts})"

    def _repr_html_(self) -> str:
        """Return names, types and parameters for notebooks."""
        return describe_html(self)


def _default(cls: type[T]) -> T:
    try:
        return cls()
    except TypeError as error:
        raise ValueError(f"{cls.__name__} has no defaults; create it and pass it to SkyModel ({error})") from None
