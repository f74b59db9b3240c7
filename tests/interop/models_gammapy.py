"""What gammapy reads in a file of models and what values they have, and how it writes them again."""

from pathlib import Path

import astropy.units as u
import numpy as np
from gammapy.modeling.models import Models


def evaluate(models_path, points, yaml_path):
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
    return values


COMMANDS = {"models": evaluate}
