"""Fuzz the FITS readers: ``python -m tests.fuzz.run --n 2500 [--ogip] [--extra FILE ...]``. Prints the outcomes."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz import ogip
from tests.fuzz.check import run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2500, help="number of damaged files")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same damage")
    parser.add_argument(
        "--extra", type=Path, nargs="*", default=[], help="real map datasets, of which a corner is used"
    )
    parser.add_argument("--ogip", action="store_true", help="damage the files of a spectrum instead of maps")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.ogip:
            outcomes, failures = ogip.run(Path(folder), options.n, options.seed, report=print)
        else:
            outcomes, failures = run(Path(folder), options.n, options.extra, options.seed, report=print)
    for (group, outcome), count in sorted(outcomes.items()):
        print(f"{count:7}  {group:20}  {outcome}")
    for failure in failures:
        print(*failure, sep=" | ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
