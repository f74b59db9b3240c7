import astropy.units as u
import numpy as np
import pytest
import xarray as xr

from xgamma.coords import Axis, energy_edges


@pytest.fixture
def axis():
    return Axis.from_edges("energy", [1, 2, 4, 8, 16] * u.TeV)


def test_centres_lie_in_the_middle_of_the_scale(axis):
    np.testing.assert_allclose(axis.center, np.sqrt(axis.lower * axis.upper))
    rad = Axis.from_edges("rad", [0, 0.1, 0.3], "deg", interp="lin")
    np.testing.assert_allclose(rad.center, [0.05, 0.2])
    assert (axis.unit, axis.size, axis.node_type) == ("TeV", 4, "edges")


def test_edges_in_either_direction_and_not_across_gaps(axis):
    np.testing.assert_array_equal(axis.edges, [1, 2, 4, 8, 16])
    np.testing.assert_array_equal(axis.take(slice(None, None, -1)).edges, [16, 8, 4, 2, 1])
    np.testing.assert_array_equal(axis.take([2]).edges, [4, 8])
    with pytest.raises(ValueError, match="'energy' do not touch"):
        _ = axis.take(slice(None, None, 2)).edges


def test_nodes_get_edges_half_way_between():
    axis = Axis.from_nodes("energy_true", [1, 10, 100] * u.GeV)
    np.testing.assert_allclose(axis.edges, 10 ** np.array([-0.5, 0.5, 1.5, 2.5]))
    assert axis.node_type == "center"
    given = Axis.from_nodes("energy_true", [1, 10], [1, 10], [1, 10], "TeV")
    np.testing.assert_array_equal(given.lower, given.upper)
    with pytest.raises(ValueError, match="give lower and upper"):
        Axis.from_nodes("energy_true", [1] * u.TeV)
    with pytest.raises(ValueError, match="both or none"):
        Axis.from_nodes("energy_true", [1, 2], lower=[0.5, 1.5], unit="TeV")


@pytest.mark.parametrize(
    ("edges", "kwargs", "message"),
    [
        ([1, 2, 2, 4], {"unit": "TeV"}, "edges must rise"),
        ([4, 2, 1], {"unit": "TeV"}, "edges must rise"),
        ([0, 1, 2], {"unit": "TeV"}, "not positive"),
        ([1, np.nan, 2], {"unit": "TeV", "interp": "lin"}, "not finite"),
        ([1], {"unit": "TeV"}, "at least two edges"),
        ([1, 2], {"unit": "TeW"}, "unknown unit 'TeW'"),
        ([1, 2], {"unit": "TeV", "interp": "cubic"}, "'log' or 'lin'"),
        ([1, 2], {"unit": "TeV", "node_type": "middle"}, "'edges' or 'center'"),
        ([1, 2] * u.m, {"unit": "TeV"}, "cannot|no quantity"),
    ],
)
def test_damaged_bins_are_named(edges, kwargs, message):
    with pytest.raises(ValueError, match=message) as error:
        Axis.from_edges("energy", edges, **kwargs)
    assert "'energy'" in str(error.value)


def test_an_axis_cannot_be_changed(axis):
    with pytest.raises(ValueError, match="read-only"):
        axis.lower[0] = 3
    with pytest.raises(AttributeError):
        axis.unit = "GeV"


def test_units_convert_and_do_not_change_the_bins(axis):
    kev = axis.to("keV")
    np.testing.assert_allclose(kev.edges, axis.edges * 1e9)
    assert kev.to("TeV").matches(axis)
    assert not kev.matches(axis)
    with pytest.raises(ValueError, match="'energy'"):
        axis.to("m")


def test_float32_edges_match_and_others_do_not(axis):
    rounded = Axis.from_edges("energy", np.float32(axis.edges * 1.0000003), "TeV")
    assert axis.matches(rounded) and rounded.matches(axis)
    assert not axis.matches(Axis.from_edges("energy", axis.edges * 1.0001, "TeV"))
    rad = Axis.from_edges("rad", [0, 0.1], "deg", interp="lin")
    assert rad.matches(Axis.from_edges("rad", [1e-9, 0.1], "deg", interp="lin"))


def test_from_dataset_reads_decoded_and_plain(axis):
    coords = axis.to_coords()
    decoded = xr.Dataset(coords=coords)
    assert Axis.from_dataset(decoded, "energy") is axis
    plain = xr.Dataset(coords={name: coords[name].variable for name in coords})
    assert Axis.from_dataset(plain, "energy").matches(axis)
    assert Axis.from_dataset(plain["energy"], "energy").matches(axis)


def test_from_dataset_names_what_is_missing(axis):
    coords = axis.to_coords()
    plain = xr.Dataset(coords={name: coords[name].variable for name in coords})
    with pytest.raises(ValueError, match="no axis 'energy_true'"):
        Axis.from_dataset(plain, "energy_true")
    with pytest.raises(ValueError, match="'energy_min'"):
        Axis.from_dataset(plain.drop_vars("energy_min"), "energy")
    plain["energy"].attrs.pop("interp")
    with pytest.raises(ValueError, match=r"'energy' lacks the attributes \['interp'\]"):
        Axis.from_dataset(plain, "energy")


def test_limits_snap_to_the_nearest_edge(axis):
    assert axis.snap() == slice(0, 4)
    assert axis.snap("1.9 TeV", 9 * u.TeV) == slice(1, 3)
    # 2.8 lies below and 2.9 above the logarithmic middle of 2 and 4
    assert axis.snap(2.8, 16) == slice(1, 4)
    assert axis.snap(2.9, 16) == slice(2, 4)
    assert axis.snap("0.1 TeV", "1 PeV") == slice(0, 4)
    assert axis.group([1, 2.1, 1.9, 16]) == [slice(0, 1), slice(1, 4)]
    linear = Axis.from_edges("rad", [0, 1, 2, 4], "deg", interp="lin")
    assert linear.snap(0.4, "2.9 deg") == slice(0, 2)


def test_snap_refuses_what_has_no_answer(axis):
    with pytest.raises(ValueError, match="enclose no bin of axis 'energy'"):
        axis.snap("1.1 TeV", "1.2 TeV")
    with pytest.raises(ValueError, match="swapped"):
        axis.snap("4 TeV", "2 TeV")
    with pytest.raises(ValueError, match="centres of its bins"):
        Axis.from_nodes("energy", [1, 2] * u.TeV).snap()
    with pytest.raises(ValueError, match="falls"):
        axis.take(slice(None, None, -1)).snap()
    with pytest.raises(ValueError, match="nan"):
        axis.group([1, np.nan])
    with pytest.raises(ValueError, match="an edge along axis 'energy'"):
        axis.group([1, 2] * u.m)


def test_energy_edges():
    edges = energy_edges("1 TeV", "10 TeV", nbin=11)
    # values of gammapy.maps.MapAxis.from_energy_bounds
    np.testing.assert_allclose(edges[:3].to_value("TeV"), [1.0, 1.2328467394420661, 1.5199110829529336], rtol=1e-14)
    assert (edges.size, edges.unit) == (12, u.TeV)
    assert energy_edges("100 GeV", "10 TeV", nbin=5, per_decade=True).size == 11
    assert energy_edges("0.1 TeV", "15 TeV", nbin=5, per_decade=True).size == 12
    for arguments in [("1 TeV", "1 TeV", 2), ("1 m", "2 m", 2), ("0 TeV", "1 TeV", 2), ("1 TeV", "2 TeV", 0)]:
        with pytest.raises(ValueError):
            energy_edges(*arguments)
