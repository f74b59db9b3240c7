"""Configuration of the documentation; makes the tables of the data model and of the API from the package itself."""

import importlib
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path

from xgamma.schema import ATTRS, AXES, FLUX_ATTRS, FLUX_VARIABLES, VARIABLES, VariableSpec

project = "xgamma"
author = "the xgamma developers"
copyright = "2026, the xgamma developers"
version = release = installed_version("xgamma")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc", "myst_nb"]
exclude_patterns = ["_build", "_schema.md", "_flux.md", "_api.md"]
html_theme = "pydata_sphinx_theme"
html_title = "xgamma"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autodoc_typehints = "none"
# Pages are made for what this file lists, which another one includes.
autosummary_generate = [str(Path(__file__).parent / "_api.md")]
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_default_options = {"members": True}

# Title, module, and what of it; None stands for all that the module declares public.
API = [
    ("Open, make, simulate", "xgamma.io.open", None),
    ("", "xgamma.create", None),
    ("", "xgamma.tutorial", ["open_dataset"]),
    ("The accessors", "xgamma.accessor", None),
    ("Predictions", "xgamma.predict", None),
    ("Fit statistics", "xgamma.statistic", None),
    ("Likelihood", "xgamma.likelihood", None),
    ("Flux points", "xgamma.fluxpoints", None),
    ("", "xgamma.predict.flux", ["flux_pred", "flux_residuals"]),
    ("", "xgamma.flux_statistic", ["flux_stat"]),
    ("", "xgamma.kernels.fluxpoints", ["Chi2", "Distribution", "Profile"]),
    (
        "",
        "xgamma.io.fluxpoints",
        ["create_flux_points", "flux_points_to_table", "open_flux_fits", "open_ecsv", "write_flux_fits", "write_ecsv"],
    ),
    ("Fits", "xgamma.fit", None),
    ("Responses", "xgamma.irf.psf", ["containment", "containment_radius", "kernel"]),
    ("", "xgamma.irf.edisp", ["kernel", "bias", "resolution"]),
    ("Masks and selections", "xgamma.reduce.masks", None),
    ("", "xgamma.reduce.select", None),
    ("", "xgamma.reduce.smooth", None),
    ("", "xgamma.interp", None),
    ("Reductions", "xgamma.reduce.downsample", None),
    ("", "xgamma.reduce.resample", ["resample_energy_axis", "to_image"]),
    ("", "xgamma.reduce.pad", None),
    ("", "xgamma.reduce.stack", None),
    ("", "xgamma.reduce.spectrum", None),
    ("", "xgamma.predict.residuals", ["residuals"]),
    ("", "xgamma.simulate", None),
    ("Models", "xgamma.models", None),
    ("Axes and sky grids", "xgamma.coords", None),
    ("", "xgamma.geoms", None),
    ("", "xgamma.units", None),
    ("Files", "xgamma.io.fits", ["write_fits"]),
    ("", "xgamma.io.netcdf", ["write_netcdf"]),
    ("", "xgamma.io.zarr", ["write_zarr"]),
    ("", "xgamma.validate", None),
    ("Summaries and plots", "xgamma.summary", None),
    ("", "xgamma.plot", None),
]


def variable_rows(variables: Mapping[str, VariableSpec]) -> list[str]:
    """Return the table of variables."""
    lines = ["| variable | dims | unit | meaning |", "|---|---|---|---|"]
    for name, spec in variables.items():
        dims = ", ".join("/".join(filter(None, (dim, spec.alternatives.get(dim)))) for dim in spec.dims)
        unit = "boolean" if spec.dtype == "b" else spec.unit or "1"
        lines.append(f"| `{name}` | {dims} | {unit} | {spec.meaning} |")
    return lines


def flux_tables() -> str:
    """Return the tables of variables and attrs of flux points."""
    lines = variable_rows({name: spec for name, spec in FLUX_VARIABLES.items() if name not in VARIABLES})
    lines += ["", "| attr | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in FLUX_ATTRS.items()]
    return "\n".join(lines) + "\n"


def schema_tables() -> str:
    """Return the tables of variables, axes and attrs."""
    lines = variable_rows(VARIABLES)
    lines += ["", "| axis | unit like | centre of a bin | meaning |", "|---|---|---|---|"]
    for name, axis in AXES.items():
        scale = "logarithmic" if axis.interp == "log" else "linear"
        lines.append(f"| `{name}` | {axis.physical or '1'} | {scale} | {axis.meaning} |")
    lines += ["", "| attr | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in ATTRS.items()]
    return "\n".join(lines) + "\n"


def api_lists() -> str:
    """Return a list of what each module offers, with a page for each function and class."""
    lines = []
    for title, name, members in API:
        module = importlib.import_module(name)
        names = module.__all__ if members is None else members
        shown = [member for member in names if callable(getattr(module, member))]
        lines += [f"## {title}", ""] if title else []
        lines += ["```{eval-rst}", f".. currentmodule:: {name}", "", ".. autosummary::", "   :toctree: _api", ""]
        lines += [f"   {member}" for member in shown]
        lines += ["```", ""]
    return "\n".join(lines)


for file, text in {"_schema.md": schema_tables(), "_flux.md": flux_tables(), "_api.md": api_lists()}.items():
    path = Path(__file__).parent / file
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
