"""Inputs of -1 and 1: exact integers on ideal hardware in every coding, plain twins on real converters."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.converter import CODINGS, encode_streams, split_inputs, stream_count
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.mvm import program_matrix
from xbarsim.network.build import NetworkBuilder

QUIET = {"device.programming.sigma": 0.0, "crossbar.method": "ideal"}
RNG = np.random.default_rng(5)
WEIGHTS = RNG.integers(-127, 128, (70, 18))
SIGNS = RNG.choice([-1, 1], (200, 70)).astype(np.int16)
READS = {"twos_complement": [(1, "all"), (-2, "negative")], "sign_magnitude": [(1, "positive"), (-1, "negative")]}


def program(changes):
    hardware = load_hardware("reference", {**QUIET, "crossbar.rows": 32, **changes})
    return program_matrix(WEIGHTS, hardware, weight_bits=8, activation_bits=1, signed=True, threads=1)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("dac_bits", [1, 2, 8])
def test_every_coding_gives_the_integers_of_signs_on_ideal_hardware(coding, dac_bits):
    engine = program({"dac.signed": coding, "dac.bits": dac_bits, "adc.bits": "auto", "adc.full_scale": "whole"})
    for method in ("auto", "product", "float"):
        np.testing.assert_array_equal(engine.multiply(SIGNS, method=method), SIGNS.astype(int) @ WEIGHTS)
    ideal = program({"dac.signed": coding, "dac.bits": dac_bits, "adc.bits": "ideal"})
    np.testing.assert_array_equal(ideal.multiply(SIGNS), SIGNS.astype(int) @ WEIGHTS)
    expected = {"twos_complement": 2, "sign_magnitude": 2, "offset": 1}[coding]
    assert stream_count(1, dac_bits, True, coding) == expected == len(engine.streams)


@pytest.mark.parametrize("coding", READS)
def test_padding_of_signs_drives_nothing(coding):
    engine = program({"dac.signed": coding, "adc.bits": "auto", "adc.full_scale": "whole"})
    codes = SIGNS * RNG.integers(0, 2, SIGNS.shape).astype(np.int16)
    np.testing.assert_array_equal(engine.multiply(codes), codes.astype(int) @ WEIGHTS)
    assert not split_inputs([0], engine.streams).any()


@pytest.mark.parametrize("coding", CODINGS)
def test_reads_of_signs_are_converted_as_a_plain_product_says(coding):
    engine = program({"dac.signed": coding, "adc.bits": 5}).calibrate(SIGNS)
    engine = engine.with_lsb(np.floor(engine.lsb) + 0.3)
    driven = {"all": SIGNS != 0, "positive": SIGNS > 0, "negative": SIGNS < 0}
    reads, constant = READS.get(coding, [(2, "positive")]), int(coding == "offset")
    expected = -constant * WEIGHTS.sum(axis=0) / engine.lsb
    for counts, name in reads:
        for begin in range(0, 70, 32):
            rows = slice(begin, begin + 32)
            for place in range(4):
                cells = np.sign(WEIGHTS[rows]) * ((np.abs(WEIGHTS[rows]) >> (2 * place)) & 3)
                code = np.clip(np.rint(driven[name][:, rows] @ cells / engine.lsb), -15, 15)
                expected = expected + counts * 4**place * code
    np.testing.assert_allclose(engine.multiply(SIGNS), expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_an_offset_has_no_code_for_padding():
    engine = program({"dac.signed": "offset"})
    with pytest.raises(ShapeError, match="offset sends -1 and 1"):
        engine.multiply(np.zeros((1, 70), np.int16))
    net = NetworkBuilder("padded", (4, 6, 6))
    net.add("conv2d", "first", settings={"channels": 4, "kernel": 3, "padding": 1})
    network = net.build()
    with pytest.raises(ConfigError, match=r"layer first: dac.signed: offset .* none for padding; choose twos_comp"):
        xs.estimate(network, "reference", activation_bits=1, layers={"first": {"dac.signed": "offset"}})
    assert xs.estimate(network, "reference", layers={"first": {"dac.signed": "offset"}}).cost.energy_joule > 0


def test_signs_are_sent_as_magnitudes_unless_something_else_is_asked_for():
    dac = load_hardware("reference").dac
    assert (dac.coding_for(1), dac.coding_for(2)) == ("sign_magnitude", "twos_complement")
    assert load_hardware("reference", {"dac.signed": "offset"}).dac.coding_for(1) == "offset"
    unsigned = encode_streams(1, 1, False)
    assert (unsigned.lowest, unsigned.highest, unsigned.has_zero) == (0, 1, True)
