"""Datasets of many kinds that gammapy makes and writes, and what gammapy reads in a file.

That has shapes, sums, axes and pixel positions, from which a test compares two files.
"""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset
from gammapy.irf import EDispMap, PSFMap, RecoPSFMap
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom

ENERGY = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4)
TRUE = MapAxis.from_energy_bounds("0.2 TeV", "40 TeV", nbin=6, name="energy_true")


def fill(*maps):
    rng = np.random.default_rng(7)
    for m in maps:
        m.data = rng.uniform(0.5, 3, m.data.shape).astype(m.data.dtype)


def make_map(center, frame, proj, migra=False, exposure_geom=None):
    geom = WcsGeom.create(skydir=center, width=(4, 3), binsz=0.25, proj=proj, frame=frame, axes=[ENERGY])
    migra_axis = MapAxis.from_edges(np.linspace(0, 3, 31), name="migra") if migra else None
    gti = GTI.create([0, 4000] * u.s, [1800, 5000] * u.s, reference_time=Time("2020-01-01T00:00:00"))
    dataset = MapDataset.create(geom, energy_axis_true=TRUE, migra_axis=migra_axis, binsz_irf=1, name="made")
    dataset.gti = gti
    if exposure_geom is not None:
        dataset.exposure = Map.from_geom(exposure_geom, unit="cm2 s")
    fill(dataset.counts, dataset.background, dataset.exposure, dataset.edisp.edisp_map, dataset.edisp.exposure_map)
    fill(dataset.psf.psf_map, dataset.psf.exposure_map)
    dataset.exposure.meta = {"livetime": 2000 * u.s}
    dataset.mask_safe.data[:, 2:, 3:] = True
    dataset.mask_fit = dataset.mask_safe.copy()
    dataset.mask_fit.data[0] = False
    return dataset


def make(kind):
    center = SkyCoord(83.6, 22.0, unit="deg")
    if kind == "car":
        return make_map(SkyCoord(0, 0, unit="deg", frame="galactic"), "galactic", "CAR")
    if kind == "tan-migra":
        return make_map(center, "icrs", "TAN", migra=True)
    if kind == "ait-across-zero":
        return make_map(SkyCoord(0.2, 10, unit="deg"), "icrs", "AIT")
    if kind == "own-exposure-grid":
        geom = WcsGeom.create(skydir=center, width=(6, 6), binsz=0.5, proj="TAN", frame="icrs", axes=[TRUE])
        return make_map(center, "icrs", "TAN", exposure_geom=geom)
    if kind == "reco-psf":
        dataset = make_map(center, "icrs", "TAN")
        psf = RecoPSFMap.from_gauss(ENERGY, sigma=[0.1, 0.09, 0.08, 0.05] * u.deg)
        dataset.psf = psf
        return dataset
    if kind == "irf-without-sky":
        dataset = make_map(center, "icrs", "TAN")
        dataset.psf = PSFMap.from_gauss(TRUE, sigma=0.1 * u.deg)
        dataset.edisp = EDispMap.from_diagonal_response(TRUE)
        return dataset
    if kind == "on-off":
        return MapDatasetOnOff.from_map_dataset(
            make_map(center, "icrs", "TAN"), acceptance=1, acceptance_off=4, counts_off=None
        )
    if kind == "spectrum":
        geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.11)", axes=[ENERGY])
        dataset = SpectrumDataset.create(geom, energy_axis_true=TRUE, name="spectrum")
        fill(dataset.counts, dataset.background, dataset.exposure)
        dataset.mask_safe.data[1:] = True
        return dataset
    raise ValueError(f"unknown kind {kind}")


def describe_map(m):
    if m is None:
        return None
    geom = m.geom
    described = {
        "shape": m.data.shape,
        "sum": float(m.data.sum(dtype=float)),
        "weighted": float((m.data * np.arange(1, m.data.size + 1).reshape(m.data.shape)).sum(dtype=float)),
        "unit": m.unit.to_string("fits"),
        "axes": {a.name: [a.edges.value.tolist(), str(a.unit), a.interp, a.node_type] for a in geom.axes},
    }
    if not geom.is_region:
        sky = geom.to_image().get_coord()
        described["frame"] = geom.frame
        for name in ("lon", "lat"):
            values = getattr(sky, name).to_value("deg")
            described[name] = [None if np.isnan(values[i]) else float(values[i]) for i in ((0, 0), (-1, -1), (0, -1))]
    elif geom.region is not None:
        described["center"] = [geom.center_skydir.icrs.ra.deg, geom.center_skydir.icrs.dec.deg]
    return described


def describe(dataset):
    maps = {n: describe_map(getattr(dataset, n, None)) for n in ("counts", "background", "exposure")}
    maps |= {n: describe_map(getattr(dataset, n, None)) for n in ("mask_safe", "mask_fit", "counts_off")}
    maps |= {n: describe_map(getattr(dataset, n, None)) for n in ("acceptance", "acceptance_off")}
    if isinstance(dataset, MapDatasetOnOff):
        maps["background"] = None
    for name in ("psf", "edisp"):
        irf = getattr(dataset, name)
        maps[name] = describe_map(None if irf is None else getattr(irf, f"{name}_map"))
        maps[f"{name}_exposure"] = describe_map(None if irf is None else irf.exposure_map)
    gti = None if dataset.gti is None else dataset.gti.time_intervals
    meta = dataset.meta_table
    return {
        "name": dataset.name,
        "maps": maps,
        "gti": gti and [[t.tt.isot for t in pair] for pair in gti],
        "livetime": str(dataset.exposure.meta.get("livetime")) if dataset.exposure and dataset.exposure.meta else None,
        "meta": None if meta is None else {c: np.asarray(meta[c]).ravel().tolist() for c in meta.colnames},
    }


CLASSES = {"MapDataset": MapDataset, "MapDatasetOnOff": MapDatasetOnOff, "SpectrumDataset": SpectrumDataset}


def write(kind, path):
    make(kind).write(path, overwrite=True)


def read(name, path):
    return describe(CLASSES[name].read(path, checksum=True))


COMMANDS = {"fits-write": write, "fits-read": read}
