"""Codings of signed inputs: exact on ideal hardware, plain NumPy twins on converters that round and clip."""

import itertools

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.converter import CODINGS
from xbarsim.errors import ConfigError
from xbarsim.mvm import program_matrix
from xbarsim.mvm.window import gather_windows, make_geometry

QUIET = {"device.programming.sigma": 0.0, "crossbar.method": "ideal"}
RNG = np.random.default_rng(0)
WEIGHTS = RNG.integers(-127, 128, (70, 18))
CODES = np.clip(np.rint(RNG.normal(0, 40, (300, 70))), -128, 127).astype(int)
CODES[0], CODES[1], CODES[2] = -128, 127, 0


def program(changes, bits=8):
    """Program the weights into arrays of 32 rows for signed inputs."""
    hardware = load_hardware("reference", {**QUIET, "crossbar.rows": 32, **changes})
    return program_matrix(WEIGHTS, hardware, weight_bits=8, activation_bits=bits, signed=True, threads=1)


def split(codes, coding, dac_bits, bits=8):
    """Return (what a read counts, what it drives) by hand, and what is taken off every input."""

    def cut(x, width, counts):
        return [(counts << i, (x >> i) % (1 << min(dac_bits, width - i))) for i in range(0, width, dac_bits)]

    if coding == "twos_complement":
        sign = (codes < 0).astype(int)
        return [*cut(codes + (sign << (bits - 1)), bits - 1, 1), (-(1 << (bits - 1)), sign)], 0
    if coding == "sign_magnitude":
        return [*cut(np.maximum(codes, 0), bits - 1, 1), *cut(np.maximum(-codes, 0), bits, -1)], 0
    return cut(codes + (1 << (bits - 1)), bits, 1), 1 << (bits - 1)


@pytest.mark.parametrize(("coding", "dac_bits"), list(itertools.product(CODINGS, (1, 2, 3, 4, 8))))
def test_every_coding_gives_the_integers_on_ideal_hardware(coding, dac_bits):
    engine = program({"dac.signed": coding, "dac.bits": dac_bits, "adc.bits": "auto", "adc.full_scale": "whole"})
    expected = CODES @ WEIGHTS
    for method in ("auto", "product", "float"):
        np.testing.assert_array_equal(engine.multiply(CODES, method=method), expected)
    np.testing.assert_array_equal(engine.multiply(CODES[:3], method="float"), expected[:3])
    ideal = program({"dac.signed": coding, "dac.bits": dac_bits, "adc.bits": "ideal"})
    np.testing.assert_array_equal(ideal.multiply(CODES), expected)


@pytest.mark.parametrize("coding", CODINGS)
def test_wide_inputs_are_exact_too(coding):
    hardware = load_hardware("reference", {**QUIET, "dac.signed": coding, "dac.bits": 4, "adc.bits": "auto"})
    codes = RNG.integers(-(1 << 15), 1 << 15, (40, 70))
    codes[0] = -(1 << 15)
    engine = program_matrix(WEIGHTS, hardware, weight_bits=8, activation_bits=16, signed=True)
    np.testing.assert_array_equal(engine.multiply(codes, method="product"), codes @ WEIGHTS)
    np.testing.assert_array_equal(engine.multiply(codes), codes @ WEIGHTS)


@pytest.mark.parametrize(("coding", "dac_bits"), list(itertools.product(("sign_magnitude", "offset"), (1, 2, 4, 8))))
def test_every_read_is_converted_as_a_plain_product_says(coding, dac_bits):
    engine = program({"dac.signed": coding, "dac.bits": dac_bits, "adc.bits": 5}).calibrate(CODES)
    engine = engine.with_lsb(np.floor(engine.lsb) + 0.3)  # whole sums are never halfway between two codes
    reads, constant = split(CODES, coding, dac_bits)
    levels = np.abs(WEIGHTS)
    expected = np.zeros((len(CODES), WEIGHTS.shape[1]))
    for (counts, driven), begin, place in itertools.product(reads, range(0, 70, 32), range(4)):
        rows = slice(begin, begin + 32)
        cells = np.sign(WEIGHTS[rows]) * ((levels[rows] >> (2 * place)) & 3)
        code = np.clip(np.rint(driven[:, rows] @ cells / engine.lsb), -15, 15)
        expected += counts * 4**place * code
    expected -= constant * WEIGHTS.sum(axis=0) / engine.lsb
    np.testing.assert_allclose(engine.multiply(CODES), expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("coding", CODINGS)
def test_windows_with_padding_equal_their_vectors(coding):
    hardware = load_hardware("reference", {**QUIET, "dac.signed": coding, "dac.bits": 2, "adc.bits": 5})
    weights = RNG.integers(-127, 128, (72, 5))
    images = RNG.integers(-128, 128, (3, 8, 9, 7)).astype(np.int16)
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8, signed=True)
    geometry = make_geometry(images.shape, kernel=3, padding=1)
    windows = gather_windows(images, geometry, channels_last=True)
    engine = engine.calibrate(windows)
    found = engine.convolve(images, 3, padding=1).transpose(0, 2, 3, 1).reshape(-1, 5)
    np.testing.assert_array_equal(found, engine.multiply(windows))


@pytest.mark.parametrize("coding", CODINGS)
def test_codings_give_the_same_bits_for_threads_batches_and_kernels(coding):
    noisy = {"device.read_noise.sigma": 0.02, "adc.noise_lsb": 0.4, "dac.bits": 2}
    engine = program({"dac.signed": coding, **noisy}).calibrate(CODES)
    whole = engine.multiply(CODES, threads=1)
    parts = [engine.multiply(CODES[a:b], first_vector=a, threads=2) for a, b in ((0, 2), (2, 17), (17, 300))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize(("dac_bits", "least_db"), [(4, 25.0), (8, 35.0)])
def test_the_default_coding_keeps_signed_inputs_with_wide_reads(dac_bits, least_db):
    draw = np.random.default_rng(0)
    weights = draw.integers(-127, 128, (64, 16))
    codes = np.clip(np.rint(draw.normal(0, 40, (400, 64))), -127, 127).astype(int)
    hardware = load_hardware("reference", {**QUIET, "dac.bits": dac_bits})
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8, signed=True).calibrate(codes)
    exact = codes @ weights
    error = engine.multiply(codes) * engine.lsb - exact
    assert 10 * np.log10(np.sum(exact.astype(float) ** 2) / np.sum(error**2)) >= least_db


@pytest.mark.parametrize("coding", ["width", "count"])
def test_pulses_of_quiet_cells_give_the_codes_of_voltages(coding):
    changes = {"dac.bits": 4, "adc.bits": 5}
    volts, pulses = (program({**changes, "dac.coding": each}).calibrate(CODES) for each in ("voltage", coding))
    np.testing.assert_array_equal(volts.multiply(CODES), pulses.multiply(CODES))


def test_pulses_are_refused_with_noise_that_does_not_average():
    changes = {"dac.bits": 4, "device.read_noise.sigma": 0.01, "device.read_noise.integration_s": 1e-6}
    load_hardware("reference", changes)
    with pytest.raises(ConfigError, match=r"^dac.coding: count contradicts device.read_noise.integration_s"):
        load_hardware("reference", {**changes, "dac.coding": "count"})


@pytest.mark.parametrize("dac_bits", [2, 4])
@pytest.mark.parametrize(("coding", "power"), [("voltage", 2), ("width", 1), ("count", 1)])
def test_read_noise_averages_over_pulses(coding, power, dac_bits):
    """One row of one array, cells at the highest level, one read: 40,000 draws, so that the standard deviation is
    known to 0.35 %; false alarm at 4 standard errors about 1 in 16,000 for each of two inputs and six cases."""
    top = (1 << dac_bits) - 1
    changes = {"dac.bits": dac_bits, "dac.coding": coding, "adc.bits": 16, "device.cell_bits": 2}
    noise = {"device.read_noise.sigma": 0.5, "device.read_noise.relative_to": "target"}
    hardware = load_hardware("reference", {**QUIET, **changes, **noise, "crossbar.rows": 1})
    engine = program_matrix(np.array([[3]]), hardware, weight_bits=3, activation_bits=dac_bits)
    exact = program_matrix(
        np.array([[3]]),
        load_hardware("reference", {**QUIET, **changes, "crossbar.rows": 1}),
        weight_bits=3,
        activation_bits=dac_bits,
    )
    deviations = []
    for value in (1, top):
        codes = np.full((40_000, 1), value)
        error = (engine.with_lsb(0.01).multiply(codes) - exact.with_lsb(0.01).multiply(codes)) * 0.01
        deviations.append(error.std())
    assert deviations[1] / deviations[0] == pytest.approx(np.sqrt(float(top) ** power), rel=4 * 0.0035 * np.sqrt(2))
