"""Some hundred damaged files; ``python -m tests.fuzz.run`` does thousands."""

import numpy as np

from tests.fuzz import mutate, ogip
from tests.fuzz.check import cases, run


def test_damaged_files_give_clear_errors_or_the_right_dataset(tmp_path):
    outcomes, failures = run(tmp_path, 150, seed=11)
    assert not failures
    assert sum(outcomes.values()) == 150
    in_headers = sum(count for (group, _), count in outcomes.items() if group == "headers and tables")
    assert in_headers >= 75
    assert {outcome for _, outcome in outcomes} == {
        "error: names the part",
        "error: of the gzip stream",
        "dataset: unchanged",
        "dataset: other, as astropy reads it",
    }


def test_damaged_spectra_give_clear_errors_or_the_right_spectrum(tmp_path):
    outcomes, failures = ogip.run(tmp_path, 60, seed=4)
    assert not failures
    assert {outcome for _, outcome in outcomes} >= {"error: names the part", "dataset: unchanged"}


def test_the_damage_is_the_same_each_time():
    data = b"SIMPLE  = T".ljust(80) + b"END".ljust(2800) + bytes(2880)
    for pick, mutation, seed in cases(50):
        if mutation in (mutate.anywhere, mutate.cut, mutate.noise, mutate.flip_header_bit):
            twice = [mutation(data, np.random.default_rng(seed)) for _ in range(2)]
            assert twice[0] == twice[1] and pick >= 0
    assert list(cases(5)) == list(cases(5)) != list(cases(5, seed=1))
