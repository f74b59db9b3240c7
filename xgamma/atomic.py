"""Write beside the target, then rename: a target is whole, the old one, or not there."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xgamma.paths import expanded

__all__ = ["local_path", "write_beside"]


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return an absolute local path with links, ``~`` and environment variables resolved.

    Parameters
    ----------
    path : path-like or str
        Where to write.

    Raises
    ------
    ValueError
        The path is a URL, or empty.
    """
    text = os.fspath(path)
    if not text or "://" in text:
        raise ValueError(f"{text!r} is not a local path: write to a local file and copy it to where it should go")
    return Path(expanded(text)).resolve()


@contextmanager
def write_beside(path: str | os.PathLike[str], overwrite: bool = False, directory: bool = False) -> Iterator[Path]:
    """Give a path beside the target to write to, and rename it to the target when the block ends well.

    If the block raises, what it wrote is removed and the target stays what it was. A process that is killed leaves a
    hidden ``.incomplete-*`` neighbour and the target as it was.

    Parameters
    ----------
    path : path-like or str
        The target. Its folder must exist.
    overwrite : bool
        Whether a target that exists may be replaced. It is kept until the new one is complete.
    directory : bool
        Whether the target is a folder that the block creates, in place of a file.

    Yields
    ------
    Path
        Where to write: in the same folder, with a name that ends as the target's does.

    Raises
    ------
    FileExistsError
        The target exists and `overwrite` is not set, or it is a folder where a file should be or the reverse.
    FileNotFoundError
        The folder of the target does not exist.
    """
    target = local_path(path)
    _check_target(target, overwrite, directory)
    # The end of the name is kept since writers choose compression by it; its start may not outgrow 255 bytes.
    beside = target.with_name(f".incomplete-{secrets.token_hex(4)}-{target.name[-128:]}")
    try:
        yield beside
        if directory:
            _publish_folder(beside, target, overwrite)
        else:
            _publish_file(beside, target, overwrite)
    except BaseException:
        _remove_for_good(beside)
        raise
    finally:
        _remove(beside)


def _check_target(target: Path, overwrite: bool, directory: bool) -> None:
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: the folder {target.parent} does not exist, create it first")
    if not target.exists():
        return
    if target.is_dir() != directory:
        kind, wanted = ("a folder", "a file") if target.is_dir() else ("a file", "a folder")
        raise FileExistsError(f"{target} is {kind} where {wanted} should be written: choose another name or remove it")
    if not overwrite:
        raise FileExistsError(f"{target} exists already: choose another name or pass overwrite=True")


def _publish_file(beside: Path, target: Path, overwrite: bool) -> None:
    # Data reach the disk before the name does; otherwise a power cut could leave an empty file under the final name.
    with beside.open("rb+") as stream:
        os.fsync(stream.fileno())
    if overwrite:
        os.replace(beside, target)
        return
    try:
        os.link(beside, target)  # unlike a rename, a link refuses a target that somebody else made meanwhile
    except FileExistsError:
        raise FileExistsError(f"{target} was created by somebody else meanwhile: choose another name") from None
    except OSError:  # a file system without links
        _check_target(target, overwrite, directory=False)
        os.rename(beside, target)


def _publish_folder(beside: Path, target: Path, overwrite: bool) -> None:
    if not target.exists():
        os.rename(beside, target)
        return
    _check_target(target, overwrite, directory=True)
    old = target.with_name(f".replaced-{secrets.token_hex(4)}-{target.name[-128:]}")
    os.rename(target, old)
    try:
        os.rename(beside, target)
    except BaseException:
        os.rename(old, target)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _remove_for_good(path: Path) -> None:
    """Remove what threads that outlive a failed write may make anew: they finish the chunk that they are at."""
    for pause in (0.05, 0.1, 0.2, 0.4, 0.8):
        _remove(path)
        time.sleep(pause)
        if not path.exists():
            return
