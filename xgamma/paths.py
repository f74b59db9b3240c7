"""Paths as people write them."""

from __future__ import annotations

import os
import re

__all__ = ["absolute", "expanded"]


def expanded(path: str | os.PathLike[str]) -> str:
    """Put in the home folder for ``~``, and the values of environment variables such as ``$GAMMAPY_DATA``.

    Parameters
    ----------
    path : path-like or str
        A path given by a person, not one that stands in a file.

    Raises
    ------
    FileNotFoundError
        If the path begins with a variable that is not set.
    """
    text = os.fspath(path)
    full = os.path.expanduser(os.path.expandvars(text))
    unset = re.match(r"\$\{?(\w+)\}?[/\\]", full)
    if unset:
        raise FileNotFoundError(f"{text}: the environment variable {unset[1]} is not set")
    return full


def absolute(path: str | os.PathLike[str]) -> str:
    """Return the same as an absolute path."""
    return os.path.abspath(expanded(path))
