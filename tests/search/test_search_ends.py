"""Queries over JSON lines name the outputs of a network and the sizes that its file leaves free."""

import json

import pytest

import xbarsim as xs
from xbarsim.search import CostOracle, answer_lines

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file of free height and width with two outputs, one of them behind a convolution more."""
    import numpy as np
    from onnx import helper, numpy_helper

    shapes = {"w1": (4, 3, 3, 3), "w2": (8, 4, 3, 3)}
    weights = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["near"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Conv", ["near", "w2"], ["far"], kernel_shape=[3, 3], pads=[1] * 4),
    ]
    source = [helper.make_tensor_value_info("x", 1, ["n", 3, "h", "w"])]
    results = [helper.make_tensor_value_info(name, 1, None) for name in ("near", "far")]
    graph = helper.make_graph(nodes, "free", source, results, weights)
    file = tmp_path_factory.mktemp("ends") / "free.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(file))
    return file


@pytest.fixture(scope="module")
def oracle():
    return CostOracle("nax", cache=None)


def ask(oracle, **query):
    return json.loads(answer_lines(oracle, [json.dumps(query)])[0])


@pytest.mark.parametrize("outputs", ["near", "far", ["near", "far"], "*"])
def test_outputs_and_sizes_are_those_of_estimate(oracle, path, outputs):
    network = xs.load_network(path, outputs=outputs, input_shape=(3, 8, 8))
    found = ask(oracle, network=str(path), outputs=outputs, input_shape=[3, 8, 8])
    assert found["cost"]["edap"] == xs.estimate(network, "nax").cost.edap


def test_sizes_by_the_name_of_the_input_and_two_sizes_give_two_answers(oracle, path):
    small = ask(oracle, network=str(path), input_shape={"x": [3, 8, 8]})
    large = ask(oracle, network=str(path), input_shape=[3, 16, 16])
    assert small["cost"]["energy_joule"] < large["cost"]["energy_joule"]


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ({"outputs": 3}, "outputs: 3"), ({"outputs": []}, "outputs: []"), ({"outputs": [""]}, "outputs:"),
        ({"outputs": "missing"}, "missing"), ({"input_shape": 8}, "input_shape: 8"),
        ({"input_shape": [3, 0, 8]}, "input_shape:"), ({"input_shape": [3, True, 8]}, "input_shape:"),
        ({"input_shape": {}}, "input_shape: {}"), ({"input_shape": {"y": [3, 8, 8]}}, "y"),
    ],
)  # fmt: skip
def test_wrong_ends_are_refused_in_one_line(oracle, path, ends, words):
    error = ask(oracle, network=str(path), **{"input_shape": [3, 8, 8], **ends})["error"]
    assert words in error
    assert "internal" not in error
    assert len(error.splitlines()) == 1


def test_a_network_of_the_zoo_has_no_free_ends(oracle):
    assert "only for .onnx files" in ask(oracle, network="resnet20", outputs="fc")["error"]


def test_the_protocol_lists_the_keys(oracle):
    assert {"outputs", "input_shape"} <= set(ask(oracle, about=True)["about"]["network"])
