"""What the README shows, works."""

import re
import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import xgamma as xg
import xgamma.tutorial

ROOT = Path(__file__).resolve().parents[1]


def blocks(language, page="README.md"):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("code", blocks("python"))
def test_examples_run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    backend = plt.get_backend()
    plt.switch_backend("Agg")
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    plt.close("all")
    plt.switch_backend(backend)
    assert (tmp_path / "part.zarr").is_dir()


def test_the_page_on_models_runs():
    """It is no notebook, unlike other pages."""
    pytest.importorskip("iminuit")
    names = {"ds": xgamma.tutorial.open_dataset("gc"), "xg": xg}
    for code in blocks("python", "docs/models.md"):
        exec(compile(code, "models.md", "exec"), names)
    assert names["again"].equals(names["models"])
    assert names["ds"].gp.models.equals(names["models"])
    assert 0.5 < names["spectrum"].pivot_energy.to_value("TeV") < 20


def test_there_are_two_commands_of_one_line():
    commands = [block.strip() for block in blocks("sh")]
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)
    assert all(command.startswith("python3 -m venv .venv && .venv/bin/pip install ") for command in commands)
    assert commands[0].endswith(".venv/bin/xgamma demo")
    assert commands[1].endswith(".venv/bin/python -m pytest -n 2")


@pytest.mark.parametrize("data", [True, False])
def test_example_script(data, request, tmp_path, monkeypatch, capsys):
    if data:
        monkeypatch.setenv("GAMMAPY_DATA", str(request.getfixturevalue("gammapy_data")))
    else:
        monkeypatch.delenv("GAMMAPY_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["galactic_centre.py", str(tmp_path / "out")])
    runpy.run_path(str(ROOT / "examples" / "galactic_centre.py"), run_name="__main__")
    plt.close("all")
    assert "statistic of the archive" in capsys.readouterr().out
    made = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert made == ["energies.png", "part.zarr", "peek.png", "smooth.png"]
