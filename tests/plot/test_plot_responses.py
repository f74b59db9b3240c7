"""Energy dispersion and point spread function: what is drawn, and how it is labelled."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from tests.builders import make_map_dataset
from xgamma.plot import plot_bias, plot_containment_radius, plot_matrix, plot_psf_vs_rad

OFF_AXIS = SkyCoord(0.4, 0.2, unit="deg", frame="galactic")


@pytest.fixture(scope="module")
def dataset():
    return make_map_dataset()


@pytest.mark.parametrize("chunks", [None, {"x_edisp": 1}])
@pytest.mark.parametrize("migra", [False, True])
def test_matrix(migra, chunks):
    ds = make_map_dataset(migra=migra, chunks=chunks)
    ax = plot_matrix(ds, OFF_AXIS, cmap="magma")
    (mesh,) = ax.collections
    kernel = ds.gp.edisp.kernel(OFF_AXIS)
    np.testing.assert_allclose(mesh.get_array(), kernel.T)
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], np.append(ds.energy_true_min, ds.energy_true_max[-1]))
    np.testing.assert_allclose(corners[:, 0, 1], np.append(ds.energy_min, ds.energy_max[-1]))
    assert (ax.get_xscale(), ax.get_yscale(), mesh.get_cmap().name) == ("log", "log", "magma")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("True energy [TeV]", "Energy [TeV]")
    assert ax.figure.axes[1].get_ylabel() == "Probability"


def test_matrix_on_given_axes(dataset):
    given = plt.figure().add_subplot()
    assert plot_matrix(dataset, ax=given, colorbar=False, vmax=0.2) is given
    assert given.figure.axes == [given]
    assert given.collections[0].get_clim()[1] == 0.2


@pytest.mark.parametrize("chunks", [None, {"x_edisp": 1}])
def test_bias(chunks):
    ds = make_map_dataset(chunks=chunks)
    ax = plot_bias(ds, OFF_AXIS, color="red")
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_ydata(), ds.gp.edisp.bias(position=OFF_AXIS))
    np.testing.assert_allclose(line.get_xdata(), ds.energy_true)
    assert (ax.get_xscale(), line.get_color()) == ("log", "red")
    assert ax.get_ylabel().startswith("Bias")


@pytest.mark.parametrize("chunks", [None, {"x_psf": 1}])
def test_containment_radius(chunks):
    ds = make_map_dataset(chunks=chunks)
    ax = plot_containment_radius(ds, fraction=(0.5, 0.95), position=OFF_AXIS)
    assert [line.get_label() for line in ax.lines] == ["50 %", "95 %"]
    for line, fraction in zip(ax.lines, (0.5, 0.95), strict=True):
        want = ds.gp.psf.containment_radius(fraction, position=OFF_AXIS)
        np.testing.assert_allclose(line.get_ydata(), want)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("True energy [TeV]", "Containment radius [deg]")
    assert ax.get_xscale() == "log"
    assert ax.get_legend() is not None
    (single,) = ds.gp.psf.plot_containment_radius(0.9).lines
    assert single.get_label() == "90 %"


@pytest.mark.parametrize("chunks", [None, {"x_psf": 1}])
def test_psf_vs_rad(chunks):
    ds = make_map_dataset(chunks=chunks)
    energy = ds.energy_true.gp.quantity[[1, 4]]
    ax = plot_psf_vs_rad(ds, energy, OFF_AXIS)
    # linear on the sky between the four pixels about the position
    table = ds.psf.gp.interp_by_coord({"skycoord": OFF_AXIS}).transpose("energy_true", "rad")
    for line, profile in zip(ax.lines, table.values[[1, 4]], strict=True):
        np.testing.assert_allclose(line.get_ydata(), profile, rtol=1e-6)
        np.testing.assert_allclose(line.get_xdata(), ds.rad)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Offset [deg]", "Point spread function [sr⁻¹]")
    low, high = ax.get_ylim()
    assert high / low < 1e7


def test_psf_vs_rad_takes_usual_energies(dataset):
    assert [line.get_label() for line in plot_psf_vs_rad(dataset).lines] == ["1 TeV", "10 TeV"]
    low = dataset.isel(energy_true=slice(0, 3))
    assert [line.get_label() for line in plot_psf_vs_rad(low).lines] == [
        f"{float(energy):.3g} TeV" for energy in low.energy_true
    ], "one of the usual energies at most"
    assert len(plot_psf_vs_rad(dataset.isel(energy_true=slice(2, 3))).lines) == 1
    assert len(dataset.gp.psf.plot_psf_vs_rad("2 TeV").lines) == 1


def test_units_meet_on_one_picture(dataset):
    ax = plot_containment_radius(dataset, 0.68)
    assert ax.xaxis.get_units() == u.TeV
    with pytest.raises(ValueError, match="'deg'.*use other axes"):
        plot_psf_vs_rad(dataset, ax=ax)


@pytest.mark.parametrize(
    ("draw", "name"),
    [(plot_matrix, "edisp"), (plot_bias, "edisp"), (plot_containment_radius, "psf"), (plot_psf_vs_rad, "psf")],
)
def test_what_is_missing_is_named(dataset, draw, name):
    with pytest.raises(ValueError, match=f"no variable '{name}'"):
        draw(dataset.drop_vars(name))
