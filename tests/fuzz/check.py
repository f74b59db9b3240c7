"""What becomes of a damaged file: a clear error, or the right dataset. Anything else is a failure."""

import io
import warnings
from collections import Counter

import numpy as np
from astropy.io import fits

from tests.fuzz import mutate
from tests.fuzz.samples import sample
from xgamma.io.errors import FileFormatError
from xgamma.io.fits import open_fits, write_fits
from xgamma.schema import VARIABLES

LIMIT = 20.0
"""Seconds that a damaged file of some 100 kB may take before it counts as a hang."""

_CHECKS = ("CHECKSUM", "DATASUM", "NEXTEND")


def without_checksums(data):
    """The same file with cards of checksums blanked, so that damage must be noticed by what it does."""
    for start, end in mutate.headers(data):
        for i in range(start, end, mutate.CARD):
            if data[i : i + 8].decode().strip() in _CHECKS:
                data = data[:i] + b" " * mutate.CARD + data[i + mutate.CARD :]
    return data


def bases(folder, extra=()):
    """Files to be damaged: (name, bytes, whether checksums protect every byte)."""
    found = []
    for name, ds in (("maps", sample()), ("tables", sample("tan", irf_sky=False))):
        path = folder / f"{name}.fits"
        write_fits(ds, path)
        data = path.read_bytes()
        found += [(f"{name}, checksums", data, True), (f"{name}, bare", without_checksums(data), False)]
    return found + [(path.name, cut_small(path), False) for path in extra]


def cut_small(path):
    """A corner of a real file, with its own headers and tables."""
    buffer = io.BytesIO()
    with fits.open(path) as hdus:
        for hdu in hdus:
            if isinstance(hdu, fits.ImageHDU):
                hdu.data = hdu.data[..., :6, :8].copy()
                hdu.header.pop("WCSSHAPE", None)
        hdus.writeto(buffer)
    return buffer.getvalue()


def judge(path, data, intact, protected):
    """Open damaged bytes.

    Returns "error: ..." or "dataset: ..."; raises AssertionError or what the reader raised if that is not in order.
    """
    path.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ds = open_fits(path, name="fuzz").load()
    except FileFormatError as error:
        assert str(path) in str(error), f"the error does not name the file: {error}"
        assert len(str(error)) > len(str(path)) + 10, f"the error says nothing: {error}"
        return "error: of the gzip stream" if "gzip" in str(error) else "error: names the part"
    check_dataset(ds)
    if ds.identical(intact):
        return "dataset: unchanged"
    assert not protected or sums_are_right(data), "damaged data came through, although checksums cover every byte"
    agree_with_astropy(ds, data)
    return "dataset: other, as astropy reads it"


def check_dataset(ds):
    """Check that the dataset keeps the rules."""
    for name, variable in ds.data_vars.items():
        bases_ = {
            str(dim).removesuffix("_psf").removesuffix("_edisp").removesuffix("_exposure") for dim in variable.dims
        }
        spec = VARIABLES[name]
        assert bases_ <= {*spec.dims, *spec.alternatives.values()}, f"{name} has dims {variable.dims}"
        assert (variable.dtype == bool) == (spec.dtype == "b")
    for name, index in ds.xindexes.items():
        if hasattr(index, "axis"):
            assert (np.diff(index.axis.center) > 0).all(), f"axis {name} does not rise"
            assert np.isfinite([index.axis.lower, index.axis.upper]).all()
    assert isinstance(ds.attrs["name"], str) and ds.attrs["name"]


def sums_are_right(data):
    """Whether astropy finds all checksums right, as they stay when words of 32 bits change places."""
    with fits.open(io.BytesIO(data)) as hdus:
        return all(hdu.verify_checksum() == 1 and hdu.verify_datasum() == 1 for hdu in hdus)


def agree_with_astropy(ds, data):
    """Compare images with what astropy reads, which has no notion of datasets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(data), ignore_missing_simple=True) as hdus:
            for name in ds.data_vars:
                hdu = VARIABLES[name].hdu
                if hdu is None:
                    continue
                theirs = np.asarray(
                    hdus[hdu].data["DATA"] if isinstance(hdus[hdu], fits.BinTableHDU) else hdus[hdu].data
                )
                ours = ds[name].values
                expected = (theirs != 0) if ours.dtype == bool else theirs
                np.testing.assert_array_equal(ours.ravel(), expected.ravel(), err_msg=name)


def cases(n, seed=0):
    """Yield (base index, mutation, seed) of `n` cases: in turn one in headers and tables, and one from all kinds."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        kinds = mutate.HEADERS_AND_TABLES if i % 3 else [*mutate.ELSEWHERE, *mutate.HEADERS_AND_TABLES]
        yield int(rng.integers(1 << 30)), kinds[rng.integers(len(kinds))], int(rng.integers(1 << 62))


def run(folder, n, extra=(), seed=0, report=None):
    """Damage files `n` times.

    Returns
    -------
    outcomes : Counter
        By what was damaged and what came of it.
    failures : list
        (base, mutation, seed, error) of whatever is not in order.
    """
    files = bases(folder, extra)
    intact = []
    for i, (_, data, _) in enumerate(files):
        path = folder / f"intact{i}.fits"
        path.write_bytes(data)
        intact.append(open_fits(path, name="fuzz").load())
    outcomes, failures = Counter(), []
    for i, (pick, mutation, case_seed) in enumerate(cases(n, seed)):
        name, data, protected = files[pick % len(files)]
        damaged = mutation(data, np.random.default_rng(case_seed))
        path = folder / "damaged.fits"
        group = "headers and tables" if mutation in mutate.HEADERS_AND_TABLES else "elsewhere"
        try:
            outcome = timed(judge, path, damaged, intact[pick % len(files)], protected)
        except Exception as error:  # whatever it is, it is reported
            outcome = f"FAILURE: {type(error).__name__}"
            failures.append((name, mutation.__name__, case_seed, repr(error)))
        outcomes[group, outcome] += 1
        if report and not (i + 1) % 500:
            report(f"{i + 1} of {n}")
    return outcomes, failures


def timed(function, *args):
    """Call a function; fail if it takes too long, even if it never ends."""
    import signal

    def late(*_):
        raise AssertionError(f"hang: more than {LIMIT} s")

    old = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        return function(*args)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
