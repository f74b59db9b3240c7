"""The quick look at a dataset."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from tests.builders import make_map_dataset
from xgamma.models import SkyModel
from xgamma.plot import peek


@pytest.mark.parametrize("chunks", [None, {"x": 5}])
def test_map(chunks):
    ds = make_map_dataset(chunks=chunks)
    axes = peek(ds)
    assert axes.shape == (2, 2)
    titles = [ax.get_title() for ax in axes.flat]
    assert [title.split(",")[0] for title in titles] == ["Counts", "Background", "Exposure", "Excess inside the masks"]
    assert titles[2].endswith(f"{float(ds.energy_true_min[3]):.3g} - {float(ds.energy_true_max[3]):.3g} TeV")
    images = [ax.get_images()[0].get_array() for ax in axes.flat]
    np.testing.assert_allclose(images[0], ds.counts.sum("energy"))
    np.testing.assert_allclose(images[1], ds.background.sum("energy"))
    np.testing.assert_allclose(images[2], ds.exposure[3])
    inside = (ds.mask_safe & ds.mask_fit).values
    want = np.where(inside, ds.counts - ds.background, 0).sum(0)
    np.testing.assert_allclose(images[3].filled(0), want)
    np.testing.assert_array_equal(np.ma.getmaskarray(images[3]), ~inside.any(0))
    assert axes[0, 0].figure.get_suptitle() == "test"
    assert axes[0, 0].collections, "the border of the mask"


def test_prediction_of_models():
    ds = make_map_dataset()
    model = SkyModel.create("pl", "point", name="source")
    model.spatial_model.position = SkyCoord(0, 0, unit="deg", frame="galactic")
    ax = peek(ds, models=[model])[0, 1]
    assert ax.get_title() == "Predicted counts"
    assert ax.get_images()[0].get_array().sum() > ds.background.values.sum() + 1


def test_spectrum():
    ds = make_map_dataset(irf_on_sky=False).isel(x=8, y=6).drop_dims("gti")
    axes = peek(ds)
    assert [len(ax.patches) for ax in axes.flat] == [1, 1, 1, 1]
    assert axes[0, 0].get_xlabel() == "Energy [TeV]"
    np.testing.assert_allclose(axes[0, 0].patches[0].get_data().values, ds.counts)


def test_what_is_missing_is_said():
    ds = make_map_dataset()[["counts"]]
    texts = [[text.get_text() for text in ax.texts] for ax in peek(ds).flat]
    assert texts == [[], ["no data"], ["no data"], ["no data"]]
    with pytest.raises(ValueError, match="no variable 'counts'"):
        peek(make_map_dataset().drop_vars("counts"))
