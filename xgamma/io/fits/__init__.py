"""The FITS layout of map datasets that gammapy and the open gamma-ray data formats use."""

from xgamma.io.fits.reader import open_fits
from xgamma.io.fits.writer import write_fits

__all__ = ["open_fits", "write_fits"]
