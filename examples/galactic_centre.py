"""From a file to predicted counts and an archive, on a map dataset of the Galactic centre.

On the CTA dataset of gammapy's tutorials if GAMMAPY_DATA names the folder that holds it, else on a simulated sample.
Results go into the folder given as the argument, by default a temporary one.
"""

import os
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

import xgamma as xg
import xgamma.tutorial
from xgamma.models import FoVBackgroundModel, SkyModel


def open_lazily():
    """Open the data without reading them."""
    folder = os.environ.get("GAMMAPY_DATA")
    if folder:
        return xg.open_dataset(Path(folder) / "cta-1dc-gc" / "cta-1dc-gc.fits.gz", chunks={}, name="cta-gc")
    return xgamma.tutorial.open_dataset("gc", chunks={"x": 30})


def main(folder: Path) -> None:
    """Do each step of the tutorial."""
    ds = open_lazily()
    center = SkyCoord(0, 0, unit="deg", frame="galactic")

    # Models are an argument of predictions; stored with the dataset, they go wherever it goes.
    source = SkyModel.create("pl", "point", name="gc-source")
    source.spectral_model.index.value = 2.2
    source.spatial_model.position = center
    ds = ds.gp.assign_models([source, FoVBackgroundModel(dataset_name=ds.gp.name)])
    print(ds.gp.summary())

    predicted = ds.gp.npred()
    print("predicted counts in each energy bin:", predicted.sum(["y", "x"]).values.round(1))

    # Masks are ordinary variables.
    circle = ds.gp.region_mask(CircleSkyRegion(center, 1.2 * u.deg))
    ds["mask_fit"] = circle & ds.gp.energy_mask("0.5 TeV", "10 TeV")
    print("statistic inside the masks:", float(ds.gp.stat_sum()))

    part = ds.gp.cutout(center, 2 * u.deg, name=ds.gp.name).gp.slice_by_energy("1 TeV", "5 TeV", name=ds.gp.name)
    print("cutout:", dict(part.counts.sizes))
    print("statistic there:", float(part.gp.stat_sum()))

    part.gp.peek()[0, 0].figure.savefig(folder / "peek.png")
    image = part.counts.sum("energy", keep_attrs=True)
    image.gp.smooth("0.05 deg").gp.plot().figure.savefig(folder / "smooth.png")
    part.counts.gp.plot_grid()[0].figure.savefig(folder / "energies.png")

    archive = folder / "part.zarr"
    part.gp.to_zarr(archive, overwrite=True)
    reopened = xg.open_dataset(archive, chunks={})
    assert reopened.identical(part), "an archive holds everything"
    print("statistic of the archive:", float(reopened.gp.stat_sum()))
    print("written to", folder)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
