"""The ``.gp`` accessors: a line a method, the text and the work stand in the functions they call."""

from xgamma.accessor.array import DataArrayAccessor
from xgamma.accessor.dataset import DatasetAccessor
from xgamma.accessor.fluxpoints import SEDAccessor
from xgamma.accessor.irf import EDispAccessor, PSFAccessor

__all__ = ["DataArrayAccessor", "DatasetAccessor", "EDispAccessor", "PSFAccessor", "SEDAccessor"]
