"""Make empty spectrum datasets."""

from __future__ import annotations

import warnings
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.coordinates import SkyCoord, UnitSphericalRepresentation

from xgamma.coords import Axis
from xgamma.create import gti_variables
from xgamma.history import record
from xgamma.schema import FORMAT, FORMAT_VERSION, VARIABLES

__all__ = ["create_spectrum_dataset"]

_VARIABLES = ("counts", "background", "exposure", "edisp", "edisp_exposure", "mask_safe")
_OFF = ("counts_off", "acceptance", "acceptance_off")


def create_spectrum_dataset(
    energy: Any,
    energy_true: Any = None,
    region: Any = None,
    gti: Any = None,
    name: str | None = None,
    migra: Any = None,
    onoff: bool = False,
) -> xr.Dataset:
    """Make a spectrum dataset that is zero everywhere and has an empty safe mask.

    Parameters
    ----------
    energy : Quantity or Axis
        Edges of the bins in reconstructed energy, see `xgamma.energy_edges`.
    energy_true : Quantity or Axis, optional
        Edges of the bins in true energy; those of `energy` if left out.
    region : region, SkyCoord, str, or list of regions, optional
        Where on the sky: sky regions of the `regions` package, or text in DS9 format. A position is a point.
    gti : pair, Table or mapping, optional
        Good time intervals, as for `xgamma.create_map_dataset`. There are none if left out.
    name : str, optional
        Name of the dataset, "spectrum-dataset" if left out.
    migra : Quantity, array-like or Axis, optional
        Edges of the bins of reconstructed / true energy. With them the energy dispersion is a density in migration;
        without, it holds the probabilities of the reconstructed energies.
    onoff : bool
        Whether the background is measured in off regions: ``counts_off``, ``acceptance`` and ``acceptance_off`` in
        place of ``background``.

    Returns
    -------
    Dataset
        ``counts``, ``background``, ``mask_safe`` (energy), ``exposure``, ``edisp_exposure`` (energy_true), ``edisp``
        (energy_true, energy), ``gti_start``, ``gti_stop``. The centre of the region is in the scalar coordinates
        ``lon`` and ``lat``, in degrees, its text in ``attrs["region"]``.

    Raises
    ------
    ValueError
        If bins, region or times are impossible.

    Examples
    --------
    >>> import xgamma as xg
    >>> from xgamma.create_spectrum import create_spectrum_dataset
    >>> energy = xg.energy_edges("1 TeV", "10 TeV", nbin=4)
    >>> ds = create_spectrum_dataset(energy, region="icrs;circle(83.63, 22.01, 0.11)")
    >>> ds.counts.shape, float(ds.lon)
    ((4,), 83.63)
    """
    reco = _axis("energy", energy, "TeV")
    axes = {"energy": reco, "energy_true": reco.rename("energy_true")}
    if energy_true is not None:
        axes["energy_true"] = _axis("energy_true", energy_true, "TeV")
    if migra is not None:
        axes["migra"] = _axis("migra", migra, "")
    coords = xr.Coordinates()
    for axis in axes.values():
        coords = coords | axis.to_coords()
    variables = {}
    for key in _VARIABLES if not onoff else (*(k for k in _VARIABLES if k != "background"), *_OFF):
        spec = VARIABLES[key]
        dims = tuple(dim for dim in spec.dims if dim not in ("y", "x"))
        if key == "edisp" and migra is not None:
            dims = tuple(spec.alternatives.get(dim, dim) for dim in dims)
        attrs = {"long_name": spec.meaning} | ({} if spec.dtype == "b" else {"units": spec.unit})
        shape = tuple(axes[dim].size for dim in dims)
        variables[key] = xr.Variable(dims, np.zeros(shape, bool if spec.dtype == "b" else np.float32), attrs)
    ds = xr.Dataset(variables | gti_variables(gti), coords=coords)
    ds.attrs = {"format": FORMAT, "format_version": FORMAT_VERSION, "name": name or "spectrum-dataset"}
    if region is not None:
        text, center = _text_and_center(region)
        ds.attrs["region"] = text
        frame = {"units": "deg", "frame": center.frame.name}
        lonlat = center.spherical
        ds = ds.assign_coords({key: ((), float(getattr(lonlat, key).deg), dict(frame)) for key in ("lon", "lat")})
    return record(ds, f"create_spectrum_dataset({reco.size})")


def _axis(name: str, edges: Any, unit: str) -> Axis:
    if isinstance(edges, Axis):
        return edges.rename(name)
    try:
        quantity = u.Quantity(edges)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {edges!r}: give the edges of its bins, as a Quantity.") from error
    if not quantity.unit.is_equivalent(unit):
        raise ValueError(f"{name} is in '{quantity.unit}': give edges in a unit such as '{unit}'.")
    return Axis.from_edges(name, quantity, interp="log" if unit else "lin")


def _text_and_center(region: Any) -> tuple[str, SkyCoord]:
    """Return regions as DS9 text, and the centre of the first that has one."""
    from regions import PointSkyRegion, Region, Regions, SkyRegion

    shapes = region
    if isinstance(region, str):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # lines that are no shape are passed over
                shapes = list(Regions.parse(region, format="ds9"))
        except Exception as error:  # the parser lets errors of many kinds through
            raise ValueError(f"the text {region!r} is not in DS9 region format: {error}") from error
    elif isinstance(region, SkyCoord):
        shapes = [PointSkyRegion(position) for position in region.ravel()]
    elif isinstance(region, Region):
        shapes = [region]
    if not shapes or not all(isinstance(shape, SkyRegion) for shape in shapes):
        raise ValueError(
            f"{region!r} is no region on the sky: give one of the regions package, or DS9 text with its frame, such as "
            "'icrs;circle(83.63,22.01,0.11)'."
        )
    if any(hasattr(shape, "region1") for shape in shapes):
        raise ValueError(f"{region!r} is a compound, for which there is no DS9 text: give its parts as a list.")
    text = Regions(shapes).serialize(format="ds9", precision=12)
    center = next((shape.center for shape in shapes if hasattr(shape, "center")), None)
    if center is None:
        vertices = shapes[0].vertices
        mean = vertices.cartesian.mean()
        middle = mean.represent_as(UnitSphericalRepresentation)
        center = SkyCoord(middle.lon, middle.lat, frame=vertices.frame.replicate_without_data())
    return text, center
