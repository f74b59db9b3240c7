"""The rooms of the package, their sizes and the direction of their imports."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "xgamma"
MODULES = sorted(PACKAGE.rglob("*.py"))
ENGINE = PACKAGE.parent / "xgamma_engine.py"

# From the roof to the floor. A room may import from itself and from rooms below it.
FLOORS = [
    ["__init__"],
    ["accessor"],
    ["cli"],
    ["tutorial"],
    ["plot"],
    ["fit", "datasets"],
    ["likelihood", "summary"],
    ["statistic", "simulate"],
    ["flux_statistic"],
    ["create_spectrum", "predict"],
    ["create"],
    ["io"],
    ["geoms", "interp", "reduce"],
    ["fluxpoints", "onoff", "validate"],
    ["irf", "models"],
    ["coords"],
    ["units"],
    ["atomic", "history", "schema", "stats"],
    ["kernels", "paths"],
]
LEVEL = {room: len(FLOORS) - i for i, floor in enumerate(FLOORS) for room in floor}

# Modules that any xarray user pays for, whether they use xgamma or not: name -> what they may import on loading.
ENGINE_MAY_LOAD = {"__future__", "typing", "collections", "os", "pathlib", "xarray"}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def dotted(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path, top_only=False):
    """Absolute dotted names that a module imports, wherever the statement stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield base
            # "from xgamma import predict" imports the room, not only the package.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imported_rooms(path):
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "xgamma" and len(parts) > 1 and parts[1] in LEVEL:
            yield parts[1]


def test_every_module_has_a_room():
    strangers = {room_of(path) for path in MODULES} - LEVEL.keys()
    assert not strangers, f"modules without a place in the order of rooms: {sorted(strangers)}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_point_down(path):
    room = room_of(path)
    upwards = {other for other in imported_rooms(path) if other != room and LEVEL[other] >= LEVEL[room]}
    assert not upwards, f"{dotted(path)} imports from {sorted(upwards)}, which is not below it"


@pytest.mark.parametrize("path", [p for p in MODULES if dotted(p) != "xgamma"], ids=dotted)
def test_rooms_do_not_go_through_the_face(path):
    faces = {name for name in imports(path) if name.startswith("xgamma.") and name.split(".")[1] not in LEVEL}
    assert not faces, f"{dotted(path)} imports {sorted(faces)} from the package instead of the room that holds it"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_gammapy_is_never_imported(path):
    assert "gammapy" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_modules_stay_short(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert n_lines <= 400, f"{dotted(path)} has {n_lines} lines and wants splitting"


def test_kernels_know_arrays_only():
    outside = {name.split(".")[0] for path in MODULES if room_of(path) == "kernels" for name in imports(path)}
    assert not outside & {"xarray", "dask", "astropy"}


def test_engine_imports_nothing_heavy():
    loaded = {name.split(".")[0] for name in imports(ENGINE, top_only=True)}
    assert loaded <= ENGINE_MAY_LOAD


def loaded_after(statement):
    """Names of the modules in a fresh interpreter after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return set(done.stdout.split())


HEAVY = {"astropy", "dask", "matplotlib", "netCDF4", "regions", "scipy", "yaml", "zarr"}


def test_loading_the_engine_loads_nothing_else():
    """As `xarray.open_dataset` loads it for anybody's file, by the entry point of the project."""
    points = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]["entry-points"]
    loaded = loaded_after(
        "import xarray; from importlib.metadata import EntryPoint\n"
        f"point = EntryPoint('xgamma', {points['xarray.backends']['xgamma']!r}, 'xarray.backends')\n"
        "engine = point.load()()\n"
        "assert engine.guess_can_open('a.fits') and not engine.guess_can_open('a.nc')"
    )
    assert {name for name in loaded if name.startswith("xgamma")} == {"xgamma_engine"}
    assert not HEAVY & loaded


def test_import_is_light():
    loaded = loaded_after("import xgamma, xarray; assert xarray.Dataset.gp and xarray.DataArray.gp")
    assert {"xgamma.accessor.dataset", "xgamma.io.fits.reader"} <= loaded
    assert not (HEAVY - {"astropy", "yaml"}) & loaded
    assert not {"xgamma.plot", "xgamma.cli", "xgamma.tutorial", "xgamma.fit", "xgamma.likelihood"} & loaded
