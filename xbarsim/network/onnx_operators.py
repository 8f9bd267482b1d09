"""One table: ONNX operator -> function that adds its nodes to the network being read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.network.graph import Node
from xbarsim.network.onnx_layers import (
    BATCH,
    Operator,
    Unsupported,
    add_bias,
    as_float32,
    code_type,
    convert_batch_norm,
    convert_conv,
    convert_gemm,
    convert_matmul,
    read_sliding,
)

if TYPE_CHECKING:
    from xbarsim.network.onnx_import import GraphReader


def _add(graph: GraphReader, op: Operator, kind: str, inputs: Sequence[str], **attributes: Any) -> None:
    graph.emit(op, Node(name=op.name, kind=kind, inputs=tuple(inputs), attributes=attributes))


def _simple(kind: str, **defaults: float) -> Callable[[GraphReader, Operator], None]:
    def convert(graph: GraphReader, op: Operator) -> None:
        settings = {key: float(op.attributes.get(key, value)) for key, value in defaults.items()}
        _add(graph, op, kind, op.inputs[:1], **settings)

    return convert


def _identity(graph: GraphReader, op: Operator) -> None:
    if any(graph.reads[name] for name in op.outputs[1:]):
        raise Unsupported("a second output")
    graph.alias(op, op.inputs[0])


def _cast(graph: GraphReader, op: Operator) -> None:
    if op.attributes["to"] not in (1, 11):
        raise Unsupported("a cast to something else than float or double")
    graph.alias(op, op.inputs[0])


# ---- sliding windows


def _pool(kind: str) -> Callable[[GraphReader, Operator], None]:
    def convert(graph: GraphReader, op: Operator) -> None:
        shape, kernel = graph.shape(op.inputs[0]), tuple(op.attributes["kernel_shape"])
        if len(kernel) != 2 or len(shape) != 3:
            raise Unsupported("only two-dimensional pooling")
        if any(graph.reads[name] for name in op.outputs[1:]):
            raise Unsupported("the output of indices")
        attributes = read_sliding(op, shape, kernel) | {"ceil_mode": bool(op.attributes.get("ceil_mode", 0))}
        if kind == "avg_pool":
            attributes["count_include_pad"] = bool(op.attributes.get("count_include_pad", 0))
        _add(graph, op, kind, op.inputs[:1], **attributes)

    return convert


def _global_pool(graph: GraphReader, op: Operator) -> None:
    _add(graph, op, "global_avg_pool", op.inputs[:1], keepdims=True)


def _reduce_mean(graph: GraphReader, op: Operator) -> None:
    rank = len(graph.shape(op.inputs[0])) + 1
    axes = _axes(graph, op, rank)
    if axes is None or 0 in axes:
        raise Unsupported("a mean over the batch")
    keepdims = bool(op.attributes.get("keepdims", 1))
    if rank == 4 and axes == (2, 3):
        _add(graph, op, "global_avg_pool", op.inputs[:1], keepdims=keepdims)
    else:
        _add(graph, op, "mean", op.inputs[:1], axes=axes, keepdims=keepdims)


def _axes(graph: GraphReader, op: Operator, rank: int, index: int = 1) -> tuple[int, ...] | None:
    """Return axes given as attribute or as input, sorted and counted from the front."""
    given: Any = graph.constant(op, index)
    given = op.attributes.get("axes") if given is None else given
    return None if given is None else tuple(sorted(int(axis) % rank for axis in np.atleast_1d(given)))


# ---- elementwise


def _clip(graph: GraphReader, op: Operator) -> None:
    limits = {}
    for index, key in ((1, "min"), (2, "max")):
        given = graph.constant(op, index)
        value = op.attributes.get(key) if given is None else given.reshape(())
        if value is not None:
            limits[key] = float(value)
    _add(graph, op, "clip", op.inputs[:1], **limits)


def _binary(kind: str) -> Callable[[GraphReader, Operator], None]:
    def convert(graph: GraphReader, op: Operator) -> None:
        constants = [graph.is_constant(tensor) for tensor in op.inputs]
        if not any(constants):
            _add(graph, op, kind, op.inputs)
            return
        if len(op.inputs) != 2:
            raise Unsupported("constants among more than two operands")
        index = constants.index(True)
        constant, tensor = graph.required(op, index), op.inputs[1 - index]
        before = graph.node_of(tensor)
        fits = kind == "add" and before is not None and before.kind == "linear" and graph.reads[tensor] == 1
        if (
            fits
            and before is not None
            and constant.shape[-1:] == (before.attributes["out_features"],) == (constant.size,)
        ):
            add_bias(graph, op, before, constant)
            return
        _add(graph, op, kind, [tensor], constant=as_float32(constant), reverse=index == 0)

    return convert


def _is_bias(graph: GraphReader, before: Node | None, tensor: str, constant: np.ndarray) -> bool:
    """Whether a constant added to a linear layer that nobody else reads has one entry an output."""
    if before is None or before.kind != "linear" or graph.reads[tensor] != 1:
        return False
    return constant.shape[-1:] == (constant.size,) == (before.attributes["out_features"],)


def _softmax(graph: GraphReader, op: Operator) -> None:
    rank = len(graph.shape(op.inputs[0])) + 1
    axis = op.attributes.get("axis", -1 if graph.opset >= 13 else 1) % rank
    if axis == 0 or (graph.opset < 13 and axis != rank - 1):
        raise Unsupported(f"axis {axis} of {rank}")
    _add(graph, op, "softmax", op.inputs, axis=axis)


def _gelu(graph: GraphReader, op: Operator) -> None:
    _add(graph, op, "gelu", op.inputs, approximate=op.attributes.get("approximate", "none") == "tanh")


def _layer_norm(graph: GraphReader, op: Operator) -> None:
    rank = len(graph.shape(op.inputs[0])) + 1
    attributes = {"axis": op.attributes.get("axis", -1) % rank, "epsilon": float(op.attributes.get("epsilon", 1e-5))}
    weight, bias = graph.constant(op, 1), graph.constant(op, 2)
    node = Node(name=op.name, kind="layer_norm", inputs=op.inputs[:1], attributes=attributes, weight=weight, bias=bias)
    graph.emit(op, node)


def _quantize(graph: GraphReader, op: Operator) -> None:
    scale, zero = graph.required(op, 1), graph.constant(op, 2)
    if scale.size != 1:
        raise Unsupported("activation scales by channel")
    if zero is None and op.attributes.get("output_dtype", 0) not in (0, 2):
        raise Unsupported("an output type without a zero point")
    bits, signed = (8, False) if zero is None else code_type(zero)
    point = 0 if zero is None else int(zero.reshape(()))
    attributes = {"scale": float(scale.reshape(())), "zero_point": point, "bits": bits, "signed": signed}
    _add(graph, op, "quantize", op.inputs[:1], **attributes)


# ---- shape


def _concat(graph: GraphReader, op: Operator) -> None:
    axis = op.attributes["axis"] % (len(graph.shape(op.inputs[0])) + 1)
    if axis == 0:
        raise Unsupported("along the batch")
    _add(graph, op, "concat", op.inputs, axis=axis)


def _pad(graph: GraphReader, op: Operator) -> None:
    rank = len(graph.shape(op.inputs[0])) + 1
    given, value = graph.constant(op, 1), graph.constant(op, 2)
    sides = op.attributes["pads"] if given is None else given.tolist()
    axes = graph.constant(op, 3)
    order = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    pads = {axis: (sides[i], sides[i + len(sides) // 2]) for i, axis in enumerate(order)}
    mode = op.attributes.get("mode", "constant")
    if any(pads.pop(0, (0, 0))) or min(sides) < 0 or mode not in ("constant", "reflect", "edge"):
        raise Unsupported("padding of the batch, negative padding, or an unknown mode")
    fill = float(op.attributes.get("value", 0.0) if value is None else value.reshape(()))
    each = tuple(tuple(map(int, pads.get(axis, (0, 0)))) for axis in range(1, rank))
    _add(graph, op, "pad", op.inputs[:1], pads=each, mode=mode, value=fill)


def _slice(graph: GraphReader, op: Operator) -> None:
    shape = graph.shape(op.inputs[0])
    starts: Sequence[int] | np.ndarray
    axes: Any
    steps: Any
    if graph.opset < 10:
        starts, ends = op.attributes["starts"], op.attributes["ends"]
        axes, steps = op.attributes.get("axes"), None
    else:
        starts, ends = graph.required(op, 1), graph.required(op, 2)
        axes, steps = graph.constant(op, 3), graph.constant(op, 4)
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    ranges = [(0, size, 1) for size in shape]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        axis = int(axis) % (len(shape) + 1)
        if axis == 0:
            if int(start) == 0 and int(end) >= BATCH and int(step) == 1:
                continue
            raise Unsupported("a slice of the batch")
        ranges[axis - 1] = slice(int(start), int(end), int(step)).indices(shape[axis - 1])
    # a range that runs down to the first entry ends at -1, which would count from the back
    each = tuple((a, None if step < 0 and b < 0 else b, step) for a, b, step in ranges)
    _add(graph, op, "slice", op.inputs[:1], ranges=each)


def _gather(graph: GraphReader, op: Operator) -> None:
    shape, index = graph.shape(op.inputs[0]), graph.constant(op, 1)
    axis = op.attributes.get("axis", 0) % (len(shape) + 1)
    if index is None or index.ndim or axis == 0:
        raise Unsupported("anything but one fixed entry along an axis other than the batch")
    at = int(index) % shape[axis - 1]
    ranges = tuple((at, at + 1, 1) if i == axis - 1 else (0, size, 1) for i, size in enumerate(shape))
    _add(graph, op, "slice", op.inputs[:1], ranges=ranges)
    shorter = shape[: axis - 1] + shape[axis:]
    node = Node(name=f"{op.name}_reshape", kind="reshape", inputs=op.outputs[:1], attributes={"shape": shorter})
    graph.emit(op, node)


def _split(graph: GraphReader, op: Operator) -> None:
    shape = graph.shape(op.inputs[0])
    axis, given = op.attributes.get("axis", 0) % (len(shape) + 1), graph.constant(op, 1)
    if axis == 0:
        raise Unsupported("along the batch")
    count = len(op.outputs)
    even = -(-shape[axis - 1] // count)
    sizes = op.attributes.get("split") if given is None else given.tolist()
    sizes = sizes or [min(even, shape[axis - 1] - even * i) for i in range(count)]
    start = 0
    for output, size in enumerate(sizes):
        ranges = tuple((start, start + size, 1) if i == axis - 1 else (0, n, 1) for i, n in enumerate(shape))
        node = Node(name=f"{op.name}_{output}", kind="slice", inputs=op.inputs[:1], attributes={"ranges": ranges})
        graph.emit(op, node, output)
        start += size


def _flatten(graph: GraphReader, op: Operator) -> None:
    if op.attributes.get("axis", 1) % (len(graph.shape(op.inputs[0])) + 1) != 1:
        raise Unsupported("an axis other than 1")
    _add(graph, op, "flatten", op.inputs)


def _reshape(graph: GraphReader, op: Operator) -> None:
    shape, given = graph.shape(op.inputs[0]), graph.constant(op, 1)
    target = op.attributes["shape"] if given is None else [int(size) for size in given]
    keeps_zero = bool(op.attributes.get("allowzero", 0))
    sizes = [shape[i - 1] if size == 0 and i and not keeps_zero else size for i, size in enumerate(target)]
    rest, total = sizes[1:], math.prod(shape)
    if -1 in rest:
        known = math.prod(size for size in rest if size != -1)
        rest = [total // known if size == -1 and known else size for size in rest]
    keeps_batch = sizes[0] in (BATCH, -1, graph.fixed_batch) or (sizes[0] == 0 and not keeps_zero)
    if not keeps_batch or math.prod(rest) != total:
        raise Unsupported(f"a reshape of {shape} to {tuple(target)} that does not keep the batch")
    if len(rest) == 1:
        _add(graph, op, "flatten", op.inputs[:1])
    else:
        _add(graph, op, "reshape", op.inputs[:1], shape=tuple(rest))


def _transpose(graph: GraphReader, op: Operator) -> None:
    rank = len(graph.shape(op.inputs[0])) + 1
    order = tuple(op.attributes.get("perm", range(rank)[::-1]))
    if order[0] != 0:
        raise Unsupported("a transpose that moves the batch")
    _add(graph, op, "transpose", op.inputs, order=order)


def _squeeze(graph: GraphReader, op: Operator) -> None:
    shape = graph.shape(op.inputs[0])
    axes = _axes(graph, op, len(shape) + 1)
    drop = {i + 1 for i, size in enumerate(shape) if size == 1} if axes is None else set(axes)
    if 0 in drop:
        raise Unsupported("the batch axis")
    _add(graph, op, "reshape", op.inputs[:1], shape=tuple(size for i, size in enumerate(shape) if i + 1 not in drop))


def _unsqueeze(graph: GraphReader, op: Operator) -> None:
    shape = list(graph.shape(op.inputs[0]))
    given: Any = graph.constant(op, 1)
    given = op.attributes["axes"] if given is None else given
    axes = sorted(int(axis) % (len(shape) + 1 + len(given)) for axis in given)
    if 0 in axes:
        raise Unsupported("an axis before the batch")
    for axis in axes:
        shape.insert(axis - 1, 1)
    _add(graph, op, "reshape", op.inputs[:1], shape=tuple(shape))


OPERATORS: dict[str, Callable[[GraphReader, Operator], None]] = {
    "Conv": convert_conv, "Gemm": convert_gemm, "MatMul": convert_matmul, "BatchNormalization": convert_batch_norm,
    "Relu": _simple("relu"), "LeakyRelu": _simple("leaky_relu", alpha=0.01), "Sigmoid": _simple("sigmoid"),
    "HardSigmoid": _simple("hard_sigmoid", alpha=0.2, beta=0.5), "Tanh": _simple("tanh"), "Erf": _simple("erf"),
    "HardSwish": _simple("hard_swish"), "Sqrt": _simple("sqrt"), "Clip": _clip, "Softmax": _softmax, "Gelu": _gelu,
    "LayerNormalization": _layer_norm,
    "MaxPool": _pool("max_pool"), "AveragePool": _pool("avg_pool"), "GlobalAveragePool": _global_pool,
    "ReduceMean": _reduce_mean,
    "Add": _binary("add"), "Sub": _binary("sub"), "Mul": _binary("mul"), "Div": _binary("div"), "Sum": _binary("add"),
    "Concat": _concat, "Pad": _pad, "Slice": _slice, "Gather": _gather, "Split": _split, "Flatten": _flatten,
    "Reshape": _reshape, "Transpose": _transpose, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Identity": _identity, "Dropout": _identity, "Cast": _cast,
    "QuantizeLinear": _quantize, "DequantizeLinear": _identity,
}  # fmt: skip
"""ONNX operator -> what it adds to the network."""
