"""Three kinds of machine, one interface: what the Protocol names, each of them has, and they run by one function."""

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest

import xbarsim.inference
from xbarsim.config import load_hardware
from xbarsim.inference.correction import CorrectedMachine
from xbarsim.inference.epitome import EpitomeMachine
from xbarsim.inference.layer import LayerMachine, program_layer
from xbarsim.inference.machine import AdjustableMachine, Machine, run_machine
from xbarsim.mapping import plan_network
from xbarsim.network import Network, make_conv2d, quantize_network, run_integer

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
