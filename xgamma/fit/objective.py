"""The function that is minimised: a likelihood that counts, remembers and survives values that are no numbers."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.likelihood.expansion import Expansion

__all__ = ["Objective", "Stopped", "Watch"]

Array = NDArray[np.float64]

_PATIENCE, _PAUSE = 2.0, 0.2
"""Seconds until a line on progress appears, and between two of them."""


class Stopped(Exception):
    """The statistic is no number so often that a fit makes no sense."""


@dataclass
class Watch:
    """A line on the terminal that tells how a fit goes, once it lasts and if a person watches.

    Attributes
    ----------
    wanted : bool or None
        Whether to show it; None for a terminal only.
    """

    wanted: bool | None = None
    start: float = field(default_factory=time.monotonic)
    last: float = 0.0

    def __post_init__(self) -> None:
        if self.wanted is None:
            self.wanted = bool(sys.stderr is not None and sys.stderr.isatty())

    def tell(self, text: str) -> None:
        """Replace the line."""
        now = time.monotonic()
        if self.wanted and now - self.start > _PATIENCE and now - self.last > _PAUSE:
            self.last = now
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()

    def close(self) -> None:
        """Remove the line."""
        if self.last:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


class Objective:
    """The statistic for a minimiser.

    Parameters
    ----------
    likelihood : Likelihood
        The statistic and its gradient.
    trace : bool
        Whether to keep every point.
    max_calls : int, optional
        How often the statistic may be evaluated.
    watch : Watch
        Where to tell of progress.
    """

    def __init__(
        self, likelihood: Any, trace: bool = False, max_calls: int | None = None, watch: Watch | None = None
    ) -> None:
        self.likelihood = likelihood
        self.names: tuple[str, ...] = likelihood.parameters
        self.max_calls = max_calls
        self.n_values = self.n_gradients = self.n_invalid = 0
        self.best: tuple[float, Array] | None = None
        self.invalid: Array | None = None
        self.trace: list[tuple[float, Array]] | None = [] if trace else None
        self._watch = Watch(False) if watch is None else watch

    def value(self, x: Array) -> float:
        """Statistic; far above the best one where it is no number, so that a minimiser turns back."""
        self._count()
        return self._noted(float(self.likelihood(x)), x)

    def gradient(self, x: Array) -> Array:
        """Return the derivatives; zero where one is no number."""
        self.n_gradients += 1
        slope = np.asarray(self.likelihood.gradient(x), dtype=np.float64)
        self._watch.tell(f"fit: {self.n_values} evaluations, {self.n_gradients} gradients")
        return np.where(np.isfinite(slope), slope, 0.0)

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return both, for less than they cost apart."""
        self._count()
        self.n_gradients += 1
        stat, slope = self.likelihood.value_and_gradient(x)
        return self._noted(float(stat), x), np.where(np.isfinite(slope), slope, 0.0)

    def expand(self, x: Array, free: NDArray[np.bool_] | None = None) -> Expansion:
        """Return the statistic with first and second derivatives; zero where one is no number."""
        self._count()
        self.n_gradients += 1
        found = self.likelihood.expand(x, free)
        slope, bend = (np.where(np.isfinite(part), part, 0.0) for part in (found.gradient, found.hessian))
        return Expansion(self._noted(found.value, x), slope, bend, found.rough, found.cut)

    def _count(self) -> None:
        if self.max_calls is not None and self.n_values >= self.max_calls:
            raise Stopped(f"The limit of {self.max_calls} evaluations was reached.")
        self.n_values += 1

    def _noted(self, stat: float, x: Array) -> float:
        """Remember a statistic, and replace what is no number."""
        if self.trace is not None:
            self.trace.append((stat, np.array(x)))
        if not np.isfinite(stat):
            self.n_invalid += 1
            self.invalid = np.array(x)
            if self.best is None or self.n_invalid > 100:
                raise Stopped(self.tell_invalid(stat))
            return self.best[0] + 1e6 + 10 * abs(self.best[0])
        if self.best is None or stat < self.best[0]:
            self.best = stat, np.array(x)
        self._watch.tell(f"fit: {self.n_values} evaluations, statistic {self.best[0]:.3f}")
        return stat

    def tell_invalid(self, stat: float) -> str:
        """Say where the statistic was no number."""
        assert self.invalid is not None
        values = ", ".join(f"{name} = {v:.6g}" for name, v in zip(self.names, self.invalid, strict=True))
        parts = zip(self.likelihood.datasets, self.likelihood.stats(self.invalid), strict=True)
        wrong = [name for name, value in parts if not np.isfinite(value)]
        of = f" of dataset {', '.join(map(repr, wrong))}" if wrong else ""
        return f"The statistic{of} is {stat} at {values}."
