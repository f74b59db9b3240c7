"""Printouts of models."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from xgamma.models.parameter import Parameter
from xgamma.models.units import unit_text

if TYPE_CHECKING:
    from xgamma.models.background import FoVBackgroundModel
    from xgamma.models.sky import SkyModel

__all__ = ["describe", "describe_html"]

INDENT = "  "


def describe(model: SkyModel | FoVBackgroundModel) -> str:
    """Return name, datasets, types and parameters of a component, a line each."""
    lines = [f"{label:<26}: {text}" for label, text in _header(model).items()]
    lines.append("Parameters:")
    names, parameters = model.parameters.names, list(model.parameters)
    lines += [INDENT + _line(name, par) for name, par in zip(names, parameters, strict=True)]
    return "\n".join(INDENT + line.rstrip() for line in lines) + "\n"


def describe_html(model: SkyModel | FoVBackgroundModel) -> str:
    """Return the same for notebooks."""
    rows = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in _header(model).items())
    return f"<b>{type(model).__name__}</b><table>{rows}</table>{model.parameters._repr_html_()}"


def _header(model: SkyModel | FoVBackgroundModel) -> dict[str, str]:
    names = model.datasets_names
    header = {"Name": model.name, "Datasets names": "all" if names is None else ", ".join(names)}
    for kind, part in model._parts().items():
        header[f"{kind.capitalize():<8} model type"] = type(part).__name__
    return header


def _line(name: str, par: Parameter) -> str:
    """Return a parameter as ``name : value +/- error unit``."""
    small = par.value != 0 and not 1e-3 <= abs(par.value) < 1e5
    value = f"{par.value:.2e}" if small else f"{par.value:.3f}"
    if par.frozen:
        error = ""
    elif math.isnan(par.error):
        error = "+/-     nan"
    else:
        error = f"+/- {par.error:.1e}" if small else f"+/- {par.error:7.3f}"
    label = f"{name} (frozen)" if par.frozen else name
    return f"{label:<24}: {value:>12} {error:<12} {unit_text(par.unit)}"
