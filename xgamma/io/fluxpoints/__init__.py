"""Files of flux points: tables in the form ``gadf-sed``, in FITS and ECSV."""

from xgamma.io.fluxpoints.ecsv import open_ecsv, write_ecsv
from xgamma.io.fluxpoints.fits import is_flux_fits, open_flux_fits, write_flux_fits
from xgamma.io.fluxpoints.reader import create_flux_points
from xgamma.io.fluxpoints.writer import flux_points_to_table

__all__ = [
    "create_flux_points",
    "flux_points_to_table",
    "is_flux_fits",
    "open_ecsv",
    "open_flux_fits",
    "write_ecsv",
    "write_flux_fits",
]
