"""Conversion in 16 bits: taken where it may be, and the bits of conversion in floats."""

from __future__ import annotations

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.mvm import program_matrix
from xbarsim.mvm.fused import FusedMatrix


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
