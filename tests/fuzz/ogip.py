"""Damage to the files of a spectrum: a clear error that names the file, or the spectrum that astropy reads as well."""

import io
import warnings
from collections import Counter

import numpy as np
from astropy.io import fits

from tests.fuzz import mutate
from tests.fuzz.check import cases, check_dataset, timed, without_checksums
from tests.spectra import spectrum
from xgamma.io.errors import FileFormatError
from xgamma.io.ogip import open_ogip, write_ogip

# gzip streams are tried with maps.
_SKIP = (mutate.gzip_byte, mutate.gzip_cut)


def bases(folder):
    """Write the files of a spectrum, twice: (folder, {name: bytes}, whether checksums protect every byte)."""
    found = []
    for protected in (True, False):
        own = folder / f"protected-{protected}"
        paths = write_ogip(spectrum(), own)
        if not protected:
            for path in paths:
                path.write_bytes(without_checksums(path.read_bytes()))
        found.append((own, {path.name: path.read_bytes() for path in paths}, protected))
    return found


def judge(folder, name, data, intact, protected):
    """Open a spectrum of which one file is damaged; says what came of it, or raises."""
    (folder / name).write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ds = open_ogip(folder / "pha_obstest.fits", name="fuzz")
    except FileFormatError as error:
        assert str(folder) in str(error), f"the error does not name the file: {error}"
        assert len(str(error)) > len(str(folder / name)) + 10, f"the error says nothing: {error}"
        return "error: names the part"
    check_dataset(ds)
    if ds.identical(intact):
        return "dataset: unchanged"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(data), ignore_missing_simple=True) as hdus:
            sums = all(hdu.verify_checksum() == 1 and hdu.verify_datasum() == 1 for hdu in hdus)
            assert not protected or sums, "damaged data came through, although checksums cover every byte"
            if name.startswith(("pha", "bkg")):
                key = "counts" if name.startswith("pha") else "counts_off"
                if key in ds:
                    np.testing.assert_array_equal(ds[key], hdus["SPECTRUM"].data["COUNTS"])
    return "dataset: other, as astropy reads it"


def run(folder, n, seed=0, report=None):
    """Damage files `n` times, see `tests.fuzz.check.run`."""
    files = bases(folder)
    intact = [open_ogip(own / "pha_obstest.fits", name="fuzz") for own, _, _ in files]
    outcomes, failures = Counter(), []
    for i, (pick, mutation, case_seed) in enumerate(cases(n, seed)):
        if mutation in _SKIP:
            continue
        own, contents, protected = files[pick % 2]
        name = sorted(contents)[pick // 2 % 4]
        group = "headers and tables" if mutation in mutate.HEADERS_AND_TABLES else "elsewhere"
        try:
            damaged = mutation(contents[name], np.random.default_rng(case_seed))
            outcome = timed(judge, own, name, damaged, intact[pick % 2], protected)
        except Exception as error:  # whatever it is, it is reported
            outcome = f"FAILURE: {type(error).__name__}"
            failures.append((name, mutation.__name__, case_seed, repr(error)))
        (own / name).write_bytes(contents[name])
        outcomes[group, outcome] += 1
        if report and not (i + 1) % 500:
            report(f"{i + 1} of {n}")
    return outcomes, failures
