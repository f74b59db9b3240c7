"""What a collection does with each kind of dataset: one entry a kind, by gammapy's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import xarray as xr

from xgamma.io.fits import write_fits
from xgamma.io.ogip import ogip_paths, write_ogip
from xgamma.reduce.stack import stack_many

__all__ = ["KINDS", "Kind"]


def _fits_paths(ds: xr.Dataset, folder: Path, name: str) -> list[Path]:
    return [folder / f"{name}.fits"]


def _write_fits(ds: xr.Dataset, folder: Path, name: str, overwrite: bool) -> None:
    write_fits(ds, folder / f"{name}.fits", overwrite=overwrite)


def _ogip_paths(ds: xr.Dataset, folder: Path, name: str) -> list[Path]:
    return ogip_paths(ds, folder / f"{name}.fits")


def _write_ogip(ds: xr.Dataset, folder: Path, name: str, overwrite: bool) -> None:
    write_ogip(ds, folder / f"{name}.fits", overwrite=overwrite)


def _no_sum(datasets: list[xr.Dataset], name: str) -> xr.Dataset:
    raise ValueError("flux points do not add up: stack the datasets that they were made from")


@dataclass(frozen=True)
class Kind:
    """A kind of dataset.

    Attributes
    ----------
    paths : callable
        Files in which a list of datasets keeps one, of the dataset, the folder and a name; the first one is listed.
    write : callable
        Writes those files, of the same and whether to replace them.
    stack : callable
        Adds several, of a list of them and the name of the sum.
    """

    paths: Callable[[xr.Dataset, Path, str], list[Path]] = _fits_paths
    write: Callable[[xr.Dataset, Path, str, bool], None] = _write_fits
    stack: Callable[[list[xr.Dataset], str], xr.Dataset] = stack_many


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "MapDataset": Kind(),
        "MapDatasetOnOff": Kind(),
        "SpectrumDataset": Kind(),
        "SpectrumDatasetOnOff": Kind(paths=_ogip_paths, write=_write_ogip),
        "FluxPointsDataset": Kind(stack=_no_sum),
    }
)
