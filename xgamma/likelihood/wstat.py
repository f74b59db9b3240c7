"""The W statistic of on/off counts as a function of the parameter vector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xgamma.kernels import statistic
from xgamma.likelihood.bins import Bins
from xgamma.likelihood.expansion import Expansion, add_bends, rough_of
from xgamma.likelihood.many import wstat_many
from xgamma.likelihood.source import Contribution, RegionSource

__all__ = ["WstatTerm", "joined", "off_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class WstatTerm:
    """W statistic of a dataset, compiled.

    Attributes
    ----------
    name : str
        Name of the dataset.
    bins : Bins
        The bins inside the masks whose background is known.
    sources : tuple
        The source models.
    n_off, alpha : ndarray, shape (bin,)
        Counts in the off regions, and the ratio of the acceptances.
    sizes : tuple of int
        Number of bins of each spectrum where several are one.
    """

    name: str
    bins: Bins
    sources: tuple[Any, ...]
    n_off: Array
    alpha: Array
    sizes: tuple[int, ...] = ()

    @property
    def n_bins(self) -> int:
        """Number of bins inside the masks whose background is known."""
        return self.bins.n.size

    def __call__(self, x: Array) -> float:
        """W statistic for a parameter vector."""
        return self._value(self._signal([source.at(x) for source in self.sources]))

    def _signal(self, parts: list[Contribution]) -> Array:
        mu = np.zeros(self.bins.n.size)
        for part in parts:
            mu[part.fixed.bins] += part.signal
        return mu

    def _value(self, mu: Array, off: Array | None = None) -> float:
        return float(self._values(mu, off).sum())

    def _values(self, mu: Array, off: Array | None = None) -> Array:
        """Return the statistic of each bin, given the best background in each if it is known."""
        return statistic.wstat(self.bins.n, self.n_off, self.alpha, mu, off)

    def _off(self, mu: Array) -> Array:
        """Return the best background in the off region of each bin."""
        return statistic.wstat_background(self.bins.n, self.n_off, self.alpha, mu)

    def split(self, x: Array) -> tuple[float, ...]:
        """Return the statistic of each spectrum where several are one."""
        values = self._values(self._signal([source.at(x) for source in self.sources]))
        return tuple(float(part.sum()) for part in np.split(values, np.cumsum(self.sizes[:-1])))

    def gradient(self, x: Array) -> Array:
        """Return the derivatives of the statistic."""
        return self.value_and_gradient(x)[1]

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return the statistic and its derivatives.

        The background is the best one, so that the statistic does not depend on it to first order.
        """
        parts = [source.at(x, 1) for source in self.sources]
        mu = self._signal(parts)
        off, out = self._off(mu), np.zeros(x.size)
        self._slopes(parts, self._pull(mu, off)[0], out)
        return self._value(mu, off), out

    def _pull(self, mu: Array, off: Array) -> tuple[Array, Array]:
        """Half of the first and second derivatives by the signal in each bin, given the best background."""
        n, n_off, alpha = self.bins.n, self.n_off, self.alpha
        on = np.where(n > 0, mu + alpha * off, 1.0)
        share = n / on
        # How the best background follows the signal: the derivative of its quadratic equation.
        lead = 2 * alpha * (1 + alpha) * off - alpha * (n + n_off) + (1 + alpha) * mu
        follow = np.divide(n_off - (1 + alpha) * off, lead, out=np.zeros_like(on), where=lead != 0)
        return 1 - share, share * (1 + alpha * follow) / on

    def _slopes(self, parts: list[Contribution], pull: Array, out: Array) -> list[Array]:
        """Add derivatives to an array; return those by the numbers of each spectrum."""
        slopes = []
        for part in parts:
            own = pull[part.fixed.bins]
            slopes.append(own @ part.fixed.matrix)
            for slot, row in part.slopes:
                out[slot] += 2 * float(slopes[-1] @ row)
            for slot, column, _ in part.moves:
                out[slot] += 2 * float(own @ column)
        return slopes

    def expand(self, x: Array, free: NDArray[np.bool_] | None = None) -> Expansion:
        """Return the statistic with first and second derivatives, see `xgamma.likelihood.Likelihood.expand`."""
        parts = [source.at(x, 2, free) for source in self.sources]
        mu = self._signal(parts)
        off = self._off(mu)
        pull, bend = self._pull(mu, off)
        gradient, hessian = np.zeros(x.size), np.zeros((x.size, x.size))
        columns, rough = np.zeros((mu.size, x.size)), rough_of(self.sources, x.size)
        for part, slope in zip(parts, self._slopes(parts, pull, gradient), strict=True):
            for slot, row in part.slopes:
                columns[part.fixed.bins, slot] += part.fixed.matrix @ row
            for slot, column, _ in part.moves:
                columns[part.fixed.bins, slot] += column
            add_bends(hessian, part.bends, slope)
        hessian += columns.T @ (columns * bend[:, None])
        return Expansion(self._value(mu, off), gradient, 2 * hessian, rough)

    def many(self, x: Array) -> Array:
        """Statistic (point,) for parameter vectors (point, parameter)."""
        return wstat_many(self, x)

    def npred(self, x: Array) -> Array:
        """Predicted signal counts of every bin, (energy, y, x) with ascending labels."""
        mu = np.zeros(self.bins.inside.shape)
        for source in self.sources:
            for _, part, image in source.images(x, slopes=False):
                mu[part] += image
        return mu


def off_of(ds: xr.Dataset, name: str, bins: Bins) -> tuple[Bins, Array, Array]:
    """Return the bins whose background is known, their counts in the off regions and ratios of acceptances.

    Raises
    ------
    ValueError
        If there is no acceptance.
    """
    sky = bins.grid is not None
    dims = ("energy", "y", "x") if sky else ("energy",)
    variables = ds.variables
    missing = [key for key in ("acceptance", "acceptance_off") if key not in variables]
    if missing:
        raise ValueError(f"Dataset '{name}' has counts_off but no variable '{missing[0]}' to scale them with.")

    def values(key: str) -> Array:
        variable = variables[key]
        if variable.dims != dims:
            variable = variable.set_dims(variables["counts"].sizes).transpose(*dims)
        array = variable.values.astype(np.float64)
        if not sky:
            return array[bins.e]
        rows, columns = (np.argsort(variables[dim].values, kind="stable") for dim in ("y", "x"))
        y, x = np.searchsorted(bins.rows, bins.y), np.searchsorted(bins.columns, bins.x)
        return array[bins.e, rows[y], columns[x]]

    acceptance, acceptance_off = values("acceptance"), values("acceptance_off")
    alpha = np.divide(acceptance, acceptance_off, out=np.zeros_like(acceptance), where=acceptance_off > 0)
    some = alpha > 0
    return bins.only(some), values("counts_off")[some], alpha[some]


def joined(terms: Iterable[Any]) -> tuple[Any, ...]:
    """Make one term of all datasets whose sources share their spectra: regions with the same true energies.

    Its value is the sum of theirs: the spectra of the sources are then evaluated once. All other terms stay what they
    are.
    """
    groups: dict[Any, list[Any]] = {}
    for term in terms:
        groups.setdefault(_kind(term), []).append(term)
    return tuple(_stacked(group) if len(group) > 1 else group[0] for group in groups.values())


def _kind(term: Any) -> Any:
    """Return what terms have in common that can be one."""
    if not isinstance(term, WstatTerm):
        return id(term)
    out: list[Any] = []
    for source in term.sources:
        if not isinstance(source, RegionSource) or source.shape_slots:
            return id(term)
        out.append(id(source.spectrum))
    return tuple(out)


def _stacked(terms: list[WstatTerm]) -> WstatTerm:
    def all_of(name: str) -> Array:
        return np.concatenate([getattr(term, name) for term in terms])

    first, n = terms[0], np.concatenate([term.bins.n for term in terms])
    none, sources = np.zeros(0, dtype=np.intp), []
    for parts in zip(*(term.sources for term in terms), strict=True):
        matrix = np.asfortranarray(np.concatenate([part.fixed.matrix for part in parts]))
        fixed = replace(parts[0].fixed, bins=np.arange(n.size), matrix=matrix, bare=none, bare_energy=none)
        sources.append(replace(parts[0], fixed=fixed))
    n_off, alpha, sizes = all_of("n_off"), all_of("alpha"), tuple(term.bins.n.size for term in terms)
    return WstatTerm(first.name, replace(first.bins, n=n), tuple(sources), n_off, alpha, sizes)
