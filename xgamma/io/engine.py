"""The xarray engine ``xgamma``, which xarray itself finds in the module `xgamma_engine`."""

from xgamma_engine import XgammaBackendEntrypoint

__all__ = ["XgammaBackendEntrypoint"]
