"""Steps of slices, reads and columns have the least error in the output of a layer."""

from dataclasses import replace

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.inference.calibrate import calibrate_machine
from xbarsim.inference.layer import program_layer
from xbarsim.inference.refine import refine_steps
from xbarsim.mapping import plan_network
from xbarsim.network import Network, integer_layer, make_conv2d, quantize_input, quantize_network


def prepare(changes, groups=1):
    """Return a layer on a chip with noisy cells and wires, its calibration codes and their exact results."""
    draw = np.random.default_rng(3)
    weight = draw.standard_normal((8, 8 // groups, 3, 3)) * draw.random((8, 8 // groups, 1, 1)) ** 4
    conv = make_conv2d("conv", 8, 8, 3, padding=1, groups=groups, weight=weight, bias=np.zeros(8))
    network = Network(name="one", nodes=(conv,), input_shape=(8, 6, 6))
    x = np.maximum(draw.standard_normal((12, 8, 6, 6)), 0).astype(np.float32)
    quantized = quantize_network(network, x, weight_bits=8, activation_bits=8)
    plan = plan_network(network, load_hardware("reference", {"adc.bits": 4, **changes}))
    node, layer = network.nodes[0], quantized.layers["conv"]
    codes = quantize_input(layer, x)
    machine = program_layer(node, layer, plan.layer("conv"), seed=0, trial=0)
    return machine, codes, integer_layer(layer, node, codes)


def errors_of(machine, codes, exact):
    """Return the mean squared error of every output."""
    return np.mean((machine.accumulate(codes) * machine.lsb - exact) ** 2, axis=(0, 2, 3))


@pytest.mark.parametrize("changes", [{}, {"adc.gain_correction": True}])
def test_own_steps_have_no_larger_error_in_the_output_than_one_step(changes):
    found = {}
    for per in ("layer", "slice", "read", "column"):
        machine, codes, exact = prepare({"adc.step_per": per, **changes})
        found[per] = errors_of(calibrate_machine(machine, codes, exact), codes, exact).sum()
    assert found["slice"] <= found["layer"]
    assert found["read"] <= found["layer"]
    assert found["column"] < 0.95 * found["layer"]


@pytest.mark.parametrize("groups", [1, 4])
def test_no_column_has_a_neighbouring_step_with_less_error_in_its_output(groups):
    own_arrays = {} if groups == 1 else {"mapping.groups": "stripes", "mapping.group_array": {"rows": 32, "cols": 32}}
    machine, codes, exact = prepare({"adc.step_per": "column", **own_arrays}, groups)
    held = machine.calibrate(codes)
    found = refine_steps(held.with_lsb(held.adc_step / 2), lambda each: errors_of(each, codes, exact))
    assert len(found.engines) == groups
    assert len({engine.lsb for engine in found.engines}) == 1
    least, first = errors_of(found, codes, exact), 0
    assert least.sum() < errors_of(held, codes, exact).sum()
    for number, engine in enumerate(found.engines):
        for output in range(engine.outputs):
            for plane in range(engine.recipe.planes):
                for shift in (1, -1):
                    columns = engine.steps.columns.copy()
                    columns[plane, output] = np.clip(columns[plane, output] + shift, 0, 8)
                    most = np.full_like(engine.steps.planes, max(columns.max(), engine.steps.planes.max()))
                    steps = replace(engine.steps, columns=columns, planes=most)
                    engines = [replace(each, steps=replace(each.steps, planes=most)) for each in found.engines]
                    engines[number] = replace(engine, steps=steps)
                    changed = errors_of(found.with_engines(engines), codes, exact)
                    assert changed[first + output] >= 0.98 * least[first + output], (output, plane, shift)
        first += engine.outputs


def test_one_step_for_the_layer_is_left_as_it_is():
    machine, codes, exact = prepare({})
    held = machine.calibrate(codes)
    assert refine_steps(held, lambda each: errors_of(each, codes, exact)) is held


def test_own_steps_do_not_depend_on_threads():
    machine, codes, exact = prepare({"adc.step_per": "column", "device.read_noise.sigma": 0.02})
    one, two = (calibrate_machine(machine, codes, exact, threads=threads) for threads in (1, 2))
    assert one.lsb == two.lsb
    np.testing.assert_array_equal(one.engines[0].steps.columns, two.engines[0].steps.columns)
