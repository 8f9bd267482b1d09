"""Readers of ONNX operators that become no weight layer: what each adds to the network being read.

The records of :mod:`xbarsim.network.kinds` name them. :data:`ALIASES` holds the operators that become no node.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.network.onnx_layers import BATCH, Operator, Unsupported, add_bias, as_float32, code_type, read_sliding

if TYPE_CHECKING:
    from xbarsim.network.graph import Node
    from xbarsim.network.kinds.record import Reader
    from xbarsim.network.onnx_import import GraphReader


def read_simple(kind: str, **defaults: float) -> Reader:
    """Return the reader of an operator on single values whose attributes are numbers; defaults are those of ONNX."""

    def convert(graph: GraphReader, op: Operator) -> None:
        settings = {key: float(op.attributes.get(key, value)) for key, value in defaults.items()}
        graph.add(op, kind, op.inputs[:1], settings)

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


def read_pool(kind: str) -> Reader:
    """Return the reader of a pool under a sliding kernel."""

    def convert(graph: GraphReader, op: Operator) -> None:
        shape, kernel = graph.shape(op.inputs[0]), tuple(op.attributes["kernel_shape"])
        if len(kernel) != 2 or len(shape) != 3:
            raise Unsupported("only two-dimensional pooling")
        if any(graph.reads[name] for name in op.outputs[1:]):
            raise Unsupported("the output of indices")
        attributes = read_sliding(op, shape, kernel) | {"ceil_mode": bool(op.attributes.get("ceil_mode", 0))}
        if kind == "avg_pool":
            attributes["count_include_pad"] = bool(op.attributes.get("count_include_pad", 0))
        graph.add(op, kind, op.inputs[:1], attributes)

    return convert


def read_global_pool(graph: GraphReader, op: Operator) -> None:
    """Read a mean over height and width."""
    graph.add(op, "global_avg_pool", op.inputs[:1], {"keepdims": True})


def read_reduce_mean(graph: GraphReader, op: Operator) -> None:
    """Read a mean along fixed axes; over height and width it is a global pool."""
    rank = len(graph.shape(op.inputs[0])) + 1
    axes = _axes(graph, op, rank)
    if axes is None or 0 in axes:
        raise Unsupported("a mean over the batch")
    keepdims = bool(op.attributes.get("keepdims", 1))
    if rank == 4 and axes == (2, 3):
        graph.add(op, "global_avg_pool", op.inputs[:1], {"keepdims": keepdims})
    else:
        graph.add(op, "mean", op.inputs[:1], {"axes": axes, "keepdims": keepdims})


def _axes(graph: GraphReader, op: Operator, rank: int, index: int = 1) -> tuple[int, ...] | None:
    """Return axes given as attribute or as input, sorted and counted from the front."""
    given: Any = graph.constant(op, index)
    given = op.attributes.get("axes") if given is None else given
    return None if given is None else tuple(sorted(int(axis) % rank for axis in np.atleast_1d(given)))


# ---- elementwise


def read_clip(graph: GraphReader, op: Operator) -> None:
    """Read limits given as attributes or constants."""
    limits = {}
    for index, key in ((1, "min"), (2, "max")):
        given = graph.constant(op, index)
        value = op.attributes.get(key) if given is None else given.reshape(())
        if value is not None:
            limits[key] = float(value)
    graph.add(op, "clip", op.inputs[:1], limits)


def read_binary(kind: str) -> Reader:
    """Return the reader of an operator on two or more operands; a constant added to a linear layer is its bias."""

    def convert(graph: GraphReader, op: Operator) -> None:
        constants = [graph.is_constant(tensor) for tensor in op.inputs]
        if not any(constants):
            graph.add(op, kind, op.inputs)
            return
        if len(op.inputs) != 2:
            raise Unsupported("constants among more than two operands")
        index = constants.index(True)
        constant, tensor = graph.required(op, index), op.inputs[1 - index]
        before = graph.node_of(tensor)
        if kind == "add" and _is_bias(graph, before, tensor, constant):
            add_bias(graph, op, before, constant)
            return
        graph.add(op, kind, [tensor], {"constant": as_float32(constant), "reverse": index == 0})

    return convert


def _is_bias(graph: GraphReader, before: Node | None, tensor: str, constant: np.ndarray) -> bool:
    """Whether a constant added to a layer of vectors that nobody else reads has one entry an output."""
    if before is None or not before.is_layer or before.has_kernel or graph.reads[tensor] != 1:
        return False
    return constant.shape[-1:] == (constant.size,) == (before.columns,)


def read_softmax(graph: GraphReader, op: Operator) -> None:
    """Read a softmax along one axis."""
    rank = len(graph.shape(op.inputs[0])) + 1
    axis = op.attributes.get("axis", -1 if graph.opset >= 13 else 1) % rank
    if axis == 0 or (graph.opset < 13 and axis != rank - 1):
        raise Unsupported(f"axis {axis} of {rank}")
    graph.add(op, "softmax", op.inputs, {"axis": axis})


def read_gelu(graph: GraphReader, op: Operator) -> None:
    """Read a GELU, exact or with tanh."""
    graph.add(op, "gelu", op.inputs, {"approximate": op.attributes.get("approximate", "none") == "tanh"})


def read_layer_norm(graph: GraphReader, op: Operator) -> None:
    """Read a layer normalisation with its gains and offsets."""
    rank = len(graph.shape(op.inputs[0])) + 1
    attributes = {"axis": op.attributes.get("axis", -1) % rank, "epsilon": float(op.attributes.get("epsilon", 1e-5))}
    weight, bias = graph.constant(op, 1), graph.constant(op, 2)
    graph.add(op, "layer_norm", op.inputs[:1], attributes, weight=weight, bias=bias)


def read_quantize(graph: GraphReader, op: Operator) -> None:
    """Read the grid of an activation."""
    scale, zero = graph.required(op, 1), graph.constant(op, 2)
    if scale.size != 1:
        raise Unsupported("activation scales by channel")
    if zero is None and op.attributes.get("output_dtype", 0) not in (0, 2):
        raise Unsupported("an output type without a zero point")
    bits, signed = (8, False) if zero is None else code_type(zero)
    point = 0 if zero is None else int(zero.reshape(()))
    attributes = {"scale": float(scale.reshape(())), "zero_point": point, "bits": bits, "signed": signed}
    graph.add(op, "quantize", op.inputs[:1], attributes)


# ---- shape


def read_concat(graph: GraphReader, op: Operator) -> None:
    """Read a concatenation along an axis other than the batch."""
    axis = op.attributes["axis"] % (len(graph.shape(op.inputs[0])) + 1)
    if axis == 0:
        raise Unsupported("along the batch")
    graph.add(op, "concat", op.inputs, {"axis": axis})


def read_pad(graph: GraphReader, op: Operator) -> None:
    """Read padding of any axis but the batch."""
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
    graph.add(op, "pad", op.inputs[:1], {"pads": each, "mode": mode, "value": fill})


def read_slice(graph: GraphReader, op: Operator) -> None:
    """Read ranges along any axis but the batch."""
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
    graph.add(op, "slice", op.inputs[:1], {"ranges": each})


def read_gather(graph: GraphReader, op: Operator) -> None:
    """Read one entry along an axis: a slice and a reshape."""
    shape, index = graph.shape(op.inputs[0]), graph.constant(op, 1)
    axis = op.attributes.get("axis", 0) % (len(shape) + 1)
    if index is None or index.ndim or axis == 0:
        raise Unsupported("anything but one fixed entry along an axis other than the batch")
    at = int(index) % shape[axis - 1]
    ranges = tuple((at, at + 1, 1) if i == axis - 1 else (0, size, 1) for i, size in enumerate(shape))
    graph.add(op, "slice", op.inputs[:1], {"ranges": ranges})
    shorter = shape[: axis - 1] + shape[axis:]
    graph.add(op, "reshape", op.outputs[:1], {"shape": shorter}, name=f"{op.name}_reshape")


def read_split(graph: GraphReader, op: Operator) -> None:
    """Read a split: one slice for each output."""
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
        graph.add(op, "slice", op.inputs[:1], {"ranges": ranges}, name=f"{op.name}_{output}", output=output)
        start += size


def read_flatten(graph: GraphReader, op: Operator) -> None:
    """Read a flattening of all but the batch."""
    if op.attributes.get("axis", 1) % (len(graph.shape(op.inputs[0])) + 1) != 1:
        raise Unsupported("an axis other than 1")
    graph.add(op, "flatten", op.inputs)


def read_reshape(graph: GraphReader, op: Operator) -> None:
    """Read a reshape that keeps the batch."""
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
        graph.add(op, "flatten", op.inputs[:1])
    else:
        graph.add(op, "reshape", op.inputs[:1], {"shape": tuple(rest)})


def read_transpose(graph: GraphReader, op: Operator) -> None:
    """Read a transposition that keeps the batch first."""
    rank = len(graph.shape(op.inputs[0])) + 1
    order = tuple(op.attributes.get("perm", range(rank)[::-1]))
    if order[0] != 0:
        raise Unsupported("a transpose that moves the batch")
    graph.add(op, "transpose", op.inputs, {"order": order})


def read_squeeze(graph: GraphReader, op: Operator) -> None:
    """Read the removal of axes of size 1: a reshape."""
    shape = graph.shape(op.inputs[0])
    axes = _axes(graph, op, len(shape) + 1)
    drop = {i + 1 for i, size in enumerate(shape) if size == 1} if axes is None else set(axes)
    if 0 in drop:
        raise Unsupported("the batch axis")
    graph.add(op, "reshape", op.inputs[:1], {"shape": tuple(size for i, size in enumerate(shape) if i + 1 not in drop)})


def read_unsqueeze(graph: GraphReader, op: Operator) -> None:
    """Read the insertion of axes of size 1: a reshape."""
    shape = list(graph.shape(op.inputs[0]))
    given: Any = graph.constant(op, 1)
    given = op.attributes["axes"] if given is None else given
    axes = sorted(int(axis) % (len(shape) + 1 + len(given)) for axis in given)
    if 0 in axes:
        raise Unsupported("an axis before the batch")
    for axis in axes:
        shape.insert(axis - 1, 1)
    graph.add(op, "reshape", op.inputs[:1], {"shape": tuple(shape)})


ALIASES: dict[str, Reader] = {
    "Identity": _identity,
    "Dropout": _identity,
    "Cast": _cast,
    "DequantizeLinear": _identity,
}
"""ONNX operator whose output is its input -> its reader."""
