"""Time import and opening side by side with gammapy, each in processes of its own, in turn.

    XGAMMA_GAMMAPY_PYTHON=/path/to/python GAMMAPY_DATA=/path python -m tests.benchmarks.startup [--runs 7]

Import is the time of a process that imports and nothing else, less that of one that does nothing. Opening is measured
within a process that has imported: from the path of the CTA file to the sum of its counts.
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

CASES = {
    "xgamma": (
        "import xgamma",
        OPEN.format(
            setup="import xgamma as xg, xgamma.io.open", expression="xg.open_dataset({path!r})['counts'].sum()"
        ),
    ),
    "gammapy": (
        "import gammapy.datasets",
        OPEN.format(
            setup="from gammapy.datasets import MapDataset", expression="MapDataset.read({path!r}).counts.data.sum()"
        ),
    ),
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
    """Median seconds of each case, alternating between the two, and the ratio of the medians."""
    pythons = {"xgamma": sys.executable, "gammapy": gammapy_python}
    imports = {name: [] for name in CASES}
    opens = {name: [] for name in CASES}
    for _ in range(runs):
        for name, python in pythons.items():
            load, read = CASES[name]
            imports[name].append(wall(python, load) - wall(python, "pass"))
            seconds, total = inner(python, read.replace("{path!r}", repr(str(path))))
            if total != 104317:
                raise RuntimeError(f"{name} counts {total} events")
            opens[name].append(seconds)
    return {
        "import": {name: statistics.median(times) for name, times in imports.items()},
        "open": {name: statistics.median(times) for name, times in opens.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    file = Path(os.environ["GAMMAPY_DATA"], "cta-1dc-gc", "cta-1dc-gc.fits.gz")
    for work, seconds in run(os.environ["XGAMMA_GAMMAPY_PYTHON"], file, parser.parse_args().runs).items():
        ratio = seconds["gammapy"] / seconds["xgamma"]
        print(f"{work:8s} xgamma {seconds['xgamma']:7.3f} s   gammapy {seconds['gammapy']:7.3f} s   ratio {ratio:6.2f}")
