"""Energy dispersion matrices, as arrays: rows are true energies, columns reconstructed ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bias_resolution", "diagonal", "from_migration"]

Array = NDArray[np.float64]


def diagonal(true_lower: Array, true_upper: Array, lower: Array, upper: Array) -> Array:
    """Matrix of a perfect measurement.

    Parameters
    ----------
    true_lower, true_upper : ndarray, shape (t,)
        Edges of the true energies.
    lower, upper : ndarray, shape (e,)
        Edges of the reconstructed energies, in the same unit.

    Returns
    -------
    ndarray, shape (t, e)
        The part of each true bin, linear in energy, that lies in each reconstructed bin.
    """
    overlap = np.minimum(true_upper[:, None], upper) - np.maximum(true_lower[:, None], lower)
    return np.clip(overlap, 0.0, None) / (true_upper - true_lower)[:, None]


def from_migration(table: Array, migra_edges: Array, energy_true: Array, edges: Array) -> Array:
    """Integrate a density in migration over bins of reconstructed energy.

    Parameters
    ----------
    table : ndarray, shape (t, migra)
        Density in reconstructed / true energy, constant in each bin.
    migra_edges : ndarray, shape (migra + 1,)
        Edges of the migration bins.
    energy_true : ndarray, shape (t,)
        Centres of the true energies.
    edges : ndarray, shape (..., 2)
        Lower and upper edges of the reconstructed bins, in the same unit, (e, 2).

    Returns
    -------
    ndarray, shape (t, e)
        Probabilities.
    """
    cumulative = np.pad(np.cumsum(table * np.diff(migra_edges), axis=1), ((0, 0), (1, 0)))
    rows = []
    for row, energy in zip(cumulative, energy_true, strict=True):
        lower, upper = np.interp(edges.T / energy, migra_edges, row)
        rows.append(upper - lower)
    return np.clip(np.array(rows), 0.0, None)


def bias_resolution(matrix: Array, energy_true: Array, energy: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of (reconstructed - true) / true energy.

    Parameters
    ----------
    matrix : ndarray, shape (t, e)
        Probabilities.
    energy_true : ndarray, shape (t,)
        Centres of the true energies.
    energy : ndarray, shape (e,)
        Centres of the reconstructed energies, in the same unit.

    Returns
    -------
    bias, resolution : ndarray, shape (t,)
        nan for rows without probability.
    """
    norm = matrix.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = matrix @ energy / norm
        variance = (matrix * (energy - mean[:, None]) ** 2).sum(axis=1) / norm
        return mean / energy_true - 1, np.sqrt(variance) / energy_true
