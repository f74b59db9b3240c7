"""The best fit that profiles, contours and errors start from, and the lowest statistic with some parameters held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.fit.newton import Minimum, descend, hessian, spectral
from xgamma.fit.objective import Objective
from xgamma.fit.result import FitResult
from xgamma.fit.run import compiled
from xgamma.fit.start import limits_of, start_of
from xgamma.models import Models, Parameter

__all__ = ["Best", "best_of"]

Array = NDArray[np.float64]

_GOOD = 1e-4
"""Expected decrease of the statistic below which a point counts as the lowest one."""


@dataclass(frozen=True)
class Best:
    """A best fit and the statistic around it.

    Attributes
    ----------
    objective : Objective
        The statistic.
    x : ndarray, shape (parameter,)
        The best fit.
    stat : float
        The statistic there.
    matrix : ndarray, shape (parameter, parameter)
        Second derivatives there.
    errors : ndarray, shape (parameter,)
        Standard errors, nan where unknown.
    scale : ndarray, shape (parameter,)
        The errors, or what stands for them.
    lower, upper : ndarray, shape (parameter,)
        Limits.
    models : tuple of Models
        In which parameters are looked up.
    """

    objective: Objective
    x: Array
    stat: float
    matrix: Array
    errors: Array
    scale: Array
    lower: Array
    upper: Array
    models: tuple[Any, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return self.objective.names

    @property
    def units(self) -> tuple[str, ...]:
        """Their units."""
        return tuple(self.objective.likelihood.vector.units)

    def place(self, parameter: Any) -> int:
        """Return the place of a parameter, given by its name or by itself.

        Raises
        ------
        ValueError
            If there is none, or it is frozen.
        """
        name = parameter
        for models in (*self.models, self.objective.likelihood.models()):
            known = models.parameters
            try:
                found = known[known.index(parameter)]
            except KeyError as error:
                name = error.args[0]
                continue
            free = known.free_unique_parameters
            own = [i for i, par in enumerate(free) if par is found]
            if own and free.names[own[0]] in self.names:
                return self.names.index(free.names[own[0]])
            raise ValueError(f"Parameter {known.names[known.index(found)]!r} is frozen: free it and fit again.")
        text = parameter.name if isinstance(parameter, Parameter) else name
        raise ValueError(f"{text}; the free ones are: {', '.join(self.names) or 'none'}.")

    def number(self, value: Any, i: int) -> Array:
        """Values of a parameter as numbers in its unit."""
        if isinstance(value, xr.DataArray):
            unit = value.attrs.get("units")
            return np.asarray(u.Quantity(value.values, unit or self.units[i]).to_value(self.units[i]), dtype=float)
        if isinstance(value, u.Quantity):
            return np.asarray(value.to_value(self.units[i]), dtype=float)
        return np.asarray(value, dtype=float)

    def lowest(self, places: list[int], values: Array, start: Array | None = None) -> Minimum:
        """Return the lowest statistic with some parameters held.

        Parameters
        ----------
        places : list of int
            Places of these parameters.
        values : ndarray
            Their values.
        start : ndarray, shape (parameter,), optional
            Where to begin with the others; by default where a parabola has its minimum.
        """
        free = np.ones(self.x.size, dtype=bool)
        free[places] = False
        others = np.flatnonzero(free)
        x = self.x.copy() if start is None else start.copy()
        x[places] = values
        inverse = spectral(self.matrix[np.ix_(others, others)], self.scale[others]).inverse()
        if start is None and others.size:
            step = np.where(free, 0.0, x - self.x)
            move = -inverse @ (self.matrix @ step)[others]
            guess = x.copy()
            guess[others] = np.clip(x[others] + move, self.lower[others], self.upper[others])
            x = guess if self.objective.value(guess) < self.objective.value(x) else x
        bounds = self.scale, self.lower, self.upper, free
        found = descend(self.objective, x, self.matrix, *bounds)
        for _ in range(3):
            if found.edm < _GOOD:
                break
            # Far from the best fit second derivatives differ: take them here.
            matrix = hessian(self.objective, found.x, *bounds)
            found = descend(self.objective, found.x, matrix, *bounds)
        return found


def best_of(fit: Any, models: Any = None, datasets: Any = None) -> Best:
    """Return what there is to know about a best fit.

    Parameters
    ----------
    fit : FitResult, Dataset, iterable of Dataset, Datasets or Likelihood
        A result, or datasets with models that are at their best fit.
    models : Models, list of models, or model, optional
        As for `Fit.run`.
    datasets : Dataset, iterable of Dataset, Datasets or Likelihood, optional
        Data for a result that was read from a file.

    Raises
    ------
    ValueError
        If the result holds no data, or the statistic is no number.
    """
    known: tuple[Any, ...]
    if isinstance(fit, FitResult):
        likelihood = fit.likelihood(datasets)
        objective = Objective(likelihood)
        x, known = fit.x, (fit.models,)
    else:
        likelihood = compiled(fit, models)
        objective = Objective(likelihood)
        given = () if models is None or not isinstance(models, Models) else (models,)
        x, known = likelihood.x0, given
    lower, upper = limits_of(likelihood)
    x = np.clip(x, lower, upper)
    stat = float(likelihood(x))
    if not np.isfinite(stat):
        raise ValueError(f"The statistic is {stat} at the models' values: fit them first.")
    errors = likelihood.vector.error if not isinstance(fit, FitResult) else fit.errors
    scale = np.where(np.nan_to_num(errors) > 0, errors, start_of(objective, lower, upper)[0].scale)
    matrix = hessian(objective, x, scale, lower, upper, np.ones(x.size, dtype=bool))
    bend = np.diag(matrix)
    scale = np.where(bend > 0, np.sqrt(2 / np.where(bend > 0, bend, 1.0)), scale)
    parts = spectral(matrix, scale)
    variance = 2 * np.diag(parts.inverse())
    errors = np.sqrt(np.where(variance > 0, variance, np.nan))
    return Best(objective, x, stat, matrix, errors, scale, lower, upper, known)
