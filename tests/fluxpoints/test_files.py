"""Flux points in FITS and ECSV files and in archives; damaged tables."""

import gzip

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

import xgamma as xg
from tests.fluxpoints.points import columns, points, source
from xgamma.io.errors import FileFormatError
from xgamma.io.fluxpoints import create_flux_points, write_ecsv, write_flux_fits
from xgamma.io.netcdf import write_netcdf
from xgamma.io.zarr import write_zarr
from xgamma.models import PowerLawSpectralModel
from xgamma.schema import SED_TYPES

WRITERS = {
    "fits": write_flux_fits,
    "fits.gz": write_flux_fits,
    "ecsv": write_ecsv,
    "nc": write_netcdf,
    "zarr": write_zarr,
}


def full():
    """Everything that a dataset of flux points can carry."""
    ds = points(name="crab", scan=True).gp.assign_models([source()])
    ds = ds.gp.sed.assign_reference_model(PowerLawSpectralModel(index=2.6))
    ds["counts"] = (("energy", "dataset"), np.arange(12).reshape(6, 2), {"units": ""})
    ds["npred"] = (("energy", "dataset"), np.linspace(0, 3, 12).reshape(6, 2).astype("f4"), {"units": ""})
    ds["mask_fit"] = ("energy", np.arange(6) > 0)
    ds["success"] = ("energy", np.arange(6) != 3)
    ds["quality"] = ("energy", np.arange(6, dtype="i2"), {"note": "mine"})
    ds["livetime"] = ((), 3500.0, {"units": "s"})
    ds = ds.assign_coords(lon=((), 83.63, {"units": "deg", "frame": "icrs"}))
    return ds.assign_attrs(stat_type="profile", n_sigma=1.0, ul_conf=0.95, sqrt_ts_threshold_ul=2.5, mine=[1, 2])


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("made", [points, full, lambda: points(bins=False), lambda: points(n=3).isel(energy=[0])])
def test_reopen_identical(tmp_path, ending, made):
    ds = made()
    path = tmp_path / f"points.{ending}"
    WRITERS[ending](ds, path)
    again = xg.open_dataset(path)
    xr.testing.assert_identical(again.compute(), ds)
    again.gp.validate()
    with pytest.raises(FileExistsError, match="exists already"):
        WRITERS[ending](ds, path)
    assert xg.open_dataset(path, name="other").gp.name == "other"
    # Archives read what is small and over one dim at once, that of spectra as well.
    assert (xg.open_dataset(path, chunks={})["dnde"].chunks is None) == (ending in ("nc", "zarr"))
    if ending == "fits.gz":
        assert gzip.decompress(path.read_bytes()).startswith(b"SIMPLE")


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
@pytest.mark.parametrize("target", SED_TYPES)
def test_each_type(tmp_path, ending, target):
    ds = points()
    path = tmp_path / f"points.{ending}"
    getattr(ds.gp.sed, f"to_{ending}")(path, sed_type=target)
    again = xg.open_dataset(path)
    assert again.gp.sed.type == target
    np.testing.assert_allclose(again.gp.sed.dnde, ds["dnde"], rtol=1e-12)
    np.testing.assert_allclose(again.gp.sed.quantity("dnde_ul"), ds["dnde_ul"], rtol=1e-12)
    np.testing.assert_array_equal(again["energy"], ds["energy"])


def test_good_time_intervals(tmp_path):
    ds = points()
    clock = {"units": "s", "mjdrefi": 51544, "mjdreff": 0.25, "timesys": "tt"}
    for name, values in (("gti_start", [0.0, 5.0]), ("gti_stop", [4.0, 9.0])):
        ds[name] = ("gti", np.array(values), dict(clock))
    ds.gp.to_fits(tmp_path / "points.fits")
    xr.testing.assert_identical(xg.open_dataset(tmp_path / "points.fits"), ds)
    with pytest.raises(ValueError, match="good time intervals have no place in an ECSV file"):
        ds.gp.sed.to_ecsv(tmp_path / "points.ecsv")


def test_collections(tmp_path):
    datasets = xg.Datasets([points(name="a"), points(name="b", scan=True)])
    for name in ("list.yaml", "store.zarr"):
        datasets.write(tmp_path / name)
        again = xg.Datasets.read(tmp_path / name)
        assert again.names == ["a", "b"]
        for left, right in zip(again, datasets, strict=True):
            xr.testing.assert_identical(left.compute(), right)


@pytest.mark.parametrize("target", SED_TYPES)
def test_a_scan_goes_into_a_table_with_what_its_norms_are_of(target):
    """Whatever the fluxes are: another program may have written the table anew, without what is ours in it."""
    ds = points(scan=True).assign_attrs(stat_type="profile")
    ds = ds.gp.sed.assign_reference_model(PowerLawSpectralModel(index=2.6, amplitude="3e-12 cm-2 s-1 TeV-1"))
    again = create_flux_points(ds.gp.sed.to_table(target)).assign_attrs(stat_type="profile")
    assert again.gp.sed.type == target
    assert float(again.gp.stat_sum(source())) == pytest.approx(float(ds.gp.stat_sum(source())), rel=1e-9)
    other = again.gp.sed.assign_reference_model(PowerLawSpectralModel(index=1.5))
    assert float(other.gp.stat_sum(source())) == pytest.approx(float(ds.gp.stat_sum(source())), rel=1e-9)
    assert "ref_dnde" not in points().gp.sed.to_table(None).colnames


def test_table():
    ds = full().drop_vars("lon")
    table = ds.gp.sed.to_table()
    assert table.meta == {"SED_TYPE": "dnde", "UL_CONF": 0.95, "n_sigma": 1.0, "sqrt_ts_threshold_ul": 2.5}
    assert table["e_ref"].unit == "TeV"
    np.testing.assert_array_equal(table["is_ul"], ds.gp.sed.is_ul)
    again = create_flux_points(table, name="crab")
    for name in ("dnde", "dnde_ul", "stat_scan", "counts", "quality"):
        np.testing.assert_array_equal(again[name], ds[name])
    with pytest.raises(ValueError, match="holds no flux points"):
        xr.Dataset().gp.sed.to_table()


def test_photons_and_other_units():
    made = columns()
    made["dnde"] = u.Quantity(made["dnde"]).to("MeV-1 cm-2 s-1") * u.ph
    ds = create_flux_points(made)
    assert ds["dnde"].attrs["units"] == "MeV-1 s-1 cm-2"
    np.testing.assert_allclose(ds.gp.sed.e2dnde, points().gp.sed.e2dnde, rtol=1e-12)


def test_likelihood_of_other_programs():
    """Logarithms of likelihoods in place of the statistic, with a grid of norms for each point."""
    ds = points(scan=True)
    table = ds.gp.to_sed_type("likelihood").gp.sed.to_table()
    table["loglike"] = -table["stat"] / 2
    table["dloglike_scan"] = -(table["stat_scan"] - table["stat"][:, np.newaxis]) / 2
    table.remove_columns(["stat", "stat_scan"])
    again = create_flux_points(table)
    positive = np.abs(ds["stat_scan"] - ds["stat"]) + ds["stat"]
    np.testing.assert_allclose(again["stat_scan"], positive, rtol=1e-12)
    np.testing.assert_allclose(again["stat"], ds["stat"], rtol=1e-12)


def test_likelihood_without_a_model_of_its_own():
    table = points().gp.to_sed_type("likelihood").gp.sed.to_table()
    table.remove_columns(["ref_flux", "ref_eflux"])
    ds = create_flux_points(table)
    assert ds.gp.sed.reference_model.tag[-1] == "template"
    np.testing.assert_allclose(ds.gp.sed.flux, points().gp.sed.flux, rtol=1e-3)


DAMAGE = {
    "no-flux": (lambda t: t.remove_column("dnde"), "SED type is 'dnde', for which it lacks the columns"),
    "no-energies": (lambda t: t.remove_columns(["e_ref", "e_min", "e_max"]), "lacks the columns e_ref"),
    "one-edge": (lambda t: t.remove_columns(["e_ref", "e_max"]), "lacks the columns e_ref"),
    "unknown-type": (lambda t: t.meta.update(SED_TYPE="sed"), "SED type is 'sed', which is unknown; there are: likeli"),
    "wrong-unit": (lambda t: setattr(t["dnde"], "unit", "erg"), "column dnde has the unit 'erg', but needs one like"),
    "no-unit": (lambda t: setattr(t["dnde_err"], "unit", None), "column dnde_err has no unit"),
    "energy-unit": (lambda t: setattr(t["e_ref"], "unit", "s"), "column e_ref has the unit 's'"),
    "negative-energy": (lambda t: t["e_min"].__setitem__(0, -1), "column e_min holds energies that are not positive"),
    "nan-energy": (lambda t: t["e_ref"].__setitem__(2, np.nan), "column e_ref holds energies that are not positive"),
    "twice": (lambda t: [t[k].__setitem__(2, t[k][1]) for k in ("e_ref", "e_min", "e_max")], "rows 2 and 3 have twice"),
    "falling": (lambda t: t.reverse(), "rows 1 and 2 have energies that fall"),
    "edges-swapped": (lambda t: t["e_max"].__setitem__(0, 0.1), "row 1 has an e_min of 0.5, not below its e_max"),
    "outside": (lambda t: t["e_ref"].__setitem__(0, 0.3), "centres outside their bins"),
    "text": (lambda t: t.replace_column("sqrt_ts", np.array(list("abcdef"))), "column sqrt_ts must hold numbers"),
    "flags": (lambda t: t.replace_column("is_ul", np.arange(6)), "column is_ul must hold true or false"),
    "confidence": (lambda t: t.meta.update(UL_CONF=95.0), "UL_CONF is 95.0: a confidence level lies between 0 and 1"),
    "no-rows": (lambda t: t.remove_rows(slice(0, 6)), "has no rows"),
}


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_damage(tmp_path, kind, ending):
    table = points().gp.sed.to_table()
    damage, message = DAMAGE[kind]
    damage(table)
    path = tmp_path / f"damaged.{ending}"
    if ending == "fits":
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table, name="FLUXPOINTS")]).writeto(path)
    else:
        table.write(path, format="ascii.ecsv")
    with pytest.raises(FileFormatError, match=message) as error:
        xg.open_dataset(path)
    assert str(path) in str(error.value)


def test_no_table(tmp_path):
    table = points().gp.sed.to_table()
    table.meta.clear()
    table.remove_columns(["dnde", "dnde_err"])
    table.rename_column("dnde_ul", "limit")
    with pytest.raises(ValueError, match="it has no SED_TYPE, and not the columns of any: dnde needs e_ref, dnde"):
        create_flux_points(table)
    path = tmp_path / "cut.ecsv"
    write_ecsv(points(), path)
    path.write_text(path.read_text()[:1500].replace("datatype: float64", "datatype: complex1"))
    with pytest.raises(FileFormatError, match=r"cut.ecsv: the table cannot be read, it is damaged"):
        xg.open_dataset(path)
    whole = tmp_path / "whole.fits"
    write_flux_fits(points(), whole)
    (tmp_path / "cut.fits").write_bytes(whole.read_bytes()[:9000])
    with pytest.raises(FileFormatError, match=r"cut.fits"):
        xg.open_dataset(tmp_path / "cut.fits")


def numbers(values):
    return np.array([np.nan if value is None else value for value in values])


def agrees(ds, theirs, rtol=1e-9):
    for name, (values, unit) in theirs["quantities"].items():
        ours = ds.gp.sed.quantity(name).gp.to_unit(unit)
        np.testing.assert_allclose(ours, numbers(values), rtol=rtol, err_msg=name)
    np.testing.assert_allclose(ds["energy"].gp.to_unit("TeV"), theirs["e_ref"], rtol=1e-12)
    np.testing.assert_array_equal(ds.gp.sed.is_ul, theirs["is_ul"])
    np.testing.assert_array_equal(ds.gp.mask_safe, theirs["mask_safe"])
    assert float(ds.gp.stat_sum(source())) == pytest.approx(theirs["stat_sum"], rel=rtol)


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
@pytest.mark.parametrize("target", SED_TYPES)
def test_gammapy_reads(gammapy, tmp_path, ending, target):
    # The program takes the middles of bins for the energies of points.
    made = columns(scan=target == "likelihood")
    made["e_ref"] = (made["e_min"] * made["e_max"]) ** 0.5
    ds = create_flux_points(made, reference_model=PowerLawSpectralModel(index=2)).gp.to_sed_type(target)
    path = tmp_path / f"ours.{ending}"
    getattr(ds.gp.sed, f"to_{ending}")(path)
    # It joins references of a table of norms by power laws, and integrates these numerically.
    agrees(ds, gammapy("flux-read", path), rtol=1e-3 if target == "likelihood" else 1e-9)


@pytest.mark.parametrize("ending", ["fits", "ecsv"])
@pytest.mark.parametrize("target", SED_TYPES)
def test_gammapy_writes(gammapy, tmp_path, ending, target):
    ours, theirs = tmp_path / "ours.fits", tmp_path / f"theirs.{ending}"
    made = columns()
    made["e_ref"] = (made["e_min"] * made["e_max"]) ** 0.5
    write_flux_fits(create_flux_points(made), ours)
    told = gammapy("flux-write", ours, theirs, target)
    ds = xg.open_dataset(theirs)
    assert ds.gp.sed.type == target
    agrees(ds, told)


def test_datasets_of_gammapy(gammapy, tmp_path):
    """Masks, scans and lists of datasets go there and come back."""
    made = columns(scan=True)
    made["e_ref"] = (made["e_min"] * made["e_max"]) ** 0.5
    made["norm_scan"] = np.tile(np.linspace(-1, 8, 9), (6, 1))  # the same for all points, as there
    ds = create_flux_points(made, reference_model=PowerLawSpectralModel(index=2), name="test")
    ds = ds.gp.to_sed_type("likelihood")
    ds["mask_fit"] = ("energy", np.arange(6) > 0)
    write_flux_fits(ds, tmp_path / "ours.fits")
    told = gammapy("flux-dataset", tmp_path / "ours.fits", tmp_path / "theirs.fits")
    for path in ("ours.fits", "theirs.fits"):
        again = xg.open_dataset(tmp_path / path)
        np.testing.assert_array_equal(again["mask_fit"], ds["mask_fit"])
        assert float(again.gp.stat_sum(source())) == pytest.approx(told["test chi2"], rel=1e-9)
    profile = ds.assign_attrs(stat_type="profile")
    assert float(profile.gp.stat_sum(source())) == pytest.approx(told["test profile"], rel=1e-9)
    xg.Datasets([ds, profile.assign_attrs(name="other")]).write(tmp_path / "list.yaml")
    listed = gammapy("flux-list", tmp_path / "list.yaml")
    assert listed == pytest.approx(
        {f"{name} {kind}": told[f"test {kind}"] for name in ("test", "other") for kind in ("chi2", "profile")}, rel=1e-9
    )
