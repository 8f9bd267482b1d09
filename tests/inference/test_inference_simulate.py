"""Networks on programmed hardware: the identity on ideal hardware, and the same bits however it is run."""

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.inference.simulate import simulate_network
from xbarsim.mapping import plan_network
from xbarsim.network import Network, Node, make_conv2d, make_linear, quantize_network, run_integer

IDEAL = {
    "device.programming.distribution": "none",
    "crossbar.method": "ideal",
    "adc.bits": "auto",
    "adc.full_scale": "whole",
}


@pytest.fixture(scope="module")
def network():
    """A residual network with strided, grouped, depthwise and linear layers and random weights."""
    rng = np.random.default_rng(0)

    def conv(name, inputs, cin, cout, kernel, groups=1, stride=1):
        weight = rng.standard_normal((cout, cin // groups, kernel, kernel)).astype(np.float32)
        weight *= np.sqrt(2 / weight[0].size)
        bias = rng.standard_normal(cout).astype(np.float32) * 0.1
        return make_conv2d(
            name, cin, cout, kernel, inputs=[inputs], groups=groups, stride=stride, padding=kernel // 2,
            weight=weight, bias=bias,
        )  # fmt: skip

    def unary(name, kind, *inputs, **attributes):
        return Node(name=name, kind=kind, inputs=inputs, attributes=attributes)

    nodes = (
        conv("stem", "input", 3, 8, 3),
        unary("relu1", "relu", "stem"),
        conv("depthwise", "relu1", 8, 8, 3, groups=8),
        unary("relu2", "relu", "depthwise"),
        conv("grouped", "relu2", 8, 16, 3, groups=2, stride=2),
        conv("shortcut", "relu1", 8, 16, 1, stride=2),
        unary("sum", "add", "grouped", "shortcut"),
        conv("signed", "sum", 16, 16, 3),
        unary("pool", "global_avg_pool", "signed"),
        unary("flat", "flatten", "pool"),
        make_linear("fc", 16, 10, inputs=["flat"], weight=rng.standard_normal((10, 16)).astype(np.float32)),
    )
    return Network(name="mixed", nodes=nodes, input_shape=(3, 8, 8))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).standard_normal((6, 3, 8, 8)).astype(np.float32)


def simulate(network, images, hardware, **settings):
    """Run a network on a hardware record, calibrated on its own images."""
    plan = plan_network(network, hardware)
    bits = {
        layer.name: {"weight_bits": layer.weight_bits, "activation_bits": layer.activation_bits}
        for layer in plan.layers
    }
    quantized = quantize_network(network, images, weight_bits=8, activation_bits=8, layers=bits)
    return run_integer(quantized, images), simulate_network(quantized, plan, images, images, **settings)


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip", "twos_complement"])
@pytest.mark.parametrize(
    "changes",
    [
        {"crossbar.rows": 16, "crossbar.cols": 16},
        {"crossbar.rows": 128, "crossbar.cols": 128, "device.cell_bits": 1, "dac.bits": 2},
        {"crossbar.rows": 32, "crossbar.cols": 64, "device.cell_bits": 4, "mapping.slices": "separate"},
        {"crossbar.rows": 64, "crossbar.cols": 48, "mapping.rows": "whole_kernels", "weight_bits": 5},
        {"crossbar.rows": 256, "crossbar.cols": 256, "activation_bits": 6, "dac.bits": 3, "adc.subtract": "digital"},
    ],
    ids=["16x16", "128x128", "32x64", "64x48", "256x256"],
)
def test_ideal_hardware_equals_the_integer_network_bit_for_bit(network, images, encoding, changes):
    hardware = load_hardware("reference").override({**IDEAL, "encoding": encoding, **changes})
    integer, outcome = simulate(network, images, hardware)
    assert np.array_equal(outcome.outputs[0], integer)
    assert all(error.snr_db is None for error in outcome.errors)


@pytest.mark.parametrize(
    "changes",
    [
        {"crossbar.rows": 32, "mapping.groups": "serial"},
        {"crossbar.rows": 64, "encoding": "offset", "dac.signed": "offset", "dac.bits": 2},
        {"crossbar.rows": 64, "adc.sign": "extra", "activation_bits": 1},
    ],
    ids=["serial", "offset", "signs"],
)
def test_one_conversion_of_all_reads_equals_the_integer_network_on_ideal_hardware(network, images, changes):
    hardware = load_hardware("reference").override({**IDEAL, "dac.accumulate": "analog", **changes})
    integer, outcome = simulate(network, images, hardware)
    assert np.array_equal(outcome.outputs[0], integer)


@pytest.mark.parametrize("coding", ["auto", "twos_complement", "sign_magnitude"])
def test_signs_as_inputs_equal_the_integer_network_on_ideal_hardware(network, images, coding):
    changes = {"crossbar.rows": 32, "activation_bits": 1, "dac.signed": coding}
    integer, outcome = simulate(network, images, load_hardware("reference").override({**IDEAL, **changes}))
    assert np.array_equal(outcome.outputs[0], integer)
    assert len(np.unique(integer)) > 10


def test_trials_without_anything_random_run_once_and_fill_the_list(network, images):
    hardware = load_hardware("reference").override(IDEAL)
    stages = []
    _, outcome = simulate(network, images, hardware, trials=3, progress=lambda stage, done, total: stages.append(stage))
    assert outcome.runs == 1
    assert outcome.outputs.shape[0] == 3
    assert np.array_equal(outcome.outputs[2], outcome.outputs[0])
    assert set(stages) == {"programming arrays", "images on hardware"}


@pytest.mark.parametrize(
    "changes",
    [
        {"device.programming.distribution": "normal", "device.programming.sigma": 0.1},
        {"device.stuck.off_rate": 0.05},
        {"device.read_noise.sigma": 0.05},
        {"adc.noise_lsb": 1.0, "adc.bits": 6},
        {"adc.gain_sigma": 0.1, "adc.bits": 6},
        {"adc.offset_sigma_lsb": 2.0, "adc.bits": 6},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_trials_differ_where_anything_is_random(network, images, changes):
    hardware = load_hardware("reference").override({**IDEAL, **changes})
    assert hardware.is_random
    _, outcome = simulate(network, images[:2], hardware, trials=2)
    assert outcome.runs == 2
    assert not np.array_equal(outcome.outputs[0], outcome.outputs[1])


def test_layers_may_each_have_their_own_hardware(network, images):
    hardware = load_hardware("reference").override(IDEAL)
    layers = {
        "stem": {"crossbar.rows": 16, "crossbar.cols": 32, "weight_bits": 6},
        "grouped": {"device.cell_bits": 1, "dac.bits": 4, "activation_bits": 7},
        "f*": {"encoding": "flip", "crossbar.rows": 8},
    }
    plan = plan_network(network, hardware, layers=layers)
    bits = {
        layer.name: {"weight_bits": layer.weight_bits, "activation_bits": layer.activation_bits}
        for layer in plan.layers
    }
    quantized = quantize_network(network, images, weight_bits=8, activation_bits=8, layers=bits)
    outcome = simulate_network(quantized, plan, images, images)
    assert np.array_equal(outcome.outputs[0], run_integer(quantized, images))


@pytest.mark.parametrize(
    "changes", [{}, {"device.read_noise.sigma": 0.02, "adc.noise_lsb": 0.3}], ids=["programming", "every read"]
)
def test_bits_depend_neither_on_threads_nor_on_batch(network, images, changes):
    hardware = load_hardware("reference").override({"crossbar.rows": 32, "crossbar.cols": 32, **changes})
    runs = [
        simulate(network, images, hardware, trials=2, seed=3, threads=threads, batch_size=batch)[1].outputs
        for threads, batch in [(1, None), (2, None), (2, 1), (1, 4)]
    ]
    assert all(np.array_equal(runs[0], other) for other in runs[1:])
    assert not np.array_equal(runs[0][0], runs[0][1])


def test_seed_changes_the_chip(network, images):
    hardware = load_hardware("reference").override({"crossbar.rows": 32, "crossbar.cols": 32})
    first, second = (simulate(network, images, hardware, seed=seed)[1].outputs for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_layer_error_sees_what_the_hardware_does(network, images):
    base = load_hardware("reference").override({**IDEAL, "crossbar.rows": 64, "crossbar.cols": 64})
    noisy = base.override({"device.programming.distribution": "normal", "device.programming.sigma": 0.2})
    wired = base.override({"crossbar.method": "exact", "crossbar.r_wl_ohm": 20.0, "crossbar.r_bl_ohm": 20.0})
    few = base.override({"adc.bits": 3, "adc.quantile": 1.0})
    _, noisy_run = simulate(network, images, noisy)
    _, wired_run = simulate(network, images, wired)
    _, few_run = simulate(network, images, few)
    assert all(error.snr_db < 40 for error in noisy_run.errors)
    assert all(error.gain < 1 for error in wired_run.errors)  # wires lose current,
    assert wired_run.errors[4].gain < 0.9  # most where the array is full
    assert all(error.adc_step > 1 for error in few_run.errors)
    assert all(error.clipped_share == 0 for error in few_run.errors)  # calibrated on these very images
    assert all(0.99 < error.range_used_share < 1.01 for error in few_run.errors)


def test_correcting_outputs_recovers_signal_lost_in_wires_and_drift(network, images):
    changes = {"crossbar.r_wl_ohm": 20.0, "crossbar.r_bl_ohm": 20.0, "device.drift.nu": 0.1, "device.drift.time_s": 1e3}
    base = load_hardware("reference").override({"crossbar.rows": 64, "crossbar.cols": 64, "adc.bits": 10, **changes})
    _, plain = simulate(network, images, base)
    integer, corrected = simulate(network, images, base.override({"adc.output_correction": True}))
    assert all(b.snr_db > a.snr_db for a, b in zip(plain.errors, corrected.errors))
    assert np.mean([b.snr_db - a.snr_db for a, b in zip(plain.errors, corrected.errors)]) > 3
    assert np.abs(corrected.outputs[0] - integer).mean() < np.abs(plain.outputs[0] - integer).mean()


def test_correcting_outputs_changes_nothing_on_ideal_hardware(network, images):
    hardware = load_hardware("reference").override({**IDEAL, "adc.output_correction": True})
    integer, outcome = simulate(network, images, hardware)
    np.testing.assert_allclose(outcome.outputs[0], integer, rtol=1e-5, atol=1e-5)


def test_progress_counts_layers_and_images(network, images):
    seen = []
    hardware = load_hardware("reference").override({**IDEAL, "device.stuck.off_rate": 0.01})
    simulate(network, images, hardware, trials=2, batch_size=2, progress=lambda *event: seen.append(event))
    assert ("programming arrays (trial 1 of 2)", 6, 6) in seen
    assert ("images on hardware (trial 2 of 2)", 6, 6) in seen
