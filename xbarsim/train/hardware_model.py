"""A model of the simulated hardware for PyTorch training loops.

A layer of a *chip* is one draw of its programmed arrays. Its errors are measured on arrays that are programmed and
solved by the same code that ``simulate`` runs (:mod:`xbarsim.train.measure`).

The differentiable search adds the error of every weight to the quantised weights, and a random residual to every
output. Gradients are straight-through. Fine-tuning draws chips from a law instead, which it measures on a few of them
(:mod:`xbarsim.train.law`).

Neglected: the change of a layer's error while weights move between two draws, and correlation of errors between
weights and between outputs beyond their means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.config import Hardware
from xbarsim.mapping import LayerPlan, plan_network
from xbarsim.network import Network, Node, QuantizedLayer, QuantizedNetwork, quantize_network, run_network
from xbarsim.network.codes import code_range, is_binary
from xbarsim.network.integer import quantize_input
from xbarsim.train.measure import expand_cells, measure_layer
from xbarsim.train.torch_network import Tensor, run_layer, torch, use_threads


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerChip:
    """One layer of one chip, in real units."""

    shift: Tensor
    """Error of the effective weights relative to the quantised weights; shape of the weight."""
    mean: Tensor
    """Mean residual of an output, (out,)."""
    deviation: Tensor
    """Standard deviation of the residual of an output, (out,)."""


def visit_layers(
    network: Network,
    hardware: Hardware,
    calibration: np.ndarray,
    visit: Callable[[Node, QuantizedLayer, LayerPlan, np.ndarray], None],
    *,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    threads: int | None = None,
) -> QuantizedNetwork:
    """Quantise a network and visit its weight layers in order, with their inputs behind quantised layers.

    Parameters
    ----------
    network : Network
        With weights.
    hardware : Hardware
        The accelerator.
    calibration : ndarray of float32, (images, *input_shape)
        Calibration images.
    visit : callable
        ``(node, layer, plan, inputs (images, ...))``.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value.
    weight_bits, activation_bits : int, optional
        Bits of all layers; those of the hardware if left out.
    threads : int, optional
        Number of threads for the calibration images, all cores if left out; does not change results.

    Returns
    -------
    QuantizedNetwork
        In integers.
    """
    plan = plan_network(
        network, hardware, layers=layers, weight_bits=weight_bits, activation_bits=activation_bits, may_cut=False
    )
    quantized = quantize_network(
        network, calibration, weight_bits=plan.hardware.weight_bits, activation_bits=plan.hardware.activation_bits,
        layers={part.name: part.quantization for part in plan.layers}, threads=threads,
    )  # fmt: skip

    def compute(node: Node, x: np.ndarray) -> np.ndarray:
        layer = quantized.layers[node.name]
        visit(node, layer, plan.layer(node.name), x)
        weight = torch.tensor(layer.weight * _along(layer.weight_scale, layer.weight), dtype=torch.float32)
        codes = quantize_input(layer, x).astype(np.float32) - np.float32(layer.input_zero_point)
        with torch.no_grad(), use_threads(1):  # PyTorch adds in another order on another number of threads
            clean = torch.tensor(codes * np.float32(layer.input_scale))
            y: np.ndarray = run_layer(node, clean, weight, torch.tensor(layer.bias, dtype=torch.float32)).numpy()
            return y

    run_network(network, calibration, compute, block=len(calibration))
    return quantized


def is_left_to_chance(
    network: Network, hardware: Hardware, layers: Mapping[str, Mapping[str, Any]] | None = None
) -> bool:
    """Return whether two draws of a chip with the same weights differ.

    Parameters
    ----------
    network : Network
        What is programmed.
    hardware : Hardware
        The accelerator.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value.

    Returns
    -------
    bool
        Whether a layer's cells or converters vary from chip to chip or from read to read.
    """
    return any(layer.hardware.is_random for layer in plan_network(network, hardware, layers=layers).layers)


def draw_layer(
    node: Node, layer: QuantizedLayer, plan: LayerPlan, x: np.ndarray, *, seed: int, trial: int
) -> LayerChip:
    """Program one layer and measure its errors.

    Parameters
    ----------
    node : Node
        The layer.
    layer : QuantizedLayer
        Its integer weights.
    plan : LayerPlan
        How it is cut, and its hardware.
    x : ndarray of float32, (images, channels, height, width) or (images, ..., features)
        Inputs of the layer for the calibration images.
    seed, trial : int
        Key of the device's random streams.

    Returns
    -------
    LayerChip
        In real units.
    """
    found = measure_layer(node, layer, plan, x, seed=seed, trial=trial)
    step = layer.input_scale * layer.weight_scale
    shift = expand_cells(layer, found.error) * _along(layer.weight_scale, layer.weight)
    return LayerChip(
        shift=torch.tensor(shift, dtype=torch.float32),
        mean=torch.tensor(found.mean * step, dtype=torch.float32),
        deviation=torch.tensor(found.deviation * step, dtype=torch.float32),
    )


def run_on_chip(
    node: Node,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    layer: QuantizedLayer,
    chip: LayerChip,
    generator: Any,
) -> Tensor:
    """Compute a layer as its arrays do, gradients passing straight through.

    Parameters
    ----------
    node : Node
        The layer.
    x : Tensor, (B, C, H, W) or (B, ..., features)
        Inputs.
    weight : Tensor, (outputs, C / groups, kh, kw) or (outputs, features)
        Weights in float.
    bias : Tensor, (outputs,), or None
        Bias in float.
    layer : QuantizedLayer
        Grids of inputs and weights.
    chip : LayerChip
        What the arrays do.
    generator : torch.Generator
        Draws the residual of every output.

    Returns
    -------
    Tensor, (B, outputs, OH, OW) or (B, ..., outputs)
        The layer's output.
    """
    clean = round_input(x, layer)
    top = float(2 ** (layer.weight_bits - 1) - 1)
    steps = torch.as_tensor(_along(layer.weight_scale, layer.weight), dtype=weight.dtype)
    # straight-through clamp, so that clipped weights keep a gradient
    codes = torch.where(weight < 0, -1.0, 1.0) if layer.weight_bits == 1 else (weight / steps).round().clamp(-top, top)
    rounded = weight + (codes * steps - weight).detach()
    y = run_layer(node, clean, rounded + chip.shift, bias)
    residual = torch.randn(y.shape, generator=generator)
    shape = layer.along_outputs
    return y + residual.mul_(chip.deviation.reshape(shape)).add_(chip.mean.reshape(shape))


def round_input(x: Tensor, layer: QuantizedLayer) -> Tensor:
    """Round a layer's input to its grid; the gradient passes where nothing is clipped.

    Parameters
    ----------
    x : Tensor, any shape
        Inputs.
    layer : QuantizedLayer
        With the grid.

    Returns
    -------
    Tensor, shape of ``x``
        The rounded inputs.
    """
    low, high = code_range(layer.activation_bits, layer.signed)
    scale = float(layer.input_scale)
    if is_binary(layer.activation_bits, layer.signed):
        inside = x.clamp(-scale, scale)
        return inside + (torch.where(x >= 0, scale, -scale) - inside).detach()
    return torch.fake_quantize_per_tensor_affine(x, scale, int(layer.input_zero_point), low, high)


def _along(scale: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.asarray(scale).reshape(-1, *(1,) * (weight.ndim - 1))
