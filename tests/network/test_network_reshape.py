"""Other kernels and widths keep shapes; a branch that is left out leaves its shortcut."""

import numpy as np

import xbarsim as xs
from xbarsim.network import run_network
from xbarsim.network.reshape import find_branches, remove_branches, reshape_network


def test_another_kernel_keeps_every_shape():
    network = xs.load_network("resnet20")
    other = reshape_network(network, kernels={node.name: 7 for node in network.layers if node.kind == "conv2d"})
    assert [node.shape for node in other.nodes] == [node.shape for node in network.nodes]
    assert {node.attributes["kernel"] for node in other.layers if node.kind == "conv2d"} == {(7, 7)}


def test_another_width_is_followed_by_whatever_reads_it():
    network = xs.load_network("resnet20")
    other = reshape_network(network, widths={"layer2.1.conv1": 0.5})
    assert other.node("layer2.1.conv1").attributes["out_channels"] == 16
    assert other.node("layer2.1.conv2").attributes["in_channels"] == 16
    assert other.node("layer2.1.add").shape == network.node("layer2.1.add").shape
    lenet = reshape_network(xs.load_network("lenet5"), widths={"conv2": 2.0})
    assert lenet.output_shape == (10,)


def test_a_layer_left_out_leaves_the_shortcut():
    network = xs.load_network("resnet20", weights="random")
    images = np.random.default_rng(0).random((2, 3, 32, 32), dtype=np.float32)
    kept = remove_branches(network, ["layer1.1.conv1"])
    assert {node.name for node in network.layers} - {node.name for node in kept.layers} == {
        "layer1.1.conv1", "layer1.1.conv2",
    }  # fmt: skip
    silent = network.node("layer1.1.conv2")
    zeroed = network.replace_nodes(
        {"layer1.1.conv2": type(silent)(
            name=silent.name, kind=silent.kind, inputs=silent.inputs, attributes=silent.attributes,
            weight=np.zeros_like(silent.weight), bias=np.zeros_like(silent.bias),
        )}
    )  # fmt: skip
    np.testing.assert_array_equal(run_network(kept, images), run_network(zeroed, images))


def test_every_branch_of_resnet20_may_go_at_once():
    network = xs.load_network("resnet20")
    branches = find_branches(network)
    assert len(branches) == 18
    left = remove_branches(network, list(branches))
    assert [node.name for node in left.layers] == ["conv1", "fc"]
    assert left.output_shape == (10,)


def test_the_branch_with_fewest_layers_stays():
    branches = find_branches(xs.load_network("resnet50"))
    assert "layer1.0.conv2" in branches
    assert "layer1.0.downsample.0" not in branches
