"""The exact integer reference: the results of ideal hardware.

Sums are integers. They are computed by BLAS in floats only where a bound proves every partial sum to be exact, so the
order of additions has no effect. Between layers values are float32, as in the float network.
"""

from __future__ import annotations

import numpy as np

from xbarsim.errors import ShapeError
from xbarsim.network.codes import round_codes
from xbarsim.network.execute import Observer, Progress, run_network
from xbarsim.network.graph import Node, rule_of
from xbarsim.network.quantize import QuantizedLayer, QuantizedNetwork


def quantize_input(layer: QuantizedLayer, x: np.ndarray) -> np.ndarray:
    """Turn a layer's input into codes.

    Parameters
    ----------
    layer : QuantizedLayer
        Scale, zero point, sign and width.
    x : ndarray, any shape
        Real values.

    Returns
    -------
    ndarray, shape of ``x``
        ``clip(round(x / scale) + zero_point)``, and the sign, -1 or 1, where codes are signed and have one bit: uint8
        or uint16 if unsigned, int16 or int32 if signed.

    Raises
    ------
    ShapeError
        If a value is NaN.
    """
    steps: np.ndarray = np.divide(x, np.float32(layer.input_scale), dtype=np.float32)
    steps = round_codes(steps, layer.input_zero_point, layer.activation_bits, layer.signed)
    if np.isnan(steps).any():
        raise ShapeError(f"layer {layer.name}: input holds NaN values")
    narrow = layer.activation_bits <= 8
    if layer.signed:
        return steps.astype(np.int16 if narrow else np.int32)
    return steps.astype(np.uint8 if narrow else np.uint16)


def integer_layer(layer: QuantizedLayer, node: Node, codes: np.ndarray) -> np.ndarray:
    """Multiply input codes with integer weights, exactly.

    Parameters
    ----------
    layer : QuantizedLayer
        Integer weights.
    node : Node
        The layer in its network.
    codes : ndarray of int, (B, C, H, W) or (B, ..., F)
        Input codes; padding holds the zero point.

    Returns
    -------
    ndarray of int64, (B, N, OH, OW) or (B, ..., N)
        Sums of weight times code.
    """
    weight = layer.exact_weight
    return rule_of(node).multiply(node, codes.astype(weight.dtype), weight, layer.input_zero_point).astype(np.int64)


def dequantize_output(layer: QuantizedLayer, acc: np.ndarray, lsb: float = 1.0) -> np.ndarray:
    """Turn a layer's sums into real values; serves the integer reference and the hardware alike.

    Parameters
    ----------
    layer : QuantizedLayer
        Scales, zero point and bias.
    acc : ndarray, (B, N, OH, OW) or (B, ..., N)
        Sums of weight times code, in units of ``lsb``.
    lsb : float
        What one unit of ``acc`` counts.

    Returns
    -------
    ndarray of float32
        ``(acc * lsb - zero_point * weight_sum) * input_scale * weight_scale + bias``, computed in float64.
    """
    shape = layer.along_outputs
    y: np.ndarray = np.multiply(acc, lsb, dtype=np.float64)
    if layer.input_zero_point:
        y -= (layer.input_zero_point * layer.weight_sum).reshape(shape)
    y *= (layer.input_scale * layer.weight_scale).reshape(shape)
    y += layer.bias.reshape(shape)
    return y.astype(np.float32)


def run_integer(
    quantized: QuantizedNetwork,
    images: np.ndarray,
    *,
    threads: int | None = None,
    observe: Observer | None = None,
    block: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Run a quantised network exactly.

    Parameters
    ----------
    quantized : QuantizedNetwork
        From :func:`~xbarsim.network.quantize.quantize_network`.
    images : ndarray of float32, (images, *input_shape)
        Normalised images.
    threads, observe, block, progress
        As in :func:`~xbarsim.network.execute.run_network`.

    Returns
    -------
    ndarray, (images, *output_shape)
        float32.
    """

    def compute(node: Node, x: np.ndarray) -> np.ndarray:
        layer = quantized.layers[node.name]
        return dequantize_output(layer, integer_layer(layer, node, quantize_input(layer, x)))

    return run_network(
        quantized.network, images, compute, threads=threads, observe=observe, block=block, progress=progress,
        concurrent=observe is None,
    )  # fmt: skip
