"""Predicted counts of source models in a region: datasets without dims on the sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.coordinates import SkyCoord

from xgamma.coords import Axis, SkyGrid
from xgamma.coords.labels import parse_unit
from xgamma.irf import edisp
from xgamma.irf.psf import energy_dim, energy_matrix, profiles
from xgamma.kernels import radial
from xgamma.kernels.circle import fraction_in_circle
from xgamma.predict.component import flux_of
from xgamma.predict.maps import map_npred, map_response
from xgamma.reduce.regions import areas, inside_areas

if TYPE_CHECKING:
    from xgamma.models import SkyModel

__all__ = ["region_npred", "region_response"]

_CM2_S = u.Unit("cm2 s")
_ACROSS, _ACROSS_POINT = 100, 200
"""Pixels across a region over which an extended model is integrated, and a point source, which is sharper."""
_THIN = 8
"""Least number of pixels across half of the narrow side of a region."""
_PARTS = 5
"""Into how many parts along each side such a pixel is cut, at least, to find what the region covers of it."""
_SAMPLES = 3000
"""Number of parts along a side of the map for which pixels are cut into more parts than that."""
_MOST = 800
"""Most pixels along a side of the map about a region."""


@dataclass(frozen=True, eq=False)
class _Region:
    """The region of a dataset, or what stands for one without extent."""

    shapes: tuple[Any, ...]
    center: SkyCoord

    @property
    def rings(self) -> list[tuple[Any, float]]:
        """Radii of circles about a common centre and the signs with which they make up the region, if they do."""
        one, kind = self.shapes[0], type(self.shapes[0]).__name__
        if len(self.shapes) == 1 and kind == "CircleSkyRegion":
            return [(one.radius, 1.0)]
        if len(self.shapes) == 1 and kind == "CircleAnnulusSkyRegion":
            return [(one.outer_radius, 1.0), (one.inner_radius, -1.0)]
        return []


def region_npred(ds: xr.Dataset, models: list[SkyModel]) -> xr.DataArray:
    """Predicted counts of source models in the region of a dataset.

    Parameters
    ----------
    ds : Dataset
        With ``exposure`` over true energy, without dims on the sky.
    models : list of SkyModel
        Models that apply to the dataset.

    Returns
    -------
    DataArray, dims (energy,)
        Flux x exposure x energy dispersion, summed over the models. A dataset with ``psf`` and a region predicts the
        part of each model that reaches the region: the point spread function of a point source inside a circle or an
        annulus, and the model convolved and integrated over the region otherwise. Without them the exposure has to
        hold what part of a source lies in the region; so it is for a model without spatial model and for the region of
        a point.

    Raises
    ------
    ValueError
        If the region is no DS9 text.
    """
    axis = Axis.from_dataset(ds["exposure"], "energy_true")
    region = _region_of(ds) if "psf" in ds else None
    total: Any = 0.0
    for model in models:
        spatial = model.spatial_model
        if region is None or spatial is None:
            total = total + _spectrum(ds, model, axis, 1.0)
        elif _is_simple(ds, model, region):
            total = total + _spectrum(ds, model, axis, _contained(ds, spatial.position, region, axis))
        else:
            here, weights = _map_of(ds, model, region)
            # a peak narrower than a pixel, just outside of the region, may sum to less than nothing
            values = map_npred(here, [model]).transpose("energy", "y", "x").data
            total = total + (values * weights).sum(axis=(1, 2)).clip(0)
    return xr.DataArray(total, dims=("energy",))


def region_response(ds: xr.Dataset, model: SkyModel) -> np.ndarray:
    """Predict counts in the region of a dataset for a flux of 1 cm-2 s-1 in each true-energy bin.

    Parameters
    ----------
    ds : Dataset
        As for `region_npred`; a lazy one is computed.
    model : SkyModel
        The source model, of which the spectrum does not matter.

    Returns
    -------
    ndarray, shape (energy_true, energy)
        What turns the flux of the model into predicted counts.
    """
    axis = Axis.from_dataset(ds, "energy_true")
    region = _region_of(ds) if "psf" in ds else None
    spatial = model.spatial_model
    if region is None or spatial is None:
        return np.asarray(_response(ds, model, axis, np.ones(axis.size)))
    if _is_simple(ds, model, region):
        return np.asarray(_response(ds, model, axis, _contained(ds, spatial.position, region, axis)))
    here, weights = _map_of(ds, model, region)
    return map_response(here, model, weights).clip(0)


def _region_of(ds: xr.Dataset) -> _Region | None:
    text = ds.attrs.get("region")
    if not text or not {"lon", "lat"} <= set(ds.coords):
        return None
    import regions as rg

    try:
        shapes = tuple(rg.Regions.parse(text, format="ds9"))
    except Exception as error:  # the parser lets errors of many kinds through
        raise ValueError(f"attrs['region'] is no text in DS9 format: {error}") from error
    if not shapes or any(isinstance(shape, rg.PointSkyRegion) for shape in shapes):
        return None
    frame = str(ds["lon"].attrs.get("frame", "icrs"))
    return _Region(shapes, SkyCoord(float(ds["lon"]), float(ds["lat"]), unit="deg", frame=frame))


def _is_simple(ds: xr.Dataset, model: SkyModel, region: _Region) -> bool:
    """Whether a model is a point source whose events in circles follow from the profile of the PSF."""
    in_true_energy = "energy" not in ds["psf"].dims
    return _is_point(model) and bool(region.rings) and model.apply_irf.get("psf", True) and in_true_energy


def _is_point(model: SkyModel) -> bool:
    return model.spatial_model is not None and model.spatial_model.radius_deg == 0


def _spectrum(ds: xr.Dataset, model: SkyModel, axis: Axis, fraction: Any) -> Any:
    return flux_of(model, axis) @ _response(ds, model, axis, fraction * np.ones(axis.size))


def _response(ds: xr.Dataset, model: SkyModel, axis: Axis, fraction: Any) -> Any:
    exposure = ds.variables["exposure"]
    if model.apply_irf.get("exposure", True):
        unit = parse_unit(exposure.attrs.get("units", ""), "variable 'exposure'")
        fraction = fraction * (exposure.data * unit.to(_CM2_S))
    if not model.apply_irf.get("edisp", True):
        ds = ds.drop_vars("edisp", errors="ignore")
    matrix = edisp.matrix(ds, None, axis)
    return fraction[:, None] * matrix


def _contained(ds: xr.Dataset, position: SkyCoord, region: _Region, axis: Axis) -> Any:
    psf = ds["psf"]
    own = Axis.from_dataset(psf, energy_dim(psf))
    rad = Axis.from_dataset(psf, "rad").to("rad").center
    distance = float(position.separation(region.shapes[0].center).rad)
    rings = [(float(radius.to_value("rad")), sign) for radius, sign in region.rings]

    def inside(table: np.ndarray) -> np.ndarray:
        normal = radial.normalize(table, rad)
        return sum((s * fraction_in_circle(normal, rad, distance, r) for r, s in rings), np.zeros(len(table)))

    table = energy_matrix(own, axis.center * u.Unit(axis.unit)) @ profiles(ds).astype(np.float64)
    if isinstance(table, np.ndarray):
        return inside(table)
    return table.rechunk({1: -1}).map_blocks(inside, dtype=np.float64, drop_axis=1)


def _map_of(ds: xr.Dataset, model: SkyModel, region: _Region) -> tuple[xr.Dataset, np.ndarray]:
    """Return a map about the region with the responses of its centre, and weights that sum over the region."""
    rad = Axis.from_dataset(ds["psf"], "rad").to("deg")
    with_psf = model.apply_irf.get("psf", True)
    margin = float(rad.center[-1]) if with_psf else 0.0
    # what the PSF has blurred is smooth on the scale on which the PSF itself is known
    finest = float(np.min(rad.upper - rad.lower)) / 3 if with_psf else 0.0
    half, across = _half_width(region), _ACROSS
    if model.spatial_model is not None and _is_point(model):
        # all that has to lie on the map is the region and the source, if the PSF takes it into the region at all
        margin = min(max(float(model.spatial_model.position.separation(region.center).deg) - half, 0.0), margin)
        across, finest = _ACROSS_POINT, 0.0
    grid, weights = _map_about(region, half, margin, across, finest)
    exposure = ds["exposure"]
    keep = [name for name in ("psf", "edisp") if name in ds]
    here = ds[keep].drop_vars(["lon", "lat"], errors="ignore").assign_coords(grid.to_coords())
    energy = Axis.from_dataset(ds, "energy")
    if "energy" not in here.coords:
        here = here.assign_coords(energy.to_coords())
    # The map's exposure is the same everywhere; what the map holds beyond the region feeds the PSF's tails.
    flat = exposure.variable.set_dims({"energy_true": exposure.size, "y": grid.y.size, "x": grid.x.size})
    here = here.assign_coords(Axis.from_dataset(exposure, "energy_true").to_coords()).assign(exposure=flat)
    return here, weights


def _half_width(region: _Region) -> float:
    """Half the side in deg of a square about the centre that holds the region."""
    frame = region.center.frame.name
    probe = SkyGrid.create(region.center, width=1, binsz=1e-3, frame=frame, proj="TAN")
    boxes = [shape.to_pixel(probe.fits_header()).bounding_box for shape in region.shapes]
    middle_y, middle_x = ((size - 1) / 2 for size in probe.shape)
    ends = [max(b.iymax - middle_y, middle_y - b.iymin, b.ixmax - middle_x, middle_x - b.ixmin) for b in boxes]
    return 1e-3 * float(max(ends))


def _map_about(region: _Region, half: float, margin: float, across: int, finest: float) -> tuple[SkyGrid, np.ndarray]:
    """Return a map that holds a region and a margin in deg, and weights that sum over the region."""
    frame = region.center.frame.name

    def square(step: float, reach: float, samples: int) -> tuple[SkyGrid, np.ndarray, int]:
        number = 2 * int(np.ceil(reach / step)) + 3
        parts = min(max(samples // number, _PARTS), 16) if samples else 1
        grid, fine = (
            SkyGrid.create(region.center, binsz=step / n, frame=frame, proj="TAN", shape=(n * number, n * number))
            for n in (1, parts)
        )
        return grid, inside_areas(areas(list(region.shapes), fine), fine), parts

    step = max(2 * half / across, 2 * (half + margin) / _MOST)
    _, inside, _ = square(2 * half / 300, half, 0)
    rim = sum(int(np.count_nonzero(np.diff(inside, axis=axis))) for axis in (0, 1))
    if rim:
        # half the width of a ribbon, 0.8 times the radius of a circle
        narrow = 2 * inside.sum() / rim * 2 * half / 300
        step = max(min(step, narrow / _THIN), 2 * (half + margin) / _MOST)
    # no round number, as regions like to have edges at these, on which no part of a pixel should be centred
    grid, inside, parts = square(0.9871 * max(step, finest), half + margin, _SAMPLES)
    return grid, _weights(inside, parts)


def _weights(inside: np.ndarray, cut: int) -> np.ndarray:
    """Weights of pixels that sum an image over an area, which is given on pixels cut into parts.

    About each pixel the image is taken for the paraboloid that has the sums of the pixel and of its neighbours. Its
    integral over what the area covers of the pixel is linear in these sums, with moments of the covered part.
    """
    number = len(inside) // cut
    parts = inside.reshape(number, cut, number, cut).astype(np.float32)
    place = (np.arange(cut) + 0.5) / cut - 0.5
    powers = np.stack([np.ones(cut), place, place**2 - np.mean(place**2)], axis=1).astype(np.float32)
    # i, j: pixels along y, x; p: parts along y; l, k: powers along y, x
    moment = np.einsum("ipjk,pl->lkij", parts @ powers, powers / cut**2).astype(np.float64)
    out = moment[0, 0] - moment[2, 0] - moment[0, 2]
    for step in (1, -1):
        out += np.roll(moment[2, 0] + step * moment[1, 0], step, axis=0) / 2
        out += np.roll(moment[0, 2] + step * moment[0, 1], step, axis=1) / 2
        for other in (1, -1):
            out += step * other * np.roll(moment[1, 1], (step, other), axis=(0, 1)) / 4
    return np.asarray(out)
