"""Fits of models to datasets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xgamma.fit.backends import BACKENDS, Settings
from xgamma.fit.objective import Objective, Watch
from xgamma.fit.result import FitResult, best_models
from xgamma.fit.solve import solve
from xgamma.likelihood import Likelihood

__all__ = ["Fit", "compiled"]


class Fit:
    """A way to fit models to datasets.

    Parameters
    ----------
    backend : {"minuit", "scipy"}
        The minimiser: MIGRAD of iminuit (extra ``fit``), or `scipy.optimize.minimize`, by default with L-BFGS-B. Both
        get the gradient of the likelihood. A fit begins with Newton steps, which know its second derivatives. Where
        they end in a minimum the fit is done; the minimiser takes over where they do not, and with a strategy or
        options. Second derivatives at the end give the covariance. A source with a free position and less than five
        standard errors where it starts is looked for around there, up to eight of its widths away.
    strategy : {0, 1, 2}
        Of minuit: fast, default, careful; above 0 it is called in any case. Errors do not depend on it: they are taken
        at the end, for any backend.
    tolerance : float
        The fit has converged where the minimum is expected less than 0.002 times this below, as with minuit.
    max_calls : int, optional
        How often the statistic may be evaluated before the fit gives up.
    store_trace : bool
        Whether to keep every point that is tried.
    progress : bool, optional
        Whether to tell of progress on the terminal, once a fit lasts longer than two seconds. By default if a person
        watches, that is if the standard error is a terminal.
    options : mapping, optional
        Passed on to the backend, which is then called in any case: of minuit ``print_level``, ``precision``,
        ``throw_nan``, ``ncall``, ``iterate``, ``use_simplex``; of scipy ``method`` and the options of that.

    Raises
    ------
    ValueError
        If there is no such backend, strategy, or option of minuit.

    Examples
    --------
    >>> result = xg.Fit().run(ds, models)  # doctest: +SKIP
    >>> print(result)  # doctest: +SKIP
    >>> result.confidence("gc.index")  # doctest: +SKIP
    """

    def __init__(
        self,
        backend: str = "minuit",
        *,
        strategy: int = 0,
        tolerance: float = 0.1,
        max_calls: int | None = None,
        store_trace: bool = False,
        progress: bool | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if backend not in BACKENDS:
            raise ValueError(f"There is no backend {backend!r}; choose from {', '.join(map(repr, BACKENDS))}.")
        if strategy not in (0, 1, 2):
            raise ValueError(f"strategy must be 0, 1 or 2, not {strategy!r}.")
        if not tolerance > 0:
            raise ValueError(f"tolerance must be above zero, not {tolerance!r}.")
        known = BACKENDS[backend].options
        wrong = [] if known is None else sorted(set(options or {}) - set(known))
        if wrong:
            raise ValueError(f"The backend {backend!r} has no option {wrong[0]!r}; it has {', '.join(known or ())}.")
        self.backend = backend
        self.settings = Settings(strategy, float(tolerance), dict(options or {}))
        self.max_calls = max_calls
        self.store_trace = store_trace
        self.progress = progress

    def __repr__(self) -> str:
        return f"Fit(backend={self.backend!r}, strategy={self.settings.strategy}, tolerance={self.settings.tolerance})"

    def run(self, datasets: Any, models: Any = None) -> FitResult:
        """Fit models to datasets.

        Parameters
        ----------
        datasets : Dataset, iterable of Dataset, Datasets or Likelihood
            What to fit, jointly; it stays as it is.
        models : Models, list of models, or model, optional
            By default those of the collection, or those stored with the datasets. They stay as they are, and the fit
            starts at their values.

        Returns
        -------
        FitResult
            Whatever happens during the fit: its `message` says what.

        Raises
        ------
        ValueError
            If datasets or models do not fit together, or the limits of a parameter leave no value.
        ImportError
            If the backend is not installed.
        """
        likelihood = compiled(datasets, models)
        watch = Watch(self.progress)
        objective = Objective(likelihood, self.store_trace, self.max_calls, watch)
        try:
            found = solve(objective, self.backend, self.settings)
        finally:
            watch.close()
        names, prior = likelihood.datasets, likelihood.prior(found.x)
        sums = (found.stat,) if len(names) == 1 and prior == 0 else likelihood.stats(found.x)
        best = best_models(likelihood.models(found.x), found.covariance)
        trace = None
        if objective.trace is not None:
            points = np.array([x for _, x in objective.trace]).reshape(-1, found.x.size)
            trace = xr.Dataset({"stat": ("call", [stat for stat, _ in objective.trace], {"units": ""})})
            for name, unit, column in zip(likelihood.parameters, likelihood.vector.units, points.T, strict=True):
                trace[name] = ("call", column, {"units": unit})
        return FitResult(
            success=found.success,
            message=found.message,
            total_stat=found.stat,
            nfev=objective.n_values,
            ngrad=objective.n_gradients,
            models=best,
            stat_prior=prior,
            n_bins=sum(likelihood.n_bins),
            edm=found.edm,
            backend=self.backend,
            at_limit=found.at_limit,
            trace=trace,
            _covariance=found.covariance,
            _stat_sums=tuple(zip(names, sums, strict=True)),
            _likelihood=likelihood,
        )

    # Profiles

    def stat_profile(self, datasets: Any, parameter: Any, values: Any = None, **options: Any) -> xr.Dataset:
        """Statistic along a parameter, see `xgamma.fit.profile.stat_profile`."""
        from xgamma.fit.profile import stat_profile

        return stat_profile(datasets, parameter, values, **options)

    def stat_surface(
        self, datasets: Any, x: Any, y: Any, x_values: Any = None, y_values: Any = None, **options: Any
    ) -> xr.Dataset:
        """Statistic on a grid of two parameters, see `xgamma.fit.profile.stat_surface`."""
        from xgamma.fit.profile import stat_surface

        return stat_surface(datasets, x, y, x_values, y_values, **options)

    def stat_contour(self, datasets: Any, x: Any, y: Any, **options: Any) -> xr.Dataset:
        """Line of equal statistic about the best fit, see `xgamma.fit.contour.stat_contour`."""
        from xgamma.fit.contour import stat_contour

        return stat_contour(datasets, x, y, **options)

    def confidence(self, datasets: Any, parameter: Any, sigma: float = 1.0, **options: Any) -> xr.Dataset:
        """Asymmetric errors of a parameter, see `xgamma.fit.contour.confidence`."""
        from xgamma.fit.contour import confidence

        return confidence(datasets, parameter, sigma, **options)


def compiled(datasets: Any, models: Any = None) -> Likelihood:
    """Compile datasets, where that is not done.

    Raises
    ------
    ValueError
        If models are given with a likelihood, which has its own.
    """
    if isinstance(datasets, Likelihood):
        if models is not None:
            raise ValueError("A likelihood has its models compiled in: pass the datasets to fit others.")
        return datasets
    return Likelihood(datasets, models)
