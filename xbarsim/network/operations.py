"""What every kind of node computes, in float32: one table of functions (node, inputs) -> output.

All are batch-invariant: elementwise, or image by image. Sums for means are formed in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xbarsim.network.convolve import convolve, pool_max, pool_mean

if TYPE_CHECKING:
    from xbarsim.network.graph import Node

Operation = Callable[["Node", Sequence[np.ndarray]], np.ndarray]


def run_layer(node: Node, x: np.ndarray) -> np.ndarray:
    """Compute a weight layer in float32.

    Parameters
    ----------
    node : Node
        A ``conv2d`` or ``linear`` node with weights.
    x : ndarray, (B, C, H, W) or (B, ..., F)
        Its input.

    Returns
    -------
    ndarray
        Its output, float32.
    """
    assert node.weight is not None
    if node.kind == "conv2d":
        y = convolve(x, node.weight, node.attributes)
        return y if node.bias is None else y + node.bias[:, None, None]
    vectors = np.ascontiguousarray(x).reshape(len(x), -1, x.shape[-1])
    y = np.matmul(vectors, node.weight.T).reshape(*x.shape[:-1], -1)  # one product an image
    return y if node.bias is None else y + node.bias


def fake_quantize(x: np.ndarray, scale: float, zero_point: int, bits: int, signed: bool) -> np.ndarray:
    """Round values to the grid of a quantised network and return them as float32."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    codes = np.clip(np.rint(x / np.float32(scale)) + np.float32(zero_point), low, high)
    return (codes - np.float32(zero_point)) * np.float32(scale)


def _relu(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return np.maximum(inputs[0], np.float32(0))


def _clip(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    low, high = node.attributes.get("min", -np.inf), node.attributes.get("max", np.inf)
    return np.minimum(np.maximum(inputs[0], np.float32(low)), np.float32(high))


def _leaky_relu(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    x = inputs[0]
    return np.where(x < 0, x * np.float32(node.attributes["alpha"]), x)


def _hard_sigmoid(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    alpha, beta = np.float32(node.attributes["alpha"]), np.float32(node.attributes["beta"])
    return np.minimum(np.maximum(inputs[0] * alpha + beta, np.float32(0)), np.float32(1))


def _hard_swish(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    x = inputs[0]
    return x * np.minimum(np.maximum(x / np.float32(6) + np.float32(0.5), np.float32(0)), np.float32(1))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit  # SciPy takes a while to import, and most networks do without

    return expit(x)


def _erf(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return erf(x)


def _gelu(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    x = np.ascontiguousarray(inputs[0])
    if node.attributes.get("approximate", False):
        return np.float32(0.5) * x * (1 + np.tanh(np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)))
    return np.float32(0.5) * x * (1 + _erf(x * np.float32(np.sqrt(0.5))))


def _elementwise(function: Callable[[np.ndarray], np.ndarray]) -> Operation:
    return lambda node, inputs: function(np.ascontiguousarray(inputs[0]))


def _softmax(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    x = np.moveaxis(inputs[0], node.attributes.get("axis", 1), -1)
    powers = np.exp(np.ascontiguousarray(x - x.max(axis=-1, keepdims=True)))
    shares = powers / powers.sum(axis=-1, keepdims=True, dtype=np.float64).astype(np.float32)
    return np.moveaxis(shares, -1, node.attributes.get("axis", 1))


def _layer_norm(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    x = inputs[0].astype(np.float64)
    axes = tuple(range(node.attributes["axis"], x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + node.attributes["epsilon"])
    y = y if node.weight is None else y * node.weight
    return (y if node.bias is None else y + node.bias).astype(np.float32)


def _binary(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Operation:
    def run(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
        constant = node.attributes.get("constant")
        if constant is not None:
            first, second = (constant, inputs[0]) if node.attributes.get("reverse") else (inputs[0], constant)
            return function(first, second)
        result = inputs[0]
        for other in inputs[1:]:
            result = function(result, other)
        return result

    return run


def _mean(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    axes = tuple(node.attributes.get("axes", (2, 3)))
    keep = node.attributes.get("keepdims", True)
    return np.ascontiguousarray(inputs[0]).mean(axis=axes, keepdims=keep, dtype=np.float64).astype(np.float32)


def _scale(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    shape = (-1,) + (1,) * (inputs[0].ndim - 2)
    y = inputs[0] if node.weight is None else inputs[0] * node.weight.reshape(shape)
    return y if node.bias is None else y + node.bias.reshape(shape)


def _concat(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(inputs, axis=node.attributes.get("axis", 1))


def _pad(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    mode, pads = node.attributes.get("mode", "constant"), ((0, 0), *node.attributes["pads"])
    if mode == "constant":
        return np.pad(inputs[0], pads, constant_values=np.float32(node.attributes.get("value", 0.0)))
    return np.pad(inputs[0], pads, mode=mode)


def _slice(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return inputs[0][(slice(None), *(slice(*each) for each in node.attributes["ranges"]))]


def _reshape(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return inputs[0].reshape(len(inputs[0]), *node.shape)


def _transpose(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return np.ascontiguousarray(inputs[0].transpose(node.attributes["order"]))


def _matmul(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return np.matmul(np.ascontiguousarray(inputs[0]), np.ascontiguousarray(inputs[1]))


def _quantize(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    a = node.attributes
    return fake_quantize(inputs[0], a["scale"], a["zero_point"], a["bits"], a["signed"])


OPERATIONS: dict[str, Operation] = {
    "conv2d": lambda node, inputs: run_layer(node, inputs[0]),
    "linear": lambda node, inputs: run_layer(node, inputs[0]),
    "matmul": _matmul, "scale": _scale, "relu": _relu, "clip": _clip, "leaky_relu": _leaky_relu,
    "sigmoid": _elementwise(_sigmoid), "tanh": _elementwise(np.tanh), "erf": _elementwise(_erf),
    "sqrt": _elementwise(np.sqrt), "hard_sigmoid": _hard_sigmoid, "hard_swish": _hard_swish, "gelu": _gelu,
    "softmax": _softmax, "layer_norm": _layer_norm, "quantize": _quantize,
    "max_pool": lambda node, inputs: pool_max(inputs[0], node.attributes),
    "avg_pool": lambda node, inputs: pool_mean(inputs[0], node.attributes),
    "global_avg_pool": _mean, "mean": _mean,
    "add": _binary(np.add), "sub": _binary(np.subtract), "mul": _binary(np.multiply), "div": _binary(np.divide),
    "concat": _concat, "pad": _pad, "slice": _slice,
    "flatten": _reshape, "reshape": _reshape, "transpose": _transpose,
}  # fmt: skip
"""Kind of node -> what it computes."""
