"""The quick look at a dataset."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from tests.builders import SKIES, make_map_dataset
from xgamma.models import SkyModel
from xgamma.onoff import background, to_onoff
from xgamma.plot import peek


@pytest.mark.parametrize("chunks", [None, {"x": 5}])
def test_map(chunks):
    ds = make_map_dataset(chunks=chunks)
    axes = peek(ds)
    assert axes.shape == (2, 3)
    titles = [ax.get_title() for ax in axes.flat]
    assert titles[:3] == ["Counts", "Background", "Excess inside the masks"]
    assert titles[3] == f"Exposure, {float(ds.energy_true_min[3]):.3g} - {float(ds.energy_true_max[3]):.3g} TeV"
    assert titles[4:] == ["Point spread function", "Energy dispersion"]
    images = [ax.get_images()[0].get_array() for ax in axes.flat[:4]]
    np.testing.assert_allclose(images[0], ds.counts.sum("energy"))
    np.testing.assert_allclose(images[1], ds.background.sum("energy"))
    inside = (ds.mask_safe & ds.mask_fit).values
    want = np.where(inside, ds.counts - ds.background, 0).sum(0)
    np.testing.assert_allclose(images[2].filled(0), want)
    np.testing.assert_array_equal(np.ma.getmaskarray(images[2]), ~inside.any(0))
    np.testing.assert_allclose(images[3], ds.exposure[3])
    np.testing.assert_allclose(axes[1, 1].lines[0].get_ydata(), ds.gp.psf.containment_radius(0.68))
    np.testing.assert_allclose(axes[1, 2].collections[0].get_array(), ds.gp.edisp.kernel().T)
    assert axes[0, 0].figure.get_suptitle() == "test"
    assert [text.get_text() for text in axes[0, 0].get_legend().get_texts()] == ["Safe mask", "Fit mask"]
    assert len(axes[0, 0].collections) == 2, "the borders of the masks"


@pytest.mark.parametrize("sky", ["TAN", "wrap"])
def test_frames(sky):
    axes = peek(make_map_dataset(**SKIES[sky]))
    if sky == "wrap":  # drawing takes long
        axes[0, 0].figure.canvas.draw()
    longitude = "Galactic longitude [deg]" if SKIES[sky]["frame"] == "galactic" else "Right ascension [deg]"
    assert [ax.coords[0].get_axislabel() for ax in axes.flat[:4]] == [longitude] * 4


def test_prediction_of_models():
    ds = make_map_dataset()
    model = SkyModel.create("pl", "point", name="source")
    model.spatial_model.position = SkyCoord(0, 0, unit="deg", frame="galactic")
    ax = peek(ds, models=[model])[0, 1]
    assert ax.get_title() == "Predicted counts"
    assert ax.get_images()[0].get_array().sum() > ds.background.values.sum() + 1


@pytest.mark.parametrize("chunks", [None, {"energy": 2}])
def test_spectrum(chunks):
    ds = make_map_dataset(irf_on_sky=False).isel(x=8, y=6).drop_dims("gti")
    ds = ds if chunks is None else ds.chunk(chunks)
    axes = peek(ds)
    titles = [ax.get_title() for ax in axes]
    assert titles == ["Counts", "Exposure", "Point spread function", "Energy dispersion"]
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == [
        "Counts",
        "Background",
        "Safe mask",
        "Fit mask",
    ]
    assert axes[0].get_xlabel() == "Energy [TeV]"
    np.testing.assert_allclose(axes[0].patches[0].get_data().values, ds.counts)
    np.testing.assert_allclose(axes[1].patches[0].get_data().values, ds.exposure)
    assert (axes[0].get_yscale(), axes[1].get_yscale()) == ("log", "log")
    assert [ax.get_title() for ax in peek(ds.drop_vars("psf"))] == ["Counts", "Exposure", "Energy dispersion"]


@pytest.mark.parametrize("on_sky", [True, False])
def test_off_regions(on_sky):
    ds = make_map_dataset(irf_on_sky=False)
    ds = to_onoff(ds if on_sky else ds.isel(x=8, y=6), acceptance_off=4)
    axes = peek(ds)
    if on_sky:
        np.testing.assert_allclose(axes[0, 1].get_images()[0].get_array(), background(ds).sum("energy"))
    else:
        np.testing.assert_allclose(axes[0].patches[1].get_data().values, background(ds))


def test_what_is_missing_is_said():
    ds = make_map_dataset()[["counts"]]
    texts = [[text.get_text() for text in ax.texts] for ax in peek(ds).flat]
    assert texts == [[], *[["no data"]] * 5]
    spectrum = ds.isel(x=3, y=4)
    assert [[text.get_text() for text in ax.texts] for ax in peek(spectrum)] == [[], ["no data"], ["no data"]]
    with pytest.raises(ValueError, match="no variable 'counts'"):
        peek(make_map_dataset().drop_vars("counts"))
