"""Axes, sky grids and their indexes."""

from xgamma.coords.axes import Axis
from xgamma.coords.edge_index import EdgeIndex
from xgamma.coords.encoding import decode, encode
from xgamma.coords.energies import energy_edges
from xgamma.coords.fixed_grid import FixedGrid
from xgamma.coords.grid_map import from_grid, lonlat, solid_angle
from xgamma.coords.labels import LabelError
from xgamma.coords.names import GridNames, suffixes
from xgamma.coords.skygrid import SkyGrid
from xgamma.coords.wcs_index import WcsIndex

__all__ = [
    "Axis",
    "EdgeIndex",
    "FixedGrid",
    "GridNames",
    "LabelError",
    "SkyGrid",
    "WcsIndex",
    "decode",
    "encode",
    "energy_edges",
    "from_grid",
    "lonlat",
    "solid_angle",
    "suffixes",
]
