"""Operators that move values or leave some out, and rounding to the grid of a quantised network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.codes import round_codes
from xbarsim.network.kinds.record import (
    MANY,
    NO_LAYER,
    NO_TORCH,
    NOT_IN_YAML,
    ONE,
    REQUIRED,
    Codes,
    Kind,
    Reach,
    Setting,
    Shape,
    TimingClass,
)
from xbarsim.network.kinds.rule import (
    always,
    no_work,
    same_moments,
    same_shape,
    show_shapes,
    sign_of_inputs,
    unknown_sign,
)
from xbarsim.network.kinds.setting import as_given, count_axis, read_ranges, read_real, read_whole, read_wholes
from xbarsim.network.onnx_operators import (
    read_concat,
    read_flatten,
    read_gather,
    read_pad,
    read_quantize,
    read_reshape,
    read_slice,
    read_split,
    read_transpose,
)
from xbarsim.network.onnx_qonnx import read_bipolar, read_quant, read_trunc
from xbarsim.network.onnx_writers import (
    write_bipolar,
    write_concat,
    write_flatten,
    write_pad,
    write_quantize,
    write_reshape,
    write_slice,
    write_transpose,
)

if TYPE_CHECKING:
    from xbarsim.network.graph import Node


def _concat_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    axis = node.attributes.get("axis", 1) - 1
    inputs = [*inputs, *(part.shape[1:] for _, part in node.attributes.get("constants", ()))]
    rest = {shape[:axis] + shape[axis + 1 :] for shape in inputs}
    if len(rest) > 1 or axis >= len(inputs[0]):
        raise ConfigError(f"node {node.name}: concat cannot join shapes {show_shapes(inputs)} along axis {axis + 1}")
    return (*inputs[0][:axis], sum(shape[axis] for shape in inputs), *inputs[0][axis + 1 :])


def _concat(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Join values and constant parts, each constant at its place among all of them."""
    parts = list(inputs)
    for place, part in node.attributes.get("constants", ()):
        parts.insert(place, np.broadcast_to(part, (len(inputs[0]), *part.shape[1:])))
    return np.concatenate(parts, axis=node.attributes.get("axis", 1))


def _concat_sign(node: Node, inputs: Sequence[bool]) -> bool:
    return all(inputs) and all(bool(np.all(part >= 0)) for _, part in node.attributes.get("constants", ()))


def _concat_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    parts = list(inputs)
    for place, part in node.attributes.get("constants", ()):
        value = torch.as_tensor(np.asarray(part), device=inputs[0].device)
        parts.insert(place, value.expand(len(inputs[0]), *value.shape[1:]))
    return torch.cat(parts, dim=node.attributes.get("axis", 1))


def _concat_reach(node: Node, inputs: Sequence[Shape]) -> Reach:
    """Need whole images where they are joined along height or width."""
    return Reach.LAST if len(node.shape) == 3 and node.attributes.get("axis", 1) != 1 else Reach.OWN


def _pad_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    pads = node.attributes["pads"]
    if len(pads) != len(inputs[0]):
        raise ConfigError(f"node {node.name}: {len(pads)} pads do not fit an input of shape {inputs[0]}")
    return tuple(size + before + after for size, (before, after) in zip(inputs[0], pads, strict=True))


def _pad(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    mode, pads = node.attributes.get("mode", "constant"), ((0, 0), *node.attributes["pads"])
    if mode == "constant":
        return np.pad(inputs[0], pads, constant_values=np.float32(node.attributes.get("value", 0.0)))
    return np.pad(inputs[0], pads, mode=mode)


def _pad_sign(node: Node, inputs: Sequence[bool]) -> bool:
    return all(inputs) and bool(node.attributes.get("value", 0.0) >= 0)


def _pad_reach(node: Node, inputs: Sequence[Shape]) -> Reach:
    return Reach.PADS if len(node.shape) == 3 else Reach.OWN


def _slice_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    ranges = node.attributes["ranges"]
    if len(ranges) != len(inputs[0]):
        raise ConfigError(f"node {node.name}: {len(ranges)} ranges do not fit an input of shape {inputs[0]}")
    return tuple(len(range(size)[slice(*each)]) for size, each in zip(inputs[0], ranges, strict=True))


def _slice(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return inputs[0][(slice(None), *(slice(*each) for each in node.attributes["ranges"]))]


def _slice_reach(node: Node, inputs: Sequence[Shape]) -> Reach:
    return Reach.RANGES if len(node.shape) == 3 else Reach.OWN


def _flatten_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    return (math.prod(inputs[0]),)


def _reshape_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    shape = tuple(node.attributes["shape"])
    if math.prod(shape) != math.prod(inputs[0]):
        raise ConfigError(f"node {node.name}: reshape cannot change shape {inputs[0]} to {shape}")
    return shape


def _reshape(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return inputs[0].reshape(len(inputs[0]), *node.shape)


def _reshape_reach(node: Node, inputs: Sequence[Shape]) -> Reach:
    """Need everything where the number of axes changes: which window needs which is not followed."""
    return Reach.ALL if len(node.shape) != len(inputs[0]) else Reach.OWN


def _transpose_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    order = tuple(node.attributes["order"])
    if sorted(order) != list(range(len(inputs[0]) + 1)) or order[0] != 0:
        raise ConfigError(f"node {node.name}: transpose order {order} of {inputs[0]} must leave the batch first")
    return tuple(inputs[0][axis - 1] for axis in order[1:])


def _transpose(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return np.ascontiguousarray(inputs[0].transpose(node.attributes["order"]))


def _quantize(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Round values to the grid and return them as float32."""
    scale, zero = np.float32(node.attributes["scale"]), node.attributes["zero_point"]
    codes = round_codes(inputs[0] / scale, zero, node.attributes["bits"], node.attributes["signed"])
    values: np.ndarray = (codes - np.float32(zero)) * scale
    return values


def _quantize_sign(node: Node, inputs: Sequence[bool]) -> bool:
    return all(inputs) or (not node.attributes["signed"] and node.attributes["zero_point"] == 0)


def _bipolar(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    scale = np.float32(node.attributes["scale"])
    return np.where(inputs[0] >= 0, scale, -scale)


def _pad_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    given = node.attributes
    sides = [side for pair in reversed(given["pads"]) for side in pair]
    mode = {"edge": "replicate"}.get(given.get("mode", "constant"), given.get("mode", "constant"))
    if mode == "constant":
        return torch.nn.functional.pad(inputs[0], sides, value=float(given.get("value", 0.0)))
    while len(sides) > 2 and sides[-2:] == [0, 0]:
        sides = sides[:-2]
    return torch.nn.functional.pad(inputs[0], sides, mode=mode)


def _slice_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    y = inputs[0]
    for axis, (start, stop, step) in enumerate(node.attributes["ranges"], start=1):
        chosen = range(y.shape[axis])[slice(start, stop, step)]
        if len(chosen) < y.shape[axis] or chosen.step != 1:
            y = y.index_select(axis, torch.tensor(list(chosen), device=y.device))
    return y


def _reshape_torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    return inputs[0].reshape(len(inputs[0]), *node.shape)


RECORDS = (
    Kind(
        name="concat",
        inputs=MANY,
        shape=_concat_shape,
        sign=_concat_sign,
        run=_concat,
        torch=_concat_torch,
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.MOVE,
        work=no_work,
        reach=_concat_reach,
        settings={"axis": Setting(default=1, read=read_whole)},
        attributes=count_axis,
        onnx_read={"Concat": read_concat},
        onnx_write=write_concat,
    ),
    Kind(
        name="pad",
        inputs=ONE,
        shape=_pad_shape,
        sign=_pad_sign,
        run=_pad,
        torch=_pad_torch,
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.MOVE,
        work=no_work,
        reach=_pad_reach,
        settings={"pads": Setting(default=REQUIRED, read=read_ranges), "value": Setting(default=0.0, read=read_real)},
        attributes=as_given,
        onnx_read={"Pad": read_pad},
        onnx_write=write_pad,
    ),
    Kind(
        name="slice",
        inputs=ONE,
        shape=_slice_shape,
        sign=sign_of_inputs,
        run=_slice,
        torch=_slice_torch,
        codes=Codes.KEEPS,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.MOVE,
        work=no_work,
        reach=_slice_reach,
        settings={"ranges": Setting(default=REQUIRED, read=read_ranges)},
        attributes=as_given,
        onnx_read={"Slice": read_slice, "Gather": read_gather, "Split": read_split},
        onnx_write=write_slice,
    ),
    Kind(
        name="flatten",
        inputs=ONE,
        shape=_flatten_shape,
        sign=sign_of_inputs,
        run=_reshape,
        torch=_reshape_torch,
        codes=Codes.KEEPS,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.MOVE,
        work=no_work,
        reach=always(Reach.OWN),
        settings={},
        attributes=as_given,
        onnx_read={"Flatten": read_flatten},
        onnx_write=write_flatten,
    ),
    Kind(
        name="reshape",
        inputs=ONE,
        shape=_reshape_shape,
        sign=sign_of_inputs,
        run=_reshape,
        torch=_reshape_torch,
        codes=Codes.KEEPS,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.MOVE,
        work=no_work,
        reach=_reshape_reach,
        settings={"shape": Setting(default=REQUIRED, read=read_wholes)},
        attributes=as_given,
        onnx_read={"Reshape": read_reshape, "Squeeze": read_reshape, "Unsqueeze": read_reshape},
        onnx_write=write_reshape,
    ),
    Kind(
        name="transpose",
        inputs=ONE,
        shape=_transpose_shape,
        sign=sign_of_inputs,
        run=_transpose,
        torch=lambda torch, node, inputs: inputs[0].permute(tuple(node.attributes["order"])),
        codes=Codes.KEEPS,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.MOVE,
        work=no_work,
        reach=always(Reach.ALL),
        settings={"order": Setting(default=REQUIRED, read=read_wholes)},
        attributes=as_given,
        onnx_read={"Transpose": read_transpose},
        onnx_write=write_transpose,
    ),
    Kind(
        name="quantize",
        inputs=ONE,
        shape=same_shape,
        sign=_quantize_sign,
        run=_quantize,
        torch=NO_TORCH,
        codes=Codes.SETS,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.MOVE,
        work=no_work,
        reach=always(Reach.OWN),
        settings=NOT_IN_YAML,
        attributes=as_given,
        onnx_read={"QuantizeLinear": read_quantize, "Quant": read_quant, "IntQuant": read_quant, "Trunc": read_trunc},
        onnx_write=write_quantize,
    ),
    Kind(
        name="bipolar",
        inputs=ONE,
        shape=same_shape,
        sign=unknown_sign,
        run=_bipolar,
        torch=NO_TORCH,
        codes=Codes.SETS,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.MOVE,
        work=no_work,
        reach=always(Reach.OWN),
        settings=NOT_IN_YAML,
        attributes=as_given,
        onnx_read={"BipolarQuant": read_bipolar},
        onnx_write=write_bipolar,
    ),
)
