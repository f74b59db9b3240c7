"""The ``xgamma`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["convert", "main", "writer_of"]

_ENDINGS = {
    ".fits": "fits",
    ".fit": "fits",
    ".fits.gz": "fits",
    ".nc": "netcdf",
    ".nc4": "netcdf",
    ".h5": "netcdf",
    ".zarr": "zarr",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : list of str, optional
        Its arguments, by default those of the process.

    Returns
    -------
    int
        0, or 2 where the user has to change something; what, is said in one line on standard error.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (ValueError, OSError) as error:
        print(f"xgamma: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("xgamma: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xgamma", description="Look at and convert gamma-ray datasets.")
    parser.add_argument("--version", action="version", version=f"xgamma {version('xgamma')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = commands.add_parser("info", help="print what a file holds", description="Print what a file holds.")
    info.add_argument("file", metavar="FILE", help="a FITS or NetCDF file, or a Zarr store")
    info.set_defaults(run=_info)

    text = "Convert between FITS (.fits, .fits.gz), NetCDF (.nc) and Zarr (.zarr): the endings say which."
    convert_parser = commands.add_parser("convert", help="convert between FITS, NetCDF and Zarr", description=text)
    convert_parser.add_argument("source", metavar="IN", help="what to read")
    convert_parser.add_argument("target", metavar="OUT", help="what to write")
    convert_parser.add_argument(
        "--chunks",
        metavar="DIM=N[,DIM=N...]",
        type=_chunks,
        default={},
        help="sizes of the chunks in which data are read and written, such as 'x=512,y=512'",
    )
    convert_parser.add_argument(
        "--drop",
        metavar="NAME[,NAME...]",
        default="",
        help="variables to leave out, such as those for which FITS has no place",
    )
    convert_parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    convert_parser.set_defaults(run=_convert)

    text = "Simulate a sample, predict its counts, draw and archive it. Nothing is downloaded."
    demo = commands.add_parser("demo", help="do the main job on a simulated sample", description=text)
    demo.add_argument(
        "--output", metavar="DIR", default="xgamma-demo", help="folder for the results (default: %(default)s)"
    )
    demo.set_defaults(run=_demo)
    return parser


def _chunks(text: str) -> dict[str, int]:
    chunks = {}
    for part in filter(None, text.split(",")):
        dim, _, size = part.partition("=")
        if not dim or not size.isdigit() or int(size) < 1:
            raise argparse.ArgumentTypeError(f"'{part}' is not of the form DIM=N with a positive number N")
        chunks[dim.strip()] = int(size)
    return chunks


def _open(path: str, chunks: dict[str, int]) -> xr.Dataset:
    from xgamma.io.open import open_dataset

    if "://" not in path and not Path(path).exists():
        raise FileNotFoundError(f"There is no file or folder '{path}'.")
    ds = open_dataset(path, chunks={})
    unknown = [dim for dim in chunks if dim not in ds.dims]
    if unknown:
        raise ValueError(f"--chunks names {unknown}, but the dims of '{path}' are {sorted(map(str, ds.dims))}.")
    return ds.chunk(chunks) if chunks else ds


def writer_of(path: str) -> Callable[..., None]:
    """Return the function that writes the format that the ending of a path names.

    Raises
    ------
    ValueError
        If the ending is none of those known.
    """
    endings = [ending for ending in _ENDINGS if path.rstrip("/").lower().endswith(ending)]
    if not endings:
        raise ValueError(f"The ending of '{path}' names no format: use one of {', '.join(_ENDINGS)}.")
    kind = _ENDINGS[max(endings, key=len)]
    if kind == "fits":
        from xgamma.io.fits import write_fits

        return write_fits
    if kind == "netcdf":
        from xgamma.io.netcdf import write_netcdf

        return write_netcdf
    from xgamma.io.zarr import write_zarr

    return write_zarr


def _watched() -> AbstractContextManager[Any]:
    """Return a progress bar where a person looks on."""
    if not sys.stderr.isatty():
        return nullcontext()
    from dask.diagnostics import ProgressBar

    return ProgressBar(out=sys.stderr)


def convert(
    source: str,
    target: str,
    chunks: dict[str, int] | None = None,
    overwrite: bool = False,
    drop: Sequence[str] = (),
) -> None:
    """Convert a dataset from one format to another, chunk by chunk.

    Parameters
    ----------
    source : str
        A FITS or NetCDF file, or a Zarr store.
    target : str
        Its ending names the format.
    chunks : dict of str to int, optional
        Sizes of the chunks along dims, by default those of the source.
    overwrite : bool
        Whether a target that exists is replaced.
    drop : list of str
        Variables to leave out.

    Raises
    ------
    ValueError
        If the ending, a dim or a variable is unknown, or the file is damaged.
    OSError
        If there is no source, or the target exists.
    """
    write = writer_of(target)
    if not overwrite and Path(target).exists():
        raise FileExistsError(f"'{target}' exists: use --overwrite to replace it.")
    ds = _open(source, chunks or {})
    try:
        unknown = [name for name in drop if name not in ds.data_vars]
        if unknown:
            raise ValueError(f"--drop names {unknown}, but the variables of '{source}' are {sorted(map(str, ds))}.")
        with _watched():
            write(ds.drop_vars(list(drop)), target, overwrite=overwrite)
    finally:
        ds.close()


def _convert(arguments: argparse.Namespace) -> None:
    drop = [name.strip() for name in arguments.drop.split(",") if name.strip()]
    convert(arguments.source, arguments.target, chunks=arguments.chunks, overwrite=arguments.overwrite, drop=drop)


def _info(arguments: argparse.Namespace) -> None:
    from xgamma.summary import summary

    ds = _open(arguments.file, {})
    try:
        print(summary(ds), end="")
        print("\n  Variables")
        for name, array in ds.data_vars.items():
            shape = ", ".join(f"{dim}: {size}" for dim, size in array.sizes.items())
            print(f"    {name:<16} ({shape}) {array.dtype} {array.attrs.get('units', '')}".rstrip())
    finally:
        ds.close()


def _demo(arguments: argparse.Namespace) -> None:
    import matplotlib.pyplot as plt

    from xgamma import tutorial
    from xgamma.io.open import open_dataset
    from xgamma.io.zarr import write_zarr
    from xgamma.plot import peek
    from xgamma.predict import npred
    from xgamma.statistic import stat_sum
    from xgamma.summary import summary

    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    ds = tutorial.open_dataset("gc")
    text = summary(ds)
    print(text)
    (folder / "summary.txt").write_text(text, encoding="utf-8")

    print(f"{'Energy [TeV]':>18} {'counts':>8} {'predicted':>10}")
    predicted = npred(ds)
    rows = zip(ds["energy_min"].values, ds["energy_max"].values, strict=True)
    for i, (low, high) in enumerate(rows):
        print(f"{low:8.3f} - {high:7.3f} {int(ds['counts'][i].sum()):8d} {float(predicted[i].sum()):10.1f}")
    print(f"\nFit statistic inside the masks: {float(stat_sum(ds)):.2f}")

    picture, archive = folder / "quicklook.png", folder / "gc.zarr"
    plt.switch_backend("Agg")
    figure = peek(ds)[0, 0].figure
    figure.savefig(picture, dpi=120)
    plt.close(figure)
    write_zarr(ds.assign(npred=predicted), archive, overwrite=True)
    reopened = open_dataset(archive)
    if not reopened.drop_vars("npred").identical(ds):
        raise ValueError(f"'{archive}' does not hold what was written to it: check the disk.")
    reopened.close()
    print(f"\nWritten to {folder.resolve()}: summary.txt, {picture.name}, {archive.name}")


if __name__ == "__main__":
    sys.exit(main())
