"""Datasets and models as one function of a parameter vector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from xgamma.coords import SkyGrid
from xgamma.likelihood.chunks import chunked_term, is_chunked
from xgamma.likelihood.expansion import Expansion, total
from xgamma.likelihood.fluxpoints import FLUX_FRAME
from xgamma.likelihood.overflow import silent
from xgamma.likelihood.parameters import Vector, joint_models, vector_of
from xgamma.likelihood.points import named, points_of
from xgamma.likelihood.spectrum import Spectrum
from xgamma.likelihood.term import term_of
from xgamma.likelihood.wstat import joined
from xgamma.models import Models
from xgamma.schema import is_flux_points, suffix_of

__all__ = ["Likelihood"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Frame:
    """What gives a prediction its labels back."""

    dims: tuple[str, ...]
    order: tuple[NDArray[np.intp], ...]
    variables: dict[str, xr.Variable]
    indexes: dict[str, Any]
    name: str = "npred"
    units: str = ""
    meaning: str = "predicted counts"

    def labelled(self, values: Array) -> xr.DataArray:
        """Label a prediction (energy, y, x) whose labels ascend."""
        for axis, order in enumerate(self.order, start=1):
            values = np.take(values, order, axis=axis)
        data = values if len(self.dims) == 3 else values[:, 0, 0]
        attrs = {"units": self.units, "long_name": self.meaning}
        variables = {key: variable.copy(deep=True) for key, variable in self.variables.items()}
        coords = xr.Coordinates(variables, indexes=self.indexes)
        return xr.DataArray(data, dims=self.dims, name=self.name, attrs=attrs, coords=coords)


class Likelihood:
    """Fit statistic of datasets as a function of the free parameters of models.

    Everything is resolved once into arrays that nothing else refers to; afterwards it is a pure function, that may be
    pickled and called from several threads. Spectra, and the norm of backgrounds, cost a product of a small matrix with
    a vector; a source whose position or shape differs from those it was compiled with is evaluated on its window.

    Parameters
    ----------
    datasets : Dataset, iterable of Dataset, or Datasets
        With ``counts`` and what `xgamma.predict.npred` needs, or flux points. Lazy ones are compiled a chunk at a time.
    models : Models, list of models, or model, optional
        By default those of the collection, or those stored with the datasets, of which those of one name are one model.

    Raises
    ------
    ValueError
        If there is no dataset, a name occurs twice, or a dataset has no counts or no exposure.

    Notes
    -----
    As in `xgamma.kernels.statistic.cash`, predictions at or below 1e-25 count as 1e-25. A negative flux is allowed:
    where it could make a prediction negative every bin is evaluated, which is slower and gives the same numbers as
    `xgamma.statistic.stat_sum`. Parameters so large that a flux is beyond what a float holds have an infinite statistic
    and derivatives that may be nan, without a warning; with parameters or data that are no finite numbers it is nan.
    """

    def __init__(self, datasets: xr.Dataset | Iterable[xr.Dataset], models: Any = None) -> None:
        items = [datasets] if isinstance(datasets, xr.Dataset) else list(datasets)
        if models is None and not isinstance(datasets, xr.Dataset):
            models = getattr(datasets, "models", None)
        if not items:
            raise ValueError("A likelihood needs a dataset.")
        strange = next((type(ds).__name__ for ds in items if not isinstance(ds, xr.Dataset)), None)
        if strange is not None:
            raise ValueError(f"A likelihood takes xarray.Dataset objects, not {strange}.")
        names = [str(ds.attrs.get("name", "")) for ds in items]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Names of datasets must be unique, and '{twice[0]}' occurs more than once.")
        self._models = joint_models(items, models)
        self._vector = vector_of(self._models)
        spectra: dict[Any, Spectrum] = {}
        self._terms = tuple(_term(ds, self._models, spectra) for ds in items)
        self._joint = joined(self._terms)
        self._frames = tuple(_frame(ds) for ds in items)
        self._grids = tuple(SkyGrid.from_dataset(ds) if {"y", "x"} <= set(ds.dims) else None for ds in items)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the free parameters, ``model.parameter``; linked ones occur once."""
        return self._vector.names

    @property
    def vector(self) -> Vector:
        """Units, limits, errors and priors of the free parameters."""
        return self._vector

    @property
    def x0(self) -> Array:
        """Values of the free parameters when the likelihood was compiled."""
        return self._vector.value.copy()

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets."""
        return tuple(term.name for term in self._terms)

    @property
    def n_bins(self) -> tuple[int, ...]:
        """Number of bins inside the masks, of each dataset."""
        return tuple(term.n_bins for term in self._terms)

    @property
    def resolution(self) -> float:
        """Size of the smallest pixel of a map in deg, infinite without a map."""
        scales = [float(grid.keywords[key]) for grid in self._grids if grid for key in ("CDELT1", "CDELT2")]
        return min(map(abs, scales), default=np.inf)

    @property
    def grids(self) -> tuple[SkyGrid | None, ...]:
        """Grid of each dataset on the sky, None for a spectrum."""
        return self._grids

    def models(self, x: ArrayLike | None = None) -> Models:
        """Return a copy of the models, with other values.

        Parameters
        ----------
        x : array_like, optional
            Values of the free parameters; by default those at which the likelihood was compiled.
        """
        out = self._models.copy()
        if x is not None:
            for par, value in zip(out.parameters.free_unique_parameters, self._vector.check(x), strict=True):
                par.value = float(value)
        return out

    @silent
    def __call__(self, x: ArrayLike) -> float:
        """Return the statistic, priors included.

        Parameters
        ----------
        x : array_like
            Values of the free parameters, in their units and the order of `parameters`.
        """
        values = self._vector.check(x)
        return self._told(sum([term(values) for term in self._joint]) + self._vector.prior(values), values)

    def _told(self, stat: float, x: Array) -> float:
        """Return a statistic, which is infinite where numbers that are too large have made it nan."""
        if stat == stat or not np.isfinite(x).all():
            return stat
        # Of data that are not finite nothing else comes where the models make sense.
        start = self._vector.value
        return np.inf if np.isfinite(sum([term(start) for term in self._joint])) else stat

    def prior(self, x: ArrayLike) -> float:
        """Return the part of the statistic that is due to priors."""
        return self._vector.prior(self._vector.check(x))

    def stat_sums(self, x: ArrayLike) -> xr.DataArray:
        """Return the statistic of each dataset, without priors.

        Returns
        -------
        DataArray, dims (dataset,)
        """
        return labelled_sums(self.datasets, self.stats(x))

    @silent
    def stats(self, x: ArrayLike) -> tuple[float, ...]:
        """Return what `stat_sums` does, as plain numbers in the order of `datasets`."""
        values = self._vector.check(x)
        if len(self._joint) == 1 < len(self._terms):
            return self._joint[0].split(values)
        return tuple(float(term(values)) for term in self._terms)

    @silent
    def scan(self, parameters: Mapping[str, Any], x: ArrayLike | None = None) -> xr.DataArray:
        """Return the statistic, priors included, for many values of parameters by label.

        Where sources stand still that is linear algebra; a source that moves is evaluated once for each of its places.

        Parameters
        ----------
        parameters : mapping
            Values of free parameters by name, ``model.parameter``: DataArrays, whose dims are those of the scan,
            numbers or quantities, see `xgamma.likelihood.points.points_of`.
        x : array_like, optional
            Values of the other free parameters; by default those at which the likelihood was compiled.

        Returns
        -------
        DataArray
            Over the dims of all values, with their coordinates.

        Raises
        ------
        ValueError
            If a parameter is unknown or frozen, a unit does not fit, or labels along a common dim differ.
        """
        models = self.models(x)
        points = points_of(models, named(models, parameters))
        total = sum((term.many(points.values) for term in self._joint), np.zeros(len(points.values)))
        total = total + [self._vector.prior(row) for row in points.values]
        for i in np.flatnonzero(np.isnan(total)):
            total[i] = self._told(total[i], points.values[i])
        return points.labelled(total, "stat_sum", "sum of the fit statistic")

    @silent
    def gradient(self, x: ArrayLike) -> Array:
        """Return the derivatives of the statistic with respect to the free parameters."""
        values = self._vector.check(x)
        return sum((term.gradient(values) for term in self._joint), self._vector.prior_gradient(values))

    @silent
    def value_and_gradient(self, x: ArrayLike) -> tuple[float, Array]:
        """Return the statistic and its derivatives, for less than both cost apart."""
        values = self._vector.check(x)
        parts = [term.value_and_gradient(values) for term in self._joint]
        value = sum((part[0] for part in parts), self._vector.prior(values))
        return self._told(value, values), sum((part[1] for part in parts), self._vector.prior_gradient(values))

    @silent
    def expand(self, x: ArrayLike, free: ArrayLike | None = None) -> Expansion:
        """Return the statistic with its first and second derivatives.

        Parameters
        ----------
        x : array_like
            Values of the free parameters.
        free : array_like of bool, optional
            Parameters that matter: derivatives with respect to the position and shape of a source may be left out (as
            zero) for others.

        Returns
        -------
        Expansion
            Second derivatives are exact for spectra, amplitudes and backgrounds; for positions and shapes they are
            those of a prediction that is linear in these.
        """
        values = self._vector.check(x)
        which = None if free is None else np.asarray(free, dtype=bool)
        parts = [term.expand(values, which) for term in self._joint]
        if any(prior is not None for prior in self._vector.priors):
            parts.append(self._vector.prior_expansion(values))
        found = total(parts, values.size)
        return found if found.value == found.value else replace(found, value=self._told(found.value, values))

    @silent
    def npred(self, x: ArrayLike, dataset: str | None = None) -> xr.DataArray:
        """Predict the counts of a dataset, or the differential fluxes of flux points.

        Parameters
        ----------
        x : array_like
            Values of the free parameters.
        dataset : str, optional
            Its name; it may be left out if there is one.

        Returns
        -------
        DataArray, dims (energy, y, x) or (energy,)

        Raises
        ------
        ValueError
            If there is no such dataset.
        """
        if dataset is None and len(self._terms) == 1:
            dataset = self.datasets[0]
        if dataset not in self.datasets:
            raise ValueError(f"There is no dataset {dataset!r}; choose from {', '.join(map(repr, self.datasets))}.")
        i = self.datasets.index(dataset)
        return self._frames[i].labelled(self._terms[i].npred(self._vector.check(x)))

    def __repr__(self) -> str:
        return f"Likelihood(datasets={list(self.datasets)}, parameters={list(self.parameters)})"


def labelled_sums(names: Sequence[str], values: Sequence[float]) -> xr.DataArray:
    """Label the statistics of datasets."""
    return xr.DataArray(
        np.array(values, dtype=np.float64),
        dims="dataset",
        coords={"dataset": list(names)},
        name="stat_sum",
        attrs={"units": "", "long_name": "sum of the fit statistic"},
    )


def _frame(ds: xr.Dataset) -> _Frame:
    variables, coords = ds.variables, ds.coords
    if is_flux_points(ds):
        bins = [str(name) for name in coords if variables[name].dims in ((), ("energy",))]
        return _Frame(("energy",), (), *_kept(ds, bins), *FLUX_FRAME)
    counts = set(variables["counts"].dims)
    dims = tuple(dim for dim in ("energy", "y", "x") if dim in counts)
    order = tuple(np.argsort(np.argsort(variables[dim].values, kind="stable")) for dim in dims[1:])
    names = [str(name) for name in coords if set(variables[name].dims) <= counts and not suffix_of(str(name))]
    return _Frame(dims, order, *_kept(ds, names))


def _kept(ds: xr.Dataset, names: list[str]) -> tuple[dict[str, xr.Variable], dict[str, Any]]:
    """Copy coordinates; return them with their indexes."""
    variables, indexes = ds.variables, ds.xindexes
    # Indexes do not change, nor what they hold.
    own = {name: indexes[name] for name in names if name in indexes}
    return {name: variables[name].copy(deep=name not in own) for name in names}, own


def _term(ds: xr.Dataset, models: Models, spectra: dict[Any, Spectrum]) -> Any:
    """Compile a dataset: a lazy map chunk by chunk."""
    return chunked_term(ds, models) if is_chunked(ds) else term_of(ds, models, spectra=spectra)
