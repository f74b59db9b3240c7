"""Foreign, broken and mutated archives: a clear error, or the right dataset."""

import json
import random
import shutil

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.builders import make_map_dataset
from xgamma.io.archive import open_archive
from xgamma.io.errors import FileFormatError
from xgamma.io.netcdf import write_netcdf
from xgamma.io.zarr import write_zarr

WRITERS = {"nc": write_netcdf, "zarr": write_zarr}


@pytest.fixture(scope="module")
def ds():
    return make_map_dataset(npix=(6, 8), nenergy=2, ntrue=2, nrad=3, irf_on_sky=False).assign_attrs(
        models="components:\n- name: source\n", history="create"
    )


@pytest.fixture(scope="module", params=WRITERS)
def archive(request, ds, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / f"whole.{request.param}"
    WRITERS[request.param](ds, path)
    return path


def copy(archive, folder):
    target = folder / archive.name
    (shutil.copytree if archive.is_dir() else shutil.copy)(archive, target)
    return target


def set_attrs(path, **attrs):
    if path.is_dir():
        document = json.loads((path / "zarr.json").read_text())
        document["attributes"] |= attrs
        (path / "zarr.json").write_text(json.dumps(document))
    else:
        with netCDF4.Dataset(path, "a") as file:
            file.setncatts(attrs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.touch(), "is empty"),
        (lambda p: p.mkdir(), "is a folder without a zarr.json"),
        (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)), "neither NetCDF nor Zarr.*PNG"),
        (lambda p: p.write_bytes(b"SIMPLE  =                    T" + bytes(2850)), "FITS"),
        (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)), "cannot be read"),
        (lambda p: p.write_bytes(b"CDF\x01"), "cannot be read"),
        (lambda p: xr.Dataset({"a": 1}).to_netcdf(p), "attribute 'format': is None in place of 'xgamma'.*xarray.open"),
        (lambda p: xr.Dataset({"a": 1}).to_zarr(p, zarr_format=3, consolidated=False), "attribute 'format': is None"),
        (lambda p: xr.Dataset({"a": 1}).to_zarr(p, zarr_format=2), "zarr.json: is missing; stores of version 2"),
        (lambda p: (p.mkdir(), (p / "zarr.json").write_text("{")), "zarr.json: is damaged"),
        (lambda p: (p.mkdir(), (p / "zarr.json").write_text("[" * 100000)), "zarr.json: is damaged"),
        (lambda p: (p.mkdir(), (p / "zarr.json").write_text("[]")), "zarr.json: does not describe a group"),
    ],
)
def test_foreign_files(tmp_path, make, message):
    path = tmp_path / "thing"
    make(path)
    for verify in (True, False):
        with pytest.raises(FileFormatError, match=f"thing: .*{message}|thing: {message}"):
            open_archive(path, verify=verify)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.nc: there is no such file"):
        open_archive(tmp_path / "none.nc")


@pytest.mark.parametrize(
    ("version", "message"), [("2.0", "2.0, newer than 1.0.*install a newer"), ("x", "is 'x', which is no version")]
)
def test_versions(archive, tmp_path, version, message):
    path = copy(archive, tmp_path)
    set_attrs(path, format_version=version)
    with pytest.raises(FileFormatError, match=f"attribute 'format_version': is .*{message}|{message}"):
        open_archive(path)


def test_a_later_minor_version_is_read(archive, tmp_path, ds):
    path = copy(archive, tmp_path)
    set_attrs(path, format_version="1.7")
    with open_archive(path, verify=False) as opened:
        assert opened.drop_attrs(deep=False).identical(ds.drop_attrs(deep=False))


def test_edits_are_noticed_and_let_through_on_request(archive, tmp_path, ds):
    path = copy(archive, tmp_path)
    set_attrs(path, models="components: []")
    with pytest.raises(
        FileFormatError, match="the attributes of the file: differs from what was written.*verify=False"
    ):
        open_archive(path)
    with open_archive(path, verify=False) as opened:
        assert opened.identical(ds.assign_attrs(models="components: []"))


def test_variables_that_plain_xarray_added_are_read(archive, tmp_path, ds):
    path = copy(archive, tmp_path)
    with xr.open_dataset(path) as plain:
        extra = xr.Dataset({"extra": ("k", np.arange(3.0))}, attrs=plain.attrs)
    if path.is_dir():
        with pytest.warns(UserWarning, match="Consolidated metadata"):
            extra.to_zarr(path, mode="a", consolidated=True)
    else:
        extra.to_netcdf(path, mode="a", engine="netcdf4")
    with open_archive(path) as opened:
        np.testing.assert_array_equal(opened["extra"], extra["extra"])
        assert opened.drop_vars("extra").identical(ds)


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_file_that_is_gone(archive, tmp_path, chunks):
    path = copy(archive, tmp_path)
    opened = open_archive(path, chunks=chunks)
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="counts cannot be read, the file was removed"):
        opened["counts"].sum().compute()


def test_truncated_netcdf(tmp_path, ds):
    write_netcdf(ds, tmp_path / "whole.nc")
    data = (tmp_path / "whole.nc").read_bytes()
    path = tmp_path / "cut.nc"
    for size in np.linspace(8, len(data) - 100, 10, dtype=int):
        path.write_bytes(data[:size])
        with pytest.raises(FileFormatError, match=r"cut\.nc: .*(damaged|incomplete)"):
            open_archive(path)
    path.write_bytes(data[:-5])  # only the checksums behind the end of the data are cut
    assert _outcome(path, ds) == "same"


@pytest.mark.parametrize("chunks", [None, {}])
def test_damaged_data_name_file_and_variable(tmp_path, ds, chunks):
    write_zarr(ds, tmp_path / "map.zarr")
    chunk = tmp_path / "map.zarr" / "counts" / "c" / "0" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    opened = open_archive(tmp_path / "map.zarr", chunks=chunks)
    np.testing.assert_array_equal(opened["background"], ds["background"])
    with pytest.raises(FileFormatError, match=r"map\.zarr: counts: cannot be read.*checksum"):
        opened["counts"].values  # noqa: B018


def test_damaged_data_of_netcdf(tmp_path):
    noise = np.random.default_rng(1).random((2, 64, 64))
    big = make_map_dataset(npix=(64, 64), nenergy=2, ntrue=2, nrad=3, irf_on_sky=False)
    big["background"] = big["background"].copy(data=noise)
    path = tmp_path / "map.nc"
    write_netcdf(big, path, lonlat=False)
    data = bytearray(path.read_bytes())
    broken = 0
    for position in np.linspace(len(data) * 0.2, len(data) * 0.8, 12, dtype=int):
        damaged = data.copy()
        damaged[position] ^= 1
        path.write_bytes(damaged)
        try:
            with open_archive(path) as opened:
                assert opened.identical(big)
        except FileFormatError as error:
            broken += "map.nc" in str(error)
    assert broken >= 6


def test_missing_chunks_are_noticed(tmp_path, ds):
    path = tmp_path / "map.zarr"
    write_zarr(ds.assign(mask_fit=ds["mask_fit"] & False), path)
    (path / "mask_fit" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(FileFormatError, match=r"map\.zarr: variable 'mask_fit': 1 of its 1 chunks are missing"):
        open_archive(path)
    shutil.rmtree(path / "counts")
    with pytest.raises(FileFormatError, match="variable 'counts': 1 of its 1 chunks are missing"):
        open_archive(path)


def test_a_store_without_consolidated_metadata(tmp_path, ds):
    path = tmp_path / "map.zarr"
    write_zarr(ds, path)
    document = json.loads((path / "zarr.json").read_text())
    variables = document.pop("consolidated_metadata")["metadata"]
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match="lacks the metadata of the arrays"):
        open_archive(path)
    with open_archive(path, verify=False) as opened:
        assert opened.identical(ds)
    (path / "counts" / "zarr.json").unlink()
    with pytest.warns(UserWarning, match="not recognized"), open_archive(path, verify=False) as opened:
        assert "counts" not in opened and "counts" in variables


@pytest.mark.parametrize("name", ["counts", "energy", "energy_min", "wcs", "x"])
def test_a_missing_variable(tmp_path, ds, name):
    path = tmp_path / "map.zarr"
    write_zarr(ds, path)
    document = json.loads((path / "zarr.json").read_text())
    del document["consolidated_metadata"]["metadata"][name]
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match=f"map.zarr: variable '{name}': is missing"):
        open_archive(path)
    if name != "counts":
        with pytest.raises(FileFormatError, match=f"map.zarr: .*{name}"):
            open_archive(path, verify=False)


def _outcome(path, ds):
    """Open and read a file: what happened."""
    try:
        with open_archive(path) as opened:
            return "same" if opened.identical(ds) else "WRONG DATA"
    except FileFormatError as error:
        return "error" if path.name in str(error) else f"UNNAMED {error}"
    except Exception as error:  # noqa: BLE001
        return f"LEAKED {type(error).__name__}: {error}"


def _mutate(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        where = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[where] ^= 1 << rng.randrange(8)
            case 1:
                data[where] = rng.choice(b'0123456789"{}[],:-.eE \x00\xff')
            case 2:
                del data[where : where + rng.randrange(1, 9)]
            case 3:
                data[where:where] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 4)))
    return bytes(data)


def _mutate_json(text, rng):
    """Change, remove, or retype a value somewhere in a document."""
    document = json.loads(text)
    node = document
    while True:
        key = rng.choice(sorted(node) if isinstance(node, dict) else range(len(node)))
        if not isinstance(node[key], dict | list) or not node[key] or rng.random() < 0.15:
            break
        node = node[key]
    old = node[key]
    if rng.random() < 0.2:
        del node[key]
    else:
        numbers = [old + 1, old * 2, -old, 0, 10**12] if isinstance(old, int) else []
        node[key] = rng.choice([None, "x", "", 7, -1, 1.5, [], {}, [old], True, *numbers])
    return json.dumps(document).encode()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_mutated_zarr_metadata(tmp_path, ds, seed):
    path = tmp_path / "map.zarr"
    write_zarr(ds, path)
    root = path / "zarr.json"
    whole = root.read_bytes()
    rng = random.Random(seed)
    outcomes = []
    for i in range(40):
        mutated = (_mutate_json if i % 2 else _mutate)(whole, rng)
        root.write_bytes(mutated)
        outcomes.append(_outcome(path, ds))
    assert not set(outcomes) - {"same", "error"}
    assert outcomes.count("error") > 20
    root.write_bytes(whole)
    assert _outcome(path, ds) == "same"


@pytest.mark.filterwarnings("ignore")
def test_mutated_zarr_chunks(tmp_path, ds):
    path = tmp_path / "map.zarr"
    write_zarr(ds, path)
    rng = random.Random(3)
    # what is computed anew from attrs is not read
    unused = ("lon", "lat", "wcs")
    files = [
        p
        for p in sorted(path.rglob("*"))
        if p.is_file() and p != path / "zarr.json" and p.relative_to(path).parts[0] not in unused
    ]
    for _ in range(40):
        file = rng.choice(files)
        whole = file.read_bytes()
        file.write_bytes(_mutate(whole, rng))
        outcome = _outcome(path, ds)
        assert outcome in ("same", "error") and (outcome == "error" or file.name == "zarr.json"), (file, outcome)
        file.write_bytes(whole)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(2))
def test_mutated_netcdf(tmp_path, ds, seed):
    write_netcdf(ds, tmp_path / "whole.nc", lonlat=False)
    whole = (tmp_path / "whole.nc").read_bytes()
    # most bytes are padding: choose among those that say something
    used = [i for i in range(len(whole)) if any(whole[max(i - 2, 0) : i + 3])]
    rng = random.Random(seed)
    outcomes = []
    for i in range(70):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 8])):
            damaged[rng.choice(used)] ^= rng.randrange(1, 256)
        path = tmp_path / f"damaged{i}.nc"
        path.write_bytes(damaged)
        outcomes.append(_outcome(path, ds))
        path.unlink()
    assert not set(outcomes) - {"same", "error"}
    assert outcomes.count("error") > 20
