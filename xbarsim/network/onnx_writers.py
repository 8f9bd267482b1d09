"""Writers of ONNX operators: what each kind of node becomes in a file. The records of kinds name them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.window_places import window_places

if TYPE_CHECKING:
    from xbarsim.network.graph import Node
    from xbarsim.network.kinds.record import Writer
    from xbarsim.network.write_onnx import GraphWriter

WEIGHT_BITS = "xbarsim.weight_bits"
"""Metadata of a model: JSON, layer -> bits of its weights where their type is wider."""
FUNCTIONS = "xbarsim"
"""Domain of the functions in a file whose bodies other tools run."""
QONNX = "qonnx.custom_op.general"
"""Domain of quantisers of QONNX."""
FOLD_OPSET = 18
"""First opset with Col2Im."""
DILATED_MEAN_OPSET = 19
"""First opset whose AveragePool takes dilations."""
AXES_ARE_INPUTS = 18
"""First opset whose reductions take their axes as an input."""
GELU_OPSET = 20
"""First opset with Gelu."""


def write_conv(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a convolution."""
    operands = [*inputs, graph.weight(node)]
    if node.bias is not None:
        operands.append(graph.constant(f"{node.name}.bias", node.bias))
    given = node.attributes
    graph.add(
        "Conv", node, operands, kernel_shape=given["kernel"], strides=given["stride"], pads=given["padding"],
        dilations=given["dilation"], group=given["groups"],
    )  # fmt: skip


def write_linear(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a fully connected layer: over one vector a Gemm, over several a product and a sum."""
    weight = graph.weight(node)
    if len(node.shape) != 1:
        turned = graph.add("Transpose", node, [weight], output=f"{node.name}.transposed", perm=[1, 0])
        product = f"{node.name}.matmul" if node.bias is not None else None
        values = graph.add("MatMul", node, [*inputs, turned], output=product, label=node.name)
        if node.bias is not None:
            bias = graph.constant(f"{node.name}.bias", node.bias)
            graph.add("Add", node, [values, bias], label=f"{node.name}.add")
        return
    bias = graph.constant(f"{node.name}.bias", np.zeros(node.columns) if node.bias is None else node.bias)
    graph.add("Gemm", node, [*inputs, weight, bias], transB=1)


def write_simple(operator: str, *attributes: str) -> Writer:
    """Return the writer of an operator with numbers as attributes and no constants."""

    def write(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
        numbers: dict[str, Any] = {key: float(node.attributes[key]) for key in attributes}
        graph.add(operator, node, inputs, **numbers)

    return write


def write_binary(operator: str) -> Writer:
    """Return the writer of an operator on two operands, one of them perhaps a constant."""

    def write(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
        constant = node.attributes.get("constant")
        operands = list(inputs)
        if constant is not None:
            operands.insert(
                0 if node.attributes.get("reverse") else 1, graph.constant(f"{node.name}.constant", constant)
            )
        if len(operands) > 2 and operator != "Add":
            raise ConfigError(f"{node.name}: {node.kind} of {len(operands)} operands cannot be written as ONNX")
        graph.add("Sum" if len(operands) > 2 else operator, node, operands)

    return write


def write_pool(operator: str) -> Writer:
    """Return the writer of a pool under a sliding kernel: ``MaxPool`` or ``AveragePool``."""

    def write(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
        given = node.attributes
        own: dict[str, Any] = {"ceil_mode": int(given.get("ceil_mode", False))}
        if operator == "AveragePool":
            own["count_include_pad"] = int(given.get("count_include_pad", False))
        if tuple(given.get("dilation", (1, 1))) != (1, 1):
            own["dilations"] = given["dilation"]
            if operator == "AveragePool":
                graph.raise_opset(DILATED_MEAN_OPSET)
        sides = {"kernel_shape": given["kernel"], "strides": given["stride"], "pads": given["padding"]}
        graph.add(operator, node, inputs, **sides, **own)

    return write


def write_mean(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a mean along axes."""
    axes = list(node.attributes.get("axes", (2, 3)))
    graph.add("ReduceMean", node, inputs, axes=axes, keepdims=int(node.attributes.get("keepdims", True)))


def write_clip(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write limits as constants."""
    limits = [
        graph.constant(f"{node.name}.{key}", node.attributes[key]) if key in node.attributes else ""
        for key in ("min", "max")
    ]
    graph.add("Clip", node, [*inputs, *limits])


def write_scale(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a factor and an offset by channel as a batch normalisation."""
    channels = node.shape[0]
    parts = {
        "scale": np.ones(channels) if node.weight is None else node.weight,
        "shift": np.zeros(channels) if node.bias is None else node.bias,
        "mean": np.zeros(channels),
        "variance": np.ones(channels),
    }
    names = [graph.constant(f"{node.name}.{key}", values) for key, values in parts.items()]
    graph.add("BatchNormalization", node, [*inputs, *names], epsilon=0.0)


def write_pad(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write sides and value of padding as constants."""
    pads = node.attributes["pads"]
    sides = [0, *(before for before, _ in pads), 0, *(after for _, after in pads)]
    operands = [*inputs, graph.constant(f"{node.name}.pads", sides, np.int64)]
    mode = node.attributes.get("mode", "constant")
    if mode == "constant":
        operands.append(graph.constant(f"{node.name}.value", node.attributes.get("value", 0.0)))
    graph.add("Pad", node, operands, mode=mode)


def write_slice(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write ranges as constants."""
    far = np.iinfo(np.int64)
    starts, ends, steps = [], [], []
    for start, stop, step in node.attributes["ranges"]:
        starts.append(start)
        ends.append((far.min if step < 0 else far.max) if stop is None else stop)
        steps.append(step)
    columns = {"starts": starts, "ends": ends, "axes": range(1, len(starts) + 1), "steps": steps}
    names = [graph.constant(f"{node.name}.{key}", list(values), np.int64) for key, values in columns.items()]
    graph.add("Slice", node, [*inputs, *names])


def write_reshape(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a reshape that keeps the batch."""
    graph.add("Reshape", node, [*inputs, graph.constant(f"{node.name}.shape", [-1, *node.shape], np.int64)])


def write_softmax(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a softmax along an axis."""
    graph.add("Softmax", node, inputs, axis=node.attributes.get("axis", 1))


def write_flatten(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a flattening of all but the batch."""
    graph.add("Flatten", node, inputs, axis=1)


def write_concat(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a concatenation along an axis; constant parts are repeated for every image."""
    parts = list(inputs)
    for place, part in node.attributes.get("constants", ()):
        name = f"{node.name}.part{place}"
        batch = graph.add("Shape", node, inputs[:1], output=f"{name}.batch", start=0, end=1)
        rest = graph.constant(f"{name}.rest", part.shape[1:], np.int64)
        sizes = graph.add("Concat", node, [batch, rest], output=f"{name}.sizes", axis=0)
        parts.insert(place, graph.add("Expand", node, [graph.constant(name, part), sizes], output=f"{name}.values"))
    graph.add("Concat", node, parts, axis=node.attributes.get("axis", 1))


def write_outputs(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write several outputs as one vector."""
    flat = [
        graph.add("Flatten", node, [name], output=f"{node.name}.{place}", axis=1) for place, name in enumerate(inputs)
    ]
    graph.add("Concat", node, flat, axis=1)


def write_bipolar(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a quantiser to two values as that of QONNX, with a function for tools that do not know it."""
    scale = graph.constant(f"{node.name}.scale", node.attributes["scale"])
    graph.add("BipolarQuant", node, [*inputs, scale], domain=QONNX)


def write_unfold(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write windows laid out as vectors: entries of the padded image, picked by their places."""
    a, name = node.attributes, node.name
    windows, numbers = node.shape
    axes, taps = len(a["kernel"]), math.prod(a["kernel"])
    sides = [0, 0, *a["padding"][:axes], 0, 0, *a["padding"][axes:]]
    padded = graph.add("Pad", node, [*inputs, graph.constant(f"{name}.pads", sides, np.int64)], output=f"{name}.padded")
    size = graph.shapes[inputs[0]][1:]
    held = [size[i] + a["padding"][i] + a["padding"][axes + i] for i in range(axes)]
    places = window_places(held, a).reshape(-1)
    flat = graph.constant(f"{name}.flat", [0, 0, -1], np.int64)
    pixels = graph.add("Reshape", node, [padded, flat], output=f"{name}.pixels")
    picked = [pixels, graph.constant(f"{name}.places", places, np.int64)]
    picked = [graph.add("Gather", node, picked, output=f"{name}.picked", axis=2)]
    split = graph.constant(f"{name}.split", [0, 0, windows, taps], np.int64)
    parts = graph.add("Reshape", node, [*picked, split], output=f"{name}.parts")
    turned = graph.add("Transpose", node, [parts], output=f"{name}.turned", perm=[0, 2, 1, 3])
    graph.add("Reshape", node, [turned, graph.constant(f"{name}.shape", [0, windows, numbers], np.int64)])


def write_fold(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write windows that are added where they overlap."""
    a, name = node.attributes, node.name
    graph.raise_opset(FOLD_OPSET)
    held = [
        (count - 1) * a["stride"][axis] + a["dilation"][axis] * (a["kernel"][axis] - 1) + 1
        for axis, count in enumerate(a["windows"])
    ]
    behind = [max(0, each - a["padding"][axis] - a["size"][axis]) for axis, each in enumerate(held)]
    columns = graph.add("Transpose", node, inputs, output=f"{name}.columns", perm=[0, 2, 1])
    kernel = a["kernel"]
    if len(kernel) != 2 and set(a["dilation"]) != {1}:
        columns, kernel = _spread_taps(graph, node, columns)
    size, taps = graph.constant(f"{name}.size", a["size"], np.int64), graph.constant(f"{name}.kernel", kernel, np.int64)
    steps = a["dilation"] if kernel == a["kernel"] else (1,) * len(kernel)
    graph.add(
        "Col2Im", node, [columns, size, taps], dilations=steps, strides=a["stride"], pads=[*a["padding"], *behind]
    )


def _spread_taps(graph: GraphWriter, node: Node, columns: str) -> tuple[str, tuple[int, ...]]:
    """Write columns of a larger kernel with zeros between the taps, and return their name and the kernel.

    ONNX Runtime (1.32 at least) adds dilated windows up at wrong places where they have one or three axes.
    """
    a, name = node.attributes, node.name
    kernel = tuple((k - 1) * step + 1 for k, step in zip(a["kernel"], a["dilation"], strict=True))
    taps, windows = math.prod(a["kernel"]), math.prod(a["windows"])
    places = np.full(kernel, taps)  # the tap of zeros
    places[tuple(slice(None, None, step) for step in a["dilation"])] = np.arange(taps).reshape(a["kernel"])
    split = graph.constant(f"{name}.split", [0, -1, taps, windows], np.int64)
    parts = graph.add("Reshape", node, [columns, split], output=f"{name}.parts")
    sides = graph.constant(f"{name}.sides", [0, 0, 0, 0, 0, 0, 1, 0], np.int64)
    padded = graph.add("Pad", node, [parts, sides], output=f"{name}.padded")
    order = graph.constant(f"{name}.places", places.reshape(-1), np.int64)
    spread = graph.add("Gather", node, [padded, order], output=f"{name}.spread", axis=2)
    joined = graph.constant(f"{name}.joined", [0, node.shape[0] * math.prod(kernel), windows], np.int64)
    return graph.add("Reshape", node, [spread, joined], output=f"{name}.taps"), kernel


def write_opaque(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write an operator of the file that a network was read from as a Scan over the images of a batch."""
    from onnx import TensorProto, helper, numpy_helper

    given, name = node.attributes, node.name
    single = graph.convert(node).graph
    if any(item.HasField("g") or item.graphs for each in single.node for item in each.attribute):
        raise ConfigError(
            f"{name}: {given['operator']} holds graphs of its own and cannot be written as ONNX; keep the network in "
            "Python, or quantise it without this part"
        )
    first, nodes, entries = f"{name}::", [], []
    constants = [numpy_helper.from_array(np.asarray(value), first + key) for key, value in given["constants"]]
    for tensor in single.initializer:
        tensor.name = first + tensor.name
    float_ = TensorProto.FLOAT
    for place, (key, kind, shape) in enumerate(given["feeds"]):
        entry, whole = f"{name}:{place}", first + key if kind == "float32" else f"{name}:{place}.whole"
        entries.append(helper.make_tensor_value_info(entry, float_, graph.shapes[inputs[place]]))
        constants.append(numpy_helper.from_array(np.array(shape, np.int64), f"{entry}.shape"))
        nodes.append(helper.make_node("Reshape", [entry, f"{entry}.shape"], [whole]))
        if kind != "float32":
            nodes.append(
                helper.make_node("Cast", [whole], [first + key], to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))
            )
    for number, each in enumerate(single.node):
        each.input[:] = [key and first + key for key in each.input]
        each.output[:] = [key and first + key for key in each.output]
        each.name = f"{first}{number}"  # the names of nodes made by a change of opset are empty
        nodes.append(each)
    constants.append(numpy_helper.from_array(np.array(node.shape, np.int64), f"{name}:shape"))
    nodes.append(helper.make_node("Cast", [first + single.output[0].name], [f"{name}:real"], to=float_))
    nodes.append(helper.make_node("Reshape", [f"{name}:real", f"{name}:shape"], [f"{name}:out"]))
    out = helper.make_tensor_value_info(f"{name}:out", float_, node.shape)
    body = helper.make_graph(nodes, name, entries, [out], [*constants, *single.initializer])
    graph.add("Scan", node, inputs, body=body, num_scan_inputs=len(inputs))


def write_peak(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write the largest magnitude of every vector as a function."""
    graph.add("Peak", node, inputs, domain=FUNCTIONS)


def _peak_body(opset: int) -> list[Any]:
    """Return what other tools run for a peak."""
    from onnx import helper, numpy_helper

    def constant(name: str, values: np.ndarray) -> Any:
        return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values))

    is_input = opset >= AXES_ARE_INPUTS
    settings: dict[str, Any] = {"keepdims": 1} if is_input else {"keepdims": 1, "axes": [-1]}
    return [
        constant("least", np.array(np.finfo(np.float32).tiny, np.float32)),
        *([constant("last", np.array([-1], np.int64))] if is_input else []),
        helper.make_node("Abs", ["x"], ["size"]),
        helper.make_node("ReduceMax", ["size", "last"] if is_input else ["size"], ["largest"], **settings),
        helper.make_node("Max", ["largest", "least"], ["y"]),
    ]


def _bipolar_body(opset: int) -> list[Any]:
    """Return what other tools run for a quantiser to two values."""
    from onnx import helper, numpy_helper

    zero = numpy_helper.from_array(np.array(0, np.float32))
    return [
        helper.make_node("Constant", [], ["zero"], value=zero),
        helper.make_node("GreaterOrEqual", ["x", "zero"], ["up"]),
        helper.make_node("Neg", ["scale"], ["low"]),
        helper.make_node("Where", ["up", "scale", "low"], ["y"]),
    ]


BODIES: dict[tuple[str, str], tuple[list[str], Callable[[int], list[Any]]]] = {
    (FUNCTIONS, "Peak"): (["x"], _peak_body),
    (QONNX, "BipolarQuant"): (["x", "scale"], _bipolar_body),
}
"""Domain and name of a function of a file -> its inputs, and what it consists of in an opset."""


def write_layer_norm(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a layer normalisation with its gains and offsets."""
    axis = node.attributes["axis"]
    gains = np.ones(node.shape[axis - 1 :]) if node.weight is None else node.weight
    operands = [*inputs, graph.constant(f"{node.name}.weight", gains)]
    if node.bias is not None:
        operands.append(graph.constant(f"{node.name}.bias", node.bias))
    graph.add("LayerNormalization", node, operands, axis=axis, epsilon=float(node.attributes["epsilon"]))


def write_gelu(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a GELU, exact or with tanh."""
    graph.raise_opset(GELU_OPSET)
    graph.add("Gelu", node, inputs, approximate="tanh" if node.attributes.get("approximate") else "none")


def write_transpose(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write a transposition."""
    graph.add("Transpose", node, inputs, perm=node.attributes["order"])


def write_quantize(graph: GraphWriter, node: Node, inputs: Sequence[str]) -> None:
    """Write the grid of an activation, whose codes need a type of their width."""
    bits, signed = node.attributes["bits"], node.attributes["signed"]
    if bits not in (4, 8, 16):
        raise ConfigError(
            f"{node.name}: inputs of {bits} bits cannot be written as ONNX, which has codes of 4, 8 and 16; choose one "
            "of these, or keep the network in Python"
        )
    grid = [
        graph.constant(f"{node.name}.scale", np.float32(node.attributes["scale"])),
        graph.codes(f"{node.name}.zero_point", node.attributes["zero_point"], bits, signed),
    ]
    codes = graph.add("QuantizeLinear", node, [*inputs, *grid], output=f"{node.name}.codes")
    graph.add("DequantizeLinear", node, [codes, *grid])
