"""The xarray engine ``xgamma``.

Every `xarray.open_dataset` of every user loads this module. It stands outside the package, so that it loads nothing but
xarray; the package follows when a file of ours is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from xarray.backends import BackendEntrypoint

__all__ = ["XgammaBackendEntrypoint"]


class XgammaBackendEntrypoint(BackendEntrypoint):
    """Opens FITS files with map datasets: ``xarray.open_dataset("file.fits.gz", engine="xgamma")``."""

    description = "Open map datasets of gamma-ray astronomy in FITS files (.fits, .fits.gz, .fit)"
    url = "https://gamma-astro-data-formats.readthedocs.io"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "name")

    def open_dataset(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None, name: str | None = None
    ) -> Any:
        """Open a file lazily; see `xgamma.open_dataset`."""
        from xgamma.io.fits import open_fits

        ds = open_fits(filename_or_obj, name=name)
        if drop_variables is None:
            return ds
        names = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables)
        kept = ds.drop_vars(names, errors="ignore")
        kept.set_close(ds.close)
        return kept

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Tell whether the name ends as that of a FITS file."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        return os.fspath(filename_or_obj).lower().endswith((".fits", ".fits.gz", ".fit", ".fit.gz"))
