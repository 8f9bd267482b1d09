"""Random ONNX graphs that compute every image by itself, and their comparison with ONNX Runtime.

Graphs mix element types, other names of a value, codes, integer arithmetic, moved batches, shapes that are worked out
from shapes, fixed and free batches, and versions of the operator set. Every choice comes from one function, so that
Hypothesis or a seeded generator can make it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Choose = Callable[[Sequence[Any]], Any]

PRODUCTS = {"MatMulInteger": (1, 3), "QLinearMatMul": (3, 5)}
"""Product of codes -> its weights of int8 and their zero point, both constant."""


class GraphMaker:
    """Adds one random operator after the other to a graph whose values have the batch in front."""

    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.opset = choose([11, 12, 13, 15, 17, 18, 19, 21])
        self.batch = choose([None, None, 1, 3])
        shape = choose([(5,), (4, 6), (3, 5, 6)])
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.values: dict[str, tuple[int, ...]] = {"x": shape}
        self.rng = np.random.default_rng(choose(range(1000)))
        self.has_codes = False

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def floats(self, *shape: int) -> str:
        return self.constant((self.rng.standard_normal(shape) * 0.5).astype(np.float32))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"{kind}_{len(self.nodes)}", **attributes))
        return name

    def keep(self, name: str, shape: Sequence[int]) -> None:
        self.values[name] = tuple(shape)

    def grow(self) -> None:
        name = self.choose(list(self.values)[-3:])
        shape = self.values[name]
        moves = [self.single, self.linear, self.affine, self.join, self.alias, self.reshape, self.codes, self.integers,
                 self.softmax, self.shaped, self.double, self.select, self.split, self.clip,
                 self.token, self.whole, self.places]  # fmt: skip
        if len(shape) == 1:
            moves += [self.gemm]
        if len(shape) > 1:
            moves += [self.swap, self.travel, self.mean, self.slice, self.concat, self.pad, self.squeeze, self.product]
        if len(shape) == 2:
            moves += [self.line, self.recurrent]
        if len(shape) == 3:
            moves += [self.convolve, self.pool, self.normalise, self.transposed]
        self.choose(moves)(name, shape)

    def single(self, name: str, shape: tuple[int, ...]) -> None:
        self.keep(self.node(self.choose(["Relu", "Tanh", "Neg", "Abs", "Sigmoid", "Softplus", "Erf"]), name), shape)

    def linear(self, name: str, shape: tuple[int, ...]) -> None:
        y = self.node("MatMul", name, self.floats(shape[-1], 4))
        if self.choose([True, False]):
            y = self.node("Add", *self.choose([(y, self.floats(4)), (self.floats(1, 4), y)]))
        self.keep(y, (*shape[:-1], 4))

    def affine(self, name: str, shape: tuple[int, ...]) -> None:
        each = self.choose([(), shape[-1:], (1, *shape), (1,) * len(shape)])
        pair = [name, self.floats(*each)]
        self.keep(self.node(self.choose(["Add", "Mul", "Sub"]), *self.choose([pair, pair[::-1]])), shape)

    def join(self, name: str, shape: tuple[int, ...]) -> None:
        others = [other for other, found in self.values.items() if found == shape]
        self.keep(self.node(self.choose(["Add", "Mul", "Sub", "Max"]), name, self.choose(others)), shape)

    def alias(self, name: str, shape: tuple[int, ...]) -> None:
        kind = self.choose(["Identity", "Dropout", "Cast"])
        self.keep(self.node(kind, name, **({"to": 1} if kind == "Cast" else {})), shape)

    def double(self, name: str, shape: tuple[int, ...]) -> None:
        y = self.node("Cast", name, to=11)
        self.keep(self.node("Cast", self.node("Relu", y) if self.opset > 13 else y, to=1), shape)

    def gemm(self, name: str, shape: tuple[int, ...]) -> None:
        turned, bias = self.choose([0, 1]), self.choose([(), (4,), (1, 4), (1, 1)])
        operands = [name, self.floats(*((4, shape[0]) if turned else (shape[0], 4)))]
        operands += self.choose([[], [self.floats(*bias)]])
        self.keep(self.node("Gemm", *operands, transB=turned, alpha=self.choose([1.0, 0.5]), beta=0.25), (4,))

    def select(self, name: str, shape: tuple[int, ...]) -> None:
        self.has_codes = True
        kind = self.choose(["Greater", "Less"])
        condition = self.node(kind, name, self.floats(*self.choose([(), shape[-1:]])))
        self.keep(self.node("Where", condition, name, self.floats(shape[-1])), shape)

    def split(self, name: str, shape: tuple[int, ...]) -> None:
        axis = self.choose(range(len(shape)))
        if shape[axis] < 2:
            return
        first = self.choose(range(1, shape[axis]))
        sizes = [first, shape[axis] - first]
        given: Any = ([self.ints(*sizes)], {}) if self.opset >= 13 else ([], {"split": sizes})
        names = [f"v{len(self.nodes)}", f"v{len(self.nodes)}b"]
        attributes = {"axis": axis + 1, "name": f"Split_{len(self.nodes)}", **given[1]}
        self.nodes.append(helper.make_node("Split", [name, *given[0]], names, **attributes))
        for part, size in zip(names, sizes, strict=True):
            self.keep(part, (*shape[:axis], size, *shape[axis + 1 :]))

    def clip(self, name: str, shape: tuple[int, ...]) -> None:
        limits = [self.constant(np.float32(-0.4)), self.constant(np.float32(0.7))]
        self.keep(self.node("Clip", name, *self.choose([limits, ["", limits[1]], limits[:1]])), shape)

    def token(self, name: str, shape: tuple[int, ...]) -> None:
        axis = self.choose(range(len(shape)))
        grown = (*shape[:axis], 1, *shape[axis + 1 :])
        if self.batch == 1:
            part = self.floats(1, *grown)
        else:
            first = self.node("Gather", self.node("Shape", name), self.ints(0), axis=0)
            sizes = self.node("Concat", first, self.ints(*grown), axis=0)
            part = self.node("Expand", self.floats(1, *grown), sizes)
        order = self.choose([(name, part), (part, name)])
        self.keep(self.node("Concat", *order, axis=axis + 1), (*shape[:axis], shape[axis] + 1, *shape[axis + 1 :]))

    def pad(self, name: str, shape: tuple[int, ...]) -> None:
        sides = [self.choose([0, 0, 1, 2]) for _ in range(2 * len(shape))]
        sides = [0, *sides[: len(shape)], 0, *sides[len(shape) :]]
        half = len(shape) + 1
        grown = [size + sides[axis + 1] + sides[axis + 1 + half] for axis, size in enumerate(shape)]
        value = self.choose([[], [self.constant(np.float32(0.3))]])
        self.keep(self.node("Pad", name, self.ints(*sides), *value), grown)

    def squeeze(self, name: str, shape: tuple[int, ...]) -> None:
        axis = self.choose(range(1, len(shape) + 2))
        given: Any = ([self.ints(axis)], {}) if self.opset >= 13 else ([], {"axes": [axis]})
        y = self.node("Unsqueeze", name, *given[0], **given[1])
        if self.choose([True, False]):
            self.keep(self.node("Squeeze", self.node("Relu", y), *given[0], **given[1]), shape)
        else:
            self.keep(self.node("Flatten", y, axis=1), (int(np.prod(shape)),))

    def product(self, name: str, shape: tuple[int, ...]) -> None:
        order = [*range(len(shape) - 1), len(shape), len(shape) - 1]
        self.keep(self.node("MatMul", name, self.node("Transpose", name, perm=order)), (*shape[:-1], shape[-2]))

    def line(self, name: str, shape: tuple[int, ...]) -> None:
        groups = self.choose([1, shape[0]])
        y = self.node("Conv", name, self.floats(shape[0], shape[0] // groups, 2), pads=[1, 0], group=groups)
        self.keep(y, shape)

    def transposed(self, name: str, shape: tuple[int, ...]) -> None:
        stride = self.choose([1, 2])
        y = self.node("ConvTranspose", name, self.floats(shape[0], 2, 2, 2), strides=[stride, stride])
        self.keep(y, (2, *((size - 1) * stride + 2 for size in shape[1:])))

    def reshape(self, name: str, shape: tuple[int, ...]) -> None:
        count = int(np.prod(shape))
        target = self.choose([(0, -1), (-1, count), (-1, 1, count), (self.batch or -1, count)])
        self.keep(self.node("Reshape", name, self.ints(*target)), (1, count) if len(target) == 3 else (count,))

    def shaped(self, name: str, shape: tuple[int, ...]) -> None:
        sizes = self.node("Shape", name)
        first = self.node("Gather", sizes, self.ints(0), axis=0)
        target = self.node("Concat", first, self.ints(-1, 1), axis=0)
        self.keep(self.node("Reshape", name, target), (int(np.prod(shape)), 1))

    def codes(self, name: str, shape: tuple[int, ...]) -> None:
        self.has_codes = True
        scale = self.constant(np.float32(self.choose([0.03, 0.125])))
        zero = self.constant(self.choose([np.uint8(0), np.uint8(120), np.int8(0), np.int8(-7)]))
        q = self.node("QuantizeLinear", name, scale, zero)
        middle = self.choose(["", "", "Transpose", "Cast", "Clip", "Identity", "other"])
        if middle == "Transpose":
            q, shape = self.node("Transpose", q, perm=[0, *range(len(shape), 0, -1)]), shape[::-1]
        elif middle == "Identity":
            q = self.node("Identity", q)
        elif middle == "Clip" and self.opset > 11:
            kind = self.constants[zero].dtype.type
            q = self.node("Clip", q, self.constant(kind(3)), self.constant(kind(90)))
        elif middle == "Cast":
            self.keep(self.node("Cast", q, to=1), shape)
            return
        other = self.constant(np.float32(0.05)) if middle == "other" else scale
        self.keep(self.node("DequantizeLinear", q, other, zero), shape)

    def integers(self, name: str, shape: tuple[int, ...]) -> None:
        self.has_codes = True
        scaled = self.node("Add", self.node("Mul", name, self.constant(np.float32(8))), self.constant(np.float32(0.37)))
        whole = self.node("Cast", scaled, to=self.choose([6, 7]))
        kind = {6: np.int32, 7: np.int64}[self.nodes[-1].attribute[0].i]
        part = self.node(self.choose(["Add", "Mul", "Div", "Sub"]), whole, self.constant(kind(3)))
        self.keep(self.node("Cast", part, to=1), shape)

    def whole(self, name: str, shape: tuple[int, ...]) -> None:
        self.has_codes = True
        scale, zero = self.constant(np.float32(0.0313)), self.constant(np.uint8(self.choose([0, 113])))
        q = self.node("QuantizeLinear", name, scale, zero)
        weight = self.constant(self.rng.integers(-127, 128, (shape[-1], 4)).astype(np.int8))
        nothing = self.constant(np.int8(self.choose([0, 5])))
        if self.choose([True, False]):
            y = self.node("Cast", self.node("MatMulInteger", q, weight, zero, nothing), to=1)
            y = self.node("Mul", y, self.constant(np.float32(0.0007)))
        else:
            scales = self.constant(np.float32(0.0117)), self.constant(np.float32(0.0731))
            y = self.node("QLinearMatMul", q, scale, zero, weight, scales[0], nothing, scales[1], zero)
            y = self.node("DequantizeLinear", y, scales[1], zero)
        self.keep(y, (*shape[:-1], 4))

    def places(self, name: str, shape: tuple[int, ...]) -> None:
        count = int(np.prod(shape))
        own = self.rng.integers(0, count, 3)
        flat = self.node("Reshape", name, self.ints(-1))
        if self.batch:
            index = self.constant(own + count * np.arange(self.batch)[:, None])
        else:
            images = self.node("Gather", self.node("Shape", name), self.constant(np.int64(0)), axis=0)
            limits = self.constant(np.int64(0)), self.constant(np.int64(1))
            firsts = self.node("Mul", self.node("Range", limits[0], images, limits[1]), self.constant(np.int64(count)))
            index = self.node("Add", self.node("Reshape", firsts, self.ints(-1, 1)), self.ints(*own))
        self.keep(self.node("Gather", flat, index, axis=0), (3,))

    def recurrent(self, name: str, shape: tuple[int, ...]) -> None:
        kind = self.choose(["LSTM", "GRU", "RNN"])
        gates, way = 3 * {"LSTM": 4, "GRU": 3, "RNN": 1}[kind], self.choose(["forward", "reverse", "bidirectional"])
        ways = 2 if way == "bidirectional" else 1
        operands = [self.floats(ways, gates, shape[-1]), self.floats(ways, gates, 3)]
        operands += self.choose([[], [self.floats(ways, 2 * gates)]])
        steps = self.node("Transpose", name, perm=[1, 0, 2])
        y = self.node(kind, steps, *operands, hidden_size=3, direction=way)
        self.keep(self.node("Transpose", y, perm=[2, 0, 1, 3]), (shape[0], ways, 3))

    def softmax(self, name: str, shape: tuple[int, ...]) -> None:
        self.keep(self.node("Softmax", name, axis=self.choose([-1, len(shape), 1])), shape)

    def swap(self, name: str, shape: tuple[int, ...]) -> None:
        order = [0, *range(len(shape), 0, -1)]
        self.keep(self.node("Transpose", name, perm=order), shape[::-1])

    def travel(self, name: str, shape: tuple[int, ...]) -> None:
        order = [1, 0, *range(2, len(shape) + 1)]
        y = self.node("MatMul", self.node("Transpose", name, perm=order), self.floats(shape[-1], 3))
        if self.choose([True, False]):
            y = self.node("Softmax", y, axis=len(shape))
        self.keep(self.node("Transpose", y, perm=order), (*shape[:-1], 3))

    def mean(self, name: str, shape: tuple[int, ...]) -> None:
        axis = self.choose(range(1, len(shape) + 1))
        given: Any = ((self.ints(axis),), {}) if self.opset >= 18 else ((), {"axes": [axis]})
        self.keep(self.node("ReduceMean", name, *given[0], keepdims=0, **given[1]), shape[: axis - 1] + shape[axis:])

    def slice(self, name: str, shape: tuple[int, ...]) -> None:
        axis, step = self.choose(range(1, len(shape) + 1)), self.choose([1, 2, -1])
        ends = (0, 2**40) if step > 0 else (-1, -(2**40))
        y = self.node("Slice", name, self.ints(ends[0]), self.ints(ends[1]), self.ints(axis), self.ints(step))
        count = len(range(shape[axis - 1])[::step])
        self.keep(y, (*shape[: axis - 1], count, *shape[axis:]))

    def concat(self, name: str, shape: tuple[int, ...]) -> None:
        others = [other for other, found in self.values.items() if found == shape]
        self.keep(self.node("Concat", name, self.choose(others), axis=1), (2 * shape[0], *shape[1:]))

    def convolve(self, name: str, shape: tuple[int, ...]) -> None:
        size = self.choose([1, 3])
        y = self.node("Conv", name, self.floats(4, shape[0], size, size), pads=[size // 2] * 4)
        self.keep(y, (4, *shape[1:]))
        if self.choose([True, False]):
            self.normalise(self.choose([y, self.node("Identity", y)]), (4, *shape[1:]))

    def normalise(self, name: str, shape: tuple[int, ...]) -> None:
        parts = [self.floats(shape[0]) for _ in range(3)]
        spread = self.constant(self.rng.uniform(0.5, 1.5, shape[0]).astype(np.float32))
        self.keep(self.node("BatchNormalization", name, *parts, spread), shape)

    def pool(self, name: str, shape: tuple[int, ...]) -> None:
        if min(shape[1:]) < 2:
            self.keep(self.node("GlobalAveragePool", name), (shape[0], 1, 1))
            return
        kind = self.choose(["MaxPool", "AveragePool"])
        self.keep(self.node(kind, name, kernel_shape=[2, 2]), (shape[0], shape[1] - 1, shape[2] - 1))

    def model(self) -> Any:
        """Return the graph: its output reads the last value, and another of its shape where there is one."""
        (last, shape) = list(self.values.items())[-1]
        self.join(last, shape)
        output = list(self.values)[-1]
        graph = helper.make_graph(
            self.nodes, "random",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (self.batch or "N", *self.values["x"]))],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


def make_graph(choose: Choose) -> GraphMaker:
    """Return a random graph of two to nine operators."""
    maker = GraphMaker(choose)
    for _ in range(choose(range(2, 9))):
        maker.grow()
    return maker


def compare_graph(maker: GraphMaker, path: str, *, writes: bool = False) -> str:
    """Return what is wrong with a graph, nothing where the network equals ONNX Runtime.

    With ``writes`` the network is also written as ONNX and read back, and has to compute the same.

    Where a graph rounds, a value between two codes may take the other one: one of three draws has to be equal.
    """
    import onnxruntime

    from xbarsim.errors import XbarsimError
    from xbarsim.network import load_onnx, run_network

    model = maker.model()
    onnx.save(model, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(lift_weights(model), options, providers=["CPUExecutionProvider"])
        session.run(None, {"x": np.zeros((maker.batch or 2, *maker.values["x"]), np.float32)})
    except Exception:  # not every random graph runs
        return ""
    try:
        network = load_onnx(path, self_check=False)
    except XbarsimError as error:
        return f"refused: {error}"
    wrong = compare_written(maker, network, path) if writes else ""
    if wrong:
        return wrong
    for seed in range(3 if maker.has_codes else 1):
        count = 4 if maker.batch == 1 else maker.batch or 4
        x = np.random.default_rng(seed).normal(size=(count, *maker.values["x"])).astype(np.float32)
        step = maker.batch or count
        parts = [np.asarray(session.run(None, {"x": x[i : i + step]})[0]) for i in range(0, count, step)]
        expected = np.concatenate([part.reshape(step, -1) for part in parts])
        found = run_network(network, x, threads=1).reshape(count, -1)
        if found.shape != expected.shape:
            return f"shape {found.shape}, ONNX Runtime {expected.shape}"
        difference = np.abs(found - expected).max() / max(1e-3, np.abs(expected).max())
        if difference < 1e-4:
            return ""
        wrong = f"differs by {difference:.1e}"
    return wrong


def lift_weights(model: Any) -> bytes:
    """Return a model whose integer products have weights of uint8, 128 above those of int8, which computes the same.

    On CPUs without VNNI, ONNX Runtime adds products of uint8 and int8 with saturation at 16 bits.
    """
    stored = {each.name: each for each in model.graph.initializer}
    lifted = onnx.ModelProto()
    lifted.CopyFrom(model)
    for node in lifted.graph.node:
        for place in PRODUCTS.get(node.op_type, ()):
            codes = onnx.numpy_helper.to_array(stored[node.input[place]]).astype(np.int16) + 128
            name = f"{node.output[0]}:{place}"
            lifted.graph.initializer.append(onnx.numpy_helper.from_array(codes.astype(np.uint8), name))
            node.input[place] = name
    result: bytes = lifted.SerializeToString()
    return result


def compare_written(maker: GraphMaker, network: Any, path: str) -> str:
    """Return what is wrong with a network that is written as ONNX and read back, nothing where it computes the same."""
    from xbarsim.errors import XbarsimError
    from xbarsim.network import load_onnx, run_network
    from xbarsim.network.write_onnx import write_onnx

    written = f"{path}.written.onnx"
    try:
        again = load_onnx(write_onnx(network, written), self_check=False)
    except XbarsimError as error:
        return f"not written and read back: {error}"
    if [layer.name for layer in again.layers] != [layer.name for layer in network.layers]:
        return f"written with layers {[layer.name for layer in again.layers]}"
    x = np.random.default_rng(0).normal(size=(4, *network.input_shape)).astype(np.float32)
    expected, found = (run_network(each, x, threads=1).reshape(4, -1) for each in (network, again))
    if found.shape != expected.shape:
        return f"written with shape {found.shape} in place of {expected.shape}"
    difference = np.abs(found - expected).max() / max(1e-3, np.abs(expected).max())
    return "" if difference < 1e-6 else f"written, differs by {difference:.1e}"
