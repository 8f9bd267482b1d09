"""The calibrated ADC step has the least error in the layer's output, and wide converters keep theirs."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.data import load_data, normalize_images
from xbarsim.inference.calibrate import calibrate_machine
from xbarsim.inference.layer import program_layer
from xbarsim.mapping import plan_network
from xbarsim.network import Network, integer_layer, make_conv2d, quantize_input, quantize_network

BASE = {"crossbar.r_wl_ohm": 5.0, "crossbar.r_bl_ohm": 5.0, "device.programming.sigma": 0.1}


def prepare(changes, seed=0):
    """Return a programmed layer of 36 rows on a fresh chip, its calibration codes and their exact results."""
    draw = np.random.default_rng(seed)
    weight = draw.standard_normal((16, 8, 3, 3)) * 0.1
    conv = make_conv2d("conv", 8, 16, 3, padding=1, weight=weight, bias=np.zeros(16))
    network = Network(name="one", nodes=(conv,), input_shape=(8, 12, 12))
    x = np.maximum(draw.standard_normal((40, 8, 12, 12)), 0).astype(np.float32)
    quantized = quantize_network(network, x, weight_bits=8, activation_bits=8)
    plan = plan_network(network, load_hardware("reference", {**BASE, **changes}))
    node, layer = network.nodes[0], quantized.layers["conv"]
    codes = quantize_input(layer, x)
    machine = program_layer(node, layer, plan.layer("conv"), seed=seed, trial=0)
    return machine, codes, integer_layer(layer, node, codes)


def error_of(machine, codes, exact):
    """Return the mean squared error of the output, in squared weight steps times input steps."""
    return float(np.mean((machine.accumulate(codes) * machine.lsb - exact) ** 2))


@pytest.mark.parametrize("bits", [4, 5, 6])
@pytest.mark.parametrize("subtract", ["analog", "digital"])
def test_no_step_has_much_less_error_than_the_calibrated_one(bits, subtract):
    machine, codes, exact = prepare({"adc.bits": bits, "adc.subtract": subtract})
    chosen = calibrate_machine(machine, codes, exact)
    steps = np.geomspace(1.0, 2 * machine.calibrate(codes).lsb, 60)
    least = min(error_of(machine.with_lsb(step), codes, exact) for step in steps)
    assert error_of(chosen, codes, exact) <= 1.1 * least  # the grid of steps is coarser, its images are fewer


def test_a_calibrated_range_clips_where_that_helps():
    machine, codes, exact = prepare({"adc.bits": 5})
    held, chosen = machine.calibrate(codes), calibrate_machine(machine, codes, exact)
    assert 1.0 <= chosen.lsb < held.lsb
    assert error_of(chosen, codes, exact) < 0.8 * error_of(held, codes, exact)
    assert held.survey(codes)[0].clipped_share == 0 < chosen.survey(codes)[0].clipped_share


def test_gain_correction_is_part_of_what_is_calibrated():
    machine, codes, exact = prepare({"adc.bits": 6, "adc.gain_correction": True, "crossbar.r_bl_ohm": 20.0})
    chosen = calibrate_machine(machine, codes, exact)
    for ratio in (0.5, 0.7, 1.4, 2.0):
        assert error_of(chosen, codes, exact) <= 1.02 * error_of(machine.with_lsb(chosen.lsb * ratio), codes, exact)


def test_the_step_does_not_depend_on_threads():
    machine, codes, exact = prepare({"adc.bits": 5, "device.read_noise.sigma": 0.02})
    one, two = (calibrate_machine(machine, codes, exact, threads=threads).lsb for threads in (1, 2))
    assert one == two


@pytest.mark.parametrize("changes", [{"adc.bits": "auto"}, {"adc.bits": "ideal"}, {"adc.full_scale": "whole"}])
def test_wide_ideal_and_whole_ranges_keep_their_step(changes):
    quiet = {"device.programming.sigma": 0.0, "crossbar.method": "ideal"}
    machine, codes, exact = prepare({**quiet, **changes})
    expected = machine.lsb if "adc.full_scale" in changes else 1.0
    assert calibrate_machine(machine, codes, exact).lsb == expected


def test_a_quantile_means_what_it_says():
    machine, codes, exact = prepare({"adc.bits": 5, "adc.quantile": 0.99})
    chosen = calibrate_machine(machine, codes, exact)
    assert chosen.lsb == machine.calibrate(codes).lsb
    share = sum(seen.clipped_share for seen in chosen.survey(codes))
    assert 0 < share <= 0.0101


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "sigma", "least"), [(6, 0.0, 0.88), (6, 0.1, 0.845), (5, 0.1, 0.60)])
def test_the_default_range_is_near_the_best_quantile_on_resnet20(shared, bits, sigma, least):
    """500 test images and 2 chips; 95 % intervals of one accuracy are about 2.5 points."""
    test, train = load_data(shared / "data/cifar10_test_500.npz"), load_data(shared / "data/cifar10_train_4660.npz")
    x, known = (normalize_images(images, "imagenet") for images in (test.images, train.images[:512]))
    network = xs.load_network(shared / "models/resnet20_cifar10.onnx")
    changes = {**BASE, "adc.bits": bits, "device.programming.sigma": sigma}
    found = {}
    for quantile in (None, 1.0, 0.9995, 0.999):
        keys = changes if quantile is None else {**changes, "adc.quantile": quantile}
        hardware = xs.load_hardware("reference", keys)
        found[quantile] = xs.simulate(network, hardware, x, test.labels, calibration=known, trials=2).accuracy.hardware
    assert found[None] >= least
    assert found[None] >= max(found.values()) - 0.01
