"""Small spectra with off regions, made without files."""

import numpy as np
import xarray as xr

from tests.builders import make_map_dataset


def with_off(ds, seed=3):
    """On/off data in the bins of a dataset: acceptances vary, some are zero, and so are some off counts."""
    rng = np.random.default_rng(seed)
    counts = ds["counts"].variable
    shape = counts.shape
    known = ds["background"].values
    on, off = rng.uniform(0.5, 1.5, shape), rng.uniform(3, 8, shape)
    some = slice(None) if known.size > 9 else slice(0)
    off.flat[[5][some]] = 0
    on.flat[[7][some]] = 0
    drawn = rng.poisson(known * off / on.clip(0.5)).astype(float)
    drawn.flat[[9][some]] = 0
    values = {"counts_off": drawn, "acceptance": on, "acceptance_off": off}
    ds = ds.drop_vars("background")
    return ds.assign({key: xr.Variable(counts.dims, part, {"units": ""}) for key, part in values.items()})


def plain_spectrum(seed=42, name="test", livetime=3500.0):
    """A spectrum with a background that is known."""
    ds = make_map_dataset(irf_on_sky=False, seed=seed, name=name)
    total = ds.drop_dims(["y", "x"]).drop_vars(["wcs", "psf", "psf_exposure"], errors="ignore").drop_dims("rad")
    for key in ("counts", "background"):
        total[key] = ds[key].sum(("y", "x")).reset_coords(drop=True).assign_attrs(units="")
    total["exposure"] = ds["exposure"].isel(y=6, x=8, drop=True).reset_coords(drop=True)
    safe = np.random.default_rng(seed).random(4) < 0.7
    total["mask_safe"] = ("energy", safe | (np.arange(4) == seed % 4))
    total["livetime"] = ((), livetime, {"units": "s"})
    total.attrs["region"] = "galactic\ncircle(0.0,0.0,0.5)\n"
    place = {"units": "deg", "frame": "galactic"}
    return total.assign_coords(lon=((), 0.0, place), lat=((), 0.0, dict(place)))


def spectrum(seed=42, name="test", livetime=3500.0):
    """A spectrum with off regions."""
    return with_off(plain_spectrum(seed, name, livetime), seed)
