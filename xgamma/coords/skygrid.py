"""The pixels of a map: a WCS and the labels of its rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS, Wcsprm
from astropy.wcs.utils import celestial_frame_to_wcs
from xarray.indexes import PandasIndex

from xgamma.coords import projection
from xgamma.coords.cutout import cutout_box, positions_in_box
from xgamma.coords.keywords import (
    build_prm,
    build_wcs,
    canonical,
    celestial_frame,
    frame_name,
    pixel_matrix,
    same_keywords,
    wcs_keywords,
)
from xgamma.coords.labels import pair_of_degrees, plain_variable
from xgamma.coords.names import GridNames, suffixes

__all__ = ["SkyGrid"]


@dataclass(frozen=True, eq=False)
class SkyGrid:
    """A rectangle of pixels, or a part of one, of a WCS.

    Attributes
    ----------
    keywords : mapping
        FITS keywords of the canonical WCS: its CRPIX lies in [1, 2).
    y, x : ndarray
        Labels (int64) of rows and columns: the pixel coordinate in that WCS, counted from zero. They need not be
        contiguous.
    """

    keywords: Mapping[str, Any]
    y: np.ndarray
    x: np.ndarray

    def __post_init__(self) -> None:
        keys, (shift_x, shift_y) = canonical(self.keywords)
        if shift_x or shift_y:
            raise ValueError(
                f"CRPIX is ({self.keywords['CRPIX1']}, {self.keywords['CRPIX2']}), but a canonical WCS has it "
                "in [1, 2): use SkyGrid.from_wcs"
            )
        object.__setattr__(self, "keywords", MappingProxyType(keys))
        for name in ("y", "x"):
            object.__setattr__(self, name, _labels(getattr(self, name), name))

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (dict(self.keywords), self.y, self.x))

    @classmethod
    def from_wcs(cls, wcs: WCS, shape: tuple[int, int] | None = None) -> SkyGrid:
        """Return the grid of an array.

        Parameters
        ----------
        wcs : WCS
            With a celestial part; other axes are ignored.
        shape : (int, int), optional
            Numbers of rows and columns. Left out, it is the array shape that the WCS knows.

        Raises
        ------
        ValueError
            If the WCS is not celestial, is distorted or has latitude first, or the shape is unknown.
        """
        if shape is None:
            if wcs.celestial.array_shape is None:
                raise ValueError("the WCS does not know the shape of its array: give shape=(ny, nx)")
            shape = wcs.celestial.array_shape
        keys, (shift_x, shift_y) = canonical(wcs_keywords(wcs))
        build_prm(keys)
        return cls(keys, np.arange(shape[0]) - shift_y, np.arange(shape[1]) - shift_x)

    @classmethod
    def from_keywords(cls, keywords: Mapping[str, Any], y: Any, x: Any) -> SkyGrid:
        """Return the grid of canonical keywords and labels.

        Raises
        ------
        ValueError
            If keywords are missing or damaged, or labels are no integers.
        """
        grid = cls(keywords, y, x)
        build_prm(grid.keywords)
        return grid

    @classmethod
    def from_dataset(
        cls, obj: xr.Dataset | xr.DataArray, suffix: str = "", indexes: Mapping[Any, Any] | None = None
    ) -> SkyGrid:
        """Return the grid of a dataset or an array.

        Parameters
        ----------
        obj : Dataset or DataArray
            Decoded, or plain with the coordinates ``wcs``, ``y`` and ``x``.
        suffix : str
            Which of its grids, such as ``psf``.
        indexes : mapping, optional
            What ``obj.xindexes`` is, which xarray makes anew whenever it is asked.

        Raises
        ------
        ValueError
            If there is no such grid, or a part of it is missing or damaged.
        """
        names = GridNames(suffix)
        indexes = obj.xindexes if indexes is None else indexes
        grid = getattr(indexes.get(names["lon"]), "grid", None)
        if isinstance(grid, cls):
            for key in ("y", "x"):
                labels = getattr(indexes.get(names[key]), "index", None)
                if labels is not None and not np.array_equal(labels.values, getattr(grid, key)):
                    why = f"differs from the index of {names['lon']!r}, as after interp: use .gp.interp_by_coord"
                    raise ValueError(f"coordinate {names[key]!r} {why}")
            return grid
        present = obj.variables if isinstance(obj, xr.Dataset) else obj.coords
        missing = [names[key] for key in ("wcs", "y", "x") if names[key] not in present]
        lost = [names[key] for key in ("y", "x") if names[key] not in obj.dims]
        if missing or lost:
            why = f"the coordinates {missing}" if missing else f"the dims {lost}, of which a list such as [0] keeps one"
            raise ValueError(
                f"there is no sky grid {names['y']!r}, {names['x']!r} here, for want of {why}: the dims are "
                f"{tuple(obj.dims)}"
            )
        try:
            return cls.from_keywords(obj[names["wcs"]].attrs, obj[names["y"]].to_numpy(), obj[names["x"]].to_numpy())
        except ValueError as error:
            raise ValueError(f"the sky grid of coordinate {names['wcs']!r} is damaged: {error}") from error

    @classmethod
    def all_of(cls, obj: xr.Dataset | xr.DataArray, *needed: str) -> dict[str, SkyGrid]:
        """Return the grids of a dataset or an array by suffix, those that are needed first; see `from_dataset`."""
        indexes = obj.xindexes
        return {s: cls.from_dataset(obj, s, indexes) for s in dict.fromkeys((*needed, *suffixes(obj)))}

    @classmethod
    def create(
        cls,
        center: SkyCoord | tuple[float, float] | None = None,
        width: Any = None,
        binsz: Any = 0.5,
        frame: str = "icrs",
        proj: str = "CAR",
        shape: tuple[int, int] | None = None,
    ) -> SkyGrid:
        """Return a grid about a position, which is also the reference point of its projection.

        Parameters
        ----------
        center : SkyCoord or pair of float, optional
            Middle of the map; a pair is longitude and latitude in degrees in `frame`. The origin if left out.
        width : angle or pair of angles, optional
            Extent in longitude and latitude, rounded to whole pixels. The whole sky if left out.
        binsz : angle or pair of angles
            Size of a pixel in longitude and latitude.
        frame : {"icrs", "galactic", "fk5"}
            Celestial frame.
        proj : str
            FITS code of the projection.
        shape : (int, int), optional
            Numbers of rows and columns, in place of `width`.

        Raises
        ------
        ValueError
            If the frame or projection is unknown, or no pixel is left.
        """
        if isinstance(center, SkyCoord):
            sky = center.transform_to(frame).spherical
            center = (float(sky.lon.deg), float(sky.lat.deg))
        lon, lat = (0.0, 0.0) if center is None else center
        dx, dy = pair_of_degrees(binsz, "binsz")
        if shape is None:
            full = (360.0, 180.0) if width is None else pair_of_degrees(width, "width")
            shape = (round(full[1] / dy), round(full[0] / dx))
        ny, nx = shape
        if ny < 1 or nx < 1:
            raise ValueError(f"a map of width {width} with pixels of {binsz} has shape {shape}: no pixel is left")
        try:
            wcs = celestial_frame_to_wcs(SkyCoord(0, 0, unit="deg", frame=frame).frame, projection=proj)
            wcs.wcs.crpix = (nx + 1) / 2, (ny + 1) / 2
            wcs.wcs.crval = float(lon), float(lat)
            wcs.wcs.cdelt = -dx, dy
            return cls.from_wcs(wcs, (ny, nx))
        except ValueError as error:
            raise ValueError(f"no map in frame {frame!r} and projection {proj!r} can be made: {error}") from error

    @property
    def wcs(self) -> WCS:
        """The canonical WCS, built anew: pixel coordinates counted from zero are labels."""
        return build_wcs(self.keywords)

    @property
    def prm(self) -> Wcsprm:
        """What transforms positions in the canonical WCS, built anew."""
        return build_prm(self.keywords)

    @property
    def frame(self) -> str:
        """Name of the celestial frame."""
        return frame_name(self.keywords)

    @property
    def proj(self) -> str:
        """FITS code of the projection."""
        return str(self.keywords["CTYPE1"])[5:]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return self.y.size, self.x.size

    @property
    def is_contiguous(self) -> bool:
        """Whether the labels rise by one, so that rows and columns are those of an image."""
        return all(bool(np.all(np.diff(labels) == 1)) for labels in (self.y, self.x))

    @property
    def pixel_scale(self) -> tuple[float, float]:
        """Height and width of a pixel at the reference point, in degrees."""
        steps = np.array([[float(self.keywords["CDELT1"])], [float(self.keywords["CDELT2"])]])
        scale_x, scale_y = np.hypot(*(steps * pixel_matrix(self.keywords)))
        return float(scale_y), float(scale_x)

    @property
    def width(self) -> tuple[float, float]:
        """Extent in longitude and latitude in degrees: number of pixels times CDELT, gaps included."""
        return tuple(  # type: ignore[return-value]
            abs(float(self.keywords[key])) * (int(np.ptp(labels)) + 1)
            for key, labels in (("CDELT1", self.x), ("CDELT2", self.y))
        )

    @property
    def center(self) -> SkyCoord:
        """Position of the middle of the map."""
        lon, lat = self.labels_to_lonlat(*((labels.min() + labels.max()) / 2 for labels in (self.y, self.x)))
        return self.position(lon, lat)

    @property
    def footprint(self) -> SkyCoord:
        """Positions of the centres of the four corner pixels, counter-clockwise in the array from its origin."""
        y, x = self.y[[0, 0, -1, -1]], self.x[[0, -1, -1, 0]]
        return self.position(*self.labels_to_lonlat(y, x))

    def position(self, lon: Any, lat: Any) -> SkyCoord:
        """Return the SkyCoord of longitudes and latitudes in degrees in the frame of the map."""
        return SkyCoord(lon, lat, unit="deg", frame=celestial_frame(self.keywords))

    def same_frame(self, other: SkyGrid) -> bool:
        """Whether both are parts of one grid."""
        return same_keywords(self.keywords, other.keywords)

    def equals(self, other: SkyGrid) -> bool:
        """Whether both have the same pixels in the same order."""
        return self.same_frame(other) and np.array_equal(self.y, other.y) and np.array_equal(self.x, other.x)

    def isel(self, y: Any = slice(None), x: Any = slice(None)) -> SkyGrid:
        """Return the grid of some rows and columns, by slices or one-dimensional arrays of positions."""
        if not (isinstance(y, slice) and isinstance(x, slice)):
            return SkyGrid(self.keywords, self.y[y], self.x[x])
        # a part of a grid that was checked needs no check
        part = object.__new__(SkyGrid)
        for key, value in (("keywords", self.keywords), ("y", self.y[y]), ("x", self.x[x])):
            object.__setattr__(part, key, value)
        return part

    def labels_to_lonlat(self, y: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return longitude and latitude in degrees at labels (fractions allowed), which broadcast.

        Longitudes are continuous over the map; positions off the projection are nan.
        """
        return projection.to_lonlat(self, np.asarray(y, dtype=float), np.asarray(x, dtype=float))

    def lonlat_to_labels(self, lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return fractional labels y, x of positions in degrees in the frame of the map, nan where it has none."""
        near = float(self.x.min() + self.x.max()) / 2 if self.x.size else 0.0
        return projection.to_labels(self, np.asarray(lon, dtype=float), np.asarray(lat, dtype=float), near)

    def position_to_labels(self, position: SkyCoord) -> tuple[np.ndarray, np.ndarray]:
        """Return fractional labels y, x of a position in any frame."""
        # a SkyCoord would bring an equinox of its own along
        frame = position.frame
        if frame.name != self.frame or frame.name not in ("galactic", "icrs"):
            frame = frame.transform_to(celestial_frame(self.keywords))
        sky = frame.spherical
        return self.lonlat_to_labels(sky.lon.deg, sky.lat.deg)

    def labels_of(self, other: SkyGrid, y: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return fractional labels y, x here of labels on another grid, nan where there are none."""
        lon, lat = other.labels_to_lonlat(y, x)
        if celestial_frame(self.keywords).is_equivalent_frame(celestial_frame(other.keywords)):
            return self.lonlat_to_labels(lon, lat)
        there = np.isfinite(lon)
        out = np.full((2, *lon.shape), np.nan)
        out[:, there] = self.position_to_labels(other.position(lon[there], lat[there]))
        return out[0], out[1]

    def lonlat(self) -> tuple[np.ndarray, np.ndarray]:
        """Return longitude and latitude (y, x) of the pixel centres in degrees."""
        return projection.grid_lonlat(self, self.y, self.x)

    def solid_angle(self) -> np.ndarray:
        """Return the solid angle (y, x) of each pixel in sr, nan off the projection.

        The area is that of the pixel itself, also where neighbours were left out. It is exact for CAR and TAN and
        follows from great circles through the corners for others.
        """
        return projection.solid_angle(self, self.y, self.x)

    def fits_keywords(self) -> dict[str, float | str]:
        """Return the FITS keywords with CRPIX counted in this array.

        Raises
        ------
        ValueError
            If rows or columns are missing or reversed: an image has no gaps.
        """
        if not self.is_contiguous or 0 in self.shape:
            raise ValueError(
                "the map has gaps or reversed rows or columns, which a FITS image cannot have: "
                "select without strides (NetCDF and Zarr keep such maps)"
            )
        keys = dict(self.keywords)
        keys["CRPIX1"], keys["CRPIX2"] = keys["CRPIX1"] - int(self.x[0]), keys["CRPIX2"] - int(self.y[0])
        return keys

    def fits_header(self) -> WCS:
        """Return the WCS of this array, with CRPIX counted in it and its shape.

        Raises
        ------
        ValueError
            As for `fits_keywords`.
        """
        wcs = build_wcs(self.fits_keywords())
        wcs.array_shape = self.shape
        return wcs

    def with_binsz(self, binsz: Any) -> SkyGrid:
        """Return a grid about the same middle and of the same extent, with pixels of another size in degrees."""
        return SkyGrid.create(self.center, width=self.width, binsz=binsz, frame=self.frame, proj=self.proj)

    def cutout_slices(
        self, position: SkyCoord, width: Any, mode: str = "trim", min_npix: int = 1
    ) -> tuple[slice, slice]:
        """Return which rows and columns a cutout holds, see `xgamma.coords.cutout.cutout_box`.

        Of a map with gaps these are the pixels that are left inside the cutout.
        """
        return positions_in_box(self, cutout_box(self, position, width, mode, min_npix)[0])

    def to_coords(self, suffix: str = "") -> xr.Coordinates:
        """Return the coordinates ``x``, ``y``, ``wcs``, and ``lon``, ``lat`` with a WcsIndex, each with the suffix."""
        from xgamma.coords.wcs_index import WcsIndex

        names = GridNames(suffix)
        indexes = {names[key]: PandasIndex(pd.Index(getattr(self, key)), names[key]) for key in ("y", "x")}
        variables = {name: index.create_variables()[name] for name, index in indexes.items()}
        variables[names["wcs"]] = plain_variable((), np.int64(0), self.keywords)
        return xr.Coordinates(variables, indexes=indexes) | xr.Coordinates.from_xindex(
            WcsIndex(self, (names["lon"], names["lat"]), (names["y"], names["x"]))
        )


def _labels(values: Any, name: str) -> np.ndarray:
    array = np.array(values)
    if array.ndim != 1:
        raise ValueError(f"the labels {name!r} need one dimension, not shape {array.shape}")
    if array.dtype.kind not in "iu" and array.size and not np.all(array == np.round(array)):
        raise ValueError(f"the labels {name!r} must be whole numbers, not {array}")
    array = array.astype(np.int64)
    array.flags.writeable = False
    return array
