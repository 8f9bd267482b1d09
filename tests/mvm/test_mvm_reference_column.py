"""A column of off cells in every array, whose current is taken from the others: ``adc.off_current: column``."""

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.crossbar import solve_transfer
from xbarsim.mvm import encode_weights, program_matrix
from xbarsim.mvm.reuse import KeptArrays, keep_arrays

ALONE = {"encoding": "differential", "adc.subtract": "digital"}
IDEAL = {"device.programming.sigma": 0.0, "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0}
WIRED = {"crossbar.r_source_ohm": 500.0, "crossbar.r_wl_ohm": 2.5, "crossbar.r_bl_ohm": 2.5}
CELL = {"device.g_on_siemens": 1e-5, "device.g_off_siemens": 1e-5 / 6, "device.cell_bits": 2}


def program(changes, rows=100, outputs=10, seed=0, **options):
    """Program normal 8-bit weights on 64 x 64 arrays; return engine, weights and inputs."""
    rng = np.random.default_rng(seed)
    hardware = load_hardware("reference", {**IDEAL, **CELL, "crossbar.rows": 64, "crossbar.cols": 64, **changes})
    weights = np.clip(np.rint(rng.standard_normal((rows, outputs)) * 25), -127, 127).astype(int)
    codes = rng.integers(0, 256, (150, rows)).astype(np.uint8)
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8, layer="a", **options)
    return engine, weights, codes


def measure_error(changes, **options):
    """Return the standard deviation of the results about the line that fits them best, relative to the results'."""
    engine, weights, codes = program(changes, **options)
    engine = engine.calibrate(codes)
    exact, found = (codes.astype(np.int64) @ weights).ravel(), (engine.multiply(codes) * engine.lsb).ravel()
    return np.std(found - np.polyval(np.polyfit(exact, found, 1), exact)) / np.std(exact)


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip", "twos_complement"])
@pytest.mark.parametrize("slices", ["adjacent", "separate"])
@pytest.mark.parametrize("remap", ["none", "columns"])
def test_without_wires_the_result_is_the_integer_product(encoding, slices, remap):
    changes = {
        **ALONE, "encoding": encoding, "mapping.slices": slices, "mapping.remap": remap, "adc.bits": "auto",
        "adc.full_scale": "whole", "adc.off_current": "column",
    }  # fmt: skip
    engine, weights, codes = program(changes)
    np.testing.assert_array_equal(engine.multiply(codes), codes.astype(np.int64) @ weights)


def test_the_reference_column_stands_behind_the_others_and_shares_their_wires():
    engine, weights, codes = program({**ALONE, **WIRED, "adc.off_current": "column", "adc.bits": "ideal"}, rows=64)
    device, step = engine.hardware.device, engine.hardware.device.g_step_siemens
    digits = encode_weights(weights, "differential", weight_bits=8, cell_bits=2).digits  # (2, slices, rows, outputs)
    levels = np.zeros((2, 64, 65))
    levels[:, :, :40] = digits.transpose(0, 2, 3, 1).reshape(2, 64, 40)
    t = solve_transfer(
        device.g_off_siemens + levels * step, r_source_ohm=500.0, r_wl_ohm=2.5, r_bl_ohm=2.5, method="exact"
    )
    cells = (t[:, :, :40] - t[:, :, 64:]) / step
    matrix = (cells[0] - cells[1]).reshape(64, 10, 4) @ np.array([1, 4, 16, 64])
    np.testing.assert_allclose(engine.multiply(codes), codes @ matrix, rtol=1e-4, atol=1.0)


def test_weak_columns_survive_wires_that_a_known_off_current_would_push_below_zero():
    wired = {**ALONE, **WIRED, "crossbar.r_sink_ohm": 100.0, "adc.bits": 9}
    known, column = (measure_error({**wired, "adc.off_current": way}) for way in ("known", "column"))
    assert column < 0.5 * known, (column, known)
    assert column < 0.1


def test_analog_differences_have_no_reference_column():
    changes = {**WIRED, "encoding": "differential", "adc.subtract": "analog"}
    first, second = (program({**changes, "adc.off_current": way})[0] for way in ("known", "column"))
    np.testing.assert_array_equal(first.programmed.matrix, second.programmed.matrix)


def test_a_stuck_reference_column_is_moved_away():
    stuck = {**ALONE, "adc.off_current": "column", "device.stuck.on_rate": 0.01, "adc.bits": 12}
    plain, moved = (
        np.mean([measure_error({**stuck, "mapping.remap": way}, seed=seed) for seed in range(3)])
        for way in ("none", "columns")
    )
    assert moved < 0.8 * plain, (moved, plain)


def test_kept_arrays_know_how_the_off_current_is_taken():
    ways = [{**ALONE, **WIRED, "adc.off_current": way} for way in ("known", "column")]
    fresh = [program(way)[0].programmed.matrix for way in ways]
    with keep_arrays(KeptArrays()):
        kept = [program(way)[0].programmed.matrix for way in ways]
    for one, two in zip(fresh, kept):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(*kept)


def test_noise_of_the_reference_column_adds_to_that_of_the_others():
    noisy = {**ALONE, "device.read_noise.sigma": 0.05, "adc.bits": 12}
    known, column = (program({**noisy, "adc.off_current": way})[0].programmed for way in ("known", "column"))
    total = [np.sum(each.noise.astype(float)) for each in (known, column)]
    cells = 100 * 2 * 40  # rows, polarities, columns of weights
    device = load_hardware("reference", CELL).device
    added = cells * (0.05 * device.g_off_siemens / device.g_step_siemens) ** 2
    assert total[1] - total[0] == pytest.approx(added, rel=0.02)
