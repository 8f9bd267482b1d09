"""A coding of signed inputs planted in its table is named by hardware, run and counted; without a field, nothing."""

import dataclasses

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.config.coding import CODINGS, Pass
from xbarsim.converter import SignedCoding
from xbarsim.errors import ConfigError
from xbarsim.mvm import program_matrix

CODING = {
    "name": "negative_first", "about": "magnitudes of negative inputs, then positive ones",
    "passes": lambda b: (Pass(b, -1, False), Pass(b - 1, 1, False)), "sends_bits": False,
    "encode": lambda x, b: np.maximum(-x, 0) | (np.maximum(x, 0) << b), "constant": lambda b: 0,
}  # fmt: skip


@pytest.fixture
def planted(monkeypatch):
    monkeypatch.setitem(CODINGS, CODING["name"], SignedCoding(**CODING))


@pytest.mark.parametrize("dac_bits", [1, 2, 4])
def test_ideal_hardware_with_a_planted_coding_gives_the_exact_product(planted, dac_bits):
    draw = np.random.default_rng(dac_bits)
    weights, codes = draw.integers(-127, 128, (70, 6)), draw.integers(-128, 128, (50, 70))
    keys = {"dac.signed": "negative_first", "dac.bits": dac_bits, "adc.bits": 14, "adc.full_scale": "whole"}
    ideal = {"device.programming.sigma": 0.0, "crossbar.method": "ideal"}
    hardware = xs.load_hardware("reference", {**keys, **ideal})
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8, signed=True)
    for method in ("auto", "product"):
        error = engine.multiply(codes, method=method) * engine.lsb - codes @ weights
        assert np.abs(error).max() < 1e-6 * 127 * 128 * 70


def test_its_reads_are_counted_and_simulated(planted, tmp_path):
    file = tmp_path / "net.yaml"
    file.write_text("input_shape: [12]\nlayers: [{name: a, kind: linear, features: 4}]\n")
    network = xs.load_network(file, "random")
    images = np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)
    keys = {"dac.bits": 4, "device.programming.sigma": 0.0, "crossbar.method": "ideal"}
    both = [
        xs.load_hardware("reference", {**keys, "dac.signed": name}) for name in ("negative_first", "sign_magnitude")
    ]
    conversions = [xs.estimate(network, hardware).activity.totals["adc"] for hardware in both]
    assert conversions[0] == conversions[1] > 0
    outputs = [xs.simulate(network, hardware, images).outputs[0] for hardware in both]
    np.testing.assert_array_equal(*outputs)


def test_a_coding_that_is_in_no_table_is_refused_by_its_key():
    with pytest.raises(ConfigError, match=r"dac\.signed: .*'negative_first'.*'auto', 'twos_complement'"):
        xs.load_hardware("reference", {"dac.signed": "negative_first"})


def test_a_record_without_a_field_cannot_be_made_and_names_it():
    assert {field.name for field in dataclasses.fields(SignedCoding)} == set(CODING)
    for field in CODING:
        with pytest.raises(TypeError, match=rf"missing 1 required keyword-only argument: '{field}'"):
            SignedCoding(**{key: value for key, value in CODING.items() if key != field})
