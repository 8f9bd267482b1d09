"""ONNX operators that become weight layers between other nodes.

Convolutions of one and three axes, transposed ones, and the input weights of recurrent layers. Where a convolution has
groups, its windows or pixels are an image of one row, under a grouped convolution with a kernel of one pixel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.network.onnx_layers import Broken, Operator, Unsupported, add_conv, read_sliding, weight_grid

if TYPE_CHECKING:
    from xbarsim.network.onnx_reader import GraphReader


def read_conv(graph: GraphReader, op: Operator) -> None:
    """Read a Conv of one, two or three axes."""
    axes = graph.required(op, 1).ndim - 2
    if axes == 1:
        _read_line(graph, op)
    elif axes == 2:
        add_conv(graph, op, op.inputs[0], graph.required(op, 1), graph.shape(op.inputs[0]), {})
    else:
        _read_volume(graph, op)


def _read_line(graph: GraphReader, op: Operator) -> None:
    """Read a convolution along one axis as one over an image of one row."""
    weight, shape = graph.required(op, 1), graph.shape(op.inputs[0])
    channels, length = shape
    a = read_sliding(op, shape, weight.shape[2:])
    before, after = a["padding"][:2]
    attributes = {
        "kernel": (1, *a["kernel"]), "stride": (1, *a["stride"][:1]), "dilation": (1, *a["dilation"][:1]),
        "padding": (0, before, 0, after),
    }  # fmt: skip
    image = graph.reshaped(op, op.inputs[0], (channels, 1, length))
    add_conv(graph, op, image, weight[:, :, None], (channels, 1, length), attributes)


def _read_volume(graph: GraphReader, op: Operator) -> None:
    """Read a convolution of three axes as a product with its windows."""
    weight, bias, shape = graph.required(op, 1), graph.constant(op, 2), graph.shape(op.inputs[0])
    if weight.shape[1] * op.attributes.get("group", 1) != shape[0]:
        raise Broken(f"weight of shape {weight.shape} on {shape[0]} channels")
    output = op.outputs[0]
    windows = math.prod(graph.shape(output)[1:])
    graph.add(op, "unfold", op.inputs[:1], read_sliding(op, shape, weight.shape[2:]), name=f"{op.name}_unfold")
    _add_product(graph, op, output, windows, weight.reshape(len(weight), -1), bias)
    graph.add(op, "transpose", [output], {"order": (0, 2, 1)}, name=f"{op.name}_transpose")


def _add_product(
    graph: GraphReader, op: Operator, tensor: str, vectors: int, weight: np.ndarray, bias: np.ndarray | None
) -> None:
    """Multiply vectors, (vectors, numbers), by the weight (outputs, numbers of a group): (vectors, outputs)."""
    groups, output = op.attributes.get("group", 1), op.outputs[0]
    if groups == 1:
        _add_linear(graph, op, tensor, weight, 0, bias)
        return
    numbers, outputs = weight.shape[1] * groups, len(weight)
    graph.add(op, "transpose", [tensor], {"order": (0, 2, 1)}, name=f"{op.name}_columns")
    row = graph.reshaped(op, output, (numbers, 1, vectors))
    attributes = {
        "in_channels": numbers, "out_channels": outputs, "groups": groups, "kernel": (1, 1), "stride": (1, 1),
        "dilation": (1, 1), "padding": (0, 0, 0, 0), **weight_grid(graph, op.inputs[1], 0),
    }  # fmt: skip
    name = graph.layer_name(op, op.inputs[1])
    graph.add(op, "conv2d", [row], attributes, name=name, weight=weight[:, :, None, None], bias=bias)
    flat = graph.reshaped(op, output, (outputs, vectors))
    graph.add(op, "transpose", [flat], {"order": (0, 2, 1)}, name=f"{op.name}_rows")


def _add_linear(
    graph: GraphReader, op: Operator, tensor: str, weight: np.ndarray, axis: int, bias: np.ndarray | None
) -> None:
    attributes = {"in_features": weight.shape[1], "out_features": len(weight), **weight_grid(graph, op.inputs[1], axis)}
    name = graph.layer_name(op, op.inputs[1])
    graph.add(op, "linear", [tensor], attributes, name=name, weight=weight, bias=bias)


def read_transposed(graph: GraphReader, op: Operator) -> None:
    """Read a ConvTranspose as a product with pixels whose results are added where they overlap."""
    weight, bias, shape = graph.required(op, 1), graph.constant(op, 2), graph.shape(op.inputs[0])
    groups = op.attributes.get("group", 1)
    if len(weight) != shape[0] or shape[0] % groups:
        raise Broken(f"weight of shape {weight.shape} on {shape[0]} channels in {groups} groups")
    if op.inputs[1] in graph.grids:
        raise Unsupported("codes of a transposed convolution")
    kernel, size = weight.shape[2:], graph.shape(op.outputs[0])[1:]
    axes, output = len(kernel), op.outputs[0]
    stride = tuple(op.attributes.get("strides", (1,) * axes))
    dilation = tuple(op.attributes.get("dilations", (1,) * axes))
    pads = tuple(op.attributes.get("pads", (0,) * 2 * axes))
    auto = op.attributes.get("auto_pad", "NOTSET")
    if auto.startswith("SAME") or "output_shape" in op.attributes:
        more = op.attributes.get("output_padding", (0,) * axes)
        held = [
            stride[i] * (shape[1 + i] - 1) + more[i] + dilation[i] * (kernel[i] - 1) + 1 - size[i] for i in range(axes)
        ]
        if min(held) < 0:
            raise Unsupported("an output larger than its windows")
        pads = tuple(total // 2 if auto == "SAME_UPPER" else total - total // 2 for total in held)
    flat = graph.reshaped(op, op.inputs[0], (shape[0], math.prod(shape[1:])))
    graph.add(op, "transpose", [flat], {"order": (0, 2, 1)}, name=f"{op.name}_pixels")
    inputs = len(weight) // groups
    columns = weight.reshape(groups, inputs, -1).transpose(0, 2, 1).reshape(-1, inputs)
    _add_product(graph, op, output, math.prod(shape[1:]), np.ascontiguousarray(columns), None)
    attributes = {
        "kernel": tuple(kernel), "stride": stride, "dilation": dilation, "padding": pads[:axes],
        "windows": tuple(shape[1:]), "size": tuple(size),
    }  # fmt: skip
    graph.add(op, "fold", [output], attributes, name=f"{op.name}_fold")
    if bias is not None:
        graph.add(op, "scale", [output], name=f"{op.name}_bias", bias=bias)


def read_recurrent(graph: GraphReader, op: Operator) -> None:
    """Read a recurrent layer: its input weights go to arrays, those of two directions side by side.

    The recurrence runs in ONNX Runtime, on what the arrays give each direction.
    """
    weight, state = graph.required(op, 1), graph.required(op, 2)
    bias, tensor = graph.constant(op, 3), graph.tensor(op.inputs[0])
    if (tensor.dropped != 1 and tensor.shape[1] != 1) or op.attributes.get("layout", 0) or op.inputs[1] in graph.grids:
        raise Unsupported("images that are not axis 1, or codes")
    ways, gates, hidden = weight.shape[0], weight.shape[1], state.shape[-1]
    given = np.zeros((ways, 2 * gates), np.float32) if bias is None else bias
    mixed = f"{op.outputs[0]}::gates"
    _add_linear(graph, op, op.inputs[0], weight.reshape(ways * gates, -1), 0, given[:, :gates].reshape(-1))
    own = np.eye(ways * gates, dtype=np.float32).reshape(ways, gates, -1)
    constants: dict[str, Any] = {
        f"{mixed}::w": own, f"{mixed}::r": state,
        f"{mixed}::b": np.concatenate([np.zeros((ways, gates), np.float32), given[:, gates:]], axis=1),
    }  # fmt: skip
    operations = tensor.shape[0] * ways * gates * hidden
    graph.add_rest(op, mixed, (*tensor.shape[:2], ways * gates), constants, operations)
