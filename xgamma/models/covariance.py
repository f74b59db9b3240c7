"""The correlation of fitted parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from xgamma.models.parameter import Parameter, Parameters

__all__ = ["Correlation", "correlation_from_dict", "correlation_to_dict", "covariance_of", "decompose", "propagate"]


@dataclass(frozen=True, eq=False)
class Correlation:
    """How the errors of parameters are correlated.

    The errors themselves are those of the parameters, so that the two cannot contradict each other.

    Attributes
    ----------
    parameters : tuple of Parameter
        The parameters.
    matrix : ndarray
        Correlation coefficients.
    """

    parameters: tuple[Parameter, ...]
    matrix: np.ndarray

    def select(self, parameters: Iterable[Parameter]) -> np.ndarray:
        """Return the correlation of some parameters; those that it does not know are correlated with themselves only.

        Parameters
        ----------
        parameters : iterable of Parameter
            Those of the result; a linked parameter may occur more than once.
        """
        chosen = list(parameters)
        ids = [id(par) for par in chosen]
        result = (np.array(ids)[:, None] == np.array(ids)[None, :]).astype(float)
        known = {id(par): i for i, par in enumerate(self.parameters)}
        rows = [k for k, key in enumerate(ids) if key in known]
        places = [known[ids[k]] for k in rows]
        result[np.ix_(rows, rows)] = self.matrix[np.ix_(places, places)]
        return result


def covariance_of(parameters: Iterable[Parameter], correlation: Correlation | None) -> np.ndarray:
    """Return the covariance matrix of parameters, in their units."""
    chosen = list(parameters)
    errors = np.array([par.error for par in chosen], dtype=float)
    return (correlation or Correlation((), np.zeros((0, 0)))).select(chosen) * np.outer(errors, errors)


def decompose(matrix: Any, parameters: Parameters) -> tuple[np.ndarray, Correlation]:
    """Split a covariance matrix into errors and correlation.

    Parameters
    ----------
    matrix : array_like
        Covariance of all parameters, or of each linked one only once.
    parameters : Parameters
        The parameters.

    Returns
    -------
    errors : ndarray
        Standard errors of the unique parameters.
    correlation : Correlation
        Their correlation.

    Raises
    ------
    ValueError
        If the matrix has another shape, is not symmetric or has a negative diagonal.
    """
    unique = parameters.unique_parameters
    n, full = len(parameters), np.asarray(matrix, dtype=float)
    if full.shape == (n, n):
        places = [parameters.index(par) for par in unique]
        full = full[np.ix_(places, places)]
    if full.shape != (len(unique), len(unique)):
        raise ValueError(f"the covariance of {n} parameters must have shape ({n}, {n}), not {full.shape}")
    variance = np.diag(full)
    if (variance < 0).any() or not np.allclose(full, full.T, rtol=1e-6, atol=0, equal_nan=True):
        raise ValueError("a covariance matrix must be symmetric, and its diagonal must not be negative")
    errors = np.sqrt(variance)
    scale = np.where(errors > 0, errors, 1.0)
    coefficients = full / np.outer(scale, scale)
    np.fill_diagonal(coefficients, 1.0)
    return errors, Correlation(tuple(unique), coefficients)


def correlation_to_dict(correlation: Correlation | None, parameters: Parameters) -> dict[str, Any]:
    """Return the correlation of parameters as it is written to YAML, empty without any."""
    unique = parameters.unique_parameters
    matrix = np.eye(len(unique)) if correlation is None else correlation.select(unique)
    related = [i for i, row in enumerate(matrix) if np.count_nonzero(row) > 1]
    if not related:
        return {}
    names = [unique.names[i] for i in related]
    return {"correlation": {"parameters": names, "matrix": matrix[np.ix_(related, related)].tolist()}}


def correlation_from_dict(data: Any, parameters: Parameters) -> Correlation:
    """Return the correlation that YAML describes.

    Raises
    ------
    ValueError
        If a parameter is not known, or the matrix is not a square of numbers.
    """
    try:
        chosen = tuple(parameters[name] for name in data["parameters"])
        matrix = np.array(data["matrix"], dtype=float).reshape(len(chosen), len(chosen))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"'correlation' needs 'parameters' and a square 'matrix': {error}") from error
    return Correlation(chosen, matrix)


def propagate(
    function: Callable[[dict[str, Any]], np.ndarray], values: dict[str, float], covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a function of parameters gives, and its standard error to first order.

    Parameters
    ----------
    function : callable
        Takes parameters by name in place of their current values.
    values : dict
        The current values.
    covariance : ndarray
        Their covariance, in the same order and units.

    Returns
    -------
    value, error : ndarray
        Each of the shape of what the function returns.
    """
    value = np.asarray(function({}))
    slopes = []
    for name, variance in zip(values, np.diag(covariance), strict=True):
        # A step of a small part of the error: the result matters on the scale of the error.
        step = 1e-3 * np.sqrt(variance)
        if step > 0:
            high, low = (function({name: values[name] + sign * step}) for sign in (1, -1))
            slopes.append((high - low) / (2 * step))
        else:
            slopes.append(np.zeros_like(value))
    if not slopes:
        return value, np.zeros_like(value)
    gradient = np.stack(slopes)
    variance = np.einsum("i...,ij,j...->...", gradient, covariance, gradient)
    return value, np.sqrt(np.maximum(variance, 0))
