"""Significance, errors and limits of excesses, against reference numbers and the statistics themselves."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import xgamma as xg
from xgamma.kernels.statistic import cash, wstat
from xgamma.stats import CashCountsStatistic, WStatCountsStatistic


def test_cash_reference(reference):
    numbers = reference("statistics")["counts_statistic"]["cash"]
    stat = CashCountsStatistic(numbers["n_on"], numbers["mu_bkg"])
    found = {
        "n_sig": stat.n_sig,
        "sqrt_ts": stat.sqrt_ts,
        "error": stat.error,
        "p_value": stat.p_value,
        "ul_2sigma": stat.compute_upper_limit(n_sigma=2),
        "errn_1sigma": stat.compute_errn(),
        "errp_1sigma": stat.compute_errp(),
    }
    assert found.keys() == numbers.keys() - {"n_on", "mu_bkg"}
    for key, values in found.items():
        np.testing.assert_allclose(values, numbers[key], rtol=1e-9, err_msg=key)


def test_wstat_reference(reference):
    numbers = reference("statistics")["counts_statistic"]["wstat"]
    stat = WStatCountsStatistic(numbers["n_on"], numbers["n_off"], numbers["alpha"])
    found = {"n_sig": stat.n_sig, "sqrt_ts": stat.sqrt_ts, "error": stat.error}
    assert found.keys() == numbers.keys() - {"n_on", "n_off", "alpha"}
    for key, values in found.items():
        # An excess of zero leaves the rounding of two statistics, and its root.
        np.testing.assert_allclose(values, numbers[key], rtol=1e-9, atol=1e-6, err_msg=key)


counts = st.integers(0, 200)
sigmas = st.floats(0.5, 5)


@given(n=counts, known=st.floats(0.01, 200), sigma=sigmas)
@settings(max_examples=40)
def test_cash_limits_are_where_the_statistic_says(n, known, sigma):
    stat = CashCountsStatistic(n, known)
    up, down = float(stat.compute_errp(sigma)), float(stat.compute_errn(sigma))
    assert cash(n, n + up) - cash(n, n) == pytest.approx(sigma**2, rel=1e-6)
    if n:
        assert cash(n, n - down) - cash(n, n) == pytest.approx(sigma**2, rel=1e-6)
        assert float(stat.compute_upper_limit(sigma)) == pytest.approx(n - known + up)
    else:
        assert down == 0
        assert float(stat.compute_upper_limit(sigma)) == up


@given(n=counts, off=counts, ratio=st.floats(0.02, 2), sigma=sigmas)
@settings(max_examples=40)
def test_wstat_limits_are_where_the_statistic_says(n, off, ratio, sigma):
    stat = WStatCountsStatistic(n, off, ratio)
    best, least = float(stat.n_sig), float(stat.stat_max)
    for way, sign in ((stat.compute_errp(sigma), 1), (stat.compute_errn(sigma), -1)):
        # The sum is rounded to parts of the larger of its terms.
        assert float(wstat(n, off, ratio, best + sign * way)) - least == pytest.approx(sigma**2, rel=1e-6, abs=1e-8)
    assert float(stat.compute_upper_limit(sigma)) == pytest.approx(best + float(stat.compute_errp(sigma)))


@given(off=st.integers(1, 200), ratio=st.floats(0.02, 2), sigma=st.floats(-5, 5).filter(lambda s: abs(s) > 0.1))
@settings(max_examples=50)
def test_matching_is_the_inverse_of_the_significance(off, ratio, sigma):
    for stat, again in (
        (WStatCountsStatistic(0, off, ratio), lambda excess: WStatCountsStatistic(excess + ratio * off, off, ratio)),
        (CashCountsStatistic(0, ratio * off), lambda excess: CashCountsStatistic(excess + ratio * off, ratio * off)),
    ):
        excess = float(stat.n_sig_matching_significance(sigma))
        if np.isnan(excess):  # even without any counts the deficit is not that significant
            assert sigma < 0
            assert float(stat.sqrt_ts) > sigma
        else:
            assert float(again(excess).sqrt_ts) == pytest.approx(sigma, rel=1e-4)


def test_what_has_no_answer_is_nan():
    assert np.isnan(CashCountsStatistic(3, 0).n_sig_matching_significance(5))
    assert np.isnan(WStatCountsStatistic(3, 0, 0.1).n_sig_matching_significance(5))
    assert np.isnan(WStatCountsStatistic(3, 2, 0).compute_errp())


def test_a_signal_that_is_expected():
    stat, shifted = WStatCountsStatistic(20, 30, 0.2), WStatCountsStatistic(20, 30, 0.2, mu_sig=5)
    assert float(shifted.n_sig) == float(stat.n_sig) - 5
    assert float(shifted.compute_upper_limit(2)) == pytest.approx(float(stat.compute_upper_limit(2)) - 5)
    assert 0 < float(shifted.sqrt_ts) < float(stat.sqrt_ts)
    assert float(shifted.ts) == pytest.approx(float(wstat(20, 30, 0.2, 5) - wstat(20, 30, 0.2, 14)))


def test_sums_and_parts():
    stat = WStatCountsStatistic([1, 5, 2], [4, 0, 10], [0.5, 0.25, 0.1])
    total = stat.sum()
    assert (int(total.n_on), int(total.n_off)) == (8, 14)
    assert float(total.n_bkg) == pytest.approx(3.0)
    assert float(WStatCountsStatistic([1, 5], [0, 0], [0.2, 0.4]).sum().alpha) == pytest.approx(0.3)
    assert float(stat[1].excess) == 5
    both = CashCountsStatistic(np.ones((2, 3)), np.full((2, 3), 0.5)).sum(axis=1)
    assert both.n_on.tolist() == [3, 3]
    assert both[0].info_dict()["background"] == 1.5


def test_labels_and_laziness(no_compute):
    ds = xr.Dataset({"on": ("energy", [3.0, 0.0, 9.0]), "off": ("energy", [5.0, 2.0, 0.0])}, {"energy": [1, 2, 3]})

    def all_of(ds):
        stat = WStatCountsStatistic(ds["on"], ds["off"], 0.2)
        plain = CashCountsStatistic(ds["on"], 0.2 * ds["off"] + 1)
        return [
            *(getattr(s, key) for s in (stat, plain) for key in ("excess", "ts", "sqrt_ts", "p_value", "error")),
            *(getattr(s, f"compute_{key}")() for s in (stat, plain) for key in ("errn", "errp", "upper_limit")),
            plain.n_sig_matching_significance(5),
        ]

    expected = all_of(ds)
    with no_compute():
        lazy = all_of(ds.chunk(energy=2))
    for one, other in zip(lazy, expected, strict=True):
        assert one.chunks is not None
        assert other.dims == ("energy",)
        xr.testing.assert_identical(one.compute(), other)
    assert xg.stats.CashCountsStatistic is CashCountsStatistic
