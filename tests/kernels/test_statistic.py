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


@given(
    n=st.lists(st.integers(0, 5), min_size=6, max_size=6),
    mu=st.lists(st.sampled_from([0.0, -0.5, 1e-30, 0.3, 7.0]), min_size=6, max_size=6),
    inside=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_cash_sum_is_the_sum(n, mu, inside):
    n, mu, inside = np.array(n), np.array(mu), np.array(inside)
    expected = statistic.cash(n, mu)[inside].sum()
    assert statistic.cash_sum(n, mu, inside) == pytest.approx(expected, rel=1e-12, abs=1e-20)


def test_cash_sum_of_undefined_values():
    inside = np.array([True, True, False])
    assert np.isnan(statistic.cash_sum(np.array([0.0, 1, 1]), np.array([np.nan, 1, 1]), inside))
    assert np.isnan(statistic.cash_sum(np.array([np.nan, 1, 1]), np.array([1.0, 1, 1]), inside))
    assert np.isfinite(statistic.cash_sum(np.array([1.0, 1, np.nan]), np.array([1.0, 1, np.nan]), inside))
