"""Variances of reads: of single cells for every stream, telegraph noise, thermal and shot noise."""

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.device import program_cells
from xbarsim.mvm import program_matrix

IDEAL = {"adc.bits": 16, "crossbar.method": "ideal", "device.programming.sigma": 0.0, "crossbar.rows": 16}
WEIGHTS = np.array([[3, 1, 0, -2]] * 16) * np.ones((16, 1), dtype=int)
CHARGE, BOLTZMANN = 1.602176634e-19, 1.380649e-23


def program(bits, changes, lsb):
    """Program one 2-bit slice; one read a vector."""
    hardware = load_hardware("reference", {**IDEAL, "dac.bits": bits, **changes})
    return program_matrix(WEIGHTS, hardware, weight_bits=3, activation_bits=bits).with_lsb(lsb), hardware.device


def drive(bits, digit, rows=1, reads=200_000):
    """Drive some rows with a digit."""
    codes = np.zeros((reads, 16), dtype=np.uint8)
    codes[:, 5 : 5 + rows] = digit
    return codes


def conductances(device):
    """Return the two conductances of each pair of a row (2, outputs)."""
    digits = np.stack([np.maximum(WEIGHTS[0], 0), np.maximum(-WEIGHTS[0], 0)])
    return device.g_off_siemens + digits * device.g_step_siemens


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_noise_of_single_cells_is_within_two_percent_of_its_law_for_every_stream(bits):
    # 200,000 reads: the standard error of a variance is 0.32 %, 1.9 % is 6 of them; the law's own rounding is 0.4 %;
    # 4 columns, 2 digits, 8 streams: false alarm below 1e-6
    digits = {1, (1 << bits) - 1}
    engine, device = program(bits, {"device.read_noise.sigma": 0.03}, 1.0)
    expected = 0.03**2 * np.sum((conductances(device) / device.g_step_siemens) ** 2, axis=0)
    np.testing.assert_allclose(engine.programmed.noise[:, :4], np.tile(expected, (16, 1)), rtol=0.004)
    for digit in digits:
        lsb = 0.001 * digit
        found = (engine.with_lsb(lsb).multiply(drive(bits, digit)) * lsb).var(axis=0)
        np.testing.assert_allclose(found, digit**2 * expected, rtol=0.02)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("threads", [1, 2])
def test_noise_has_the_same_bits_for_any_batch_kernel_and_threads(bits, threads):
    rng = np.random.default_rng(4)
    weights = rng.integers(-127, 128, (100, 40))
    codes = rng.integers(0, 256, (1500, 100)).astype(np.uint8)
    noise = {"sigma": 0.05, "exponent": 0.5, "bandwidth_hz": 1e8}
    hardware = load_hardware("reference", {"dac.bits": bits, "crossbar.rows": 50, "device.read_noise": noise})
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8).calibrate(codes)
    whole = engine.multiply(codes, threads=threads)
    for first, count in ((0, 1), (700, 5), (1000, 500)):
        part = engine.multiply(codes[first : first + count], first_vector=first, threads=1)
        np.testing.assert_array_equal(part, whole[first : first + count])
    np.testing.assert_allclose(engine.multiply(codes[:40], method="product"), whole[:40], atol=np.abs(whole).max() / 50)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("curve", [None, {"kind": "sinh", "scale_volt": 0.1}])
def test_thermal_and_shot_noise_have_the_currents_of_their_laws(bits, curve):
    # 200,000 reads: 2 % is 6 standard errors of a variance, 24 tests: false alarm below 1e-6
    changes = {"device.read_noise": {"bandwidth_hz": 1e9, "fano": 0.5}, "device.temperature_kelvin": 350.0}
    engine, device = program(bits, {**changes, "device.iv": curve}, 0.0005)
    g = conductances(device) * device.secant
    unit = device.g_step_siemens * device.secant * device.read_volt / ((1 << bits) - 1)
    still = 4 * BOLTZMANN * 350.0 * 1e9 * 16 * g.sum(axis=0)
    np.testing.assert_allclose((engine.multiply(drive(bits, 0)) * 0.0005).var(axis=0), still / unit**2, rtol=0.02)
    volt = device.read_volt * 1 / ((1 << bits) - 1)
    shot = 2 * CHARGE * 0.5 * 1e9 * 3 * volt * g.sum(axis=0)
    found = (engine.multiply(drive(bits, 1, rows=3)) * 0.0005).var(axis=0)
    np.testing.assert_allclose(found, (still + shot) / unit**2, rtol=0.02)


def test_fast_traps_add_the_mean_and_variance_of_two_states():
    # reads drawn cell by cell, 200,000 of 16 cells; 6 standard errors of mean and variance: false alarm below 1e-6
    trap = {"amplitude": 0.2, "share": 0.5, "duty": 0.3}
    engine, device = program(1, {"device.telegraph": trap}, 0.001)
    codes = drive(1, 1, rows=8)
    found = engine.multiply(codes) * 0.001
    plain, _ = program(1, {}, 0.001)
    cells = engine.programmed.matrix[5:13, :4].astype(np.float64)
    full = plain.programmed.matrix[5:13, :4]
    assert len(np.unique(cells[:, 0].round(4))) > 1  # pairs with a trap on either side, on both, on none
    g = conductances(device)[:, np.newaxis, :] / device.g_step_siemens
    lost = 0.2 * g
    counted = engine.programmed.noise[5:13, :4]
    for trapped in np.ndindex(2, 2):
        with_traps = np.tensordot(np.array(trapped) * [1, -1], lost[:, 0], 1)
        here = np.isclose(full - cells, 0.3 * with_traps, atol=1e-4)
        expected = np.tensordot(trapped, lost[:, 0] ** 2, 1) * 0.3 * 0.7
        is_certain = here & (np.abs(full - cells) > 1e-3)
        np.testing.assert_allclose(counted[is_certain], np.broadcast_to(expected, here.shape)[is_certain], rtol=0.004)
    np.testing.assert_allclose(found.mean(axis=0), cells.sum(axis=0), atol=6 * np.sqrt(counted.sum(0).max() / 2e5))
    np.testing.assert_allclose(found.var(axis=0), counted.sum(axis=0), rtol=6 * np.sqrt(2 / 2e5))


def test_slow_traps_keep_one_of_two_states_for_a_chip():
    # 40,000 cells, 0.06 of them lowered: 6 standard errors of a share are 0.0071, false alarm 2e-9
    hardware = load_hardware("reference", {
        "device.programming.distribution": "none",
        "device.telegraph": {"amplitude": 0.2, "share": 0.2, "duty": 0.3, "pace": "chip"},
    })  # fmt: skip
    g = program_cells(np.full((200, 200), 3), hardware.device, seed=2)
    values, counts = np.unique(g, return_counts=True)
    np.testing.assert_allclose(values, [8e-6, 1e-5])
    assert abs(counts[0] / g.size - 0.06) < 0.0071
    assert not hardware.device.has_noisy_reads
    assert hardware.device.is_random


@pytest.mark.parametrize(("key", "value"), [("share", 0.0), ("amplitude", 0.0), ("duty", 0.0), ("duty", 1.0)])
def test_neutral_traps_are_not_random_noise(key, value):
    trap = {"amplitude": 0.2, "share": 0.5, "duty": 0.3, key: value}
    device = load_hardware("isaac", {"device.telegraph": trap}).device
    assert not device.has_noisy_reads
