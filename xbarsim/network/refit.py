"""Gain and offset of every output channel, fitted to the float network by least squares.

Rounding of weights and inputs scales and shifts the outputs of a layer. Layer by layer, in the order of the graph, each
output channel of the quantised network gets the gain and the offset that bring it closest to the float network's on the
calibration images, with all earlier layers quantised and fitted. The integers are unchanged; gains are included in
weight scales and offsets in biases, so the hardware needs no additional operations. Offsets alone are the bias
correction of Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from xbarsim.network.execute import Progress, check_images, single_threaded_blas
from xbarsim.network.graph import INPUT, Node
from xbarsim.network.integer import dequantize_output, integer_layer, quantize_input
from xbarsim.network.kinds import KINDS
from xbarsim.network.quantize import QuantizedLayer, QuantizedNetwork

LEAST_GAIN, LARGEST_GAIN = 0.5, 2.0
"""Gains are kept between these: a channel that is nearly constant fixes none."""
_BLOCK = 32
"""Images that one operation takes at a time."""


def refit_network(
    quantized: QuantizedNetwork, images: np.ndarray, *, progress: Progress | None = None
) -> QuantizedNetwork:
    """Fit gain and offset of every output channel to the float network.

    Parameters
    ----------
    quantized : QuantizedNetwork
        Integers and scales.
    images : array_like of float, (images, *input_shape)
        Calibration images, normalised; all run together, so that memory grows with their number.
    progress : callable, optional
        ``(done, total)`` weight layers.

    Returns
    -------
    QuantizedNetwork
        The same integers with other weight scales and biases.
    """
    network = quantized.network
    x = check_images(network, images)
    layers = refit_nodes(
        network.nodes, quantized.layers, {INPUT: x}, {INPUT: x}, keep={network.output}, progress=progress
    )
    return dataclasses.replace(quantized, layers=layers)


def refit_nodes(
    nodes: Sequence[Node],
    layers: Mapping[str, QuantizedLayer],
    exact: dict[str, np.ndarray],
    rounded: dict[str, np.ndarray],
    *,
    keep: AbstractSet[str],
    progress: Progress | None = None,
) -> dict[str, QuantizedLayer]:
    """Run a part of a network in float and in integers, and fit its layers one after the other.

    Parameters
    ----------
    nodes : sequence of Node
        The part, in the order of the graph.
    layers : mapping
        Name -> integers and scales of its layers.
    exact, rounded : dict
        Name -> values in float and in integers, (images, *shape) float32, of what the part reads; changed in place:
        values of the part are added, those that it reads no more are dropped, but for ``keep``. What ``exact`` holds
        already is not computed again.
    keep : set of str
        Nodes whose values are kept.
    progress : callable, optional
        ``(done, total)`` weight layers.

    Returns
    -------
    dict
        Name -> the same integers with other weight scales and biases.
    """
    fitted: dict[str, QuantizedLayer] = {}
    last = {source: index for index, node in enumerate(nodes) for source in node.inputs}
    with single_threaded_blas():
        for index, node in enumerate(nodes):
            if node.name not in exact:
                run_float(node, exact)
            if node.is_layer:
                layer, x = layers[node.name], rounded[node.inputs[0]]
                found = _run_layer(layer, node, x)
                gain, offset = fit_channels(found, exact[node.name], len(layer.weight))
                fitted[node.name] = dataclasses.replace(
                    layer, weight_scale=layer.weight_scale * gain, bias=layer.bias * gain + offset
                )
                _scale_channels(found, gain.reshape(layer.along_outputs), offset.reshape(layer.along_outputs))
                rounded[node.name] = found
                if progress is not None:
                    progress(len(fitted), len(layers))
            else:
                run_float(node, rounded)
            for source in dict.fromkeys(node.inputs):
                if last[source] == index and source not in keep:
                    del exact[source], rounded[source]
    return fitted


def run_float(node: Node, values: dict[str, np.ndarray]) -> None:
    """Add what a node computes in float, (images, *shape), to the values that it reads."""
    inputs = [values[source] for source in node.inputs]
    run = KINDS[node.kind].run
    values[node.name] = np.concatenate(
        [run(node, [x[start : start + _BLOCK] for x in inputs]) for start in range(0, len(inputs[0]), _BLOCK)]
    )


def fit_channels(given: np.ndarray, wanted: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the gain and the offset that bring each channel closest to what is wanted.

    Parameters
    ----------
    given, wanted : ndarray, (images, channels, height, width) or (images, ..., channels)
        Outputs of a layer, quantised and in float.
    channels : int
        Output channels.

    Returns
    -------
    gain, offset : ndarray of float64, (channels,)
        Of least squared error of ``gain * given + offset``; the gain is 1 where a channel does not vary.
    """
    means = [_average_channels(y, channels) for y in (given, wanted)]
    power, product = np.zeros(channels), np.zeros(channels)
    for found, exact in zip(_split_channels(given, channels), _split_channels(wanted, channels), strict=True):
        found -= means[0][:, None]
        exact -= means[1][:, None]
        power += np.einsum("ncp,ncp->c", found, found)
        product += np.einsum("ncp,ncp->c", found, exact)
    gain = np.ones(channels)
    np.divide(product, power, out=gain, where=power > 0)
    gain = np.clip(gain, LEAST_GAIN, LARGEST_GAIN)
    return gain, means[1] - gain * means[0]


def _average_channels(y: np.ndarray, channels: int) -> np.ndarray:
    total = np.zeros(channels)
    for part in _split_channels(y, channels):
        total += part.sum(axis=(0, 2))
    return total / (y.size // channels)


def _split_channels(y: np.ndarray, channels: int) -> Iterator[np.ndarray]:
    """Yield outputs of a layer block by block as (n, channels, places) float64, which may be changed."""
    for start in range(0, len(y), _BLOCK):
        part = y[start : start + _BLOCK]
        shape = (len(part), channels, -1) if y.ndim == 4 else (-1, channels, 1)
        yield part.reshape(shape).astype(np.float64)


def _run_layer(layer: QuantizedLayer, node: Node, x: np.ndarray) -> np.ndarray:
    blocks = [x[start : start + _BLOCK] for start in range(0, len(x), _BLOCK)]
    return np.concatenate(
        [dequantize_output(layer, integer_layer(layer, node, quantize_input(layer, part))) for part in blocks]
    )


def _scale_channels(found: np.ndarray, gain: np.ndarray, offset: np.ndarray) -> None:
    """Give outputs the gain and the offset of their channel in place, as the layer with its new scales would."""
    for start in range(0, len(found), _BLOCK):
        part = found[start : start + _BLOCK]
        part[...] = part * gain + offset
