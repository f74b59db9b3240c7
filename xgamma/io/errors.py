"""What readers raise when a file is not what it should be."""

from __future__ import annotations

import os

__all__ = ["FileFormatError"]


class FileFormatError(ValueError):
    """A file that is damaged, incomplete or of another kind.

    Parameters
    ----------
    path : path-like or str
        The file, store or URL.
    part : str
        Where in it: an extension, a keyword, a variable. Empty if the whole file is meant.
    problem : str
        What is wrong, and the way out, as a sentence.
    """

    def __init__(self, path: str | os.PathLike[str], part: str, problem: str) -> None:
        # The three arguments are kept as args, so that the error survives the pickling between dask workers.
        super().__init__(os.fspath(path), part, problem)

    def __str__(self) -> str:
        return ": ".join(filter(None, self.args))
