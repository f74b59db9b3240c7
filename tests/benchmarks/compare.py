"""Do the same work in xgamma and in gammapy, in turn, and print ratios of times as a table in markdown.

    XGAMMA_GAMMAPY_PYTHON=/path/to/python GAMMAPY_DATA=/path python -m tests.benchmarks.compare [--quick] [--cases fit]

For each case both libraries have a process of their own that stays, so that they can alternate and each case has its
own peak of memory. What takes less than 0.05 s is called again for that long by both, as fits do, with two values in
turn, and its median counts. The results of both are compared: sums of predictions to 0.5 %, counts exactly, and the
statistic to 100, as predictions of point sources differ where gammapy spreads them over four pixels. The ratio is the
median over the pairs. Reading files is not part of a fit, and before the clock starts each library has made one small
fit, so that neither is charged for modules that it loads late.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TEN = [f"s{i}" for i in range(10)]
POSITION = ["gc.index", "gc.amplitude", "gc.lon_0", "gc.lat_0", "cta-bkg.norm"]

# Name: kind of work and its arguments, number of pairs.
CASES = {
    "read": (("read",), 5),
    "npred, one point source, cold": (("npred", "one", False), 5),
    "npred, ten point sources, cold": (("npred", "points", False), 3),
    "npred, ten sources, half Gaussians, cold": (("npred", "mixed", False), 3),
    "npred, one source, amplitude changed": (("npred", "one", True), 9),
    "npred, ten sources, amplitude changed": (("npred", "mixed", True), 9),
    "statistic, index changed, safe mask": (("statistic", "gc.index", False, "one"), 15),
    "statistic, index changed, fit mask": (("statistic", "gc.index", True, "one"), 15),
    "statistic, amplitude changed, fit mask": (("statistic", "gc.amplitude", True, "one"), 15),
    "statistic, norm changed, fit mask": (("statistic", "cta-bkg.norm", True, "one"), 15),
    "statistic, tilt changed, fit mask": (("statistic", "cta-bkg.tilt", True, "one"), 15),
    "statistic, position changed, fit mask": (("statistic", "gc.lon_0", True, "one"), 15),
    "statistic, width changed, safe mask": (("statistic", "gc.sigma", False, "gauss"), 15),
    "fit: index, amplitude, position, norm, fit mask": (("fit", "centre", True, POSITION), 3),
    "the same fit from 0.04 deg aside": (("fit", "one", True, POSITION), 1),
    "fit: four H.E.S.S. spectra": (("fit_hess",), 3),
    "cutout": (("reduction", "cutout"), 21),
    "slice_by_energy": (("reduction", "slice_by_energy"), 21),
    "downsample": (("reduction", "downsample"), 21),
    "resample_energy_axis": (("reduction", "resample_energy_axis"), 21),
    "to_image": (("reduction", "to_image"), 21),
    "to_spectrum_dataset": (("reduction", "to_spectrum_dataset"), 21),
    "to_region_map_dataset": (("reduction", "to_region_map_dataset"), 21),
    "stack": (("reduction", "stack"), 21),
    "fit: ten amplitudes and norm, safe mask": (
        ("fit", "points", False, [*(f"{name}.amplitude" for name in TEN), "cta-bkg.norm"]), 1,
    ),
    "survey, cold": (("survey",), 3),
}  # fmt: skip

# What gammapy has no counterpart of: likelihoods whose compilation is part of the fits above, and one more.
COMPILED = {
    "index, amplitude, position, norm, fit mask": ("compilation", "centre", True, POSITION),
    "ten amplitudes and norm, safe mask": (
        "compilation", "points", False, [*(f"{name}.amplitude" for name in TEN), "cta-bkg.norm"],
    ),
    "width of a Gaussian, safe mask": ("compilation", "gauss", False, ["gc.sigma"]),
    "four H.E.S.S. spectra": ("compilation_hess",),
}  # fmt: skip


def config_of(data, quick=False):
    """What both processes are told: files, sources, sizes."""
    rng = np.random.default_rng(0)
    places = rng.uniform((-2, -1.5), (2, 1.5), (10, 2))
    points = [{"name": name, "lon": lon, "lat": lat} for name, (lon, lat) in zip(TEN, places.tolist(), strict=True)]
    shape = (200, 100) if quick else (2000, 400)
    number = 3 if quick else 100
    half = [0.009 * n for n in shape]
    far = rng.uniform([-h for h in half], half, (number, 2)).tolist()
    at = {"name": "gc", "lon": 0.02, "lat": -0.03}
    return {
        "cases": {name: case[0] for name, case in CASES.items()}
        | {_compiled(name): work for name, work in COMPILED.items()},
        "file": str(Path(data, "cta-1dc-gc", "cta-1dc-gc.fits.gz")),
        "hess": [str(path) for path in sorted(Path(data, "joint-crab", "spectra", "hess").glob("pha_obs*.fits"))],
        "one": [at],
        "centre": [{**at, "lon": 0.0, "lat": 0.0}],
        "gauss": [{**at, "sigma": 0.2}],
        "points": points,
        "mixed": [{**spec, "sigma": 0.2} if i % 2 else spec for i, spec in enumerate(points)],
        "steps": {
            "gc.index": 1e-3, "gc.amplitude": 1e-15, "gc.lon_0": 1e-4, "gc.sigma": 1e-4,
            "cta-bkg.norm": 1e-4, "cta-bkg.tilt": 1e-4,
        },
        "survey": {"shape": shape, "energy": 4 if quick else 20, "energy_true": 6 if quick else 30},
        "survey_sources": [
            {"name": f"g{i}", "lon": lon, "lat": lat, "sigma": 0.1} for i, (lon, lat) in enumerate(far)
        ],
    }  # fmt: skip


class Worker:
    """A process that does work on request."""

    def __init__(self, python, config):
        script = HERE / ("work_xgamma.py" if python == sys.executable else "work_gammapy.py")
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )
        self.send(config)

    def send(self, message):
        """Send one line."""
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def run(self, name, number):
        """Do the work of a case once."""
        self.send([name, number])
        while line := self.process.stdout.readline():
            if line.startswith('{"seconds"'):
                return json.loads(line)
        self.errors.seek(0)
        why = self.errors.read().strip().splitlines()[-1:]
        raise RuntimeError(f"the process that was to do '{name}' has ended: {' '.join(why)}")

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()
        self.errors.close()


def agree(name, ours, theirs):
    """Raise if the two did not do the same work."""
    if name.startswith(("statistic", "fit", "the same fit")):
        fine = abs(ours - theirs) < 100
    elif name == "read" or CASES[name][0][0] == "reduction":
        fine = ours == theirs
    else:
        fine = abs(ours - theirs) < 5e-3 * abs(theirs)
    if not fine:
        raise RuntimeError(f"{name}: xgamma finds {ours}, gammapy {theirs}")


@contextmanager
def both(pythons, config):
    """Processes of both, which end with the context."""
    workers = {who: Worker(python, config) for who, python in pythons.items()}
    try:
        yield workers
    finally:
        for worker in workers.values():
            worker.close()


def run_case(name, workers, pairs):
    """Seconds and peaks of memory of both, alternating; peaks are those of a case in processes made for it."""
    times, check, peak = {who: [] for who in workers}, {}, {}
    for pair in range(pairs):
        for who, worker in workers.items():
            found = worker.run(name, pair)
            times[who].append(found["seconds"])
            check[who], peak[who] = found["check"][0], found["peak"]
    if len(check) == 2:
        agree(name, check["xgamma"], check["gammapy"])
    return times, peak, check


def report(name, times, peak):
    """One row of the table."""
    ours, theirs = (statistics.median(times[who]) for who in ("xgamma", "gammapy"))
    ratio = statistics.median(b / a for a, b in zip(times["xgamma"], times["gammapy"], strict=True))
    memory = f"{peak['xgamma']:.0f} / {peak['gammapy']:.0f} MiB"
    return f"| {name} | {_text(theirs)} | {_text(ours)} | {ratio:.3g} | {memory} |"


def _text(seconds):
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def imports(gammapy_python, pairs=3):
    """Row of the import, each in new processes."""
    code = {"xgamma": (sys.executable, "import xgamma"), "gammapy": (gammapy_python, "import gammapy.datasets")}
    times = {who: [] for who in code}
    for _ in range(pairs):
        for who, (python, statement) in code.items():
            start = time.perf_counter()
            subprocess.run([python, "-c", statement], check=True, capture_output=True)
            times[who].append(time.perf_counter() - start)
    return report("import", times, {"xgamma": 0, "gammapy": 0}).replace("0 / 0 MiB", "")


def _compiled(name):
    return f"compile: {name}"


def compilations(python, config, calls=9):
    """Print how long likelihoods take to compile, as medians of some calls in a process."""
    print("\n| likelihood | compiled in |\n|---|---|")
    with both({"xgamma": python}, config) as workers:
        for name in COMPILED:
            times = [workers["xgamma"].run(_compiled(name), i)["seconds"] for i in range(calls)]
            print(f"| {name} | {_text(statistics.median(times))} |", flush=True)


def main():
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", help="parts of the names of the cases to run")
    parser.add_argument("--quick", action="store_true", help="one pair each, a small survey")
    options = parser.parse_args()
    pythons = {"xgamma": sys.executable, "gammapy": os.environ["XGAMMA_GAMMAPY_PYTHON"]}
    config = config_of(os.environ["GAMMAPY_DATA"], options.quick)
    chosen = [n for n in CASES if not options.cases or any(part in n for part in options.cases)]
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, {time.strftime('%F')}\n")
    print("| work | gammapy | xgamma | ratio | peak memory, xgamma / gammapy |\n|---|---|---|---|---|", flush=True)
    if not options.cases or "import" in options.cases:
        print(imports(pythons["gammapy"]), flush=True)
    for name in chosen:
        print(name, file=sys.stderr, flush=True)
        try:
            with both(pythons, config) as workers:
                times, peak, _ = run_case(name, workers, 1 if options.quick else CASES[name][1])
        except RuntimeError as error:
            print(f"| {name} | {error} | | | |", flush=True)
        else:
            print(report(name, times, peak), flush=True)
    if not options.cases or "compile" in options.cases:
        compilations(pythons["xgamma"], config, 2 if options.quick else 9)


if __name__ == "__main__":
    main()
