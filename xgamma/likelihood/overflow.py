"""Fluxes beyond what a float holds: a fit may try such parameters, and has to be told, not warned."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

__all__ = ["silent"]

P = ParamSpec("P")
R = TypeVar("R")


def silent(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that does its arithmetic without warnings: what comes of it, infinite or nan, tells enough."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return function(*args, **kwargs)

    return wrapped
