"""From one quantity in which fluxes are given to another, by way of a reference model.

A flux of any type is the norm of the reference model times what that model predicts, so that two types differ by a
factor for each point: ``dnde = norm * model(e_ref)``, ``flux = norm * integral of the model over the bin``, and so on.
"""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.history import record
from xgamma.models import Models, PowerLawSpectralModel, SkyModel, SpectralModel, TemplateSpectralModel
from xgamma.schema import FLUX_VARIABLES, SED_SUFFIXES, SED_TYPES
from xgamma.units import quantity as with_unit
from xgamma.units import unit_of

__all__ = [
    "REFERENCES",
    "assign_reference_model",
    "check_scan",
    "has_scan_of_unknown_reference",
    "quantity",
    "reference",
    "reference_model",
    "reference_text",
    "sed_type",
    "to_sed_type",
]

REFERENCES = tuple(f"ref_{name}" for name in SED_TYPES.values() if name != "norm")
"""Variables with what the reference model predicts, which come before the model itself."""


def sed_type(ds: xr.Dataset) -> str:
    """Tell in which quantity the fluxes of a dataset are given.

    Parameters
    ----------
    ds : Dataset
        Flux points. The attr ``sed_type`` tells, or else which variables there are.

    Returns
    -------
    {"likelihood", "dnde", "e2dnde", "flux", "eflux"}

    Raises
    ------
    ValueError
        If the attr is none of these, or there are no fluxes.
    """
    given = ds.attrs.get("sed_type")
    if given is not None:
        return _checked(given)
    for name in ("dnde", "e2dnde", "flux", "eflux", "likelihood"):
        if any(f"{SED_TYPES[name]}{end}" in ds.variables for end in ("", "_ul")):
            return name
    raise ValueError(
        f"Dataset '{ds.attrs.get('name', '')}' has no flux points: it needs one of {', '.join(SED_TYPES.values())}"
    )


def _checked(name: Any) -> str:
    if name not in SED_TYPES:
        raise ValueError(f"there is no SED type {name!r}; there are: {', '.join(SED_TYPES)}")
    return str(name)


def reference_model(ds: xr.Dataset) -> SpectralModel:
    """Return the spectral model that converts between quantities.

    Parameters
    ----------
    ds : Dataset
        Flux points.

    Returns
    -------
    SpectralModel
        That of the attr ``reference_model``; else power laws through ``ref_dnde``; else a power law of index 2.

    Raises
    ------
    ValueError
        If the attr is no model.
    """
    text = ds.attrs.get("reference_model")
    if text:
        models = Models.from_yaml(text, source="attr 'reference_model'")
        if len(models) != 1 or not isinstance(models[0], SkyModel):
            raise ValueError("attr 'reference_model' must hold one SkyModel: use assign_reference_model")
        return models[0].spectral_model
    if "ref_dnde" in ds.variables and ds["ref_dnde"].dims == ("energy",) and ds.sizes["energy"] > 1:
        values = with_unit(ds["ref_dnde"])
        if np.isfinite(values.value).all() and (values.value >= 0).all():
            return TemplateSpectralModel(Axis.from_dataset(ds, "energy").to("TeV").center * u.TeV, values)
    return PowerLawSpectralModel(index=2)


def has_scan_of_unknown_reference(ds: xr.Dataset) -> bool:
    """Tell whether there is a scan over norms, and nothing that says of which model.

    Tables of fluxes say nothing of a model; those of norms (SED type ``likelihood``) have to.
    """
    known = bool(ds.attrs.get("reference_model")) or "ref_dnde" in ds.variables
    return "norm_scan" in ds.variables and not known and sed_type(ds) != "likelihood"


def check_scan(ds: xr.Dataset) -> None:
    """Raise if the norms of a scan are those of an unknown model.

    Raises
    ------
    ValueError
        With the way out.
    """
    if has_scan_of_unknown_reference(ds):
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' has a scan over norms and does not tell of which reference model: "
            "give it with ds.gp.sed.assign_reference_model(model); gammapy, if it was given none, takes "
            "PowerLawSpectralModel(index=2)"
        )


def reference_text(model: SpectralModel | SkyModel) -> str:
    """Return a reference model as the attr ``reference_model`` holds it.

    Raises
    ------
    ValueError
        If it is no spectral model of a flux.
    """
    spectral = model.spectral_model if isinstance(model, SkyModel) else model
    if not isinstance(spectral, SpectralModel) or spectral.is_norm_spectral_model:
        raise ValueError(f"a reference model must be a spectral model of a flux, not {type(spectral).__name__}")
    return Models([SkyModel(spectral, name="reference")]).to_yaml()


def assign_reference_model(ds: xr.Dataset, model: SpectralModel | SkyModel) -> xr.Dataset:
    """Give flux points another model for conversions; fluxes of their own type stay what they are.

    Norms, those of a scan too, are converted to those of the new model: the statistic of a source stays what it is.
    Only if a table of fluxes has a scan and does not tell the model of its norms, this one is taken to be that model.

    Parameters
    ----------
    ds : Dataset
        Flux points; it stays as it is.
    model : SpectralModel or SkyModel
        Of a sky model the spectral model counts.

    Returns
    -------
    Dataset
        Without the variables ``ref_dnde`` and the like, which were those of the old model. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If it is no spectral model of a flux.
    """
    text = reference_text(model)
    spectral = model.spectral_model if isinstance(model, SkyModel) else model
    own = sed_type(ds)
    out = to_sed_type(ds, "dnde") if own == "likelihood" else ds
    out = out.drop_vars(list(REFERENCES), errors="ignore").assign_attrs(reference_model=text)
    if "norm_scan" in ds and not has_scan_of_unknown_reference(ds):
        ratio = reference(ds, "dnde").variable / reference(out, "dnde").variable
        out["norm_scan"] = _scaled(ds["norm_scan"], ratio, dict(ds["norm_scan"].attrs))
    return record(_renamed(out, own), f"assign_reference_model({spectral.tag[-1]})")


def reference(ds: xr.Dataset, name: str) -> xr.DataArray:
    """Return what the reference model predicts for each point.

    Parameters
    ----------
    ds : Dataset
        Flux points.
    name : {"norm", "dnde", "e2dnde", "flux", "eflux"}
        The quantity.

    Returns
    -------
    DataArray, dims (energy,)
        In the unit that `xgamma.schema.FLUX_VARIABLES` gives it. A variable ``ref_dnde``, ``ref_flux`` or so of the
        dataset comes before the model.

    Raises
    ------
    ValueError
        If an integral over bins is wanted where only the energies of the points are known, or a name is unknown.
    """
    if name not in SED_TYPES.values():
        raise ValueError(f"there is no quantity {name!r}; there are: {', '.join(SED_TYPES.values())}")
    axis = Axis.from_dataset(ds, "energy")
    spec = FLUX_VARIABLES[name]
    if f"ref_{name}" in ds.variables:
        values = ds[f"ref_{name}"].variable * unit_of(ds[f"ref_{name}"]).to(spec.unit)
    elif name == "e2dnde":
        tev = axis.to("TeV").center * u.TeV
        scale = (tev**2 * u.Unit("TeV-1 s-1 cm-2")).to_value(spec.unit)
        values = reference(ds, "dnde").variable * xr.Variable("energy", scale)
    else:
        values = xr.Variable("energy", predict(reference_model(ds), axis, name))
    out = xr.DataArray(values, dims=values.dims, name=f"ref_{name}", coords=_coords(ds, values.dims))
    out.attrs = {"units": spec.unit, "long_name": f"{spec.meaning} of the reference model"}
    return out


def predict(model: SpectralModel, axis: Axis, name: str) -> np.ndarray:
    """Return what a spectral model predicts for points.

    Parameters
    ----------
    model : SpectralModel
        Of a differential flux.
    axis : Axis
        Energies of the points, and their bins.
    name : {"norm", "dnde", "e2dnde", "flux", "eflux"}
        The quantity; the norm of the model itself is one.

    Returns
    -------
    ndarray, shape (energy,)
        In the unit that `xgamma.schema.FLUX_VARIABLES` gives it.

    Raises
    ------
    ValueError
        If an integral over bins is wanted where only the energies of the points are known.
    """
    tev = axis.to("TeV")
    if name == "norm":
        return np.ones(axis.size)
    if name in ("flux", "eflux"):
        if axis.node_type != "edges":
            raise ValueError(
                f"fluxes cannot be converted to SED type {name!r}, since the energy range of the points (e_min, e_max) "
                "is not known: assign an energy axis with edges"
            )
        integrate = model.integral if name == "flux" else model.energy_flux
        values = integrate(tev.lower * u.TeV, tev.upper * u.TeV)
    else:
        energy = tev.center * u.TeV
        values = model(energy) * (energy**2 if name == "e2dnde" else 1)
    return np.asarray(values.to_value(FLUX_VARIABLES[name].unit))


def _coords(ds: xr.Dataset, dims: tuple[Any, ...]) -> xr.Coordinates:
    """Return the coordinates that go with an array over some dims."""
    names = [key for key, value in ds.coords.items() if set(value.dims) <= set(dims)]
    coords = ds.coords.to_dataset()
    return coords.drop_vars([key for key in coords.variables if key not in names]).coords


def quantity(ds: xr.Dataset, name: str) -> xr.DataArray:
    """Return fluxes, errors or limits in any quantity.

    Parameters
    ----------
    ds : Dataset
        Flux points.
    name : str
        ``norm``, ``dnde``, ``e2dnde``, ``flux`` or ``eflux``, with ``_err``, ``_errn``, ``_errp``, ``_ul`` or
        ``_sensitivity`` behind it or nothing.

    Returns
    -------
    DataArray
        The variable itself if the dataset has it; else converted from its own SED type, in the unit that
        `xgamma.schema.FLUX_VARIABLES` gives the quantity. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the dataset has no such error or limit in any quantity, or has no bins for an integral over them.
    """
    if name in ds.variables:
        return ds[name]
    base, _, end = name.partition("_")
    end = f"_{end}" if end else ""
    if base not in SED_TYPES.values() or end not in SED_SUFFIXES:
        ends = ", ".join(SED_SUFFIXES[1:])
        raise ValueError(
            f"there is no flux {name!r}; there are {', '.join(SED_TYPES.values())}, and with each of them {ends}"
        )
    own = SED_TYPES[sed_type(ds)]
    if f"{own}{end}" not in ds.variables:
        raise ValueError(
            f"Dataset '{ds.attrs.get('name', '')}' has no variable '{own}{end}', from which {name} would be converted"
        )
    source = ds[f"{own}{end}"]
    factor = reference(ds, base).variable / reference(ds, own).variable
    factor = factor * unit_of(source).to(FLUX_VARIABLES[own].unit)
    spec = FLUX_VARIABLES[name]
    return _scaled(source, factor, {"units": spec.unit, "long_name": spec.meaning}).rename(name)


def _scaled(source: xr.DataArray, factor: xr.Variable, attrs: dict[str, Any]) -> xr.DataArray:
    values = (source.variable * factor).transpose(*source.dims)
    out = source.copy(data=values.data)
    out.attrs = attrs
    return out


def to_sed_type(ds: xr.Dataset, sed_type: str) -> xr.Dataset:
    """Give fluxes in another quantity.

    Parameters
    ----------
    ds : Dataset
        Flux points; it stays as it is.
    sed_type : {"likelihood", "dnde", "e2dnde", "flux", "eflux"}
        The quantity; ``likelihood`` stands for norms of the reference model.

    Returns
    -------
    Dataset
        With that quantity, its errors and limits in place of the others; all else stays. Lazy where the dataset is.

    Raises
    ------
    ValueError
        If the type is unknown, or the energy ranges of the points that it needs are not known; for ``likelihood`` also
        if there is a scan over the norms of an unknown model.
    """
    target = _checked(sed_type)
    if target == "likelihood":
        check_scan(ds)
    out = _renamed(ds, target)
    return out if out is ds else record(out, f"to_sed_type({target!r})")


def _renamed(ds: xr.Dataset, target: str) -> xr.Dataset:
    own = sed_type(ds)
    if own == target:
        return ds
    new = SED_TYPES[target]
    ends = [end for end in SED_SUFFIXES if any(f"{name}{end}" in ds for name in (SED_TYPES[own], new))]
    arrays = {f"{new}{end}": quantity(ds, f"{new}{end}") for end in ends}
    old = [f"{name}{end}" for name in SED_TYPES.values() for end in SED_SUFFIXES if f"{name}{end}" in ds.data_vars]
    # The new fluxes take the places of the old ones.
    kept = {key: ds[key].variable for key in ds.data_vars if key not in old}
    made = {key: array.variable for key, array in arrays.items()}
    out = ds.drop_vars(list(ds.data_vars)).assign({**made, **kept})
    return out.assign_attrs(sed_type=target)
