"""Time import and opening side by side with gammapy, each in processes of its own, in turn.

    XGAMMA_GAMMAPY_PYTHON=/path/to/python GAMMAPY_DATA=/path python -m tests.benchmarks.startup [--runs 7]

Import is the time of a process that imports and nothing else, less that of one that does nothing. Opening is measured
within a process that has imported: from the path of the CTA file to the sum of its counts, of which numpy adds up the
values in both packages. Where xarray adds them up (``ds.counts.sum()``) the first sum of a process also loads dask, as
for any array of xarray; that is the third line, against the same of gammapy as in the second.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

OPEN = """
import time
{setup}
start = time.perf_counter()
total = {expression}
print(time.perf_counter() - start, float(total))
"""

XGAMMA = OPEN.replace("{setup}", "import xgamma as xg, xgamma.io.open")
GAMMAPY = OPEN.replace("{setup}", "from gammapy.datasets import MapDataset").replace(
    "{expression}", "MapDataset.read({path!r}).counts.data.sum()"
)
IMPORTS = {"xgamma": "import xgamma", "gammapy": "import gammapy.datasets"}
OPENS = {
    "open, numpy sum": XGAMMA.replace("{expression}", "xg.open_dataset({path!r}).counts.values.sum()"),
    "open, xarray sum": XGAMMA.replace("{expression}", "xg.open_dataset({path!r}).counts.sum()"),
}


def wall(python, code):
    """Seconds that a process takes."""
    start = time.perf_counter()
    subprocess.run([python, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - start


def inner(python, code):
    """Seconds and sum of counts that a process prints."""
    out = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    return float(out[-2]), float(out[-1])


def run(gammapy_python, path, runs=7):
    """Median seconds of each work, in turn, by package."""
    times = {}
    for _ in range(runs):
        for name, python in (("xgamma", sys.executable), ("gammapy", gammapy_python)):
            times.setdefault(("import", name), []).append(wall(python, IMPORTS[name]) - wall(python, "pass"))
            for work, code in OPENS.items():
                code = code if name == "xgamma" else GAMMAPY
                seconds, total = inner(python, code.replace("{path!r}", repr(str(path))))
                if total != 104317:
                    raise RuntimeError(f"{name} counts {total} events")
                times.setdefault((work, name), []).append(seconds)
    works = ("import", *OPENS)
    return {work: {name: statistics.median(times[work, name]) for name in IMPORTS} for work in works}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    file = Path(os.environ["GAMMAPY_DATA"], "cta-1dc-gc", "cta-1dc-gc.fits.gz")
    for work, seconds in run(os.environ["XGAMMA_GAMMAPY_PYTHON"], file, parser.parse_args().runs).items():
        ratio = seconds["gammapy"] / seconds["xgamma"]
        print(
            f"{work:17s} xgamma {seconds['xgamma']:7.3f} s   gammapy {seconds['gammapy']:7.3f} s   ratio {ratio:6.2f}"
        )
