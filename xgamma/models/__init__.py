"""Spectral, spatial and sky models."""

from xgamma.models.background import FoVBackgroundModel
from xgamma.models.collection import Model, Models
from xgamma.models.parameter import Parameter, Parameters
from xgamma.models.priors import GaussianPrior, LogUniformPrior, UniformPrior
from xgamma.models.registry import SPATIAL_MODELS, SPECTRAL_MODELS
from xgamma.models.shells import Shell2SpatialModel, ShellSpatialModel
from xgamma.models.sky import SkyModel
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

__all__ = [
    "SPATIAL_MODELS",
    "SPECTRAL_MODELS",
    "BrokenPowerLawSpectralModel",
    "CompoundSpectralModel",
    "ConstantSpatialModel",
    "ConstantSpectralModel",
    "DiskSpatialModel",
    "ExpCutoffPowerLaw3FGLSpectralModel",
    "ExpCutoffPowerLawNormSpectralModel",
    "ExpCutoffPowerLawSpectralModel",
    "FoVBackgroundModel",
    "GaussianPrior",
    "GaussianSpatialModel",
    "GaussianSpectralModel",
    "GeneralizedGaussianSpatialModel",
    "LogParabola2SpectralModel",
    "LogParabolaNormSpectralModel",
    "LogParabolaSpectralModel",
    "LogUniformPrior",
    "Model",
    "Models",
    "Parameter",
    "Parameters",
    "PiecewiseNormSpectralModel",
    "PointSpatialModel",
    "PowerLaw2SpectralModel",
    "PowerLawNormSpectralModel",
    "PowerLawSpectralModel",
    "Shell2SpatialModel",
    "ShellSpatialModel",
    "SkyModel",
    "SmoothBrokenPowerLawSpectralModel",
    "SpatialModel",
    "SpectralModel",
    "SuperExpCutoffPowerLaw3FGLSpectralModel",
    "SuperExpCutoffPowerLaw4FGLDR3SpectralModel",
    "SuperExpCutoffPowerLaw4FGLSpectralModel",
    "TemplateSpatialModel",
    "TemplateSpectralModel",
    "UniformPrior",
]
