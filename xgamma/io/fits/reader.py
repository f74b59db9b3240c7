"""From a FITS file to a lazy dataset."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import astropy.units as u
import xarray as xr
from xarray.core.indexing import LazilyIndexedArray

from xgamma.coords import Axis, GridNames, SkyGrid
from xgamma.coords.labels import plain_variable
from xgamma.io.errors import FileFormatError
from xgamma.io.fits.arrays import FitsArray
from xgamma.io.fits.content import content_manager
from xgamma.io.fits.extras import Extras, read_extras, read_gti, read_meta
from xgamma.io.fits.hdus import Hdu, read_hdus
from xgamma.io.fits.maps import FitsFile, FitsMap, read_map
from xgamma.io.fits.region import read_region
from xgamma.paths import absolute
from xgamma.schema import FORMAT, FORMAT_VERSION, VARIABLES
from xgamma.validate import check_structure

__all__ = ["open_fits"]

_CHUNK = 1 << 23  # elements of a chunk of a map that is too large for one


def open_fits(path: str | os.PathLike[str], name: str | None = None) -> xr.Dataset:
    """Open a FITS file with a map dataset. Headers and tables are read; images are lazy.

    Parameters
    ----------
    path : path-like or str
        A plain or gzipped FITS file as gammapy or `write_fits` writes it.
    name : str, optional
        Name of the dataset. Left out, it is what the file tells, or else the name of the file without its ending.

    Returns
    -------
    Dataset
        Dims, units and attrs as the schema has them. Variables keep the file's units and types; masks are bool.
        Their data are read when they are needed, as long as the file stays what it was.

    Raises
    ------
    FileFormatError
        The file is damaged, or holds no map dataset. The file and the extension at fault are named.
    OSError
        The file cannot be opened.
    """
    full = absolute(path)
    manager = content_manager(full)
    with manager.acquire_context() as content:
        file = FitsFile(full, manager, content, _by_name(full, read_hdus(content, full)))
        ds = _read_dataset(file, name)
    ds.set_close(manager.close)
    return ds


def _by_name(path: str, hdus: list[Hdu]) -> dict[str, Hdu]:
    known: dict[str, Hdu] = {}
    for hdu in hdus:
        if hdu.name in known:
            raise FileFormatError(path, f"HDU {hdu.name}", "there are two of this name: keep one dataset in a file")
        known[hdu.name] = hdu
    return known


def _read_dataset(file: FitsFile, name: str | None) -> xr.Dataset:
    maps = {
        variable: read_map(file, variable)
        for variable, spec in VARIABLES.items()
        if spec.hdu is not None and spec.hdu in file.hdus
    }
    if not maps:
        wanted = ", ".join(spec.hdu for spec in VARIABLES.values() if spec.hdu)
        raise FileFormatError(
            file.path, "", f"it holds no map dataset: there are {_contents(file)}, but none of {wanted}"
        )
    layout = _Layout()
    variables: dict[str, Any] = {variable: layout.place(variable, part) for variable, part in maps.items()}
    extras = read_extras(file)
    variables |= read_gti(file)
    livetime = _livetime(maps, extras)
    if livetime is not None:
        variables["livetime"] = plain_variable((), livetime, {"units": "s"})
    region, coords = read_region(file)
    attrs = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": file.hdus["PRIMARY"].text("NAME") or _stem(file.path),
        **read_meta(file),
        **region,
        **extras.attrs,
    }
    if name:
        attrs["name"] = name
    ds = xr.Dataset(variables, layout.coords() | xr.Coordinates({**coords, **extras.coords}), attrs)
    for key in extras.variables.keys() & ds.variables.keys():
        ds[key].attrs = extras.variables[key] | {k: v for k, v in ds[key].attrs.items() if k != "long_name"}
    try:
        check_structure(ds)
    except ValueError as error:
        raise FileFormatError(file.path, "", str(error)) from error
    return ds


def _contents(file: FitsFile) -> str:
    return ", ".join(f"{name} ({'table' if hdu.is_table else 'image'})" for name, hdu in file.hdus.items())


def _stem(path: str) -> str:
    stem = os.path.basename(path).removesuffix(".gz")
    return os.path.splitext(stem)[0] or stem


class _Layout:
    """The dims of a dataset, found map by map: what equals an axis or grid that is there shares its dims."""

    def __init__(self) -> None:
        self._axes: dict[str, Axis] = {}
        self._grids: dict[str, SkyGrid] = {}
        self._owners: dict[str, str] = {}
        self._counts_grid: tuple[SkyGrid | None] | None = None

    def place(self, name: str, part: FitsMap) -> xr.Variable:
        """Return the variable with the dims that its map has in the dataset."""
        suffix = VARIABLES[name].grid
        dims = [self._axis(part.hdu, axis, suffix) for axis in part.axes]
        if not suffix:
            self._check_sky(part)
        if part.grid is not None:
            names = GridNames(self._grid(part.hdu, part.grid, suffix))
            dims += [names["y"], names["x"]]
        data = LazilyIndexedArray(part.data) if isinstance(part.data, FitsArray) else part.data
        attrs = {"long_name": VARIABLES[name].meaning} | ({} if part.units is None else {"units": part.units})
        variable = plain_variable(dims, data, attrs)
        chunks = _preferred_chunks(variable)
        if chunks:
            variable.encoding["preferred_chunks"] = chunks
        return variable

    def coords(self) -> xr.Coordinates:
        """Return the coordinates of all axes and grids."""
        coords = xr.Coordinates()
        for axis in self._axes.values():
            coords = coords | axis.to_coords()
        for suffix, grid in self._grids.items():
            coords = coords | grid.to_coords(suffix)
        return coords

    def _axis(self, hdu: Hdu, axis: Axis, suffix: str) -> str:
        choices = [axis.name, f"{axis.name}_{suffix}"] if axis.name == "energy_true" and suffix else [axis.name]
        for dim in choices:
            if dim not in self._axes:
                self._axes[dim] = axis.rename(dim)
                self._owners[dim] = hdu.name
                return dim
            if axis.to(self._axes[dim].unit).matches(self._axes[dim]):
                return dim
        raise hdu.error(f"the bins of its axis {axis.name} are not those of HDU {self._owners[choices[-1]]}")

    def _check_sky(self, part: FitsMap) -> None:
        if self._counts_grid is None:
            self._counts_grid = (part.grid,)
        elif (part.grid is None) != (self._counts_grid[0] is None):
            raise part.hdu.error("it lacks sky axes, or has them, unlike the maps before it")

    def _grid(self, hdu: Hdu, grid: SkyGrid, suffix: str) -> str:
        choices = ["", suffix] if suffix == "exposure" else [suffix]
        for choice in choices:
            if choice not in self._grids:
                self._grids[choice] = grid
                self._owners[f"x_{choice}"] = hdu.name
                return choice
            if grid.equals(self._grids[choice]):
                return choice
        raise hdu.error(f"its pixels are not those of HDU {self._owners[f'x_{choices[-1]}']}")


def _preferred_chunks(variable: xr.Variable) -> dict[str, int]:
    """Return chunks of a large map: all its bins, and a part of the sky that is the same for all maps of a grid.

    The part is chosen as if there were 32 bins, whatever their number is, so that maps of one grid are chunked alike.
    """
    if len(variable.dims) < 3 or variable.shape[-1] * variable.shape[-2] * 32 <= _CHUNK * 8:
        return {}
    side = math.isqrt(_CHUNK // 32)
    sizes = dict(zip(variable.dims, variable.shape, strict=True))
    return {
        str(dim): -(-size // -(-size // side)) if dim in variable.dims[-2:] else size for dim, size in sizes.items()
    }


def _livetime(maps: Mapping[str, FitsMap], extras: Extras) -> float | None:
    if "exposure" not in maps:
        return extras.livetime
    hdu = maps["exposure"].hdu
    text = hdu.text("META")
    if not text:
        return extras.livetime
    try:
        value = json.loads(text).get("livetime")
        if isinstance(value, dict):
            value = f"{value['value']} {value['unit']}"
        if value is None:
            return extras.livetime
        if not isinstance(value, str) or len(value) > 40:
            raise ValueError(f"a livetime needs a unit, which {value!r} lacks")
        number, _, unit = value.strip().partition(" ")
        seconds = float(number) if unit.strip() == "s" else float(u.Quantity(value).to_value("s"))
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise hdu.error(f"META does not tell the livetime ({error})") from error
    if not (math.isfinite(seconds) or math.isnan(seconds)):
        raise hdu.error(f"META tells a livetime of {value}")
    return seconds
