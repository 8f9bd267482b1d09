"""Search spaces: what they hold, how a point becomes a design, what they refuse."""

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network.reshape import describe_layer
from xbarsim.search import CostOracle, make_space
from xbarsim.search.design import ZERO

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
        ({}, "a single design"),
        ({"*": {}}, "single design"),
        ({"*": {"array": [64]}}, "a single design"),
        ({"conv9": {"array": [16, 32]}}, "conv9"),
        ({"*": {"array": []}}, "array"),
        ({"*": {"array": 64}}, "array"),
        ({"*": {"array": [64, 64]}}, "twice"),
        ({"*": {"array": [0, 64]}}, "array"),
        ({"*": {"array": [64, True]}}, "array"),
        ({"*": {"aray": [16, 32]}}, "did you mean array"),
        ({"*": {"adc.bit": [4, 5]}}, "adc.bit"),
        ({"*": {"adc.bits": [4, 0]}}, "adc.bits"),
        ({"*": {"chip.tiles": [4, 5]}}, r"space.\*.chip.tiles: belongs to the whole chip .* give it under set"),
        ({"*": {"kernel": [3, 4]}}, "kernel 4"),
        ({"fc": {"kernel": [1, 3]}}, "not a convolution"),
        ({"conv1": {"zero": True}}, "residual"),
        ({"conv1": {"width": [0.5, 1.0]}}, "fixed by an addition"),
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
