"""What is written as ONNX reads back as the same network, here and in ONNX Runtime."""

import numpy as np
import pytest
from network_samples import make_mixed_network

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError
from xbarsim.network import Network, Node, load_onnx, make_linear, quantize_network, run_network
from xbarsim.network.write_onnx import write_onnx


@pytest.mark.parametrize("name", ["mixed", "digits", "lenet5", "resnet20", "resnet32"])
def test_a_network_survives_the_way_through_an_onnx_file(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    network = make_mixed_network() if name == "mixed" else xs.load_network(name, None if name == "digits" else "random")
    path = write_onnx(network, tmp_path / "net.onnx")
    images = np.random.default_rng(0).random((3, *network.input_shape), dtype=np.float32)
    expected = run_network(network, images)
    again = load_onnx(path)
    assert [node.name for node in again.layers] == [node.name for node in network.layers]
    np.testing.assert_array_equal(run_network(again, images), expected)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": images})
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no weights"):
        write_onnx(xs.load_network("lenet5"), tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_onnx(xs.load_network("digits"), tmp_path / "no" / "net.onnx")


@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(8, 8), (4, 4), (3, 8), (6, 8), (8, 16), (12, 8)])
def test_a_quantised_network_keeps_its_grids_in_a_file(weight_bits, activation_bits, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    images = normalize_images(load_data("digits").images)[:200]
    network = xs.quantize(
        "digits", images, weight_bits=weight_bits, activation_bits=activation_bits, method="least_squares"
    )
    path = write_onnx(network, tmp_path / "net.onnx")
    again = load_onnx(path)
    assert {layer.attributes["weight_bits"] for layer in again.layers} == {weight_bits}
    integers = [
        quantize_network(part, None, weight_bits=weight_bits, activation_bits=activation_bits)
        for part in (network, again)
    ]
    for name, layer in integers[0].layers.items():
        assert np.array_equal(layer.weight, integers[1].layers[name].weight)
        assert layer.input_scale == integers[1].layers[name].input_scale
    np.testing.assert_array_equal(run_network(again, images), run_network(network, images))
    # its graph optimisations move rounding steps of quantised networks and change results by up to a step
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": images})
    # other sums in float32 may move an input over a half step here and there
    close = np.isclose(found, run_network(network, images), atol=1e-3, rtol=1e-3).all(axis=1)
    assert close.mean() > 0.95


def test_widths_in_the_metadata_must_hold_the_weights(tmp_path):
    onnx = pytest.importorskip("onnx")
    images = normalize_images(load_data("digits").images)[:16]
    network = xs.quantize("digits", images, weight_bits=5, activation_bits=8, method="nearest")
    path = write_onnx(network, tmp_path / "net.onnx")
    model = onnx.load(path)
    for text, message in (
        ('{"conv1": 2}', "layer conv1: its weights do not fit into 2 bits"),
        ("7", "not a JSON object"),
    ):
        onnx.helper.set_model_props(model, {"xbarsim.weight_bits": text})
        onnx.save(model, path)
        with pytest.raises(ConfigError, match=message):
            load_onnx(path)


def test_inputs_without_an_onnx_type_are_refused(tmp_path):
    images = normalize_images(load_data("digits").images)[:16]
    network = xs.quantize("digits", images, weight_bits=8, activation_bits=5, method="nearest")
    with pytest.raises(ConfigError, match="inputs of 5 bits cannot be written as ONNX, which has codes of 4, 8 and 16"):
        write_onnx(network, tmp_path / "net.onnx")


WRITTEN = [
    "a convolution of a volume", "a transposed convolution that overlaps", "nearest neighbours",
    "long short-term memory", "two directions of a recurrent layer", "operators without a record",
    "codes that are clipped", "embedded tokens", "a gate of another vendor", "a convolution along a line",
    "half precision inside",
]  # fmt: skip


@pytest.mark.parametrize("case", WRITTEN)
def test_operators_of_a_file_survive_the_way_through_another(case, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    samples = pytest.importorskip("onnx_samples")
    network = load_onnx(samples.write_model(tmp_path / "first.onnx", *samples.CASES[case]))
    path = write_onnx(network, tmp_path / "second.onnx")
    again = load_onnx(path)
    assert [node.name for node in again.layers] == [node.name for node in network.layers]
    images = np.random.default_rng(0).normal(size=(3, *network.input_shape)).astype(np.float32)
    expected = run_network(network, images)
    np.testing.assert_allclose(run_network(again, images), expected, atol=1e-6 * np.abs(expected).max(), rtol=0)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": images})
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max(), rtol=0)


def test_two_valued_inputs_survive_the_way_through_a_file(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    given = {"scale": 0.5, "zero_point": 0, "bits": 2, "signed": True}
    nodes = (
        Node(name="signs", kind="bipolar", attributes=given),
        make_linear("fc", 6, 3, inputs=("signs",), weight=np.random.default_rng(0).standard_normal((3, 6))),
    )
    network = Network(name="signs", nodes=nodes, input_shape=(6,))
    path = write_onnx(network, tmp_path / "net.onnx")
    again = load_onnx(path)
    assert [(node.kind, node.attributes.get("scale")) for node in again.nodes] == [("bipolar", 0.5), ("linear", None)]
    images = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    images[0, 0] = 0
    (found,) = onnxruntime.InferenceSession(path).run(None, {"input": images})
    np.testing.assert_allclose(found, run_network(network, images), atol=1e-6)


def test_layers_of_the_same_name_but_for_a_number_keep_it(tmp_path):
    weight = np.random.default_rng(0).standard_normal((4, 4))
    nodes = tuple(
        make_linear(f"query_{place}", 4, 4, inputs=(source,), weight=weight, bias=weight[0])
        for place, source in ((1, "input"), (2, "query_1"))
    )
    network = Network(name="tokens", nodes=nodes, input_shape=(5, 4))
    again = load_onnx(write_onnx(network, tmp_path / "net.onnx"))
    assert [node.name for node in again.layers] == ["query_1", "query_2"]


def test_an_operator_of_another_opset_is_written_only_where_it_stays_the_same(tmp_path):
    samples = pytest.importorskip("onnx_samples")
    nodes = [samples.node("Upsample", "x k", mode="linear")]
    constants = {"k": np.array([1, 1, 2, 2], np.float32)}
    network = load_onnx(samples.write_model(tmp_path / "m.onnx", nodes, constants, samples.SMALL, opset=9))
    with pytest.raises(ConfigError, match="Upsample of opset 9 cannot be written in opset 17; try: export"):
        write_onnx(network, tmp_path / "net.onnx")


def test_an_operator_that_becomes_several_in_another_opset_is_written(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    samples = pytest.importorskip("onnx_samples")
    nodes = [samples.node("Softmax", "x", axis=1)]  # over all axes from this one on, up to opset 12
    network = load_onnx(samples.write_model(tmp_path / "m.onnx", nodes, {}, samples.SMALL, opset=12))
    path = write_onnx(network, tmp_path / "net.onnx")
    images = np.random.default_rng(0).normal(size=(3, *network.input_shape)).astype(np.float32)
    expected = run_network(network, images)
    np.testing.assert_allclose(expected.reshape(3, -1).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(run_network(load_onnx(path), images), expected)
    (found,) = onnxruntime.InferenceSession(path).run(None, {"input": images})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_operator_with_graphs_of_its_own_is_not_written(tmp_path):
    samples = pytest.importorskip("onnx_samples")
    network = load_onnx(samples.write_model(tmp_path / "m.onnx", *samples.CASES["a loop of three steps"]))
    with pytest.raises(ConfigError, match="Loop holds graphs of its own and cannot be written as ONNX; keep"):
        write_onnx(network, tmp_path / "net.onnx")


def make_token_network():
    """Return a network of tokens: a class token, layers with and without bias, layer norms, both GELUs, a mean."""
    rng = np.random.default_rng(6)

    def layer(name, inputs, outputs, source, bias=True):
        return make_linear(
            name, inputs, outputs, inputs=(source,), weight=rng.standard_normal((outputs, inputs)),
            bias=rng.standard_normal(outputs) if bias else None,
        )  # fmt: skip

    def norm(name, source, weight=None, bias=None):
        settings = {"axis": 2, "epsilon": 1e-5}
        return Node(name=name, kind="layer_norm", inputs=(source,), attributes=settings, weight=weight, bias=bias)

    nodes = (
        Node(name="class", kind="concat", inputs=("input",),
             attributes={"axis": 1, "constants": ((0, rng.standard_normal((1, 1, 6)).astype(np.float32)),)}),
        layer("up", 6, 12, "class"),
        Node(name="exact", kind="gelu", inputs=("up",), attributes={"approximate": False}),
        norm("norm", "exact"),
        layer("down", 12, 6, "norm", bias=False),
        Node(name="close", kind="gelu", inputs=("down",), attributes={"approximate": True}),
        norm("last_norm", "close", *rng.standard_normal((2, 6)).astype(np.float32)),
        Node(name="mean", kind="mean", inputs=("last_norm",), attributes={"axes": (1,), "keepdims": False}),
        layer("head", 6, 3, "mean"),
    )  # fmt: skip
    return Network(name="tokens", nodes=nodes, input_shape=(5, 6))


@pytest.mark.parametrize("form", ["float", "float with token scales", "8 bits", "4 bits with token scales"])
def test_a_network_of_tokens_survives_the_way_through_a_file(form, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    images = np.random.default_rng(1).normal(size=(40, 5, 6)).astype(np.float32)
    images[0, 2] = 0
    network, scales = make_token_network(), "token scales" in form
    if "bits" in form:
        bits = int(form[0])
        network = xs.quantize(
            network, images, weight_bits=bits, activation_bits=bits, method="least_squares", token_scales=scales
        )
    elif scales:
        network = network.with_token_scales()
    path = write_onnx(network, tmp_path / "net.onnx")
    again = load_onnx(path)
    assert [node.name for node in again.layers] == [node.name for node in network.layers]
    assert sorted(node.kind for node in again.nodes) == sorted(node.kind for node in network.nodes)
    expected = run_network(network, images)
    np.testing.assert_array_equal(run_network(again, images), expected)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": images})
    close = np.isclose(found, expected, atol=1e-4, rtol=1e-4).all(axis=1)
    assert close.mean() > (0.8 if "bits" in form else 0.999)
