"""Read models with gammapy, evaluate them, and write them again.

Run with an interpreter that has gammapy: ``python models_gammapy.py models.yaml points.json out.yaml out.json``.
"""

import json
import sys
from pathlib import Path

import astropy.units as u
import numpy as np
from gammapy.modeling.models import Models


def main(models_path, points_path, yaml_path, json_path):
    points = json.loads(Path(points_path).read_text())
    energy = points["energy"] * u.TeV
    lon, lat = points["lon"] * u.deg, points["lat"] * u.deg
    models = Models.read(models_path)
    values = {}
    for model in models:
        spectral = model.spectral_model
        spatial = getattr(model, "spatial_model", None)
        entry = {"spectral": spectral(energy).value.tolist(), "spectral_unit": str(spectral(energy).unit)}
        if spatial is not None and spatial.tag[1] not in ("point", "const"):
            args = (np.full(len(lon), 10.0) * u.GeV,) if spatial.is_energy_dependent else ()
            found = spatial(lon, lat, *args)
            entry |= {"spatial": found.value.tolist(), "spatial_unit": str(found.unit)}
            entry["evaluation_radius"] = spatial.evaluation_radius.to_value("deg")
        values[model.name] = entry
    Path(yaml_path).write_text(models.to_yaml())
    Path(json_path).write_text(json.dumps(values))


if __name__ == "__main__":
    main(*sys.argv[1:])
