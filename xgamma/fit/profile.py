"""The statistic along one parameter, or on a grid of two."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.fit.around import Best, best_of
from xgamma.fit.newton import Minimum

__all__ = ["stat_profile", "stat_surface"]

Array = NDArray[np.float64]


def stat_profile(
    fit: Any,
    parameter: Any,
    values: Any = None,
    *,
    bounds: Any = None,
    nsigma: float = 2.0,
    nvalues: int = 11,
    reoptimize: bool = True,
    models: Any = None,
    datasets: Any = None,
) -> xr.Dataset:
    """Statistic along a parameter.

    Parameters
    ----------
    fit : FitResult, Dataset, iterable of Dataset, Datasets or Likelihood
        A result, or datasets with models that are at their best fit.
    parameter : str or Parameter
        A free parameter: ``"gc.index"``, or ``"index"`` where one model has that alone.
    values : array_like, DataArray or Quantity, optional
        Its values; plain numbers are in its unit.
    bounds : (low, high), optional
        Ends of a range of values in equal steps.
    nsigma : float
        The range in standard errors about the best fit, where neither is given. It ends at limits.
    nvalues : int
        Number of values in a range.
    reoptimize : bool
        Whether all other parameters are fitted at each value, or stay at their best fit.
    models : Models, list of models, or model, optional
        As for `Fit.run`.
    datasets : Dataset, iterable of Dataset, Datasets or Likelihood, optional
        Data for a result that was read from a file.

    Returns
    -------
    Dataset, dims (the parameter's name,)
        ``stat``, ``delta_stat`` (above the best fit), ``success``, and the values of the other free parameters under
        their names, all along the coordinate of the parameter's name.

    Raises
    ------
    ValueError
        If the parameter is frozen, unknown or its error, which a range needs, is.
    """
    best = best_of(fit, models, datasets)
    i = best.place(parameter)
    grid = _values(best, i, values, bounds, nsigma, nvalues)
    if not reoptimize:
        return _still(best, [i], [grid])
    points: list[Minimum] = [best.lowest([i], np.array([value])) for value in grid]
    return _dataset(best, [i], [grid], points)


def stat_surface(
    fit: Any,
    x: Any,
    y: Any,
    x_values: Any = None,
    y_values: Any = None,
    *,
    nsigma: float = 2.0,
    nvalues: int = 11,
    reoptimize: bool = True,
    models: Any = None,
    datasets: Any = None,
) -> xr.Dataset:
    """Statistic on a grid of two parameters.

    Parameters
    ----------
    fit, nsigma, nvalues, reoptimize, models, datasets
        As for `stat_profile`.
    x, y : str or Parameter
        Free parameters.
    x_values, y_values : array_like, DataArray or Quantity, optional
        Their values; by default ranges about the best fit.

    Returns
    -------
    Dataset, dims (name of x, name of y)
        As that of `stat_profile`.

    Raises
    ------
    ValueError
        If a parameter is frozen, unknown or its error, which a range needs, is, or both are the same.
    """
    best = best_of(fit, models, datasets)
    places = [best.place(x), best.place(y)]
    if places[0] == places[1]:
        raise ValueError(f"A surface needs two parameters, not {best.names[places[0]]} twice.")
    grids = [
        _values(best, i, values, None, nsigma, nvalues) for i, values in zip(places, (x_values, y_values), strict=True)
    ]
    if not reoptimize:
        return _still(best, places, grids)
    points = [best.lowest(places, np.array([a, b])) for a in grids[0] for b in grids[1]]
    return _dataset(best, places, grids, points)


def _values(best: Best, i: int, values: Any, bounds: Any, nsigma: float, nvalues: int) -> Array:
    if values is not None:
        grid = np.atleast_1d(best.number(values, i))
        if grid.ndim != 1:
            raise ValueError(f"values of {best.names[i]} must be a list of numbers, not of shape {grid.shape}.")
        return grid
    if bounds is not None:
        low, high = (float(best.number(value, i)) for value in bounds)
        return np.linspace(low, high, nvalues)
    if not np.isfinite(best.errors[i]):
        raise ValueError(f"The error of {best.names[i]} is unknown: give values or bounds.")
    reach = nsigma * best.errors[i]
    return np.linspace(max(best.x[i] - reach, best.lower[i]), min(best.x[i] + reach, best.upper[i]), nvalues)


def _still(best: Best, places: list[int], grids: list[Array]) -> xr.Dataset:
    """Evaluate the statistic with all other parameters at their best fit."""
    points = []
    for values in np.stack([grid.ravel() for grid in np.meshgrid(*grids, indexing="ij")], axis=-1):
        x = best.x.copy()
        x[places] = values
        stat = float(best.objective.likelihood(x))
        points.append(Minimum(x, stat, np.zeros_like(x), best.matrix, 0.0, np.zeros(x.size, dtype=bool)))
    return _dataset(best, places, grids, points)


def _dataset(best: Best, places: list[int], grids: list[Array], points: list[Minimum]) -> xr.Dataset:
    names = [best.names[i] for i in places]
    shape = tuple(grid.size for grid in grids)
    stat = np.array([point.stat for point in points]).reshape(shape)
    good = np.array([point.edm < 1e-3 and np.isfinite(point.stat) for point in points]).reshape(shape)
    out = xr.Dataset(
        {
            "stat": (names, stat, {"units": "", "long_name": "fit statistic"}),
            "delta_stat": (names, stat - best.stat, {"units": "", "long_name": "fit statistic above the best fit"}),
            "success": (names, good, {"long_name": "whether the lowest statistic was found"}),
        },
        coords={
            name: (name, grid, {"units": best.units[i]}) for name, i, grid in zip(names, places, grids, strict=True)
        },
        attrs={"best_stat": best.stat},
    )
    x = np.array([point.x for point in points]).reshape(*shape, best.x.size)
    for j, name in enumerate(best.names):
        if j not in places:
            out[name] = (names, x[..., j], {"units": best.units[j]})
    return out
