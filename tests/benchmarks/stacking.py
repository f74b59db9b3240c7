"""Stack simulated observations, each of its own chunked arrays, and print time and peak memory.

    python -m tests.benchmarks.stacking [--size 400] [--energies 20] [--number 200]

Each observation is drawn when it is needed and never held as a whole, like one that lies in a file. Runs of different
numbers are made in processes of their own, so that each has its own peak of memory.
"""

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from tests.benchmarks.memory import peak_mib

CHUNK = 200


def observation(seed, size, energies, chunk):
    """A lazy map dataset with counts, background, exposure, mask and responses."""
    import astropy.units as u
    import dask.array as da

    import xgamma as xg

    edges = xg.energy_edges("0.1 TeV", "100 TeV", nbin=energies)
    ds = xg.create_map_dataset(
        center=(0, 0),
        width=size * 0.02,
        binsz=0.02,
        frame="galactic",
        energy=edges,
        rad=np.linspace(0, 0.3, 31) * u.deg,
        binsz_irf=size * 0.005,
        name=f"obs-{seed}",
        chunks={"y": chunk, "x": chunk},
    )
    shape, chunks = (energies, size, size), (energies, chunk, chunk)
    rng = da.random.default_rng(seed)
    full = {
        "counts": rng.poisson(0.1, shape, chunks=chunks).astype(np.float32),
        "background": da.full(shape, 0.1, chunks=chunks, dtype=np.float32),
        "exposure": da.full(shape, 1e10 + seed, chunks=chunks, dtype=np.float32),
        "mask_safe": rng.random(shape, chunks=chunks, dtype=np.float32) > 0.1,
        "psf": da.full(ds["psf"].shape, 1e4, dtype=np.float32),
        "psf_exposure": da.full(ds["psf_exposure"].shape, 1e10, dtype=np.float32),
        "edisp": da.full(ds["edisp"].shape, 1 / energies, dtype=np.float32),
        "edisp_exposure": da.full(ds["edisp_exposure"].shape, 1e10, dtype=np.float32),
    }
    return ds.assign({name: ds[name].copy(data=values) for name, values in full.items()})


def stack_all(number, size, energies, chunk):
    """Build and compute the sum; return seconds and the peak of memory in MiB."""
    from xgamma.reduce.stack import stack_many

    datasets = [observation(seed, size, energies, chunk) for seed in range(number)]
    before = peak_mib()
    start = time.perf_counter()
    lazy = stack_many(datasets)
    built = time.perf_counter() - start
    total = lazy.compute()
    seconds = time.perf_counter() - start
    peak = peak_mib()
    figures = {"number": number, "build": built, "total": seconds, "start": before, "peak": peak}
    return {**figures, "counts": float(total["counts"].sum()), "background": float(total["background"].sum())}


def run(number=200, size=400, energies=20, chunk=CHUNK):
    """Stack in a process of its own and return the figures."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(stack_all, number, size, energies, chunk).result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, default in (("size", 400), ("energies", 20), ("number", 200), ("chunk", CHUNK)):
        parser.add_argument(f"--{option}", type=int, default=default)
    options = vars(parser.parse_args())
    whole = options.pop("number")
    for part in (whole // 4, whole // 2, whole):
        found = run(number=part, **options)
        print("  ".join(f"{key} {value:.6g}" for key, value in found.items()), flush=True)
