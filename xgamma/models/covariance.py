"""The correlation of fitted parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from xgamma.models.parameter import Parameter

__all__ = ["Correlation", "covariance_of"]


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
