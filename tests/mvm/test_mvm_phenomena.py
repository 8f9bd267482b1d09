"""Stuck cells and drift through the engine, and the remedies that a designer would try."""

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.device import program_cells
from xbarsim.mvm import encode_weights, program_matrix

CLEAN = {"device.programming.sigma": 0.0, "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0, "adc.bits": 12}


def program(changes, rows=64, outputs=8, seed=0):
    """Program normal 8-bit weights on 64 x 64 arrays; return engine, weights and inputs."""
    rng = np.random.default_rng(seed)
    hardware = load_hardware("reference", {**CLEAN, "crossbar.rows": 64, "crossbar.cols": 64, **changes})
    weights = np.clip(np.rint(rng.standard_normal((rows, outputs)) * 40), -127, 127).astype(int)
    codes = rng.integers(0, 256, (200, rows)).astype(np.uint8)
    return program_matrix(weights, hardware, weight_bits=8, activation_bits=8, layer="a"), weights, codes


def measure_snr(engine, weights, codes):
    """Return the power of the exact results over that of the error [dB]."""
    exact = codes.astype(np.int64) @ weights
    error = engine.calibrate(codes).multiply(codes) * engine.calibrate(codes).lsb - exact
    return 10 * np.log10(np.sum(exact**2.0) / max(np.sum(error**2.0), 1.0))


def test_drift_shrinks_every_result_by_its_power_law():
    # one exponent for all cells: off-currents shrink alike and cancel in the difference
    changes = {"device.drift.nu": 0.05, "device.drift.time_s": 1e4, "adc.bits": "ideal"}
    engine, weights, codes = program(changes)
    np.testing.assert_allclose(engine.multiply(codes), codes @ weights * 1e4**-0.05, rtol=1e-5, atol=0.5)


def test_stuck_cells_reach_the_engine_where_the_device_puts_them():
    changes = {"device.stuck.on_rate": 0.03, "device.stuck.off_rate": 0.05, "adc.bits": "ideal"}
    engine, weights, codes = program(changes, outputs=16)  # 16 outputs of 4 slices fill the 64 columns of one array
    digits = encode_weights(weights, "differential", weight_bits=8, cell_bits=2).digits  # (2, slices, rows, outputs)
    arrays = digits.transpose(0, 2, 3, 1).reshape(1, 2, 64, 64)
    device = engine.hardware.device
    g = program_cells(arrays, device, seed=0, trial=0, layer="a/0/0")[0]
    matrix = ((g[0] - g[1]) / device.g_step_siemens).reshape(64, 16, 4) @ np.array([1, 4, 16, 64])
    assert 0.04 < np.mean(g != program(CLEAN)[0].hardware.device.g_off_siemens) <= 1
    np.testing.assert_allclose(engine.multiply(codes), codes @ matrix, rtol=1e-5, atol=1.0)


def test_everything_at_once_runs_and_is_worse_than_less():
    every = {
        "device.programming.sigma": 0.05, "device.stuck.on_rate": 0.002, "device.drift.nu": 0.02,
        "device.drift.nu_sigma": 0.005, "device.drift.time_s": 1e3, "device.read_noise.sigma": 0.02,
        "crossbar.r_wl_ohm": 2.5, "crossbar.r_bl_ohm": 2.5, "adc.bits": 8, "adc.noise_lsb": 0.3,
        "adc.gain_sigma": 0.01, "adc.offset_sigma_lsb": 0.2, "adc.inl_lsb": [0.0, 0.3, 0.0],
    }  # fmt: skip
    some = {key: every[key] for key in ("device.programming.sigma", "adc.bits")}
    assert measure_snr(*program(every)) < measure_snr(*program(some)) < measure_snr(*program({}))


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip", "twos_complement"])
@pytest.mark.parametrize("slices", ["adjacent", "separate"])
def test_a_remapped_array_without_stuck_cells_gives_the_same_integers(encoding, slices):
    changes = {"encoding": encoding, "mapping.slices": slices, "adc.bits": "auto", "adc.full_scale": "whole"}
    engine, weights, codes = program({**changes, "mapping.remap": "columns"}, outputs=20)
    np.testing.assert_array_equal(engine.multiply(codes), codes.astype(np.int64) @ weights)


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip", "twos_complement"])
@pytest.mark.parametrize("outputs", [8, 16])
def test_remapping_around_stuck_cells_recovers_signal(encoding, outputs):
    stuck = {"encoding": encoding, "device.stuck.on_rate": 0.005, "device.stuck.off_rate": 0.01}
    plain = [measure_snr(*program(stuck, outputs=outputs, seed=seed)) for seed in range(3)]
    changes = {**stuck, "mapping.remap": "columns"}
    moved = [measure_snr(*program(changes, outputs=outputs, seed=seed)) for seed in range(3)]
    assert np.mean(moved) > np.mean(plain) + 3.0, (plain, moved)


def test_a_gain_correction_recovers_signal_under_wires():
    wires = {"crossbar.r_wl_ohm": 10.0, "crossbar.r_bl_ohm": 10.0, "device.g_on_siemens": 1e-4}
    plain, fixed = (measure_snr(*program({**wires, "adc.gain_correction": on}, outputs=16)) for on in (False, True))
    assert fixed > plain + 2.0, (plain, fixed)


def test_solving_on_two_threads_programs_the_same_cells():
    hardware = load_hardware("reference", {"crossbar.rows": 64, "crossbar.cols": 64})
    weights = np.random.default_rng(0).integers(-127, 128, (150, 20))
    one, two = (
        program_matrix(weights, hardware, weight_bits=8, activation_bits=8, threads=threads) for threads in (1, 2)
    )
    np.testing.assert_array_equal(one.programmed.matrix, two.programmed.matrix)
