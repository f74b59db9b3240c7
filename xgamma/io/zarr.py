"""Zarr archives (version 3 of the format)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from xgamma.atomic import local_path, write_beside
from xgamma.io.errors import FileFormatError
from xgamma.io.header import CHECKSUMS, check_checksums, check_format, checksums
from xgamma.io.layout import chunk_shapes, pack

__all__ = [
    "MARKER",
    "describe",
    "open_zarr",
    "open_zarr_groups",
    "read_root",
    "refuse_incomplete",
    "seal",
    "storable",
    "write_zarr",
    "write_zarr_groups",
]

MARKER = ".incomplete-"
"""How the names of empty groups begin that stand in a store while something is appended or written into it."""

# What decides how bytes are read. The rest may differ between versions of zarr.
_METADATA = (
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "dimension_names",
    "attributes",
)


def write_zarr(
    ds: xr.Dataset,
    path: str | os.PathLike[str],
    overwrite: bool = False,
    append_dim: str | None = None,
    region: Mapping[str, slice] | Literal["auto"] | None = None,
    lonlat: bool = True,
) -> None:
    """Write a dataset to a Zarr store, whole: `open_archive` gives back an identical one.

    Lazy data are computed and written chunk by chunk, on whatever scheduler dask is set to. A new store is written
    beside its target and renamed when it is complete. A store that something is appended to or written into is marked
    until that is done, and cannot be opened meanwhile. Data are compressed and carry checksums.

    Parameters
    ----------
    ds : Dataset
        Any dataset that fits the schema. Variables that the schema does not know are kept.
    path : path-like or str
        The folder of the store. The one above exists.
    overwrite : bool
        Whether a store that exists is replaced, once the new one is complete.
    append_dim : str, optional
        Lengthen a store that exists along this dim. Variables with this dim are appended; the others and the attrs
        stay. If it fails, the store is cut back to what it was.
    region : mapping of str to slice, or "auto", optional
        Write into a part of a store that exists: positions along dims, or with "auto" the part that has the labels
        of the dataset. The dataset may hold fewer variables than the store. Processes may write at the same time
        into parts that share no chunk.
    lonlat : bool
        Whether longitudes and latitudes of the pixels are stored, for readers that do not know the WCS.

    Raises
    ------
    FileExistsError, FileNotFoundError
        The store exists and none of `overwrite`, `append_dim` and `region` is set, or it does not exist and has to.
    ValueError
        The dataset does not fit the schema or the store, or holds what Zarr cannot; the variable is named.
    """
    if append_dim is not None or region is not None:
        from xgamma.io import update

        if overwrite or (append_dim is not None and region is not None):
            raise ValueError("give only one of overwrite, append_dim and region")
        if append_dim is not None:
            update.append(ds, path, append_dim)
        elif region is not None:
            update.write_region(ds, path, region)
        return
    plain = storable(pack(ds, lonlat=lonlat))
    target = _target(path, overwrite)
    with write_beside(target, overwrite=overwrite, directory=True) as beside:
        plain.to_zarr(
            beside,
            mode="w-",
            zarr_format=3,
            consolidated=False,
            encoding=_encoding(plain),
            align_chunks=True,
            # A chunk of zeros is stored as well, so that a chunk which got lost is missed.
            write_empty_chunks=True,
        )
        seal(beside)


def write_zarr_groups(
    groups: Mapping[str, xr.Dataset],
    path: str | os.PathLike[str],
    attrs: Mapping[str, str],
    overwrite: bool = False,
    lonlat: bool = True,
) -> None:
    """Write datasets to one Zarr store, a group each, which are stores of their own as well.

    Parameters
    ----------
    groups : mapping of str to Dataset
        Names of groups, and what `write_zarr` could write.
    path, overwrite, lonlat
        As for `write_zarr`.
    attrs : mapping of str to str
        Attrs of the store, as `xgamma.io.header.check_format` wants them.

    Raises
    ------
    FileExistsError, FileNotFoundError, ValueError
        As for `write_zarr`.
    """
    with write_beside(_target(path, overwrite), overwrite=overwrite, directory=True) as beside:
        beside.mkdir()
        documents: dict[str, Any] = {}
        for name, ds in groups.items():
            write_zarr(ds, beside / name, lonlat=lonlat)
            group = read_root(str(beside / name))
            arrays = group.pop("consolidated_metadata")["metadata"]
            documents |= {name: group, **{f"{name}/{array}": document for array, document in arrays.items()}}
        root = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": {**attrs, CHECKSUMS: checksums({"": dict(attrs)})},
            # With this, whoever opens it as a DataTree needs not look into every folder.
            "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": documents},
        }
        (beside / "zarr.json").write_text(json.dumps(root), encoding="utf-8")


def _target(path: str | os.PathLike[str], overwrite: bool) -> Path:
    target = local_path(path)
    if overwrite and target.is_dir() and any(target.iterdir()) and not _is_store(target):
        raise FileExistsError(f"{target} is a folder, but no Zarr store, and will not be replaced: remove it yourself")
    return target


def storable(plain: xr.Dataset) -> xr.Dataset:
    """Return a packed dataset with text of variable length, since version 3 of Zarr defines no other.

    Parameters
    ----------
    plain : Dataset
        As `xgamma.io.layout.pack` made it.
    """
    text = {name: variable for name, variable in plain.variables.items() if variable.dtype.kind == "U"}
    return plain.assign({name: variable.astype(np.dtypes.StringDType()) for name, variable in text.items()})


def _is_store(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def _encoding(ds: xr.Dataset) -> dict[str, dict[str, Any]]:
    from zarr.codecs import BloscCodec, Crc32cCodec

    shapes = chunk_shapes(ds)
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in ds.variables.items():
        options = encoding[str(name)] = {}
        if name in shapes:
            options["chunks"] = shapes[str(name)]
        if variable.dtype.kind in "biufc":
            shuffle: Literal["bitshuffle", "shuffle"] = "bitshuffle" if variable.dtype.kind == "b" else "shuffle"
            options["compressors"] = (BloscCodec(cname="zstd", clevel=5, shuffle=shuffle), Crc32cCodec())
            options["_FillValue"] = None
    return encoding


def seal(path: Path) -> None:
    """Bring the metadata of all arrays into that of the store, with checksums, in one step.

    Parameters
    ----------
    path : Path
        The folder of a store.
    """
    root = read_root(str(path))
    names = [folder.parent.name for folder in path.glob("*/zarr.json") if not folder.parent.name.startswith(MARKER)]
    arrays = {name: _array_document(path, name) for name in sorted(names)}
    root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": arrays}
    root["attributes"][CHECKSUMS] = checksums(describe(root))
    beside = path / ".zarr.json.new"
    beside.write_text(json.dumps(root, indent=2), encoding="utf-8")
    os.replace(beside, path / "zarr.json")


def _array_document(path: Path, name: str) -> Any:
    return json.loads((path / name / "zarr.json").read_text(encoding="utf-8"))


def describe(root: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the metadata of a store say about its parts.

    Parameters
    ----------
    root : mapping
        The metadata of the store.

    Returns
    -------
    dict
        For `xgamma.io.header.checksums`.
    """
    arrays = root["consolidated_metadata"]["metadata"]
    description = {name: {key: array.get(key) for key in _METADATA} for name, array in arrays.items()}
    description[""] = {key: value for key, value in root["attributes"].items() if key != CHECKSUMS}
    return description


def open_zarr(path: str, verify: bool) -> xr.Dataset:
    """Open the plain, raw variables of a store.

    Parameters
    ----------
    path : str
        The folder of the store, or its URL.
    verify : bool
        Whether the store is checked to be complete, and its metadata compared with their checksums.

    Returns
    -------
    Dataset
        Lazy, neither decoded nor indexed.

    Raises
    ------
    FileFormatError
        It is no archive of this package, too new, incomplete or damaged.
    """
    if verify and "://" not in path:
        refuse_incomplete(Path(path))
    root = read_root(path)
    check_format(path, root["attributes"])
    consolidated = isinstance(root.get("consolidated_metadata"), dict)
    if verify:
        if not consolidated:
            raise FileFormatError(
                path,
                "zarr.json",
                "lacks the metadata of the arrays, because it is damaged or was edited by another program: "
                "run zarr.consolidate_metadata on it and open it with verify=False",
            )
        check_checksums(path, root["attributes"], describe(root))
        if "://" not in path:
            _check_chunks(path, json.loads(root["attributes"][CHECKSUMS]))
    return xr.open_dataset(
        path,
        engine="zarr",
        chunks=None,
        cache=False,
        decode_cf=False,
        create_default_indexes=False,
        consolidated=consolidated,
        zarr_format=3,
    )


def open_zarr_groups(path: str, verify: bool = True) -> tuple[dict[str, Any], list[str]]:
    """Open a store with many datasets.

    Parameters
    ----------
    path : str
        The folder of the store.
    verify : bool
        As for `open_zarr`.

    Returns
    -------
    attrs : dict
        Attrs of the store.
    names : list of str
        The groups, each a store below the folder that `xgamma.io.archive.open_archive` opens.

    Raises
    ------
    FileFormatError
        It is no such store, too new, or damaged.
    """
    attrs = read_root(path)["attributes"]
    check_format(path, attrs, many=True)
    if verify:
        check_checksums(path, attrs, {"": {key: value for key, value in attrs.items() if key != CHECKSUMS}})
    return attrs, sorted(folder.parent.name for folder in Path(path).glob("*/zarr.json"))


def refuse_incomplete(path: Path) -> None:
    """Raise if something is being written into a store, or was not written to its end.

    Parameters
    ----------
    path : Path
        The folder of the store.

    Raises
    ------
    FileFormatError
        A write is under way or was broken off.
    """
    for marker in sorted(path.glob(f"{MARKER}*")):
        try:
            document = json.loads((marker / "zarr.json").read_text(encoding="utf-8"))
            what = str(document["attributes"]["xgamma_incomplete"])
        except (OSError, ValueError, KeyError, TypeError):
            what = "a write"
        raise FileFormatError(
            str(path),
            "",
            f"{what} is under way or was broken off. Wait, or if no process is writing: after an append call "
            "xgamma.io.update.restore_zarr, otherwise repeat the same write_zarr. "
            f"To see what there is, open it with xgamma.io.archive.open_archive(path, verify=False). ({marker.name})",
        )


def read_root(path: str) -> dict[str, Any]:
    """Return the metadata of a store.

    Parameters
    ----------
    path : str
        The folder of the store, or its URL.

    Raises
    ------
    FileFormatError
        They are missing or damaged, or those of another version of Zarr.
    """
    if "://" in path:
        import fsspec  # type: ignore[import-untyped]

        with fsspec.open(f"{path.rstrip('/')}/zarr.json") as stream:
            data = stream.read()
    else:
        try:
            data = (Path(path) / "zarr.json").read_bytes()
        except FileNotFoundError:
            problem = "is missing; stores of version 2 of Zarr are opened with xarray.open_zarr"
            raise FileFormatError(path, "zarr.json", problem) from None
    try:
        root = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(path, "zarr.json", f"is damaged: {error}") from error
    if not isinstance(root, dict) or root.get("node_type") != "group" or not isinstance(root.get("attributes"), dict):
        raise FileFormatError(path, "zarr.json", "does not describe a group of arrays with attributes")
    return root


def _check_chunks(path: str, names: Mapping[str, str]) -> None:
    """Raise if a chunk is missing, which zarr would silently take for one of zeros."""
    import zarr

    group = zarr.open_group(path, mode="r", zarr_format=3, use_consolidated=True)
    for name in filter(None, names):
        array = group[name]
        if not isinstance(array, zarr.Array):
            raise FileFormatError(path, f"variable {name!r}", "is no array")
        missing = array.nchunks - array.nchunks_initialized
        if missing:
            raise FileFormatError(path, f"variable {name!r}", f"{missing} of its {array.nchunks} chunks are missing")
