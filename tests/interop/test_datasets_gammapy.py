"""Datasets of every kind and lists of them go to gammapy and come from it with the same numbers."""

import astropy.units as u
import numpy as np
import pytest

import xgamma as xg
from tests.builders import SKIES, make_map_dataset
from tests.fluxpoints.points import columns
from tests.spectra import plain_spectrum, spectrum, with_off
from xgamma.io.fluxpoints import create_flux_points
from xgamma.models import FoVBackgroundModel, Models, PowerLawSpectralModel, SkyModel

KINDS = {
    "map on/off, TAN": "MapDatasetOnOff",
    "map on/off, across zero": "MapDatasetOnOff",
    "spectrum": "SpectrumDataset",
    "OGIP": "SpectrumDatasetOnOff",
    "OGIP of H.E.S.S.": "SpectrumDatasetOnOff",
}


def make(kind, gammapy_data):
    if kind.startswith("map"):
        return with_off(make_map_dataset(**SKIES["TAN" if kind.endswith("TAN") else "wrap"], npix=(6, 8), nrad=10))
    if kind == "spectrum":
        return plain_spectrum()
    if kind == "OGIP":
        return spectrum()
    return xg.open_dataset(gammapy_data / "joint-crab/spectra/hess/pha_obs23523.fits")


def write(ds, folder):
    """Write a dataset in the field's format."""
    if "counts_off" in ds and "y" not in ds.dims:
        return ds.gp.to_ogip(folder)[0]
    ds.gp.to_fits(folder / "ours.fits")
    return folder / "ours.fits"


def agrees(ds, told, rtol, ogip):
    """Compare the arrays of a dataset with what gammapy says of them."""
    names = [name for name in told["maps"] if name in ds]
    assert {"counts", "exposure", "edisp", "mask_safe"} <= set(names)
    for name in names:
        part, array = told["maps"][name], ds[name]
        # OGIP files have no weights for sums of responses: gammapy takes the exposure, and cm2 for m2.
        if ogip and name == "edisp_exposure":
            continue
        # A count may have the unit count there.
        values = array.values * u.Unit(array.attrs.get("units", "")).to(
            part["unit"].replace("count", "").replace("ct", "")
        )
        weights = np.arange(1, values.size + 1).reshape(values.shape)
        assert part["sum"] == pytest.approx(values.sum(dtype=float), rel=rtol), name
        assert part["weighted"] == pytest.approx((values * weights).sum(dtype=float), rel=rtol), name
        for axis in set(part["axes"]) & set(array.dims):
            edges = u.Quantity([*ds[f"{axis}_min"].values, ds[f"{axis}_max"].values[-1]], ds[axis].attrs["units"])
            np.testing.assert_allclose(edges.to_value(part["axes"][axis][1]), part["axes"][axis][0], rtol=1e-12)
    if "gti_start" in ds and told["gti"]:
        assert len(told["gti"]) == ds.sizes["gti"]
    assert told["stat_sum"] == pytest.approx(float(ds.gp.stat_sum()), rel=1e-6)


def same(again, ds, rtol):
    """Compare two datasets that are one."""
    for name in again.data_vars:
        if name not in ds or name.endswith("_exposure"):
            continue
        ours = ds[name].gp.to_unit(again[name].attrs.get("units", "")) if ds[name].dtype != bool else ds[name]
        np.testing.assert_allclose(again[name], ours, rtol=rtol, atol=1e-30, err_msg=name)
    for axis in ("energy", "energy_true"):
        for end in ("_min", "_max"):
            ours = (ds[axis + end].values * u.Unit(ds[axis].attrs["units"])).to(again[axis].attrs["units"])
            np.testing.assert_allclose(again[axis + end], ours.value, rtol=1e-12)
    assert float(again.gp.stat_sum()) == pytest.approx(float(ds.gp.stat_sum()), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_one_dataset(gammapy, gammapy_data, tmp_path, kind):
    ds = make(kind, gammapy_data)
    path = write(ds, tmp_path)
    ogip = kind.startswith("OGIP")
    theirs = tmp_path / "theirs" / ("pha_obs1.fits" if ogip else "theirs.fits")
    theirs.parent.mkdir()
    told = gammapy("rewrite", KINDS[kind], path, theirs)
    # Matrices of OGIP files are in single precision there.
    agrees(ds, told, 1e-6 if ogip else 1e-12, ogip)
    again = xg.open_dataset(theirs)
    again.gp.validate()
    same(again, ds, rtol=2e-6 if ogip else 1e-12)


def test_the_original_and_the_copy_are_the_same_there(gammapy, gammapy_data, tmp_path):
    original = gammapy_data / "joint-crab/spectra/hess/pha_obs23523.fits"
    copy = write(xg.open_dataset(original), tmp_path)
    one, other = (gammapy("read", "SpectrumDatasetOnOff", path) for path in (original, copy))
    assert other["maps"].keys() == one["maps"].keys()
    for name, part in one["maps"].items():
        twin = other["maps"][name]
        assert (part is None) == (twin is None)
        for key in part or {}:
            if key in ("sum", "weighted"):
                assert twin[key] == pytest.approx(part[key], rel=1e-6), name
            elif key not in ("center", "axes", "unit"):
                assert twin[key] == part[key], name
    assert (other["stat_sum"], other["gti"]) == (pytest.approx(one["stat_sum"], rel=1e-9), one["gti"])


@pytest.fixture
def mixed():
    """A collection of every kind, with models: for spectra and flux points, and for the background of the map."""
    made = columns()
    made["e_ref"] = (made["e_min"] * made["e_max"]) ** 0.5
    whole = make_map_dataset(npix=(6, 8), nrad=10, name="map")
    parts = [
        whole,
        with_off(make_map_dataset(npix=(6, 8), nrad=10, name="map with off")),
        plain_spectrum(name="plain"),
        spectrum(name="off"),
        create_flux_points(made, name="points"),
    ]
    source = SkyModel(
        PowerLawSpectralModel(index=2.1, amplitude="2.5e-12 cm-2 s-1 TeV-1"),
        name="source",
        datasets_names=["plain", "off", "points"],
    )
    background = FoVBackgroundModel(dataset_name="map")
    background.spectral_model.norm.value = 1.2
    return xg.Datasets(parts, models=[source, background])


def same_figures(datasets, told):
    assert [part["name"] for part in told] == datasets.names
    for ds, part in zip(datasets, told, strict=True):
        # Predictions differ by what both approximate in integrals over bins, see the tests of predictions.
        stat = float(ds.gp.stat_sum(datasets.models))
        assert part["stat_sum"] == pytest.approx(stat, rel=1e-3), part["name"]
        if part["type"] == "FluxPointsDataset":
            ours = ds.gp.sed.dnde.gp.to_unit(part["unit"]).values
            np.testing.assert_allclose(ours, np.array(part["dnde"], dtype=float), rtol=1e-12)
        else:
            assert part["maps"]["counts"]["weighted"] == pytest.approx(
                float((ds.counts.values.ravel() * np.arange(1, ds.counts.size + 1)).sum()), rel=1e-12
            )


def test_lists(gammapy, tmp_path, mixed):
    """Models stand in a file of their own, as gammapy wants them, or in that of the list."""
    ours, models = tmp_path / "ours.yaml", tmp_path / "models.yaml"
    mixed.write(ours, models)
    theirs, their_models = tmp_path / "there" / "list.yaml", tmp_path / "there" / "models.yaml"
    theirs.parent.mkdir()
    told = gammapy("rewrite-list", ours, models, theirs, their_models)
    same_figures(mixed, told)
    expected = {"map": ["map-bkg"], "plain": ["source"], "off": ["source"], "points": ["source"]}
    assert {part["name"]: part["models"] for part in told if part["models"]} == expected
    again = xg.Datasets.read(theirs, their_models)
    assert again.names == mixed.names
    in_order = Models([again.models[name] for name in mixed.models.names])
    assert len(again.models) == 2
    assert in_order.equals(mixed.models)
    for one, ds in zip(again, mixed, strict=True):
        if "dnde" in ds:
            np.testing.assert_allclose(one["dnde"], ds["dnde"], rtol=1e-12)
        else:
            same(one, ds, rtol=2e-6)
    assert float(again.stat_sum()) == pytest.approx(float(mixed.stat_sum()), rel=1e-6)


def test_a_list_with_its_models_inside(gammapy, tmp_path, mixed):
    mixed[2:4].write(tmp_path / "ours.yaml")
    assert xg.Datasets.read(tmp_path / "ours.yaml").models.names == mixed.models.names
    told = gammapy("read-list", tmp_path / "ours.yaml")
    assert [part["name"] for part in told] == mixed[2:4].names


def test_a_list_of_the_field(gammapy, gammapy_data, tmp_path, monkeypatch):
    """A list with its models as gammapy distributes it."""
    monkeypatch.setenv("GAMMAPY_DATA", str(gammapy_data))
    folder = gammapy_data / "tests/models"
    datasets = xg.Datasets.read(folder / "gc_example_datasets.yaml", folder / "gc_example_models.yaml")
    assert datasets.names == ["gc", "g09"]
    copy = tmp_path / "copy.yaml"
    datasets.write(copy, tmp_path / "models.yaml")
    one, other = gammapy("read-list", folder / "gc_example_datasets.yaml"), gammapy("read-list", copy)
    for before, after in zip(one, other, strict=True):
        assert after["stat_sum"] == pytest.approx(before["stat_sum"], rel=1e-9)
        for name in ("counts", "background", "exposure", "psf", "edisp", "mask_safe"):
            assert after["maps"][name] == before["maps"][name]
