"""What a user may do with a dataset in passing, and what is said where it cannot work."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord

import xgamma as xg
from tests.builders import SKIES, make_map_dataset
from xgamma import cli
from xgamma.models import Models, PowerLawSpectralModel, SkyModel

CENTER = SkyCoord(0, 0, unit="deg", frame="galactic")
SOURCE = SkyModel.create("pl", "point", name="source")


@pytest.fixture(scope="module")
def ds():
    return make_map_dataset()


@pytest.fixture(scope="module")
def other():
    """Of the same labels, but a twentieth of a degree beside."""
    return make_map_dataset(center=(0.05, 0.0))


TOGETHER = {
    "arithmetic": lambda a, b: a.counts + b.counts,
    "where": lambda a, b: a.counts.where(b.mask_safe),
    "xr.where": lambda a, b: xr.where(b.mask_safe, a.counts, 0),
    "align": lambda a, b: xr.align(a, b, join="inner"),
    "align outer": lambda a, b: xr.align(a, b, join="outer"),
    "merge": lambda a, b: xr.merge([a[["counts"]], b.counts.rename("other")], join="exact"),
    "merge outer": lambda a, b: xr.merge([a[["counts"]], b.counts.rename("other")], join="outer"),
    "concat": lambda a, b: xr.concat([a.counts, b.counts], "step", join="exact"),
    "concat outer": lambda a, b: xr.concat([a.counts, b.counts], "step", join="outer"),
    "combine_first": lambda a, b: a[["counts"]].combine_first(b[["counts"]]),
    "fillna": lambda a, b: a.counts.fillna(b.counts),
    "dot": lambda a, b: xr.dot(a.counts, b.counts),
    "apply_ufunc": lambda a, b: xr.apply_ufunc(np.add, a.counts, b.counts),
    "broadcast": lambda a, b: xr.broadcast(a.counts, b.counts),
    "reindex_like": lambda a, b: a.reindex_like(b),
    "in place": lambda a, b: a.counts.copy().__iadd__(b.counts),
    "update by a dataset": lambda a, b: a.copy().update(b[["counts"]]),
    "assign coordinates": lambda a, b: a.assign_coords(lon=b.lon),
    "stack": lambda a, b: a.gp.stack(b),
}


@pytest.mark.parametrize("how", TOGETHER)
def test_maps_of_different_grids_are_not_put_together(ds, other, how):
    for left, right in ((ds, other), (ds.chunk(x=5), other.chunk(x=5))):
        with pytest.raises(ValueError, match="grid|not equal along|in-place|corrupt"):
            TOGETHER[how](left, right)


def test_an_assignment_goes_by_labels(ds, other):
    """Xarray drops the coordinates of an array that is assigned, so that nothing is left to compare; see the docs."""
    assigned = ds.assign(other=other.counts)
    assert assigned.wcs.attrs == ds.wcs.attrs
    np.testing.assert_array_equal(assigned["other"], other.counts)
    # other labels are noticed: their pixels are missing
    shifted = ds.isel(x=slice(0, 9)).counts
    with pytest.raises(ValueError, match="counts .* holds .* values that are NaN"):
        ds.assign(counts=shifted).gp.validate()


def test_changed_units_of_an_axis_are_noticed(ds):
    changed = ds.copy(deep=True)
    changed["energy"].attrs["units"] = "GeV"
    with pytest.raises(ValueError, match="energy is in 'GeV' by its attrs, but its bins are in 'TeV'"):
        changed.gp.validate()


def test_pieces_come_together(ds):
    left, right = ds[["counts"]].isel(x=slice(0, 7)), ds[["counts"]].isel(x=slice(7, None))
    xr.testing.assert_identical(xr.concat([left, right], "x"), ds[["counts"]])
    xr.testing.assert_identical(xr.combine_by_coords([right, left]), ds[["counts"]])
    low, high = ds.counts.isel(energy=slice(0, 1)), ds.counts.isel(energy=slice(1, None))
    xr.testing.assert_identical(xr.concat([low, high], "energy"), ds.counts)
    part = ds.gp.cutout(CENTER.icrs, "0.8 deg")
    assert (ds.counts - part.background).gp.grid.equals(part.counts.gp.grid)
    one, both = xr.align(part.counts, ds.counts, join="outer")
    assert one.gp.grid.equals(both.gp.grid) and int(one.isnull().sum()) == ds.counts.size - part.counts.size
    strided = ds.counts.isel(x=slice(None, None, 2)) + ds.counts
    assert strided.gp.grid.shape == (12, 8)
    assert ds.isel(x=slice(None, None, -1)).sortby("x").identical(ds)
    assert ds.counts.expand_dims("step").gp.grid.shape == (12, 16)


def test_labels_in_other_units_and_frames(ds):
    assert ds.sel(energy=slice(1000 * u.GeV, "6e6 MeV")).sizes["energy"] == 2
    assert float(ds.sel(energy="2000 GeV").energy_min) < 2 < float(ds.sel(energy="2000 GeV").energy_max)
    assert ds.sel(energy=["1 TeV", 3 * u.TeV]).sizes["energy"] == 2
    box = ds.sel(lon=slice("-30 arcmin", 0.5 * u.deg), lat=slice(-0.3, "18 arcmin"))
    assert (box.sizes["y"], box.sizes["x"]) == (6, 10)
    galactic = CENTER.icrs.galactic
    assert ds.sel(lon=galactic.l, lat=galactic.b, method="nearest").counts.dims == ("energy",)
    wrap = make_map_dataset(**SKIES["wrap"])
    assert wrap.sel(lon=slice(-0.4, 0.2)).equals(wrap.sel(lon=slice(359.6, 360.2)))
    points = {"lon": xr.DataArray([0, 0.2], dims="p"), "lat": xr.DataArray([0, 0.1], dims="p")}
    assert ds.counts.sel(points, method="nearest").dims == ("energy", "p")


def test_creation_in_other_words(ds):
    made = xg.create_map_dataset(like=(ds.counts.gp.wcs, (12, 16)), energy=["1 TeV", 3 * u.TeV, "1e4 GeV"])
    assert made.counts.gp.grid.equals(ds.counts.gp.grid)
    np.testing.assert_allclose(made.energy_max, [3, 10])
    summed = made.counts.isel(energy=0, drop=True) + ds.counts.isel(energy=0, drop=True)
    assert summed.gp.grid.equals(ds.counts.gp.grid)
    np.testing.assert_allclose(xg.energy_edges(1, 100, nbin=2).to_value("TeV"), [1, 10, 100])
    np.testing.assert_allclose(xg.energy_edges("1 TeV", "100000 GeV", nbin=2).value, [1e3, 1e4, 1e5])
    with pytest.raises(ValueError, match="edges"):
        xg.create_map_dataset(width=1, energy=["1 TeV", "0.5 TeV"])


def test_transposed_data_give_the_same(ds):
    turned = ds.transpose("x", "rad", "energy", "y", "energy_true", ...)
    model = SkyModel.create("pl", "point", name="source")
    model.spatial_model.position = CENTER
    xr.testing.assert_allclose(turned.gp.npred(model).transpose("energy", "y", "x"), ds.gp.npred(model))
    assert float(turned.gp.stat_sum(model)) == pytest.approx(float(ds.gp.stat_sum(model)), rel=1e-12)


def test_a_chain_of_conversions(ds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = make_map_dataset(npix=(6, 8), nenergy=2, irf_on_sky=False)
    small.gp.to_fits("a.fits")
    for arguments in (["a.fits", "b.zarr"], ["b.zarr", "c.nc", "--chunks", "x=5"], ["c.nc", "d.fits.gz"]):
        assert cli.main(["convert", *arguments]) == 0
    assert cli.main(["convert", "b.zarr", "b.zarr", "--overwrite"]) == 0
    assert cli.main(["convert", "a.fits", "a.fits", "--overwrite"]) == 0
    for name in ("a.fits", "b.zarr", "c.nc", "d.fits.gz"):
        with xg.open_dataset(name) as opened:
            assert opened.load().identical(small)


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (
            lambda ds: ds.gp.npred(PowerLawSpectralModel()),
            ValueError,
            "not PowerLawSpectralModel: .*goes into a SkyModel",
        ),
        (lambda ds: ds.gp.npred("components: []"), ValueError, "not str: .*Models.from_yaml"),
        (lambda ds: xg.open_dataset(b"a.fits"), TypeError, "a path is needed, as str or Path, not bytes"),
        (lambda ds: xg.open_dataset(3), TypeError, "not int"),
        (lambda ds: xr.DataArray([1]).gp.wcs, ValueError, "the array has no dims on the sky"),
        (lambda ds: ds.gp.psf.containment_radius([0.5, 0.9]), ValueError, "one number between 0 and 1"),
        (lambda ds: ds.isel(energy=0).gp.validate(), ValueError, "select single bins with lists"),
        (lambda ds: ds.counts.coarsen(x=2).sum().gp.wcs, ValueError, "'x' must be whole numbers"),
        (lambda ds: ds.isel(x=slice(None, None, 2)).gp.to_fits("a.fits"), ValueError, "select without strides"),
        (lambda ds: ds.counts.interp(x=[0.5, 1.5], y=[0.5]).gp.wcs, ValueError, "'y' differs .*interp_by_coord"),
        (lambda ds: ds.interp(x=ds.x.values + 0.5).gp.npred(SOURCE), ValueError, "'x' differs .*interp_by_coord"),
        (lambda ds: ds.drop_dims("energy").gp.npred(), ValueError, "no dim 'energy'"),
        (
            lambda ds: ds.assign(exposure=(ds.exposure.dims, ds.exposure.values)).gp.npred(SOURCE),
            ValueError,
            "exposure has units '', which do not convert to cm2 s",
        ),
        (lambda ds: ds.sel(lon=30, lat=0), KeyError, "no pixel is at lon 30"),
        (lambda ds: ds.sel(energy="1 PeV"), KeyError, "no bin contains 1000 TeV"),
        (lambda ds: ds.gp.energy_mask("5 TeV", "1 TeV"), ValueError, "swapped"),
        (lambda ds: ds.assign(own=ds.counts).gp.to_fits("a.fits"), ValueError, r"\['own'\] have no place"),
    ],
)
def test_mistakes_are_explained(ds, tmp_path, monkeypatch, mistake, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        mistake(ds)
    assert not list(tmp_path.iterdir())


def test_models_by_themselves_or_in_lists(ds):
    model = SkyModel.create("pl", "point", name="source")
    one = ds.gp.npred_signal(model)
    for models in ([model], (model,), iter([model]), Models(model), {"source": model}.values()):
        xr.testing.assert_identical(ds.gp.npred_signal(models), one)


def test_selections_that_leave_little(ds):
    """One pixel, one row, one bin, every other bin, or none at all."""
    model = SkyModel.create("pl", "point", name="source")
    model.spatial_model.position = CENTER
    whole = ds.gp.npred_signal(model)
    for part in (
        {"x": [3], "y": [4]},
        {"y": [5]},
        {"energy": [1]},
        {"energy": [0, 2]},
        {"energy": slice(None, None, -1)},
        {"x": slice(0, 0)},
        {"energy": slice(0, 0)},
    ):
        found = ds.isel(part).gp.npred_signal(model)
        expected = whole.isel(part)
        assert found.sizes == expected.sizes and found.attrs == expected.attrs
        if "energy" in part:
            np.testing.assert_allclose(found, expected, rtol=1e-9)


MISTAKES = {
    "an energy that is none": (lambda ds: ds.gp.psf.containment_radius(0.68, "high"), "energy_true is 'high'"),
    "a radius below zero": (lambda ds: ds.gp.psf.containment(-1), "rad is -1.0 deg"),
    "pixels of no width": (lambda ds: ds.gp.psf.kernel(binsz=0), "binsz is 0"),
    "a pair for a position": (lambda ds: ds.gp.edisp.kernel((0, 0)), r"a position is one SkyCoord, not \(0, 0\)"),
    "models that are no text": (lambda ds: ds.assign_attrs(models=3).gp.npred(), "must be YAML text, not int"),
    "text for an acceptance": (lambda ds: ds.gp.to_onoff("one"), "acceptance is 'one'"),
    "an acceptance below zero": (lambda ds: ds.gp.to_onoff(1, -2), "acceptance_off is -2"),
    "too many off counts": (
        lambda ds: ds.gp.to_onoff(1, 2, np.ones(9)),
        "counts_off is no number for each of the bins",
    ),
    "fluxes of a map": (lambda ds: ds.gp.flux_pred(), "has no flux points"),
    "an unknown type": (lambda ds: xg.Datasets(ds).select(dataset_type="Map"), "there is no dataset type 'Map'"),
    "a path for data": (lambda ds: xg.Likelihood("data.fits"), "takes xarray.Dataset objects, not str"),
    "half a bin": (lambda ds: xg.energy_edges("1 TeV", "10 TeV", nbin=2.5), "nbin is 2.5"),
    "text for a centre": (lambda ds: xg.create_map_dataset("Crab", energy=[1, 10] * u.TeV), "center is 'Crab'"),
    "three numbers for a centre": (lambda ds: xg.create_map_dataset((1, 2, 3)), r"center is \(1, 2, 3\)"),
    "a path for a table": (lambda ds: xg.create_flux_points("points.fits"), "not str: files are opened"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_get_a_sentence(ds, mistake):
    call, message = MISTAKES[mistake]
    with pytest.raises(ValueError, match=message):
        call(ds)


def test_key_figures_with_masks_of_numbers(ds):
    numbers = ds.assign(mask_safe=ds.mask_safe.astype(float), mask_fit=ds.mask_fit.astype(int))
    assert numbers.gp.info([SOURCE]) == ds.gp.info([SOURCE])
