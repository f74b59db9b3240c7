"""Lazy datasets for tests of reductions."""

import xarray as xr

SIZES = {"y": 13, "x": 11, "energy": 3, "y_psf": 4, "rad": 13, "energy_true": 4}
"""Two or three chunks along each dim of a map of 24 x 26 pixels, with borders between pixels that are merged."""


def chunked(ds: xr.Dataset) -> xr.Dataset:
    """Cut a dataset into chunks."""
    return ds.chunk({dim: n for dim, n in SIZES.items() if dim in ds.dims})
