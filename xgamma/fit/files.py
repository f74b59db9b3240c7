"""Files of fits: YAML to read, NetCDF with everything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xgamma.atomic import local_path, write_beside
from xgamma.fit.result import FitResult
from xgamma.io.errors import FileFormatError
from xgamma.models import Models
from xgamma.models.serialize import dump, load

__all__ = ["from_dataset", "from_yaml", "read", "to_dataset", "to_yaml", "write", "write_netcdf"]

FORMAT, VERSION = "xgamma-fit", 1
_NUMBERS: dict[str, type] = {
    "success": bool,
    "message": str,
    "backend": str,
    "total_stat": float,
    "stat_prior": float,
    "edm": float,
    "n_bins": int,
    "nfev": int,
    "ngrad": int,
}


def _head(result: FitResult) -> dict[str, Any]:
    return {key: kind(getattr(result, key)) for key, kind in _NUMBERS.items()}


def to_yaml(result: FitResult) -> str:
    """Return a result as YAML text, without the trace; numbers keep all their digits."""
    data = {
        "format": FORMAT,
        "format_version": VERSION,
        **_head(result),
        "at_limit": list(result.at_limit),
        "datasets": [{"name": name, "stat_sum": stat} for name, stat in result._stat_sums],
        "covariance": {"parameters": list(result.names), "matrix": result._covariance.tolist()},
        "models": result.models.to_dict(full_output=True),
    }
    return dump(data)


def from_yaml(text: str, source: str = "the result") -> FitResult:
    """Return the result that YAML text describes.

    Raises
    ------
    FileFormatError
        If the text is not that of a result.
    """
    try:
        data = load(text, source)
        _check_format(data, source)
        datasets = data["datasets"]
        sums = tuple((str(entry["name"]), float(entry["stat_sum"])) for entry in datasets)
        covariance = np.array(data["covariance"]["matrix"], dtype=float)
        return _build(data, dump(data["models"]), covariance, sums, tuple(data["at_limit"]), None, source)
    except FileFormatError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(source, "", f"is not the YAML of a fit: {error!s} is missing or wrong") from error


def _check_format(data: Any, source: str) -> None:
    if data.get("format") != FORMAT:
        raise FileFormatError(source, "format", f"is {data.get('format')!r}, and would be {FORMAT!r} for a fit")
    if int(data.get("format_version", 0)) > VERSION:
        raise FileFormatError(source, "format_version", "is that of a later version of xgamma: update it to read this")


def _build(
    data: Any,
    models: str,
    covariance: np.ndarray,
    sums: tuple[tuple[str, float], ...],
    at_limit: tuple[str, ...],
    trace: xr.Dataset | None,
    source: str,
) -> FitResult:
    best = Models.from_yaml(models, read_only=True, source=source)
    n = len(best.parameters.free_unique_parameters)
    return FitResult(
        **{key: kind(data[key]) for key, kind in _NUMBERS.items()},
        models=best,
        at_limit=tuple(str(name) for name in at_limit),
        trace=trace,
        _covariance=covariance.reshape(n, n),
        _stat_sums=sums,
    )


def to_dataset(result: FitResult) -> xr.Dataset:
    """Return a result as a dataset that holds all of it.

    Returns
    -------
    Dataset
        ``value`` and ``error`` (parameter), ``covariance`` (parameter, other), ``stat_sums`` (dataset); of the trace
        ``trace_stat`` and ``trace_x`` (call, parameter). The rest stands in its attrs.
    """
    out = result.covariance.to_dataset(name="covariance")
    out["value"] = ("parameter", result.x, {"long_name": "best fit"})
    out["error"] = ("parameter", result.errors, {"long_name": "standard error"})
    out["stat_sums"] = result.stat_sums
    if result.trace is not None:
        columns = [result.trace[name].values for name in result.names]
        out["trace_stat"] = ("call", result.trace["stat"].values, {"units": ""})
        out["trace_x"] = (("call", "parameter"), np.array(columns).T.reshape(-1, len(columns)))
    head = _head(result) | {"success": int(result.success)}
    models = result.models.to_yaml(full_output=True)
    out.attrs = {"format": FORMAT, "format_version": VERSION, **head, "at_limit": " ".join(result.at_limit)}
    return out.assign_attrs(models=models)


def from_dataset(ds: xr.Dataset, source: str = "the dataset") -> FitResult:
    """Return the result that a dataset holds.

    Raises
    ------
    FileFormatError
        If it holds none.
    """
    _check_format(ds.attrs, source)
    try:
        trace = None
        if "trace_stat" in ds:
            trace = xr.Dataset({"stat": ("call", ds["trace_stat"].values, {"units": ""})})
            for name, unit, column in zip(
                ds["parameter"].values, ds["unit"].values, ds["trace_x"].values.T, strict=True
            ):
                trace[str(name)] = ("call", column, {"units": str(unit)})
        names = (str(name) for name in ds["dataset"].values)
        sums = tuple(zip(names, ds["stat_sums"].values.tolist(), strict=True))
        at_limit = tuple(str(ds.attrs["at_limit"]).split())
        return _build(ds.attrs, ds.attrs["models"], ds["covariance"].values, sums, at_limit, trace, source)
    except KeyError as error:
        raise FileFormatError(source, str(error), "is missing: this is not the whole of a fit") from error


def write_netcdf(result: FitResult, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a result to a NetCDF file, see `write`."""
    with write_beside(path, overwrite) as beside:
        to_dataset(result).to_netcdf(beside, engine="netcdf4")


def write(result: FitResult, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a result, complete or not at all.

    Parameters
    ----------
    result : FitResult
        What to write.
    path : path-like or str
        The file: with ``.yaml`` or ``.yml`` at the end for YAML, which leaves out the trace, or ``.nc`` for NetCDF.
    overwrite : bool
        Whether to replace a file that exists.

    Raises
    ------
    ValueError
        If the name ends differently.
    FileExistsError
        If there is such a file and `overwrite` is not set.
    """
    if _is_yaml(path):
        with write_beside(path, overwrite) as beside:
            beside.write_text(to_yaml(result), encoding="utf-8")
    else:
        write_netcdf(result, path, overwrite)


def read(path: str | os.PathLike[str]) -> FitResult:
    """Read a result that `write` wrote.

    Raises
    ------
    ValueError
        If the name of the file ends with none of ``.yaml``, ``.yml``, ``.nc``.
    FileFormatError
        If it holds no result, or is damaged.
    """
    full = local_path(path)
    if _is_yaml(path):
        try:
            text = full.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise FileFormatError(full, "", f"is not a text file: {error}") from error
        return from_yaml(text, str(full))
    if not full.exists():
        raise FileNotFoundError(f"{full} does not exist")
    try:
        ds = xr.load_dataset(full, engine="netcdf4")
    except (OSError, ValueError) as error:
        raise FileFormatError(full, "", f"cannot be read as NetCDF: {error}") from error
    return from_dataset(ds, str(full))


def _is_yaml(path: str | os.PathLike[str]) -> bool:
    ending = Path(path).suffix.lower()
    if ending not in (".yaml", ".yml", ".nc"):
        raise ValueError(f"{os.fspath(path)!r} ends with {ending!r}: results are in '.yaml', '.yml' or '.nc' files.")
    return ending != ".nc"
