"""Operators on integer codes (QOperator form), read as operators on the real values that the codes stand for.

``QLinearConv`` and its kin become DequantizeLinear, the operator on real values, QuantizeLinear, so that their weights
go to arrays on the grid of the file. ``ConvInteger`` and ``MatMulInteger`` become products of whole numbers. A sum
whose last bits decide between two codes may be rounded otherwise than by ONNX Runtime, which adds whole numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from xbarsim.network.onnx_layers import Unsupported
from xbarsim.network.onnx_parts import Expander, Parts


def _close(parts: Parts, result: str, scale: int) -> list[Any]:
    """Quantise the result, whose scale and zero point stand at a place, and return all operators."""
    return parts.finish("QuantizeLinear", [result, *filter(None, parts.op.inputs[scale : scale + 2])])


def _expand_conv(parts: Parts) -> list[Any]:
    graph, op = parts.graph, parts.op
    steps, scale = graph.required(op, 1), graph.required(op, 4)
    operands = [parts.value(0), parts.weight(3, scale, 5, 0)]
    if len(op.inputs) > 8 and op.inputs[8]:
        bias = graph.required(op, 8) * (steps.astype(np.float32) * scale.astype(np.float32)).reshape(-1)
        operands.append(graph.keep_constant(f"{op.name}::bias", bias.astype(np.float32)))
    return _close(parts, parts.add("Conv", operands, "result", **op.attributes), 6)


def _expand_matmul(parts: Parts) -> list[Any]:
    operands = [parts.value(0), parts.weight(3, parts.graph.required(parts.op, 4), 5, 1)]
    return _close(parts, parts.add("MatMul", operands, "result"), 6)


def _expand_gemm(parts: Parts) -> list[Any]:
    graph, op = parts.graph, parts.op
    steps, scale = graph.required(op, 1), graph.required(op, 4)
    operands = [parts.value(0), parts.weight(3, scale, 5, 0 if op.attributes.get("transB", 0) else 1)]
    if op.inputs[6]:
        bias = graph.required(op, 6) * (np.float32(op.attributes.get("alpha", 1)) * steps * scale)
        operands.append(graph.keep_constant(f"{op.name}::bias", bias.astype(np.float32)))
    result = parts.add("Gemm", operands, "result", **op.attributes)
    if len(op.inputs) < 8:  # real values
        raise Unsupported("a result without a scale")
    return _close(parts, result, 7)


def _expand_pair(kind: str) -> Expander:
    return lambda parts: _close(parts, parts.add(kind, [parts.value(0), parts.value(3)], "result"), 6)


def _expand_mean(parts: Parts) -> list[Any]:
    if parts.op.attributes.get("channels_last", 0):
        raise Unsupported("channels on the last axis")
    return _close(parts, parts.add("GlobalAveragePool", [parts.value(0)], "result"), 3)


def _expand_whole(kind: str) -> Expander:
    """Expand a product of whole numbers; its result is exact below 2 ** 24."""

    def expand(parts: Parts) -> list[Any]:
        op = parts.op
        value = parts.add("Cast", [op.inputs[0]], "value", to=1)
        if len(op.inputs) > 2 and op.inputs[2]:
            shift = parts.add("Cast", [op.inputs[2]], "shift", to=1)
            value = parts.add("Sub", [value, shift], "shifted")
        weight = parts.weight(1, np.ones(1), 3, 0 if kind == "Conv" else 1)
        whole = parts.add("Round", [parts.add(kind, [value, weight], "result", **op.attributes)], "whole")
        return parts.finish("Cast", [whole], to=6)

    return expand


CODE_EXPANDERS: dict[str, Expander] = {
    "QLinearConv": _expand_conv, "QLinearMatMul": _expand_matmul, "QGemm": _expand_gemm,
    "QLinearAdd": _expand_pair("Add"), "QLinearMul": _expand_pair("Mul"), "QLinearGlobalAveragePool": _expand_mean,
    "ConvInteger": _expand_whole("Conv"), "MatMulInteger": _expand_whole("MatMul"),
}  # fmt: skip
"""Operator on codes -> what it is made of. Not ``QLinearAveragePool``: means of four codes lie between two of them."""
