"""Pictures of maps, spectra, responses and datasets; matplotlib is imported when the first is drawn."""

from xgamma.plot.arrays import plot, plot_grid
from xgamma.plot.datasets import peek
from xgamma.plot.fluxpoints import plot_flux_points, plot_spectrum
from xgamma.plot.masks import plot_masks
from xgamma.plot.residuals import plot_fit, plot_residuals, plot_residuals_spatial, plot_residuals_spectral
from xgamma.plot.responses import plot_bias, plot_containment_radius, plot_matrix, plot_psf_vs_rad
from xgamma.plot.spectra import plot_counts, plot_excess

__all__ = [
    "peek",
    "plot",
    "plot_bias",
    "plot_containment_radius",
    "plot_counts",
    "plot_excess",
    "plot_fit",
    "plot_flux_points",
    "plot_grid",
    "plot_masks",
    "plot_matrix",
    "plot_psf_vs_rad",
    "plot_residuals",
    "plot_residuals_spatial",
    "plot_residuals_spectral",
    "plot_spectrum",
]
