"""Look-ups in the point spread function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.irf.lookup import at_position
from xgamma.kernels import radial
from xgamma.kernels.interpolate import linear_matrix
from xgamma.schema import base_name

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["containment", "containment_radius", "energy_dim", "energy_matrix", "kernel", "profiles"]


_SAME_ENERGY = 1e-5


def _psf(ds: xr.Dataset) -> xr.DataArray:
    if "psf" not in ds:
        raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no variable 'psf'.")
    return ds["psf"]


def energy_dim(array: xr.DataArray) -> str:
    """Name of the energy dim of a response: ``energy_true``, ``energy_true_psf``, or ``energy``."""
    names = [str(dim) for dim in array.dims if base_name(str(dim)) in ("energy_true", "energy")]
    true = [name for name in names if base_name(name) == "energy_true"]
    if not names:
        raise ValueError(f"'{array.name}' has no energy dim, its dims are {array.dims}.")
    return (true or names)[0]


def energy_matrix(axis: Axis, energy: u.Quantity) -> np.ndarray:
    """Matrix (energy, axis) that interpolates linearly in the scale of the axis, with the border's values beyond it."""
    values = np.atleast_1d(energy.to_value(axis.unit))
    scale = np.log if axis.interp == "log" else np.asarray
    matrix = linear_matrix(scale(axis.center), scale(values))
    # Files hold energies in single precision: a node that is met but for rounding is taken alone, so that a profile
    # that is zero there stays zero.
    matrix[matrix < _SAME_ENERGY] = 0.0
    return matrix / matrix.sum(axis=1, keepdims=True)


def profiles(ds: xr.Dataset, position: SkyCoord | None = None) -> Any:
    """Radial profiles of the PSF at a position, as they stand in the table.

    Parameters
    ----------
    ds : Dataset
        With a variable ``psf``.
    position : SkyCoord, optional
        By default the centre of the PSF's map.

    Returns
    -------
    numpy or dask array, shape (energy, rad)
        In the unit of ``psf``, over the PSF's own energy axis.
    """
    psf = _psf(ds)
    return at_position(psf, position, (energy_dim(psf), "rad"))


def _normalized(ds: xr.Dataset, energy_true: u.Quantity, position: SkyCoord | None) -> tuple[Any, Axis]:
    psf = _psf(ds)
    table = profiles(ds, position)
    matrix = energy_matrix(Axis.from_dataset(psf, energy_dim(psf)), energy_true)
    return matrix @ table.astype(np.float64), Axis.from_dataset(psf, "rad").to("rad")


def _labelled(ds: xr.Dataset, energy_true: u.Quantity | str | float | None) -> tuple[u.Quantity, dict[str, Any]]:
    """Energies asked for, by default those of the table, with their coordinate."""
    psf = _psf(ds)
    dim = energy_dim(psf)
    if energy_true is None:
        axis = Axis.from_dataset(psf, dim)
        return axis.center * u.Unit(axis.unit), {dim: psf[dim]}
    energy = _quantity(energy_true, "energy_true", "1 TeV")
    if not energy.unit.is_equivalent("TeV"):
        raise ValueError(f"energy_true needs a unit of energy, such as '1 TeV', not '{energy.unit}'.")
    if energy.ndim > 1:
        raise ValueError("energy_true must be a scalar or have one dim.")
    name = base_name(dim)
    attrs = {"units": energy.unit.to_string("fits")}
    return energy, {name: xr.Variable((name,) if energy.ndim else (), energy.value, attrs)}


def _quantity(value: Any, what: str, example: str) -> u.Quantity:
    try:
        return u.Quantity(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} is {value!r}, which is no quantity: give one such as '{example}'.") from error


def _angle(value: u.Quantity | str | float, what: str) -> u.Quantity:
    angle = _quantity(value, what, "0.1 deg")
    if angle.unit == u.one:
        angle = angle.value * u.deg
    if not angle.unit.is_equivalent("deg"):
        raise ValueError(f"{what} needs a unit of angle, such as '0.1 deg', not '{angle.unit}'.")
    if not (angle.value >= 0).all():
        raise ValueError(f"{what} is {angle}: give angles that are not negative.")
    return angle


def _apply(function: Any, table: Any, shape: tuple[int, ...], dtype: Any = np.float64) -> Any:
    """Call a numpy function on a numpy or dask table (n, rad), with n as the first dim of the result."""
    if isinstance(table, np.ndarray):
        return function(table)
    whole = table.rechunk({1: -1})
    return whole.map_blocks(
        function,
        dtype=dtype,
        drop_axis=1 if not shape else None,
        chunks=(whole.chunks[0], *((n,) for n in shape)),
    )


def containment(
    ds: xr.Dataset,
    rad: u.Quantity | str | float,
    energy_true: u.Quantity | str | None = None,
    position: SkyCoord | None = None,
) -> xr.DataArray:
    """Fraction of the events from a point source inside a radius.

    Parameters
    ----------
    ds : Dataset
        With a variable ``psf``.
    rad : Quantity, str or float
        Radius or radii (1-D); numbers are in deg.
    energy_true : Quantity or str, optional
        One energy or a 1-D array; by default those of the table.
    position : SkyCoord, optional
        By default the centre of the PSF's map.

    Returns
    -------
    DataArray
        Dims ``energy_true`` and ``rad``, less those that were given as scalars. Lazy where ``psf`` is.

    Raises
    ------
    ValueError
        If there is no ``psf``, or a unit does not fit.
    """
    energy, coords = _labelled(ds, energy_true)
    radius = _angle(rad, "rad")
    table, axis = _normalized(ds, energy, position)
    r = np.atleast_1d(radius.to_value("rad"))

    def inside(values: np.ndarray) -> np.ndarray:
        return radial.containment(radial.normalize(values, axis.center), axis.center, r)

    dim = next(iter(coords))
    out = xr.DataArray(
        _apply(inside, table, (r.size,)),
        dims=(dim, "rad"),
        name="containment",
        attrs={"units": "", "long_name": "containment"},
    )
    if radius.ndim == 0:
        out = out.isel(rad=0)
    if energy.ndim == 0:
        out = out.isel({dim: 0})
    return out.assign_coords(coords).assign_coords(
        rad=((() if radius.ndim == 0 else "rad"), radius.to_value("deg"), {"units": "deg"})
    )


def containment_radius(
    ds: xr.Dataset,
    fraction: float = 0.68,
    energy_true: u.Quantity | str | None = None,
    position: SkyCoord | None = None,
) -> xr.DataArray:
    """Radius around a point source that holds a fraction of its events.

    Parameters
    ----------
    ds : Dataset
        With a variable ``psf``.
    fraction : float
        Between 0 and 1.
    energy_true : Quantity or str, optional
        One energy or a 1-D array; by default those of the table.
    position : SkyCoord, optional
        By default the centre of the PSF's map.

    Returns
    -------
    DataArray
        In deg, dims ``energy_true`` unless a scalar was given; nan where the PSF is zero. Lazy where ``psf`` is.

    Raises
    ------
    ValueError
        If there is no ``psf``, the fraction is not between 0 and 1, or a unit does not fit.
    """
    if np.ndim(fraction) or not 0 < float(fraction) < 1:
        raise ValueError(f"fraction must be one number between 0 and 1, not {fraction}.")
    energy, coords = _labelled(ds, energy_true)
    table, axis = _normalized(ds, energy, position)

    def radius(values: np.ndarray) -> np.ndarray:
        return np.degrees(radial.containment_radius(radial.normalize(values, axis.center), axis.center, fraction))

    dim = next(iter(coords))
    out = xr.DataArray(
        _apply(radius, table, ()),
        dims=(dim,),
        name="containment_radius",
        attrs={"units": "deg", "long_name": f"{fraction:.0%} containment radius"},
    )
    if energy.ndim == 0:
        out = out.isel({dim: 0})
    return out.assign_coords(coords)


def kernel(
    ds: xr.Dataset,
    position: SkyCoord | None = None,
    binsz: u.Quantity | str | float | None = None,
    max_radius: u.Quantity | str | float | None = None,
) -> xr.DataArray:
    """Image of a point source in the middle of a pixel.

    Parameters
    ----------
    ds : Dataset
        With a variable ``psf``.
    position : SkyCoord, optional
        Where the PSF is taken; by default the centre of its map.
    binsz : Quantity, str or float, optional
        Width of the square pixels; numbers are in deg. By default that of the counts' map along latitude.
    max_radius : Quantity, str or float, optional
        Half the width of the image; by default that of the PSF table.

    Returns
    -------
    DataArray, dims (energy_true, y, x)
        Integrals over the pixels, relative to a sum of 1 over all the sky. ``y`` and ``x`` are offsets in deg. Lazy
        where ``psf`` is.

    Raises
    ------
    ValueError
        If there is no ``psf``, or no pixel width.
    """
    from xgamma.coords import SkyGrid

    energy, coords = _labelled(ds, None)
    table, axis = _normalized(ds, energy, position)
    if binsz is None:
        if "wcs" not in ds.coords:
            raise ValueError("The dataset has no sky grid from which to take the width of pixels: give binsz.")
        width = float(SkyGrid.from_dataset(ds).pixel_scale[0])
    else:
        width = float(_angle(binsz, "binsz").to_value("deg"))
        if width == 0:
            raise ValueError("binsz is 0: give the width of a pixel, such as '0.02 deg'.")
    reach = np.degrees(axis.center[-1]) if max_radius is None else _angle(max_radius, "max_radius").to_value("deg")
    half = int(np.ceil(reach / width))
    corner = np.radians((np.arange(-half, half + 2) - 0.5) * width)
    corner_x, corner_y = np.meshgrid(corner, corner)

    def image(values: np.ndarray) -> np.ndarray:
        terms = radial.polynomials(radial.normalize(values, axis.center), axis.center)
        return radial.pixel_integrals(corner_x, corner_y, axis.center, float(np.radians(width)), terms)

    dim = next(iter(coords))
    offset = np.arange(-half, half + 1) * width
    pixels = {name: ((name,), offset, {"units": "deg", "long_name": "offset"}) for name in ("y", "x")}
    return xr.DataArray(
        _apply(image, table, (offset.size, offset.size)),
        dims=(dim, "y", "x"),
        coords=pixels,
        name="psf_kernel",
        attrs={"units": "", "long_name": "PSF kernel"},
    ).assign_coords(coords)
