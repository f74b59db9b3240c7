"""The sample that needs no file."""

import time

import numpy as np
import pytest

from xgamma.models import Models
from xgamma.predict import npred
from xgamma.schema import VARIABLES
from xgamma.tutorial import SAMPLES, open_dataset
from xgamma.validate import validate


@pytest.fixture(scope="module")
def sample():
    return open_dataset("gc")


def test_is_complete(sample):
    assert sample.counts.shape == (8, 50, 60)
    assert set(sample.data_vars) == {
        "counts",
        "background",
        "exposure",
        "psf",
        "psf_exposure",
        "edisp",
        "edisp_exposure",
        "mask_safe",
        "gti_start",
        "gti_stop",
        "livetime",
    }
    validate(sample)
    assert sample.attrs["name"] == "gc"
    assert Models.from_yaml(sample.attrs["models"]).names == ["gc", "shock", "gc-bkg"]
    for name in sample.data_vars:
        assert sample[name].attrs.get("units") == (None if VARIABLES[name].dtype == "b" else VARIABLES[name].unit)


def test_is_the_same_at_every_call(sample):
    start = time.perf_counter()
    again = open_dataset("gc")
    assert time.perf_counter() - start < 2
    assert again.identical(sample)


def test_counts_are_poisson_about_the_prediction(sample):
    expected = npred(sample)
    pull = (sample.counts - expected) / np.sqrt(expected)
    assert float(pull.mean()) == pytest.approx(0, abs=5 / np.sqrt(pull.size))
    assert float((pull**2).mean()) == pytest.approx(1, abs=0.15)
    assert np.array_equal(sample.counts, np.round(sample.counts))
    assert float(sample.counts.sum() - sample.background.sum()) > 1500


def test_responses_are_normalised(sample):
    ring = 2 * np.pi * (np.cos(np.radians(sample.rad_min)) - np.cos(np.radians(sample.rad_max)))
    np.testing.assert_allclose((sample.psf.variable * ring.variable).sum("rad"), 1)
    kept = sample.edisp.variable.sum("energy")
    inside = (sample.energy_true > 0.7) & (sample.energy_true < 15)
    np.testing.assert_allclose(kept[inside.values], 1, atol=0.01)
    assert float(kept.max()) <= 1 + 1e-12


def test_chunks(sample, no_compute):
    lazy = open_dataset("gc", chunks={"x": 20})
    assert lazy.counts.chunks[2] == (20, 20, 20)
    assert lazy.compute().identical(sample)


def test_unknown_sample():
    assert list(SAMPLES) == ["gc"]
    with pytest.raises(ValueError, match="no sample 'vela'"):
        open_dataset("vela")
