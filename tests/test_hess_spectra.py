"""The four H.E.S.S. spectra, and every reference number of them but the fits."""

import numpy as np
import pytest

import xgamma as xg
from xgamma.models import LogParabolaSpectralModel, PowerLawSpectralModel, SkyModel

PARTS = ("counts", "background", "exposure", "mask_safe")
MODELS = {"fit_joint_pl": PowerLawSpectralModel, "fit_joint_lp": LogParabolaSpectralModel}


@pytest.fixture(scope="module")
def numbers(reference):
    return reference("onoff_hess")


@pytest.fixture(scope="module")
def datasets(gammapy_data, numbers):
    return xg.Datasets(xg.open_dataset(gammapy_data / name) for name in numbers["files"])


@pytest.fixture(scope="module")
def stacked(datasets):
    return datasets.stack_reduce(name="stacked")


def same_array(found, expected, rtol):
    """Compare an array with the description of one."""
    axis = next(iter(expected["axes"]))
    assert found.dims == (axis,)
    assert list(found.shape) == [expected["shape"][0]]
    edges = np.append(found[f"{axis}_min"], found[f"{axis}_max"][-1])
    np.testing.assert_allclose(edges, expected["axes"][axis]["edges"], rtol=1e-12)
    assert found[axis].attrs["units"] == expected["axes"][axis]["unit"]
    if found.dtype == bool:
        assert int(found.sum()) == expected["n_true"]
        np.testing.assert_array_equal(found, np.array(expected["per_energy"], bool))
        return
    values = found.gp.quantity.to_value(expected["unit"])
    np.testing.assert_allclose(values, expected["per_energy"], rtol=rtol)
    for what in ("sum", "min", "max"):
        assert getattr(values, what)() == pytest.approx(expected[what], rel=rtol)


def same_figures(found, expected, rtol):
    for key, value in expected.items():
        if key == "ontime":  # the files hold no good time intervals, which the reference takes for zero in the sum
            assert np.isnan(found[key])
        elif isinstance(value, dict):
            assert found[key].to_value(value["unit"]) == pytest.approx(value["value"], rel=rtol)
        elif isinstance(value, str | int):
            assert found[key] == value
        else:
            assert found[key] == pytest.approx(np.nan if value is None else value, nan_ok=True, rel=rtol)


def fitted(numbers, key, model):
    """The source model with the parameters of a fit."""
    values = {par["name"]: f"{par['value']} {par['unit']}" for par in numbers[key]["parameters"]}
    return SkyModel(model(**values), name="crab")


def test_contents(datasets, numbers):
    for ds, expected in zip(datasets, numbers["datasets"], strict=True):
        ds.gp.validate()
        for key in PARTS:
            same_array(getattr(ds.gp, key, ds.get(key)), expected[key], 1e-12)
        for key, values in (("counts", "counts_values"), ("counts_off", "counts_off"), ("acceptance", "acceptance")):
            np.testing.assert_array_equal(ds[key], expected[values], err_msg=key)
        np.testing.assert_array_equal(ds["mask_safe"], expected["mask_safe_values"])
        np.testing.assert_allclose(ds["acceptance_off"], expected["acceptance_off"], rtol=1e-12)
        np.testing.assert_allclose(ds.gp.alpha, expected["alpha"], rtol=1e-12)
        np.testing.assert_allclose(ds["exposure"], expected["exposure_values"], rtol=1e-12)
        np.testing.assert_allclose(ds["edisp"].sum("energy"), expected["edisp_row_sums"], rtol=1e-6)
        same_figures(ds.gp.info(), expected["info"], 1e-12)


def test_sum(stacked, numbers):
    expected = numbers["stacked"]
    for key in PARTS:
        # The reference adds in single precision, and turns the exposure into m2 s.
        same_array(getattr(stacked.gp, key, stacked.get(key)), expected[key], 1e-6)
    assert float(stacked["counts_off"].sum()) == expected["counts_off_sum"]
    assert float(stacked["acceptance"].sum()) == expected["acceptance_sum"]
    assert float(stacked["acceptance_off"].sum()) == pytest.approx(expected["acceptance_off_sum"], rel=1e-7)
    np.testing.assert_allclose(stacked.gp.alpha, expected["alpha"], rtol=1e-6)
    same_figures(stacked.gp.info(), expected["info"], 2e-7)


def test_printout_of_the_sum(stacked, numbers):
    text = numbers["stacked"]["str"].replace("counts_off", "off counts").replace("nan", "0.00")
    theirs = dict(map(str.strip, line.split(":", 1)) for line in text.splitlines() if ":" in line)
    ours = dict(map(str.strip, line.split(":", 1)) for line in stacked.gp.summary().splitlines() if ":" in line)
    assert stacked["exposure"].attrs["units"] == "cm2 s"
    for label in ("Exposure min", "Exposure max"):
        assert float(ours.pop(label).split()[0]) / 1e4 == pytest.approx(float(theirs.pop(label).split()[0]), rel=5e-3)
    assert {label: ours[label].replace("nan", "0.00") for label in theirs} == theirs


def test_statistics_and_predictions_at_the_start(datasets, numbers):
    models = [SkyModel(PowerLawSpectralModel(index=2, amplitude="1e-11 cm-2 s-1 TeV-1"), name="crab")]
    for ds, signal, stat in zip(datasets, numbers["npred_signal_start"], numbers["stat_sum_start"], strict=True):
        np.testing.assert_allclose(ds.gp.npred_signal(models), signal, rtol=5e-3, atol=1e-12)
        assert float(ds.gp.stat_sum(models)) == pytest.approx(stat, rel=1e-9)
    assert float(datasets.stat_sum(models)) == pytest.approx(sum(numbers["stat_sum_start"]), rel=1e-9)


def test_energy_ranges(datasets, numbers):
    for key, part in (
        ("energy_ranges_1_10TeV", datasets.slice_by_energy("1 TeV", "10 TeV")),
        ("energy_ranges", datasets),
    ):
        table = part.energy_ranges
        assert table.attrs["units"] == {"energy_min": "keV", "energy_max": "keV"}
        np.testing.assert_allclose(table[["energy_min", "energy_max"]].to_numpy().T / 1e9, numbers[key], rtol=1e-12)


def test_info_table(datasets, numbers):
    """The table was made with the fitted log-parabola."""
    table = datasets.info_table(fitted(numbers, "fit_joint_lp", LogParabolaSpectralModel))
    for (_, row), expected in zip(table.iterrows(), numbers["info_table"], strict=True):
        npred = expected.pop("npred")
        assert row["npred"] == pytest.approx(npred, rel=5e-3)
        same_figures(row, expected, 1e-12)


def test_the_statistics_of_the_fits(datasets, stacked, numbers):
    """At the fitted parameters the statistic is that of the reference, to the accuracy of its predictions."""
    for key, model in MODELS.items():
        assert float(datasets.stat_sum(fitted(numbers, key, model))) == pytest.approx(
            numbers[key]["total_stat"], abs=0.01
        )
    found = float(stacked.gp.stat_sum(fitted(numbers, "fit_stacked_pl", PowerLawSpectralModel)))
    assert found == pytest.approx(numbers["fit_stacked_pl"]["total_stat"], abs=0.01)


def test_every_key_is_used(numbers):
    fits = {key for key in numbers if key.startswith("fit_")}
    used = {"made_with", "files", "datasets", "stacked", "energy_ranges", "energy_ranges_1_10TeV", "stat_sum_start"}
    assert numbers.keys() == fits | used | {"npred_signal_start", "info_table"}
