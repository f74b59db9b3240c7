"""Flux points made without files."""

import astropy.units as u
import numpy as np

from xgamma.io.fluxpoints import create_flux_points
from xgamma.models import LogParabolaSpectralModel, PowerLawSpectralModel, SkyModel

UNIT = u.Unit("cm-2 s-1 TeV-1")
TRUTH = LogParabolaSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1", alpha=2.3, beta=0.1)


def columns(n=6, bins=True, seed=3, scan=False):
    """Columns of a table: the last two points are upper limits; reference energies are not the middles of bins."""
    rng = np.random.default_rng(seed)
    edges = np.geomspace(0.5, 50, n + 1) * u.TeV
    e_ref = (edges[:-1] * edges[1:]) ** 0.5 * 1.07
    dnde = TRUTH(e_ref)
    err = dnde * rng.uniform(0.1, 0.3, n)
    out = {"e_ref": e_ref}
    if bins:
        out |= {"e_min": edges[:-1], "e_max": edges[1:]}
    limits = np.arange(n) >= n - 2
    value = dnde + err * rng.normal(size=n)
    out["dnde"] = np.where(limits, np.nan, value)
    out["dnde_err"] = np.where(limits, np.nan, err)
    out["dnde_errn"] = np.where(limits, np.nan, 0.8 * err)
    out["dnde_errp"] = np.where(limits, np.nan, 1.3 * err)
    out["dnde_ul"] = np.where(limits, value + 2 * err, np.nan)
    out["sqrt_ts"] = np.where(limits, 1.0, 5.0)
    if scan:
        reference = PowerLawSpectralModel(index=2)(e_ref)
        norm, width = ((part / reference).to_value("") for part in (value, err))
        out["norm_scan"] = norm[:, None] + width[:, None] * np.linspace(-4, 4, 9)
        out["stat"] = rng.uniform(10, 20, n)
        pull = (out["norm_scan"] - norm[:, None]) / width[:, None]
        out["stat_scan"] = out["stat"][:, None] + pull**2 + 0.05 * pull**3
    return out


def points(name="test", **options):
    """The dataset of these columns, a scan with the model of its norms."""
    model = PowerLawSpectralModel(index=2) if options.get("scan") else None
    return create_flux_points(columns(**options), reference_model=model, name=name)


def source(name="source", **values):
    """A model that does not fit well."""
    values = {"index": 2.1, "amplitude": "2.5e-12 cm-2 s-1 TeV-1", **values}
    return SkyModel(PowerLawSpectralModel(**values), name=name)
