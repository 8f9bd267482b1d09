"""Sums and conversion in 16 bits: taken where they may be, and the bits of wider sums and of floats."""

from __future__ import annotations

import numpy as np
import pytest

from xbarsim._numba import kernel
from xbarsim._simd import LANES, interleave, join_pairs, load, multiply_halves, store, zeros
from xbarsim.config import load_hardware
from xbarsim.mvm import program_matrix
from xbarsim.mvm.fused import FusedMatrix
from xbarsim.mvm.grid import make_grids

PAIRED = 2 * LANES


def make_engine(rows, lsb, overrides=None):
    """Program random weights on ``reference``."""
    weights = np.random.default_rng(rows).integers(-127, 128, (rows, 20))
    hardware = load_hardware("reference", overrides or {})
    return program_matrix(weights, hardware, weight_bits=8, activation_bits=8).with_lsb(lsb)


def matrix_of(engine):
    return engine._matrix("short", 0)


@pytest.mark.parametrize("rows", [5, 128, 300])
@pytest.mark.parametrize("dac_bits", [1, 2])
def test_it_gives_the_bits_of_floats(rows, dac_bits, monkeypatch):
    rng = np.random.default_rng(rows + dac_bits)
    codes = rng.integers(0, 256, (700, rows)) * (rng.random((700, rows)) < 0.6)
    for lsb in (1.0, 2.0):
        engine = make_engine(rows, lsb, {"dac.bits": dac_bits})
        assert matrix_of(engine).short is not None
        found = engine.multiply(codes, method="short")
        with monkeypatch.context() as patch:
            patch.setattr(FusedMatrix, "short", None)
            np.testing.assert_array_equal(found, engine.multiply(codes, method="short"))


@pytest.mark.parametrize(
    ("lsb", "overrides"),
    [
        (1.5, {}),  # no power of two
        (1.0, {"adc.bits": 12}),  # codes add up to more than 16 bits hold
        (1.0, {"device.read_noise.sigma": 0.02}),
        (1.0, {"adc.offset_sigma_lsb": 0.1}),
    ],
)
def test_it_is_left_where_floats_are_needed(lsb, overrides):
    assert matrix_of(make_engine(64, lsb, overrides)).short is None


@pytest.mark.parametrize("rows", [5, 128, 300])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_table_rows_of_bits_give_the_sums_of_32_bits(rows, share, monkeypatch):
    rng = np.random.default_rng(rows)
    engine = make_engine(rows, 1.3, {"dac.bits": 2})
    codes = rng.integers(0, 256, (700, rows)) * (rng.random((700, rows)) < share)
    codes[:2] = 255  # all table rows at their largest
    assert engine._matrix("fixed", 0).units is not None
    found = engine.multiply(codes, method="fixed", threads=1)
    monkeypatch.setattr(FusedMatrix, "units", None)
    np.testing.assert_array_equal(found, make_engine(rows, 1.3, {"dac.bits": 2}).multiply(codes, method="fixed"))


@pytest.mark.parametrize("overrides", [{"dac.bits": 1}, {"dac.bits": 2, "device.read_noise.sigma": 0.02}])
def test_bits_are_added_as_before_where_they_are_read_one_by_one_or_with_noise(overrides):
    assert make_engine(64, 1.3, overrides)._matrix("fixed", 0).units is None


@pytest.mark.parametrize("most", [1.0, 3.0])
def test_16_bits_are_taken_where_the_largest_table_rows_fit(most):
    rng = np.random.default_rng(1)
    matrix = rng.uniform(-1.0, 1.0, (120, 7)).astype(np.float32)
    matrix[:32] = most  # four groups of ones add up to 32 times that
    grid = make_grids(matrix, np.array([0, 120]), 2).fixed
    assert grid is not None
    cells = np.rint(matrix.astype(np.float64) * grid.step)
    sides = [np.maximum(side, 0).reshape(-1, 8, 7).sum(axis=1) for side in (cells, -cells)]
    largest = max(np.sort(side, axis=0)[-4:].sum(axis=0).max() for side in sides)
    assert grid.adds_short == (largest <= 32767)
    assert not make_grids(matrix, np.array([0, 120]), 1).fixed.adds_short


@kernel
def multiply_by_halves(x, low, high, out):
    """Multiply even lanes by one number and odd ones by another, and bring them into order again."""
    pairs = join_pairs(load(x, 0, zeros(x, PAIRED)))
    even, odd = multiply_halves(pairs, load(low, 0, pairs)), multiply_halves(pairs, load(high, 0, pairs))
    store(out, 0, interleave(even, odd))


def test_even_and_odd_lanes_come_back_in_order():
    x = np.random.default_rng(2).integers(-32768, 32768, PAIRED).astype(np.int16)
    low, high, out = np.full(LANES, 3, np.int32), np.full(LANES, 5 << 16, np.int32), np.zeros(PAIRED, np.int32)
    multiply_by_halves(x, low, high, out)
    np.testing.assert_array_equal(out, x.astype(np.int64) * np.tile([3, 5], LANES))
