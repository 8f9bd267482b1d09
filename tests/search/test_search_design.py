"""Choices of kernels, widths, epitomes and zero operators in queries of the oracle."""

import json

import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import Epitome
from xbarsim.network.reshape import describe_layer, reshape_network
from xbarsim.search import CostOracle, answer_lines, make_space

SHAPE = {"in_channels": 16, "out_channels": 32, "kernel": 3, "padding": 1, "height": 8, "width": 8}
SMALL = {"rows": 72, "channels": 16}


@pytest.fixture(scope="module")
def oracle():
    """An oracle without a disk."""
    return CostOracle("nax", cache=None)


def ask(oracle, **query):
    """Ask one JSON line."""
    return json.loads(answer_lines(oracle, [json.dumps({"id": 1, **query})])[0])


def cost_of(network, layers=None):
    """Return what the simulator says."""
    return xs.estimate(network, "nax", layers).cost


def test_kernels_of_a_whole_network_are_asked_for(oracle):
    network = xs.load_network("resnet20")
    kernels = {node.name: 5 for node in network.layers if node.has_kernel}
    assert oracle.cost("resnet20", {"*": {"kernel": 5}}) == cost_of(reshape_network(network, kernels=kernels))
    found = ask(oracle, network="resnet20", layers={"*": {"kernel": 5}})
    assert found["cost"]["edap"] == oracle.cost("resnet20", {"*": {"kernel": 5}}).edap


def test_zero_operators_remove_branches_and_name_what_is_gone(oracle):
    network = xs.load_network("resnet20")
    gone = [node.name for node in network.layers if node.name.startswith("layer1.")]
    found = ask(oracle, network="resnet20", layers={"*": {"adc.bits": 6}, "layer1.*": {"zero": True, "array": 32}})
    rest = reshape_network(network, removed=gone)
    expected = cost_of(rest, {"*": {"adc.bits": 6}})
    assert found["removed"] == gone
    assert found["cost"]["energy_joule"] == expected.energy_joule
    assert "removed" not in ask(oracle, network="resnet20", layers={"layer1.*": {"zero": False}})


def test_the_later_of_two_globs_wins_axis_by_axis(oracle):
    layers = {"*": {"array": 32, "kernel": 5}, "conv1": {"array": 64}}
    design = oracle.design("resnet20", layers)
    assert design.layers["conv1"] == {"crossbar.rows": 64, "crossbar.cols": 64}
    assert design.layers["fc"] == {"crossbar.rows": 32, "crossbar.cols": 32}
    assert design.network.node("conv1").attributes["kernel"] == (5, 5)
    assert (
        oracle.design("resnet20", {"layer1.*": {"zero": True}, "layer1.0.*": {"zero": False}}).removed[0]
        == "layer1.1.conv1"
    )


@pytest.mark.parametrize("way", ["epitomes", "layers"])
def test_epitomes_are_asked_for_in_both_ways(oracle, way):
    query = {"epitomes": {"conv2": SMALL}} if way == "epitomes" else {"layers": {"conv2": {"epitome": SMALL}}}
    found = ask(oracle, network="digits", **query)
    expected = cost_of(xs.load_network("digits").with_epitomes({"conv2": Epitome(**SMALL)}))
    assert found["cost"]["edap"] == expected.edap
    assert found["cost"]["crossbars"] < cost_of("digits").crossbars or found["cost"]["edap"] != cost_of("digits").edap


def test_every_design_of_a_space_can_be_asked_for(oracle):
    content = {
        "*": {"array": [16, 64], "kernel": [3, 5]}, "layer2.*": {"zero": True},
        "layer3.2.conv2": {"epitome": [None, SMALL]}, "layer1.0.conv1": {"width": [0.5, 1.0]},
    }  # fmt: skip
    space = make_space(content, xs.load_network("resnet20"), oracle.hardware)
    for point in [space.native(), *(tuple(slot.count - 1 - n % slot.count for slot in space.slots) for n in range(2))]:
        design = space.design(point)
        options = {
            name: {"zero": True} if option == "zero" else option for name, option in space.options(point).items()
        }
        assert oracle.cost("resnet20", options) == xs.estimate(design.network, "nax", design.layers).cost


def test_choices_of_a_single_layer_are_those_of_the_layer_in_a_network(oracle):
    network = xs.load_network("resnet20")
    kind, shape = describe_layer(network, "layer2.0.conv2")
    wide = describe_layer(network, "layer2.0.conv2", kernel=5)[1]
    assert oracle.layer(kind, shape, {"kernel": 5, "array": 32}) == oracle.layer(
        kind, wide, {"crossbar.rows": 32, "crossbar.cols": 32}
    )
    assert oracle.layer(kind, shape, {"width": 0.5}) == oracle.layer(kind, {**shape, "out_channels": 16})
    found = ask(oracle, layer=kind, shape=shape, choice={"epitome": SMALL})
    alone = oracle.layer(kind, shape)
    assert found["cost"]["crossbars"] < alone.crossbars
    assert found["cost"]["crossbars"] == oracle.layer(kind, shape, {"epitome": SMALL}).crossbars


def test_accuracy_of_a_chosen_epitome_is_that_of_the_network_with_it(oracle):
    from xbarsim.data import load_data, normalize_images

    found = ask(oracle, network="digits", epitomes={"conv2": SMALL}, accuracy={"data": "digits", "images": 30})
    data = load_data("digits").take(30)
    network = xs.load_network("digits").with_epitomes({"conv2": Epitome(**SMALL)})
    expected = xs.simulate(network, "nax", normalize_images(data.images), data.labels).accuracy
    assert found["accuracy"]["hardware"] == float(expected.hardware)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"layers": {"fc": {"kernel": 5}}}, "layers.fc.kernel: fc cannot use this axis: it is not a convolution"),
        ({"layers": {"conv1": {"zero": True}}}, "only layers on a residual branch"),
        ({"layers": {"*": {"kernel": "wide"}}}, r"layers.\*.kernel: 'wide' is not a whole number above 0"),
        ({"layers": {"*": {"kernel": True}}}, "is not a whole number above 0"),
        ({"layers": {"*": {"zero": 1}}}, "is not true or false"),
        ({"layers": {"*": {"width": 0}}}, "is not a number above 0"),
        ({"layers": {"nowhere": {"kernel": 5}}}, "no layer has this name"),
        ({"layers": {"conv1": {"epitome": {"row": 3}}}}, "did you mean rows"),
        ({"layers": {"conv1": {"epitome": 3}}}, "is not a mapping"),
        ({"epitomes": [1]}, "epitomes: "),
        ({"layers": {"fc": {"width": 0.5}}}, "cannot use this axis: its channels are fixed"),
        ({"layers": {"*": {"kernel": 5, "adc.bit": 3}}}, "adc.bit"),
        ({"layers": {"*": 3}}, "is not a mapping"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(oracle, query, message):
    found = ask(oracle, network="resnet20", **query)
    assert found["line"] == 1
    assert len(found["error"]) <= 400
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(found["error"])


def test_a_layer_alone_has_no_branch(oracle):
    with pytest.raises(ConfigError, match=r"choice\.zero: a layer on its own"):
        oracle.layer("conv2d", SHAPE, {"zero": True})
    with pytest.raises(ConfigError, match="kernel"):
        oracle.layer("linear", {"in_features": 8, "out_features": 8}, {"kernel": 3})


def test_the_protocol_says_its_version_and_what_can_be_asked(oracle):
    found = ask(oracle, about=True)["about"]
    assert found["protocol"] == 2
    assert {"kernel", "width", "epitome", "zero", "array"} <= set(found["axes"])
    assert found["hardware"] == oracle.hardware.name
