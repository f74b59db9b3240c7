"""The OGIP files of spectra: counts (PHA), background (BKG), effective area (ARF) and energy dispersion (RMF)."""

from xgamma.io.ogip.reader import check_ogip, open_ogip
from xgamma.io.ogip.writer import ogip_paths, write_ogip

__all__ = ["check_ogip", "ogip_paths", "open_ogip", "write_ogip"]
