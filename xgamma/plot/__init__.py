"""Pictures of maps, spectra and datasets; matplotlib is imported when the first is drawn."""

from xgamma.plot.arrays import plot, plot_grid
from xgamma.plot.datasets import peek

__all__ = ["peek", "plot", "plot_grid"]
