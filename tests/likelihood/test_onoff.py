"""The W statistic of on/off spectra."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.likelihood.cases import map_dataset, source, spectrum, spectrum_dataset
from tests.likelihood.test_gradient import check
from xgamma import models as xm
from xgamma.kernels import statistic
from xgamma.likelihood import Likelihood
from xgamma.predict import npred_signal


def on_off(ds, seed=1):
    """Turn a dataset with background into one with off counts."""
    rng = np.random.default_rng(seed)
    out = ds.drop_vars("background")
    dims = ds["counts"].dims
    out["acceptance"] = (dims, np.full(ds["counts"].shape, 1.0), {"units": ""})
    out["acceptance_off"] = (dims, rng.uniform(3, 6, ds["counts"].shape), {"units": ""})
    out["counts_off"] = (dims, rng.poisson(ds["background"] * out["acceptance_off"]).astype(float), {"units": ""})
    return out


def expected(ds, lik, x):
    alpha = ds["acceptance"] / ds["acceptance_off"]
    values = statistic.wstat(
        ds["counts"], ds["counts_off"], alpha, npred_signal(ds, lik.models(x)).transpose(*ds["counts"].dims)
    )
    inside = np.ones(values.shape, bool)
    for name in ("mask_safe", "mask_fit"):
        if name in ds:
            inside &= ds[name].values
    return float(values[inside].sum())


@pytest.mark.parametrize("mask", [False, True])
def test_spectrum(mask):
    ds = on_off(spectrum_dataset())
    if mask:
        ds["mask_safe"] = ("energy", np.array([False, True, True, True]))
    lik = Likelihood(ds, xm.SkyModel(spectrum(), name="source"))
    for factor in (1.0, 1.1, 0.5):
        assert_allclose(lik(lik.x0 * factor), expected(ds, lik, lik.x0 * factor), rtol=1e-12)
        check(lik, lik.x0 * factor)


def test_map():
    ds = on_off(map_dataset()).isel(y=slice(None, None, -1))
    lik = Likelihood(ds, source(ds))
    x = lik.x0
    x[lik.parameters.index("source.lon_0")] += 0.03
    for there in (lik.x0, x):
        assert_allclose(lik(there), expected(ds, lik, there), rtol=1e-11)
    check(lik, x)


def test_bins_without_off_counts():
    ds = on_off(spectrum_dataset())
    ds["counts_off"] = ds["counts_off"] * np.array([1, 0, 1, 0])
    lik = Likelihood(ds, xm.SkyModel(spectrum(), name="source"))
    assert_allclose(lik(lik.x0), expected(ds, lik, lik.x0), rtol=1e-12)
    check(lik, lik.x0)


def test_bins_without_acceptance_do_not_count():
    ds = on_off(spectrum_dataset())
    model = xm.SkyModel(spectrum(), name="source")
    whole, fewer = Likelihood(ds, model), ds.copy()
    fewer["acceptance_off"] = ds["acceptance_off"] * np.array([1, 1, 0, 1])
    lik = Likelihood(fewer, model)
    part = Likelihood(ds.assign(mask_fit=("energy", np.array([True, True, False, True]))), model)
    assert lik(lik.x0) == pytest.approx(part(lik.x0)) != whole(lik.x0)
    check(lik, lik.x0)


def test_acceptance_is_needed():
    ds = on_off(spectrum_dataset()).drop_vars("acceptance_off")
    with pytest.raises(ValueError, match="'test' has counts_off but no variable 'acceptance_off'"):
        Likelihood(ds, xm.SkyModel(spectrum(), name="source"))


def test_each_of_several_spectra_has_its_statistic():
    several = [on_off(spectrum_dataset(), seed).assign_attrs(name=f"run-{seed}") for seed in (1, 2, 3)]
    several[0]["mask_safe"] = ("energy", np.array([False, True, True, True]))
    model = xm.SkyModel(spectrum(), name="source")
    lik = Likelihood(several, [model])
    x = lik.x0 * 1.1
    each = [expected(ds, lik, x) for ds in several]
    assert len(set(each)) == 3
    assert_allclose(lik.stat_sums(x), each, rtol=1e-12)
    several[1]["acceptance_off"][2] = 0
    assert_allclose(Likelihood(several, [model]).stats(x), [Likelihood(ds, [model])(x) for ds in several], rtol=1e-14)
