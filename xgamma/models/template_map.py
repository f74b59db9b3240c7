"""Maps in FITS files that serve as spatial models."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from xgamma.models.units import unit_of

if TYPE_CHECKING:
    from xgamma.coords import SkyGrid

__all__ = ["TemplateMap", "read_template"]

DIFFUSE = u.Unit("MeV-1 s-1 cm-2 sr-1")
"""Unit of the diffuse cubes of Fermi-LAT, whose files do not name one."""


@dataclass(frozen=True, eq=False)
class TemplateMap:
    """An image or a cube, interpolated linearly on the sky and by power laws in energy.

    Attributes
    ----------
    grid : SkyGrid
        The pixels.
    data : ndarray
        Values (y, x) or (energy, y, x).
    unit : Unit
        Unit of the values.
    energy : ndarray or None
        Energies of the planes in TeV.
    energy_range : (float, float) or None
        Energies in TeV outside of which the values are zero.
    """

    grid: SkyGrid
    data: np.ndarray
    unit: u.UnitBase
    energy: np.ndarray | None = None
    energy_range: tuple[float, float] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> TemplateMap:
        # Nothing in it changes, so that copies of a model share the map.
        return self

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the middle of the map in degrees."""
        y, x = (float(labels[0] + labels[-1]) / 2 for labels in (self.grid.y, self.grid.x))
        lon, lat = self.grid.labels_to_lonlat(y, x)
        return float(lon), float(lat)

    @property
    def pixel(self) -> float:
        """The shorter side of the pixel at the reference, in degrees."""
        return float(min(abs(step) for step in self.grid.pixel_scale))

    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """Return longitudes and latitudes of points on the rim, nan off the projection."""
        y = np.r_[self.grid.y[0] - 0.5, self.grid.y, self.grid.y[-1] + 0.5]
        x = np.r_[self.grid.x[0] - 0.5, self.grid.x, self.grid.x[-1] + 0.5]
        rim_y = np.concatenate([y, y, np.full(x.size, y[0]), np.full(x.size, y[-1])])
        rim_x = np.concatenate([np.full(y.size, x[0]), np.full(y.size, x[-1]), x, x])
        lon, lat = self.grid.labels_to_lonlat(rim_y, rim_x)
        return np.asarray(lon), np.asarray(lat)

    def normalised(self) -> TemplateMap:
        """Return the map with an integral of 1 over the sky, in each plane that is not empty."""
        area = np.nan_to_num(self.grid.solid_angle())
        total = np.sum(self.data * area, axis=(-2, -1), dtype=float, keepdims=True)
        data = self.data / np.where(total == 0, 1.0, total)
        return TemplateMap(self.grid, data, u.Unit("sr-1"), self.energy, self.energy_range)

    def evaluate(self, lon: np.ndarray, lat: np.ndarray, energy: np.ndarray | None) -> np.ndarray:
        """Return values in `unit`, zero outside of the map.

        Parameters
        ----------
        lon, lat : ndarray
            Directions in degrees, in the frame of the map.
        energy : ndarray or None
            Energies in TeV, broadcast against the directions; not used without an energy axis.
        """
        weights = self._on_sky(lon, lat)
        if self.energy is None or energy is None or self.energy_range is None:
            return self._plane(weights, None)
        energy = np.asarray(energy, dtype=float)
        if self.energy.size == 1:
            values = self._plane(weights, np.zeros(energy.shape, dtype=int))
        else:
            place = np.clip(np.searchsorted(self.energy, energy, side="right") - 1, 0, self.energy.size - 2)
            x = np.log(self.energy)
            t = (np.log(energy) - x[place]) / (x[place + 1] - x[place])
            below, above = self._plane(weights, place), self._plane(weights, place + 1)
            positive = (below > 0) & (above > 0)
            ratio = np.log(np.where(positive, above, 1.0) / np.where(positive, below, 1.0))
            values = np.where(positive, below * np.exp(t * ratio), below + np.clip(t, 0, 1) * (above - below))
        low, high = self.energy_range
        return np.where((energy >= low) & (energy <= high), values, 0.0)

    def _on_sky(self, lon: np.ndarray, lat: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return the four pixels around each direction: rows, columns and weights."""
        y, x = (np.asarray(label) for label in self.grid.lonlat_to_labels(*np.broadcast_arrays(lon, lat)))
        (ny, nx), y, x = self.grid.shape, y - self.grid.y[0], x - self.grid.x[0]
        if self._is_periodic:
            x = np.mod(x + 0.5, nx) - 0.5
        inside = (y >= -0.5) & (y <= ny - 0.5) & (x >= -0.5) & (x <= nx - 0.5)
        y, x = np.where(inside, y, 0.0), np.where(inside, x, 0.0)
        row, column = np.floor(y).astype(int), np.floor(x).astype(int)
        ty, tx = y - row, x - column

        def column_of(index: np.ndarray) -> np.ndarray:
            return np.mod(index, nx) if self._is_periodic else np.clip(index, 0, nx - 1)

        return [
            (np.clip(row + i, 0, ny - 1), column_of(column + j), inside * abs(1 - i - ty) * abs(1 - j - tx))
            for i in (0, 1)
            for j in (0, 1)
        ]

    @property
    def _is_periodic(self) -> bool:
        """Whether the last column is the neighbour of the first."""
        cylindrical = str(self.grid.keywords["CTYPE1"])[5:8] in ("CAR", "CEA", "MER")
        return cylindrical and abs(abs(self.grid.keywords["CDELT1"]) * self.grid.shape[1] - 360) < 1e-6

    def _plane(self, weights: list[tuple[np.ndarray, np.ndarray, np.ndarray]], place: np.ndarray | None) -> np.ndarray:
        """Return values interpolated on the sky, in the planes of the places."""
        lead = () if place is None else (place,)
        return np.asarray(sum(self.data[(*lead, rows, columns)] * weight for rows, columns, weight in weights))


def read_template(filename: str, unit: Any = None) -> TemplateMap:
    """Read a map.

    Parameters
    ----------
    filename : str
        A FITS file with an image, or a cube and a table of its energies. Variables of the environment are
        expanded.
    unit : str or Unit, optional
        Unit of the values, in place of that in the file.

    Returns
    -------
    TemplateMap

    Raises
    ------
    ValueError
        If a variable is not set, the file is missing, or it is not such a map; the message names the file.
    """
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyUserWarning

    path = os.path.expanduser(os.path.expandvars(filename))
    missing = re.search(r"\$\{?(\w+)", path)
    if missing:
        raise ValueError(f"template map {filename!r} cannot be found: the environment variable {missing[1]} is not set")
    if not os.path.isfile(path):
        raise ValueError(f"template map {filename!r} cannot be found: there is no file {path}")
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.filterwarnings("error", message="File may have been truncated")
            with fits.open(file, memmap=False) as hdus:
                return _from_hdus(hdus, unit)
    except (AstropyUserWarning, ValueError, TypeError, KeyError, OSError, EOFError) as error:
        raise ValueError(f"template map {filename!r} cannot be read: {error}") from error


def _from_hdus(hdus: Any, unit: Any) -> TemplateMap:
    from astropy.wcs import WCS, FITSFixedWarning

    from xgamma.coords import SkyGrid

    image = next((hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS", 0) >= 2), None)
    if image is None:
        raise ValueError("it has no image (maps in HEALPix are not supported)")
    data = np.asarray(image.data)
    if data.ndim > 2 and data.shape[0] == 1 and "BANDSHDU" not in image.header and "ENERGIES" not in hdus:
        data = data[0]
    if data.ndim not in (2, 3):
        raise ValueError(f"its image has {data.ndim} axes; a map has two, and one for energy")
    data = np.nan_to_num(data.astype(data.dtype.newbyteorder("="), copy=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        grid = SkyGrid.from_wcs(WCS(image.header, naxis=2), data.shape[-2:])
    given = unit if unit is not None else image.header.get("BUNIT", "").strip()
    if data.ndim == 2:
        return TemplateMap(grid, data, unit_of(given or "sr-1", "the map"))
    name = image.header.get("BANDSHDU", "ENERGIES")
    if name not in hdus:
        raise ValueError(f"its cube needs a table {name!r} of energies")
    energy, limits = _energies(hdus[name], data.shape[0])
    return TemplateMap(grid, data, unit_of(given or DIFFUSE, "the map"), energy, limits)


def _energies(hdu: Any, n: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the energies of the planes and the range that they cover, in TeV."""
    columns = {column.name.upper(): column for column in hdu.columns}

    def read(name: str) -> np.ndarray:
        scale = float(unit_of(columns[name].unit or "MeV", f"column {name}").to("TeV"))
        return np.asarray(hdu.data[columns[name].name], dtype=float) * scale

    # Axes of true energy have columns of their own names.
    names = [("ENERGY", "E_MIN", "E_MAX"), ("ENERGY_TRUE", "ENERGY_TRUE_MIN", "ENERGY_TRUE_MAX")]
    found = [part for part in names if columns.keys() & set(part)]
    center, low, high = found[0] if found else names[0]
    edges = (read(low), read(high)) if {low, high} <= columns.keys() else None
    if center in columns:
        energy = read(center)
    elif edges is not None:
        energy = np.sqrt(edges[0] * edges[1])
    else:
        raise ValueError(f"table {hdu.name!r} has no column ENERGY or ENERGY_TRUE; it has: {', '.join(columns)}")
    if energy.shape != (n,) or not (energy > 0).all() or (np.diff(energy) <= 0).any():
        raise ValueError(f"table {hdu.name!r} must have {n} increasing energies, one for each plane")
    return energy, (energy[0], energy[-1]) if edges is None else (edges[0][0], edges[1][-1])
