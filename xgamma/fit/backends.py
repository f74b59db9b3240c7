"""Minimisers: programs that look for the lowest statistic."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.fit.objective import Objective
from xgamma.fit.start import Start

__all__ = ["BACKENDS", "Backend", "Outcome", "Settings", "check_backend"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """What a user may set.

    Attributes
    ----------
    strategy : int
        For minuit: 0 fast, 1 default, 2 careful.
    tolerance : float
        Minimisers stop when they expect the minimum less than 0.002 times this below.
    options : mapping
        Passed on to the minimiser.
    """

    strategy: int
    tolerance: float
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a minimiser found.

    Attributes
    ----------
    x : ndarray, shape (parameter,)
        The point.
    valid : bool
        Whether it takes that for a minimum.
    message : str
        What it says.
    """

    x: Array
    valid: bool
    message: str


def check_backend(name: str) -> None:
    """Check that what a minimiser needs is installed, without loading it.

    Raises
    ------
    ImportError
        If it is not.
    """
    module = BACKENDS[name].module
    known = module in _INSTALLED and sys.modules.get(module, module) is not None
    if not known and importlib.util.find_spec(module) is None:
        raise ImportError(
            f"The backend '{name}' needs {module}, which is in the extra 'fit': pip install 'xgamma[fit]'. "
            "Fit(backend='scipy') does without it."
        )


def _minuit(objective: Objective, start: Start, settings: Settings) -> Outcome:
    from iminuit import Minuit

    scale, begin = start.scale, _inside(start)
    minuit = Minuit(
        lambda v: objective.value(v * scale),
        begin / scale,
        grad=lambda v: objective.gradient(v * scale) * scale,
        g2=lambda v: np.full(v.size, 2.0),
        name=objective.names,
    )
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.errors = np.ones(scale.size)
    minuit.limits = list(zip(start.lower / scale, start.upper / scale, strict=True))
    minuit.strategy, minuit.tol = settings.strategy, settings.tolerance
    options = dict(settings.options)
    calls = {key: options.pop(key) for key in ("ncall", "iterate", "use_simplex") if key in options}
    for key, value in options.items():
        setattr(minuit, key, value)
    minuit.migrad(**calls)
    state = minuit.fmin
    reasons = {
        "the limit of calls was reached": state.has_reached_call_limit,
        "the minimum is still far": state.is_above_max_edm,
        "the covariance is not positive": not state.has_covariance or state.has_made_posdef_covar,
    }
    said = ", ".join(text for text, true in reasons.items() if true)
    return Outcome(np.array(minuit.values) * scale, bool(minuit.valid), said)


def _inside(start: Start) -> Array:
    """Start a little inside the limits: on them minuit feels no slope."""
    margin = 0.05 * np.minimum(start.scale, np.where(np.isfinite(start.upper), start.upper - start.lower, np.inf))
    x = np.where(np.isfinite(start.lower), np.maximum(start.x, start.lower + margin), start.x)
    return np.where(np.isfinite(start.upper), np.minimum(x, start.upper - margin), x)


def _scipy(objective: Objective, start: Start, settings: Settings) -> Outcome:
    from scipy.optimize import minimize

    scale = start.scale
    options = dict(settings.options)
    method = options.pop("method", "L-BFGS-B")
    if method == "L-BFGS-B":
        # The goal is an expected decrease, which is about half the last one.
        options.setdefault("ftol", 1e-3 * settings.tolerance / max(1.0, abs(objective.value(start.x))))
        options.setdefault("gtol", 1e-2 * np.sqrt(settings.tolerance))
    bounds = list(zip(start.lower / scale, start.upper / scale, strict=True))
    found = minimize(
        lambda v: objective.value(v * scale),
        start.x / scale,
        jac=lambda v: objective.gradient(v * scale) * scale,
        bounds=bounds,
        method=method,
        options=options,
    )
    return Outcome(np.array(found.x) * scale, bool(found.success), str(found.message))


@dataclass(frozen=True)
class Backend:
    """A minimiser.

    Attributes
    ----------
    minimise : callable
        Goes from a start to what may be a minimum.
    options : tuple of str or None
        Names of the options that a user may pass; None for any.
    module : str
        What it needs.
    """

    minimise: Callable[[Objective, Start, Settings], Outcome]
    options: tuple[str, ...] | None
    module: str


BACKENDS = {
    "minuit": Backend(_minuit, ("print_level", "precision", "throw_nan", "ncall", "iterate", "use_simplex"), "iminuit"),
    "scipy": Backend(_scipy, None, "scipy"),
}
"""The minimisers by name."""
_INSTALLED = frozenset(own.module for own in BACKENDS.values() if importlib.util.find_spec(own.module) is not None)
"""What was there when this was imported, so that no fit has to look for it."""
