"""Remedies that need no training: corrections fitted on a chip or over several, and clipped ranges of weights."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.inference import simulate_network
from xbarsim.inference.correction import correct_outputs
from xbarsim.inference.layer import program_layer
from xbarsim.inference.simulate import OTHER_CHIP, program_network
from xbarsim.mapping import plan_network
from xbarsim.network import Network, integer_layer, make_conv2d, make_linear, quantize_network, run_integer
from xbarsim.network.quantize import quantize_weights

ROUGH = {"device.programming.sigma": 0.15, "adc.output_correction": True}


@pytest.fixture(scope="module")
def deep():
    """Return a chain of layers and images."""
    rng = np.random.default_rng(4)
    nodes = []
    for index in range(4):
        weight = rng.normal(size=(8, 4 if index == 0 else 8, 3, 3)) / 6
        source = "input" if index == 0 else nodes[-1].name
        nodes.append(make_conv2d(f"conv{index}", weight.shape[1], 8, 3, padding=1, weight=weight, inputs=(source,)))
    network = Network(name="deep", nodes=tuple(nodes), input_shape=(4, 6, 6))
    return network, rng.random((24, 4, 6, 6)).astype(np.float32)


def run(deep, trials=1, **keys):
    """Return integer outputs and those on hardware, corrections fitted on the first half of the images."""
    network, images = deep
    plan = plan_network(network, xs.load_hardware("reference").override({**ROUGH, **keys}))
    bits = {layer.name: layer.quantization for layer in plan.layers}
    quantized = quantize_network(network, images[:12], weight_bits=8, activation_bits=8, layers=bits)
    outcome = simulate_network(quantized, plan, images[12:], images[:12], trials=trials, threads=1)
    return run_integer(quantized, images[12:]), outcome.outputs


def error(found, exact):
    return np.mean((found - exact) ** 2) / np.var(exact)


def test_a_correction_fitted_on_the_chip_keeps_mean_and_spread_through_all_layers(deep):
    network, images = deep
    exact, alone = run((network, np.concatenate([images[:12]] * 2)))
    _, chained = run((network, np.concatenate([images[:12]] * 2)), **{"adc.correction_inputs": "hardware"})
    wanted, shrunk, kept = (x.reshape(12, 8, -1).std(axis=(0, 2)) for x in (exact, alone[0], chained[0]))
    np.testing.assert_allclose(kept, wanted, rtol=1e-3)
    assert np.mean(shrunk / wanted) < 0.98
    np.testing.assert_allclose(chained[0].mean(axis=(0, 2, 3)), exact.mean(axis=(0, 2, 3)), atol=1e-3 * wanted.max())


def test_a_layer_is_fitted_to_what_reaches_it(deep):
    """The second layer's correction, by hand: outputs of the corrected first layer against the exact integers."""
    network, images = deep
    hardware = xs.load_hardware("reference").override({**ROUGH, "adc.correction_inputs": "hardware"})
    plan = plan_network(network, hardware)
    quantized = quantize_network(network, images, weight_bits=8, activation_bits=8)
    machines, _ = program_network(quantized, plan, images, seed=0, trial=0)
    first, second = (machines[name] for name in ("conv0", "conv1"))
    layers = [quantized.layers[name] for name in ("conv0", "conv1")]

    def codes_of(layer, x):
        low = -(1 << (layer.activation_bits - 1)) if layer.signed else 0
        return np.clip(np.rint(x / layer.input_scale), low, low + 255).astype(np.int64)

    def real(layer, sums):
        return sums * (layer.input_scale * layer.weight_scale.reshape(-1, 1, 1)) + layer.bias.reshape(-1, 1, 1)

    codes = codes_of(layers[0], images)
    felt = codes_of(layers[1], real(layers[0], first.accumulate(codes) * first.lsb).astype(np.float32))
    exact_first = real(layers[0], integer_layer(layers[0], first.node, codes)).astype(np.float32)
    exact = integer_layer(layers[1], second.node, codes_of(layers[1], exact_first))
    found = second.machine.accumulate(felt) * second.machine.lsb
    for output in range(8):
        x, y = found[:, output].ravel(), exact[:, output].ravel()
        gain = y.std() / x.std()
        assert second.gain[output] == pytest.approx(gain, rel=0.02)  # codes at a half may round apart
        assert second.offset[output] == pytest.approx(y.mean() - gain * x.mean(), abs=0.02 * y.std())


def test_a_shared_correction_is_one_least_squares_fit_over_other_chips(deep):
    network, images = deep
    plan = plan_network(network, xs.load_hardware("reference").override({**ROUGH, "adc.correction_chips": 3}))
    quantized = quantize_network(network, images, weight_bits=8, activation_bits=8)
    found = [program_network(quantized, plan, images, seed=0, trial=trial)[0]["conv0"] for trial in (0, 1)]
    np.testing.assert_array_equal(found[0].gain, found[1].gain)
    np.testing.assert_array_equal(found[0].offset, found[1].offset)
    layer = quantized.layers["conv0"]
    codes = np.clip(np.rint(images / layer.input_scale), 0, 255).astype(np.int64)
    exact = integer_layer(layer, found[0].node, codes)
    x = []
    for chip in range(3):
        machine = program_layer(found[0].node, layer, plan.layer("conv0"), seed=0, trial=OTHER_CHIP - chip)
        machine = machine.with_lsb(found[0].lsb)
        x.append(machine.accumulate(codes) * machine.lsb)
    by_hand = [np.polyfit(np.stack(x)[:, :, o].ravel(), np.tile(exact[:, o].ravel(), 3), 1) for o in range(8)]
    np.testing.assert_allclose(found[0].gain, [gain for gain, _ in by_hand], rtol=0.02)  # each chip has its own step


def test_a_correction_of_the_chip_at_hand_beats_a_shared_one(deep):
    exact, own = run(deep, trials=4)
    _, shared = run(deep, trials=4, **{"adc.correction_chips": 4})
    assert error(own, exact) < error(shared, exact)


def test_a_fit_over_several_machines_pools_their_results(deep):
    network, images = deep
    plan = plan_network(network, xs.load_hardware("reference").override(ROUGH))
    quantized = quantize_network(network, images, weight_bits=8, activation_bits=8)
    layer, node = quantized.layers["conv0"], network.layers[0]
    codes = np.clip(np.rint(images / layer.input_scale), 0, 255).astype(np.int64)
    exact = integer_layer(layer, node, codes)
    chips = [program_layer(node, layer, plan.layer("conv0"), seed=0, trial=trial) for trial in (5, 6)]
    pooled = correct_outputs(chips[0], codes, exact, fitted_on=chips)
    x = np.concatenate([chip.accumulate(codes) * chip.lsb for chip in chips])
    for output in range(8):
        gain, offset = np.polyfit(x[:, output].ravel(), np.tile(exact[:, output].ravel(), 2), 1)
        assert pooled.gain[output] == pytest.approx(gain)
        assert pooled.offset[output] == pytest.approx(offset, abs=1e-6 * np.abs(exact).max())


def test_corrections_do_not_depend_on_threads_or_batches(deep):
    network, images = deep
    hardware = xs.load_hardware("reference").override({**ROUGH, "adc.correction_inputs": "hardware"})
    runs = [
        xs.simulate(network, hardware, images, calibration=images[:8], batch_size=size, threads=threads).outputs
        for size, threads in ((5, 1), (8, 2))
    ]
    np.testing.assert_array_equal(runs[0], runs[1])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"adc.correction_inputs": "hardware"}, "adc.correction_inputs: hardware needs adc.output_correction: true"),
        ({"adc.correction_chips": 4}, "adc.correction_chips: 4 needs adc.output_correction: true"),
        (
            {"adc.output_correction": True, "adc.correction_chips": 4, "adc.correction_inputs": "hardware"},
            "adc.correction_chips: a correction for all chips cannot be fitted to one chip's activations",
        ),
        ({"adc.correction_chips": 0}, "adc.correction_chips: 0 is not allowed"),
        ({"mapping.weight_range": 0}, "mapping.weight_range: 0 is not allowed"),
        ({"mapping.weight_range": 1.5}, "mapping.weight_range: 1.5 is not allowed"),
    ],
)
def test_remedies_that_mean_nothing_are_refused(keys, message):
    with pytest.raises(xs.ConfigError) as caught:
        xs.load_hardware("reference").override(keys)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) <= 400


def test_a_narrow_range_of_weights_clips_the_largest_and_refines_the_rest():
    weight = np.array([[1.0, -0.5, 0.26], [0.2, 0.1, -0.0499]])
    codes, scale = quantize_weights(weight, 8, 0.5)
    np.testing.assert_allclose(scale, np.array([0.5, 0.1]) / 127)
    np.testing.assert_array_equal(codes, [[127, -127, 66], [127, 127, -63]])


def test_clipping_weights_trades_their_error_for_the_noise_of_cells():
    rng = np.random.default_rng(1)
    weight = rng.standard_t(4, size=(16, 400))  # a few weights far beyond the rest
    network = Network(name="one", nodes=(make_linear("fc", 400, 16, weight=weight),), input_shape=(400,))
    images = rng.random((64, 400)).astype(np.float32)
    noisy = {"device.programming.sigma": 0.05, "device.programming.relative_to": "range", "crossbar.method": "ideal"}
    exact, errors = images @ weight.T, {}
    for share in (1.0, 0.5, 0.05):
        hardware = xs.load_hardware("reference").override({**noisy, "adc.bits": "ideal", "mapping.weight_range": share})
        outputs = xs.simulate(network, hardware, images, calibration=images, trials=6).outputs
        errors[share] = np.mean((outputs - exact) ** 2)
    assert errors[0.5] < 0.6 * errors[1.0]
    assert errors[0.05] > errors[0.5]
