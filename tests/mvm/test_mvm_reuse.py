"""Programmed arrays that are kept: found where only converters differ, never where anything else does."""

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.mvm import program_matrix
from xbarsim.mvm.program import ProgrammedMatrix
from xbarsim.mvm.reuse import KeptArrays, _count_bytes, keep_arrays

WEIGHTS = np.random.default_rng(0).integers(-7, 8, (40, 12))
OPTIONS = {"weight_bits": 4, "activation_bits": 4, "seed": 1, "trial": 0, "layer": "a"}


def program(weights=WEIGHTS, changes=None, **options) -> ProgrammedMatrix:
    hardware = load_hardware("reference").override({"crossbar.rows": 32, "crossbar.cols": 32, **(changes or {})})
    return program_matrix(weights, hardware, **{**OPTIONS, **options}).programmed


def test_converters_alone_find_the_same_arrays_programmed():
    with keep_arrays(KeptArrays()):
        first = program()
        assert program(changes={"adc.bits": 4, "adc.noise_lsb": 0.5}) is first
    assert program() is not first
    assert np.array_equal(program().matrix, first.matrix)


@pytest.mark.parametrize(
    "other",
    [
        {"weights": WEIGHTS + np.eye(40, 12, dtype=int)},
        {"changes": {"adc.subtract": "digital"}},
        {"changes": {"device.programming.sigma": 0.06}},
        {"changes": {"crossbar.r_wl_ohm": 3.0}},
        {"changes": {"dac.bits": 2}},
        {"changes": {"encoding": "offset"}},
        {"seed": 2},
        {"trial": 1},
        {"layer": "b"},
        {"row_starts": [0, 20, 40]},
    ],
    ids=lambda other: str(next(iter(other.items())))[:40],
)
def test_anything_else_programs_arrays_anew(other):
    fresh = program(**other)
    with keep_arrays(KeptArrays()):
        first = program()
        found = program(**other)
    assert found is not first
    assert np.array_equal(found.matrix, fresh.matrix)


def test_the_least_recently_used_go_beyond_the_limit():
    size = _count_bytes(program())
    with keep_arrays(KeptArrays(limit_bytes=2 * size)):
        first, second = program(trial=0), program(trial=1)
        assert program(trial=0) is first
        program(trial=2)
        assert program(trial=0) is first
        assert program(trial=1) is not second
    with keep_arrays(KeptArrays(limit_bytes=size - 1)):
        assert program() is not program()
