"""A likelihood is a pure function that nothing outside of it can change."""

import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.likelihood.cases import FAR, MOVE, background, map_dataset, source
from xgamma.likelihood import Likelihood


@pytest.fixture
def setup():
    ds = map_dataset()
    models = [source(ds), source(ds, "gauss", "wide", sigma="0.1 deg", dy=3, dx=2), background(ds)]
    return ds, models, Likelihood(ds, models)


def points(lik, number=12):
    rng = np.random.default_rng(5)
    scale = np.array(
        [
            0.05 if "lon" in n or "lat" in n else 0.05 * abs(v) + 1e-30
            for n, v in zip(lik.parameters, lik.x0, strict=True)
        ]
    )
    return lik.x0 + scale * rng.normal(size=(number, len(scale)))


def test_inputs_may_change_afterwards(setup):
    ds, models, lik = setup
    x = points(lik)[0]
    before, gradient, counts = lik(x), lik.gradient(x), lik.npred(x).copy(deep=True)
    for variable in ds.variables.values():
        if variable.dtype.kind == "f" and variable.ndim and variable._in_memory and variable.values.flags.writeable:
            variable.values[...] = 7.0
        elif variable.dtype.kind == "b":
            variable.values[...] = True
    for model in models:
        for par in model.parameters:
            par.value = par.value * 3 + 0.1
            par.frozen = True
    np.testing.assert_array_equal([lik(x), *lik.gradient(x)], [before, *gradient])
    assert lik.npred(x).identical(counts)
    lik.x0[:] = 0
    lik.models().parameters.freeze_all()
    assert lik(lik.x0) != 0 and lik(x) == before


def test_datasets_and_models_stay_as_they_are(setup):
    ds, models, _ = setup
    copy, text = ds.copy(deep=True), [str(model.to_dict(True)) for model in models]
    lik = Likelihood(ds, models)
    for x in points(lik, 2):
        lik(x), lik.gradient(x)
    assert ds.identical(copy)
    assert [str(model.to_dict(True)) for model in models] == text


def test_no_memory_of_the_path(setup):
    *_, lik = setup
    xs = points(lik)
    first = [lik(x) for x in xs]
    assert [lik(x) for x in xs[::-1]] == first[::-1]


def test_pickle(setup):
    *_, lik = setup
    again = pickle.loads(pickle.dumps(lik))
    for x in points(lik, 3):
        assert again(x) == lik(x)
        np.testing.assert_array_equal(again.gradient(x), lik.gradient(x))
    assert again.parameters == lik.parameters


def test_threads(setup):
    *_, lik = setup
    xs = points(lik)
    alone = [lik(x) for x in xs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lik, list(xs) * 4)) == alone * 4


@pytest.mark.parametrize("chunks", [{"y": 7, "x": 9}, {"energy": 2}])
def test_dask_gives_the_same_numbers(setup, chunks):
    ds, models, lik = setup
    lazy, pixel = Likelihood(ds.chunk(chunks), models), abs(ds.gp.geoms["geom"].grid.keywords["CDELT2"])
    for x in points(lik, 3):
        np.testing.assert_allclose(lazy(x), lik(x), rtol=1e-12)
        # Derivatives of position and shape are differences over 1e-3 pixels: rounding of both statistics, in another
        # order of sums, grows by the inverse of that step in degrees.
        rounding = 2 * np.finfo(float).eps * abs(lik(x)) / (1e-3 * pixel)
        np.testing.assert_allclose(lazy.gradient(x), lik.gradient(x), rtol=1e-12, atol=rounding)


def test_chunks_are_compiled_one_by_one():
    """The maps of a lazy dataset are never in memory at once as floats."""
    import dask.array as da

    ds = map_dataset(npix=(300, 300), binsz=0.02)
    shape, chunks = ds["counts"].shape, (-1, 50, 50)
    # What is imported on first use is no map.
    small = map_dataset()
    Likelihood(small.chunk(y=12), [background(small)])
    peak = []
    for lazy in (False, True):
        data = da.ones(shape, chunks=chunks) if lazy else np.ones(shape)
        empty = ds.drop_vars(["mask_safe", "mask_fit"]).assign(counts=(ds["counts"].dims, data * 0))
        empty["background"] = (ds["counts"].dims, data.astype("f4"))
        tracemalloc.start()
        Likelihood(empty, [background(ds)])
        peak.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    held = np.prod(shape) * (4 + 1)
    assert peak[1] < 1.6 * held and peak[1] < peak[0]


def test_wrong_numbers_of_parameters(setup):
    *_, lik = setup
    with pytest.raises(ValueError, match=r"takes 11 numbers, source.index, .* not an array of shape \(2,\)"):
        lik([1.0, 2.0])


def test_errors_name_what_is_wrong(setup):
    ds, models, lik = setup
    with pytest.raises(ValueError, match="needs a dataset"):
        Likelihood([])
    with pytest.raises(ValueError, match="'test' occurs more than once"):
        Likelihood([ds, ds], models)
    with pytest.raises(ValueError, match="'test' has no variable 'counts'"):
        Likelihood(ds.drop_vars("counts"), models)
    with pytest.raises(ValueError, match="'test' has no variable 'exposure'"):
        Likelihood(ds.drop_vars("exposure"), models)
    with pytest.raises(ValueError, match="More than one background model"):
        Likelihood(ds, [*models, type(models[-1])("test", name="second")])
    models[0].spatial_model = None
    with pytest.raises(ValueError, match="'source' has no spatial model"):
        Likelihood(ds, models)
    with pytest.raises(ValueError, match="no dataset 'other'; choose from 'test'"):
        lik.npred(lik.x0, "other")


def test_moves_are_followed_exactly(setup):
    """The same place by another way is the same place."""
    *_, lik = setup
    x = lik.x0
    for move in (MOVE, FAR):
        for name, step in move.items():
            x[lik.parameters.index(name)] += step
    assert lik(x) == lik(x.copy())
