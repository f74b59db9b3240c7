"""Fixtures that every test may use."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import dask
import pytest
from hypothesis import settings

# Examples are the same in each run, and a busy machine is no failure.
settings.register_profile("xgamma", deadline=None, derandomize=True)
settings.load_profile("xgamma")

_SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(variable, fallback):
    path = Path(os.environ.get(variable, _SHARED / fallback))
    if not path.is_dir():
        pytest.skip(f"needs the files of {variable}: set it to their folder")
    return path


@pytest.fixture(scope="session")
def gammapy_data():
    """Folder with real files, laid out as $GAMMAPY_DATA."""
    return _folder("GAMMAPY_DATA", "gammapy-data")


@pytest.fixture(scope="session")
def reference():
    """Read a file of reference numbers: ``reference("tutorial_cta")``."""
    folder = _folder("XGAMMA_REFERENCE", "reference")
    return lambda name: json.loads((folder / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def cta_path(gammapy_data):
    """Path of the CTA map dataset around the Galactic centre."""
    return gammapy_data / "cta-1dc-gc" / "cta-1dc-gc.fits.gz"


@pytest.fixture(scope="session")
def fermi_path(gammapy_data):
    """Path of the Fermi-LAT map dataset around the Galactic centre."""
    return gammapy_data / "fermi-3fhl-gc" / "fermi-3fhl-gc.fits.gz"


def _refuse(dsk, keys, **kwargs):
    raise AssertionError("a lazy operation computed its input")


@pytest.fixture
def no_compute():
    """Context manager in which anything that computes a dask collection fails."""

    @contextmanager
    def manager():
        with dask.config.set(scheduler=_refuse):
            yield

    return manager


_GAMMAPY = Path(__file__).parent / "interop" / "serve_gammapy.py"


@pytest.fixture(scope="session")
def gammapy():
    """Ask gammapy, in an interpreter that has it, such as ``gammapy("read", "MapDataset", path)``."""
    python = os.environ.get("XGAMMA_GAMMAPY_PYTHON")
    if not python:
        pytest.skip("needs gammapy: set XGAMMA_GAMMAPY_PYTHON to a Python that has it")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([python, _GAMMAPY], **pipes, text=True) as process:

        def ask(*command):
            print(json.dumps(command, default=str), file=process.stdin, flush=True)
            answer = process.stdout.readline()
            assert answer, f"gammapy ended at {command}"
            told = json.loads(answer)
            assert not (isinstance(told, dict) and "error" in told), f"gammapy failed at {command}: {told['error']}"
            return told

        yield ask
        process.stdin.close()
