"""ONNX files of one or few operators with random constants, for tests of the import."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
helper, numpy_helper, TYPES = onnx.helper, onnx.numpy_helper, onnx.TensorProto

RNG = np.random.default_rng(3)


def open_session(path):
    """Open a file in ONNX Runtime, integer products without saturation whatever the CPU."""
    pytest.importorskip("onnxruntime")
    from xbarsim.network.kinds.opaque import start_session

    return start_session(str(path))


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def codes(*shape):
    return RNG.integers(-127, 128, shape).astype(np.int8)


def ints(*values):
    return np.array(values, np.int64)


def node(kind, inputs="x", output="y", domain="", **attributes):
    return helper.make_node(
        kind, inputs.split(" "), output.split(), name=output.split()[0], domain=domain, **attributes
    )


def write_model(path, nodes, constants, shape, kind=TYPES.FLOAT, outputs=(("y", TYPES.FLOAT),), opset=17):
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(*output, None) for output in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    versions = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=8), str(path))
    return path


NORM = {"g": floats(4), "b": floats(4), "m": floats(4), "v": np.abs(floats(4)) + 0.5}
GRID = {"s": np.float32(0.05), "z": np.uint8(100)}
QUANTIZE = node("QuantizeLinear", "x s z", "q")
IMAGE, VECTOR, SMALL = ("N", 4, 5, 6), ("N", 5), ("N", 3, 6, 6)
BATCH_OF_X = [node("Shape", "x", "sx"), node("Gather", "sx i", "n", axis=0)]
CLASS_TOKEN = [*BATCH_OF_X, node("Concat", "n k", "sh", axis=0), node("Expand", "cls sh", "e")]
SQUEEZED = [
    node("GlobalAveragePool", "x", "p"), node("Squeeze", "p ax", "f"), node("Transpose", "x", "t", perm=[0, 2, 3, 1]),
    node("Mul", "t f"),
]  # fmt: skip
BRANCHES = [
    helper.make_graph([node(kind, "x", "r")], kind, [], [helper.make_tensor_value_info("r", TYPES.FLOAT, None)])
    for kind in ("Neg", "Relu")
]
STEP = helper.make_graph(
    [node("MatMul", "s m", "a"), node("Relu", "a", "r"), node("Add", "s r", "t"), node("Identity", "c", "d")], "step",
    [helper.make_tensor_value_info("i", TYPES.INT64, []), helper.make_tensor_value_info("c", TYPES.BOOL, []),
     helper.make_tensor_value_info("s", TYPES.FLOAT, None)],
    [helper.make_tensor_value_info("d", TYPES.BOOL, []), helper.make_tensor_value_info("t", TYPES.FLOAT, None)],
)  # fmt: skip
CASES = {
    "normalisation on axis 1 behind a linear layer": (
        [node("MatMul", "x w", "a"), node("BatchNormalization", "a g b m v")], {"w": floats(6, 4), **NORM}, IMAGE),
    "the same with a bias": (
        [node("MatMul", "x w", "a"), node("Add", "a c", "d"), node("BatchNormalization", "d g b m v")],
        {"w": floats(6, 4), "c": floats(4), **NORM}, IMAGE),
    "another reader behind a cast": (
        [node("MatMul", "x w", "a"), node("Cast", "a", "i", to=1), node("Add", "i c", "d"), node("Mul", "d a")],
        {"w": floats(5, 4), "c": floats(4)}, VECTOR),
    "another reader behind a dropout": (
        [node("Conv", "x w", "a"), node("Dropout", "a", "i"), node("BatchNormalization", "i g b m v", "n"),
         node("Add", "n a")], {"w": floats(4, 4, 1, 1), **NORM}, IMAGE),
    "another reader behind an identity": (
        [node("Conv", "x w", "a"), node("Identity", "a", "i"), node("BatchNormalization", "i g b m v", "n"),
         node("Add", "n a")], {"w": floats(4, 4, 1, 1), **NORM}, IMAGE),
    "class token": (
        [*CLASS_TOKEN, node("Concat", "e x", axis=1)],
        {"i": ints(0), "k": ints(1, 8), "cls": floats(1, 1, 8)}, ("N", 9, 8)),
    "another scale when codes are read": (
        [QUANTIZE, node("DequantizeLinear", "q s2 z", "d"), node("MatMul", "d w")],
        {**GRID, "s2": np.float32(0.1), "w": floats(5, 4)}, VECTOR),
    "codes that are cast, shifted and scaled": (
        [QUANTIZE, node("Cast", "q", "c", to=1), node("Sub", "c zf", "d"), node("Mul", "d s", "e"),
         node("MatMul", "e w")], {**GRID, "zf": np.float32(100), "w": floats(5, 4)}, VECTOR),
    "codes that are padded with code zero": (
        [QUANTIZE, node("Pad", "q p", "m"), node("DequantizeLinear", "m s z")],
        {**GRID, "p": ints(0, 0, 1, 1, 0, 0, 1, 1)}, SMALL),
    "codes that are padded with a code": (
        [QUANTIZE, node("Pad", "q p k", "m"), node("DequantizeLinear", "m s z")],
        {**GRID, "p": ints(0, 0, 1, 1, 0, 0, 1, 1), "k": np.uint8(200)}, SMALL),
    "codes that are pooled and moved": (
        [QUANTIZE, node("MaxPool", "q", "m", kernel_shape=[2, 2]), node("Reshape", "m sh", "r"),
         node("DequantizeLinear", "r s z")], {**GRID, "sh": ints(0, -1)}, SMALL),
    "codes as real values": ([QUANTIZE, node("Cast", "q", to=1)], GRID, VECTOR),
    "codes that are clipped": (
        [node("QuantizeLinear", "x s k", "q"), node("Clip", "q lo hi", "c"), node("DequantizeLinear", "c s k", "d"),
         node("MatMul", "d w")],
        {"s": np.float32(0.1), "k": np.int8(0), "lo": np.int8(-8), "hi": np.int8(7), "w": floats(5, 4)}, VECTOR),
    "half precision inside": (
        [node("Cast", "x", "h", to=10), node("MatMul", "h w", "a"), node("Cast", "a", to=1)],
        {"w": (floats(5, 4)).astype(np.float16)}, VECTOR),
    "a cast to integers": ([node("Cast", "x", "c", to=3), node("Cast", "c", to=1)], {}, VECTOR),
    "a branch that a constant picks": ([helper.make_node("If", ["c"], ["y"], then_branch=BRANCHES[0],
        else_branch=BRANCHES[1])], {"c": np.array(True)}, VECTOR),
    "a stack of constant matrices": ([node("MatMul", "x w")], {"w": floats(3, 5, 4)}, ("N", 3, 2, 5)),
    "a constant matrix from the left": ([node("MatMul", "w x")], {"w": floats(4, 3)}, ("N", 3, 5)),
    "a gate of another vendor": ([node("QuickGelu", domain="com.microsoft", alpha=1.702)], {}, IMAGE),
    "operators without a record": (
        [node("Neg", "x", "a"), node("Exp", "a", "e"), node("Add", "e o", "c"), node("Reciprocal", "c")],
        {"o": np.float32(1)}, IMAGE),
    "nearest neighbours": (
        [node("Conv", "x w", "a"), node("Resize", "a  k", mode="nearest")],
        {"w": floats(8, 3, 3, 3), "k": np.array([1, 1, 2, 2], np.float32)}, SMALL),
    "a transposed convolution": ([node("ConvTranspose", "x w", strides=[2, 2])], {"w": floats(3, 4, 2, 2)}, SMALL),
    "a transposed convolution that overlaps": (
        [node("ConvTranspose", "x w b", strides=[2, 1], pads=[1, 0, 0, 1], output_padding=[1, 0], dilations=[1, 2]),],
        {"w": floats(3, 4, 3, 2), "b": floats(4)}, SMALL),
    "a convolution along a line": (
        [node("Conv", "x w b", "c", pads=[2, 1], strides=[2], dilations=[2]),
         node("BatchNormalization", "c g o m v")],
        {"w": floats(4, 3, 3), "b": floats(4), "o": floats(4), **{k: NORM[k] for k in "gmv"}}, ("N", 3, 12)),
    "a convolution of a volume": (
        [node("Conv", "x w b", pads=[1, 0, 1, 1, 0, 1], strides=[1, 2, 1])],
        {"w": floats(4, 2, 3, 3, 2), "b": floats(4)}, ("N", 2, 5, 6, 7)),
    "long short-term memory": (
        [node("Transpose", "x", "t", perm=[1, 0, 2]), node("LSTM", "t w r b", "h", hidden_size=5),
         node("Transpose", "h", perm=[2, 0, 1, 3])],
        {"w": floats(1, 20, 3), "r": floats(1, 20, 5), "b": floats(1, 40)}, ("N", 6, 3)),
    "gated recurrent unit": (
        [node("Transpose", "x", "t", perm=[1, 0, 2]),
         node("GRU", "t w r b", "h", hidden_size=5, linear_before_reset=1), node("Transpose", "h", perm=[2, 0, 1, 3])],
        {"w": floats(1, 15, 3), "r": floats(1, 15, 5), "b": floats(1, 30)}, ("N", 6, 3)),
    "embedded tokens": (
        [node("Cast", "x", "c", to=7), node("Abs", "c", "d"), node("Min", "d k", "i"), node("Gather", "e i", axis=0)],
        {"k": np.int64(4), "e": floats(5, 3)}, VECTOR),
    "operands of other ranks in a batch of one": (SQUEEZED, {"ax": ints(2, 3)}, (1, 4, 5, 6)),
    "a squeeze of all axes": ([node("GlobalAveragePool", "x", "p"), node("Squeeze", "p")], {}, (1, 4, 5, 6)),
    "sizes of a fixed batch": (
        [node("Shape", "x", "sx"), node("Cast", "sx", "sf", to=1), node("ReduceProd", "sf", "p", keepdims=0),
         node("Div", "x p")], {}, (3, 5)),
    "a reshape with a fixed batch": (
        [node("Reshape", "x sh", "r"), node("Transpose", "r", "t", perm=[2, 0, 1, 3]), node("Gather", "t i", axis=0)],
        {"sh": ints(6, 3, 2, 4), "i": np.int64(1)}, (6, 3, 8)),
    "a batch that moves": (
        [node("Transpose", "x", "t", perm=[1, 0, 2]), node("MatMul", "t w", "a"), node("Relu", "a", "r"),
         node("Transpose", "r", perm=[1, 0, 2])], {"w": floats(5, 4)}, ("N", 3, 5)),
    "windows merged into the batch": (
        [node("Reshape", "x sh", "r"), node("MatMul", "r w", "a"), node("Softmax", "a", "o", axis=-1),
         node("Reshape", "o back")], {"sh": ints(-1, 2, 5), "w": floats(5, 4), "back": ints(-1, 6, 4)}, ("N", 6, 5)),
    "entries picked by their place in the whole batch": (
        [*BATCH_OF_X, node("Squeeze", "n i", "m"), node("Range", "c0 m c1", "b"), node("Mul", "b c5", "p"),
         node("Unsqueeze", "p c1", "q"), node("Add", "q own", "k"), node("Reshape", "x flat", "r"),
         node("Gather", "r k")],
        {"i": ints(0), "c0": np.int64(0), "c1": np.int64(1), "c5": np.int64(5), "own": ints(4, 0, 2), "flat": ints(-1)},
        VECTOR),
    "entries picked by their place in a fixed batch": (
        [node("Reshape", "x flat", "r"), node("Gather", "r k")],
        {"flat": ints(-1), "k": ints(1, 4, 0)[None] + 5 * ints(0, 1, 2)[:, None]}, (3, 5)),
    "a constant that rounds otherwise in a larger batch": (
        [*BATCH_OF_X, node("Concat", "n one", "s", axis=0), node("Expand", "e s", "f"), node("MatMul", "f w", "g"),
         node("Mul", "x g")],
        {"i": ints(0), "one": ints(257), "e": floats(1, 257), "w": floats(257, 5)}, VECTOR),
    "two directions of a recurrent layer": (
        [node("Transpose", "x", "t", perm=[1, 0, 2]),
         node("LSTM", "t w r b", "h", hidden_size=5, direction="bidirectional"),
         node("Transpose", "h", perm=[2, 0, 1, 3])],
        {"w": floats(2, 20, 3), "r": floats(2, 20, 5), "b": floats(2, 40)}, ("N", 6, 3)),
    "a recurrent layer backwards, with a state and peepholes": (
        [node("Transpose", "x", "t", perm=[1, 0, 2]), *BATCH_OF_X, node("Concat", "o n h5", "s", axis=0),
         node("Expand", "e s", "h0"), node("LSTM", "t w r b  h0 h0 p", "h", hidden_size=5, direction="reverse"),
         node("Transpose", "h", perm=[2, 0, 1, 3])],
        {"w": floats(1, 20, 3), "r": floats(1, 20, 5), "b": floats(1, 40), "p": floats(1, 15), "e": floats(1, 1, 5),
         "o": ints(1), "i": ints(0), "h5": ints(5)}, ("N", 6, 3)),
    "an operator of another vendor without a shape": (
        [node("FusedMatMul", "x x", "a", domain="com.microsoft", transB=1, alpha=0.3), node("MatMul", "a w")],
        {"w": floats(4, 2)}, ("N", 4, 5)),
    "a loop of three steps": ([node("Loop", "k on x", "l", body=STEP), node("MatMul", "l w")],
        {"k": np.int64(3), "on": np.array(True), "m": floats(5, 5), "w": floats(5, 2)}, VECTOR),
    "a convolution and a product of codes": (
        [QUANTIZE, node("QLinearConv", "q s z w ws wz s2 z2 b", "c", pads=[1, 1, 1, 1]), node("Reshape", "c sh", "f"),
         node("QLinearMatMul", "f s2 z2 v vs wz s2 z2", "m"), node("DequantizeLinear", "m s2 z2")],
        {**GRID, "w": codes(4, 3, 3, 3), "ws": np.float32(0.0113), "wz": np.int8(0), "s2": np.float32(0.0731),
         "z2": np.uint8(120), "b": codes(4).astype(np.int32), "v": codes(144, 5), "vs": np.float32(0.0117),
         "sh": ints(0, -1)}, SMALL),
    "a sum of codes behind a product": (
        [QUANTIZE, node("QGemm", "q s z v vs wz b s2 z2", "m", domain="com.microsoft", transB=1),
         node("QLinearAdd", "m s2 z2 q s z s3 z2", "a", domain="com.microsoft"), node("DequantizeLinear", "a s3 z2")],
        {**GRID, "v": codes(5, 5), "vs": np.float32(0.0113), "wz": np.int8(0), "b": codes(5).astype(np.int32),
         "s2": np.float32(0.0231), "s3": np.float32(0.0413), "z2": np.uint8(120)}, VECTOR),
    "a product of whole numbers": (
        [QUANTIZE, node("MatMulInteger", "q v z", "m"), node("Cast", "m", "c", to=1), node("Mul", "c s")],
        {**GRID, "v": codes(5, 4)}, VECTOR),
    "a sum": ([node("ReduceSum", "x ax", keepdims=1)], {"ax": ints(1)}, VECTOR),
    "constants among the parts": ([node("Concat", "e x e", axis=1)], {"e": floats(1, 2, 8)}, (1, 9, 8)),
    "a slice of a linear layer over four axes": (
        [node("MatMul", "x w", "a"), node("Slice", "a st en ax")],
        {"w": floats(7, 4), "st": ints(1), "en": ints(3), "ax": ints(2)}, ("N", 2, 4, 7)),
}  # fmt: skip
