"""Names, dims, units and meaning of everything a dataset holds, declared once.

Grids other than that of the counts are told apart by a suffix: the point spread
function of a map lives on ``y_psf``, ``x_psf``, with ``wcs_psf``, ``lon_psf`` and
``lat_psf``. A suffix is added only where the grid or axis differs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = [
    "ATTRS",
    "AXES",
    "FLUX_ATTRS",
    "FLUX_VARIABLES",
    "FORMAT",
    "FORMAT_VERSION",
    "SED_SUFFIXES",
    "SED_TYPES",
    "SUFFIXES",
    "VARIABLES",
    "AxisSpec",
    "VariableSpec",
    "base_name",
    "is_flux_points",
    "suffix_of",
    "variables_of",
]

FORMAT = "xgamma"
FORMAT_VERSION = "1.0"

SUFFIXES = ("exposure", "psf", "edisp")
"""What may stand behind ``x_``, ``y_``, ``wcs_``, ``lon_``, ``lat_``, ``energy_true_`` of a grid of its own."""


@dataclass(frozen=True)
class AxisSpec:
    """A binned, non-spatial axis.

    Attributes
    ----------
    physical : str
        A unit that the axis' unit must be convertible to.
    interp : {"log", "lin"}
        The default scale in which the centre of a bin lies in its middle.
    meaning : str
        For people.
    """

    physical: str
    interp: str
    meaning: str


@dataclass(frozen=True)
class VariableSpec:
    """A variable of a dataset.

    Attributes
    ----------
    dims : tuple of str
        The dims in the order in which writers lay them out. ``y`` and ``x`` may be absent together, and any
        dim may carry a suffix.
    physical : str or None
        A unit that the variable's unit must be convertible to, None for masks.
    unit : str
        The unit that new variables get.
    dtype : {"f", "b"}
        Kind of number: real (integers included) or boolean.
    combine : {"sum", "mean", "any", None}
        What becomes of it when datasets are added.
    weight : str or None
        The variable that weights a mean.
    extensive : tuple of str
        Dims along which values add up where bins are merged; along the others they average.
    grid : str
        The suffix of the grid that the variable may have for its own.
    alternatives : mapping of str to str
        Dims that may stand in the place of another.
    hdu : str or None
        Its extension in a FITS file.
    meaning : str
        For people, and the ``long_name`` of new variables.
    """

    dims: tuple[str, ...]
    physical: str | None
    unit: str
    meaning: str
    dtype: str = "f"
    combine: str | None = None
    weight: str | None = None
    extensive: tuple[str, ...] = ()
    grid: str = ""
    alternatives: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}))
    hdu: str | None = None


AXES: MappingProxyType[str, AxisSpec] = MappingProxyType(
    {
        "energy": AxisSpec("TeV", "log", "reconstructed energy"),
        "energy_true": AxisSpec("TeV", "log", "true energy"),
        "rad": AxisSpec("deg", "lin", "angular distance from the true direction"),
        "migra": AxisSpec("", "lin", "reconstructed energy / true energy"),
    }
)

_COUNTS = ("energy", "y", "x")
_PSF = ("energy_true", "rad", "y", "x")
_EDISP = ("energy_true", "energy", "y", "x")


def _alt(**names: str) -> MappingProxyType[str, str]:
    return MappingProxyType(names)


VARIABLES: MappingProxyType[str, VariableSpec] = MappingProxyType(
    {
        "counts": VariableSpec(_COUNTS, "", "", "observed counts", combine="sum", extensive=_COUNTS, hdu="COUNTS"),
        "background": VariableSpec(
            _COUNTS, "", "", "expected background counts", combine="sum", extensive=_COUNTS, hdu="BACKGROUND"
        ),
        "mask_safe": VariableSpec(
            _COUNTS, None, "", "bins in which the data are trusted", dtype="b", combine="any", hdu="MASK_SAFE"
        ),
        "mask_fit": VariableSpec(
            _COUNTS, None, "", "bins to which models are fitted", dtype="b", combine="any", hdu="MASK_FIT"
        ),
        "counts_off": VariableSpec(
            _COUNTS, "", "", "counts in the off regions", combine="sum", extensive=_COUNTS, hdu="COUNTS_OFF"
        ),
        "acceptance": VariableSpec(
            _COUNTS,
            "",
            "",
            "relative background efficiency of the on region",
            combine="sum",
            extensive=("energy",),
            hdu="ACCEPTANCE",
        ),
        "acceptance_off": VariableSpec(
            _COUNTS,
            "",
            "",
            "relative background efficiency of the off regions",
            combine="sum",
            extensive=("energy",),
            hdu="ACCEPTANCE_OFF",
        ),
        "exposure": VariableSpec(
            ("energy_true", "y", "x"),
            "m2 s",
            "m2 s",
            "effective area x livetime",
            combine="sum",
            grid="exposure",
            hdu="EXPOSURE",
        ),
        "psf": VariableSpec(
            _PSF,
            "sr-1",
            "sr-1",
            "point spread function",
            combine="mean",
            weight="psf_exposure",
            grid="psf",
            alternatives=_alt(energy_true="energy"),
            hdu="PSF",
        ),
        "psf_exposure": VariableSpec(
            ("energy_true", "y", "x"),
            "m2 s",
            "m2 s",
            "exposure on the grid of the point spread function",
            combine="sum",
            grid="psf",
            alternatives=_alt(energy_true="energy"),
            hdu="PSF_EXPOSURE",
        ),
        "edisp": VariableSpec(
            _EDISP,
            "",
            "",
            "energy dispersion",
            combine="mean",
            weight="edisp_exposure",
            extensive=("energy",),
            grid="edisp",
            alternatives=_alt(energy="migra"),
            hdu="EDISP",
        ),
        "edisp_exposure": VariableSpec(
            ("energy_true", "y", "x"),
            "m2 s",
            "m2 s",
            "exposure on the grid of the energy dispersion",
            combine="sum",
            grid="edisp",
            hdu="EDISP_EXPOSURE",
        ),
        "gti_start": VariableSpec(("gti",), "s", "s", "start of a good time interval", combine="union"),
        "gti_stop": VariableSpec(("gti",), "s", "s", "end of a good time interval", combine="union"),
        "livetime": VariableSpec((), "s", "s", "observation time corrected for dead time", combine="sum"),
    }
)

SED_TYPES: MappingProxyType[str, str] = MappingProxyType(
    {"likelihood": "norm", "dnde": "dnde", "e2dnde": "e2dnde", "flux": "flux", "eflux": "eflux"}
)
"""The quantity in which each type of flux points gives fluxes, their errors and limits."""

SED_SUFFIXES = ("", "_err", "_errn", "_errp", "_ul", "_sensitivity")
"""What may stand behind such a quantity."""

_ENERGY = ("energy",)
_FLUXES = {
    "norm": ("", "norm of the reference model"),
    "dnde": ("TeV-1 s-1 cm-2", "differential flux"),
    "e2dnde": ("erg s-1 cm-2", "energy squared x differential flux"),
    "flux": ("s-1 cm-2", "flux in the bin"),
    "eflux": ("erg s-1 cm-2", "energy flux in the bin"),
}
_OF = {
    "": "{}",
    "_err": "error of the {}",
    "_errn": "lower error of the {}",
    "_errp": "upper error of the {}",
    "_ul": "upper limit of the {}",
    "_sensitivity": "{} that would be detected",
}


def _flux(unit: str, meaning: str, dims: tuple[str, ...] = _ENERGY, dtype: str = "f") -> VariableSpec:
    return VariableSpec(dims, unit if dtype == "f" else None, unit, meaning, dtype=dtype)


FLUX_VARIABLES: MappingProxyType[str, VariableSpec] = MappingProxyType(
    {f"{name}{end}": _flux(unit, _OF[end].format(text)) for name, (unit, text) in _FLUXES.items() for end in _OF}
    | {f"ref_{name}": _flux(unit, f"{text} of the reference model") for name, (unit, text) in _FLUXES.items() if unit}
    | {
        "is_ul": _flux("", "points that are upper limits", dtype="b"),
        "success": _flux("", "points whose fit has succeeded", dtype="b"),
        "ts": _flux("", "test statistic against no flux"),
        "sqrt_ts": _flux("", "root of the test statistic, with the sign of the flux"),
        "stat": _flux("", "fit statistic of the best norm"),
        "stat_null": _flux("", "fit statistic without flux"),
        "norm_scan": _flux("", "norms at which the fit statistic was evaluated", ("energy", "scan")),
        "stat_scan": _flux("", "fit statistic at these norms", ("energy", "scan")),
        "counts": _flux("", "observed counts", ("energy", "dataset")),
        "npred": _flux("", "predicted counts", ("energy", "dataset")),
        "npred_excess": _flux("", "predicted signal counts", ("energy", "dataset")),
        "niter": _flux("", "number of iterations of the fit"),
        "n_dof": _flux("", "degrees of freedom of the fit"),
    }
    | {name: VARIABLES[name] for name in ("mask_safe", "mask_fit", "gti_start", "gti_stop", "livetime")}
)
"""The variables of flux points, which are datasets of another kind than those of counts."""

FLUX_ATTRS: MappingProxyType[str, str] = MappingProxyType(
    {
        "sed_type": "the quantity in which fluxes are given, or 'likelihood' for norms of a reference model",
        "sed_type_init": "that of the file",
        "reference_model": "the spectral model that converts between quantities, as YAML text",
        "stat_type": "how models are compared with the points: 'chi2', 'profile' or 'distrib'",
        "n_sigma": "errors are that many standard deviations",
        "n_sigma_ul": "upper limits are that many standard deviations",
        "ul_conf": "confidence level of upper limits",
        "sqrt_ts_threshold_ul": "significance below which a point is an upper limit",
    }
)


def is_flux_points(ds: Any) -> bool:
    """Whether a dataset holds flux points: a flux or an upper limit, and neither exposure nor background."""
    if any(name in ds for name in ("exposure", "background", "counts_off", "psf", "edisp")):
        return False
    return any(f"{name}{end}" in ds for name in _FLUXES for end in ("", "_ul"))


def variables_of(ds: Any) -> MappingProxyType[str, VariableSpec]:
    """Return what is declared of the variables of a dataset of its kind."""
    return FLUX_VARIABLES if is_flux_points(ds) else VARIABLES


ATTRS: MappingProxyType[str, str] = MappingProxyType(
    {
        "format": f"always '{FORMAT}'",
        "format_version": "version of the layout",
        "name": "name of the dataset, by which models refer to it",
        "models": "the models stored with the dataset, as YAML text",
        "region": "the region of a spectrum dataset, as DS9 text",
        "meta": "the table of observations, as JSON text: {column: [one value an observation]}",
        "history": "one line for each operation that led to the dataset",
    }
)


def base_name(name: str) -> str:
    """Return the name without the suffix of its grid: ``energy_true`` for ``energy_true_psf``."""
    suffix = suffix_of(name)
    return name[: -len(suffix) - 1] if suffix else name


def suffix_of(name: str) -> str:
    """Return the suffix of a dim or coordinate: ``psf`` for ``y_psf``, and an empty string for ``y``."""
    head, _, tail = name.rpartition("_")
    return tail if head and tail in SUFFIXES else ""
