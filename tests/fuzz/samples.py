"""Small datasets with everything that a file can hold."""

import json

import numpy as np
import xarray as xr
from astropy.coordinates import SkyCoord

from xgamma.coords import Axis, SkyGrid
from xgamma.schema import FORMAT, FORMAT_VERSION, VARIABLES

PLACES = {
    "car": ((0.0, 0.0), "galactic", "CAR"),
    "tan": ((83.63, 22.01), "icrs", "TAN"),
    "ait": ((120.0, 5.0), "galactic", "AIT"),
    "zero": ((0.1, -5.0), "icrs", "CAR"),
}


def sample(place="car", irf_sky=True, seed=1):
    """A dataset with all variables; with `irf_sky`, responses have their own pixels, else none and own energies."""
    (lon, lat), frame, proj = PLACES[place]
    center = SkyCoord(lon, lat, unit="deg", frame=frame)
    rng = np.random.default_rng(seed)
    axes = {
        "energy": Axis.from_edges("energy", np.geomspace(0.1, 10, 4), "TeV"),
        "energy_true": Axis.from_edges("energy_true", np.geomspace(0.05, 20, 5), "TeV"),
        "rad": Axis.from_edges("rad", np.linspace(0, 0.5, 6), "deg", "lin"),
    }
    grids = {"": SkyGrid.create(center, (3, 2.5), 0.5, frame, proj)}
    true_psf = "energy_true"
    if irf_sky:
        for suffix in ("psf", "edisp"):
            grids[suffix] = SkyGrid.create(center, (4, 3), 1, frame, proj)
    else:
        true_psf = "energy_true_psf"
        axes[true_psf] = Axis.from_nodes(true_psf, np.geomspace(30, 3e4, 3), unit="GeV")
        axes["rad"] = Axis.from_nodes("rad", [0, 0.1, 0.3], unit="deg", interp="lin")
    coords = xr.Coordinates()
    for axis in axes.values():
        coords = coords | axis.to_coords()
    for suffix, grid in grids.items():
        coords = coords | grid.to_coords(suffix)
    sizes = {dim: coords[dim].size for dim in coords if coords[dim].dims == (dim,)}

    def array(name, dims, dtype=np.float32):
        shape = tuple(sizes[dim] for dim in dims)
        values = rng.uniform(0.5, 9, shape)
        spec = VARIABLES[name]
        attrs = {"long_name": spec.meaning} | ({} if spec.dtype == "b" else {"units": spec.unit})
        return xr.Variable(dims, values > 4 if spec.dtype == "b" else values.astype(dtype), attrs)

    sky = ("energy", "y", "x")
    psf_sky, edisp_sky = (("y_psf", "x_psf"), ("y_edisp", "x_edisp")) if irf_sky else ((), ())
    gti = {"long_name": "t", "units": "s", "mjdrefi": 51544, "mjdreff": 0.1 + 0.2, "timesys": "tt"}
    variables = {
        "counts": array("counts", sky, np.int32),
        "background": array("background", sky),
        "mask_safe": array("mask_safe", sky),
        "mask_fit": array("mask_fit", sky),
        "exposure": array("exposure", ("energy_true", "y", "x")),
        "psf": array("psf", (true_psf, "rad", *psf_sky), float),
        "psf_exposure": array("psf_exposure", (true_psf, *psf_sky)),
        "edisp": array("edisp", ("energy_true", "energy", *edisp_sky)),
        "edisp_exposure": array("edisp_exposure", ("energy_true", *edisp_sky)),
        "gti_start": xr.Variable("gti", [0.0, 4000.1], gti),
        "gti_stop": xr.Variable("gti", [1800.0, 5000.3], dict(gti)),
        "livetime": xr.Variable((), 2700.1 / 3, {"units": "s"}),
    }
    meta = {"OBS_ID": [11, 12], "OBJECT": ["Crab", "Vela X"], "RA_PNT": [83.5, 128.75], "GOOD": [True, False]}
    attrs = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": "sample",
        "meta": json.dumps(meta),
        "models": "components:\n- name: söurce\n",
        "history": "made\ncut",
    }
    return xr.Dataset(variables, coords, attrs)
