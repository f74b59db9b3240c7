import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xgamma.kernels import statistic


@pytest.fixture
def table(reference):
    return {key: np.array(value) for key, value in reference("statistics").items() if isinstance(value, list)}


def test_cash_reference(table):
    np.testing.assert_allclose(statistic.cash(table["n_on"], table["mu"]), table["cash"], rtol=1e-12)


def test_cstat_reference(table):
    np.testing.assert_allclose(statistic.cstat(table["n_on"], table["mu"]), table["cstat"], rtol=1e-9, atol=1e-20)


def test_wstat_reference(table):
    actual = statistic.wstat(table["n_on"], table["n_off"], table["alpha"], table["mu_sig"])
    # differences of logarithms of order 100 leave rounding of 1e-13
    np.testing.assert_allclose(actual, table["wstat"], rtol=1e-10, atol=1e-12)


def test_cash_negative_prediction_is_truncated():
    assert statistic.cash(3, -1) == statistic.cash(3, statistic.TRUNCATION)
    assert np.isfinite(statistic.cash(3, 0))


@given(n=st.integers(0, 1000), mu=st.floats(0.01, 1000))
def test_cash_is_twice_the_negative_log_likelihood(n, mu):
    from scipy.stats import poisson

    difference = statistic.cash(n, mu) - statistic.cash(n, 1.0)
    assert difference == pytest.approx(-2 * (poisson.logpmf(n, mu) - poisson.logpmf(n, 1.0)), abs=1e-7)


@given(n=st.integers(1, 1000), mu=st.floats(0.01, 1000))
def test_cash_is_least_at_the_counts(n, mu):
    assert statistic.cash(n, mu) >= statistic.cash(n, n) - 1e-9


@given(n_on=st.integers(0, 50), n_off=st.integers(0, 50), alpha=st.floats(0.05, 2), mu_sig=st.floats(0, 50))
def test_wstat_background_is_the_best(n_on, n_off, alpha, mu_sig):
    best = statistic.wstat_background(n_on, n_off, alpha, mu_sig)
    value = statistic.wstat(n_on, n_off, alpha, mu_sig, best)
    trials = best + np.linspace(-0.5, 0.5, 11) + 1e-9
    trials = trials[trials > 0]
    assert (statistic.wstat(n_on, n_off, alpha, mu_sig, trials) >= value - 1e-6).all()
