"""How key figures and maps are compared with files of reference numbers."""

import astropy.units as u
import numpy as np
import pytest


def compare_info(got, want, rtol=1e-5):
    """Compare two of `xgamma.summary.info`; gammapy's sums are in single precision."""
    assert got.keys() == want.keys()
    for key, value in want.items():
        if isinstance(value, dict):
            assert isinstance(got[key], u.Quantity)
            if value["value"] is None:
                assert np.isnan(got[key])
            else:
                assert got[key].to_value(value["unit"].replace(" / ", "/")) == pytest.approx(value["value"], rel=rtol)
        elif value is None:
            assert np.isnan(got[key])
        elif isinstance(value, float):
            assert got[key] == pytest.approx(value, rel=rtol)
        else:
            assert got[key] == value
            assert type(got[key]) is type(value)


def compare_maps(ds, want, rtol=0):
    """Compare each map of a step: bins, shape, unit, extremes; masks and counts exactly, sums to rounding noise.

    Extremes of other maps are compared to `rtol`.
    """
    for name, truth in want.items():
        if not isinstance(truth, dict) or "shape" not in truth:
            continue
        data = ds[name].transpose(..., "y", "x")
        assert list(data.shape) == truth["shape"], name
        per_energy = data.astype(float).sum(["y", "x"]).values
        for axis, bins in truth["axes"].items():
            assert ds[axis].attrs["units"] == bins["unit"]
            np.testing.assert_allclose([*ds[f"{axis}_min"], ds[f"{axis}_max"][-1]], bins["edges"], rtol=1e-6)
        if data.dtype == bool:
            assert per_energy.tolist() == truth["per_energy"] and int(data.sum()) == truth["n_true"], name
            continue
        assert data.attrs["units"] == truth["unit"]
        extremes = (float(data.min()), float(data.max()))
        within = 0 if name == "counts" else rtol
        np.testing.assert_allclose(extremes, (truth["min"], truth["max"]), rtol=within, err_msg=name)
        np.testing.assert_allclose(per_energy, truth["per_energy"], rtol=0 if name == "counts" else 1e-6)
        assert per_energy.sum() == pytest.approx(truth["sum"], rel=1e-6), name
