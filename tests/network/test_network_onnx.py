"""Every supported operator against ONNX Runtime, names, quantised models, and files that are wrong."""

import numpy as np
import pytest

from xbarsim.errors import ConfigError
from xbarsim.network import input_is_signed, load_onnx, quantize_network, run_integer, run_network

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT

RNG = np.random.default_rng(0)
IMAGE = ("batch", 4, 9, 8)


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def write_model(path, nodes, constants=None, shape=IMAGE, opset=17, outputs=("y",)):
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    return path


def node(kind, inputs="x", output="y", name=None, **attributes):
    return helper.make_node(
        kind, inputs.split(), output.split(), name=name or f"node_{output.split()[0]}", **attributes
    )


def ints(*values):
    return np.array(values, np.int64)


CONV = {"w": floats(6, 4, 3, 3), "b": floats(6)}
NORM = {"gain": floats(6), "shift": floats(6), "mean": floats(6), "var": np.abs(floats(6)) + 0.5}
CHANNELS = {"gain": floats(4), "shift": floats(4), "mean": floats(4), "var": np.abs(floats(4)) + 0.5}
NORM_INPUTS = "gain shift mean var"
FLAT = node("Flatten", "x", "f")

CASES = {
    "conv": ([node("Conv", "x w b")], CONV),
    "conv pads strides": ([node("Conv", "x w", pads=[1, 0, 2, 1], strides=[2, 1])], CONV),
    "conv dilation": ([node("Conv", "x w b", dilations=[2, 2], pads=[2, 2, 2, 2])], CONV),
    "conv groups": ([node("Conv", "x w", group=2)], {"w": floats(6, 2, 3, 3)}),
    "conv depthwise": ([node("Conv", "x w", group=4, strides=[2, 2])], {"w": floats(8, 1, 3, 3)}),
    "conv same upper": ([node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 2])], {"w": floats(2, 4, 2, 4)}),
    "conv same lower": ([node("Conv", "x w", auto_pad="SAME_LOWER")], {"w": floats(2, 4, 2, 4)}),
    "conv valid": ([node("Conv", "x w", auto_pad="VALID")], CONV),
    "conv norm": ([node("Conv", "x w b", "c"), node("BatchNormalization", f"c {NORM_INPUTS}")], CONV | NORM),
    "norm alone": ([node("BatchNormalization", f"x {NORM_INPUTS}", epsilon=1e-3)], CHANNELS),
    "norm of a shared value": (
        [node("Conv", "x w", "c"), node("BatchNormalization", f"c {NORM_INPUTS}", "n"), node("Add", "c n")],
        CONV | NORM,
    ),
    "gemm": ([FLAT, node("Gemm", "f w b", transB=1, alpha=0.5, beta=2.0)], {"w": floats(5, 288), "b": floats(5)}),
    "gemm plain": ([FLAT, node("Gemm", "f w b")], {"w": floats(288, 5), "b": floats(1, 5)}),
    "matmul bias": ([FLAT, node("MatMul", "f w", "m"), node("Add", "m b")], {"w": floats(288, 5), "b": floats(5)}),
    "matmul on rows": ([node("MatMul", "x w", "m"), node("Add", "b m")], {"w": floats(8, 5), "b": floats(5)}),
    "matmul of values": ([node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("MatMul", "x t")], {}),
    "relu": ([node("Relu")], {}),
    "clip": ([node("Clip", "x low high")], {"low": np.float32(-0.5), "high": np.float32(0.7)}),
    "clip one side": ([helper.make_node("Clip", ["x", "", "high"], ["y"])], {"high": np.float32(0.7)}),
    "leaky relu": ([node("LeakyRelu", alpha=0.2)], {}),
    "sigmoid": ([node("Sigmoid")], {}),
    "hard sigmoid": ([node("HardSigmoid", alpha=0.3)], {}),
    "hard swish": ([node("HardSwish")], {}),
    "tanh": ([node("Tanh")], {}),
    "erf": ([node("Erf")], {}),
    "sqrt": ([node("Relu", "x", "r"), node("Sqrt", "r")], {}),
    "softmax": ([node("Softmax", axis=1)], {}),
    "layer norm": ([node("LayerNormalization", "x s b")], {"s": floats(8), "b": floats(8)}),
    "max pool": ([node("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])], {}),
    "max pool ceil": ([node("MaxPool", kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1)], {}),
    "max pool dilation": ([node("MaxPool", kernel_shape=[2, 2], dilations=[2, 3])], {}),
    "average pool": ([node("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], {}),
    "average pool padding": (
        [node("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)], {},
    ),
    "average pool ceil": ([node("AveragePool", kernel_shape=[3, 3], strides=[2, 3], ceil_mode=1)], {}),
    "global pool": ([node("GlobalAveragePool")], {}),
    "mean": ([node("ReduceMean", axes=[-1, 2], keepdims=0)], {}),
    "mean of channels": ([node("ReduceMean", axes=[1])], {}),
    "add": ([node("Relu", "x", "r"), node("Add", "x r")], {}),
    "sum of three": ([node("Relu", "x", "r"), node("Sum", "x r x")], {}),
    "add channels": ([node("Add", "x c")], {"c": floats(1, 4, 1, 1)}),
    "sub reversed": ([node("Sub", "c x")], {"c": floats(4, 1, 1)}),
    "mul": ([node("GlobalAveragePool", "x", "g"), node("Mul", "x g")], {}),
    "mul scalar": ([node("Mul", "x c")], {"c": np.float32(3)}),
    "div": ([node("Div", "x c")], {"c": floats(8) + np.float32(5)}),
    "concat": ([node("Relu", "x", "r"), node("Concat", "x r", axis=-3)], {}),
    "pad": ([node("Pad", "x p v")], {"p": ints(0, 1, 0, 2, 0, 0, 3, 0), "v": np.float32(1.5)}),
    "pad reflect": ([node("Pad", "x p", mode="reflect")], {"p": ints(0, 0, 1, 2, 0, 0, 1, 0)}),
    "slice": ([node("Slice", "x a b c d")], {"a": ints(1, -3), "b": ints(2**62, -1), "c": ints(2, 3), "d": ints(2, 1)}),
    "slice reversed": ([node("Slice", "x a b c d")], {"a": ints(-1), "b": ints(-(2**62)), "c": ints(1), "d": ints(-1)}),
    "gather": ([node("Gather", "x i", axis=2)], {"i": np.array(-2, np.int64)}),
    "split": ([node("Split", "x s", "p q", axis=1), node("Mul", "p q")], {"s": ints(2, 2)}),
    "flatten": ([node("Flatten")], {}),
    "reshape": ([node("Reshape", "x s")], {"s": ints(0, -1, 8)}),
    "reshape batch free": ([node("Reshape", "x s")], {"s": ints(-1, 288)}),
    "transpose": ([node("Transpose", perm=[0, 2, 3, 1])], {}),
    "squeeze": ([node("GlobalAveragePool", "x", "g"), node("Squeeze", "g a")], {"a": ints(3, -2)}),
    "unsqueeze": ([node("Unsqueeze", "x a")], {"a": ints(1, -1)}),
    "identity and dropout": ([node("Identity", "x", "i"), node("Dropout", "i", "d"), node("Relu", "d")], {}),
    "constant": ([node("Constant", output="c", value_float=2.5, inputs=""), node("Mul", "x c")], {}),
    "folded constants": ([node("Exp", "c", "e"), node("Add", "x e")], {"c": floats(8)}),
    "reshape by shape": (
        [
            node("Shape", "x", "s"), node("Gather", "s zero", "b"), node("Unsqueeze", "b zeros", "bb"),
            node("Concat", "bb rest", "t", axis=0), node("Reshape", "x t"),
        ],
        {"zero": np.array(0, np.int64), "zeros": ints(0), "rest": ints(-1)},
    ),
    "cast of shapes": (
        [node("Shape", "x", "s"), node("Cast", "s", "f", to=1), node("Cast", "f", "i", to=7), node("Reshape", "x i")],
        {},
    ),
    "constant of shape": (
        [node("ConstantOfShape", "n", "o"), node("Mul", "o c", "p"), node("Add", "x p")],
        {"n": ints(8), "c": np.float32(2)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_operator_computes_what_onnx_runtime_computes(case, tmp_path):
    nodes, constants = CASES[case]
    path = write_model(tmp_path / "model.onnx", nodes, constants)
    images = np.random.default_rng(1).standard_normal((3, *IMAGE[1:])).astype(np.float32)
    expected = ort.InferenceSession(str(path)).run(None, {"x": images})[0]
    result = run_network(load_onnx(path), images)
    assert result.shape == expected.shape
    assert np.abs(result - expected).max() < 2e-5 * max(1, np.abs(expected).max())


def test_batch_normalisation_disappears_into_the_convolution_before_it(tmp_path):
    nodes, constants = CASES["conv norm"]
    network = load_onnx(write_model(tmp_path / "m.onnx", nodes, constants))
    assert [each.kind for each in network.nodes] == ["conv2d"]


@pytest.mark.parametrize(
    ("initializer", "node_name", "layer"),
    [
        ("layer1.0.conv1.weight", "Conv_0", "layer1.0.conv1"),
        ("features.0.weight", "", "features.0"),
        ("onnx::Conv_123", "/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
        ("193", "/conv1/Conv", "conv1"),
        ("val_7", "node_Conv_12", "node_Conv_12"),
    ],
)
def test_layers_are_called_after_their_weights_or_else_their_nodes(initializer, node_name, layer, tmp_path):
    nodes = [
        node("Conv", f"x {initializer}", "c", name=node_name),
        node("Conv", f"c {initializer}", "y", name="second"),
    ]
    network = load_onnx(write_model(tmp_path / "m.onnx", nodes, {initializer: floats(4, 4, 1, 1)}))
    assert network.layers[0].name == layer
    assert network.layers[1].name in (f"{layer}_2", "second")


def quantised_model(path):
    """Two layers in QDQ form: int8 weights by channel, uint8 activations with a zero point."""
    rng = np.random.default_rng(2)
    constants = {
        "conv1.weight_quantized": rng.integers(-127, 128, (6, 4, 3, 3)).astype(np.int8),
        "ws": (rng.random(6) * 0.01 + 0.001).astype(np.float32), "wz": np.zeros(6, np.int8),
        "conv1.bias": rng.integers(-999, 999, 6).astype(np.int32), "bs": np.full(6, 1e-3, np.float32),
        "fc.weight_quantized": rng.integers(-128, 128, (192, 5)).astype(np.int8),
        "fs": np.float32(0.003), "fz": np.int8(0),
        "xs": np.float32(0.02), "xz": np.uint8(117), "hs": np.float32(0.03), "hz": np.uint8(0),
        "start": ints(0), "end": ints(4), "axis": ints(2),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x xs xz", "xq"), node("DequantizeLinear", "xq xs xz", "xd"),
        node("DequantizeLinear", "conv1.weight_quantized ws wz", "wd", axis=0),
        node("DequantizeLinear", "conv1.bias bs", "bd", axis=0),
        node("Conv", "xd wd bd", "c", pads=[1, 1, 1, 1]), node("Relu", "c", "r"),
        node("QuantizeLinear", "r hs hz", "hq"), node("DequantizeLinear", "hq hs hz", "hd"),
        node("MaxPool", "hd", "m", kernel_shape=[1, 1], strides=[2, 1]),
        node("Slice", "m start end axis", "sl"), node("Flatten", "sl", "f"),
        node("DequantizeLinear", "fc.weight_quantized fs fz", "fd"),
        node("MatMul", "f fd"),
    ]  # fmt: skip
    return write_model(path, nodes, constants)


def test_a_quantised_model_keeps_scales_zero_points_and_codes(tmp_path):
    path = quantised_model(tmp_path / "qdq.onnx")
    network = load_onnx(path)
    constants = {each.name: numpy_helper.to_array(each) for each in onnx.load(str(path)).graph.initializer}
    assert [layer.name for layer in network.layers] == ["conv1", "fc"]
    quantized = quantize_network(network, None, weight_bits=8, activation_bits=8)
    conv, fc = quantized.layers["conv1"], quantized.layers["fc"]
    assert np.array_equal(conv.weight, constants["conv1.weight_quantized"])
    assert np.array_equal(conv.weight_scale, constants["ws"].astype(np.float64))
    assert (conv.input_scale, conv.input_zero_point, conv.signed) == (np.float32(0.02), 117, False)
    assert np.array_equal(fc.weight, np.maximum(constants["fc.weight_quantized"].T.astype(int), -127))
    assert (fc.input_scale, fc.input_zero_point) == (np.float32(0.03), 0)
    assert not input_is_signed(network, "conv1")


def test_a_quantised_model_computes_what_onnx_runtime_computes(tmp_path):
    path = quantised_model(tmp_path / "qdq.onnx")
    network = load_onnx(path)
    images = np.random.default_rng(1).standard_normal((4, *IMAGE[1:])).astype(np.float32)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    expected = ort.InferenceSession(str(path), options).run(None, {"x": images})[0]
    assert np.abs(run_network(network, images) - expected).max() < 1e-3 * np.abs(expected).max()
    integer = run_integer(quantize_network(network, None, weight_bits=8, activation_bits=8), images)
    assert np.abs(integer - expected).max() < 0.01 * np.abs(expected).max(), "but for codes of -128"


def test_weights_with_a_zero_point_take_the_width_that_holds_them(tmp_path):
    constants = {"w": np.array([[0], [255]], np.uint8), "s": np.float32(0.1), "z": np.uint8(200)}
    nodes = [node("DequantizeLinear", "w s z", "wd"), node("MatMul", "x wd")]
    network = load_onnx(write_model(tmp_path / "m.onnx", nodes, constants, shape=("n", 2)))
    layer = quantize_network(network, np.ones((1, 2)), weight_bits=9, activation_bits=8).layers["w"]
    assert layer.weight.tolist() == [[-200, 55]]


def test_the_first_operator_that_cannot_be_read_is_named_and_the_others_counted(tmp_path):
    nodes = [
        node("Relu", "x", "r"), node("NonZero", "r", "a", name="odd_one"), node("Relu", "a", "b"),
        node("Unique", "r", "u", name="odd_two"), node("Unique", "r", "v"), node("Add", "b u"),
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        load_onnx(write_model(tmp_path / "odd.onnx", nodes))
    message = str(caught.value)
    assert len(message) - len(str(tmp_path)) <= 400
    assert all(text in message for text in ("odd.onnx: NonZero (node odd_one", "Unique 2 times", "try: "))


def test_files_that_are_wrong_are_refused_with_their_name(tmp_path):
    good = write_model(tmp_path / "good.onnx", [node("Conv", "x w")], {"w": floats(6, 4, 3, 3)})
    content = good.read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "cut.onnx").write_bytes(content[:length])
        with pytest.raises(ConfigError, match=r"cut.onnx: not an ONNX model, or a damaged one"):
            load_onnx(tmp_path / "cut.onnx")
    (tmp_path / "text.onnx").write_bytes(b"not a model")
    with pytest.raises(ConfigError, match=r"text.onnx: not an ONNX model"):
        load_onnx(tmp_path / "text.onnx")
    with pytest.raises(ConfigError, match=r"missing.onnx: no such file"):
        load_onnx(tmp_path / "missing.onnx")


def test_a_node_that_breaks_its_operators_definition_is_named(tmp_path):
    path = write_model(tmp_path / "model.onnx", [node("MaxPool", name="pool")])
    with pytest.raises(ConfigError, match=r"MaxPool \(node pool\): operands of .* violate its definition"):
        load_onnx(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": ("n", 4, "height", 8)}, "axis 2 has no fixed size"),
        ({"shape": ("n",)}, "needs a batch axis"),
        ({"constants": {"w": np.full((6, 4, 3, 3), np.nan, np.float32)}}, "layer w: weight holds NaN"),
        ({"constants": {"w": floats(6, 5, 3, 3)}}, r"Conv \(node stem\): weight of shape"),
    ],
)
def test_models_outside_the_rules_are_refused_with_file_and_reason(change, message, tmp_path):
    arguments = {"constants": {"w": floats(6, 4, 3, 3)}} | change
    nodes = [node("Conv", "x w", "c", name="stem"), node("Relu", "c")]
    path = write_model(tmp_path / "model.onnx", nodes, **arguments)
    with pytest.raises(ConfigError, match=f"model.onnx: .*{message}"):
        load_onnx(path)


def test_a_file_without_an_output_is_refused(tmp_path):
    path = write_model(tmp_path / "model.onnx", [node("Relu")])
    model = onnx.load(str(path))
    del model.graph.output[:]
    onnx.save(model, str(path))
    with pytest.raises(ConfigError, match=r"model.onnx: has no output; try"):
        load_onnx(path)


def test_missing_external_data_are_named(tmp_path):
    path = write_model(tmp_path / "big.onnx", [node("Conv", "x w")], {"w": floats(6, 4, 3, 3)})
    model = onnx.load(str(path))
    onnx.save_model(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert load_onnx(path).has_weights
    (tmp_path / "weights.bin").write_bytes(b"short")
    with pytest.raises(ConfigError, match=r"big.onnx: external data cannot be read: weights.bin is shorter"):
        load_onnx(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ConfigError, match=r"big.onnx: external data cannot be read: weights.bin is missing; try"):
        load_onnx(path)


@pytest.mark.parametrize("place", ["../secret.bin", "/etc/hostname", "a/../../secret.bin", "link/secret.bin"])
def test_external_data_outside_the_folder_are_refused(tmp_path, place):
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(1000))
    (folder / "link").symlink_to(tmp_path)
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[10, 10], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=place)
    info = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Gemm", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [info("x", 1, [1, 10])], [info("y", 1, [1, 10])], [tensor])
    path = folder / "a.onnx"
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(ConfigError, match="lie outside the folder of the file"):
        load_onnx(path)
