"""Search spaces: what they hold, how a point becomes a design, what they refuse."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import run_network
from xbarsim.search import CostOracle, make_space
from xbarsim.search.reshape import describe_layer, find_branches, remove_branches, reshape_network
from xbarsim.search.space import ZERO

NAX = {"*": {"kernel": [3, 5, 7], "array": [16, 32, 64, 128]}, "layer*": {"zero": True}}


@pytest.fixture(scope="module")
def hardware():
    """NAX's hardware."""
    return xs.load_hardware("nax")


@pytest.fixture(scope="module")
def nax(hardware):
    """NAX's space on ResNet-20."""
    return make_space(NAX, xs.load_network("resnet20"), hardware)


def test_naxs_space_on_resnet20_has_thirteen_options_where_a_layer_may_vanish(nax):
    assert nax.count == 12 * 13**18 * 4  # first convolution, 18 residual ones, classifier without kernels
    assert sum(1 for _ in zip(nax, range(5))) == 5


@given(data=st.data())
def test_a_point_and_its_options_are_the_same(nax, data):
    point = tuple(data.draw(st.integers(0, slot.count - 1)) for slot in nax.slots)
    assert nax.point(nax.options(point)) == point


def test_the_native_point_is_the_backbone(nax, hardware):
    design = nax.design(nax.native())
    assert xs.estimate(design.network, hardware, design.layers).cost == xs.estimate("resnet20", hardware).cost


def test_homogeneous_points_are_the_backbone_on_other_arrays(nax, hardware):
    points = nax.homogeneous()
    assert list(points) == [16, 32, 64, 128]
    design = nax.design(points[32])
    expected = xs.estimate("resnet20", hardware.override({"crossbar.rows": 32, "crossbar.cols": 32}))
    assert xs.estimate(design.network, hardware, design.layers).crossbars == expected.crossbars


def test_adc_bits_follow_the_array_as_naxs_do(hardware):
    found = [hardware.override({"crossbar.rows": n, "crossbar.cols": n}).adc_bits for n in (16, 32, 64, 128)]
    assert found == [math.ceil(math.log2(3 * n)) for n in (16, 32, 64, 128)] == [6, 7, 8, 9]


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


def test_a_layer_is_asked_for_as_the_oracle_takes_it(hardware):
    oracle, network = CostOracle(hardware, cache=None), xs.load_network("resnet20")
    for node in network.layers:
        cost = oracle.layer(*describe_layer(network, node.name))
        planned = next(layer for layer in xs.estimate(network, hardware).cost.layers if layer.name == node.name)
        assert (cost.crossbars, cost.layers[0].macs) == (planned.crossbars, planned.macs)


def test_later_globs_win_axis_by_axis(hardware):
    content = {"*": {"array": [16, 32], "adc.bits": [4, 5]}, "conv1": {"array": [64, 128, 256]}}
    space = make_space(content, xs.load_network("lenet5"), hardware)
    by_name = {slot.name: slot for slot in space.slots}
    assert by_name["conv1"].axes == {"array": (64, 128, 256), "adc.bits": (4, 5)}
    assert by_name["conv2"].axes == {"array": (16, 32), "adc.bits": (4, 5)}


def test_tied_layers_choose_as_one(hardware):
    content = {"*": {"array": [16, 32]}, "layer1.*": {"kernel": [3, 5], "zero": True, "tied": True}}
    space = make_space(content, xs.load_network("resnet20"), hardware)
    assert space.count == 2 * 5 * 2**13
    options = {**space.options(space.native()), "layer1.*": ZERO}
    design = space.design(space.point(options))
    assert not any(node.name.startswith("layer1.") for node in design.network.layers)
    assert len(design.removed) == 6


def test_an_epitome_is_a_choice_too(hardware):
    content = {"layer3.*": {"epitome": [None, {"rows": 144, "channels": 32}]}}
    network = xs.load_network("resnet20")
    space = make_space(content, network, hardware)
    point = tuple(slot.count - 1 for slot in space.slots)
    design = space.design(point)
    assert xs.estimate(design.network, hardware).crossbars < xs.estimate(network, hardware).crossbars


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({}, "empty"),
        ({"*": {}}, "empty"),
        ({"*": {"array": [64]}}, "empty"),
        ({"conv9": {"array": [16, 32]}}, "conv9"),
        ({"*": {"array": []}}, "array"),
        ({"*": {"array": 64}}, "array"),
        ({"*": {"array": [64, 64]}}, "twice"),
        ({"*": {"array": [0, 64]}}, "array"),
        ({"*": {"array": [64, True]}}, "array"),
        ({"*": {"aray": [16, 32]}}, "did you mean array"),
        ({"*": {"adc.bit": [4, 5]}}, "adc.bit"),
        ({"*": {"adc.bits": [4, 0]}}, "adc.bits"),
        ({"*": {"chip.tiles": [4, 5]}}, "chip.tiles"),
        ({"*": {"kernel": [3, 4]}}, "kernel 4"),
        ({"fc": {"kernel": [1, 3]}}, "no convolution"),
        ({"conv1": {"zero": True}}, "residual"),
        ({"conv1": {"width": [0.5, 1.0]}}, "tied"),
        ({"*": {"width": [0.5, -1.0]}}, "width"),
        ({"*": {"zero": "yes"}}, "true or false"),
        ({"*": [16, 32]}, "mapping"),
        ({"layer3.*": {"epitome": [None, {"row": 3}]}}, "epitome"),
    ],
)
def test_a_wrong_space_is_refused_by_name(hardware, content, names):
    with pytest.raises(ConfigError, match=names):
        make_space(content, xs.load_network("resnet20"), hardware)


def test_an_unknown_choice_is_refused_by_name(nax):
    options = nax.options(nax.native())
    for wrong, names in (
        ({**options, "conv1": {"kernel": 3, "array": 48}}, "conv1"),
        ({**options, "conv1": ZERO}, "conv1"),
        ({**options, "conv1": {"kernel": 3}}, "conv1"),
        ({**options, "conv7": {}}, "conv7"),
        ({key: value for key, value in options.items() if key != "fc"}, "fc"),
    ):
        with pytest.raises(ConfigError, match=names):
            nax.point(wrong)
