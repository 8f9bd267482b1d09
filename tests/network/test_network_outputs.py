"""Networks with several outputs: read by name, packed into one vector, handed out as a mapping, judged together."""

import dataclasses

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import run_network
from xbarsim.network.write_onnx import write_onnx

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
RNG = np.random.default_rng(8)
IMAGES = RNG.normal(size=(12, 3, 6, 6)).astype(np.float32)
LABELS = RNG.integers(0, 5, 12)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A network that gives a map of two classes and five logits."""
    from onnx import helper, numpy_helper

    weights = {"w1": (6, 3, 3, 3), "w2": (2, 6, 1, 1), "w3": (5, 6)}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w1"], ["a"], kernel_shape=[3, 3], pads=[1] * 4),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "w2"], ["map"], kernel_shape=[1, 1]),
            helper.make_node("GlobalAveragePool", ["b"], ["c"]),
            helper.make_node("Flatten", ["c"], ["d"]),
            helper.make_node("Gemm", ["d", "w3"], ["logits"], transB=1),
        ],
        "two",
        [helper.make_tensor_value_info("x", 1, ["n", 3, 6, 6])],
        [helper.make_tensor_value_info(name, 1, None) for name in ("map", "logits")],
        [
            numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32), name)
            for name, shape in weights.items()
        ],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("outputs") / "two.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


@pytest.fixture(scope="module")
def both(file):
    """The network with both outputs."""
    return xs.load_network(file, outputs=["map", "logits"])


def test_outputs_that_are_chosen_together_have_the_values_of_each_alone(file, both):
    assert both.output_shapes == {"map": (2, 6, 6), "logits": (5,)}
    assert xs.load_network(file, outputs="*").hash == both.hash
    found = both.split_outputs(run_network(both, IMAGES))
    for name in ("map", "logits"):
        alone = xs.load_network(file, outputs=name)
        assert alone.output_shapes == {}
        assert np.array_equal(found[name], run_network(alone, IMAGES))
    assert xs.load_network(file).output_shape == (2, 6, 6)


def test_an_order_of_outputs_is_kept(file):
    assert list(xs.load_network(file, outputs=("logits", "map")).output_shapes) == ["logits", "map"]


@pytest.mark.parametrize(
    ("outputs", "message"),
    [("x", "'x' is no output of the file; it has map, logits"), (["map", "y*"], "'y*'"), ([], "names none")],
)
def test_outputs_that_do_not_exist_are_refused(file, outputs, message):
    with pytest.raises(ConfigError, match=message.replace("*", r"\*")):
        xs.load_network(file, outputs=outputs)


def test_a_simulation_hands_outputs_out_by_name_and_a_function_judges_them_together(file, both):
    def judge(outputs, labels):
        right = outputs["logits"].argmax(axis=1) == labels
        return right.mean() + outputs["map"].mean()

    report = xs.simulate(both, "reference", IMAGES, LABELS, metric=judge, trials=2, threads=1)
    assert {name: values.shape for name, values in report.outputs.items()} == {
        "map": (2, 12, 2, 6, 6), "logits": (2, 12, 5),
    }  # fmt: skip
    assert report.accuracy is None
    chips = [judge({name: values[chip] for name, values in report.outputs.items()}, LABELS) for chip in range(2)]
    assert report.metric.trials == pytest.approx(chips)
    assert report.metric.interval[0] < report.metric.hardware < report.metric.interval[1]
    alone = xs.simulate(xs.load_network(file, outputs="logits"), "reference", IMAGES, LABELS, trials=2, threads=1)
    assert np.array_equal(alone.outputs, report.outputs["logits"])
    assert xs.simulate(both, "reference", IMAGES, threads=1).metric is None


def test_a_metric_of_one_output_asks_for_a_choice(both):
    with pytest.raises(ConfigError, match=r"metric top1: takes one output, and the network has map, logits; choose"):
        xs.simulate(both, "reference", IMAGES, LABELS, threads=1)


def test_both_outputs_are_counted_and_packing_them_costs_nothing(file, both):
    cost = xs.estimate(both, "reference")
    assert "outputs" not in set(cost.layers["name"])  # no unit computes it
    assert cost.energy_joule > max(xs.estimate(xs.load_network(file, outputs=n), "reference").energy_joule
                                   for n in ("map", "logits"))  # fmt: skip


def test_several_outputs_are_written_under_their_names(both, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = write_onnx(both, tmp_path / "both.onnx")
    again = xs.load_network(path, outputs="*")
    assert again.output_shapes == both.output_shapes
    expected = both.split_outputs(run_network(both, IMAGES))
    assert np.array_equal(run_network(again, IMAGES), run_network(both, IMAGES))
    assert np.array_equal(run_network(xs.load_network(path), IMAGES), expected["map"])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["map", "logits"]
    for found, (name, values) in zip(session.run(None, {"input": IMAGES}), expected.items(), strict=True):
        np.testing.assert_allclose(found, values, atol=1e-5, err_msg=name)


def test_names_of_outputs_win_over_names_of_nodes(both, tmp_path):
    end = both.node(both.output)
    first, last = end.inputs
    swapped = {"names": (last, first, "copy")}  # each of the first two is the name of another's node
    nodes = [dataclasses.replace(end, inputs=(first, last, last), attributes=swapped) if node is end else node
             for node in both.nodes]  # fmt: skip
    network = dataclasses.replace(both, nodes=tuple(nodes))
    again = xs.load_network(write_onnx(network, tmp_path / "swapped.onnx"), outputs="*")
    assert again.output_shapes == {last: (2, 6, 6), first: (5,), "copy": (5,)}
    assert np.array_equal(run_network(again, IMAGES), run_network(network, IMAGES))


def test_onnx_runtime_runs_several_outputs(both):
    pytest.importorskip("onnxruntime")
    hardware = {"images": IMAGES, "threads": 1}
    own = xs.simulate(both, "reference", **hardware)
    other = xs.simulate(both, "reference", **hardware, executor="onnxruntime")
    assert own.outputs.keys() == other.outputs.keys()


def test_a_node_of_that_name_in_the_file_is_no_obstacle(file, tmp_path):
    model = onnx.load(str(file))
    for node in model.graph.node:
        node.input[:] = ["outputs" if name == "b" else name for name in node.input]
        node.output[:] = ["outputs" if name == "b" else name for name in node.output]
        node.name = node.output[0]
    onnx.save(model, str(tmp_path / "named.onnx"))
    network = xs.load_network(tmp_path / "named.onnx", outputs="*")
    assert network.output == "outputs_"
    assert dataclasses.replace(network.node("outputs")).kind == "relu"
