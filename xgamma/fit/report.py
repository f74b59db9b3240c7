"""Printouts of fits."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from xgamma.models.units import unit_text

if TYPE_CHECKING:
    from xgamma.fit.result import FitResult
    from xgamma.models import Parameter

__all__ = ["html", "rounded", "text"]

_COLUMNS = ("parameter", "value", "error", "lower limit", "upper limit", "unit", "")
_MANY = 12
"""Number of parameters above which the correlations are left out of the printout."""


def rounded(value: float, error: float) -> tuple[str, str]:
    """Return a value and its error with the digits that count: two of the error, and as many places of the value."""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return f"{value:.6g}", "" if error == 0 else f"{error:.2g}"
    place = 1 - math.floor(math.log10(error))
    if round(error, place) >= 10 ** (2 - place):
        place -= 1
    size = max(abs(value), error)
    power = math.floor(math.log10(size))
    if -3 <= power < 5 and place < 9:
        digits = max(place, 0)
        return f"{value:.{digits}f}", f"{error:.{digits}f}"
    digits = max(place + power, 0)
    scaled = 10.0**power
    return f"{value / scaled:.{digits}f}e{power:+03d}", f"{error / scaled:.{digits}f}e{power:+03d}"


def _head(result: FitResult) -> list[tuple[str, str]]:
    sums = result._stat_sums
    names = ", ".join(name for name, _ in sums[:5])
    more = "" if len(sums) <= 5 else f" and {len(sums) - 5} more"
    rows = [
        ("success", str(result.success)),
        ("message", result.message),
        ("total stat", f"{result.total_stat:.3f}"),
        ("distance to minimum", f"{result.edm:.2g}"),
        ("evaluations", f"{result.nfev} (gradient: {result.ngrad})"),
        ("bins, free parameters", f"{result.n_bins}, {len(result.names)}"),
        ("datasets", f"{names}{more}"),
        ("backend", result.backend),
    ]
    if result.stat_prior:
        rows.insert(3, ("of which priors", f"{result.stat_prior:.3f}"))
    return rows


def _row(name: str, par: Parameter, at_limit: bool) -> tuple[str, ...]:
    value, error = (f"{par.value:.6g}", "") if par.frozen else rounded(par.value, par.error)
    limits = ["" if math.isnan(limit) else f"{limit:.4g}" for limit in (par.min, par.max)]
    note = "frozen" if par.frozen else "at limit" if at_limit else ""
    return name, value, error, *limits, unit_text(par.unit), note


def _rows(result: FitResult) -> list[tuple[str, ...]]:
    unique = result.models.parameters.unique_parameters
    return [_row(name, par, name in result.at_limit) for name, par in zip(unique.names, unique, strict=True)]


def _aligned(rows: list[tuple[str, ...]], left: tuple[int, ...]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def text(result: FitResult) -> str:
    """Return what a fit found: how it went, the parameters, and their correlations if they are not too many."""
    lines = ["FitResult", "---------", ""]
    lines += [f"  {label:<22}: {value}" for label, value in _head(result)]
    lines += ["", *(f"  {line}" for line in _aligned([_COLUMNS, *_rows(result)], (0, 5, 6)))]
    if 1 < len(result.names) <= _MANY:
        table: list[tuple[str, ...]] = [("correlation", *(f"({i})" for i in range(1, len(result.names) + 1)))]
        for i, (name, row) in enumerate(zip(result.names, result.correlation.values, strict=True), start=1):
            table.append((f"({i}) {name}", *(f"{value:.2f}" for value in row)))
        lines += ["", *(f"  {line}" for line in _aligned(table, (0,)))]
    return "\n".join(lines) + "\n"


def _color(value: float) -> str:
    """Return red for a positive and blue for a negative correlation, white for none."""
    if not np.isfinite(value):
        return "rgb(220,220,220)"
    fade = int(round(255 * (1 - 0.6 * min(abs(value), 1.0))))
    return f"rgb(255,{fade},{fade})" if value > 0 else f"rgb({fade},{fade},255)"


def html(result: FitResult) -> str:
    """Return the same for notebooks; whatever text models hold is escaped."""
    good = "#92CCA6" if result.success else "#FF7878"
    head = "".join(
        f"<tr><th style='text-align: left'>{escape(label)}</th>"
        f"<td style='text-align: left{f'; color: black; background: {good}' if label == 'success' else ''}'>"
        f"{escape(value)}</td></tr>"
        for label, value in _head(result)
    )
    titles = "".join(f"<th>{escape(title)}</th>" for title in _COLUMNS)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in _rows(result))
    parts = [f"<table>{head}</table>", f"<table><tr>{titles}</tr>{rows}</table>"]
    if 1 < len(result.names) <= _MANY:
        names = "".join(f"<th>{escape(name)}</th>" for name in result.names)
        body = "".join(
            f"<tr><th>{escape(name)}</th>"
            + "".join(f"<td style='color: black; background: {_color(v)}'>{v:.2f}</td>" for v in row)
            + "</tr>"
            for name, row in zip(result.names, result.correlation.values, strict=True)
        )
        parts.append(f"<table><tr><th></th>{names}</tr>{body}</table>")
    return f"<div class='xgamma-fit'><h4>FitResult</h4>{''.join(parts)}</div>"
