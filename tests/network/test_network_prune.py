"""Structured pruning: the strongest channels stay, and what reads them follows."""

import numpy as np
import pytest

from xbarsim.errors import ConfigError
from xbarsim.network import Network, Node, load_network, make_conv2d, run_network
from xbarsim.network.prune import prune_channels

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def make(name, kind, inputs, attributes=None, weight=None, bias=None):
    return Node(name=name, kind=kind, inputs=inputs, attributes=attributes or {}, weight=weight, bias=bias)


def make_network(weak):
    """Return a network whose first layer has channels that give nothing: their weights and biases are zero."""
    first, bias = draw(6, 3, 3, 3), draw(6)
    first[weak], bias[weak] = 0, 0
    conv = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
    nodes = (
        make("conv1", "conv2d", ("input",), {"in_channels": 3, "out_channels": 6, **conv}, first, bias),
        make("relu1", "relu", ("conv1",)),
        make("conv2", "conv2d", ("relu1",), {"in_channels": 6, "out_channels": 4, **conv}, draw(4, 6, 3, 3), draw(4)),
        make("relu2", "relu", ("conv2",)),
        make("both", "concat", ("relu1", "relu2"), {"axis": 1}),
        make("flat", "flatten", ("both",)),
        make("fc", "linear", ("flat",), {"in_features": 250, "out_features": 5}, draw(5, 250), draw(5)),
    )
    return Network(name="small", nodes=nodes, input_shape=(3, 5, 5))


def test_channels_that_give_nothing_go_first_and_change_nothing():
    network = make_network(weak=[1, 4])
    pruned = prune_channels(network, {"conv1": 4 / 6})
    assert [pruned.node(name).weight.shape for name in ("conv1", "conv2", "fc")] == [
        (4, 3, 3, 3), (4, 4, 3, 3), (5, 200),
    ]  # fmt: skip
    x = draw(3, 3, 5, 5)
    np.testing.assert_allclose(run_network(pruned, x), run_network(network, x), rtol=1e-4, atol=1e-5)


def test_all_channels_stay_where_the_share_is_one():
    network = make_network(weak=[])
    assert prune_channels(network, {"conv1": 1.0}).hash == network.hash


def test_a_residual_network_keeps_its_stream_and_loses_channels_within_blocks():
    network = load_network("resnet20", "random", 0)
    pruned = prune_channels(network, {"layer3.1.conv1": 0.5})
    assert pruned.node("layer3.1.conv2").weight.shape == (64, 32, 3, 3)
    strongest = np.sort(np.linalg.norm(network.node("layer3.1.conv1").weight.reshape(64, -1), axis=1))[32:]
    found = np.sort(np.linalg.norm(pruned.node("layer3.1.conv1").weight.reshape(32, -1), axis=1))
    np.testing.assert_array_equal(found, strongest)
    with pytest.raises(ConfigError, match="layer3"):
        prune_channels(network, {"layer3.1.conv2": 0.5})


def test_shapes_alone_are_pruned_without_weights():
    pruned = prune_channels(load_network("resnet20"), {"layer3.1.conv1": 0.25})
    assert pruned.shape_of("layer3.1.conv1")[0] == 16
    assert not pruned.has_weights


def test_inputs_of_an_addition_that_would_keep_other_channels_are_refused():
    conv = make_conv2d("", 3, 8, 3, padding=1).attributes
    nodes = (
        make("left", "conv2d", ("input",), conv, draw(8, 3, 3, 3)),
        make("right", "conv2d", ("input",), conv, draw(8, 3, 3, 3)),
        make("sum", "add", ("left", "right")),
        make("last", "conv2d", ("sum",), {**conv, "in_channels": 8}, draw(8, 8, 3, 3)),
    )
    network = Network(name="tied", nodes=nodes, input_shape=(3, 5, 5))
    with pytest.raises(ConfigError, match="sum: its inputs would keep different channels"):
        prune_channels(network, {"left": 0.5, "right": 0.5})


def test_scales_of_a_quantised_file_go_with_the_channels_they_belonged_to():
    network = make_network(weak=[1, 4])
    node = network.node("conv1")
    scales = {"weight_scale": np.ones(6), "weight_bits": 8}
    scaled = network.replace_nodes({"conv1": Node(**{**vars(node), "attributes": {**node.attributes, **scales}})})
    assert "weight_scale" not in prune_channels(scaled, {"conv1": 4 / 6}).node("conv1").attributes
    assert "weight_scale" in scaled.node("conv1").attributes
