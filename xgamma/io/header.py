"""What an archive says about itself: its kind, version and the checksums of its metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from xgamma.io.errors import FileFormatError
from xgamma.schema import FORMAT, FORMAT_VERSION

__all__ = ["CHECKSUMS", "MEMBERS", "check_checksums", "check_format", "checksums"]

CHECKSUMS = "xgamma_checksums"
"""The attr that holds the checksum of each variable's metadata, and under an empty name that of the attrs."""

MEMBERS = "xgamma_members"
"""The attr of an archive with several datasets that tells which there are, as JSON text."""

_WAY_OUT = "if it was changed on purpose, open it with xgamma.io.archive.open_archive(path, verify=False)"


def checksums(description: Mapping[str, Any]) -> str:
    """Return the checksums of what describes the parts of an archive.

    Parameters
    ----------
    description : mapping of str to JSON values
        For each variable its dims, shape, type, attrs and the like.

    Returns
    -------
    str
        JSON text: a checksum for each part.
    """
    return json.dumps({name: _digest(part) for name, part in sorted(description.items())})


def _digest(part: object) -> str:
    text = json.dumps(part, sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def check_checksums(path: str, attrs: Mapping[Any, Any], description: Mapping[str, Any]) -> None:
    """Compare the checksums of an archive with what it holds. Variables that were added later are let through.

    Parameters
    ----------
    path : str
        The file, for the errors.
    attrs : mapping
        The attrs of the file.
    description : mapping
        As for `checksums`.

    Raises
    ------
    FileFormatError
        A part is missing or is not what was written.
    """
    try:
        expected = json.loads(attrs[CHECKSUMS])
        parts = dict(expected.items())
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FileFormatError(path, f"attribute {CHECKSUMS!r}", f"is missing or damaged; {_WAY_OUT}") from None
    for name, digest in parts.items():
        part = f"variable {name!r}" if name else "the attributes of the file"
        if name not in description:
            raise FileFormatError(path, part, f"is missing; {_WAY_OUT}")
        if _digest(description[name]) != digest:
            raise FileFormatError(path, part, f"differs from what was written, by damage or an edit; {_WAY_OUT}")


def check_format(path: str, attrs: Mapping[Any, Any], many: bool = False) -> None:
    """Check that a file is an archive of a version that this package knows.

    Parameters
    ----------
    path : str
        The file, for the errors.
    attrs : mapping
        The attrs of the file.
    many : bool
        Whether it should hold several datasets, or one.

    Raises
    ------
    FileFormatError
        It is not.
    """
    if attrs.get("format") != FORMAT:
        raise FileFormatError(
            path,
            "attribute 'format'",
            f"is {attrs.get('format')!r} in place of {FORMAT!r}, so that this is no archive of xgamma: "
            "open it with xarray.open_dataset, and give it the names, dims and units of xgamma.schema",
        )
    version = attrs.get("format_version")
    known = FORMAT_VERSION.partition(".")[0]
    if not isinstance(version, str) or not version.partition(".")[0].isdecimal():
        raise FileFormatError(path, "attribute 'format_version'", f"is {version!r}, which is no version")
    if int(version.partition(".")[0]) > int(known):
        raise FileFormatError(
            path,
            "attribute 'format_version'",
            f"is {version}, newer than {FORMAT_VERSION}, which this version of xgamma reads: install a newer xgamma",
        )
    if many != (MEMBERS in attrs):
        raise FileFormatError(
            path,
            "",
            "holds one dataset, not several: open it with xgamma.open_dataset"
            if many
            else "holds several datasets: open it with xgamma.Datasets.read",
        )
