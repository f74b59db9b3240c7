"""Pictures of a Dataset, as methods of its accessor; matplotlib is imported when the first is drawn."""

from __future__ import annotations

from typing import Any

import xarray as xr

__all__ = ["PlotMethods"]


class PlotMethods:
    """The part of ``ds.gp`` that draws."""

    _obj: xr.Dataset

    def peek(self, *args: Any, **options: Any) -> Any:
        """Draw what the dataset holds, see `xgamma.plot.peek`."""
        from xgamma.plot import peek

        return peek(self._obj, *args, **options)

    def plot(self, *args: Any, **options: Any) -> Any:
        """Draw flux points, see `xgamma.plot.plot_flux_points`."""
        from xgamma.plot import plot_flux_points

        return plot_flux_points(self._obj, *args, **options)

    def plot_counts(self, *args: Any, **options: Any) -> Any:
        """Draw counts and background along energy, see `xgamma.plot.plot_counts`."""
        from xgamma.plot import plot_counts

        return plot_counts(self._obj, *args, **options)

    def plot_excess(self, *args: Any, **options: Any) -> Any:
        """Draw the excess and its prediction along energy, see `xgamma.plot.plot_excess`."""
        from xgamma.plot import plot_excess

        return plot_excess(self._obj, *args, **options)

    def plot_fit(self, *args: Any, **options: Any) -> Any:
        """Draw the excess or flux points, their prediction and the residuals, see `xgamma.plot.plot_fit`."""
        from xgamma.plot import plot_fit

        return plot_fit(self._obj, *args, **options)

    def plot_masks(self, *args: Any, **options: Any) -> Any:
        """Draw where masks leave data, see `xgamma.plot.plot_masks`."""
        from xgamma.plot import plot_masks

        return plot_masks(self._obj, *args, **options)

    def plot_residuals(self, *args: Any, **options: Any) -> Any:
        """Draw residuals on the sky and along energy, see `xgamma.plot.plot_residuals`."""
        from xgamma.plot import plot_residuals

        return plot_residuals(self._obj, *args, **options)

    def plot_residuals_spatial(self, *args: Any, **options: Any) -> Any:
        """Draw residuals on the sky, see `xgamma.plot.plot_residuals_spatial`."""
        from xgamma.plot import plot_residuals_spatial

        return plot_residuals_spatial(self._obj, *args, **options)

    def plot_residuals_spectral(self, *args: Any, **options: Any) -> Any:
        """Draw residuals along energy, see `xgamma.plot.plot_residuals_spectral`."""
        from xgamma.plot import plot_residuals_spectral

        return plot_residuals_spectral(self._obj, *args, **options)

    def plot_spectrum(self, *args: Any, **options: Any) -> Any:
        """Draw flux points and the spectra of models, see `xgamma.plot.plot_spectrum`."""
        from xgamma.plot import plot_spectrum

        return plot_spectrum(self._obj, *args, **options)
