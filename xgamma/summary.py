"""Key figures of a dataset, as a dict, as text and for notebooks."""

from __future__ import annotations

from html import escape
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from xgamma.coords import Axis
from xgamma.fluxpoints import n_sigma_ul, reference_model, sed_type
from xgamma.fluxpoints.limits import threshold
from xgamma.models import FoVBackgroundModel, Models
from xgamma.onoff import background, is_onoff
from xgamma.predict import models_for, npred, npred_background, npred_signal
from xgamma.reduce.masks import mask
from xgamma.schema import FLUX_VARIABLES, base_name, is_flux_points
from xgamma.statistic import stat_sum, stat_type
from xgamma.stats import CashCountsStatistic, WStatCountsStatistic
from xgamma.units import unit_of

__all__ = ["html", "info", "summary"]


def info(ds: xr.Dataset, models: Any = None) -> dict[str, Any]:
    """Return the key figures of a dataset; computes lazy data, in one pass.

    Parameters
    ----------
    ds : Dataset
        A map or region dataset; what it lacks is nan, or zero for counts and numbers of bins.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    dict
        ``name``, ``counts``, ``excess``, ``sqrt_ts``, ``background``, ``npred``, ``npred_background``,
        ``npred_signal``: sums inside ``mask_safe``. The excess is that of the counts over the background that the
        models predict; ``sqrt_ts`` is its significance, negative for a deficit. ``exposure_min``, ``exposure_max``:
        Quantity, where it is positive in pixels with a safe bin. ``livetime``, ``ontime``: Quantity. ``counts_rate``,
        ``background_rate``, ``excess_rate``: Quantity, per livetime. ``n_bins``; ``n_fit_bins``: those inside both
        masks. ``stat_type``; ``stat_sum``: inside both masks, nan without models or off regions. With off regions the
        background is ``alpha * counts_off``, that of the prediction is the most likely one, and there are
        ``counts_off``, ``acceptance``, ``alpha`` of the sum, and ``acceptance_off = acceptance / alpha``.
        Flux points have ``n_bins``, ``n_fit_bins``, ``stat_type`` and ``stat_sum`` as well, and ``energy_min``,
        ``energy_max``, ``quantities``, ``sed_type``, ``sed_type_init``, ``reference_model``, ``n_sigma``,
        ``n_sigma_ul`` and ``sqrt_ts_threshold_ul``.

    Raises
    ------
    ValueError
        If the models do not fit the dataset.
    """
    chosen = models_for(ds, models)
    if is_flux_points(ds):
        return _flux_info(ds, chosen)
    figures = {key: value.item() for key, value in _figures(ds, chosen).compute().items()}

    def number(key: str) -> float:
        return float(figures.get(key, np.nan))

    counts = figures.get("counts", 0)
    known = number("background" if is_onoff(ds) else "npred_background")
    stored = number("background")
    excess = counts - known if "counts" in ds else np.nan
    exposure_unit = unit_of(ds["exposure"]) if "exposure" in ds else u.Unit("m2 s")
    livetime = number("livetime") * u.s
    out = {
        "name": ds.attrs.get("name", ""),
        "counts": int(counts),
        "excess": excess,
        "sqrt_ts": _sqrt_ts(counts, known, figures.get("counts_off")) if "counts" in ds else np.nan,
        "background": stored,
        "npred": number("npred"),
        "npred_background": number("npred_background"),
        "npred_signal": number("npred_signal"),
        "exposure_min": number("exposure_min") * exposure_unit,
        "exposure_max": number("exposure_max") * exposure_unit,
        "livetime": livetime,
        "ontime": number("ontime") * u.s,
        "counts_rate": counts / livetime,
        "background_rate": stored / livetime,
        "excess_rate": excess / livetime,
        "n_bins": int(ds["counts"].size) if "counts" in ds else 0,
        "n_fit_bins": int(figures.get("n_fit_bins", 0)),
        "stat_type": stat_type(ds),
        "stat_sum": number("stat_sum"),
    }
    if is_onoff(ds):
        ratio = known / figures["counts_off"] if figures["counts_off"] else np.nan
        acceptance = number("acceptance")
        out |= {
            "counts_off": int(figures["counts_off"]),
            "acceptance": acceptance,
            "acceptance_off": acceptance / ratio if ratio else np.nan,
            "alpha": ratio,
        }
    return out


def _figures(ds: xr.Dataset, models: Models) -> xr.Dataset:
    """All that has to be computed, as a dataset of numbers."""
    safe = ds["mask_safe"].variable.astype(bool) if "mask_safe" in ds else None
    out: dict[str, xr.Variable] = {}

    def total(array: xr.DataArray) -> xr.Variable:
        values = array.variable if safe is None else array.variable.where(safe, 0)
        return values.sum(dtype=np.float64, skipna=False)

    if "counts" in ds:
        out["counts"] = total(ds["counts"])
        inside = xr.ones_like(ds["counts"].variable, dtype=bool)
        for name in ("mask_safe", "mask_fit"):
            if name in ds:
                inside = inside & ds[name].variable.astype(bool)
        out["n_fit_bins"] = inside.sum()
    if is_onoff(ds):
        out["background"] = total(background(ds))
        out["counts_off"], out["acceptance"] = total(ds["counts_off"]), total(ds["acceptance"])
    elif "background" in ds:
        out["background"] = total(ds["background"])
    known = "background" in out
    if known:
        out["npred_background"] = total(npred_background(ds, models))
    if known or len(models):
        out["npred"] = total(npred(ds, models))
    if any(not isinstance(model, FoVBackgroundModel) for model in models):
        out["npred_signal"] = total(npred_signal(ds, models))
    if (len(models) or is_onoff(ds)) and "counts" in ds:
        out["stat_sum"] = stat_sum(ds, models).variable
    if "exposure" in ds:
        out["exposure_min"], out["exposure_max"] = _exposure_range(ds, safe)
    if "gti_start" in ds and "gti_stop" in ds:
        out["ontime"] = (ds["gti_stop"].variable - ds["gti_start"].variable).sum()
    if "livetime" in ds:
        out["livetime"] = ds["livetime"].variable
    return xr.Dataset(out)


def _exposure_range(ds: xr.Dataset, safe: xr.Variable | None) -> tuple[xr.Variable, xr.Variable]:
    exposure = ds["exposure"].variable
    inside = exposure > 0
    if safe is not None:
        pixels = safe.any("energy")
        if set(pixels.dims) <= set(exposure.dims):
            inside = inside & pixels
    # Where nothing is inside, the range is that of the whole map.
    inside = inside | ~inside.any()
    return (
        exposure.where(inside, np.inf).min(skipna=False),
        exposure.where(inside, -np.inf).max(skipna=False),
    )


def _sqrt_ts(counts: float, known: float, counts_off: float | None) -> float:
    """Significance of counts over a background that is known or, with counts in off regions, measured."""
    if counts_off is None:
        return float(CashCountsStatistic(counts, known).sqrt_ts)
    if not counts_off:
        return np.nan
    return float(WStatCountsStatistic(counts, counts_off, known / counts_off).sqrt_ts)


def _flux_info(ds: xr.Dataset, models: Models) -> dict[str, Any]:
    """Key figures of flux points."""
    inside = mask(ds)
    numbers = {"n_fit_bins": inside.sum()} | ({"stat_sum": stat_sum(ds, models)} if len(models) else {})
    computed = xr.Dataset(numbers).compute()
    axis = Axis.from_dataset(ds, "energy")
    bins = axis.node_type == "edges"
    lowest, highest = (axis.lower, axis.upper) if bins else (axis.center, axis.center)
    return {
        "name": ds.attrs.get("name", ""),
        "n_bins": int(inside.size),
        "n_fit_bins": int(computed["n_fit_bins"]),
        "energy_min": lowest.min() * u.Unit(axis.unit),
        "energy_max": highest.max() * u.Unit(axis.unit),
        "quantities": [name for name in map(str, ds.data_vars) if name in FLUX_VARIABLES],
        "sed_type": sed_type(ds),
        "sed_type_init": ds.attrs.get("sed_type_init", sed_type(ds)),
        "reference_model": reference_model(ds).tag[-1],
        "n_sigma": ds.attrs.get("n_sigma", 1),
        "n_sigma_ul": n_sigma_ul(ds),
        "sqrt_ts_threshold_ul": threshold(ds),
        "stat_type": stat_type(ds),
        "stat_sum": float(computed["stat_sum"]) if len(models) else np.nan,
    }


def _flux_rows(ds: xr.Dataset, models: Models) -> list[list[tuple[str, str]]]:
    """Labels and values of the printout of flux points, in groups."""
    data = _flux_info(ds, models)
    sigmas = data["n_sigma_ul"]
    return [
        [("Name", str(data["name"]))],
        [
            ("Shape", str(tuple(mask(ds).shape))),
            ("Energy range", f"{data['energy_min']:.4g} - {data['energy_max']:.4g}"),
            ("Quantities", ", ".join(data["quantities"])),
            ("Reference model", data["reference_model"]),
            ("n_sigma", f"{data['n_sigma']:g}"),
            ("n_sigma_ul", "None" if sigmas is None else f"{sigmas:.1f}"),
            ("sqrt_ts_threshold_ul", f"{data['sqrt_ts_threshold_ul']:g}"),
            ("SED type", data["sed_type"]),
            ("SED type init", str(data["sed_type_init"])),
        ],
        [
            ("Number of total flux points", f"{data['n_bins']:d}"),
            ("Number of fit bins", f"{data['n_fit_bins']:d}"),
        ],
        _stat_rows(data),
        _model_rows(models),
    ]


def _stat_rows(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Fit statistic type", data["stat_type"]),
        ("Fit statistic value (-2 log(L))", f"{data['stat_sum']:.2f}"),
    ]


def _model_rows(models: Models) -> list[tuple[str, str]]:
    parameters = {id(par): par for model in models for par in model.parameters}
    return [
        ("Number of models", f"{len(models):d}"),
        ("Number of parameters", f"{len(parameters):d}"),
        ("Number of free parameters", f"{sum(not par.frozen for par in parameters.values()):d}"),
    ]


def _kind(ds: xr.Dataset) -> str:
    if is_flux_points(ds):
        return "Flux points"
    sky = {base_name(str(dim)) for dim in (ds["counts"].dims if "counts" in ds else ds.dims)}
    kind = "Map dataset" if {"y", "x"} <= sky else "Spectrum dataset"
    return f"{kind} with off regions" if is_onoff(ds) else kind


def _rows(ds: xr.Dataset, models: Models) -> list[list[tuple[str, str]]]:
    """Labels and values of the printout, in groups."""
    if is_flux_points(ds):
        return _flux_rows(ds, models)
    data = info(ds, models)
    groups = [
        [("Name", str(data["name"]))],
        [
            ("Total counts", f"{data['counts']:d}"),
            ("Total background counts", f"{data['background']:.2f}"),
            ("Total excess counts", f"{data['excess']:.2f}"),
        ],
        [
            ("Predicted counts", f"{data['npred']:.2f}"),
            ("Predicted background counts", f"{data['npred_background']:.2f}"),
            ("Predicted excess counts", f"{data['npred_signal']:.2f}"),
        ],
        [
            ("Exposure min", f"{data['exposure_min']:.2e}"),
            ("Exposure max", f"{data['exposure_max']:.2e}"),
            ("Livetime", f"{data['livetime']:.1f}"),
        ],
        [
            ("Number of total bins", f"{data['n_bins']:d}"),
            ("Number of fit bins", f"{data['n_fit_bins']:d}"),
        ],
        _stat_rows(data),
        _model_rows(models),
    ]
    if is_onoff(ds):
        safe = ds["mask_safe"].variable if "mask_safe" in ds else True
        off = float(ds["acceptance_off"].variable.where(safe, 0).sum(dtype=np.float64))
        groups.append(
            [
                ("Total off counts", f"{data['counts_off']:d}"),
                ("Acceptance", f"{data['acceptance']:.0f}"),
                ("Acceptance off", f"{off:.0f}"),
            ]
        )
    if "region" in ds.attrs:
        groups[0].append(("Region", " ".join(str(ds.attrs["region"]).split())))
    return groups


def summary(ds: xr.Dataset, models: Any = None) -> str:
    """Return a printout of the key figures and the models; computes lazy data.

    Parameters
    ----------
    ds : Dataset
        A map or region dataset.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    str
        Lines of text; the figures are those of `info`.
    """
    chosen = models_for(ds, models)
    kind = _kind(ds)
    lines = [kind, "-" * len(kind), ""]
    for group in _rows(ds, chosen):
        lines += [f"  {label:<32}: {value}" for label, value in group]
        lines.append("")
    for number, model in enumerate(chosen):
        # A model prints itself under the name of its class.
        lines.append(f"  Component {number}: {type(model).__name__}")
        lines += [f"  {line}".rstrip() for line in str(model).splitlines()[1:]]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def html(ds: xr.Dataset, models: Any = None) -> str:
    """Return the printout as HTML, for notebooks; computes lazy data.

    Parameters
    ----------
    ds : Dataset
        A map or region dataset.
    models : Models, list of models, or model, optional
        By default those stored with the dataset.

    Returns
    -------
    str
        Whatever text the dataset and models hold is escaped.
    """
    chosen = models_for(ds, models)
    rows = "".join(
        f"<tr><th style='text-align: left'>{escape(label)}</th><td style='text-align: left'>{escape(value)}</td></tr>"
        for group in _rows(ds, chosen)
        for label, value in group
    )
    parts = [f"<h4>{_kind(ds)}</h4><table>{rows}</table>"]
    parts += [
        f"<details><summary>{escape(f'{type(model).__name__} {model.name}')}</summary>"
        f"<pre>{escape(str(model))}</pre></details>"
        for model in chosen
    ]
    return f"<div class='xgamma-summary'>{''.join(parts)}</div>"
