"""The exact integer reference: the results of ideal hardware.

Sums are integers. They are computed by BLAS in floats only where a bound proves every partial sum to be exact, so the
order of additions has no effect. Between layers values are float32, as in the float network.
"""

from __future__ import annotations

import math

import numpy as np

from xbarsim.errors import ShapeError
from xbarsim.network import _codes
from xbarsim.network.codes import code_range, is_binary, round_codes
from xbarsim.network.execute import Progress, run_network
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
    narrow = layer.activation_bits <= 8
    kind = (np.int16 if narrow else np.int32) if layer.signed else (np.uint8 if narrow else np.uint16)
    scale = np.float32(layer.input_scale)
    if is_binary(layer.activation_bits, layer.signed):
        steps = round_codes(np.divide(x, scale, dtype=np.float32), layer.input_zero_point, 1, layer.signed)
        is_wrong, codes = bool(np.isnan(steps).any()), steps.astype(kind)
    else:
        values, codes = np.ascontiguousarray(x, dtype=np.float32), np.empty(x.shape, dtype=kind)
        low, high = map(np.float32, code_range(layer.activation_bits, layer.signed))
        zero_point = np.float32(layer.input_zero_point)
        is_wrong = _codes.quantize_values(values.reshape(-1), scale, zero_point, low, high, codes.reshape(-1))
    if is_wrong:
        raise ShapeError(f"layer {layer.name}: input holds NaN values")
    return codes


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
    outputs = layer.weight_sum.size
    places = math.prod(acc.shape[2:]) if len(layer.along_outputs) > 1 else 1
    out = np.empty((acc.size // (outputs * places), outputs, places), dtype=np.float32)
    kept, strides = np.moveaxis(acc, 1, -1), (1, outputs)  # as arrays give them: outputs of one place side by side
    if places == 1 or not kept.flags.c_contiguous:
        kept, strides = np.ascontiguousarray(acc), (places, 1)
    scale = np.broadcast_to(layer.input_scale * layer.weight_scale, outputs).astype(np.float64)
    taken = (layer.input_zero_point * layer.weight_sum).astype(np.float64)
    _codes.dequantize_sums(kept.reshape(-1), strides, lsb, taken, scale, layer.bias.astype(np.float64), out)
    return out.reshape(acc.shape)


def run_integer(
    quantized: QuantizedNetwork,
    images: np.ndarray,
    *,
    threads: int | None = None,
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
    threads, block, progress
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
        quantized.network, images, compute, threads=threads, block=block, progress=progress, concurrent=True
    )
