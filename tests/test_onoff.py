"""Off regions: backgrounds, W statistic, Asimov data, sums of observations; for maps and for spectra."""

import json

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion
from scipy.optimize import minimize_scalar

import xgamma as xg
from tests.builders import SKIES, make_map_dataset
from tests.spectra import spectrum, with_off
from xgamma.io.fits import write_fits
from xgamma.io.netcdf import write_netcdf
from xgamma.io.zarr import write_zarr
from xgamma.models import PointSpatialModel, PowerLawSpectralModel, SkyModel
from xgamma.onoff import (
    alpha,
    background,
    conserve_background,
    expose_background,
    is_onoff,
    most_likely_off,
    to_cash,
    to_onoff,
)
from xgamma.predict import npred_off, npred_signal
from xgamma.predict.onoff import asimov_onoff
from xgamma.reduce.spectrum import to_spectrum_dataset
from xgamma.reduce.stack import stack_many
from xgamma.statistic import stat_array, stat_sum, stat_type, wstat
from xgamma.summary import info, summary


@pytest.fixture(params=["spectrum", "TAN", "wrap"])
def ds(request):
    return spectrum() if request.param == "spectrum" else with_off(make_map_dataset(**SKIES[request.param]))


def source(ds):
    model = PowerLawSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1")
    lon, lat = (float(ds[key]) if not ds[key].ndim else float(ds[key][6, 8]) for key in ("lon", "lat"))
    return [SkyModel(model, PointSpatialModel(lon_0=lon, lat_0=lat, frame=ds["lon"].attrs["frame"]), name="source")]


def test_alpha_and_background(ds):
    on, off, counts_off = (ds[key].values for key in ("acceptance", "acceptance_off", "counts_off"))
    expected = np.array([a / b if b else 0 for a, b in zip(on.flat, off.flat, strict=True)]).reshape(on.shape)
    np.testing.assert_array_equal(alpha(ds), expected)
    np.testing.assert_array_equal(background(ds), expected * counts_off)
    for found, name in ((alpha(ds), "alpha"), (background(ds), "background")):
        assert found.name == name
        assert found.attrs["units"] == ""
        assert found.drop_attrs().coords.to_dataset().identical(ds["counts_off"].drop_attrs().coords.to_dataset())


def test_npred_off_maximises_the_likelihood():
    ds = spectrum()
    models = source(ds)
    found = npred_off(ds, models).values
    signal, ratio = npred_signal(ds, models).values, alpha(ds).values
    for i in range(4):
        n_on, n_off = float(ds["counts"][i]), float(ds["counts_off"][i])

        def cost(mu, n_on=n_on, n_off=n_off, s=signal[i], a=ratio[i]):
            return s + (1 + a) * mu - n_on * np.log(s + a * mu) - n_off * np.log(mu)

        best = minimize_scalar(cost, bounds=(1e-9, 10 * n_off + 10), method="bounded", options={"xatol": 1e-10})
        assert found[i] == pytest.approx(best.x, rel=1e-5)


def test_npred_off_where_the_on_region_tells_nothing(ds):
    flat = npred_off(ds).values.ravel()
    counts_off = ds["counts_off"].values.ravel()
    nothing = alpha(ds).values.ravel() == 0
    if "y" in ds.dims:
        assert nothing.sum() == 2
    np.testing.assert_array_equal(flat[nothing], counts_off[nothing])
    without = npred_off(ds.drop_vars("counts"), source(ds))
    np.testing.assert_array_equal(without, ds["counts_off"])


def test_wstat_reference(reference):
    """Edge cases of the statistic, a bin each."""
    numbers = reference("statistics")
    energy = xg.coords.Axis.from_edges("energy", np.geomspace(1, 100, 9), "TeV")
    ds = xr.Dataset(coords=energy.to_coords())
    ratio = np.array(numbers["alpha"])
    for key, values in {
        "counts": numbers["n_on"],
        "counts_off": numbers["n_off"],
        "acceptance": ratio,
        "acceptance_off": np.ones(8),
    }.items():
        ds[key] = ("energy", np.array(values, dtype=float), {"units": ""})
    signal = xr.DataArray(np.array(numbers["mu_sig"]), dims="energy")
    arrays = (ds["counts"], ds["counts_off"], alpha(ds), signal)
    from xgamma.kernels.statistic import wstat as kernel

    np.testing.assert_allclose(kernel(*(a.values for a in arrays)), numbers["wstat"], rtol=1e-12, atol=1e-12)
    no_signal = kernel(numbers["n_on"], numbers["n_off"], ratio, 0)
    np.testing.assert_allclose(wstat(ds), no_signal, rtol=1e-12)
    off = most_likely_off(ds, signal).values
    assert np.isfinite(off).all()
    assert (off >= 0).all()


def test_statistic_is_w(ds):
    models = source(ds)
    assert stat_type(ds) == "wstat"
    assert is_onoff(ds)
    each = stat_array(ds, models)
    assert each.identical(wstat(ds, models))
    assert each.dims == ds["counts"].dims
    mu, ratio, signal = npred_off(ds, models).values, alpha(ds).values, npred_signal(ds, models).values
    n_on, n_off = ds["counts"].values, ds["counts_off"].values

    def poisson(n, m):
        return m - n + (n * np.log(n / m) if n else 0)

    for index in np.ndindex(n_on.shape):
        expected = 0.0
        if ratio[index] > 0:
            on = signal[index] + ratio[index] * mu[index]
            expected = 2 * (poisson(n_on[index], on) + poisson(n_off[index], mu[index]))
        assert float(each.values[index]) == pytest.approx(expected, rel=1e-9, abs=1e-10)
    inside = ds["mask_safe"].values & (ds["mask_fit"].values if "mask_fit" in ds else True)
    assert float(stat_sum(ds, models)) == pytest.approx(each.values[inside].sum(), rel=1e-12)
    assert stat_array(make_map_dataset()).name == "cash"


OPERATIONS = {
    "alpha": lambda ds, models: alpha(ds),
    "background": lambda ds, models: background(ds),
    "npred_off": npred_off,
    "wstat": wstat,
    "stat_sum": stat_sum,
    "asimov": asimov_onoff,
    "asimov with background": lambda ds, models: asimov_onoff(ds, npred_background=0.5 * background(ds)),
    "to_cash": lambda ds, models: to_cash(ds),
    "to_onoff": lambda ds, models: to_onoff(to_cash(ds), 1.0, 5.0),
    "stack": lambda ds, models: stack_many([ds, ds]),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_lazy(ds, operation, no_compute):
    models = source(ds)
    before = ds.copy(deep=True)
    expected = OPERATIONS[operation](ds, models)
    assert ds.identical(before)
    lazy = ds.chunk({"energy": 3} | ({"y": 5, "x": 7} if "y" in ds.dims else {}))
    with no_compute():
        actual = OPERATIONS[operation](lazy, models)
    parts = actual.data_vars.values() if isinstance(actual, xr.Dataset) else [actual]
    assert all(part.chunks is not None for part in parts if set(part.dims) & {"energy", "y", "x"})
    xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-10, atol=1e-12)
    assert actual.attrs == expected.attrs


def test_order_of_dims_carries_no_meaning(ds):
    other = ds.transpose()
    models = source(ds)
    for function in (npred_off, wstat):
        found = function(other, models)
        assert found.dims == other["counts"].dims
        np.testing.assert_allclose(found.transpose(*ds["counts"].dims), function(ds, models), rtol=1e-12, atol=1e-12)
    mixed = ds.assign(acceptance=ds["acceptance"].transpose(), counts_off=ds["counts_off"].transpose())
    assert float(stat_sum(mixed, models)) == pytest.approx(float(stat_sum(ds, models)))
    xr.testing.assert_allclose(
        asimov_onoff(mixed, models)["counts"].transpose(*ds["counts"].dims), asimov_onoff(ds, models)["counts"]
    )


def test_asimov_is_described_exactly(ds):
    models = source(ds)
    data = asimov_onoff(ds, models)
    np.testing.assert_allclose(wstat(data, models), 0, atol=1e-10)
    np.testing.assert_allclose(npred_off(data, models), ds["counts_off"], rtol=1e-10)
    np.testing.assert_array_equal(data["counts"], npred_signal(ds, models) + background(ds))
    assert data["counts"].attrs == ds["counts"].attrs
    assert data.attrs["history"].endswith("asimov_onoff()")


def test_asimov_does_not_see_the_counts(ds):
    models = source(ds)
    expected = asimov_onoff(ds, models)
    for other in (ds.assign(counts=10 * ds["counts"] + 3), ds.drop_vars("counts")):
        np.testing.assert_array_equal(asimov_onoff(other, models)["counts"], expected["counts"])


def test_asimov_with_a_background(ds):
    models = source(ds)
    known = 2.5 * background(ds)
    data = asimov_onoff(ds.drop_vars("counts_off"), models, npred_background=known, name="sum")
    np.testing.assert_allclose(background(data), known, rtol=1e-12)
    np.testing.assert_allclose(wstat(data, models), 0, atol=1e-10)
    assert data.attrs["name"] == "sum"
    constant = asimov_onoff(ds, npred_background=0.25)
    np.testing.assert_allclose(background(constant), np.where(alpha(ds) > 0, 0.25, 0))
    with pytest.raises(ValueError, match="no variable 'counts_off'"):
        asimov_onoff(ds.drop_vars("counts_off"), models)


def test_from_cash_and_back():
    ds = make_map_dataset()
    onoff = to_onoff(ds, acceptance=1, acceptance_off=ds["counts"] + 2, name="other")
    assert "background" not in onoff
    assert onoff.attrs["name"] == "other"
    np.testing.assert_allclose(background(onoff), ds["background"], rtol=1e-12)
    np.testing.assert_array_equal(onoff["acceptance"], np.ones(ds["counts"].shape))
    back = to_cash(onoff, name="test")
    xr.testing.assert_allclose(back["background"].drop_attrs(), ds["background"].drop_attrs(), rtol=1e-12)
    assert (
        back.drop_vars("background").drop_attrs(deep=False).identical(ds.drop_vars("background").drop_attrs(deep=False))
    )
    given = to_onoff(ds.drop_vars("background"), 1, 4, counts_off=7)
    assert (given["counts_off"] == 7).all()
    onoff.gp.validate()
    back.gp.validate()


def test_sum_conserves_the_background():
    parts = [spectrum(seed, name=f"run {seed}", livetime=1000.0 * seed) for seed in (1, 2, 3)]
    total = stack_many(parts, name="sum")
    safe = [part["mask_safe"].values for part in parts]
    known = sum(np.where(s, background(p), 0) for p, s in zip(parts, safe, strict=True))
    off = sum(np.where(s, p["counts_off"], 0) for p, s in zip(parts, safe, strict=True))
    on = sum(np.where(s, p["acceptance"], 0) for p, s in zip(parts, safe, strict=True))
    np.testing.assert_allclose(background(total), known, rtol=1e-12)
    np.testing.assert_array_equal(total["counts_off"], off)
    np.testing.assert_allclose(total["acceptance"], on, rtol=1e-12)
    assert total.attrs["name"] == "sum"
    assert "background" not in total
    again = stack_many([stack_many(parts[:2]), parts[2]], name="sum")
    mirrored = stack_many(parts[::-1], name="sum")
    for other in (again, mirrored):
        for key in ("counts", "counts_off", "acceptance", "acceptance_off", "exposure", "edisp", "mask_safe"):
            np.testing.assert_allclose(other[key], total[key], rtol=1e-10, err_msg=key)


def test_acceptance_without_off_counts():
    """In bins without off counts the ratio is that of all bins together; without any, acceptances add up."""
    one, other = spectrum(1), spectrum(2)
    everywhere = xr.ones_like(one["mask_safe"])
    one, other = (p.assign(mask_safe=everywhere, counts_off=p["counts_off"] * [0, 1, 1, 1]) for p in (one, other))
    total = stack_many([one, other])
    ratio = float((background(one) + background(other)).sum() / (one["counts_off"] + other["counts_off"]).sum())
    assert float(alpha(total)[0]) == pytest.approx(ratio, rel=1e-12)
    empty = [part.assign(counts_off=0 * part["counts_off"]) for part in (one, other)]
    none = stack_many(empty)
    np.testing.assert_allclose(none["acceptance_off"], one["acceptance_off"] + other["acceptance_off"], rtol=1e-12)


def test_sum_of_one_with_everything_safe():
    ds = spectrum()
    ds = ds.assign(mask_safe=xr.ones_like(ds["mask_safe"]))
    np.testing.assert_allclose(stack_many([ds])["acceptance_off"], ds["acceptance_off"], rtol=1e-12)


def test_sum_needs_off_regions():
    with pytest.raises(ValueError, match=r"the datasets \['plain'\] have no variable 'counts_off'"):
        stack_many([spectrum(), to_cash(spectrum(), name="plain")])


def test_other_data_pass_through():
    ds = make_map_dataset()
    assert expose_background(ds) is ds
    assert conserve_background(ds) is ds


@pytest.mark.parametrize(
    ("function", "missing", "words"),
    [
        (alpha, "acceptance", "Dataset 'test' has no variable 'acceptance' "),
        (alpha, "acceptance_off", "no variable 'acceptance_off'"),
        (background, "counts_off", "no variable 'counts_off'"),
        (wstat, "counts_off", "no variable 'counts_off'"),
        (wstat, "counts", "no variable 'counts'"),
        (stat_sum, "acceptance", "no variable 'acceptance'"),
        (npred_off, "counts_off", "no variable 'counts_off'"),
        (to_cash, "counts_off", "no variable 'counts_off'"),
        (to_onoff, ["counts", "counts_off"], "neither counts nor background"),
    ],
)
def test_what_is_missing_is_named(function, missing, words):
    with pytest.raises(ValueError, match=words):
        function(spectrum().drop_vars(missing))


def test_values_of_other_bins_are_refused():
    with pytest.raises(ValueError, match="acceptance has dims"):
        to_onoff(make_map_dataset(), acceptance=xr.DataArray(np.ones(3), dims="rad"))


@pytest.mark.parametrize("write", [write_netcdf, write_zarr, write_fits])
def test_archive(ds, tmp_path, write):
    name = {write_netcdf: "a.nc", write_zarr: "a.zarr", write_fits: "a.fits"}[write]
    stored = ds.gp.assign_models(source(ds))
    write(stored, tmp_path / name)
    with xg.open_dataset(tmp_path / name) as back:
        if write is not write_fits:
            assert back.identical(stored)
        elif "y" in ds.dims:
            for key in stored.data_vars:
                np.testing.assert_array_equal(back[key], stored[key], err_msg=str(key))
        assert float(stat_sum(back)) == float(stat_sum(stored))


def test_figures():
    ds = spectrum()
    data = info(ds)
    safe = ds["mask_safe"].values
    assert data["counts_off"] == ds["counts_off"].values[safe].sum()
    assert data["background"] == pytest.approx(background(ds).values[safe].sum())
    assert data["excess"] == pytest.approx(data["counts"] - data["background"])
    assert data["npred_background"] == data["npred"]
    assert data["npred"] == pytest.approx((alpha(ds) * npred_off(ds)).values[safe].sum())
    assert data["alpha"] == pytest.approx(data["background"] / data["counts_off"])
    assert data["acceptance_off"] == pytest.approx(data["acceptance"] / data["alpha"])
    modelled = info(ds, source(ds))
    assert modelled["npred"] == pytest.approx(modelled["npred_signal"] + modelled["npred_background"])
    nothing = info(ds.assign(counts_off=0 * ds["counts_off"]))
    assert np.isnan([nothing["alpha"], nothing["sqrt_ts"], nothing["acceptance_off"]]).all()
    text = summary(ds)
    assert text.startswith("Spectrum dataset with off regions\n")
    assert f"Total off counts                : {data['counts_off']}\n" in text
    assert "counts_off" not in info(to_cash(ds))


def test_spectrum_of_a_map():
    """Backgrounds of the pixels of a region add up."""
    ds = with_off(make_map_dataset(npix=(24, 26))).drop_vars(["mask_safe", "mask_fit"])
    found = to_spectrum_dataset(ds, "galactic;circle(0,0,0.45)")
    inside = ds.gp.region_mask("galactic;circle(0,0,0.45)")
    np.testing.assert_allclose(background(found), background(ds).where(inside, 0).sum(("y", "x")), rtol=1e-12)
    assert json.dumps(found.attrs["region"]).count("circle") == 1


def test_acceptance_of_a_region_is_the_mean():
    """As gammapy has it; the ratio of acceptances is what conserves the background."""
    ds = make_map_dataset().drop_vars(["mask_safe", "mask_fit"])
    rows = ds["counts"].copy(data=np.broadcast_to(1.0 + np.arange(12)[:, None], ds["counts"].shape))
    maps = to_onoff(ds, acceptance=rows, acceptance_off=5, counts_off=ds["counts"])
    region = CircleSkyRegion(SkyCoord(0, 0, unit="deg", frame="galactic"), 0.3 * u.deg)
    inside = maps.gp.region_mask(region)
    out = maps.gp.to_spectrum_dataset(region)
    np.testing.assert_allclose(out["acceptance"], maps["acceptance"].where(inside).mean(("y", "x")), rtol=1e-12)
    np.testing.assert_allclose(background(out), background(maps).where(inside).sum(("y", "x")), rtol=1e-12)
    coarse = maps.gp.downsample(2)
    np.testing.assert_allclose(coarse["acceptance"].mean(), maps["acceptance"].mean(), rtol=1e-12)
    np.testing.assert_allclose(background(coarse).sum(), background(maps).sum(), rtol=1e-12)
