"""Shape rules of every kind of node: one table, which is also the list of kinds that exist.

Shapes leave the batch out. ``axis`` attributes count it: axis 1 is the first axis of a shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xbarsim.errors import ConfigError

if TYPE_CHECKING:
    from xbarsim.network.graph import Node

Shape = tuple[int, ...]
Rule = Callable[["Node", Sequence[Shape]], Shape]


def infer_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    """Return the output shape of a node, after checking it against its inputs.

    Parameters
    ----------
    node : Node
        The node; weights, where present, are checked against the attributes.
    inputs : sequence of tuple of int
        Shapes of its inputs, without the batch.

    Returns
    -------
    tuple of int
        Shape of its output, without the batch.

    Raises
    ------
    ConfigError
        If the kind is unknown, or sizes do not fit; the message names the node.
    """
    rule = SHAPES.get(node.kind)
    if rule is None:
        raise ConfigError(f"node {node.name}: unknown kind {node.kind!r}; known: {', '.join(sorted(SHAPES))}")
    if not inputs:
        raise ConfigError(f"node {node.name}: {node.kind} has no input")
    if len(inputs) > 1 and node.kind not in MANY_INPUTS:
        raise ConfigError(f"node {node.name}: {node.kind} takes one input, not {len(inputs)}")
    try:
        shape = rule(node, inputs)
    except KeyError as error:
        raise ConfigError(f"node {node.name}: {node.kind} needs the attribute {error.args[0]!r}") from None
    if any(size < 1 for size in shape):
        raise ConfigError(f"node {node.name}: {node.kind} on {_shown(inputs)} gives an empty output {shape}")
    return shape


def slide_sizes(size: Sequence[int], attributes: Mapping[str, Any]) -> tuple[int, int]:
    """Return the output height and width of a kernel that slides over an image of the given size."""
    (kh, kw), (sh, sw) = attributes["kernel"], attributes["stride"]
    top, left, bottom, right = attributes["padding"]
    dh, dw = attributes.get("dilation", (1, 1))
    high, wide = size[0] + top + bottom - dh * (kh - 1) - 1, size[1] + left + right - dw * (kw - 1) - 1
    if attributes.get("ceil_mode", False):
        return _ceil_count(high, sh, size[0] + top), _ceil_count(wide, sw, size[1] + left)
    return high // sh + 1, wide // sw + 1


def _ceil_count(span: int, stride: int, end: int) -> int:
    """Count windows when the last may hang over, as long as it starts inside the image or its front padding."""
    count = -(-span // stride) + 1
    return count - 1 if (count - 1) * stride >= end else count


def _shown(inputs: Sequence[Shape]) -> str:
    return ", ".join(str(shape) for shape in inputs)


def _image(node: Node, shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ConfigError(f"node {node.name}: {node.kind} needs (channels, height, width), not {shape}")
    return shape


def _check_weight(node: Node, weight: Shape, outputs: int) -> None:
    if node.weight is not None and node.weight.shape != weight:
        raise ConfigError(f"layer {node.name}: weight has shape {node.weight.shape}, expected {weight}")
    if node.bias is not None and node.bias.shape != (outputs,):
        raise ConfigError(f"layer {node.name}: bias has shape {node.bias.shape}, expected {(outputs,)}")


def _conv2d(node: Node, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = _image(node, inputs[0])
    a = node.attributes
    fan_in, outputs, groups = a["in_channels"], a["out_channels"], a["groups"]
    if channels != fan_in:
        raise ConfigError(f"layer {node.name}: expects {fan_in} input channels, its input has {channels}")
    if min(fan_in, outputs, groups, *a["kernel"], *a["stride"], *a["dilation"]) < 1 or min(a["padding"]) < 0:
        raise ConfigError(f"layer {node.name}: channels, kernel, stride, dilation and groups must be at least 1")
    if fan_in % groups or outputs % groups:
        raise ConfigError(f"layer {node.name}: {fan_in} and {outputs} channels do not divide into {groups} groups")
    _check_weight(node, (outputs, fan_in // groups, *a["kernel"]), outputs)
    return (outputs, *slide_sizes((height, width), a))


def _linear(node: Node, inputs: Sequence[Shape]) -> Shape:
    fan_in, outputs = node.attributes["in_features"], node.attributes["out_features"]
    if min(fan_in, outputs) < 1:
        raise ConfigError(f"layer {node.name}: in_features and out_features must be at least 1")
    if inputs[0][-1] != fan_in:
        raise ConfigError(f"layer {node.name}: expects {fan_in} input features, its input has {inputs[0][-1]}")
    _check_weight(node, (outputs, fan_in), outputs)
    return (*inputs[0][:-1], outputs)


def _pool(node: Node, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = _image(node, inputs[0])
    a = node.attributes
    if min(*a["kernel"], *a["stride"]) < 1 or min(a["padding"]) < 0:
        raise ConfigError(f"node {node.name}: kernel and stride must be at least 1, padding at least 0")
    if any(side >= size for side, size in zip(a["padding"], (*a["kernel"], *a["kernel"]), strict=True)):
        raise ConfigError(f"node {node.name}: padding {a['padding']} is not smaller than the kernel {a['kernel']}")
    return (channels, *slide_sizes((height, width), a))


def _mean(node: Node, inputs: Sequence[Shape]) -> Shape:
    return _reduced(inputs[0], node.attributes["axes"], node.attributes.get("keepdims", True))


def _global_avg_pool(node: Node, inputs: Sequence[Shape]) -> Shape:
    return _reduced(_image(node, inputs[0]), (2, 3), node.attributes.get("keepdims", True))


def _reduced(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    kept = ((1 if axis + 1 in axes else size) if keepdims else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(kept) if keepdims or axis + 1 not in axes)


def _same(node: Node, inputs: Sequence[Shape]) -> Shape:
    return inputs[0]


def _broadcast(node: Node, inputs: Sequence[Shape]) -> Shape:
    shapes = [(1, *shape) for shape in inputs]
    if "constant" in node.attributes:
        shapes.append(tuple(node.attributes["constant"].shape))
    rank = max(map(len, shapes))
    shape = []
    for sizes in zip(*((1,) * (rank - len(each)) + tuple(each) for each in shapes), strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ConfigError(f"node {node.name}: {node.kind} of shapes {_shown(inputs)} that do not match")
        shape.append(max(sizes))
    if shape[0] != 1 or rank > max(len(each) + 1 for each in inputs):
        raise ConfigError(f"node {node.name}: {node.kind} with a constant that reaches over the batch")
    return tuple(shape[1:])


def _scale(node: Node, inputs: Sequence[Shape]) -> Shape:
    for field in (node.weight, node.bias):
        if field is not None and field.shape != (inputs[0][0],):
            raise ConfigError(f"node {node.name}: scale of {field.shape} on an input of {inputs[0]}")
    return inputs[0]


def _concat(node: Node, inputs: Sequence[Shape]) -> Shape:
    axis = node.attributes.get("axis", 1) - 1
    rest = {shape[:axis] + shape[axis + 1 :] for shape in inputs}
    if len(rest) > 1 or axis >= len(inputs[0]):
        raise ConfigError(f"node {node.name}: concat of shapes {_shown(inputs)} along axis {axis + 1}")
    return (*inputs[0][:axis], sum(shape[axis] for shape in inputs), *inputs[0][axis + 1 :])


def _pad(node: Node, inputs: Sequence[Shape]) -> Shape:
    pads = node.attributes["pads"]
    if len(pads) != len(inputs[0]):
        raise ConfigError(f"node {node.name}: {len(pads)} pads for an input of {inputs[0]}")
    return tuple(size + before + after for size, (before, after) in zip(inputs[0], pads, strict=True))


def _slice(node: Node, inputs: Sequence[Shape]) -> Shape:
    ranges = node.attributes["ranges"]
    if len(ranges) != len(inputs[0]):
        raise ConfigError(f"node {node.name}: {len(ranges)} ranges for an input of {inputs[0]}")
    return tuple(len(range(size)[slice(*each)]) for size, each in zip(inputs[0], ranges, strict=True))


def _flatten(node: Node, inputs: Sequence[Shape]) -> Shape:
    return (math.prod(inputs[0]),)


def _reshape(node: Node, inputs: Sequence[Shape]) -> Shape:
    shape = tuple(node.attributes["shape"])
    if math.prod(shape) != math.prod(inputs[0]):
        raise ConfigError(f"node {node.name}: reshape of {inputs[0]} to {shape}")
    return shape


def _transpose(node: Node, inputs: Sequence[Shape]) -> Shape:
    order = tuple(node.attributes["order"])
    if sorted(order) != list(range(len(inputs[0]) + 1)) or order[0] != 0:
        raise ConfigError(f"node {node.name}: transpose order {order} of {inputs[0]} must leave the batch first")
    return tuple(inputs[0][axis - 1] for axis in order[1:])


def _matmul(node: Node, inputs: Sequence[Shape]) -> Shape:
    first, second = inputs
    if len(first) < 2 or len(first) != len(second) or first[:-2] != second[:-2] or first[-1] != second[-2]:
        raise ConfigError(f"node {node.name}: matmul of {first} and {second}")
    return (*first[:-1], second[-1])


MANY_INPUTS = ("add", "sub", "mul", "div", "concat", "matmul")

SHAPES: dict[str, Rule] = {
    "conv2d": _conv2d, "linear": _linear, "matmul": _matmul, "scale": _scale,
    "max_pool": _pool, "avg_pool": _pool, "global_avg_pool": _global_avg_pool, "mean": _mean,
    "add": _broadcast, "sub": _broadcast, "mul": _broadcast, "div": _broadcast,
    "concat": _concat, "pad": _pad, "slice": _slice,
    "flatten": _flatten, "reshape": _reshape, "transpose": _transpose,
    **dict.fromkeys(("relu", "clip", "leaky_relu", "sigmoid", "hard_sigmoid", "tanh", "hard_swish", "softmax"), _same),
    **dict.fromkeys(("erf", "sqrt", "gelu", "layer_norm", "quantize"), _same),
}  # fmt: skip
"""Kind of node -> rule of its output shape."""
