import numpy as np

from tests.builders import make_map_dataset
from xgamma.geoms import geoms


def test_geoms(reference):
    out = geoms(make_map_dataset())
    assert list(out) == ["geom", "geom_exposure", "geom_psf", "geom_edisp"]
    assert out["geom"].shape == (4, 12, 16)
    assert out["geom_exposure"].shape == (6, 12, 16)
    assert out["geom_psf"].shape[:2] == (6, 20)
    assert list(out["geom_edisp"].axes) == ["energy_true", "energy"]
    np.testing.assert_allclose(out["geom"].grid.pixel_scale, 0.1)


def test_order_of_dims_carries_no_meaning():
    ds = make_map_dataset()
    one, other = geoms(ds), geoms(ds.transpose())
    assert [g.shape for g in one.values()] == [g.shape for g in other.values()]


def test_without_sky():
    out = geoms(make_map_dataset(irf_on_sky=False))
    assert out["geom_psf"].grid is None
    assert out["geom_psf"].shape == (6, 20)


def test_a_geometry_is_printed_in_one_line():
    from xgamma import tutorial

    geoms = tutorial.open_dataset("gc").gp.geoms
    expected = "<Geom 60 x 50 pixels of 0.05 x 0.05 deg (GLON-CAR, GLAT-CAR); energy: 8 from 0.3 to 30 TeV>"
    assert repr(geoms["geom"]) == expected
