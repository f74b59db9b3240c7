"""The cases of the comparison, small, so that they keep running; with gammapy where its interpreter is named."""

import os
import sys

import pytest

from tests.benchmarks import compare

QUICK = [
    "read", "npred, one point source, cold", "statistic, index changed, fit mask",
    "statistic, width changed, safe mask", "downsample", "resample_energy_axis", "to_region_map_dataset",
    "survey, cold",
]  # fmt: skip


@pytest.fixture(scope="module")
def config(gammapy_data):
    return compare.config_of(gammapy_data, quick=True)


@pytest.fixture(scope="module")
def ours(config):
    """One process of xgamma for all."""
    with compare.both({"xgamma": sys.executable}, config) as workers:
        yield workers


def test_xgamma_does_the_work(ours):
    found = [ours["xgamma"].run(name, 0) for name in QUICK]
    assert found[0]["check"] == [104317]
    assert all(one["seconds"] > 0 for one in found)


def test_compilations(config, capsys):
    compare.compilations(sys.executable, config, 2)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.endswith("s |")]
    assert len(rows) == len(compare.COMPILED)


@pytest.mark.interop
def test_gammapy_does_the_same(config, ours):
    python = os.environ.get("XGAMMA_GAMMAPY_PYTHON")
    if not python:
        pytest.skip("XGAMMA_GAMMAPY_PYTHON names no interpreter")
    with compare.both({"gammapy": python}, config) as theirs:
        for name in ("npred, one point source, cold", "resample_energy_axis", "survey, cold"):
            times, peak, check = compare.run_case(name, ours | theirs, 1)
            assert check.keys() == {"xgamma", "gammapy"}
            assert compare.report(name, times, peak).startswith(f"| {name} |")


def test_a_process_that_fails_says_why(ours):
    with pytest.raises(RuntimeError, match="the process that was to do 'nothing' has ended: KeyError: 'nothing'"):
        ours["xgamma"].run("nothing", 0)


def test_different_results_are_told():
    with pytest.raises(RuntimeError, match="read: xgamma finds 1.0, gammapy 2.0"):
        compare.agree("read", 1.0, 2.0)
