"""Closed-form counts against a walk through every window, dataflow against every operand, paths on the network."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.count_actions import count_digital, count_layer, last_operands, list_reached
from reference.pipeline_simpy import share_tiles
from reference.residual_networks import Builder, resnet_cifar

from xbarsim.config import load_hardware
from xbarsim.mapping import plan_network
from xbarsim.network import Network, Node, make_conv2d
from xbarsim.timing import simulate_plan, trace_dataflow
from xbarsim.timing.route import Asked, Fabric
from xbarsim.timing.slots import place_layer

HARDWARE = load_hardware("reference")
TRAFFIC = ("buffer", "bus", "router", "link", "tile_register", "activation", "off_chip")


def convolution(fan_in, fan_out, size, **settings_):
    node = make_conv2d("conv", fan_in, fan_out, **settings_)
    return Network(name="conv", nodes=(node,), input_shape=(fan_in, *size))


@settings(max_examples=60)
@given(
    fan_in=st.integers(1, 9), fan_out=st.integers(1, 9), groups=st.integers(1, 4), rows=st.integers(4, 40),
    cols=st.integers(4, 40), encoding=st.sampled_from(["differential", "offset", "flip", "twos_complement"]),
    subtract=st.sampled_from(["analog", "digital"]), slices=st.sampled_from(["adjacent", "separate"]),
    dac=st.integers(1, 3),
)  # fmt: skip
def test_counts_equal_a_walk_through_every_window(fan_in, fan_out, groups, rows, cols, encoding, subtract, slices, dac):
    network = convolution(fan_in * groups, fan_out * groups, (3, 4), kernel=3, padding=1, groups=groups)
    hardware = HARDWARE.override(
        {
            "crossbar.rows": rows, "crossbar.cols": cols, "encoding": encoding, "adc.subtract": subtract,
            "mapping.slices": slices, "dac.bits": dac,
        }
    )  # fmt: skip
    activity = simulate_plan(plan_network(network, hardware))
    step = activity.steps[1]
    counted = {action: count for action, count in step.counts.items() if action not in TRAFFIC}
    walked = {action: count for action, count in count_layer(step.layer).items() if count}
    assert counted == walked


def test_digital_steps_and_ends_count_what_they_move():
    activity = simulate_plan(plan_network(resnet_cifar(1), HARDWARE))
    for index, (own, found) in enumerate(zip(activity.layout.steps, activity.steps, strict=True)):
        step, width = own.step, own.bits
        results = step.windows * step.values * width
        if step.kind in ("add", "global_avg_pool"):
            expected = count_digital(step, width) + Counter(buffer=results, tile_register=results)
            remote = len(list_reached(activity, index)[0])  # read once more to be sent, and written where it arrives
            expected["buffer"] += results * (1 + remote if remote else 0)
            expected["activation"] = step.windows * step.activated
            walked = {action: count for action, count in expected.items() if count}
            assert walked == {a: c for a, c in found.counts.items() if a not in ("router", "link")}
    assert activity.steps[0].counts["off_chip"] == 3 * 32 * 32 * 8
    assert activity.steps[-1].counts["off_chip"] == 10 * 8


def test_every_relu_is_counted_once():
    activity = simulate_plan(plan_network(resnet_cifar(1), HARDWARE))
    network = activity.plan.network
    values = sum(np.prod(node.shape) for node in network.nodes if node.kind == "relu")
    assert activity.totals["activation"] == values


@settings(max_examples=60)
@given(
    per_tile=st.integers(1, 12), rows=st.integers(4, 30), cols=st.integers(4, 30), groups=st.integers(1, 3),
    slices=st.sampled_from(["adjacent", "separate"]), encoding=st.sampled_from(["differential", "offset"]),
)  # fmt: skip
def test_shares_of_tiles_equal_a_walk_through_every_array(per_tile, rows, cols, groups, slices, encoding):
    network = convolution(4 * groups, 11 * groups, (3, 3), kernel=3, groups=groups)
    changes = {
        "crossbar.rows": rows, "crossbar.cols": cols, "chip.arrays_per_core": per_tile, "chip.cores_per_tile": 1,
        "mapping.slices": slices, "encoding": encoding,
    }  # fmt: skip
    plan = plan_network(network, HARDWARE.override(changes))
    layer = plan.layers[0]
    found = place_layer(plan, layer, range(plan.tiles))
    ends = list(itertools.accumulate(found.sizes, initial=0))
    assert ends[-1] == len(found.tiles)
    for replica, (first, last) in enumerate(itertools.pairwise(ends)):
        shares = zip(found.rows[first:last], found.outputs[first:last], strict=True)
        expected = share_tiles(plan, layer, replica, range(plan.tiles))
        assert dict(zip(found.tiles[first:last], shares, strict=True)) == expected


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)), kernel=st.integers(1, 4), stride=st.integers(1, 3),
    padding=st.integers(0, 3), dilation=st.integers(1, 2),
)  # fmt: skip
def test_a_window_waits_for_its_last_operand_and_those_before_it(size, kernel, stride, padding, dilation):
    if min(size) + 2 * padding < dilation * (kernel - 1) + 1:
        return
    builder = Builder()
    builder.conv("first", "input", 1, 1, 1)
    settings_ = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    builder.add(make_conv2d("second", 1, 1, inputs=("first",), **settings_))
    network = Network(name="two", nodes=tuple(builder.nodes), input_shape=(1, *size))
    node = network.node("second")
    need = dict(trace_dataflow(network).steps[2].edges)[1]
    exact = last_operands(*size, node.attributes, *node.shape[1:])
    # in order: no window overtakes another, so its need is at least that of those before it
    assert np.all(need >= np.maximum.accumulate(exact))
    inside = padding == 0
    if inside:
        assert np.array_equal(need, exact)


def test_strided_slices_and_pads_look_through_to_their_producer():
    network = resnet_cifar(1, size=8)
    steps = {step.name: step for step in trace_dataflow(network).steps}
    flow = trace_dataflow(network)
    source = flow.index["layer1.0.add"]
    need = dict(steps["layer2.0.add"].edges)[source]
    assert need[:4].tolist() == [0, 2, 4, 6]
    assert need[4] == 16


def test_a_flattened_image_waits_for_all_its_windows():
    builder = Builder()
    at = builder.conv("conv", "input", 1, 2, 3)
    at = builder.add(Node(name="flat", kind="flatten", inputs=(at,)))
    from xbarsim.network import make_linear

    builder.add(make_linear("fc", 2 * 16, 3, inputs=(at,)))
    network = Network(name="flat", nodes=tuple(builder.nodes), input_shape=(1, 4, 4))
    assert dict(trace_dataflow(network).steps[2].edges) == {1: np.array([15])}


@pytest.mark.parametrize("kind", ["mesh", "bus", "htree"])
def test_paths_exist_between_all_tiles_and_multicast_uses_each_link_once(kind):
    fabric = Fabric(kind=kind, tiles_per_chip=7)
    for source in range(14):
        tree = fabric.trees(Asked(np.array([source]), np.array([0, 14]), np.arange(14)))
        assert len(set(tree.links.tolist())) == len(tree.links)
        assert np.flatnonzero(tree.ends < 0).tolist() == [source]
        for target, end in enumerate(tree.ends.tolist()):
            hops = 0
            while end >= 0:
                hops, end = hops + 1, tree.parents[end]
            assert hops == len(fabric.path(source, target))


def test_a_mesh_path_is_as_long_as_its_manhattan_distance():
    fabric = Fabric(kind="mesh", tiles_per_chip=12)
    for source, target in itertools.permutations(range(12), 2):
        (_, x, y), (_, to_x, to_y) = fabric.place(source), fabric.place(target)
        assert len(fabric.path(source, target)) == abs(x - to_x) + abs(y - to_y)


def test_neighbours_in_number_are_neighbours_on_the_mesh():
    fabric = Fabric(kind="mesh", tiles_per_chip=16)
    assert all(len(fabric.path(tile, tile + 1)) == 1 for tile in range(15))
