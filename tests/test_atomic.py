"""Writing beside and renaming."""

import errno
import os
import pickle
import threading
import time

import pytest

from xgamma.atomic import local_path, write_beside
from xgamma.io.errors import FileFormatError


def _names(folder):
    return sorted(item.name for item in folder.iterdir())


def test_a_new_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "map.fits.gz"
    with write_beside(target) as beside:
        beside.write_text("half")
        assert beside.parent == tmp_path and beside.name.endswith("map.fits.gz")
        assert not target.exists()
        beside.write_text("whole")
    assert _names(tmp_path) == ["map.fits.gz"] and target.read_text() == "whole"


def test_an_exception_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), write_beside(tmp_path / "map.nc") as beside:
        beside.write_text("half")
        raise KeyboardInterrupt
    assert _names(tmp_path) == []


def test_an_exception_leaves_the_old_file(tmp_path):
    target = tmp_path / "map.nc"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), write_beside(target, overwrite=True) as beside:
        beside.write_text("half")
        assert target.read_text() == "old"
        raise ZeroDivisionError
    assert _names(tmp_path) == ["map.nc"] and target.read_text() == "old"


def test_nothing_is_overwritten_unless_asked(tmp_path):
    target = tmp_path / "map.nc"
    target.write_text("old")
    with pytest.raises(FileExistsError, match="overwrite=True"), write_beside(target) as beside:
        beside.write_text("new")
    assert target.read_text() == "old"
    with write_beside(target, overwrite=True) as beside:
        beside.write_text("new")
    assert _names(tmp_path) == ["map.nc"] and target.read_text() == "new"


def test_a_target_made_meanwhile_is_kept(tmp_path):
    target = tmp_path / "map.nc"
    with pytest.raises(FileExistsError, match="meanwhile"), write_beside(target) as beside:
        beside.write_text("mine")
        target.write_text("theirs")
    assert _names(tmp_path) == ["map.nc"] and target.read_text() == "theirs"


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    with write_beside(tmp_path / "map.nc") as beside:
        beside.write_text("whole")
    assert _names(tmp_path) == ["map.nc"]


def _store(path, text):
    path.mkdir()
    (path / "zarr.json").write_text(text)


def test_a_folder(tmp_path):
    target = tmp_path / "map.zarr"
    with write_beside(target, directory=True) as beside:
        _store(beside, "first")
    with pytest.raises(FileExistsError, match="overwrite=True"), write_beside(target, directory=True):
        pass
    with write_beside(target, overwrite=True, directory=True) as beside:
        _store(beside, "second")
        assert (target / "zarr.json").read_text() == "first"
    assert _names(tmp_path) == ["map.zarr"] and (target / "zarr.json").read_text() == "second"


def test_a_folder_comes_back_when_the_rename_fails(tmp_path):
    target = tmp_path / "map.zarr"
    _store(target, "old")
    with pytest.raises(FileNotFoundError), write_beside(target, overwrite=True, directory=True):
        pass  # nothing was written beside, so there is nothing to rename
    assert _names(tmp_path) == ["map.zarr"] and (target / "zarr.json").read_text() == "old"


def test_a_folder_does_not_give_way_to_a_file_nor_the_reverse(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="is a folder"), write_beside(tmp_path / "folder", overwrite=True):
        pass
    with (
        pytest.raises(FileExistsError, match="is a file"),
        write_beside(tmp_path / "file", overwrite=True, directory=True),
    ):
        pass
    assert _names(tmp_path) == ["file", "folder"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"), write_beside(tmp_path / "nowhere" / "a.nc"):
        pass


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real.nc").write_text("old")
    (tmp_path / "link.nc").symlink_to(tmp_path / "real.nc")
    with write_beside(tmp_path / "link.nc", overwrite=True) as beside:
        beside.write_text("new")
    assert (tmp_path / "link.nc").is_symlink() and (tmp_path / "real.nc").read_text() == "new"


def test_long_names(tmp_path):
    with write_beside(tmp_path / ("a" * 250 + ".nc")) as beside:
        beside.write_text("whole")
    assert _names(tmp_path) == ["a" * 250 + ".nc"]


@pytest.mark.parametrize("path", ["", "s3://bucket/map.zarr"])
def test_urls_are_refused(path):
    with pytest.raises(ValueError, match="not a local path"):
        local_path(path)


def test_the_error_names_file_and_part_and_survives_pickling():
    error = FileFormatError("map.nc", "counts", "it is missing")
    assert str(error) == str(pickle.loads(pickle.dumps(error))) == "map.nc: counts: it is missing"
    assert str(FileFormatError("map.nc", "", "it is empty")) == "map.nc: it is empty"


def test_threads_that_outlive_a_failed_write_leave_nothing(tmp_path):
    def late(folder):
        time.sleep(0.03)
        (folder / "c").mkdir(parents=True, exist_ok=True)
        (folder / "c" / "0").write_bytes(b"chunk")

    with pytest.raises(ZeroDivisionError), write_beside(tmp_path / "store", directory=True) as beside:
        beside.mkdir()
        thread = threading.Thread(target=late, args=[beside])
        thread.start()
        raise ZeroDivisionError
    thread.join()
    assert list(tmp_path.iterdir()) == []
