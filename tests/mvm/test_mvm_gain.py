"""Trimmed gains stand before the converter: its range holds them, and what clips is counted with them."""

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.mvm import program_matrix
from xbarsim.mvm.ranges import share_range

KEYS = {
    "device.programming.sigma": 0.0, "crossbar.r_wl_ohm": 20.0, "crossbar.r_bl_ohm": 20.0, "adc.bits": 6,
    "adc.quantile": 1.0, "adc.gain_correction": True,
}  # fmt: skip


def lossy(**keys):
    rng = np.random.default_rng(0)
    weights, codes = rng.integers(0, 128, (128, 16)), rng.integers(0, 256, (60, 128))
    hardware = load_hardware("reference").override({**KEYS, **keys})
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8)
    return share_range([(engine, codes, {})])[0], weights, codes


def amplified(engine, codes):
    """Return every sum as it reaches its converter, (reads, columns) [lsb]: plain NumPy on the cells of the kernels."""
    cells = engine.grids.choose(engine.lsb).round_cells(engine.programmed.matrix)
    used = engine.recipe.used_columns
    gain = engine.programmed.loss[0, used].astype(np.float64)
    return np.concatenate([((codes >> bit) & 1) @ cells[:, used] * gain for bit in range(8)]) / engine.lsb


def test_a_range_that_clips_nothing_holds_amplified_sums():
    engine, _, codes = lossy()
    sums = amplified(engine, codes)
    assert engine.programmed.loss.max() > 1.05
    assert np.abs(sums).max() == pytest.approx(engine.adc.highest, rel=1e-5)
    seen = engine.survey(codes)
    assert seen.clipped_share == 0
    assert seen.used_range == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("share", [0.7, 0.5])
def test_clipped_sums_are_counted_with_their_gains(share):
    engine, _, codes = lossy()
    narrow = engine.with_lsb(engine.lsb * share)
    sums = amplified(narrow, codes)
    expected = np.mean(np.abs(sums) > narrow.adc.highest + 0.5)
    assert expected > 0.005
    assert narrow.survey(codes).clipped_share == pytest.approx(expected, abs=2 / sums.size)


def test_trimmed_columns_lose_nothing_on_average():
    errors = []
    for on in (False, True):
        engine, weights, codes = lossy(**{"adc.gain_correction": on, "adc.bits": 8})
        found, exact = engine.multiply(codes) * engine.lsb, codes @ weights
        errors.append(np.mean((found - exact) ** 2))
    assert errors[1] < 0.3 * errors[0]
