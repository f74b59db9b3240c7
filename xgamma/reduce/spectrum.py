"""Sum maps over a region of the sky."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from xgamma.coords import Axis, FixedGrid, SkyGrid, suffixes
from xgamma.history import record
from xgamma.irf.lookup import SkyTable, sky_dims
from xgamma.irf.psf import containment
from xgamma.onoff import conserve_background, expose_background
from xgamma.reduce.footprint import Footprint, footprint
from xgamma.reduce.parts import inside, mean_dtype, sum_dtype
from xgamma.reduce.rebuild import grid_dims, rebuild
from xgamma.schema import VARIABLES, suffix_of

__all__ = ["to_region_map_dataset", "to_spectrum_dataset"]


def to_region_map_dataset(ds: xr.Dataset, region: Any, name: str | None = None) -> xr.Dataset:
    """Sum a map dataset over a region, and keep the point spread function.

    Counts and background, that of off regions included, add up inside ``mask_safe``, the exposure is the mean over the
    pixels, responses are those at the region's centre, interpolated linearly, and masks hold where they hold for any
    pixel.

    Parameters
    ----------
    ds : Dataset
        With dims ``energy``, ``y``, ``x``; it stays as it is. Variables on the sky that the schema does not know are
        left out.
    region : region, SkyCoord, str, or list of regions
        Any region of the `regions` package, compounds included, or DS9 text; several make their union. A point takes
        the pixel that contains it, and the exposure there interpolated.
    name : str, optional
        Name of the new dataset, by default that of the old one.

    Returns
    -------
    Dataset
        Without dims on the sky; the region as DS9 text in ``attrs["region"]`` and its centre in the scalar coordinates
        ``lon`` and ``lat``. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the region is not wholly on the map or holds no pixel, or the masks leave only a part of it in some bin of
        energy; of a lazy dataset the masks are looked at when the result is computed.
    """
    area = footprint(region, ds)
    return record(_summed(ds, area), f"to_region_map_dataset({_shown(area)})", name, own=True)


def to_spectrum_dataset(
    ds: xr.Dataset, region: Any, containment_correction: bool = False, name: str | None = None
) -> xr.Dataset:
    """Sum a map dataset over a region, to a spectrum.

    As `to_region_map_dataset`, without point spread function.

    Parameters
    ----------
    ds : Dataset
        With dims ``energy``, ``y``, ``x``; it stays as it is.
    region : region, SkyCoord, str, or list of regions
        As for `to_region_map_dataset`.
    containment_correction : bool
        Multiply the exposure by the part of a point source at the centre that lies in the region, a circle.
    name : str, optional
        Name of the new dataset, by default that of the old one.

    Returns
    -------
    Dataset
        Without dims on the sky. Lazy where the dataset is.

    Raises
    ------
    ValueError
        As for `to_region_map_dataset`, and if a correction is asked for but the region is no circle, or there is no
        ``psf`` over true energy.
    """
    area = footprint(region, ds)
    out = _summed(ds, area)
    if containment_correction:
        out["exposure"] = _corrected(out, area)
    psf = [key for key in out.data_vars if key in VARIABLES and VARIABLES[str(key)].grid == "psf"]
    used = {dim for key, v in out.data_vars.variables.items() if key not in psf for dim in v.dims}
    gone = {str(dim) for key in psf for dim in out.variables[key].dims} - used
    out = rebuild(out, {k: v for k, v in out.data_vars.variables.items() if k not in psf}, gone=gone)
    line = f"to_spectrum_dataset({_shown(area)}, containment_correction={containment_correction})"
    return record(out, line, name, own=True)


def _shown(area: Footprint) -> str:
    lines = [line for line in area.text.splitlines() if not line.startswith("#")]
    return "; ".join(lines if len(lines) <= 4 else [*lines[:3], f"{len(lines) - 3} more"])


def _summed(ds: xr.Dataset, area: Footprint) -> xr.Dataset:
    return conserve_background(_sums(expose_background(ds), area))


def _sums(ds: xr.Dataset, area: Footprint) -> xr.Dataset:
    variables: dict[Hashable, xr.Variable] = {}
    mask = ds.variables.get("mask_safe")
    masks = [ds.variables[key] for key in ("mask_safe", "mask_fit") if key in ds.variables]
    safe = None if mask is None else area.box(mask)
    place = _Place(area.center)
    for key, variable in ds.data_vars.variables.items():
        sky = sky_dims(ds[key])
        if sky is None:
            variables[key] = variable
            continue
        spec = VARIABLES.get(str(key))
        if spec is None:
            continue
        rest = tuple(dim for dim in variable.dims if dim not in sky)
        if spec.dtype == "b":
            data = _any_if_uniform([area.box(variable), *(area.box(m) for m in masks)], area, rest)
        elif sky == ("y", "x") and "y" in spec.extensive:
            data = _sum(area.box(variable), safe, area)
        elif sky == ("y", "x") and not spec.weight and not area.is_point:
            data = _mean(area.box(variable), area)
        else:
            data = place.look_up(ds[key], sky, rest).astype(mean_dtype(variable.dtype))
        variables[key] = xr.Variable(rest, data, variable.attrs)
    gone = [dim for suffix in suffixes(ds) for dim in grid_dims(suffix)]
    lonlat = area.center.spherical
    attrs = {"units": "deg", "frame": area.center.frame.name}
    center: dict[Hashable, xr.Variable] = {
        key: xr.Variable((), float(getattr(lonlat, key).deg), dict(attrs)) for key in ("lon", "lat")
    }
    return rebuild(ds, variables, gone=gone, coords=center, attrs={"region": area.text})


class _Place:
    """A position on the grids of responses, which are often the same."""

    def __init__(self, position: SkyCoord) -> None:
        self._position = position
        self._found: list[tuple[FixedGrid, Any, Any]] = []

    def look_up(self, array: xr.DataArray, sky: tuple[str, str], dims: tuple[Hashable, ...]) -> Any:
        """Interpolate a map there, see `SkyTable.at`."""
        grid = SkyGrid.from_dataset(array, suffix_of(sky[0]))
        found = next((one for one in self._found if one[0].equals(grid)), None)
        if found is None:
            fixed = FixedGrid.of(grid)
            y, x = fixed.position_to_labels(self._position)
            found = fixed, y, x
            self._found.append(found)
        fixed, y, x = found
        return SkyTable(array, dims, fixed).at_labels(y, x, self._position)


def _sum(box: xr.Variable, safe: xr.Variable | None, area: Footprint) -> Any:
    chosen = area.inside if safe is None else area.inside & safe
    values = inside(box.data, chosen.set_dims(dict(box.sizes)).transpose(*box.dims).data)
    axes = tuple(box.get_axis_num(dim) for dim in ("y", "x"))
    out = sum_dtype(box.dtype)
    return values.sum(axis=axes, dtype=np.float64 if out.kind == "f" else out).astype(out)


def _mean(box: xr.Variable, area: Footprint) -> Any:
    return _sum(box.astype(np.float64), None, area) / int(area.inside.data.sum())


def _any_if_uniform(boxes: list[xr.Variable], area: Footprint, rest: tuple[Hashable, ...]) -> Any:
    """Whether the first of some masks holds for any pixel, if all of them together leave all pixels or none."""
    arrays = [box.transpose(*rest, "y", "x").data for box in boxes]
    check = partial(_check_uniform, inside=np.asarray(area.inside.data), text=_shown(area))
    if not any(hasattr(array, "dask") for array in arrays):
        return check(*arrays)
    import dask.array as da

    arrays = [da.asarray(array).rechunk({-2: -1, -1: -1}) for array in arrays]
    ends = tuple(range(arrays[0].ndim - 2, arrays[0].ndim))
    return da.map_blocks(check, *arrays, drop_axis=ends, dtype=bool, meta=np.empty((0,) * len(rest), bool))


def _check_uniform(*masks: NDArray[np.bool_], inside: NDArray[np.bool_], text: str) -> NDArray[np.bool_]:
    together = np.logical_and.reduce([mask[..., inside] for mask in masks[1:]])
    cut = together.any(axis=-1) & ~together.all(axis=-1)
    if cut.any():
        raise ValueError(
            f"the region {text} is cut by a mask in {int(cut.sum())} of {cut.size} bins of energy: take a region that "
            "mask_safe and mask_fit together leave whole or leave out, or drop the mask"
        )
    return np.asarray(masks[0][..., inside].any(axis=-1))


def _corrected(ds: xr.Dataset, area: Footprint) -> xr.DataArray:
    if area.radius is None:
        raise ValueError(
            f"a containment correction is for circles only, not for the region {_shown(area)}: take a circle, or keep "
            "the psf with to_region_map_dataset, whose predictions integrate over the region"
        )
    for key in ("psf", "exposure"):
        if key not in ds:
            raise ValueError(f"Dataset '{ds.attrs.get('name', '')}' has no variable '{key}' to correct containment.")
    if "energy" in ds["psf"].dims:
        raise ValueError("psf is in reconstructed energy, but a containment correction needs one over true energy.")
    exposure = ds["exposure"]
    axis = Axis.from_dataset(exposure, "energy_true")
    part = containment(ds, area.radius, axis.center * u.Unit(axis.unit)).variable
    data = exposure.data * part.data
    return exposure.copy(data=data.astype(mean_dtype(exposure.dtype)))
