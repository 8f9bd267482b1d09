import dataclasses

import numpy as np
import pytest

from xbarsim.errors import ConfigError
from xbarsim.network import Network, Node, hash_network, input_is_signed, make_conv2d, make_linear


def build(*nodes, input_shape=(3, 8, 8), **rest):
    return Network(name="net", nodes=nodes, input_shape=input_shape, **rest)


def relu(name, *inputs):
    return Node(name=name, kind="relu", inputs=inputs or ("input",))


def test_nodes_are_put_in_order_and_get_their_shapes():
    fc, flat = make_linear("fc", 128, 10, inputs=["flat"]), Node(name="flat", kind="flatten", inputs=("conv",))
    network = build(fc, flat, make_conv2d("conv", 3, 8, 3, stride=2, padding=1), output="fc")
    assert [node.name for node in network.nodes] == ["conv", "flat", "fc"]
    assert [node.shape for node in network.nodes] == [(8, 4, 4), (128,), (10,)]
    assert [node.name for node in network.consumers["conv"]] == ["flat"]
    conv = network.node("conv")
    assert (conv.rows, conv.columns, conv.windows, conv.macs) == (27, 8, 16, 27 * 8 * 16)
    assert not network.has_weights


def test_grouped_and_dilated_convolutions_report_the_size_of_one_group():
    layer = build(make_conv2d("dw", 4, 8, (3, 1), groups=4, dilation=2, padding=(2, 0)), input_shape=(4, 9, 7)).layers[
        0
    ]
    assert (layer.rows, layer.columns, layer.groups, layer.weight_count) == (3, 2, 4, 24)
    assert layer.shape == (8, 9, 7)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([relu("a", "b"), relu("b", "a")], "cycle through a, b"),
        ([relu("a", "x")], "node a: input 'x' does not exist"),
        ([relu("a"), relu("a")], "'a' is used twice"),
        ([relu("input")], "'input' is used twice"),
        ([relu("a"), relu("b", "input")], "node a does not reach"),
        ([Node(name="a", kind="lstm")], "node a: unknown kind 'lstm'"),
        ([make_conv2d("c", 4, 8, 3)], "layer c: expects 4 input channels, its input has 3"),
        ([make_conv2d("c", 3, 8, 11)], "node c: conv2d on .* gives an empty output"),
        ([make_conv2d("c", 3, 8, 3, groups=2)], "layer c: 3 and 8 channels do not divide into 2 groups"),
        ([make_conv2d("c", 3, 8, 3, weight=np.zeros((8, 3, 3, 2)))], r"layer c: weight has shape \(8, 3, 3, 2\)"),
        ([make_linear("f", 3, 8)], "layer f: expects 3 input features, its input has 8"),
        ([Node(name="p", kind="max_pool", attributes={"kernel": (2, 2)})], "node p: max_pool needs the attribute"),
        ([], "has no nodes"),
    ],
)
def test_a_graph_that_does_not_fit_is_refused_with_the_node(nodes, message):
    with pytest.raises(ConfigError, match=message):
        build(*nodes)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_with_the_layer(bad):
    weight = np.zeros((8, 3, 3, 3), np.float32)
    weight[2, 1, 0, 0] = bad
    with pytest.raises(ConfigError, match="layer stem: weight holds NaN or infinite values"):
        build(make_conv2d("stem", 3, 8, 3, weight=weight))
    with pytest.raises(ConfigError, match="layer stem: bias holds NaN"):
        build(make_conv2d("stem", 3, 8, 3, weight=np.zeros((8, 3, 3, 3)), bias=np.full(8, bad)))


def test_the_hash_follows_weights_and_settings_but_not_the_name():
    weight = np.ones((8, 3, 3, 3), np.float32)
    network = build(make_conv2d("c", 3, 8, 3, weight=weight))
    same = Network(name="other", nodes=(make_conv2d("c", 3, 8, 3, weight=weight.copy()),), input_shape=(3, 8, 8))
    assert hash_network(network) == hash_network(same)
    weight[0, 0, 0, 0] = 2
    assert network.layers[0].weight[0, 0, 0, 0] == 1, "a network keeps its own copy"
    changed = build(make_conv2d("c", 3, 8, 3, weight=weight))
    padded = build(make_conv2d("c", 3, 8, 3, padding=1, weight=weight))
    assert len({network.hash, changed.hash, padded.hash}) == 3


def test_records_and_their_weights_cannot_be_changed():
    network = build(make_conv2d("c", 3, 8, 3, weight=np.ones((8, 3, 3, 3))))
    with pytest.raises(dataclasses.FrozenInstanceError):
        network.name = "x"
    with pytest.raises(ValueError, match="read-only"):
        network.layers[0].weight[0] = 0


def test_an_input_counts_as_signed_unless_the_graph_rules_negative_values_out():
    conv = {"in_channels": 3, "out_channels": 3, "kernel": 1}

    def layer(name, source):
        return make_conv2d(name, *conv.values(), inputs=[source])

    bias = Node(name="shift", kind="add", inputs=("relu",), attributes={"constant": np.array([-1.0], np.float32)})
    network = build(
        layer("first", "input"), relu("relu", "first"), layer("after_relu", "relu"),
        Node(name="six", kind="clip", inputs=("after_relu",), attributes={"min": 0.0, "max": 6.0}),
        layer("after_clip", "six"), layer("bottleneck", "after_clip"), bias, layer("shifted", "shift"),
        Node(name="both", kind="add", inputs=("relu", "six")), layer("after_add", "both"),
        Node(name="end", kind="concat", inputs=("bottleneck", "shifted", "after_add")),
    )  # fmt: skip
    found = {node.name: input_is_signed(network, node.name) for node in network.layers}
    assert found == {
        "first": True, "after_relu": False, "after_clip": False, "bottleneck": True, "shifted": True,
        "after_add": False,
    }  # fmt: skip
