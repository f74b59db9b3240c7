"""Likelihoods whose chunks live on the workers of a cluster."""

import os
import pickle

import dask
import numpy as np
import pytest

from tests.likelihood.cases import FAR, MOVE, background, map_dataset, source
from xgamma import models as xm
from xgamma.fit import Fit
from xgamma.likelihood import Likelihood

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client():
    # On a busy machine processes may take long to start and to answer.
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "120s", "distributed.comm.timeouts.tcp": "120s"}),
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=":0", death_timeout="180s") as cluster,
        distributed.Client(cluster, timeout="120s") as client,
    ):
        yield client


@pytest.fixture(scope="module")
def setup():
    """Numbers in memory: sources that lie across the borders of chunks."""
    ds = map_dataset(npix=(20, 22))
    models = [source(ds), source(ds, "gauss", "wide", sigma="0.1 deg", dy=3, dx=2, free=False), background(ds)]
    lik = Likelihood(ds, models)
    points = [lik.x0]
    for step in ({"source.index": 0.1, "test-bkg.norm": 0.1}, MOVE, FAR):
        x = lik.x0
        for name, value in step.items():
            x[lik.parameters.index(name)] += value
        points.append(x)
    return ds, models, points, [(lik(x), lik.gradient(x)) for x in points]


def check(lik, points, expected):
    for x, (value, gradient) in zip(points, expected, strict=True):
        np.testing.assert_allclose(lik(x), value, rtol=1e-12)
        # Sums in another order: rounding relative to the terms, of which the largest gradient tells the size.
        np.testing.assert_allclose(lik.gradient(x), gradient, rtol=1e-9, atol=1e-12 * np.abs(gradient).max())
        both = lik.value_and_gradient(x)
        np.testing.assert_allclose(both[0], value, rtol=1e-12)


def test_same_numbers_and_small_messages(client, setup):
    ds, models, points, expected = setup
    lik = Likelihood(ds.chunk(y=9, x=12), models)
    check(lik, points, expected)
    term = lik._terms[0]
    assert len(term.states) == 6 and all(isinstance(state, distributed.Future) for state in term.states)
    holders = client.who_has(list(term.states))
    assert all(holders.values())
    np.testing.assert_allclose(lik.npred(points[1]), Likelihood(ds, models).npred(points[1]), rtol=1e-12, atol=1e-14)


def test_a_copy_needs_no_cluster(client, setup):
    ds, models, points, expected = setup
    again = pickle.loads(pickle.dumps(Likelihood(ds.chunk(y=9), models)))
    assert not any(isinstance(state, distributed.Future) for state in again._terms[0].states)
    check(again, points, expected)


def test_a_worker_that_dies_is_replaced(client, setup):
    """What it held is compiled once more, and the numbers stay."""
    ds, models, points, expected = setup
    lik = Likelihood(ds.chunk(y=9, x=12), models)
    check(lik, points[:2], expected[:2])
    victim = next(iter(client.who_has(lik._terms[0].states[0]).values()))[0]
    pid = client.run(os.getpid, workers=[victim])[victim]
    os.kill(pid, 9)
    check(lik, points, expected)


def test_fits(client, setup):
    """The same fit in memory, lazily, on the cluster, and with a worker that dies in the middle of it."""
    ds, models, *_ = setup
    models = xm.Models(models).copy()
    models["wide"].freeze()
    expected = Fit().run(ds, models)
    assert expected.success
    # The source lies across the border of the two chunks.
    lazy = ds.chunk(y=10)

    def check_fit(result):
        assert result.success and result.names == expected.names
        # Sums in another order: the same minimum to a small part of the errors.
        assert np.abs((result.x - expected.x) / expected.errors).max() < 1e-6
        np.testing.assert_allclose(result.total_stat, expected.total_stat, rtol=1e-12)
        np.testing.assert_allclose(result.errors, expected.errors, rtol=1e-6)

    with dask.config.set(scheduler="threads"):
        check_fit(Fit().run(lazy, models))
    check_fit(Fit().run(lazy, models))
    lik = Likelihood(lazy, models)
    workers = client.run(os.getpid)
    victim = next(iter(client.who_has([lik._terms[0].states[0]]).values()))[0]
    calls = []

    class Watched(Likelihood):
        """Kills a worker that holds a chunk at the fourth evaluation."""

        def expand(self, *args):
            self.count()
            return lik.expand(*args)

        def value_and_gradient(self, x):
            self.count()
            return lik.value_and_gradient(x)

        def count(self):
            calls.append(1)
            if len(calls) == 4:
                os.kill(workers[victim], 9)

    watched = Watched.__new__(Watched)
    watched.__dict__.update(lik.__dict__)
    check_fit(Fit().run(watched))
    assert len(calls) > 4 and client.run(os.getpid).get(victim) != workers[victim]


def test_errors_come_when_compiling(client, setup):
    ds, models, *_ = setup
    with pytest.raises(ValueError, match="no variable 'exposure'"):
        Likelihood(ds.drop_vars("exposure").chunk(y=9), models)
