"""Epitomes on arrays: ideal hardware equals the rebuilt network bit for bit, whatever the tables and scales."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.inference import epitome, simulate_network
from xbarsim.inference.layer import program_layer
from xbarsim.mapping import plan_network
from xbarsim.mvm import program_matrix
from xbarsim.network import (
    Epitome,
    Network,
    Node,
    integer_layer,
    make_conv2d,
    make_linear,
    quantize_input,
    quantize_network,
    run_integer,
)

IDEAL = {
    "device.programming.sigma": 0.0, "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0, "adc.bits": "auto",
    "adc.full_scale": "whole",
}  # fmt: skip


def make_network(seed=0):
    """Three convolutions of different strides and kernels, and a classifier."""
    rng = np.random.default_rng(seed)

    def conv(name, fan_in, fan_out, kernel, source, **settings):
        weight = rng.normal(size=(fan_out, fan_in, kernel, kernel)) * np.exp(2 * rng.normal(size=(1, fan_in, 1, 1)))
        return make_conv2d(name, fan_in, fan_out, kernel, inputs=(source,), weight=weight, **settings)

    nodes = (
        conv("first", 3, 12, 3, "input", padding=1, bias=rng.normal(size=12)),
        Node(name="relu", kind="relu", inputs=("first",)),
        conv("second", 12, 10, 3, "relu", padding=1, stride=2),
        conv("third", 10, 9, 1, "second"),
        Node(name="pool", kind="global_avg_pool", inputs=("third",)),
        Node(name="flat", kind="flatten", inputs=("pool",)),
        make_linear("fc", 9, 5, inputs=("flat",), weight=rng.normal(size=(5, 9))),
    )
    return Network(name="small", nodes=nodes, input_shape=(3, 8, 8))


EPITOMES = {
    "tiled": {"*": Epitome(rows=40, channels=5)},
    "larger than the layers": {"*": Epitome(rows=200, channels=16)},
    "overlapping": {"*": Epitome(rows=100, channels=8, height=4, width=4, patch=(5, 4), step=(2, 1))},
    "mixed": {"*": None, "second": Epitome(rows=75, channels=6, height=5)},
}
RULES = [
    *itertools.product((False, True), (False, True), ("array",)), (True, False, "column"), (True, True, "min_max")
]  # fmt: skip


def prepare(choice, keys, images, weight_bits=5, activation_bits=6):
    network = make_network().with_epitomes(EPITOMES[choice])
    hardware = load_hardware("reference").override({"crossbar.rows": 32, "crossbar.cols": 24, **keys})
    plan = plan_network(network, hardware, weight_bits=weight_bits, activation_bits=activation_bits)
    quantized = quantize_network(
        network,
        images,
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        layers={p.name: p.quantization for p in plan.layers},
    )
    return quantized, plan


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(7).normal(size=(3, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("choice", EPITOMES)
@pytest.mark.parametrize(("outputs", "inputs", "quantization"), RULES)
def test_ideal_hardware_through_the_tables_is_the_rebuilt_network(choice, outputs, inputs, quantization, images):
    keys = {"epitome.output_wrapping": outputs, "epitome.input_wrapping": inputs, "epitome.quantization": quantization}
    quantized, plan = prepare(choice, {**IDEAL, **keys}, images)
    found = simulate_network(quantized, plan, images, images).outputs[0]
    np.testing.assert_array_equal(found, run_integer(quantized, images))


def test_sums_of_inputs_may_be_added_up_before_the_converter(images):
    keys = {"epitome.input_wrapping": True, "epitome.quantization": "array", "dac.accumulate": "analog"}
    quantized, plan = prepare("tiled", {**IDEAL, **keys}, images)
    assert any(part.input_bits > part.activation_bits for part in plan.layers)
    found = simulate_network(quantized, plan, images, images).outputs[0]
    np.testing.assert_array_equal(found, run_integer(quantized, images))


@pytest.mark.parametrize("inputs", [False, True])
def test_signs_and_their_sums_go_through_the_tables(inputs, images):
    keys = {"epitome.output_wrapping": True, "epitome.input_wrapping": inputs}
    quantized, plan = prepare("tiled", {**IDEAL, **keys}, images, activation_bits=1)
    assert quantized.layers["third"].signed
    widened = plan.layer("third").epitome.extra_bits
    assert plan.layer("third").input_bits == 1 + widened + (widened > 0)
    found = simulate_network(quantized, plan, images, images).outputs[0]
    np.testing.assert_array_equal(found, run_integer(quantized, images))


@pytest.mark.parametrize("encoding", ["offset", "flip", "twos_complement"])
@pytest.mark.parametrize("dac_bits", [1, 2])
def test_every_encoding_gives_the_exact_sums(encoding, dac_bits, images):
    quantized, plan = prepare("overlapping", {**IDEAL, "encoding": encoding, "dac.bits": dac_bits}, images)
    for name in ("first", "second", "third"):
        node, layer = quantized.network.node(name), quantized.layers[name]
        x = np.random.default_rng(1).normal(size=(2, node.attributes["in_channels"], 6, 6))
        codes = quantize_input(layer, np.abs(x) if not layer.signed else x)
        node = replace(node, shape=(node.shape[0], *integer_layer(layer, node, codes).shape[2:]))
        machine = program_layer(node, layer, plan.layer(name), seed=0, trial=0).calibrate(codes)
        np.testing.assert_array_equal(machine.accumulate(codes), integer_layer(layer, node, codes))


def test_converters_without_rounding_give_the_exact_sums_too(images):
    quantized, plan = prepare("tiled", {**IDEAL, "adc.bits": "ideal"}, images)
    found = simulate_network(quantized, plan, images, images).outputs[0]
    np.testing.assert_allclose(found, run_integer(quantized, images), rtol=1e-5, atol=1e-5)


def test_arrays_hold_the_epitome_and_no_more(images):
    quantized, plan = prepare("larger than the layers", IDEAL, images)
    machine = program_layer(
        quantized.network.node("second"), quantized.layers["second"], plan.layer("second"), seed=0, trial=0
    )
    assert plan.layer("second").row_blocks == 7
    assert sum(engine.rows for engine in machine.engines) == 12 * 9
    assert {engine.outputs for engine in machine.engines} == {10}


def test_scales_of_arrays_differ_and_still_add_up(images):
    quantized, plan = prepare("larger than the layers", IDEAL, images, weight_bits=3)
    shifts = np.concatenate([layer.epitome.shift.ravel() for layer in quantized.layers.values() if layer.epitome])
    assert len(set(shifts.tolist())) > 1
    found = simulate_network(quantized, plan, images, images).outputs[0]
    np.testing.assert_array_equal(found, run_integer(quantized, images))


@pytest.mark.parametrize("keys", [{}, {"adc.noise_lsb": 0.5, "device.read_noise.sigma": 0.05}])
def test_neither_batches_nor_threads_change_a_bit(keys, images):
    quantized, plan = prepare("tiled", keys, images)
    whole, parts = (
        simulate_network(quantized, plan, images, images, batch_size=size, threads=threads, seed=3).outputs
        for size, threads in ((3, 1), (1, 2))
    )
    np.testing.assert_array_equal(whole, parts)


def test_reuse_changes_no_value_of_noiseless_arrays(images):
    """Copies of a result equal the same result computed again, wires and variation included."""
    outputs = []
    for wraps in (False, True):
        quantized, plan = prepare("tiled", {"epitome.output_wrapping": wraps}, images)
        outputs.append(simulate_network(quantized, plan, images, images).outputs)
    np.testing.assert_array_equal(*outputs)


def test_responses_are_fitted_on_what_reaches_the_word_lines(images, monkeypatch):
    keys = {
        "device.iv": {"kind": "sinh", "scale_volt": 0.15, "reference_volt": 0.2}, "crossbar.r_wl_ohm": 20.0,
        "crossbar.r_bl_ohm": 20.0, "adc.bits": "ideal",
    }  # fmt: skip
    given = []
    monkeypatch.setattr(
        epitome, "program_matrix", lambda *args, **keys: given.append(keys["codes"]) or program_matrix(*args, **keys)
    )
    codes = np.random.default_rng(1).integers(0, 6, (2, 12, 8, 8))

    def program(codes=None, **more):
        quantized, plan = prepare("overlapping", {**keys, **more}, images)
        at = plan.network.node("second"), quantized.layers["second"], plan.layers[1]
        return program_layer(*at, seed=0, trial=0, codes=codes)

    machine = program(codes)
    assert len(given) == len(machine.engines) > 1
    for sample, (_, _, lines) in zip(given, machine._lines(codes), strict=True):
        assert 20 < len(sample) <= len(lines)
        assert sample.any(axis=0).any()
        assert {row.tobytes() for row in sample} <= {row.tobytes() for row in lines}
    solved = program(codes, **{"crossbar.method": "exact"}).solve_reads().accumulate(codes)
    known, blind = (np.abs(each.accumulate(codes) - solved).mean() for each in (machine, program()))
    assert known < 0.7 * blind
