"""The OGIP files of spectra: counts (PHA), background (BKG), effective area (ARF) and energy dispersion (RMF)."""

from xgamma.io.ogip.reader import is_ogip, open_ogip
from xgamma.io.ogip.writer import write_ogip

__all__ = ["is_ogip", "open_ogip", "write_ogip"]
