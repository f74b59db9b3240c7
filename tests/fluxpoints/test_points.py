"""Flux points: conversions, upper limits, masks, predictions, residuals, statistics."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm as normal

import xgamma as xg
from tests.fluxpoints.points import TRUTH, columns, points, source
from tests.models.test_models_template import write_map
from xgamma.datasets.member import dataset_type
from xgamma.fluxpoints import assign_reference_model, quantity, reference, sed_type, to_sed_type
from xgamma.models import (
    FoVBackgroundModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateSpatialModel,
)
from xgamma.schema import FLUX_VARIABLES, SED_TYPES, is_flux_points
from xgamma.validate import validate

ENDS = ("", "_err", "_errn", "_errp", "_ul")


def test_the_dataset():
    ds = points()
    validate(ds)
    assert is_flux_points(ds)
    assert dataset_type(ds) == "FluxPointsDataset"
    np.testing.assert_array_equal(ds["energy"], columns()["e_ref"].value)  # to the last digit
    np.testing.assert_array_equal(ds["energy_max"], columns()["e_max"].value)
    assert ds.sel(energy="1 TeV")["energy"].size == 1
    assert ds["dnde"].attrs["units"] == "TeV-1 s-1 cm-2"


def test_norms_of_a_table_are_those_of_the_model_with_it():
    scan = columns(scan=True)
    ds = xg.create_flux_points(scan, reference_model=TRUTH)
    np.testing.assert_array_equal(ds["norm_scan"], scan["norm_scan"])
    np.testing.assert_allclose(ds.gp.sed.dnde_ref, TRUTH(scan["e_ref"]).value, rtol=1e-12)
    validate(ds)


def test_norms_with_a_model_need_no_reference_columns(tmp_path):
    table = points(scan=True).gp.sed.to_table("likelihood")
    model = PowerLawSpectralModel(index=2)
    bare = table.copy()
    bare.remove_columns([name for name in table.colnames if name.startswith("ref_")])
    with pytest.raises(ValueError, match=r"lacks the columns ref_dnde \(or give a reference_model\)"):
        xg.create_flux_points(bare)
    for columns_of in (bare, {name: bare[name] for name in bare.colnames}, table):
        ds = xg.create_flux_points(columns_of, reference_model=model)
        assert sed_type(ds) == "likelihood"
        assert not [name for name in ds.variables if name.startswith("ref_")]
        np.testing.assert_allclose(ds.gp.sed.dnde, points()["dnde"], rtol=1e-12)
    with pytest.raises(ValueError, match="must be a spectral model of a flux, not int"):
        xg.create_flux_points(bare, reference_model=3)


def test_a_scan_of_an_unknown_model():
    """As in tables of fluxes that gammapy writes: the model given is that of the norms, later ones convert them."""
    made = columns(scan=True)
    ds = xg.create_flux_points(made).assign_attrs(stat_type="profile")
    with pytest.raises(ValueError, match="does not tell of which reference model.*assign_reference_model"):
        ds.gp.stat_sum(source())
    with pytest.raises(ValueError, match="does not tell of which reference model"):
        ds.gp.to_sed_type("likelihood")
    assert ds.gp.mask.all()
    np.testing.assert_allclose(ds.gp.to_sed_type("flux").gp.sed.dnde, ds["dnde"], rtol=1e-12)
    known = ds.gp.sed.assign_reference_model(PowerLawSpectralModel(index=2))
    np.testing.assert_array_equal(known["norm_scan"], made["norm_scan"])
    expected = points(scan=True).assign_attrs(stat_type="profile").gp.stat_sum(source())
    assert float(known.gp.stat_sum(source())) == pytest.approx(float(expected), rel=1e-12)
    other = known.gp.sed.assign_reference_model(TRUTH)
    assert float(other.gp.stat_sum(source())) == pytest.approx(float(expected), rel=1e-12)


def test_errors_limits_and_references_by_name():
    ds = points()
    for name in ("dnde_err", "flux_ul", "e2dnde_errn", "eflux_errp"):
        xr.testing.assert_identical(getattr(ds.gp.sed, name), quantity(ds, name))
    xr.testing.assert_identical(ds.gp.sed.flux_ref, reference(ds, "flux"))
    with pytest.raises(AttributeError, match="flux points have no 'energy_ref' here: use ds.energy"):
        ds.gp.sed.energy_ref  # noqa: B018
    with pytest.raises(AttributeError, match="no quantity, error or limit 'dnde_wrong'"):
        ds.gp.sed.dnde_wrong  # noqa: B018


@pytest.mark.parametrize("target", SED_TYPES)
def test_conversion(target):
    """Against integrals of a power law of index 2."""
    ds, name = points(), SED_TYPES[target]
    before = ds.copy(deep=True)
    out = ds.gp.to_sed_type(target)
    assert ds.identical(before)
    assert sed_type(out) == target
    assert [key for key in out.data_vars if key in FLUX_VARIABLES][:5] == [f"{name}{end}" for end in ENDS]
    energy, low, high = (ds[key].values for key in ("energy", "energy_min", "energy_max"))
    factor = {
        "norm": energy**2 / 1e-12,
        "dnde": np.ones(6),
        "e2dnde": energy**2 * u.TeV.to("erg"),
        "flux": energy**2 * np.array([quad(lambda e: e**-2.0, *pair)[0] for pair in zip(low, high, strict=True)]),
        "eflux": energy**2 * np.log(high / low) * u.TeV.to("erg"),
    }[name]
    for end in ENDS:
        np.testing.assert_allclose(out[f"{name}{end}"], ds[f"dnde{end}"] * factor, rtol=1e-10)
        assert out[f"{name}{end}"].attrs["units"] == FLUX_VARIABLES[name].unit
        assert out[f"{name}{end}"].equals(quantity(ds, f"{name}{end}"))
    validate(out)
    assert out.attrs.get("history", "").endswith(f"to_sed_type({target!r})") == (target != "dnde")


@settings(max_examples=5)
@given(st.permutations(list(SED_TYPES)), st.floats(1.2, 4), st.integers(1, 5))
def test_conversions_are_a_group(order, index, n):
    """Any way from one type to another gives the same numbers, and back the first ones."""
    ds = assign_reference_model(points(n=n + 2), PowerLawSpectralModel(index=index))
    there = ds
    for target in order:
        there = to_sed_type(there, target)
    back = to_sed_type(there, "dnde")
    direct = to_sed_type(ds, order[-1])
    for end in ENDS:
        np.testing.assert_allclose(back[f"dnde{end}"], ds[f"dnde{end}"], rtol=1e-12)
        name = f"{SED_TYPES[order[-1]]}{end}"
        np.testing.assert_allclose(there[name], direct[name], rtol=1e-12)


def test_another_reference_model():
    ds = points(scan=True)
    norms = to_sed_type(ds, "likelihood")
    model = PowerLawSpectralModel(index=3, amplitude="2e-12 cm-2 s-1 TeV-1")
    for own in (ds, norms):
        out = own.gp.sed.assign_reference_model(model)
        assert sed_type(out) == sed_type(own)
        np.testing.assert_allclose(out.gp.sed.dnde, ds["dnde"], rtol=1e-12)
        np.testing.assert_allclose(out.gp.sed.norm, ds["dnde"] / model(columns()["e_ref"]).value, rtol=1e-12)
        # A point of a scan stands for the same flux.
        flux = out["norm_scan"] * reference(out, "dnde")
        np.testing.assert_allclose(flux, ds["norm_scan"] * reference(ds, "dnde"), rtol=1e-12)
        assert out.gp.sed.reference_model.index.value == 3
    with pytest.raises(ValueError, match="must be a spectral model of a flux, not int"):
        assign_reference_model(ds, 3)


def test_references_of_the_file_come_first():
    ds = points()
    ds["ref_dnde"] = ("energy", np.full(6, 2e-9), {"units": "TeV-1 s-1 m-2"})
    np.testing.assert_allclose(ds.gp.sed.norm, ds["dnde"] / 2e-13, rtol=1e-12)
    np.testing.assert_allclose(reference(ds, "flux"), 2e-13 * (ds["energy_max"] - ds["energy_min"]), rtol=1e-9)
    np.testing.assert_allclose(
        ds.gp.sed.e2dnde, ds["dnde"] * (ds["energy"] * u.TeV.to("erg")) * ds["energy"], rtol=1e-9
    )


def test_without_bins():
    ds = points(bins=False)
    for name in ("flux", "eflux"):
        with pytest.raises(ValueError, match=f"SED type '{name}'.*e_min, e_max"):
            quantity(ds, name)
    low, high = ds.gp.energy_range
    assert float(low) == float(ds["energy"][0])
    assert float(high) == float(ds["energy"][3])  # the last two are limits
    part = ds.gp.slice_by_energy("1 TeV", "10 TeV")
    assert (part["energy"] > 1).all()
    assert (part["energy"] < 10).all()
    assert points(bins=False, n=1 + 2).isel(energy=[0]).gp.data_shape == (1,)
    one = xg.create_flux_points({"e_ref": [2.0] * u.TeV, "dnde": [1e-12] * u.Unit("cm-2 s-1 TeV-1")})
    validate(one)
    assert one.gp.sed.norm.size == 1


def test_errors_of_names():
    ds = points()
    with pytest.raises(ValueError, match="there is no SED type 'fluxes'; there are: likelihood, dnde"):
        ds.gp.to_sed_type("fluxes")
    with pytest.raises(ValueError, match="there is no flux 'dnde_error'"):
        quantity(ds, "dnde_error")
    with pytest.raises(ValueError, match="has no variable 'dnde_sensitivity', from which flux_sensitivity"):
        quantity(ds, "flux_sensitivity")
    with pytest.raises(ValueError, match="is 'cash'; for flux points there are: chi2, profile, distrib"):
        ds.assign_attrs(stat_type="cash").gp.stat_sum()
    with pytest.raises(ValueError, match="there is no SED type 'x'"):
        sed_type(ds.assign_attrs(sed_type="x"))


def test_limits():
    ds = points()
    limits = [False] * 4 + [True] * 2
    np.testing.assert_array_equal(ds.gp.sed.is_ul, limits)
    np.testing.assert_array_equal(ds.drop_vars("sqrt_ts").gp.sed.is_ul, limits)
    np.testing.assert_array_equal(ds.assign_attrs(sqrt_ts_threshold_ul=6.0).gp.sed.is_ul, True)
    flagged = ds.assign(is_ul=("energy", [True] + [False] * 5))
    np.testing.assert_array_equal(flagged.gp.sed.is_ul, [True] + [False] * 5)
    np.testing.assert_array_equal(flagged.gp.mask_safe, [False] + [True] * 3 + [False] * 2)
    ts = ds.drop_vars("sqrt_ts").assign(ts=("energy", [25.0, 9, 9, 9, 1, 1]))
    np.testing.assert_array_equal(ts.gp.sed.is_ul, limits)
    np.testing.assert_allclose(ts.gp.sed.sqrt_ts[:4], [5, 3, 3, 3])
    with pytest.raises(ValueError, match="neither 'sqrt_ts' nor 'ts'"):
        _ = ds.drop_vars("sqrt_ts").gp.sed.sqrt_ts
    assert ds.gp.sed.n_sigma_ul is None
    assert ds.assign_attrs(ul_conf=0.95).gp.sed.n_sigma_ul == pytest.approx(1.959964)
    with pytest.raises(ValueError, match="lies between 0 and 1"):
        _ = ds.assign_attrs(ul_conf=95.0).gp.sed.n_sigma_ul


def test_masks():
    ds = points()
    np.testing.assert_array_equal(ds.gp.mask, [True] * 4 + [False] * 2)
    ds = ds.assign(mask_fit=("energy", np.arange(6) > 1), mask_safe=("energy", np.arange(6) != 2))
    np.testing.assert_array_equal(ds.gp.mask, [False, False, False, True, False, False])
    np.testing.assert_array_equal(ds.gp.mask_safe, [True, True, False, True, False, False])
    distrib = ds.assign_attrs(stat_type="distrib")
    np.testing.assert_array_equal(distrib.gp.mask_safe, [True, True, False, True, True, True])
    failed = ds.assign(success=("energy", np.arange(6) != 0))
    np.testing.assert_array_equal(failed.gp.mask_safe, [False, True, False, True, False, False])
    assert float(ds.gp.stat_sum(source())) == pytest.approx(float(ds.gp.stat_array(source())[3]))


def test_prediction_and_residuals():
    ds, model = points(), source()
    energy = columns()["e_ref"]
    found = ds.gp.flux_pred(model)
    np.testing.assert_allclose(found, model.spectral_model(energy).value, rtol=1e-12)
    assert found.attrs["units"] == "TeV-1 s-1 cm-2"
    two = ds.gp.flux_pred([model, source("other"), FoVBackgroundModel(dataset_name="test")])
    np.testing.assert_allclose(two, 2 * found, rtol=1e-12)
    assert not ds.gp.flux_pred().any()
    flux = ds.gp.flux_pred(model, sed_type="eflux")
    expected = model.spectral_model.energy_flux(columns()["e_min"], columns()["e_max"]).to_value("erg cm-2 s-1")
    np.testing.assert_allclose(flux, expected, rtol=1e-12)
    np.testing.assert_allclose(
        ds.gp.flux_pred(model, sed_type="likelihood"), found / reference(ds, "dnde").values, rtol=1e-12
    )
    for own in (ds, to_sed_type(ds, "flux")):
        left = own.gp.residuals("diff", model)
        np.testing.assert_allclose(left[:4], (ds["dnde"] - found)[:4], rtol=1e-9)
        assert left[4:].isnull().all()
        np.testing.assert_allclose(own.gp.residuals("diff/model", model), left / found, rtol=1e-9)
    with pytest.raises(ValueError, match="for flux points it must be one of"):
        ds.gp.residuals("diff/sqrt(model)", model)


def test_chi2_and_its_errors():
    ds, model = points(), source()
    pred, value = ds.gp.flux_pred(model).values, ds["dnde"].values
    pulls = ((value - pred) / ds["dnde_err"].values) ** 2
    np.testing.assert_allclose(ds.gp.stat_array(model), pulls, rtol=1e-12)
    assert float(ds.gp.stat_sum(model)) == pytest.approx(np.nansum(pulls), rel=1e-12)
    lopsided = ds.drop_vars("dnde_err")
    mean = (ds["dnde_errn"] + ds["dnde_errp"]).values / 2
    np.testing.assert_allclose(lopsided.gp.stat_array(model), ((value - pred) / mean) ** 2, rtol=1e-12)
    holes = ds.assign(dnde_err=ds["dnde_err"].where(ds["energy"] > 1))
    assert float(holes.gp.stat_sum(model)) < float(ds.gp.stat_sum(model)) + 1
    assert np.isfinite(float(holes.gp.stat_sum(model)))
    unknown = ds.drop_vars(["dnde_err", "dnde_errn", "dnde_errp"])
    np.testing.assert_array_equal(unknown.gp.mask, ds.gp.mask)
    with pytest.raises(ValueError, match="no errors of its fluxes.*'dnde_err', or 'dnde_errn' and 'dnde_errp'"):
        unknown.gp.stat_sum(model)
    for target in ("flux", "eflux", "e2dnde", "likelihood"):
        assert float(to_sed_type(ds, target).gp.stat_sum(model)) == pytest.approx(np.nansum(pulls), rel=1e-10)


def test_distribution_twin():
    """A point at a time, with the probability to measure less than a limit as an integral."""
    ds = points().assign_attrs(stat_type="distrib", n_sigma_ul=2.0)
    for model in (source(), source(amplitude="4e-12 cm-2 s-1 TeV-1"), SkyModel(TRUTH, name="truth")):
        pred, found = ds.gp.flux_pred(model).values, ds.gp.stat_array(model).values
        for i in range(4):
            end = "_errp" if pred[i] >= float(ds["dnde"][i]) else "_errn"
            assert found[i] == pytest.approx(((float(ds["dnde"][i]) - pred[i]) / float(ds[f"dnde{end}"][i])) ** 2)
        for i in (4, 5):
            limit = float(ds["dnde_ul"][i])
            sigma = limit / 2
            low = pred[i] - 40 * sigma
            below = quad(lambda f, m=pred[i], s=sigma: normal.pdf(f, m, s), low, limit, points=[pred[i]], limit=200)[0]
            assert found[i] == pytest.approx(-2 * np.log(below), rel=1e-6)
    assert float(ds.gp.stat_sum(source())) == pytest.approx(float(ds.gp.stat_array(source()).sum()))


def test_limits_alone():
    table = {"e_ref": [1.0, 3, 9] * u.TeV, "dnde_ul": [1e-12, 1e-13, np.nan] * u.Unit("cm-2 s-1 TeV-1")}
    ds = xg.create_flux_points(table)
    validate(ds)
    assert sed_type(ds) == "dnde"
    assert ds.gp.sed.is_ul.all()
    assert not ds.gp.mask.any()
    distrib = ds.assign_attrs(stat_type="distrib")
    np.testing.assert_array_equal(distrib.gp.mask, [True, True, False])
    weak, strong = (float(distrib.gp.stat_sum(source(amplitude=f"{a} cm-2 s-1 TeV-1"))) for a in (1e-15, 1e-11))
    assert 0 < weak < 0.2  # limits of two standard deviations exceed no flux with a probability of 2.3 %
    assert strong > 100
    assert "nan" not in repr(distrib.gp).replace(": nan", "")


def test_profile():
    ds = points(scan=True)
    model = SkyModel(TRUTH, name="truth")  # within the scans
    profile = ds.assign_attrs(stat_type="profile")
    assert profile.gp.mask.all()
    # A scan of third order lies within the error of splines of second order.
    value = np.where(np.isnan(ds["dnde"]), np.nan, ds["dnde"])
    pull = (ds.gp.flux_pred(model).values - value) / ds["dnde_err"].values
    np.testing.assert_allclose(profile.gp.stat_array(model)[:4], (pull**2 + 0.05 * pull**3)[:4], rtol=0.02, atol=0.05)
    shuffled = profile.isel(scan=[3, 0, 8, 1, 2, 7, 4, 6, 5])
    np.testing.assert_allclose(shuffled.gp.stat_array(model), profile.gp.stat_array(model), rtol=1e-10)
    assert float(profile.drop_vars("stat").gp.stat_array(model).min()) >= -0.1
    broken = profile.assign(stat_scan=profile["stat_scan"].where(profile["energy"] > 1))
    assert not broken.gp.mask[0]
    with pytest.raises(ValueError, match="no variable 'stat_scan'.*choose 'chi2' or 'distrib'"):
        points().assign_attrs(stat_type="profile").gp.stat_sum(model)


@pytest.mark.parametrize("kind", ["chi2", "profile", "distrib"])
def test_lazy(no_compute, kind):
    ds = points(scan=True).assign_attrs(stat_type=kind)
    lazy, model = ds.chunk(energy=4, scan=5), source()
    actions = [
        lambda d: d.gp.to_sed_type("eflux"),
        lambda d: d.gp.to_sed_type("likelihood"),
        lambda d: d.gp.sed.assign_reference_model(PowerLawSpectralModel(index=3)),
        lambda d: d.gp.mask_safe,
        lambda d: d.gp.sed.is_ul,
        lambda d: d.gp.residuals("diff/model", model),
        lambda d: d.gp.stat_array(model),
        lambda d: d.gp.stat_sum(model),
    ]
    with no_compute():
        results = [action(lazy) for action in actions]
    for action, result in zip(actions, results, strict=True):
        expected = action(ds)
        assert result.chunks is not None
        xr.testing.assert_allclose(result.compute(), expected, rtol=1e-13, atol=0)
        assert result.attrs == expected.attrs
    assert lazy.gp.info(model)["stat_sum"] == pytest.approx(ds.gp.info(model)["stat_sum"])


def test_a_template_has_no_spectrum(tmp_path):
    path = tmp_path / "cube.fits"
    write_map(path, np.ones((3, 5, 5)), unit="", energy=np.array([100.0, 1000.0, 10000.0]))
    model = SkyModel(PowerLawNormSpectralModel(), TemplateSpatialModel(path, normalize=False), name="diffuse")
    with pytest.raises(ValueError, match="Model 'diffuse' has no spectrum of its own, its PowerLawNormSpectralModel"):
        points().gp.flux_pred(model)


def test_validate():
    ds = points()
    wrong = ds.assign(dnde_err=-ds["dnde_err"]).assign(dnde_ul=ds["dnde_ul"].fillna(np.inf))
    with pytest.raises(ValueError, match=r"dnde_err \(energy\) holds negative errors") as error:
        wrong.gp.validate()
    assert "4 values that are infinite" in str(error.value)
    bad = ds.assign(eflux=("energy", np.ones(6), {"units": "TeV-1"}))
    with pytest.raises(ValueError, match="eflux is in 'TeV-1', which cannot be converted to 'erg s-1 cm-2'"):
        bad.gp.validate()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda ds: ds.gp.downsample(2, axis_name="energy"), "holds flux points, which downsample does not take"),
        (lambda ds: ds.gp.resample_energy_axis([1, 10] * u.TeV), "holds flux points, which merging of energies"),
        (lambda ds: ds.gp.to_image(), "holds flux points, which merging of energies does not take"),
        (lambda ds: ds.gp.stack(ds), "holds flux points, which stacking does not take"),
        (lambda ds: ds.gp.to_masked(), "holds flux points, which stacking does not take"),
        (lambda ds: ds.gp.npred(source()), "the fluxes of flux points are predicted by flux_pred"),
        (lambda ds: ds.gp.fake(1, source()), "the fluxes of flux points are predicted by flux_pred"),
        (lambda ds: ds.gp.asimov(source()), "the fluxes of flux points are predicted by flux_pred"),
        (lambda ds: ds.gp.excess, "no variable 'counts'"),
        (lambda ds: ds.gp.to_ogip("folder"), "is no spectrum, for want of counts"),
    ],
)
def test_what_is_for_counts_says_so(call, words):
    """In place of results from which the fluxes are gone."""
    with pytest.raises(ValueError, match=words):
        call(points())
