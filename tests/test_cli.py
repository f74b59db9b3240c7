"""The command, in this process and as a user starts it."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import make_map_dataset
from xgamma import cli
from xgamma.io.fits import write_fits
from xgamma.io.netcdf import write_netcdf
from xgamma.io.open import open_dataset
from xgamma.io.zarr import write_zarr
from xgamma.tutorial import open_dataset as sample

WRITERS = {"a.fits": write_fits, "a.fits.gz": write_fits, "a.nc": write_netcdf, "a.zarr": write_zarr}


@pytest.fixture(scope="module")
def dataset():
    return make_map_dataset(npix=(6, 8), nenergy=2, irf_on_sky=False)


@pytest.mark.parametrize("name", WRITERS)
def test_info(tmp_path, capsys, name):
    dataset = make_map_dataset()
    WRITERS[name](dataset, tmp_path / name)
    assert cli.main(["info", str(tmp_path / name)]) == 0
    out, err = capsys.readouterr()
    assert "Map dataset" in out
    assert f"{int(dataset.counts.values[dataset.mask_safe.values].sum())}" in out
    assert "psf              (energy_true: 6, rad: 20, y_psf: 3, x_psf: 4) float64 sr-1" in out
    assert err == ""


@pytest.mark.parametrize("source", WRITERS)
@pytest.mark.parametrize("target", ["b.fits", "b.nc", "b.zarr"])
def test_convert(tmp_path, capsys, dataset, source, target):
    WRITERS[source](dataset, tmp_path / source)
    assert cli.main(["convert", str(tmp_path / source), str(tmp_path / target)]) == 0
    assert capsys.readouterr() == ("", "")
    with open_dataset(tmp_path / source) as want, open_dataset(tmp_path / target) as got:
        assert got.load().identical(want.load())


def test_convert_to_compressed_fits(tmp_path, dataset):
    write_netcdf(dataset, tmp_path / "a.nc")
    assert cli.main(["convert", str(tmp_path / "a.nc"), str(tmp_path / "b.fits.gz")]) == 0
    assert (tmp_path / "b.fits.gz").read_bytes().startswith(b"\x1f\x8b")
    with open_dataset(tmp_path / "b.fits.gz") as got:
        assert got.load().identical(dataset)


def test_convert_without_what_has_no_place(tmp_path, capsys, dataset):
    """As for the archive of the demo, which holds predicted counts."""
    write_zarr(dataset.assign(npred=dataset.counts * 1.0), tmp_path / "a.zarr")
    command = ["convert", str(tmp_path / "a.zarr"), str(tmp_path / "b.fits")]
    assert cli.main(command) == 2
    assert "npred" in (message := capsys.readouterr().err) and "--drop" in message
    assert cli.main([*command, "--drop", "npred,nothing"]) == 2
    assert "--drop names ['nothing']" in capsys.readouterr().err
    assert cli.main([*command, "--drop", "npred"]) == 0
    with open_dataset(tmp_path / "b.fits") as got:
        assert got.load().identical(dataset)


def test_convert_in_chunks(tmp_path):
    write_fits(make_map_dataset(npix=(128, 96)), tmp_path / "a.fits")
    assert cli.main(["convert", "--chunks", "x=48,y=64", str(tmp_path / "a.fits"), str(tmp_path / "a.zarr")]) == 0
    with open_dataset(tmp_path / "a.zarr", chunks={}) as ds:
        assert ds.counts.chunks == ((4,), (64, 64), (48, 48))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_where_a_person_watches(tmp_path, monkeypatch, dataset):
    write_fits(dataset, tmp_path / "a.fits")
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert cli.main(["convert", str(tmp_path / "a.fits"), str(tmp_path / "a.zarr")]) == 0
    assert "100%" in screen.getvalue()


def test_nothing_is_overwritten_unless_asked(tmp_path, capsys, dataset):
    write_fits(dataset, tmp_path / "a.fits")
    arguments = ["convert", str(tmp_path / "a.fits"), str(tmp_path / "b.zarr")]
    assert cli.main(arguments) == 0
    assert cli.main(arguments) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert cli.main([*arguments, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["info", "missing.fits"], "missing.fits"),
        (["info", "broken.fits"], "broken.fits"),
        (["info", "."], "."),
        (["convert", "missing.fits", "b.zarr"], "missing.fits"),
        (["convert", "a.fits", "b.png"], "names no format"),
        (["convert", "a.fits", "no/such/b.nc"], "no/such"),
        (["convert", "--chunks", "z=5", "a.fits", "b.nc"], "['z']"),
    ],
)
def test_mistakes_are_told_in_a_line(tmp_path, monkeypatch, capsys, dataset, arguments, text):
    monkeypatch.chdir(tmp_path)
    write_fits(dataset, "a.fits")
    Path("broken.fits").write_bytes(b"SIMPLE  = nonsense")
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("xgamma: ")
    assert err.count("\n") == 1
    assert text in err
    assert not any(Path(name).exists() for name in ("b.zarr", "b.nc", "b.png"))


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["convert", "a"], ["convert", "--chunks", "x=0", "a", "b"]])
def test_usage(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "usage: xgamma" in capsys.readouterr().err


def test_demo(tmp_path, capsys):
    folder = tmp_path / "new" / "results"
    # a run replaces the results of an earlier one
    folder.mkdir(parents=True)
    write_zarr(make_map_dataset(npix=(4, 4), irf_on_sky=False), folder / "gc.zarr")
    (folder / "quicklook.png").touch()
    assert cli.main(["demo", "--output", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "Predicted counts" in out
    assert "Fit statistic inside the masks" in out
    assert str(folder) in out
    assert sorted(path.name for path in folder.iterdir()) == ["gc.zarr", "quicklook.png", "summary.txt"]
    assert (folder / "quicklook.png").read_bytes().startswith(b"\x89PNG")
    with open_dataset(folder / "gc.zarr") as ds:
        assert ds.drop_vars("npred").load().identical(sample("gc"))


def test_interrupt(monkeypatch, capsys):
    def stop(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_info", stop)
    assert cli.main(["info", "x"]) == 130
    assert capsys.readouterr().err == "xgamma: interrupted\n"


def test_as_a_process(tmp_path):
    command = [sys.executable, "-m", "xgamma.cli", "info", str(tmp_path / "none.fits")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(cli.__file__).parents[1], check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("xgamma ")
