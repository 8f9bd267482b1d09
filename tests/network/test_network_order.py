"""Canonical numbers of operations: by depth, then by name, whatever the order of the file."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_samples import networks

import xbarsim as xs
from xbarsim.network import INPUT
from xbarsim.network.order import is_step, number_steps

BRANCHES = """input_shape: [8, 8, 8]
layers:
  - {name: stem, kind: conv2d, channels: 8, kernel: 3, padding: 1}
%s
  - {name: out, kind: add, inputs: [left, right]}
  - {kind: flatten}
  - {name: fc, kind: linear, features: 10}
"""
LEFT = [
    "  - {kind: max_pool, kernel: 3, stride: 1, padding: 1, inputs: [stem]}",
    "  - {name: left, kind: conv2d, channels: 8, kernel: 1}",
]
RIGHT = [
    "  - {kind: max_pool, kernel: 5, stride: 1, padding: 2, inputs: [stem]}",
    "  - {name: right, kind: conv2d, channels: 8, kernel: 1}",
]


def shuffle(network, draw):
    """Return a network whose nodes come in another topological order."""
    left, done, ordered = list(network.nodes), {INPUT}, []
    while left:
        ready = [node for node in left if done.issuperset(node.inputs)]
        node = draw(st.sampled_from(ready))
        left.remove(node)
        done.add(node.name)
        ordered.append(node)
    return dataclasses.replace(network, nodes=tuple(ordered), output=network.output)


@given(networks(), st.data())
def test_numbers_rise_along_every_path_and_ignore_the_order_of_nodes(network, data):
    numbers = number_steps(network)
    assert sorted(numbers.values()) == list(range(len(numbers)))
    assert number_steps(shuffle(network, data.draw)) == numbers
    deepest = {INPUT: -1}
    for node in network.nodes:
        before = max(deepest[name] for name in node.inputs)
        assert is_step(node) == (node.name in numbers)
        deepest[node.name] = max(before, numbers.get(node.name, -1))
        if is_step(node):
            assert numbers[node.name] > before


def test_layers_of_one_depth_are_numbered_by_name():
    names = [name for name in number_steps(xs.load_network("resnet18")) if name.startswith("layer2.0")]
    assert names == ["layer2.0.conv1", "layer2.0.downsample.0", "layer2.0.conv2", "layer2.0.add"]


@pytest.mark.parametrize("hardware", ["nax", "isaac", "mnsim"])
@pytest.mark.parametrize("name", ["resnet18", "resnet20", "mobilenetv2"])
def test_the_order_of_a_file_costs_nothing(name, hardware):
    network = xs.load_network(name)
    reports = [xs.estimate(each, hardware) for each in (network, turn_around(network))]
    assert reports[0].cost == reports[1].cost


def turn_around(network):
    """Return a network that lists of every fork the other branch first."""
    left, done, ordered = list(reversed(network.nodes)), {INPUT}, []
    while left:
        node = next(node for node in left if done.issuperset(node.inputs))
        left.remove(node)
        done.add(node.name)
        ordered.append(node)
    return dataclasses.replace(network, nodes=tuple(ordered), output=network.output)


def test_operations_named_by_counters_do_not_depend_on_the_order_of_the_file(tmp_path):
    costs = []
    for name, branches in (("one", LEFT + RIGHT), ("two", RIGHT + LEFT)):
        path = tmp_path / f"{name}.yaml"
        path.write_text(BRANCHES % "\n".join(branches))
        costs.append(xs.estimate(path, "nax").cost)
    keep = ("energy_joule", "delay_s", "throughput_hz", "area_m2")
    assert [getattr(costs[0], key) for key in keep] == [getattr(costs[1], key) for key in keep]
