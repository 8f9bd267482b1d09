"""Operators on integer codes (QOperator form), read as operators on the real values that the codes stand for.

``QLinearConv`` and its kin become DequantizeLinear, the operator on real values, QuantizeLinear, so that their weights
go to arrays on the grid of the file. ``ConvInteger`` and ``MatMulInteger`` become products of whole numbers. A sum
whose last bits decide between two codes may be rounded otherwise than by ONNX Runtime, which adds whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.network.onnx_layers import CodeGrid, Operator, Unsupported, code_type

if TYPE_CHECKING:
    from xbarsim.network.onnx_reader import GraphReader


class _Parts:
    """The operators that one operator on codes is made of."""

    def __init__(self, graph: GraphReader, op: Operator) -> None:
        self.graph, self.op, self.nodes = graph, op, list[Any]()

    def add(self, kind: str, inputs: list[str], part: str, **attributes: Any) -> str:
        """Add an operator, and return the name of its output; the last part is the operator's own output."""
        from onnx import helper

        name = f"{self.op.name}::{part}"
        output = self.op.outputs[0] if part == "codes" else name
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def value(self, place: int) -> str:
        """Return the real values of an operand, whose scale and zero point stand behind it."""
        codes, scale, zero = self.op.inputs[place : place + 3]
        if self.graph.is_constant(codes):
            return self.weight(place, self.graph.required(self.op, place + 1), place + 2, 0)
        return self.add("DequantizeLinear", [codes, scale, *([zero] if zero else [])], f"value{place}")

    def weight(self, place: int, scale: np.ndarray, zero: int, axis: int) -> str:
        """Return the real values of constant codes with scales along an axis."""
        codes, shift = self.graph.required(self.op, place), self.graph.constant(self.op, zero)
        bits, _ = code_type(codes)
        shift = np.zeros(1, np.int64) if shift is None else shift.astype(np.int64)
        fields = [field.reshape(()) if field.size == 1 else field for field in (scale.astype(np.float32), shift)]
        grid = CodeGrid(codes.astype(np.int64), fields[0], fields[1], axis, bits)
        return self.graph.keep_codes(f"{self.op.name}::weight{place}", grid, self.op.inputs[place])

    def close(self, result: str, scale: int) -> list[Any]:
        """Quantise the result, and return all operators."""
        self.add("QuantizeLinear", [result, *filter(None, self.op.inputs[scale : scale + 2])], "codes")
        return self.nodes


def _expand_conv(parts: _Parts) -> list[Any]:
    graph, op = parts.graph, parts.op
    steps, scale = graph.required(op, 1), graph.required(op, 4)
    operands = [parts.value(0), parts.weight(3, scale, 5, 0)]
    if len(op.inputs) > 8 and op.inputs[8]:
        bias = graph.required(op, 8) * (steps.astype(np.float32) * scale.astype(np.float32)).reshape(-1)
        operands.append(graph.keep_constant(f"{op.name}::bias", bias.astype(np.float32)))
    return parts.close(parts.add("Conv", operands, "result", **op.attributes), 6)


def _expand_matmul(parts: _Parts) -> list[Any]:
    operands = [parts.value(0), parts.weight(3, parts.graph.required(parts.op, 4), 5, 1)]
    return parts.close(parts.add("MatMul", operands, "result"), 6)


def _expand_gemm(parts: _Parts) -> list[Any]:
    graph, op = parts.graph, parts.op
    steps, scale = graph.required(op, 1), graph.required(op, 4)
    operands = [parts.value(0), parts.weight(3, scale, 5, 0 if op.attributes.get("transB", 0) else 1)]
    if op.inputs[6]:
        bias = graph.required(op, 6) * (np.float32(op.attributes.get("alpha", 1)) * steps * scale)
        operands.append(graph.keep_constant(f"{op.name}::bias", bias.astype(np.float32)))
    result = parts.add("Gemm", operands, "result", **op.attributes)
    if len(op.inputs) < 8:  # real values
        raise Unsupported("a result without a scale")
    return parts.close(result, 7)


def _expand_pair(kind: str) -> Callable[[_Parts], list[Any]]:
    return lambda parts: parts.close(parts.add(kind, [parts.value(0), parts.value(3)], "result"), 6)


def _expand_mean(parts: _Parts) -> list[Any]:
    if parts.op.attributes.get("channels_last", 0):
        raise Unsupported("channels on the last axis")
    return parts.close(parts.add("GlobalAveragePool", [parts.value(0)], "result"), 3)


def _expand_whole(kind: str) -> Callable[[_Parts], list[Any]]:
    """Expand a product of whole numbers; its result is exact below 2 ** 24."""

    def expand(parts: _Parts) -> list[Any]:
        op = parts.op
        value = parts.add("Cast", [op.inputs[0]], "value", to=1)
        if len(op.inputs) > 2 and op.inputs[2]:
            shift = parts.add("Cast", [op.inputs[2]], "shift", to=1)
            value = parts.add("Sub", [value, shift], "shifted")
        weight = parts.weight(1, np.ones(1), 3, 0 if kind == "Conv" else 1)
        whole = parts.add("Round", [parts.add(kind, [value, weight], "result", **op.attributes)], "whole")
        parts.add("Cast", [whole], "codes", to=6)
        return parts.nodes

    return expand


EXPANDERS: dict[str, Callable[[_Parts], list[Any]]] = {
    "QLinearConv": _expand_conv, "QLinearMatMul": _expand_matmul, "QGemm": _expand_gemm,
    "QLinearAdd": _expand_pair("Add"), "QLinearMul": _expand_pair("Mul"), "QLinearGlobalAveragePool": _expand_mean,
    "ConvInteger": _expand_whole("Conv"), "MatMulInteger": _expand_whole("MatMul"),
}  # fmt: skip
"""Operator on codes -> what it is made of. Not ``QLinearAveragePool``: means of four codes lie between two of them."""


def expand_codes(graph: GraphReader, op: Operator) -> list[Any]:
    """Take an operator on codes apart into operators on real values.

    Parameters
    ----------
    graph : GraphReader
        What has been read so far; constants are added to it.
    op : Operator
        The operator.

    Returns
    -------
    list of onnx.NodeProto
        In the order to be computed in; the last gives the operator's output. Empty where scales or weights are
        computed, which ONNX Runtime runs as they are.
    """
    try:
        return EXPANDERS[op.kind](_Parts(graph, op))
    except Unsupported:
        return []
