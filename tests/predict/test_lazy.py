import dask
import numpy as np
import pytest
import xarray as xr

from tests.builders import SKIES, make_map_dataset
from xgamma.coords import SkyGrid
from xgamma.models import (
    ConstantSpatialModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from xgamma.predict import assign_models, excess, npred, npred_background, npred_signal

CHUNKS = {"y": 12, "x": 10, "energy": 3, "y_psf": 2, "rad": 7, "energy_true": 4}


def make_models(ds):
    centre = SkyGrid.from_dataset(ds).center
    frame = centre.frame.name
    lon, lat = centre.spherical.lon.deg, centre.spherical.lat.deg

    def spectrum():
        return PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1")

    at = {"frame": frame}
    return Models(
        [
            SkyModel(spectrum(), PointSpatialModel(lon_0=lon + 0.13, lat_0=lat - 0.21, **at), name="point"),
            SkyModel(
                spectrum(), GaussianSpatialModel(lon_0=lon - 0.3, lat_0=lat + 0.1, sigma=0.15, **at), name="gauss"
            ),
            SkyModel(spectrum(), ConstantSpatialModel(), name="diffuse"),
            FoVBackgroundModel(dataset_name="test"),
        ]
    )


@pytest.fixture(params=SKIES)
def ds(request):
    return make_map_dataset(**SKIES[request.param], npix=(23, 26))


OPERATIONS = {
    "npred": npred,
    "npred_signal": npred_signal,
    "npred_background": npred_background,
    "excess": excess,
    "not stacked": lambda ds, models: npred_signal(ds, models, stack=False),
}


def test_lazy(ds, no_compute):
    """In chunks that do not divide the map, along every axis."""
    models = make_models(ds)
    lazy = ds.chunk(CHUNKS)
    before = lazy.copy()
    with no_compute():
        found = {name: operation(lazy, models) for name, operation in OPERATIONS.items()}
    assert lazy.identical(before)
    computed = dask.compute(found)[0]
    for name, operation in OPERATIONS.items():
        actual, expected = found[name], operation(ds, models)
        assert actual.chunks is not None
        xr.testing.assert_allclose(computed[name], expected, rtol=1e-10, atol=1e-12)
        assert actual.attrs == expected.attrs
        assert actual.dims == expected.dims
        assert list(actual.coords) == list(expected.coords)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_grid_and_attrs(ds, operation):
    models = make_models(ds)
    before = ds.copy(deep=True)
    out = OPERATIONS[operation](ds, models)
    assert ds.identical(before)
    assert out.attrs["units"] == ""
    assert out.dims[-3:] == ("energy", "y", "x")
    for name in ("energy", "energy_min", "y", "x", "lon", "lat", "wcs"):
        assert out.coords[name].identical(
            ds["counts"].coords[name].drop_vars([n for n in ds.coords if n not in out.coords], errors="ignore")
        )
    assert not [name for name in out.coords if "psf" in name or "true" in name]
    xr.testing.assert_equal(ds.assign(new=out)["new"].variable, out.variable)


def test_strides(ds):
    models = make_models(ds)[:1]
    every_other = {"x": slice(None, None, 2), "y": slice(1, None, 3)}
    # the exposure, a Gaussian of 2.5 deg, is interpolated over 0.2 and 0.3 deg: h^2 / 8 sigma^2 = 2.6e-3
    np.testing.assert_allclose(
        npred_signal(ds.isel(every_other), models), npred_signal(ds, models).isel(every_other), rtol=2.7e-3
    )


def test_energy_slice(ds):
    models = make_models(ds)
    np.testing.assert_allclose(
        npred(ds.isel(energy=slice(1, 3)), models), npred(ds, models).isel(energy=slice(1, 3)), rtol=1e-10
    )


def test_transposed(ds):
    models = make_models(ds)
    out = npred(ds.transpose(), models)
    assert out.dims == ("x", "y", "energy")
    np.testing.assert_allclose(out.transpose("energy", "y", "x"), npred(ds, models), rtol=1e-10)


def test_reversed(ds):
    models = make_models(ds)
    back = {"y": slice(None, None, -1), "x": slice(None, None, -1)}
    np.testing.assert_allclose(npred(ds.isel(back), models), npred(ds, models).isel(back), rtol=1e-10)
    lazy = npred(ds.isel(back).chunk(x=15), models)
    np.testing.assert_allclose(lazy, npred(ds, models).isel(back), rtol=1e-10)


def test_sum_of_models(ds):
    models = make_models(ds)
    each = npred_signal(ds, models, stack=False)
    assert list(each["model"].values) == ["point", "gauss", "diffuse"]
    np.testing.assert_allclose(each.sum("model"), npred_signal(ds, models), rtol=1e-10)
    one = npred_signal(ds, models, names="gauss")
    np.testing.assert_allclose(one, each.sel(model="gauss"))
    assert "gauss" not in npred_signal(ds, models, names=["point"]).coords


def test_linear_in_the_amplitude(ds):
    models = make_models(ds)[:2]
    once = npred_signal(ds, models)
    for model in models:
        model.spectral_model.amplitude.value *= -3
    np.testing.assert_allclose(npred_signal(ds, models), -3 * once, rtol=1e-10, atol=1e-12)


def test_no_stale_state(ds):
    """A lazy prediction holds the models as they were at the call."""
    models = make_models(ds)
    lazy = npred(ds.chunk(x=15), models)
    expected = npred(ds, models)
    models["point"].spectral_model.amplitude.value *= 2
    models["point"].spatial_model.lon_0.value += 0.3
    models["gauss"].spatial_model.sigma.value *= 2
    np.testing.assert_allclose(lazy, expected, rtol=1e-10)
    assert float(npred(ds, models).sum()) > float(expected.sum())


def test_stored_models(ds):
    models = make_models(ds)
    stored = assign_models(ds, models)
    assert "models" not in ds.attrs
    np.testing.assert_array_equal(npred(stored), npred(ds, models))
    assert stored.attrs["history"].splitlines()[-1] == "assign_models(point, gauss, diffuse, test-bkg)"
    assert "models" not in assign_models(stored, None).attrs
    assert float(npred(assign_models(stored, None)).sum()) == pytest.approx(float(ds.background.sum()))


def test_background_model(ds):
    background = FoVBackgroundModel(dataset_name="test")
    background.spectral_model.norm.value = 1.3
    background.spectral_model.tilt.value = 0.2
    out = npred_background(ds, [background])
    factor = 1.3 * ds["energy"].values[:, None, None] ** -0.2
    np.testing.assert_allclose(out, ds["background"] * factor, rtol=1e-12)
    other = FoVBackgroundModel(dataset_name="other")
    np.testing.assert_array_equal(npred_background(ds, [other]), ds["background"])


def test_models_of_other_datasets_do_not_count(ds):
    models = make_models(ds)
    models["point"].datasets_names = ["other"]
    names = npred_signal(ds, models, stack=False)["model"].values
    assert list(names) == ["gauss", "diffuse"]


def test_dataset_without_background(ds):
    bare = ds.drop_vars("background")
    models = make_models(ds)
    np.testing.assert_allclose(npred(bare, models), npred_signal(ds, models))
    assert not npred(bare).any()


def test_errors(ds):
    models = make_models(ds)
    with pytest.raises(ValueError, match=r"No source model is named \['nobody'\]; there are \['point', 'gauss'"):
        npred_signal(ds, models, names="nobody")
    with pytest.raises(ValueError, match="no variable 'exposure'"):
        npred(ds.drop_vars("exposure"), models)
    with pytest.raises(ValueError, match="Model 'flat' has no spatial model"):
        npred(ds, [SkyModel(PowerLawSpectralModel(), name="flat")])
    with pytest.raises(ValueError, match="More than one background model applies to dataset 'test'"):
        npred(ds, [FoVBackgroundModel(dataset_name="test"), FoVBackgroundModel(dataset_name="test", name="second")])
    with pytest.raises(ValueError, match="no variable 'counts'"):
        excess(ds.drop_vars("counts"))


def test_spectrum():
    """Without dims on the sky counts are flux x exposure x energy dispersion."""
    ds = make_map_dataset(irf_on_sky=False)
    region = ds.drop_dims(["y", "x"]).drop_vars(["wcs"], errors="ignore")
    region["exposure"] = ds["exposure"].isel(y=6, x=8, drop=True).reset_coords(drop=True)
    region["counts"] = ds["counts"].sum(("y", "x")).reset_coords(drop=True)
    model = SkyModel(PowerLawSpectralModel(), name="source")
    out = npred_signal(region, [model])
    axis = region["energy_true_min"].values, region["energy_true_max"].values
    expected = (model.spectral_model.integrate_array(*axis) * region["exposure"].values * 1e4) @ ds["edisp"].values
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    np.testing.assert_allclose(npred_signal(region.chunk(energy_true=2), [model]).compute(), expected, rtol=1e-12)
