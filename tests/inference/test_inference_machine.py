"""Three kinds of machine, one interface: what the Protocol names, each of them has, and they run by one function."""

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest

import xbarsim.inference
from xbarsim.config import load_hardware
from xbarsim.inference.calibrate import calibrate_machine
from xbarsim.inference.correction import CorrectedMachine
from xbarsim.inference.epitome import EpitomeMachine
from xbarsim.inference.fidelity import measure_layer
from xbarsim.inference.layer import LayerMachine, program_layer
from xbarsim.inference.machine import AdjustableMachine, Machine, run_machine
from xbarsim.mapping import plan_network
from xbarsim.network import Network, make_conv2d, quantize_network, run_integer
from xbarsim.network.integer import integer_layer, quantize_input

FOLDER = Path(xbarsim.inference.__file__).parent


def members(protocol):
    return {name for base in protocol.__mro__ for name in vars(base) if not name.startswith("_")}


@pytest.mark.parametrize("kind", [LayerMachine, EpitomeMachine, CorrectedMachine])
def test_a_machine_has_what_the_protocol_names(kind):
    has = {field.name for field in dataclasses.fields(kind)} | set(dir(kind))
    assert members(Machine) <= has
    assert (members(AdjustableMachine) <= has) == (kind is not CorrectedMachine)


def test_no_machine_has_a_way_to_run_of_its_own():
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert not any(isinstance(item, ast.FunctionDef) and item.name == "run" for item in node.body), (
                    node.name
                )


@pytest.mark.parametrize("groups", [1, 4])
def test_a_corrected_machine_runs_like_the_one_that_it_corrects(groups):
    rng = np.random.default_rng(5)
    node = make_conv2d("conv", 4, 8, 3, groups=groups, weight=rng.normal(size=(8, 4 // groups, 3, 3)))
    images = rng.normal(size=(3, 4, 6, 6)).astype(np.float32)
    ideal = {"device.programming.distribution": "none", "crossbar.method": "ideal", "adc.full_scale": "whole"}
    plan = plan_network(
        Network(name="one", nodes=(node,), input_shape=(4, 6, 6)),
        load_hardware("reference").override({**ideal, "adc.bits": "auto"}),
    )
    layer = plan.layers[0]
    quantized = quantize_network(
        plan.network, images, weight_bits=8, activation_bits=8, layers={"conv": layer.quantization}
    )
    machine = program_layer(layer.node, quantized.layers["conv"], layer, seed=0, trial=0)
    neutral = CorrectedMachine(machine=machine, gain=np.ones(8), offset=np.zeros(8))
    found = run_machine(neutral, images)
    assert np.array_equal(found, run_machine(machine, images))
    assert np.array_equal(found, run_integer(quantized, images))


def test_where_every_read_is_solved_results_are_measured_on_one_image():
    rng = np.random.default_rng(6)
    node = make_conv2d("conv", 2, 3, 3, weight=rng.normal(size=(3, 2, 3, 3)))
    images = rng.random((3, 2, 5, 5)).astype(np.float32)
    network = Network(name="one", nodes=(node,), input_shape=(2, 5, 5))
    bent = {"device.iv": {"kind": "sinh", "scale_volt": 0.1}, "crossbar.r_bl_ohm": 20.0, "crossbar.rows": 32}
    found = {}
    for method in ("exact", "fitted"):
        plan = plan_network(network, load_hardware("reference").override({**bent, "crossbar.method": method}))
        layer = plan.layers[0]
        quantized = quantize_network(
            network, images, weight_bits=8, activation_bits=8, layers={"conv": layer.quantization}
        ).layers["conv"]
        codes = quantize_input(quantized, images)
        exact = integer_layer(quantized, layer.node, codes)
        machine = program_layer(layer.node, quantized, layer, seed=0, trial=0, codes=codes)
        machine = calibrate_machine(machine, codes, exact)
        found[method] = [measure_layer(machine, codes[:count], exact[:count]) for count in (1, 3)]
    one, three = found["exact"]
    assert (one.snr_db, one.gain) == (three.snr_db, three.gain)
    assert one.array_read_watt != three.array_read_watt
    one, three = found["fitted"]
    assert one.snr_db != three.snr_db
