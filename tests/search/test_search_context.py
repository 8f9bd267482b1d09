"""Queries of single layers with what surrounds them: equal to the layer in its network."""

import json
import re

import pytest

import xbarsim as xs
from xbarsim.config.load import list_hardware
from xbarsim.cost.layer import LayerContext
from xbarsim.errors import ConfigError, MappingError
from xbarsim.network.reshape import describe_context, describe_layer
from xbarsim.search import CostOracle, answer_lines

SHAPE = {"in_channels": 16, "out_channels": 16, "kernel": 3, "padding": 1, "height": 32, "width": 32}
ELSEWHERE = ("router", "link", "buffer", "bus")
"""What also depends on the tiles of other layers."""


@pytest.mark.parametrize("name", ["resnet20", "mobilenetv2", "vgg8"])
@pytest.mark.parametrize("hardware", list_hardware())
def test_every_layer_costs_what_it_costs_in_its_network(hardware, name):
    network, oracle = xs.load_network(name), CostOracle(hardware, cache=None)
    report = xs.estimate(network, oracle.hardware)
    there = {layer.name: layer for layer in report.cost.layers}
    idle = {component.component for component in report.cost.components if component.idle_energy_joule}
    for node in network.layers:
        own, alone = (
            there[node.name],
            oracle.layer(*describe_layer(network, node.name), **describe_context(network, node.name)),
        )
        found = alone.layers[0]
        assert (found.busy_s, found.crossbars, found.arrays) == (own.busy_s, own.crossbars, own.arrays)
        assert alone.throughput_hz * own.busy_s == pytest.approx(1, rel=1e-15)
        assert alone.area_m2 == pytest.approx(own.area_m2, rel=1e-12)
        for part, joule in own.energy_by_component.items():
            if part not in ELSEWHERE and part not in idle:
                assert found.energy_by_component[part] == pytest.approx(joule, rel=1e-12), part


@pytest.mark.parametrize(
    ("hardware", "changes"),
    [("neurram", {}), ("sram_7nm", {}), ("reference", {"dac.bits": 2}), ("nax", {"dac.signed": "sign_magnitude"})],
)
def test_signed_inputs_take_their_own_reads(hardware, changes):
    oracle = CostOracle(xs.load_hardware(hardware, changes), cache=None)
    usual, signed = oracle.layer("conv2d", SHAPE), oracle.layer("conv2d", SHAPE, signed=True)
    assert usual.throughput_hz > signed.throughput_hz
    assert usual == oracle.layer("conv2d", SHAPE, signed=False)


def test_replicas_share_the_windows_and_are_not_balanced_for_one_layer():
    balanced = CostOracle(xs.load_hardware("nax", {"mapping.replication": "balanced", "mapping.array_budget": 500}))
    plain = CostOracle("nax", cache=None)
    one, four = plain.layer("conv2d", SHAPE), plain.layer("conv2d", SHAPE, replicas=4)
    assert (four.arrays, four.layers[0].replication) == (4 * one.arrays, 4)
    assert four.throughput_hz == pytest.approx(4 * one.throughput_hz)
    assert plain.layer("conv2d", SHAPE, {"mapping.replicas": 4}) == four
    assert balanced.layer("conv2d", SHAPE) == one


def test_a_layer_waits_for_its_producers_and_not_for_the_off_chip_link():
    narrow = CostOracle(xs.load_hardware("nax", {"timing.io_bits": 1}), cache=None)
    wide = CostOracle(xs.load_hardware("nax", {"timing.io_bits": 4096}), cache=None)
    own = wide.layer("conv2d", SHAPE)
    assert narrow.layer("conv2d", SHAPE).delay_s == own.delay_s
    slow = wide.layer("conv2d", SHAPE, producers_s=10 * own.delay_s)
    assert slow.delay_s == pytest.approx(10 * own.delay_s, rel=0.1)
    assert slow.throughput_hz == own.throughput_hz


def test_activation_functions_are_charged_to_the_layer_that_they_follow():
    oracle = CostOracle("isaac", cache=None)
    none, one = (oracle.layer("conv2d", SHAPE, activations=count).layers[0] for count in (0, 1))
    extra = one.energy_by_component["activation"] - none.energy_by_component.get("activation", 0.0)
    assert extra > 0
    assert one.energy_joule - none.energy_joule == pytest.approx(extra)


def test_json_lines_take_the_context_and_answers_do_not_mix():
    oracle = CostOracle("neurram", cache=None)
    asked = [{}, {"signed": True}, {"signed": False}, {"replicas": 2}, {"activations": 1}, {"producers_s": 1.0}]
    lines = [json.dumps({"layer": "conv2d", "shape": SHAPE, **context}) for context in asked]
    for context, line in zip(asked, answer_lines(oracle, lines), strict=True):
        assert json.loads(line)["cost"]["delay_s"] == oracle.layer("conv2d", SHAPE, **context).delay_s
    assert len({oracle.layer("conv2d", SHAPE, **context).delay_s for context in asked}) >= 4


@pytest.mark.parametrize(
    ("context", "rule"),
    [
        ({"signed": 0}, "signed: 0 is not true or false"),
        ({"signed": "no"}, "signed: 'no' is not true or false"),
        ({"replicas": 0}, "replicas: 0 is not a whole number of at least 1"),
        ({"replicas": True}, "replicas: True is not a whole number"),
        ({"activations": -1}, "activations: -1 is not a whole number of at least 0"),
        ({"activations": 10**18}, "activations: 1e.18 activation functions are more than 1,000"),
        ({"producers_s": float("nan")}, "producers_s: nan is not a time"),
        ({"producers_s": "1"}, "producers_s: '1' is not a time"),
    ],
)
def test_a_wrong_context_is_refused(context, rule):
    with pytest.raises(ConfigError, match=rule):
        LayerContext(**context)
    if context.get("producers_s") != context.get("producers_s"):
        return  # JSON has no NaN
    answer = answer_lines(CostOracle("nax", cache=None), [json.dumps({"layer": "conv2d", "shape": SHAPE, **context})])
    assert re.search(rule, json.loads(answer[0])["error"])


def test_producers_that_take_longer_than_the_machine_counts_are_refused():
    with pytest.raises(MappingError, match=r"producers_s: 1e\+300 s are more than 1e\+12 cycles; give at most"):
        CostOracle("nax", cache=None).layer("conv2d", SHAPE, producers_s=1e300)


def test_what_is_refused_is_refused_after_a_right_query_of_equal_numbers_too():
    oracle = CostOracle("nax", cache=None)
    oracle.layer("conv2d", SHAPE, {"adc.bits": 1, "weight_bits": 1}, activations=1)
    for choice, context in (
        ({"adc.bits": True, "weight_bits": 1}, {"activations": 1}),
        ({"adc.bits": 1, "weight_bits": 1}, {"activations": True}),
        ({"adc.bits": 1, "weight_bits": 1}, {"activations": 1, "signed": 0}),
    ):
        with pytest.raises(ConfigError, match="is not"):
            oracle.layer("conv2d", SHAPE, choice, **context)


@pytest.mark.parametrize("choice", [{"array": 64, "crossbar.rows": 32}, {"crossbar.cols": 32, "array": 64}])
def test_a_choice_that_sets_a_key_twice_is_refused(choice):
    oracle = CostOracle("nax", cache=None)
    with pytest.raises(ConfigError, match=r"both set crossbar\.(rows|cols); leave one of them out"):
        oracle.layer("conv2d", SHAPE, choice)
    with pytest.raises(ConfigError, match="both set"):
        oracle.cost("lenet5", {"conv1": choice})
    both = oracle.cost(
        "lenet5", {"*": {"array": 64}, "conv1": {"crossbar.rows": 32}}
    )  # one after the other is well-defined
    assert both.energy_joule != oracle.cost("lenet5", {"*": {"array": 64}}).energy_joule


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ({"network": "x\0y.onnx"}, "no such file"),
        ({"network": "lenet5", "layers": {"conv2": 5}, "epitomes": {"conv2": None}}, "choice: 5 is not a mapping"),
        ({"layer": "conv2d", "shape": SHAPE, "choice": {"epitome": {"rows": 10**9, "channels": 1}}}, "50,000,000; use"),
        (
            {"layer": "conv2d", "shape": SHAPE, "choice": {"epitome": {"rows": 10**9, "channels": 9, "step": 1}}},
            "epitome: step: 1 is not a pair",
        ),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_and_not_an_error_of_ours(query, rule):
    answer = json.loads(answer_lines(CostOracle("nax", cache=None), [json.dumps(query)])[0])["error"]
    assert rule in answer
    assert "internal" not in answer
