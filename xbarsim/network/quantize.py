"""Post-training quantisation: integer weights and scales of a float network.

Weights are symmetric, one scale per output channel, within +-(2^(bits-1) - 1). Activations have one scale per
tensor, chosen on calibration images; they are unsigned where the graph or the images say that no value is
negative. Signed activations of one bit are the signs -1 and 1. Scales, zero points and codes of networks that were
quantised in their file (ONNX QDQ) are kept; only the code -2^(bits-1) of a symmetric weight moves to its neighbour,
because arrays store magnitudes of bits - 1.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.names import match_names
from xbarsim.network.calibrate import ActivationGrid, Calibration, calibrate_activations
from xbarsim.network.executor import find_executor
from xbarsim.network.graph import Network, Node
from xbarsim.network.quantize_epitome import QuantizedEpitome, find_settings, quantize_epitome
from xbarsim.network.sign import find_quantizer, input_is_signed
from xbarsim.notebook import Face, Shown

_SEARCH_BELOW_BITS = 6
"""Bits of weights below which the scale of least squared error is searched for; at more, the largest weight sets it.
Our choice."""
_WEIGHT_FRACTIONS = np.linspace(0.3, 1.0, 36)
"""Scales that are compared, relative to the one that clips no weight [-]. Our choice."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedLayer:
    """A weight layer in integers.

    Attributes
    ----------
    name : str
        Name of the layer in its network.
    weight : ndarray of int32
        Same shape as the float weight, within +-(2^(weight_bits-1) - 1).
    weight_scale : ndarray, (out,)
        Real value of one weight step, by output channel.
    input_scale : float
        Real value of one input step.
    input_zero_point : int
        Code of the real value 0; padding holds it.
    signed : bool
        Whether input codes are two's complement; -1 and 1 where they have one bit.
    weight_bits, activation_bits : int
        Widths of weights and input codes.
    bias : ndarray, (out,)
        Real values, float64.
    epitome : QuantizedEpitome, optional
        What the arrays hold where the weight is sampled from an epitome; the weight is then rebuilt from it, and
        shifts of row blocks may take it beyond ``weight_bits``.
    """

    name: str
    weight: np.ndarray
    weight_scale: np.ndarray
    input_scale: float
    input_zero_point: int
    signed: bool
    weight_bits: int
    activation_bits: int
    bias: np.ndarray
    epitome: QuantizedEpitome | None = None

    @property
    def along_outputs(self) -> tuple[int, ...]:
        """Shape in which one value for each output meets the layer's results."""
        return (-1, *(1,) * (self.weight.ndim - 2))

    @functools.cached_property
    def weight_sum(self) -> np.ndarray:
        """Sum of the integer weights of each output, (out,) int64."""
        total: np.ndarray = self.weight.reshape(len(self.weight), -1).sum(axis=1, dtype=np.int64)
        return total

    @functools.cached_property
    def largest_sum(self) -> int:
        """Bound on the magnitude of every partial sum of an output."""
        magnitudes = np.abs(self.weight.astype(np.int64)).reshape(len(self.weight), -1).sum(axis=1)
        return int(magnitudes.max()) << self.activation_bits

    @functools.cached_property
    def exact_weight(self) -> np.ndarray:
        """The weights, shape of ``weight``, in the narrowest type that sums are exact in: float32, float64 or int64."""
        bound = self.largest_sum
        narrow: Any = np.float32 if bound < 2**24 else np.float64 if bound < 2**53 else np.int64
        return self.weight.astype(narrow)


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class QuantizedNetwork(Shown):
    """A network with its weight layers in integers; everything between layers stays float32."""

    network: Network
    layers: Mapping[str, QuantizedLayer]
    scale_images: int = 0
    """Calibration images that activation scales took to settle; 0 where the network's file fixes all of them."""

    def _show(self) -> Face:
        from xbarsim.network.face import show_quantized

        return show_quantized(self)


def quantize_network(
    network: Network,
    calibration: np.ndarray | None,
    *,
    weight_bits: int,
    activation_bits: int,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    executor: str = "own",
    threads: int | None = None,
) -> QuantizedNetwork:
    """Quantise every weight layer after training.

    Parameters
    ----------
    network : Network
        With weights.
    calibration : array_like, (images, *input_shape) or None
        Normalised images that fix the activation scales, as many of them as scales need to settle
        (:func:`~xbarsim.network.calibrate.calibrate_activations`); needed unless the network's file fixes all scales.
    weight_bits, activation_bits : int
        Widths, 2..16 and 1..16.
    layers : mapping, optional
        Name or glob of layers -> ``{"weight_bits": ..., "activation_bits": ...}``; later entries win and other keys
        are ignored, but for two under the exact name of a layer: ``epitome``, settings of
        :func:`~xbarsim.network.quantize_epitome.quantize_epitome`, and ``weight_range``, as in ``mapping``.
    executor : str
        What runs the float network: ``own`` or ``onnxruntime``.
    threads : int, optional
        Threads for the calibration images, every available core if left out; they never change the result.

    Returns
    -------
    QuantizedNetwork

    Raises
    ------
    ConfigError
        If weights are missing, a width cannot be computed with, a name matches no layer, or the network was quantised
        in its file to another width.
    """
    network.require_weights()
    widths = resolve_bits(network, weight_bits, activation_bits, layers)
    grids = tuple(
        _ask_grid(network, layer, widths[layer.name][1])
        for layer in network.layers
        if find_quantizer(network, layer.inputs[0]) is None
    )
    seen = Calibration()
    if grids:
        if calibration is None or len(calibration) == 0:
            raise ConfigError(f"network {network.name}: quantisation needs calibration images")
        seen = calibrate_activations(network, calibration, grids, executor=find_executor(executor), threads=threads)
    quantized = {
        layer.name: _quantize_layer(network, layer, widths[layer.name], seen, layers) for layer in network.layers
    }
    return QuantizedNetwork(network=network, layers=quantized, scale_images=seen.images)


def resolve_bits(
    network: Network, weight_bits: int, activation_bits: int, layers: Mapping[str, Mapping[str, Any]] | None
) -> dict[str, tuple[int, int]]:
    """Return the (weight_bits, activation_bits) of every layer, checked."""
    names = [layer.name for layer in network.layers]
    chosen = {name: {"weight_bits": weight_bits, "activation_bits": activation_bits} for name in names}
    for glob, choice in (layers or {}).items():
        given = {key: choice[key] for key in ("weight_bits", "activation_bits") if choice.get(key) is not None}
        for name in match_names(glob, names, f"layers.{glob}", f"layer of network {network.name}"):
            chosen[name].update(given)
    return {
        name: (
            _check_bits(name, "weight_bits", bits["weight_bits"], 1),
            _check_bits(name, "activation_bits", bits["activation_bits"], 1),
        )
        for name, bits in chosen.items()
    }


def _check_bits(layer: str, key: str, bits: Any, least: int) -> int:
    if bits == 32:
        raise ConfigError(
            f"layer {layer}: {key}: 32 means float values and is for cost estimates only; give 16 or fewer"
        )
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not least <= bits <= 16:
        raise ConfigError(f"layer {layer}: {key}: {bits!r} is not a whole number between {least} and 16")
    return int(bits)


def _ask_grid(network: Network, layer: Node, bits: int) -> ActivationGrid:
    """Return the codes that a layer asks of its input."""
    return ActivationGrid(name=layer.inputs[0], bits=bits, may_be_signed=input_is_signed(network, layer.name))


def _quantize_layer(
    network: Network,
    node: Node,
    widths: tuple[int, int],
    seen: Calibration,
    layers: Mapping[str, Mapping[str, Any]] | None,
) -> QuantizedLayer:
    assert node.weight is not None
    weight_bits, activation_bits = widths
    settings, weight_range = (
        find_settings(layers, node.name),
        (layers or {}).get(node.name, {}).get("weight_range", 1.0),
    )
    if weight_range != 1 and (node.epitome is not None or "weight_scale" in node.attributes):
        fixed = "an epitome" if node.epitome is not None else "weights that were quantised in the network's file"
        raise ConfigError(
            f"layer {node.name}: mapping.weight_range: {weight_range:g} cannot be combined with {fixed}; leave it at "
            "1 for this layer"
        )
    epitome = None
    if node.epitome is not None and weight_bits == 1:
        raise ConfigError(f"layer {node.name}: weight_bits: 1 cannot be combined with an epitome; give 2 or more")
    if node.epitome is not None:
        epitome, scale = quantize_epitome(node.epitome, weight_bits, **settings)
        codes = epitome.rebuild()
    elif "weight_scale" in node.attributes:
        _check_given(node.name, "weight_bits", node.attributes["weight_bits"], weight_bits)
        scale = node.attributes["weight_scale"].astype(np.float64)
        codes = _round_weights(node.weight, scale, weight_bits)
    else:
        codes, scale = quantize_weights(node.weight, weight_bits, weight_range)
    quantizer = find_quantizer(network, node.inputs[0])
    if quantizer is not None:
        grid = quantizer.attributes
        _check_given(node.name, "activation_bits", grid["bits"], activation_bits)
        input_scale, zero_point, signed = grid["scale"], grid["zero_point"], grid["signed"]
    else:
        (signed, input_scale), zero_point = seen.scales[_ask_grid(network, node, activation_bits)], 0
    outputs = len(node.weight)
    return QuantizedLayer(
        name=node.name,
        weight=codes,
        weight_scale=scale,
        input_scale=float(input_scale),
        input_zero_point=int(zero_point),
        signed=bool(signed),
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        bias=np.zeros(outputs) if node.bias is None else node.bias.astype(np.float64),
        epitome=epitome,
    )


def quantize_weights(weight: np.ndarray, bits: int, share: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Quantise weights symmetrically by output channel.

    Parameters
    ----------
    weight : ndarray, (out, ...)
        Real weights.
    bits : int
        Width; the largest code is 2^(bits-1) - 1. With one bit the codes are the signs, -1 and 1.
    share : float
        Part of the largest magnitude of an output that the largest code stands for; what is larger is clipped [-].

    Returns
    -------
    codes : ndarray of int32
        Same shape.
    scale : ndarray, (out,)
        Real value of one step: ``share`` of the largest magnitude over the largest code; below 6 bits, where ``share``
        is 1, the clipping range with the least squared error.
    """
    flat = weight.reshape(len(weight), -1).astype(np.float64)
    if bits == 1:  # the mean magnitude has the least squared error
        mean = np.abs(flat).mean(axis=1)
        scale = np.where(mean > 0, mean, 1.0)
        return _round_weights(weight, scale, bits), scale
    top = np.abs(flat).max(axis=1)
    full = np.where(top > 0, top, 1.0) * share / (2 ** (bits - 1) - 1)
    scale = full
    if bits < _SEARCH_BELOW_BITS and share == 1:
        least = np.full(len(flat), np.inf)
        for fraction in _WEIGHT_FRACTIONS[::-1]:
            trial = full * fraction
            errors = flat - _round_weights(flat, trial, bits) * trial[:, None]
            error = np.einsum("ok,ok->o", errors, errors)
            scale = np.where(error < least, trial, scale)
            least = np.minimum(error, least)
    return _round_weights(weight, scale, bits), scale


def _round_weights(weight: np.ndarray, scale: np.ndarray, bits: int) -> np.ndarray:
    if bits == 1:
        return np.where(weight < 0, -1, 1).astype(np.int32)
    limit = 2 ** (bits - 1) - 1
    steps = weight / scale.reshape((-1,) + (1,) * (weight.ndim - 1))
    codes: np.ndarray = np.clip(np.rint(steps), -limit, limit).astype(np.int32)
    return codes


def _check_given(layer: str, key: str, given: int, asked: int) -> None:
    if given != asked:
        raise ConfigError(
            f"layer {layer}: {key}: {asked} bits are asked for, but the file quantises this layer to {given}; "
            f"try: layers=network.file_bits, or {{{layer!r}: {{{key!r}: {given}}}}}"
        )
