"""The models by the names under which they are written and created."""

from __future__ import annotations

from typing import TypeVar

from xgamma.models.base import ModelBase
from xgamma.models.shells import Shell2SpatialModel, ShellSpatialModel
from xgamma.models.spatial import (
    ConstantSpatialModel,
    DiskSpatialModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    PointSpatialModel,
)
from xgamma.models.spatial_base import SpatialModel
from xgamma.models.spectral import (
    BrokenPowerLawSpectralModel,
    ConstantSpectralModel,
    GaussianSpectralModel,
    LogParabola2SpectralModel,
    LogParabolaSpectralModel,
    PowerLaw2SpectralModel,
    PowerLawSpectralModel,
    SmoothBrokenPowerLawSpectralModel,
)
from xgamma.models.spectral_base import SpectralModel
from xgamma.models.spectral_compound import CompoundSpectralModel
from xgamma.models.spectral_cutoff import (
    ExpCutoffPowerLaw3FGLSpectralModel,
    ExpCutoffPowerLawSpectralModel,
    SuperExpCutoffPowerLaw3FGLSpectralModel,
    SuperExpCutoffPowerLaw4FGLDR3SpectralModel,
    SuperExpCutoffPowerLaw4FGLSpectralModel,
)
from xgamma.models.spectral_norm import (
    ExpCutoffPowerLawNormSpectralModel,
    LogParabolaNormSpectralModel,
    PowerLawNormSpectralModel,
)
from xgamma.models.spectral_table import PiecewiseNormSpectralModel, TemplateSpectralModel
from xgamma.models.template import TemplateSpatialModel

__all__ = ["SPATIAL_MODELS", "SPECTRAL_MODELS", "find"]

T = TypeVar("T", bound=ModelBase)

SPECTRAL_MODELS: dict[str, type[SpectralModel]] = {
    cls.tag[0]: cls
    for cls in (
        ConstantSpectralModel,
        PowerLawSpectralModel,
        PowerLaw2SpectralModel,
        BrokenPowerLawSpectralModel,
        SmoothBrokenPowerLawSpectralModel,
        LogParabolaSpectralModel,
        LogParabola2SpectralModel,
        GaussianSpectralModel,
        PowerLawNormSpectralModel,
        LogParabolaNormSpectralModel,
        ExpCutoffPowerLawNormSpectralModel,
        ExpCutoffPowerLawSpectralModel,
        ExpCutoffPowerLaw3FGLSpectralModel,
        SuperExpCutoffPowerLaw3FGLSpectralModel,
        SuperExpCutoffPowerLaw4FGLSpectralModel,
        SuperExpCutoffPowerLaw4FGLDR3SpectralModel,
        PiecewiseNormSpectralModel,
        TemplateSpectralModel,
        CompoundSpectralModel,
    )
}
"""The spectral models by name."""

SPATIAL_MODELS: dict[str, type[SpatialModel]] = {
    cls.tag[0]: cls
    for cls in (
        ConstantSpatialModel,
        PointSpatialModel,
        GaussianSpatialModel,
        GeneralizedGaussianSpatialModel,
        DiskSpatialModel,
        ShellSpatialModel,
        Shell2SpatialModel,
        TemplateSpatialModel,
    )
}
"""The spatial models by name."""


def find(registry: dict[str, type[T]], tag: object, what: str) -> type[T]:
    """Return the class of a name or short tag.

    Parameters
    ----------
    registry : dict
        `SPECTRAL_MODELS` or `SPATIAL_MODELS`.
    tag : str
        "PowerLawSpectralModel" or "pl".
    what : str
        What is looked for, for the message.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    for cls in registry.values():
        if tag in cls.tag:
            return cls
    known = ", ".join(f"{cls.tag[0]} ({cls.tag[1]})" for cls in registry.values())
    raise ValueError(f"there is no {what} {tag!r}; there are: {known}")
