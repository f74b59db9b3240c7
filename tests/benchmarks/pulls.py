"""Pulls over Poisson realisations of the sample dataset: ``python -m tests.benchmarks.pulls [n [first]]``.

Of each parameter it prints the mean and the width of (fit - truth) / error with their statistical errors; ``first`` is
the seed of the first realisation. Beside them stands the width that the same data have without a fit: one step from the
truth, of which the derivatives of predictions alone decide (Fisher's scoring). Over infinitely many realisations that
is 1, so that a width that differs from 1 as much as its neighbour does is that of the data and not of the fit. The last
column has it for many realisations.
"""

import sys
import time

import numpy as np

import xgamma as xg
from xgamma.tutorial import open_dataset

MANY = 5000


def scoring(ds, truth, errors):
    """What turns counts inside the mask into pulls, and the prediction there: derivatives by predictions alone."""
    inside = ds["mask_safe"].values

    def predicted(i, step):
        moved = truth.copy()
        moved.parameters.free_unique_parameters[i].value += step
        return ds.gp.npred(moved).values[inside]

    mu = predicted(0, 0.0)
    steps = 0.05 * errors
    slopes = np.array([(predicted(i, h) - predicted(i, -h)) / (2 * h) for i, h in enumerate(steps)])
    covariance = np.linalg.inv((slopes / mu) @ slopes.T)
    return (covariance @ slopes / mu) / np.sqrt(np.diag(covariance))[:, None], mu, inside


def main(n=200, first=0):
    ds = open_dataset().load()
    truth = ds.gp.models.copy()
    values = truth.parameters.free_unique_parameters.value
    matrix, mu, inside = scoring(ds, truth, xg.Fit().run(ds.gp.asimov(models=truth), truth).errors)
    pulls, steps, failed, start = [], [], [], time.perf_counter()
    for seed in range(first, first + n):
        data = ds.gp.fake(seed, models=truth)
        result = xg.Fit().run(data, truth)
        if not result.success:
            failed.append((seed, result.message))
            continue
        pulls.append((result.x - values) / result.errors)
        steps.append(matrix @ (data["counts"].values[inside] - mu))
    print(f"{n} realisations of the sample dataset, {len(failed)} fits failed, {time.perf_counter() - start:.0f} s")
    for seed, message in failed:
        print(f"  seed {seed}: {message}")
    m, rng = len(pulls), np.random.default_rng(first)
    mean, width, linear = np.mean(pulls, axis=0), np.std(pulls, axis=0, ddof=1), np.std(steps, axis=0, ddof=1)
    many = np.std([matrix @ (rng.poisson(mu) - mu) for _ in range(MANY)], axis=0)
    for i, name in enumerate(truth.parameters.free_unique_parameters.names):
        print(
            f"{name:<20} mean {mean[i]:+.3f} +/- {m**-0.5:.3f}   width {width[i]:.3f} +/- {(2 * (m - 1)) ** -0.5:.3f}"
            f"   without a fit {linear[i]:.3f}, of {MANY} {many[i]:.3f}"
        )


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:]))
