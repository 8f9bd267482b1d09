"""Readers of ONNX operators that become no weight layer: what each adds to the network being read.

The records of :mod:`xbarsim.network.kinds` name them. :data:`ALIASES` holds the operators that become no node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.network.onnx_infer import numpy_type
from xbarsim.network.onnx_layers import Broken, Operator, Unsupported, add_bias, as_float32, code_type, read_sliding
from xbarsim.network.onnx_value import FLOATS

if TYPE_CHECKING:
    from xbarsim.network.graph import Node
    from xbarsim.network.kinds.record import Reader
    from xbarsim.network.onnx_reader import GraphReader


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
    """Read a cast among float types, or of an input of integers, which images hold as floats already."""
    name = op.inputs[0]
    if op.attributes["to"] not in FLOATS or not (graph.tensor(name).kind in FLOATS or graph.is_input(name)):
        raise Unsupported("a cast of or to integers")
    graph.alias(op, name)


def _dequantize(graph: GraphReader, op: Operator) -> None:
    """Read codes as the values they stand for, where they are taken on the grid that they were made on."""
    grid, scale, zero = graph.grid(op.inputs[0]), graph.required(op, 1), graph.constant(op, 2)
    point = 0 if zero is None else int(zero.reshape(()))
    if grid is None or scale.size != 1 or (np.float32(grid["scale"]), grid["zero_point"]) != (scale.item(), point):
        raise Unsupported("another grid than that of its codes")
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
    tensor = graph.tensor(op.inputs[0])
    axes = _axes(graph, op, len(tensor.shape))
    if not axes and op.attributes.get("noop_with_empty_axes", 0):
        graph.alias(op, op.inputs[0])
        return
    axes = axes or tuple(range(len(tensor.shape)))
    own = tuple(tensor.axis(axis) for axis in axes)
    keepdims = bool(op.attributes.get("keepdims", 1))
    if len(tensor.value_shape) == 3 and own == (2, 3):
        graph.add(op, "global_avg_pool", op.inputs[:1], {"keepdims": keepdims})
    else:
        graph.add(op, "mean", op.inputs[:1], {"axes": own, "keepdims": keepdims})


def _axes(graph: GraphReader, op: Operator, rank: int) -> tuple[int, ...] | None:
    """Return axes given as attribute or as input, sorted and counted from the front."""
    given: Any = graph.constant(op, 1)
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
            graph.add(op, kind, [_widened(graph, op, tensor) for tensor in op.inputs])
            return
        if len(op.inputs) != 2:
            raise Unsupported("constants among more than two operands")
        index = constants.index(True)
        constant, tensor = graph.required(op, index), op.inputs[1 - index]
        before = graph.node_of(tensor)
        if kind == "add" and _is_bias(graph, before, tensor, constant):
            add_bias(graph, op, before, constant)
            return
        operand = _narrowed(graph, op, constant)
        graph.add(op, kind, [_widened(graph, op, tensor)], {"constant": as_float32(operand), "reverse": index == 0})

    return convert


def _widened(graph: GraphReader, op: Operator, tensor: str) -> str:
    """Give an operand as many axes as the result has."""
    result, operand = graph.tensor(op.outputs[0]), graph.tensor(tensor)
    if operand.dropped == result.dropped and len(operand.shape) == len(result.shape):
        return tensor
    full = [1] * (len(result.shape) - len(operand.shape)) + list(operand.shape)
    if result.dropped is not None:
        full.pop(result.dropped)
    return graph.reshaped(op, tensor, full or [1])


def _narrowed(graph: GraphReader, op: Operator, constant: np.ndarray) -> np.ndarray:
    """Leave out of a constant the axis that the network leaves out of the result, with the images in front."""
    result = graph.tensor(op.outputs[0])
    if result.dropped == 0:
        return constant
    full = constant.reshape([1] * (len(result.shape) - constant.ndim) + list(constant.shape))
    return full[np.newaxis] if result.dropped is None else np.moveaxis(full, result.dropped, 0)


def _is_bias(graph: GraphReader, before: Node | None, tensor: str, constant: np.ndarray) -> bool:
    """Whether a constant added to a layer of vectors that nobody else reads has one entry an output."""
    if before is None or not before.is_layer or before.has_kernel or not graph.is_sole(tensor):
        return False
    if tuple(before.shape) != graph.tensor(tensor).value_shape:
        return False
    return constant.shape[-1:] == (constant.size,) == (before.columns,) and bool(np.isfinite(constant).all())


def read_softmax(graph: GraphReader, op: Operator) -> None:
    """Read a softmax along one axis."""
    tensor = graph.tensor(op.inputs[0])
    rank = len(tensor.shape)
    axis = op.attributes.get("axis", -1 if graph.opset >= 13 else 1) % rank
    if graph.opset < 13 and axis != rank - 1:
        raise Unsupported(f"axis {axis} of {rank}")
    graph.add(op, "softmax", op.inputs, {"axis": tensor.axis(axis)})


def read_gelu(graph: GraphReader, op: Operator) -> None:
    """Read a GELU, exact or with tanh."""
    graph.add(op, "gelu", op.inputs, {"approximate": op.attributes.get("approximate", "none") == "tanh"})


def read_peak(graph: GraphReader, op: Operator) -> None:
    """Read the largest magnitude of every vector, a function of files that this package writes."""
    tensor = graph.tensor(op.inputs[0])
    if tensor.dropped is not None and tensor.dropped == len(tensor.shape) - 1:
        raise Unsupported("over the batch")
    graph.add(op, "peak", op.inputs)


def read_layer_norm(graph: GraphReader, op: Operator) -> None:
    """Read a layer normalisation with its gains and offsets."""
    tensor = graph.tensor(op.inputs[0])
    axis = op.attributes.get("axis", -1) % len(tensor.shape)
    if tensor.dropped is not None and axis <= tensor.dropped:
        raise Unsupported("over the batch")
    attributes = {"axis": tensor.axis(axis), "epsilon": float(op.attributes.get("epsilon", 1e-5))}
    weight, bias = graph.constant(op, 1), graph.constant(op, 2)
    graph.add(op, "layer_norm", op.inputs[:1], attributes, weight=weight, bias=bias)


def read_quantize(graph: GraphReader, op: Operator) -> None:
    """Read the grid of an activation."""
    scale, zero = graph.required(op, 1), graph.constant(op, 2)
    if scale.size != 1:
        raise Unsupported("activation scales by channel")
    bits, signed = (8, False) if zero is None else code_type(zero)
    if zero is None and (kind := op.attributes.get("output_dtype", 0)):
        bits, signed = code_type(np.zeros((), numpy_type(kind)))
    point = 0 if zero is None else int(zero.reshape(()))
    if bits not in (4, 8, 16):
        raise Unsupported(f"codes of {bits} bits")
    attributes = {"scale": float(scale.reshape(())), "zero_point": point, "bits": bits, "signed": signed}
    graph.add(op, "quantize", op.inputs[:1], attributes)
    graph.mark_codes(op.outputs[0], attributes)


# ---- shape


def read_concat(graph: GraphReader, op: Operator) -> None:
    """Read a concatenation along an axis other than the batch, constants among its parts."""
    result = graph.tensor(op.outputs[0])
    rank = len(result.shape)
    axis = result.axis(op.attributes["axis"] % rank)
    computed = [name for name in op.inputs if not graph.is_constant(name)]
    if any(graph.tensor(name).dropped != result.dropped for name in computed):
        raise Unsupported("along the batch")
    attributes: dict[str, Any] = {"axis": axis}
    if len(computed) < len(op.inputs):
        parts = []
        for place, name in enumerate(op.inputs):
            if name not in computed:
                value = graph.required(op, place)
                value = value[np.newaxis] if result.dropped is None else np.moveaxis(value, result.dropped, 0)
                parts.append((place, as_float32(value)))
        attributes["constants"] = tuple(parts)
    graph.add(op, "concat", computed, attributes)


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
    tensor = graph.tensor(op.inputs[0])
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
    ranges: list[Any] = [(0, size, 1) for size in tensor.value_shape]
    for axis, start, end, step in np.transpose([axes, starts, ends, steps]).tolist():
        axis %= len(tensor.shape)
        if axis == tensor.dropped:
            continue  # all of it: a part would not leave the batch as it is, which has been checked
        size = tensor.shape[axis]
        ranges[tensor.axis(axis) - 1] = slice(start, end, step).indices(size)
    # a range that runs down to the first entry ends at -1, which would count from the back
    each = tuple((a, None if step < 0 and b < 0 else b, step) for a, b, step in ranges)
    graph.add(op, "slice", op.inputs[:1], {"ranges": each})


def read_gather(graph: GraphReader, op: Operator) -> None:
    """Read one entry along an axis: a slice and a reshape."""
    tensor, index = graph.tensor(op.inputs[0]), graph.constant(op, 1)
    if index is None or index.size != 1:
        raise Unsupported("anything but one fixed entry")
    axis = op.attributes.get("axis", 0) % len(tensor.shape)
    if not -tensor.shape[axis] <= int(index.reshape(())) < tensor.shape[axis]:
        raise Broken(f"entry {int(index.reshape(()))} of an axis of {tensor.shape[axis]}")
    own, at = tensor.axis(axis) - 1, int(index.reshape(())) % tensor.shape[axis]
    ranges = tuple((at, at + 1, 1) if i == own else (0, size, 1) for i, size in enumerate(tensor.value_shape))
    graph.add(op, "slice", op.inputs[:1], {"ranges": ranges})
    shape = graph.tensor(op.outputs[0]).value_shape
    graph.add(op, "reshape", op.outputs[:1], {"shape": shape}, name=f"{op.name}_reshape")


def read_split(graph: GraphReader, op: Operator) -> None:
    """Read a split: one slice for each output."""
    tensor, given = graph.tensor(op.inputs[0]), graph.constant(op, 1)
    axis = op.attributes.get("axis", 0) % len(tensor.shape)
    own, total = tensor.axis(axis) - 1, tensor.shape[axis]
    count = len(op.outputs)
    even = -(-total // count)
    sizes = op.attributes.get("split") if given is None else given.tolist()
    sizes = sizes or [min(even, total - even * i) for i in range(count)]
    start = 0
    for output, size in enumerate(sizes):
        ranges = tuple((start, start + size, 1) if i == own else (0, n, 1) for i, n in enumerate(tensor.value_shape))
        if op.outputs[output]:
            graph.add(op, "slice", op.inputs[:1], {"ranges": ranges}, name=f"{op.name}_{output}", output=output)
        start += size


def read_flatten(graph: GraphReader, op: Operator) -> None:
    """Read a flattening."""
    read_reshape(graph, op)


def read_reshape(graph: GraphReader, op: Operator) -> None:
    """Read a new shape of the same values."""
    shape = graph.tensor(op.outputs[0]).value_shape
    if len(shape) == 1 and op.kind in ("Reshape", "Flatten"):
        graph.add(op, "flatten", op.inputs[:1])
    else:
        graph.add(op, "reshape", op.inputs[:1], {"shape": shape})


def read_transpose(graph: GraphReader, op: Operator) -> None:
    """Read a transposition; where it moves the batch, the network's value keeps its images in front."""
    tensor = graph.tensor(op.inputs[0])
    order = op.attributes.get("perm", range(len(tensor.shape))[::-1])
    own = (0, *(tensor.axis(axis) for axis in order if axis != tensor.dropped))
    if own == tuple(range(len(own))) and tuple(order) != tuple(range(len(order))):
        graph.add(op, "reshape", op.inputs[:1], {"shape": tensor.value_shape})
    else:
        graph.add(op, "transpose", op.inputs[:1], {"order": own})


ALIASES: dict[str, Reader] = {
    "Identity": _identity,
    "Dropout": _identity,
    "Cast": _cast,
    "DequantizeLinear": _dequantize,
}
"""ONNX operator whose output is its input -> its reader."""
