"""Pulls of all parameters over Poisson realisations of the sample dataset: ``python -m tests.benchmarks.pulls [n]``.

Of each parameter it prints the mean and the width of (fit - truth) / error with their statistical errors.
"""

import sys
import time

import numpy as np

import xgamma as xg
from xgamma.tutorial import open_dataset


def main(n=200):
    ds = open_dataset()
    truth = ds.gp.models.copy()
    values = truth.parameters.free_unique_parameters.value
    pulls, failed, start = [], [], time.perf_counter()
    for seed in range(n):
        result = xg.Fit().run(ds.gp.fake(seed, models=truth), truth)
        if not result.success:
            failed.append((seed, result.message))
            continue
        pulls.append((result.x - values) / result.errors)
    print(f"{n} realisations of the sample dataset, {len(failed)} fits failed, {time.perf_counter() - start:.0f} s")
    for seed, message in failed:
        print(f"  seed {seed}: {message}")
    m = len(pulls)
    mean, width = np.mean(pulls, axis=0), np.std(pulls, axis=0, ddof=1)
    for name, a, b in zip(truth.parameters.free_unique_parameters.names, mean, width, strict=True):
        print(f"{name:<28} mean {a:+.3f} +/- {m**-0.5:.3f}   width {b:.3f} +/- {(2 * (m - 1)) ** -0.5:.3f}")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:]))
