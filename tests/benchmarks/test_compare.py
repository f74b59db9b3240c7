"""The cases of the comparison, small, so that they keep running; with gammapy where its interpreter is named."""

import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_xgamma_does_the_work(config):
    lines = [config, *([name, 0] for name in QUICK)]
    script = Path(compare.__file__).with_name("work_xgamma.py")
    done = subprocess.run(
        [sys.executable, str(script)], input="\n".join(map(json.dumps, lines)), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(QUICK)
    assert found[0]["check"] == [104317]
    assert all(one["seconds"] > 0 for one in found)


@pytest.mark.interop
@pytest.mark.parametrize("name", ["npred, one point source, cold", "resample_energy_axis", "survey, cold"])
def test_gammapy_does_the_same(config, name):
    python = os.environ.get("XGAMMA_GAMMAPY_PYTHON")
    if not python:
        pytest.skip("XGAMMA_GAMMAPY_PYTHON names no interpreter")
    times, peak, _ = compare.run_case(name, {"xgamma": sys.executable, "gammapy": python}, config, 1)
    assert compare.report(name, times, peak).startswith(f"| {name} |")


def test_different_results_are_told():
    with pytest.raises(RuntimeError, match="read: xgamma finds 1.0, gammapy 2.0"):
        compare.agree("read", 1.0, 2.0)
