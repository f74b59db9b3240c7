"""The Cash statistic where one source moves before a background that stays: only bins that it reaches change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xgamma.kernels.statistic import TRUNCATION
from xgamma.likelihood.active import Active, Level
from xgamma.likelihood.source import Contribution

__all__ = ["Alone", "alone_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Alone:
    """What the bins have without the source.

    Attributes
    ----------
    n, mu, logs : ndarray, shape (bin,)
        Counts, background, and logarithms of it in the active bins.
    rest : float
        Sum of the background over the mask, less that of counts x its logarithm.
    """

    n: Array
    mu: Array
    logs: Array
    rest: float

    def statistic(self, part: Contribution, place: NDArray[np.intp]) -> float | None:
        """Cash statistic with a source, given where bins lie among the active ones; None where sums do not hold.

        None as well where it reaches most of them: logarithms of products of all take less time than those of each.
        """
        if 2 * part.fixed.bins.size > self.n.size:
            return None
        if not (part.home and part.bounded and part.coefficients.min() >= 0):
            return None
        place = place.take(part.fixed.bins)
        mu = self.mu.take(place)
        mu += part.signal
        if not mu.min(initial=np.inf) > TRUNCATION:
            return None
        logs = np.log(mu)
        logs -= self.logs.take(place)
        logs *= self.n.take(place)
        return 2 * (self.rest + float(part.fixed.total @ part.coefficients) - float(logs.sum()))


def alone_of(level: Level | None, still: Active, sources: Sequence[Any]) -> Alone | None:
    """Prepare it for a background that does not change; None where that is not all but one source that may move."""
    if level is None or not level.holds or still.bare.size or len(sources) != 1 or not sources[0].shape_slots:
        return None
    if not level.mu.min(initial=np.inf) > TRUNCATION:
        return None
    return Alone(still.n, level.mu, np.log(level.mu), level.rest - still.log_sum(level.mu))
