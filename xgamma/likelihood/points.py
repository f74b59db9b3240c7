"""Values of parameters by label: arrays with named dims as rows of a table of parameter vectors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.coords.labels import to_value
from xgamma.models import Models, Parameter

__all__ = ["Points", "named", "points_of", "released"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """Points of a scan.

    Attributes
    ----------
    dims : tuple
        Dims of the scan.
    shape : tuple of int
        Their sizes.
    coords : Dataset
        Coordinates of what was given.
    values : ndarray, shape (point, parameter)
        A row of numbers in the units of the parameters for each point, the last dim varying fastest.
    """

    dims: tuple[Hashable, ...]
    shape: tuple[int, ...]
    coords: xr.Dataset
    values: Array

    def labelled(self, data: Any, name: str, meaning: str) -> xr.DataArray:
        """Return one value for each point (point,), with labels."""
        array = xr.DataArray(
            data.reshape(self.shape), dims=self.dims, name=name, attrs={"units": "", "long_name": meaning}
        )
        return array.assign_coords(self.coords.coords)


def named(models: Any, parameters: Mapping[Any, Any]) -> Mapping[str, Any]:
    """Replace parameters that are keys themselves by their names.

    Parameters
    ----------
    models : Models, list of models, or model
        Where they are looked up: as themselves, and else by the end of their name if only one has it.
    parameters : mapping
        Values by name, ``model.parameter``, or by `Parameter`.

    Raises
    ------
    ValueError
        If there is none, several have its name, or a parameter is given twice.
    """
    if not isinstance(parameters, Mapping) or not any(isinstance(key, Parameter) for key in parameters):
        return parameters
    known = (models if isinstance(models, Models) else Models(models)).parameters
    out: dict[str, Any] = {}
    for key, values in parameters.items():
        name = str(key)
        if isinstance(key, Parameter):
            own = any(key is par for par in known)
            try:
                name = known.names[known.index(key if own else key.name)]
            except KeyError as error:
                raise ValueError(f"parameters: {error.args[0]}") from None
        if name in out:
            raise ValueError(f"parameters: '{name}' is given twice.")
        out[name] = values
    return out


def found(models: Models, parameters: Mapping[str, Any]) -> dict[str, Parameter]:
    """Look up parameters of models by name.

    Raises
    ------
    ValueError
        If there is none of a name, several, or a parameter is named twice.
    """
    if not isinstance(parameters, Mapping):
        raise ValueError(
            f"parameters is given as {parameters!r}: give a dict of names and values, such as "
            '{"gc.amplitude": xr.DataArray([1e-12, 2e-12], dims="amplitude")}.'
        )
    out: dict[str, Parameter] = {}
    for name in parameters:
        try:
            out[name] = models.parameters[models.parameters.index(str(name))]
        except KeyError as error:
            raise ValueError(f"parameters: {error.args[0]}") from None
    for name, par in out.items():
        others = [other for other in out if other != name and out[other] is par]
        if others:
            raise ValueError(f"parameters: '{name}' and '{others[0]}' are the same parameter; give one of them.")
    return out


def released(models: Models, parameters: Mapping[str, Any]) -> Models:
    """Copy models, of which the named parameters are free and no others.

    Parameters
    ----------
    models : Models
        The models.
    parameters : mapping
        With the names of parameters, ``model.parameter``.

    Raises
    ------
    ValueError
        As `found` does.
    """
    models = models.copy()
    chosen = {id(par) for par in found(models, parameters).values()}
    for par in models.parameters:
        par.frozen = id(par) not in chosen
    return models


def points_of(models: Models, parameters: Mapping[str, Any]) -> Points:
    """Broadcast values of parameters against each other.

    Parameters
    ----------
    models : Models
        The models, of which all parameters that are named are free.
    parameters : mapping
        Values by name, ``model.parameter``: DataArrays, whose dims are those of the scan; numbers or quantities. An
        array or a list of values without dims gets one with the name of the parameter. The unit is that of a quantity,
        or in the attrs, and else that of the parameter.

    Returns
    -------
    Points
        With values of all free parameters: those that are not named stay as they are.

    Raises
    ------
    ValueError
        If a parameter is unknown or frozen, a unit does not fit, or labels along a common dim differ.
    """
    free = models.parameters.free_unique_parameters
    chosen = found(models, parameters)
    places, arrays = [], []
    for name, par in chosen.items():
        if par.frozen:
            raise ValueError(
                f"parameters: '{name}' is frozen; the free ones are {', '.join(free.names) or 'none'}. Set frozen = "
                "False before the likelihood is compiled."
            )
        places.append(next(i for i, other in enumerate(free) if other is par))
        arrays.append(_labelled(name, parameters[name], par))
    try:
        aligned = xr.align(*arrays, join="exact", copy=False)
        # Of coordinates that differ nothing is kept, as in arithmetic.
        grid = sum((array * 0 for array in aligned), xr.DataArray(0.0))
    except ValueError as error:
        raise ValueError(
            f"parameters: the labels of {', '.join(map(repr, chosen))} differ along a dim that they share, or their "
            f"sizes: give a dim of its own to what varies independently ({error})."
        ) from error
    if grid.size == 0:
        raise ValueError(f"parameters: {', '.join(map(repr, chosen))} have no values.")
    values = np.tile(free.value, (grid.size, 1))
    for place, array in zip(places, aligned, strict=True):
        values[:, place] = array.variable.set_dims(dict(grid.sizes)).transpose(*grid.dims).values.ravel()
    return Points(grid.dims, grid.shape, grid.coords.to_dataset(), values)


def _labelled(name: str, given: Any, par: Parameter) -> xr.DataArray:
    """Return values as numbers in the unit of a parameter, with dims."""
    unit = "" if par.unit == u.dimensionless_unscaled else par.unit
    values = to_value(given, unit, f"parameters: '{name}'")
    if isinstance(given, xr.DataArray):
        return given.copy(data=values)
    if isinstance(given, xr.Variable):
        return xr.DataArray(given.copy(data=values))
    if values.ndim > 1:
        raise ValueError(
            f"parameters: '{name}' has {values.ndim} dims without names: give a DataArray, whose dims are those of "
            "the result."
        )
    if values.ndim == 0:
        return xr.DataArray(values)
    attrs = {"units": par.unit.to_string("fits") if unit != "" else ""}
    return xr.DataArray(values, dims=name, coords={name: (name, values, attrs)})
