"""Open, mask, cut, predict and sum the statistic of a map that is larger than memory should hold.

    python -m tests.benchmarks.large_map [--size 4000] [--energies 20] [--chunk 500]

The store is made in a process of its own, so that the peak memory printed is that of the analysis alone.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.memory import peak_mib

BINSZ = 0.02


def make_store(path, size, energies, chunk):
    """Write a map dataset with Poisson counts, chunked on the sky."""
    import astropy.units as u
    import dask.array as da

    import xgamma as xg

    ds = xg.create_map_dataset(
        center=(0, 0),
        width=size * BINSZ,
        binsz=BINSZ,
        frame="galactic",
        energy=xg.energy_edges("0.1 TeV", "100 TeV", nbin=energies),
        rad=np.linspace(0, 0.3, 31) * u.deg,
        binsz_irf=5,
        name="survey",
        chunks={"y": chunk, "x": chunk},
    )
    level = 0.02 * np.geomspace(1, 1e-3, energies)[:, None, None]
    background = da.full((energies, size, size), 1.0, chunks=(energies, chunk, chunk), dtype=np.float32) * level
    background = background.astype(np.float32)
    rad = np.radians(ds["rad"].values)
    profile = np.exp(-0.5 * (rad / np.radians(0.05)) ** 2)
    profile /= 2 * np.pi * np.sum(profile * rad) * (rad[1] - rad[0])
    psf = np.broadcast_to(profile[None, :, None, None], ds["psf"].shape)
    eye = np.eye(energies)[:, :, None, None]
    full = {
        "counts": da.random.default_rng(1).poisson(background).astype(np.float32),
        "background": background,
        "exposure": da.full_like(background, 1e10),
        "mask_safe": da.ones_like(background, dtype=bool),
        "psf": psf.astype(np.float32),
        "edisp": np.broadcast_to(eye, ds["edisp"].shape).astype(np.float32),
    }
    for name, values in full.items():
        ds[name] = ds[name].copy(data=values)
    ds.drop_vars("mask_fit", errors="ignore").gp.to_zarr(path, lonlat=False)


def sources(size, number=20):
    """Half of them points, half of them Gaussians of 0.1 deg, all over the map."""
    from xgamma.models import GaussianSpatialModel, Models, PointSpatialModel, PowerLawSpectralModel, SkyModel

    rng = np.random.default_rng(2)
    reach = 0.45 * size * BINSZ
    models = []
    for i, (lon, lat) in enumerate(rng.uniform(-reach, reach, (number, 2))):
        at = {"lon_0": f"{lon} deg", "lat_0": f"{lat} deg", "frame": "galactic"}
        shape = PointSpatialModel(**at) if i % 2 else GaussianSpatialModel(**at, sigma="0.1 deg")
        models.append(SkyModel(PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1"), shape, name=f"source-{i}"))
    return Models(models)


def analyse(path, size, out):
    """Run the analysis; put times and peak memory in MiB into a queue."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord
    from regions import CircleSkyRegion

    import xgamma as xg

    start = time.perf_counter()
    ds = xg.open_dataset(path, chunks={})
    centre = SkyCoord(0, 0, unit="deg", frame="galactic")
    circle = CircleSkyRegion(centre, 0.4 * size * BINSZ * u.deg)
    ds["mask_fit"] = ds.gp.region_mask(circle) & ds.gp.energy_mask("0.2 TeV", "50 TeV")
    models = sources(size)
    cut = ds.gp.cutout(centre, 0.5 * size * BINSZ * u.deg)
    built = time.perf_counter() - start
    npred = float(ds.gp.npred_signal(models).sum())
    cut_stat = float(cut.gp.stat_sum(models))
    stat = float(ds.gp.stat_sum(models))
    seconds = time.perf_counter() - start
    peak = peak_mib()
    out.put({"open": built, "total": seconds, "peak": peak, "npred": npred, "stat": stat, "cutout": cut_stat})


def run(size=4000, energies=20, chunk=500):
    """Make the store, analyse it in another process, return its figures."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "survey.zarr")
        maker = context.Process(target=make_store, args=(path, size, energies, chunk))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise RuntimeError("the store could not be made")
        queue = context.Queue()
        worker = context.Process(target=analyse, args=(path, size, queue))
        worker.start()
        figures = queue.get(timeout=3600)
        worker.join()
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, default in (("size", 4000), ("energies", 20), ("chunk", 500)):
        parser.add_argument(f"--{option}", type=int, default=default)
    for key, value in run(**vars(parser.parse_args())).items():
        print(f"{key:8s} {value:12.6g}")
