"""ONNX operators that become weight layers, and the quantisation grids of their weights."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import XbarsimError

if TYPE_CHECKING:
    from xbarsim.network.graph import Node
    from xbarsim.network.onnx_reader import GraphReader

_MEANINGLESS = re.compile(r"^(\w+::)?(\w*?_)?\d+$|^(val|const\w*|transpose\w*|t|getitem)_?\d*$")
_SUFFIX = re.compile(r"(_quantized|_DequantizeLinear\w*|_QuantizeLinear\w*|\.weight)+$")
_CODE_BITS = {"int4": (4, True), "uint4": (4, False), "int8": (8, True), "uint8": (8, False), "int16": (16, True),
              "uint16": (16, False), "int32": (32, True)}  # fmt: skip


class Unsupported(XbarsimError):  # noqa: N818 (collected into one ConfigError)
    """A node that cannot be imported; the text says why, where the operator alone does not."""


class Broken(Unsupported):
    """A node that no program can run."""


class Unfit(Unsupported):
    """A node whose operands have shapes that do not fit each other."""


class Mixing(Unsupported):
    """A node that computes something of all images of a batch together, or depends on how many there are."""


@dataclasses.dataclass(frozen=True)
class Operator:
    """One ONNX node: operator type, name, tensor names and plain attributes."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class CodeGrid:
    """A constant on a quantisation grid: values are (codes - zero_point) * scale, scale and zero point along axis."""

    codes: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int
    bits: int

    def values(self) -> np.ndarray:
        """Return the real values.

        Returns
        -------
        ndarray of float32
            Of the shape of ``codes`` [-].
        """
        steps = (self.codes - _lay(self.zero_point, self.axis, self.codes.ndim)).astype(np.float32)
        values: np.ndarray = steps * _lay(self.scale, self.axis, self.codes.ndim)
        return values

    def transpose(self, order: Sequence[int] | None) -> CodeGrid:
        """Return the grid of the constant with its axes in another order, reversed if None."""
        axes = list(range(self.codes.ndim))[::-1] if order is None else list(order)
        return dataclasses.replace(self, codes=self.codes.transpose(axes), axis=axes.index(self.axis) if axes else 0)


def dequantize_constant(graph: GraphReader, op: Operator) -> tuple[np.ndarray, CodeGrid | None]:
    """Read a DequantizeLinear whose inputs are all constant.

    Returns
    -------
    ndarray of float32, CodeGrid or None
        The real values, and their grid where it has one scale for each entry of an axis at most.
    """
    codes, scale, zero = graph.required(op, 0), graph.required(op, 1), graph.constant(op, 2)
    axis, block = op.attributes.get("axis", 1) % max(codes.ndim, 1), op.attributes.get("block_size", 0)
    if block:
        size = range(codes.shape[axis])
        scale = np.repeat(scale, block, axis).take(size, axis)
        zero = None if zero is None else np.repeat(zero, block, axis).take(size, axis)
    if block or str(codes.dtype) not in _CODE_BITS:
        steps = codes.astype(np.float32) - (0 if zero is None else _lay(zero.astype(np.float32), axis, codes.ndim))
        return np.asarray(steps * _lay(scale, axis, codes.ndim), np.float32), None
    bits, _ = code_type(codes)
    zero = np.zeros_like(scale, dtype=np.int64) if zero is None else zero.astype(np.int64)
    scale, zero = (field.reshape(()) if field.size == 1 else field for field in (scale, zero))
    grid = CodeGrid(codes.astype(np.int64), scale.astype(np.float32), zero, axis, bits)
    return grid.values(), grid


def _lay(field: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """Lay scales or zero points along an axis of codes; those of one value or of as many axes stay as they are."""
    if field.size == 1:
        return field.reshape(())
    return field if field.ndim == rank else field.reshape([-1 if i == axis else 1 for i in range(rank)])


def code_type(codes: np.ndarray) -> tuple[int, bool]:
    """Return bits and sign of integer codes by their type.

    Parameters
    ----------
    codes : ndarray of int, any shape
        Codes; their type alone counts.

    Returns
    -------
    int, bool
        Bits, and whether codes are signed.
    """
    name = str(codes.dtype)
    if name not in _CODE_BITS:
        raise Unsupported(f"codes of type {name}")
    return _CODE_BITS[name]


def add_conv(
    graph: GraphReader,
    op: Operator,
    tensor: str,
    weight: np.ndarray,
    shape: Sequence[int],
    sliding: dict[str, Any],
) -> None:
    """Add a convolution over two axes: groups, dilation, any padding, scales of its weights where they were quantised.

    Parameters
    ----------
    graph : GraphReader
        What has been read so far.
    op : Operator
        The convolution.
    tensor : str
        What it reads, an image.
    weight : ndarray, (out, in / groups, kh, kw)
        Its weights [-].
    shape : sequence of int
        Shape of the image.
    sliding : dict
        How the kernel slides, where the operator's own attributes do not say it.
    """
    bias = graph.constant(op, 2)
    if weight.ndim != 4 or len(shape) != 3:
        raise Broken(f"weight of shape {weight.shape} on {tuple(shape)}")
    attributes = {"in_channels": shape[0], "out_channels": weight.shape[0], "groups": op.attributes.get("group", 1)}
    if weight.shape[1] * attributes["groups"] != shape[0]:
        raise Broken(f"weight of shape {weight.shape} on {shape[0]} channels")
    attributes |= (sliding or read_sliding(op, shape, weight.shape[2:])) | weight_grid(graph, op.inputs[1], 0)
    name = graph.layer_name(op, op.inputs[1])
    graph.add(op, "conv2d", [tensor], attributes, name=name, weight=weight, bias=bias)


def read_gemm(graph: GraphReader, op: Operator) -> None:
    """Read a Gemm with a constant second operand as a linear layer; alpha and beta go into weight and bias."""
    weight, bias, tensor = graph.required(op, 1), graph.constant(op, 2), graph.tensor(op.inputs[0])
    if op.attributes.get("transA", 0) or tensor.dropped not in (None, 0):
        raise Unsupported("a first operand that is transposed")
    transposed = bool(op.attributes.get("transB", 0))
    alpha, beta = np.float32(op.attributes.get("alpha", 1.0)), np.float32(op.attributes.get("beta", 1.0))
    _linear(graph, op, weight if transposed else weight.T, 0 if transposed else 1, alpha)
    if bias is not None:
        add_bias(graph, op, graph.node_of(op.outputs[0]), bias * beta)


def read_matmul(graph: GraphReader, op: Operator) -> None:
    """Read a MatMul: a linear layer where one operand is a constant matrix, else a product of two activations."""
    first, second = (graph.is_constant(tensor) for tensor in op.inputs)
    if first:
        _read_left(graph, op)
    elif second:
        weight = graph.required(op, 1)
        if weight.ndim != 2 or graph.tensor(op.inputs[0]).dropped == len(graph.tensor(op.inputs[0]).shape) - 1:
            raise Unsupported(f"a constant of {weight.ndim} axes")
        _linear(graph, op, weight.T, 1, np.float32(1))
    else:
        ranks = {len(graph.tensor(name).shape) for name in op.inputs}
        gone = {graph.tensor(name).dropped for name in op.inputs}
        if len(ranks) > 1 or len(gone) > 1:
            raise Unsupported("operands of different axes")
        graph.add(op, "matmul", op.inputs)


def _read_left(graph: GraphReader, op: Operator) -> None:
    """Read a constant matrix times activations: a linear layer between two transpositions."""
    weight, tensor = graph.required(op, 0), graph.tensor(op.inputs[1])
    rank = len(tensor.value_shape) + 1
    if weight.ndim != 2 or rank < 3 or tensor.dropped not in (None, 0):
        raise Unsupported("a constant as its first operand")
    order = (*range(rank - 2), rank - 1, rank - 2)
    output = op.outputs[0]
    graph.add(op, "transpose", op.inputs[1:], {"order": order}, name=f"{op.name}_transpose")
    attributes = {
        "in_features": weight.shape[1],
        "out_features": weight.shape[0],
        **weight_grid(graph, op.inputs[0], 0),
    }
    name = graph.layer_name(op, op.inputs[0])
    graph.add(op, "linear", [output], attributes, name=name, weight=weight)
    graph.add(op, "transpose", [output], {"order": order})


def _linear(graph: GraphReader, op: Operator, weight: np.ndarray, axis: int, alpha: np.float32) -> None:
    grid = weight_grid(graph, op.inputs[1], axis)
    if alpha != 1:
        weight = weight * alpha
        grid = grid and {**grid, "weight_scale": grid["weight_scale"] * alpha}
    attributes = {"in_features": weight.shape[1], "out_features": weight.shape[0], **grid}
    name = graph.layer_name(op, op.inputs[1])
    graph.add(op, "linear", op.inputs[:1], attributes, name=name, weight=weight)


def weight_grid(graph: GraphReader, tensor: str, axis: int) -> dict[str, Any]:
    """Return scale and bits of a weight that was quantised in the file, nothing for a float weight."""
    grid = graph.grids.get(tensor)
    if grid is None:
        return {}
    if grid.scale.ndim and grid.axis != axis:
        raise Unsupported("weight scales that are not along its outputs")
    scale = np.broadcast_to(grid.scale, grid.codes.shape[axis]).astype(np.float32)
    largest = int(np.abs(grid.codes - _lay(grid.zero_point, grid.axis, grid.codes.ndim)).max(initial=0))
    fits = not grid.zero_point.any() and int(grid.codes.max(initial=0)) < 2 ** (grid.bits - 1)
    bits = grid.bits if fits else max(grid.bits, largest.bit_length() + 1)
    return {"weight_scale": scale, "weight_bits": bits}


def add_bias(graph: GraphReader, op: Operator, node: Node | None, bias: np.ndarray) -> None:
    """Add constants to the bias of a linear layer that has been read.

    Parameters
    ----------
    graph : GraphReader
        What has been read so far.
    op : Operator
        The addition.
    node : Node
        The linear layer.
    bias : ndarray, () or (..., outputs)
        Constants; one value, or one an output.
    """
    assert node is not None
    outputs = node.attributes["out_features"]
    if bias.size not in (1, outputs) or (bias.ndim and bias.shape[-1] not in (1, outputs)):
        raise Unsupported(f"a bias of shape {bias.shape}")
    flat = np.broadcast_to(bias.reshape(-1), (outputs,)).astype(np.float32)
    graph.replace(op, dataclasses.replace(node, bias=flat if node.bias is None else node.bias + flat))


def read_batch_norm(graph: GraphReader, op: Operator) -> None:
    """Fold a BatchNormalization into the weight layer before it; an affine node of its own where that cannot be."""
    gain, shift, mean, variance = (graph.required(op, i) for i in range(1, 5))
    if op.attributes.get("training_mode", 0):
        raise Unsupported("training mode")
    scale = gain.astype(np.float64) / np.sqrt(variance.astype(np.float64) + op.attributes.get("epsilon", 1e-5))
    offset = shift - mean * scale
    before = graph.layer_before(op.inputs[0])
    graph.shape(op.inputs[0])
    if before is None or not graph.is_sole(op.inputs[0]) or "weight_scale" in before.attributes:
        graph.add(op, "scale", op.inputs[:1], weight=as_float32(scale), bias=as_float32(offset))
        return
    assert before.weight is not None
    weight = before.weight * scale.reshape((-1,) + (1,) * (before.weight.ndim - 1))
    bias = offset if before.bias is None else before.bias * scale + offset
    graph.replace(op, dataclasses.replace(before, weight=as_float32(weight), bias=as_float32(bias)))
    graph.alias(op, op.inputs[0])


def as_float32(values: np.ndarray) -> np.ndarray:
    """Round weights that were computed in float64 to what a network holds.

    Parameters
    ----------
    values : ndarray, any shape
        Weights.

    Returns
    -------
    ndarray of float32, shape of ``values``
        Rounded.
    """
    return values.astype(np.float32)


def read_sliding(op: Operator, shape: Sequence[int], kernel: Sequence[int]) -> dict[str, Any]:
    """Read stride, dilation and padding (before all axes, then behind them) of a convolution or pooling window."""
    axes = len(kernel)
    stride = tuple(op.attributes.get("strides", (1,) * axes))
    dilation = tuple(op.attributes.get("dilations", (1,) * axes))
    auto = op.attributes.get("auto_pad", "NOTSET")
    padding = tuple(op.attributes.get("pads", (0,) * 2 * axes)) if auto == "NOTSET" else (0,) * 2 * axes
    if auto.startswith("SAME"):
        totals = [
            max(0, (-(-size // stride[axis]) - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1 - size)
            for axis, size in enumerate(shape[1:])
        ]
        less, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
        padding = (*less, *more) if auto == "SAME_UPPER" else (*more, *less)
    return {"kernel": tuple(kernel), "stride": stride, "padding": padding, "dilation": dilation}


def name_layer(root: str, node: str) -> str:
    """Name a layer after the initializer of its weight, or after its node where that says nothing.

    Parameters
    ----------
    root : str
        Name of the initializer, empty where there is none.
    node : str
        Name of the node.

    Returns
    -------
    str
    """
    root = _SUFFIX.sub("", root)
    return root if root and not _MEANINGLESS.match(root) else _module_path(node)


def _module_path(name: str) -> str:
    """Turn an exporter's node name into a module path: /layer1/layer1.0/conv1/Conv -> layer1.0.conv1."""
    parts = [part for part in name.split("/") if part]
    if len(parts) > 1 and re.fullmatch(r"(Conv|Gemm|MatMul)(_\d+)?", parts[-1]):
        parts.pop()
    path: list[str] = []
    for part in parts:
        if path and part.startswith(f"{path[-1]}."):
            path[-1] = part
        else:
            path.append(part)
    return ".".join(path) or name
