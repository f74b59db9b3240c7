"""Many lazy datasets in one archive: what writing costs, and choosing some by what is known of them.

python -m tests.benchmarks.collection [--n 1000] [--ending zarr]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import xgamma as xg
from tests.spectra import plain_spectrum


def main() -> None:
    """Write, open and choose, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--ending", choices=["zarr", "nc"], default="zarr")
    arguments = parser.parse_args()
    ds, n = plain_spectrum(), arguments.n
    parts = [
        ds.assign_attrs(name=f"obs-{i}", meta=f'{{"TELESCOP": ["CTA"], "ZEN_PNT": [{i % 60}.0]}}') for i in range(n)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"many.{arguments.ending}"
        times = {}
        for label, work in {
            "write": lambda: xg.Datasets(parts).write(path),
            "open": lambda: xg.Datasets.read(path, chunks={}),
            "select by name, type, zenith angle and time": lambda: (
                xg.Datasets.read(path, chunks={})
                .select("obs-*", "SpectrumDataset", ZEN_PNT=lambda angle: angle < 30)
                .select_time("2000-01-01T00:00:00", "2000-02-01T00:00:00")
            ),
            "open the first ten datasets": lambda: list(xg.Datasets.read(path, chunks={})[:10]),
        }.items():
            start, cpu = time.perf_counter(), time.process_time()
            work()
            times[label] = (time.perf_counter() - start, time.process_time() - cpu)
        for label, (wall, cpu) in times.items():
            print(f"{label}: {wall:.2f} s, of which the processor {cpu:.2f} s")


if __name__ == "__main__":
    main()
