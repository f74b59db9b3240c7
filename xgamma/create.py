"""Make empty map datasets."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.coordinates import SkyCoord
from astropy.time import Time

from xgamma.coords import Axis, SkyGrid
from xgamma.coords.labels import to_value
from xgamma.history import record
from xgamma.schema import FORMAT, FORMAT_VERSION, VARIABLES, base_name

__all__ = ["create_map_dataset", "gti_variables"]

_BINSZ_IRF = 0.2
_CHUNK_BYTES = 64 * 2**20
_REFERENCE = 51544, 64.184 / 86400, "tt"
"""2000-01-01 in UTC, as day and fraction of the modified Julian date and time scale."""
_GRIDS = {
    "counts": "",
    "background": "",
    "mask_safe": "",
    "exposure": "",
    "psf": "psf",
    "psf_exposure": "psf",
    "edisp": "edisp",
    "edisp_exposure": "edisp",
}
"""The variables of a new dataset and the sky grid that each lies on."""


def create_map_dataset(
    center: SkyCoord | tuple[float, float] | None = None,
    width: Any = None,
    binsz: Any = None,
    frame: str = "icrs",
    proj: str = "CAR",
    energy: Any = None,
    energy_true: Any = None,
    rad: Any = None,
    binsz_irf: Any = None,
    gti: Any = None,
    name: str | None = None,
    chunks: Any = None,
    like: Any = None,
) -> xr.Dataset:
    """Make a map dataset that is zero everywhere and has an empty safe mask.

    Parameters
    ----------
    center : SkyCoord or pair of float, optional
        Middle of the map and reference point of its projection; a pair is longitude and latitude in degrees in
        `frame`. The origin if left out.
    width : angle or pair of angles, optional
        Extent in longitude and latitude. The whole sky if left out.
    binsz : angle or pair of angles, optional
        Size of a pixel; 0.5 deg if left out.
    frame : {"icrs", "galactic", "fk5"}
        Celestial frame.
    proj : str
        FITS code of the projection.
    energy : Quantity, list of str or Quantity, or Axis
        Edges of the bins in reconstructed energy, see `xgamma.energy_edges`.
    energy_true : Quantity or Axis, optional
        Edges of the bins in true energy; those of `energy` if left out.
    rad : Quantity or Axis, optional
        Edges of the bins of the PSF's profile; 66 bins of 0.01 deg if left out.
    binsz_irf : angle, optional
        Size of a pixel of the PSF and energy dispersion maps; 0.2 deg if left out.
    gti : pair, Table or mapping, optional
        Good time intervals: (start, stop), each a Time or a time since 2000-01-01, one or many; or a table with
        columns START and STOP. There are none if left out.
    name : str, optional
        Name of the dataset, "map-dataset" if left out.
    chunks : dict, int or "auto", optional
        Makes the variables lazy, in chunks as for `xarray.Dataset.chunk`. "auto" splits the sky alone.
    like : Dataset or (WCS, (int, int)), optional
        Gives the pixels, in place of `center`, `width` and `binsz`. A dataset also gives the axes that are left out,
        and the grids of the responses if `binsz_irf` is.

    Returns
    -------
    Dataset
        ``counts``, ``background``, ``mask_safe`` (energy, y, x), ``exposure`` (energy_true, y, x), ``psf``, ``edisp``
        and their exposures on coarser pixels, ``gti_start``, ``gti_stop``. Where all that would take more than
        half of the memory that is free, it is lazy as with ``chunks="auto"``.

    Raises
    ------
    ValueError
        If there are no energies, if both `like` and a map are given, or the map, axes or times are impossible.

    Examples
    --------
    >>> import xgamma as xg
    >>> energy = xg.energy_edges("1 TeV", "10 TeV", nbin=11)
    >>> ds = xg.create_map_dataset(center=(83.63, 22.01), width=5, binsz=0.05, energy=energy, name="empty")
    >>> ds.counts.shape
    (11, 100, 100)
    """
    source = like if isinstance(like, xr.Dataset) else None
    pair = isinstance(center, tuple | list | np.ndarray | u.Quantity) and np.shape(center) == (2,)
    if not (center is None or pair or (isinstance(center, SkyCoord) and center.isscalar)):
        raise ValueError(f"center is {center!r}: give one SkyCoord, or longitude and latitude in degrees")
    if like is None:
        grid = SkyGrid.create(center, width=width, binsz=0.5 if binsz is None else binsz, frame=frame, proj=proj)
    else:
        given = [key for key, value in {"center": center, "width": width, "binsz": binsz}.items() if value is not None]
        if given:
            raise ValueError(f"like gives the pixels, and so do {given}: leave out one or the other.")
        grid = SkyGrid.from_dataset(source) if source is not None else _grid_of(like)
    grids = {"": grid}
    for suffix in ("psf", "edisp"):
        if source is not None and binsz_irf is None and f"y_{suffix}" in source.dims:
            grids[suffix] = SkyGrid.from_dataset(source, suffix)
        else:
            grids[suffix] = grid.with_binsz(_BINSZ_IRF if binsz_irf is None else binsz_irf)
    axes = _axes(energy, energy_true, rad, source)

    coords = xr.Coordinates()
    for axis in axes.values():
        coords = coords | axis.to_coords()
    for suffix, part in grids.items():
        coords = coords | part.to_coords(suffix)
    sizes = {str(dim): int(size) for dim, size in coords.sizes.items()}
    ds = xr.Dataset(_zeros(sizes, chunks) | gti_variables(gti), coords=coords)
    ds.attrs = {"format": FORMAT, "format_version": FORMAT_VERSION, "name": name or "map-dataset"}
    return record(ds, f"create_map_dataset({' x '.join(str(sizes[d]) for d in VARIABLES['counts'].dims)})")


def _grid_of(like: Any) -> SkyGrid:
    try:
        wcs, (ny, nx) = like
    except (TypeError, ValueError) as error:
        raise ValueError(f"like must be a dataset or a pair (WCS, (ny, nx)), not {type(like).__name__}.") from error
    return SkyGrid.from_wcs(wcs, (int(ny), int(nx)))


def _axes(energy: Any, energy_true: Any, rad: Any, source: xr.Dataset | None) -> dict[str, Axis]:
    def axis(name: str, edges: Any, unit: str, interp: str) -> Axis | None:
        if edges is None:
            return Axis.from_dataset(source, name) if source is not None and name in source.dims else None
        if isinstance(edges, Axis):
            return edges.rename(name)
        quantity = u.Quantity([u.Quantity(edge) for edge in edges] if isinstance(edges, list | tuple) else edges)
        if not quantity.unit.is_equivalent(unit):
            raise ValueError(f"{name} is in '{quantity.unit}': give edges in a unit such as {unit}.")
        return Axis.from_edges(name, quantity, interp=interp)

    reco = axis("energy", energy, "TeV", "log")
    if reco is None:
        raise ValueError("There are no energies: give their edges, such as energy=energy_edges('1 TeV', '10 TeV', 11).")
    true = axis("energy_true", energy_true, "TeV", "log") or reco.rename("energy_true")
    if rad is None and (source is None or "rad" not in source.dims):
        rad = np.linspace(0, 0.66, 67) * u.deg
    profile = axis("rad", rad, "deg", "lin")
    return {"energy": reco, "energy_true": true} | ({} if profile is None else {"rad": profile})


def _zeros(sizes: dict[str, int], chunks: Any) -> dict[str, xr.Variable]:
    layout = {}
    for name, suffix in _GRIDS.items():
        spec = VARIABLES[name]
        dims = tuple(f"{dim}_{suffix}" if suffix and dim in ("y", "x") else dim for dim in spec.dims)
        layout[name] = (dims, np.dtype(bool if spec.dtype == "b" else np.float32))
    total = sum(math.prod(sizes[dim] for dim in dims) * dtype.itemsize for dims, dtype in layout.values())
    if chunks is None and total > free_memory() / 2:
        chunks = "auto"
    out = {}
    for name, (dims, dtype) in layout.items():
        shape = tuple(sizes[dim] for dim in dims)
        attrs = {"long_name": VARIABLES[name].meaning}
        if VARIABLES[name].dtype != "b":
            attrs["units"] = VARIABLES[name].unit
        if chunks is None:
            out[name] = xr.Variable(dims, np.zeros(shape, dtype), attrs)
        else:
            import dask.array as da

            size = _chunk_sizes(layout, sizes, chunks)
            out[name] = xr.Variable(dims, da.zeros(shape, dtype=dtype, chunks=tuple(size[d] for d in dims)), attrs)
    return out


def _chunk_sizes(layout: dict[str, Any], sizes: dict[str, int], chunks: Any) -> dict[str, Any]:
    """Size of the chunks along each dim, the same for all variables."""
    if isinstance(chunks, Mapping):
        unknown = [dim for dim in chunks if dim not in sizes]
        if unknown:
            raise ValueError(f"chunks names the dims {unknown}, which are not among {sorted(sizes)}.")
        return {dim: -1 if chunks.get(dim) is None else chunks[dim] for dim in sizes}
    if chunks != "auto":
        return dict.fromkeys(sizes, chunks)
    deepest = {"y": 1, "x": 1}
    for dims, dtype in layout.values():
        depth = math.prod(sizes[d] for d in dims if base_name(d) not in ("y", "x")) * dtype.itemsize
        for dim in dims[-2:]:
            deepest[dim] = max(deepest.get(dim, 1), depth)
    return {dim: max(int((_CHUNK_BYTES / deepest[dim]) ** 0.5), 1) if dim in deepest else -1 for dim in sizes}


def free_memory() -> float:
    """Bytes that this process may still take: what the system says is free, within the limit set on its group."""
    free = math.inf
    with suppress(ValueError, OSError, AttributeError):
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(ValueError, OSError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    with suppress(ValueError, OSError):
        group = Path("/sys/fs/cgroup")
        limit = float((group / "memory.max").read_text(encoding="ascii"))
        free = min(free, limit - float((group / "memory.current").read_text(encoding="ascii")))
    return free


def gti_variables(gti: Any = None) -> dict[str, xr.Variable]:
    """Make the variables of good time intervals.

    Parameters
    ----------
    gti : pair, Table or mapping, optional
        As for `create_map_dataset`.

    Returns
    -------
    dict of str to Variable
        ``gti_start`` and ``gti_stop`` (gti), in s since a reference time in their attrs.

    Raises
    ------
    ValueError
        If there is no such column, the numbers of starts and stops differ, or an interval ends before it starts.
    """
    day, fraction, system = _REFERENCE
    if gti is None:
        start: Any = np.zeros(0) * u.s
        stop: Any = start
    elif hasattr(gti, "colnames") or isinstance(gti, Mapping):
        names = {str(key).upper(): key for key in (gti.colnames if hasattr(gti, "colnames") else gti)}
        missing = [key for key in ("START", "STOP") if key not in names]
        if missing:
            raise ValueError(f"The table of good time intervals lacks the columns {missing}; it has {sorted(names)}.")
        start, stop = gti[names["START"]], gti[names["STOP"]]
        meta = {str(key).upper(): value for key, value in (getattr(gti, "meta", None) or {}).items()}
        if "MJDREFI" in meta:
            day, fraction = int(meta["MJDREFI"]), float(meta.get("MJDREFF", 0.0))
            system = str(meta.get("TIMESYS", "tt")).lower()
    else:
        try:
            start, stop = gti
        except (TypeError, ValueError) as error:
            raise ValueError("gti must be a pair (start, stop) or a table with columns START and STOP.") from error
    zero = Time(day, fraction, format="mjd", scale=system)
    seconds = [_seconds(value, zero, what) for value, what in ((start, "start"), (stop, "stop"))]
    if seconds[0].shape != seconds[1].shape:
        raise ValueError(f"There are {seconds[0].size} starts of good time intervals and {seconds[1].size} stops.")
    if np.any(seconds[0] > seconds[1]):
        raise ValueError("A good time interval ends before it starts.")
    attrs = {"units": "s", "mjdrefi": day, "mjdreff": fraction, "timesys": system}
    return {
        name: xr.Variable("gti", values, dict(attrs))
        for name, values in zip(("gti_start", "gti_stop"), seconds, strict=True)
    }


def _seconds(value: Any, zero: Time, what: str) -> np.ndarray:
    if isinstance(value, Time):
        values = (getattr(value, zero.scale) - zero).to_value("s")
    else:
        unit = getattr(value, "unit", None)
        plain = np.asarray(value) * unit if unit is not None and not isinstance(value, u.Quantity) else value
        values = to_value(plain, "s", f"the {what} of a good time interval")
    return np.atleast_1d(np.asarray(values, dtype=np.float64))
