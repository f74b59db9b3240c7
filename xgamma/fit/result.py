"""What a fit found."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.fit import report
from xgamma.likelihood import Likelihood
from xgamma.likelihood.likelihood import labelled_sums
from xgamma.models import Models
from xgamma.models.covariance import Correlation
from xgamma.models.locking import set_locked
from xgamma.models.units import unit_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FitResult", "best_models", "matrix"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class FitResult:
    """Best fit of models to datasets.

    Attributes
    ----------
    success : bool
        Whether the minimum was found, with an error of every free parameter.
    message : str
        What happened: also what a success has to be read with, such as a parameter at a limit.
    total_stat : float
        The statistic at the best fit, priors included.
    nfev, ngrad : int
        Number of evaluations of the statistic and of its gradient.
    models : Models
        The models at the best fit, with errors and correlations; read-only, ``models.copy()`` can be changed.
    stat_prior : float
        What priors add.
    n_bins : int
        Number of bins that were compared.
    edm : float
        By how much the statistic is expected to be lower at the true minimum.
    backend : str
        The minimiser.
    at_limit : tuple of str
        Parameters at a limit.
    trace : Dataset or None
        Every point that was tried, if that was asked for: ``stat`` and each parameter with the dim ``call``.
    """

    success: bool
    message: str
    total_stat: float
    nfev: int
    ngrad: int
    models: Models
    stat_prior: float
    n_bins: int
    edm: float
    backend: str
    at_limit: tuple[str, ...] = ()
    trace: xr.Dataset | None = None
    _covariance: Array = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    _stat_sums: tuple[tuple[str, float], ...] = field(default=(), repr=False)
    _likelihood: Likelihood | None = field(default=None, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters, ``model.parameter``."""
        return tuple(self.models.parameters.free_unique_parameters.names)

    @property
    def covariance(self) -> xr.DataArray:
        """Covariance of the free parameters (parameter, other), in their units (coordinate ``unit``).

        It is nan where it is unknown.
        """
        return matrix(self.models, self._covariance)

    @property
    def stat_sums(self) -> xr.DataArray:
        """The statistic of each dataset (dataset,), without priors."""
        names, values = zip(*self._stat_sums, strict=True) if self._stat_sums else ((), ())
        return labelled_sums(names, values)

    @property
    def x(self) -> Array:
        """Best-fit values of the free parameters."""
        return self.models.parameters.free_unique_parameters.value

    @property
    def errors(self) -> Array:
        """Standard errors of the free parameters."""
        return np.sqrt(np.diag(self._covariance))

    @property
    def parameters(self) -> pd.DataFrame:
        """All parameters by their names ``model.parameter``: value, error, unit, min, max, frozen, link."""
        import pandas as pd

        parameters = self.models.parameters
        ids = [id(par) for par in parameters]
        return pd.DataFrame(
            {
                "value": [par.value for par in parameters],
                "error": [par.error for par in parameters],
                "unit": [unit_text(par.unit) for par in parameters],
                "min": [par.min for par in parameters],
                "max": [par.max for par in parameters],
                "frozen": [par.frozen for par in parameters],
                "link": [parameters.names[ids.index(key)] if ids.count(key) > 1 else "" for key in ids],
            },
            index=pd.Index(parameters.names, name="name", dtype=object),
        )

    @property
    def correlation(self) -> xr.DataArray:
        """Correlation of the free parameters, dims (parameter, other)."""
        errors = np.where(self.errors > 0, self.errors, np.nan)
        out = self.covariance / np.outer(errors, errors)
        out.attrs = {"units": "", "long_name": "correlation"}
        return out.rename("correlation").drop_vars(["unit", "other_unit"])

    def likelihood(self, datasets: Any = None) -> Likelihood:
        """Return the compiled datasets and models, at the best fit or where the fit began.

        Parameters
        ----------
        datasets : Dataset or iterable of Dataset, optional
            What was fitted: only needed by a result that was read from a file, which holds no data.

        Raises
        ------
        ValueError
            If they are needed.
        """
        if datasets is not None:
            return datasets if isinstance(datasets, Likelihood) else Likelihood(datasets, self.models)
        if self._likelihood is None:
            raise ValueError("This result comes from a file, which does not hold the data: pass datasets=.")
        return self._likelihood

    # Profiles

    def stat_profile(self, parameter: Any, values: Any = None, **options: Any) -> xr.Dataset:
        """Statistic along a parameter, see `xgamma.fit.profile.stat_profile`."""
        from xgamma.fit.profile import stat_profile

        return stat_profile(self, parameter, values, **options)

    def stat_surface(self, x: Any, y: Any, x_values: Any = None, y_values: Any = None, **options: Any) -> xr.Dataset:
        """Statistic on a grid of two parameters, see `xgamma.fit.profile.stat_surface`."""
        from xgamma.fit.profile import stat_surface

        return stat_surface(self, x, y, x_values, y_values, **options)

    def stat_contour(self, x: Any, y: Any, **options: Any) -> xr.Dataset:
        """Line of equal statistic about the best fit, see `xgamma.fit.contour.stat_contour`."""
        from xgamma.fit.contour import stat_contour

        return stat_contour(self, x, y, **options)

    def confidence(self, parameter: Any, sigma: float = 1.0, **options: Any) -> xr.Dataset:
        """Asymmetric errors of a parameter, see `xgamma.fit.contour.confidence`."""
        from xgamma.fit.contour import confidence

        return confidence(self, parameter, sigma, **options)

    # Files

    def to_yaml(self) -> str:
        """Return the result as YAML text, without the trace."""
        from xgamma.fit.files import to_yaml

        return to_yaml(self)

    @classmethod
    def from_yaml(cls, text: str) -> FitResult:
        """Return the result that YAML text describes, see `xgamma.fit.files.from_yaml`."""
        from xgamma.fit.files import from_yaml

        return from_yaml(text)

    def to_dataset(self) -> xr.Dataset:
        """Return the result as a dataset, see `xgamma.fit.files.to_dataset`."""
        from xgamma.fit.files import to_dataset

        return to_dataset(self)

    def to_netcdf(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write a NetCDF file, see `xgamma.fit.files.write`."""
        from xgamma.fit.files import write_netcdf

        write_netcdf(self, path, overwrite)

    def write(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write a file of YAML or NetCDF, see `xgamma.fit.files.write`."""
        from xgamma.fit.files import write

        write(self, path, overwrite)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> FitResult:
        """Read what `write` wrote, see `xgamma.fit.files.read`."""
        from xgamma.fit.files import read

        return read(path)

    def __repr__(self) -> str:
        return f"FitResult(success={self.success}, total_stat={self.total_stat:.6g}, parameters={list(self.names)})"

    def __str__(self) -> str:
        return report.text(self)

    def _repr_html_(self) -> str:
        return report.html(self)


def matrix(models: Models, values: Array) -> xr.DataArray:
    """Label a covariance of the free parameters."""
    free = models.parameters.free_unique_parameters
    units = [unit_text(par.unit) for par in free]
    names = np.array(free.names, dtype=object) if len(free) else np.zeros(0, dtype=object)
    out = xr.DataArray(
        np.array(values, dtype=np.float64),
        dims=("parameter", "other"),
        coords={
            "parameter": names,
            "other": names,
            "unit": ("parameter", np.array(units, dtype=object)),
            "other_unit": ("other", np.array(units, dtype=object)),
        },
        name="covariance",
        attrs={"long_name": "covariance"},
    )
    out.data.flags.writeable = False
    return out


def best_models(models: Models, covariance: Array) -> Models:
    """Give models the errors and correlations of a fit of their free parameters, and lock them."""
    free = models.parameters.free_unique_parameters
    errors = np.sqrt(np.diag(covariance))
    for par in models.parameters:
        par.error = 0.0
    for par, error in zip(free, errors, strict=True):
        par.error = float(error)
    scale = np.where(errors > 0, errors, 1.0)
    coefficients = np.nan_to_num(covariance / np.outer(scale, scale))
    np.fill_diagonal(coefficients, 1.0)
    models._set_correlation(Correlation(tuple(free), coefficients))
    set_locked(models, True)
    return models
