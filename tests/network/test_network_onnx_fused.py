"""Models that ONNX Runtime has optimised: fused operators compute the same, and their weights are on arrays."""

import numpy as np
import pytest
from onnx_samples import floats, helper, node, open_session, write_model

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import load_onnx, run_network
from xbarsim.network.write_onnx import write_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

IMAGE, TOKENS, VECTOR = ("N", 3, 6, 5), ("N", 4, 6), ("N", 6)


def vendor(kind, inputs, outputs="y", **attributes):
    return node(kind, inputs, outputs, domain="com.microsoft", **attributes)


def fused_conv(activation, *parameters):
    values = {"activation_params": list(parameters)} if parameters else {}
    return [vendor("FusedConv", "x w b", activation=activation, pads=[1] * 4, **values)]


KERNEL = {"w": floats(4, 3, 3, 3), "b": floats(4)}
MATRIX = {"w": floats(6, 5), "b": floats(5)}
NORM = {"g": floats(6), "b": floats(6), "c": floats(6)}
HEADS = {"w": floats(6, 18), "b": floats(18)}
FUSED = {
    "conv and relu": (fused_conv("Relu"), KERNEL, IMAGE, ["conv2d"]),
    "conv and leaky relu": (fused_conv("LeakyRelu", 0.2), KERNEL, IMAGE, ["conv2d"]),
    "conv and clip": (fused_conv("Clip", -0.5, 1.5), KERNEL, IMAGE, ["conv2d"]),
    "conv and hard sigmoid": (fused_conv("HardSigmoid", 0.1, 0.4), KERNEL, IMAGE, ["conv2d"]),
    "conv, a sum and tanh": (
        [node("Conv", "x v", "r", pads=[1] * 4),
         vendor("FusedConv", "x w b r", activation="Tanh", pads=[1] * 4)],
        {"w": floats(8, 3, 3, 3), "b": floats(8), "v": floats(8, 3, 3, 3)}, IMAGE, ["conv2d", "conv2d"]),
    "gemm and relu": ([vendor("FusedGemm", "x w b", activation="Relu", alpha=0.5)], MATRIX, VECTOR, ["linear"]),
    "gemm and leaky relu": (
        [vendor("FusedGemm", "x w b", activation="LeakyRelu", activation_alpha=0.3)], MATRIX, VECTOR, ["linear"]),
    "a transposed constant times a number": (
        [vendor("FusedMatMul", "x w", transB=1, alpha=0.25)], {"w": floats(5, 6)}, TOKENS, ["linear"]),
    "scores": ([vendor("FusedMatMul", "x x", transB=1, alpha=0.4)], {}, TOKENS, []),
    "bias and gelu": ([vendor("BiasGelu", "x c")], NORM, TOKENS, []),
    "gelu with tanh": ([vendor("FastGelu", "x c")], NORM, TOKENS, []),
    "gelu with a sigmoid": ([vendor("QuickGelu", "x", alpha=1.5)], {}, TOKENS, []),
    "normalisation of a biased sum, which is read": (
        [node("Relu", "x", "r"), vendor("SkipLayerNormalization", "x r g b c", "n m i s", epsilon=1e-5),
         node("Add", "n s")],
        NORM, TOKENS, []),
    "attention": ([vendor("Attention", "x w b", num_heads=2)], HEADS, TOKENS, ["linear"]),
    "attention to earlier tokens": (
        [vendor("Attention", "x w b", num_heads=3, unidirectional=1, scale=0.7)], HEADS, TOKENS, ["linear"]),
    "attention under a mask": (
        [node("ReduceMax", "x", "r", axes=[2], keepdims=0), node("Greater", "r z", "g"), node("Cast", "g", "m", to=6),
         vendor("Attention", "x w b m", num_heads=2)], {**HEADS, "z": np.float32(0.8)}, TOKENS, ["linear"]),
    "attention of other sizes": (
        [vendor("Attention", "x w b", num_heads=2, qkv_hidden_sizes=[8, 8, 2])], HEADS, TOKENS, ["linear"]),
    "layer normalisation before ONNX had it": (
        [node("LayerNormalization", "x g b", "n"), node("MatMul", "n w")], {**NORM, **MATRIX, "b": floats(6)}, TOKENS,
        ["linear"]),
}  # fmt: skip


def run_both(path, x):
    network = load_onnx(path)
    (expected,) = open_session(path).run(["y"], {"x": x})
    return network, run_network(network, x), expected


@pytest.mark.parametrize("name", FUSED)
def test_a_fused_operator_is_what_it_was_made_of(name, tmp_path):
    if name == "conv, a sum and tanh" and tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 23):
        pytest.skip("ONNX Runtime before 1.23 adds the sum wrongly when it optimises the model once more")
    nodes, constants, shape, layers = FUSED[name]
    path = write_model(tmp_path / "m.onnx", nodes, constants, shape, opset=13)
    x = np.random.default_rng(1).normal(size=(3, *shape[1:])).astype(np.float32)
    network, found, expected = run_both(path, x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert [layer.kind for layer in network.layers] == layers
    vendors = [each.attributes["operator"] for each in network.nodes if each.kind == "opaque"]
    assert [kind for kind in vendors if kind == "MultiHeadAttention"] == ["MultiHeadAttention"] * ("attention" in name)
    assert "mask" in name or len(vendors) == ("attention" in name)
    again = write_onnx(network, tmp_path / "again.onnx")
    np.testing.assert_allclose(run_network(load_onnx(again), x), expected, rtol=1e-5, atol=1e-5)
    if layers:
        xs.estimate(network, "reference")


@pytest.mark.parametrize("name", ["scores", "attention", "normalisation of a biased sum, which is read"])
def test_a_product_of_a_fused_operator_is_counted(name, tmp_path):
    nodes, constants, shape, _ = FUSED[name]
    network = load_onnx(write_model(tmp_path / "m.onnx", nodes, constants, shape))
    counted = {each.kind: each.attributes.get("operations") for each in network.nodes}
    if name == "attention":
        assert counted["opaque"] == 2 * 4 * 4 * 6  # two products of 4 x 4 scores with 6 numbers of all heads
    else:
        assert "opaque" not in counted


def test_operators_that_onnx_runtime_alone_defines_run_there(tmp_path):
    nodes = [node("SimplifiedLayerNormalization", "x g", "n", epsilon=1e-5), node("MatMul", "n w")]
    path = write_model(tmp_path / "m.onnx", nodes, {**MATRIX, "g": floats(6)}, TOKENS)
    x = np.random.default_rng(1).normal(size=(2, 4, 6)).astype(np.float32)
    network, found, expected = run_both(path, x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert [each.kind for each in network.nodes] == ["opaque", "linear"]


def test_files_for_one_kind_of_processor_are_refused_with_a_way_out(tmp_path):
    path = write_model(
        tmp_path / "m.onnx", [node("Conv", "x w", domain="com.microsoft.nchwc")], {"w": floats(8, 3, 3, 3)}, IMAGE
    )
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("com.microsoft.nchwc", 1))
    onnx.save(model, path)
    with pytest.raises(ConfigError, match="for one kind of processor; save the model with ORT_ENABLE_EXTENDED"):
        load_onnx(path)
