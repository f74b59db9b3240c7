"""From a table of flux points to a dataset.

The columns are those of gamma-astro-data-formats 0.3, section "Flux points".
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.table import Table

from xgamma.coords import Axis
from xgamma.fluxpoints import REFERENCES, reference_text
from xgamma.schema import FLUX_VARIABLES, FORMAT, FORMAT_VERSION, SED_TYPES, VariableSpec
from xgamma.validate import check_structure

__all__ = ["FluxTable", "dataset_of", "create_flux_points"]

_REQUIRED = {
    "dnde": ("e_ref", "dnde"),
    "e2dnde": ("e_ref", "e2dnde"),
    "flux": ("e_min", "e_max", "flux"),
    "eflux": ("e_min", "e_max", "eflux"),
    "likelihood": ("e_ref", "norm", "ref_dnde"),
}
_ENERGIES = ("e_ref", "e_min", "e_max")
_LONG_NUMBER = re.compile(r"\d{4}")
_NUMBERS = ("n_sigma", "n_sigma_ul", "sqrt_ts_threshold_ul", "ul_conf")
_TEXTS = ("stat_type", "reference_model", "sed_type_init")


def _error(problem: str) -> Exception:
    return ValueError(f"the table of flux points cannot be used: {problem}")


@dataclass(frozen=True)
class FluxTable:
    """A table as it stands in a file.

    Attributes
    ----------
    columns : dict of str to ndarray
        Values by name, a row for each point.
    units : dict of str to str
        Units by name, empty where there is none.
    meta : dict
        Keywords, in lower case.
    error : callable
        Makes an error of a text, which names the file.
    """

    columns: dict[str, np.ndarray]
    units: dict[str, str]
    meta: dict[str, Any] = field(default_factory=dict)
    error: Callable[[str], Exception] = _error

    @classmethod
    def from_astropy(cls, table: Table, error: Callable[[str], Exception] = _error) -> FluxTable:
        """Take over a table of astropy; masked numbers become NaN."""
        columns, units = {}, {}
        for name in table.colnames:
            column = table[name]
            units[name] = "" if getattr(column, "unit", None) is None else column.unit.to_string()
            values = column.value if isinstance(column, u.Quantity) else column
            if isinstance(values, np.ma.MaskedArray) and values.mask.any():
                if values.dtype.kind not in "fiu":
                    raise error(f"column {name} has rows without a value: fill them")
                values = np.ma.filled(values.astype(np.float64), np.nan)
            columns[name] = np.array(values)
        meta = {str(key).lower(): value for key, value in table.meta.items()}
        return cls(columns, units, meta, error)

    def unit(self, name: str, physical: str) -> str:
        """Return the unit of a column in FITS notation, without photons.

        Parameters
        ----------
        name : str
            The column.
        physical : str
            A unit to which it must be convertible.
        """
        text = self.units.get(name, "").strip()
        try:
            unit = None if _LONG_NUMBER.search(text) else u.Unit(text)
            for base, power in zip(unit.bases, unit.powers, strict=True) if unit is not None else ():
                if base in (u.ph, u.ct):
                    unit = unit / base**power
            known = None if unit is None else unit.to_string("fits")
        except (ValueError, TypeError, ArithmeticError):
            unit = known = None
        if unit is None or known is None:
            raise self.error(f"column {name} has the unit {text!r}, which is unknown")
        if not unit.is_equivalent(physical):
            given = f"has the unit {text!r}" if text else "has no unit"
            raise self.error(f"column {name} {given}, but needs one like {physical or 'that of a number'!r}")
        return str(known)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of one number a row as float64, NaN allowed."""
        values = self.columns[name]
        if values.ndim != 1 or values.dtype.kind not in "iuf":
            raise self.error(f"column {name} must hold one number a row")
        return values.astype(np.float64)


def create_flux_points(
    table: Table | Mapping[str, Any], sed_type: str | None = None, reference_model: Any = None, name: str = ""
) -> xr.Dataset:
    """Make flux points of a table.

    Parameters
    ----------
    table : Table, QTable, or mapping of str to Quantity or array
        Columns of gamma-astro-data-formats: energies ``e_ref``, or ``e_min`` and ``e_max``, or all three; fluxes
        ``dnde``, ``e2dnde``, ``flux``, ``eflux`` or ``norm``; with ``_err``, ``_errn``, ``_errp``, ``_ul`` behind the
        same name, their errors and limits; ``is_ul``, ``ts``, ``sqrt_ts``, ``stat_scan`` and so on.
    sed_type : {"dnde", "e2dnde", "flux", "eflux", "likelihood"}, optional
        Which of these is meant. Left out, the keyword SED_TYPE tells, or else which columns there are.
    reference_model : SpectralModel or SkyModel, optional
        For conversions, see `xgamma.fluxpoints.reference_model`. Norms of the table, those of a scan too, are relative
        to it; it comes in place of columns ``ref_dnde`` and the like.
    name : str
        Name of the dataset.

    Returns
    -------
    Dataset
        With the dim energy, whose coordinate holds the reference energies as they are. Without energy ranges the bins
        are those between the points. Columns that are not declared are kept under their names.

    Raises
    ------
    ValueError
        If a column is missing or has a wrong unit, the SED type is unknown, or energies are not positive and rising.

    Examples
    --------
    >>> import astropy.units as u
    >>> import xgamma as xg
    >>> columns = {"e_ref": [1, 3] * u.TeV, "dnde": [3e-12, 4e-13] * u.Unit("cm-2 s-1 TeV-1")}
    >>> ds = xg.create_flux_points(columns | {"dnde_err": columns["dnde"] / 10})
    """
    if not isinstance(table, Table | Mapping):
        hint = ": files are opened by open_dataset" if isinstance(table, str | os.PathLike) else ""
        raise ValueError(f"flux points are made of a table or a mapping of columns, not {type(table).__name__}{hint}")
    made = FluxTable.from_astropy(table if isinstance(table, Table) else Table(dict(table)))
    if reference_model is None:
        return dataset_of(made, name, sed_type)
    text = reference_text(reference_model)
    columns = {key: values for key, values in made.columns.items() if key not in REFERENCES}
    made = replace(made, columns=columns, meta={**made.meta, "reference_model": text})
    return dataset_of(made, name, sed_type)


def dataset_of(table: FluxTable, name: str, sed_type: str | None = None) -> xr.Dataset:
    """Return the dataset that a table describes.

    Parameters
    ----------
    table : FluxTable
        The table.
    name : str
        Name of the dataset.
    sed_type : str, optional
        Instead of the keyword SED_TYPE.

    Raises
    ------
    Exception
        That of the table, if it does not hold flux points.
    """
    if not table.columns or not len(next(iter(table.columns.values()))):
        raise table.error("it has no rows")
    chosen = _sed_type(table, sed_type)
    table = _with_likelihood(table)
    axis = _axis(table)
    dims = _dims(table)
    variables: dict[str, xr.Variable] = {}
    for column in [key for key in FLUX_VARIABLES if key in table.columns]:
        variables[column] = _declared(table, column, FLUX_VARIABLES[column])
    for column, values in table.columns.items():
        if column not in variables and column not in _ENERGIES:
            units = table.units.get(column, "")
            attrs = {"units": units} if units else {}
            variables[column] = xr.Variable(dims[column], values, attrs)
    attrs = {"format": FORMAT, "format_version": FORMAT_VERSION, "name": name, "sed_type": chosen}
    ds = xr.Dataset(variables, axis.to_coords(), attrs | _attrs(table, chosen))
    try:
        check_structure(ds)
    except ValueError as error:
        raise table.error(str(error)) from error
    return ds


def _sed_type(table: FluxTable, given: str | None) -> str:
    told = table.meta.get("sed_type") if given is None else given
    if told is not None:
        told = str(told).strip().lower()
        if told not in SED_TYPES:
            raise table.error(f"its SED type is {told!r}, which is unknown; there are: {', '.join(SED_TYPES)}")
        missing = [key for key in _needs(table, told) if key not in table.columns]
        if missing:
            model = " (or give a reference_model)" if set(missing) & set(REFERENCES) else ""
            raise table.error(
                f"its SED type is {told!r}, for which it lacks the columns {', '.join(missing)}{model}; it has "
                + ", ".join(table.columns)
            )
        return str(told)
    for chosen in _REQUIRED:
        if all(key in table.columns for key in _needs(table, chosen)):
            return chosen
    raise table.error(
        "it has no SED_TYPE, and not the columns of any: "
        + "; ".join(f"{key} needs {', '.join(names)}" for key, names in _REQUIRED.items())
        + f"; it has {', '.join(table.columns)}"
    )


def _needs(table: FluxTable, chosen: str) -> list[str]:
    """Columns that an SED type needs.

    A table of limits alone does without fluxes, bins do without energies, and a reference model without its values.
    """
    own = SED_TYPES[chosen]
    present = [end for end in ("", "_err", "_errn", "_errp", "_ul") if f"{own}{end}" in table.columns]
    flux = f"{own}_ul" if present == ["_ul"] else own
    names = [flux if key == own else key for key in _REQUIRED[chosen]]
    if table.meta.get("reference_model"):
        names = [key for key in names if key not in REFERENCES]
    bins = all(key in table.columns for key in ("e_min", "e_max"))
    return [key for key in names if not (bins and key == "e_ref")]


def _with_likelihood(table: FluxTable) -> FluxTable:
    """Turn logarithms of likelihoods into statistics, ``-2 ln L``; scans are relative to the best fit."""
    columns = dict(table.columns)
    for old, new in (("loglike", "stat"), ("loglike_null", "stat_null")):
        if old in columns and new not in columns:
            columns[new] = -2 * table.numbers(old)
            del columns[old]
    if "dloglike_scan" in columns and "stat_scan" not in columns:
        scan = columns.pop("dloglike_scan")
        if scan.ndim != 2 or scan.dtype.kind != "f":
            raise table.error("column dloglike_scan must hold a list of numbers a row")
        best = columns.get("stat", np.zeros(len(scan)))
        # Programs differ in the sign of the difference, which is that of a maximum or of a minimum.
        columns["stat_scan"] = best[:, np.newaxis] + 2 * np.abs(scan.astype(np.float64))
    return FluxTable(columns, table.units, table.meta, table.error)


def _energy(table: FluxTable, name: str, unit: str) -> np.ndarray:
    own = table.unit(name, "TeV")
    values = table.numbers(name)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise table.error(f"column {name} holds energies that are not positive and finite")
    return values if own == unit else values * u.Unit(own).to(unit)


def _axis(table: FluxTable) -> Axis:
    """Return the energies of the points with their bins, exactly as the file has them."""
    known = [key for key in _ENERGIES if key in table.columns]
    if "e_ref" not in known and len(known) < 2:
        raise table.error(f"it has no energies: it needs e_ref, or e_min and e_max, and has {', '.join(table.columns)}")
    unit = table.unit(known[0], "TeV")
    if {"e_min", "e_max"} <= set(known):
        lower, upper = (_energy(table, key, unit) for key in ("e_min", "e_max"))
        center = _energy(table, "e_ref", unit) if "e_ref" in known else np.sqrt(lower * upper)
        if (lower >= upper).any():
            row = int(np.flatnonzero(lower >= upper)[0])
            raise table.error(f"row {row + 1} has an e_min of {lower[row]:g}, not below its e_max of {upper[row]:g}")
        node_type = "edges"
    else:
        center = _energy(table, "e_ref", unit)
        lower = upper = center
        node_type = "center"
    steps = np.diff(center)
    if (steps <= 0).any():
        row = int(np.flatnonzero(steps <= 0)[0])
        what = "twice the same energy" if steps[row] == 0 else "energies that fall"
        raise table.error(
            f"rows {row + 1} and {row + 2} have {what}, {center[row]:g} and {center[row + 1]:g} {unit}: "
            "sort the rows by energy, and keep one spectrum in a table"
        )
    try:
        if node_type == "center" and center.size > 1:
            return Axis.from_nodes("energy", center, unit=unit)
        return Axis("energy", center, lower, upper, unit, "log", node_type)  # type: ignore[arg-type]
    except ValueError as error:
        raise table.error(f"columns {', '.join(known)}: {error}") from error


def _dims(table: FluxTable) -> dict[str, tuple[str, ...]]:
    """Return the dims of columns that are not declared: those behind the energy are of their own."""
    return {name: ("energy", *(f"{name}_{i}" for i in range(1, values.ndim))) for name, values in table.columns.items()}


def _declared(table: FluxTable, name: str, spec: VariableSpec) -> xr.Variable:
    values = table.columns[name]
    if values.size == len(values) and "energy" in spec.dims and "scan" not in spec.dims and "dataset" not in spec.dims:
        values = values.reshape(-1)  # gammapy writes masks with the pixel of a region behind the energy
    attrs = {"long_name": spec.meaning}
    if spec.dtype == "b":
        whole = values.dtype.kind in "iuf" and np.isin(values, (0, 1)).all()
        if values.ndim != 1 or not (values.dtype.kind == "b" or whole):
            raise table.error(f"column {name} must hold true or false in each row")
        return xr.Variable("energy", values.astype(bool), attrs)
    if values.dtype.kind == "b" or values.dtype.kind not in "iuf":
        raise table.error(f"column {name} must hold numbers, not {values.dtype}")
    if values.ndim > len(spec.dims) or ("scan" in spec.dims and values.ndim != 2):
        raise table.error(f"column {name} has rows of shape {values.shape[1:]}, but is over {', '.join(spec.dims)}")
    units = table.unit(name, spec.physical or "")
    return xr.Variable(spec.dims[: values.ndim], values, {"units": units} | attrs)


def _attrs(table: FluxTable, chosen: str) -> dict[str, Any]:
    out: dict[str, Any] = {"sed_type_init": chosen}
    for name in _NUMBERS:
        value = table.meta.get(name)
        if value is None or value == "":
            continue
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise table.error(f"its keyword {name.upper()} is {value!r}, which is no number")
        out[name] = float(value)
    if not 0 < out.get("ul_conf", 0.5) < 1:
        raise table.error(f"its keyword UL_CONF is {out['ul_conf']}: a confidence level lies between 0 and 1")
    out |= {name: table.meta[name] for name in _TEXTS if isinstance(table.meta.get(name), str)}
    return out
