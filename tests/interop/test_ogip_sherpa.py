"""What sherpa reads in the OGIP files that xgamma writes: the same counts, responses, predictions and statistic."""

import json
import os
import subprocess
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest

import xgamma as xg
from tests.spectra import spectrum
from xgamma.models import PowerLawSpectralModel, SkyModel

pytestmark = pytest.mark.interop

KINDS = ["made", "H.E.S.S."]


@pytest.fixture(scope="module")
def read(gammapy_data, tmp_path_factory):
    """Each spectrum, and what sherpa tells of its files."""
    python = os.environ.get("XGAMMA_SHERPA_PYTHON")
    if not python:
        pytest.skip("needs sherpa: set XGAMMA_SHERPA_PYTHON to a Python that has it")
    made = [spectrum(), xg.open_dataset(gammapy_data / "joint-crab/spectra/hess/pha_obs23523.fits")]
    folder = tmp_path_factory.mktemp("ogip")
    paths = [ds.gp.to_ogip(folder / f"{i}")[0] for i, ds in enumerate(made)]
    script = Path(__file__).with_name("ogip_sherpa.py")
    done = subprocess.run([python, script, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Its log goes to the same place.
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {kind: (ds, part) for kind, ds, part in zip(KINDS, made, told, strict=True)}


@pytest.mark.parametrize("kind", KINDS)
def test_counts_scales_and_quality(read, kind):
    ds, told = read[kind]
    safe = ds["mask_safe"].values
    for side, counts, scale in (("on", "counts", "acceptance"), ("off", "counts_off", "acceptance_off")):
        part = told[side]
        np.testing.assert_array_equal(part["counts"], ds[counts])
        np.testing.assert_allclose(part["backscal"], ds[scale], rtol=1e-15)
        assert part["exposure"] == pytest.approx(float(ds["livetime"]), rel=1e-15)
        assert set(part["areascal"]) == {1}
        np.testing.assert_array_equal(np.equal(part["quality"], 0), safe)
        assert part["grouping"] is None, "nothing is grouped"
    np.testing.assert_allclose(np.where(safe, told["background"], 0), np.where(safe, ds.gp.background, 0), rtol=1e-14)
    np.testing.assert_array_equal(np.array(told["noticed"], dtype=bool), safe)


@pytest.mark.parametrize("kind", KINDS)
def test_responses(read, kind):
    ds, told = read[kind]
    for key, axis, where in (("arf", "energy_true", "energy"), ("rmf", "energy_true", "energy"), ("rmf", "energy", "")):
        edges = [
            (ds[f"{axis}_{end}"].values * u.Unit(ds[axis].attrs["units"])).to_value("keV") for end in ("min", "max")
        ]
        np.testing.assert_allclose(told[key][where or "channels"], edges, rtol=1e-14)
    area = ds["exposure"].gp.to_unit("cm2 s") / float(ds["livetime"])
    np.testing.assert_allclose(told["arf"]["area"], area, rtol=1e-14)
    # Matrices are folded as they are: the file holds them in the precision of the dataset.
    np.testing.assert_allclose(told["rmf"]["matrix"], ds.gp.edisp.kernel().values, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_prediction_and_statistic(read, kind):
    ds, told = read[kind]
    source = SkyModel(PowerLawSpectralModel(index=2.3, amplitude="1e-18 cm-2 s-1 keV-1", reference="1e9 keV"), name="s")
    # Both integrate a power law exactly.
    np.testing.assert_allclose(told["model"], ds.gp.npred_signal([source]), rtol=1e-6, atol=1e-9)
    assert told["wstat"] == pytest.approx(float(ds.gp.stat_sum([source])), rel=1e-6)
