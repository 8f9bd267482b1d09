"""Operators that ONNX Runtime fuses, read as those that they were made of.

A model that ONNX Runtime has optimised and saved holds operators of its own (com.microsoft) in place of common pairs
and patterns. Taken apart, their weights go to arrays, and the digital units count what is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from xbarsim.network.onnx_layers import Unsupported
from xbarsim.network.onnx_parts import Expander, Parts

VENDOR = "com.microsoft"
PARAMETERS = {
    "Relu": (), "Sigmoid": (), "Tanh": (), "LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"),
    "Clip": ("min", "max"),
}  # fmt: skip
"""Activation of a FusedConv -> names of its parameters, in the order in which the convolution holds their values."""


def _expand_conv(parts: Parts) -> list[Any]:
    """A convolution, perhaps a sum with a fourth operand, and an activation."""
    op, own = parts.op, dict(parts.op.attributes)
    kind, values = own.pop("activation", ""), own.pop("activation_params", ())
    if kind not in PARAMETERS:
        raise Unsupported(f"the activation {kind!r}")
    result = parts.add("Conv", list(op.inputs[:3]), "conv", **own)
    if len(op.inputs) > 3 and op.inputs[3]:
        result = parts.add("Add", [result, op.inputs[3]], "sum")
    given = dict(zip(PARAMETERS[kind], values, strict=False))
    if kind == "Clip" and parts.graph.opset >= 11:  # limits became operands
        return parts.finish(kind, [result, *(parts.constant(value, name) for name, value in given.items())])
    return parts.finish(kind, [result], **given)


def _expand_gemm(parts: Parts) -> list[Any]:
    """A Gemm and an activation, whose attributes have a prefix."""
    own, prefix = dict(parts.op.attributes), "activation_"
    kind = own.pop("activation", "")
    inner = {name.removeprefix(prefix): own.pop(name) for name in list(own) if name.startswith(prefix)}
    if not kind:
        raise Unsupported("no activation")
    return parts.finish(kind, [parts.add("Gemm", list(parts.op.inputs), "gemm", **own)], **inner)


def _expand_matmul(parts: Parts) -> list[Any]:
    """A MatMul of operands that may be transposed, times a number."""
    graph, own = parts.graph, parts.op.attributes
    if own.get("transBatchA", 0) or own.get("transBatchB", 0):
        raise Unsupported("a stack that is transposed")
    operands = []
    for name, flag in zip(parts.op.inputs, ("transA", "transB"), strict=True):
        axes = len(graph.shape_of(name))
        if own.get(flag, 0) and axes > 1:
            order = [*range(axes - 2), axes - 1, axes - 2]
            operands.append(parts.add("Transpose", [name], flag, perm=order))
        else:
            operands.append(name)
    alpha = own.get("alpha", 1.0)
    if alpha == 1:
        return parts.finish("MatMul", operands)
    return parts.finish("Mul", [parts.add("MatMul", operands, "product"), parts.constant(alpha, "alpha")])


def _expand_gelu(form: str) -> Expander:
    """A sum with a bias, if there is one, and a GELU."""

    def expand(parts: Parts) -> list[Any]:
        value, *bias = filter(None, parts.op.inputs)
        if bias:
            value = parts.add("Add", [value, *bias], "sum")
        return parts.finish("Gelu", [value], domain=VENDOR, approximate=form)

    return expand


def _expand_quick_gelu(parts: Parts) -> list[Any]:
    """Inputs times a sigmoid of them."""
    (value,) = parts.op.inputs
    steep = parts.add("Mul", [value, parts.constant(parts.op.attributes.get("alpha", 1.702), "alpha")], "steep")
    return parts.finish("Mul", [value, parts.add("Sigmoid", [steep], "gate")])


def _expand_skip(parts: Parts) -> list[Any]:
    """A layer normalisation of a sum, which is an output too."""
    op = parts.op
    first, second, gain, shift, bias = (*op.inputs, "", "")[:5]
    if any(name and parts.graph.reads[name] for name in op.outputs[1:3]):
        raise Unsupported("the outputs of mean and deviation")
    if bias:
        first = parts.add("Add", [first, bias], "biased")
    total = parts.add("Add", [first, second], "sum")
    if len(op.outputs) > 3 and op.outputs[3]:
        parts.finish("Identity", [total], place=3)
    epsilon = op.attributes.get("epsilon", 1e-12)
    return parts.finish("LayerNormalization", [total, gain, *filter(None, [shift])], epsilon=epsilon, axis=-1)


def _expand_attention(parts: Parts) -> list[Any]:
    """A layer for queries, keys and values, and the attention on its results."""
    op, own = parts.op, dict(parts.op.attributes)
    values, weight, bias, mask, past, added, *others = (*op.inputs, *[""] * (6 - len(op.inputs)))
    if (
        past
        or any(others)
        or own.get("do_rotary", 0)
        or any(name and parts.graph.reads[name] for name in op.outputs[1:])
    ):
        raise Unsupported("states of earlier tokens, or rotated ones")
    if "num_heads" not in own:  # ONNX's own operator, which has no weights
        raise Unsupported("no weights")
    if mask and len(parts.graph.shape_of(mask)) != 2:
        raise Unsupported("a mask other than one number a token")
    width = parts.graph.required(op, 1).shape[1]
    sizes = list(own.get("qkv_hidden_sizes", ())) or [width // 3] * 3
    known = {name: own[name] for name in ("num_heads", "scale", "mask_filter_value", "unidirectional") if name in own}
    packed = parts.add("MatMul", [values, weight], "packed")
    if bias:
        packed = parts.add("Add", [packed, bias], "biased")
    names, first = [], 0
    for name, size in zip(("query", "key", "value"), sizes, strict=True):
        limits = {"first": first, "end": first + size, "axis": 2}
        given = [parts.constant([limit], f"{name}_{part}", np.int64) for part, limit in limits.items()]
        names.append(parts.add("Slice", [packed, *given], name))
        first += size
    inputs = [*names, "", mask, added]
    while not inputs[-1]:
        inputs.pop()
    return parts.finish("MultiHeadAttention", inputs, domain=VENDOR, **known)


FUSED_EXPANDERS: dict[str, Expander] = {
    "FusedConv": _expand_conv, "FusedGemm": _expand_gemm, "FusedMatMul": _expand_matmul,
    "BiasGelu": _expand_gelu("none"), "FastGelu": _expand_gelu("tanh"), "QuickGelu": _expand_quick_gelu,
    "SkipLayerNormalization": _expand_skip, "Attention": _expand_attention,
}  # fmt: skip
"""Fused operator -> what it is made of."""
