"""A model of the simulated hardware for PyTorch training loops.

A *chip* is one draw of programmed arrays for a whole network, solved by the same code that ``simulate`` runs. From it
are derived, for each layer, the effective weights of the arrays (including programming variation, stuck cells, drift
and wires), computed with unit vectors as inputs and ideal converters; the fraction of their deviation, and the gain,
that remain with real converters on calibration images; and mean and standard deviation of the residual error (ADC
rounding and clipping, read noise).

Several chips are combined to a :class:`DrawnChip` with the mean shift of every weight (mostly due to wires) and its
standard deviation between chips (mostly due to variation). Training adds the shift to the quantised weights, a random
deviation in every step, and a random residual to every output. Gradients are straight-through.

Neglected: the change of a chip's error while weights move between two draws, and correlation of errors between
weights and between outputs beyond their means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.config import Hardware
from xbarsim.errors import ConfigError
from xbarsim.inference.calibrate import calibrate_machine
from xbarsim.inference.layer import LayerMachine, program_layer
from xbarsim.mapping import LayerPlan, plan_network
from xbarsim.mvm.reuse import KeptArrays, keep_arrays
from xbarsim.network import Network, Node, QuantizedLayer, QuantizedNetwork, quantize_network, run_network
from xbarsim.network.codes import code_range, is_binary
from xbarsim.network.graph import rule_of
from xbarsim.network.integer import integer_layer, quantize_input
from xbarsim.train.torch_network import Tensor, run_layer, torch

SAMPLE_IMAGES = 8
"""Calibration images on which the residual of a layer is measured."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerChip:
    """One layer of one chip, in real units."""

    shift: Tensor
    """Error of the effective weights relative to the quantised weights; shape of the weight."""
    spread: Tensor | None
    """Standard deviation of the shift between chips; None for a single chip."""
    mean: Tensor
    """Mean residual of an output, (out,)."""
    deviation: Tensor
    """Standard deviation of the residual of an output, (out,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnChip:
    """One draw of the hardware for a network."""

    quantized: QuantizedNetwork
    """Quantised network that was programmed, with its scales."""
    layers: Mapping[str, LayerChip]
    """Layer -> errors of its arrays."""


def draw_chip(
    network: Network,
    hardware: Hardware,
    calibration: np.ndarray,
    *,
    layers: Mapping[str, Mapping[str, Any]] | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    seed: int = 0,
    trial: int = 0,
) -> DrawnChip:
    """Program a network into arrays and measure the errors of every layer.

    Parameters
    ----------
    network : Network
        With weights.
    hardware : Hardware
        The accelerator.
    calibration : ndarray of float32, (images, *input_shape)
        Calibration images.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value.
    weight_bits, activation_bits : int, optional
        Bits of all layers; those of the hardware if left out.
    seed, trial : int
        Key of the device's random streams.

    Returns
    -------
    DrawnChip
        Layer by layer.

    Raises
    ------
    ConfigError
        If an input is wrong, or a layer is an epitome.
    """
    plan = plan_network(
        network,
        hardware,
        layers=layers,
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        may_cut=False,
    )
    bits = {p.name: {"weight_bits": p.weight_bits, "activation_bits": p.activation_bits} for p in plan.layers}
    quantized = quantize_network(
        network,
        calibration,
        weight_bits=plan.hardware.weight_bits,
        activation_bits=plan.hardware.activation_bits,
        layers=bits,
    )
    found: dict[str, LayerChip] = {}

    def program(node: Node, x: np.ndarray) -> np.ndarray:
        layer = quantized.layers[node.name]
        found[node.name] = draw_layer(node, layer, plan.layer(node.name), x, seed=seed, trial=trial)
        weight = torch.tensor(layer.weight * _along(layer.weight_scale, layer.weight), dtype=torch.float32)
        codes = quantize_input(layer, x).astype(np.float32) - np.float32(layer.input_zero_point)
        with torch.no_grad():
            clean = torch.tensor(codes * np.float32(layer.input_scale))
            y: np.ndarray = run_layer(node, clean, weight, torch.tensor(layer.bias, dtype=torch.float32)).numpy()
            return y

    run_network(network, calibration, program, block=len(calibration))
    return DrawnChip(quantized=quantized, layers=found)


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


def pool_chips(chips: Sequence[DrawnChip]) -> DrawnChip:
    """Combine several chips to their mean and standard deviation.

    Parameters
    ----------
    chips : sequence of DrawnChip
        Draws for one network; scales are those of the last one.

    Returns
    -------
    DrawnChip
        The last chip itself where there is only one.
    """
    if len(chips) == 1:
        return chips[0]
    layers = {name: pool_layers([chip.layers[name] for chip in chips]) for name in chips[-1].layers}
    return DrawnChip(quantized=chips[-1].quantized, layers=layers)


def pool_layers(draws: Sequence[LayerChip]) -> LayerChip:
    """Combine several draws of one layer to their mean and standard deviation; a single draw is returned unchanged."""
    if len(draws) == 1:
        return draws[0]
    shifts = torch.stack([draw.shift for draw in draws])
    means = torch.stack([draw.mean for draw in draws])
    squares = torch.stack([draw.deviation for draw in draws]).square()
    return LayerChip(
        shift=shifts.mean(dim=0),
        spread=shifts.std(dim=0),
        mean=means.mean(dim=0),
        deviation=(squares.mean(dim=0) + means.var(dim=0)).sqrt(),
    )


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
    if node.epitome is not None:
        raise ConfigError(f"{node.name}: training through the arrays of an epitome is not modelled")
    codes = quantize_input(layer, x)
    with keep_arrays(KeptArrays()):  # both differ in their converters alone
        programmed = program_layer(node, layer, plan, seed=seed, trial=trial, codes=codes)
        machine = calibrate_machine(programmed, codes, integer_layer(layer, node, codes))
        linear = find_weights(node, layer, plan, seed=seed, trial=trial)
    sample = codes[:SAMPLE_IMAGES].astype(np.float64)
    asked, added = layer.weight.astype(np.float64), linear - layer.weight
    zero = float(layer.input_zero_point)
    inputs = torch.tensor(sample - zero)
    with torch.no_grad():
        wanted, drawn = (run_layer(node, inputs, torch.tensor(part), None).numpy() for part in (asked, added))
        digital = run_layer(node, torch.tensor(sample), torch.tensor(asked), None, zero).numpy()
    # zero points are subtracted digitally with the nominal weights
    error = machine.accumulate(codes[:SAMPLE_IMAGES]) * machine.lsb - digital
    axis = rule_of(node).output_axis % error.ndim
    (gain, share), mean, deviation = _explain(error, (wanted, drawn), axis)
    step = layer.input_scale * layer.weight_scale
    shift = (gain * asked + share * added) * _along(layer.weight_scale, layer.weight)
    return LayerChip(
        shift=torch.tensor(shift, dtype=torch.float32),
        spread=None,
        mean=torch.tensor(mean * step, dtype=torch.float32),
        deviation=torch.tensor(deviation * step, dtype=torch.float32),
    )


def _explain(error: np.ndarray, parts: Sequence[np.ndarray], axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit an error by multiples of some parts, one for all outputs; return them, and mean and deviation of the rest.

    Converters that cannot go below zero undo half of what variation does to columns that hold little, and wide sums
    are clipped: taken for noise beside the drawn weights, either would count twice.
    """
    flat = [np.moveaxis(part, axis, 0).reshape(part.shape[axis], -1) for part in (error, *parts)]
    means = np.array([part.mean(axis=1) for part in flat])
    rest, *explaining = (part - mean[:, np.newaxis] for part, mean in zip(flat, means))
    matrix = np.array([part.ravel() for part in explaining])
    # parts of the size of rounding errors are left out of the fit
    factors = np.linalg.pinv(matrix @ matrix.T, rcond=1e-9, hermitian=True) @ (matrix @ rest.ravel())
    rest = rest - np.tensordot(factors, explaining, axes=1)
    return factors, means[0] - factors @ means[1:], rest.std(axis=1)


def find_weights(node: Node, layer: QuantizedLayer, plan: LayerPlan, *, seed: int, trial: int) -> np.ndarray:
    """Return the weights that a layer's arrays apply, found with unit vectors and ideal converters.

    Parameters
    ----------
    node, layer, plan, seed, trial
        As in :func:`draw_layer`.

    Returns
    -------
    ndarray of float64, shape of the weight
        In units of one integer weight step.
    """
    ideal = plan.hardware.override({"adc.bits": "ideal"})
    machine = program_layer(node, layer, dataclasses.replace(plan, hardware=ideal), seed=seed, trial=trial)
    assert isinstance(machine, LayerMachine)
    high = code_range(layer.activation_bits, layer.signed)[1]
    parts = []
    for block in machine.blocks:
        rows = block.engine.rows
        parts.append(block.engine.multiply(np.eye(rows, dtype=np.int64) * high) / high)
    return np.concatenate([_unpack(part, plan.stripe(i), plan, layer) for i, part in enumerate(parts)])


def apply_chip(chip: DrawnChip | None, generator: Any) -> Any:
    """Return a layer function that computes as a chip does, gradients passing straight through.

    Parameters
    ----------
    chip : DrawnChip or None
        None computes in plain float.
    generator : torch.Generator
        Draws the residual of every output.

    Returns
    -------
    callable
        ``(node, x, weight, bias) -> y`` for :class:`~xbarsim.train.torch_network.TorchNetwork`.
    """
    if chip is None:
        return run_layer

    def function(node: Node, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return run_on_chip(node, x, weight, bias, chip.quantized.layers[node.name], chip.layers[node.name], generator)

    return function


def run_on_chip(
    node: Node,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    layer: QuantizedLayer,
    chip: LayerChip | None,
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
    chip : LayerChip or None
        What the arrays do; None for ideal arrays, quantised all the same.
    generator : torch.Generator
        Draws the residual of every output.

    Returns
    -------
    Tensor, (B, outputs, OH, OW) or (B, ..., outputs)
        The layer's output.
    """
    clean = _round_input(x, layer)
    top = float(2 ** (layer.weight_bits - 1) - 1)
    steps = torch.as_tensor(_along(layer.weight_scale, layer.weight), dtype=weight.dtype)
    # straight-through clamp, so that clipped weights keep a gradient
    codes = torch.where(weight < 0, -1.0, 1.0) if layer.weight_bits == 1 else (weight / steps).round().clamp(-top, top)
    rounded = weight + (codes * steps - weight).detach()
    if chip is None:
        return run_layer(node, clean, rounded, bias)
    real = rounded + chip.shift
    if chip.spread is not None:
        real = real + chip.spread * torch.randn(real.shape, generator=generator)
    y = run_layer(node, clean, real, bias)
    residual = torch.randn(y.shape, generator=generator)
    shape = layer.along_outputs
    return y + residual.mul_(chip.deviation.reshape(shape)).add_(chip.mean.reshape(shape))


def _round_input(x: Tensor, layer: QuantizedLayer) -> Tensor:
    """Round a layer's input to its grid, any shape; the gradient passes where nothing is clipped."""
    low, high = code_range(layer.activation_bits, layer.signed)
    scale = float(layer.input_scale)
    if is_binary(layer.activation_bits, layer.signed):
        inside = x.clamp(-scale, scale)
        return inside + (torch.where(x >= 0, scale, -scale) - inside).detach()
    return torch.fake_quantize_per_tensor_affine(x, scale, int(layer.input_zero_point), low, high)


def _along(scale: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.asarray(scale).reshape(-1, *(1,) * (weight.ndim - 1))


def _unpack(dense: np.ndarray, cut: Any, plan: LayerPlan, layer: QuantizedLayer) -> np.ndarray:
    """Take the weights of a stripe's groups out of its block-diagonal matrix."""
    outputs = layer.weight.shape[0] // plan.groups
    channels, *kernel = layer.weight.shape[1:]
    inputs = cut.groups * channels
    if plan.rows_order == "packed":
        whole = np.moveaxis(dense.reshape(*kernel, inputs, -1), (-1, -2), (0, 1))
    else:
        whole = np.moveaxis(dense.reshape(inputs, *kernel, -1), -1, 0)
    return np.concatenate(
        [whole[g * outputs : (g + 1) * outputs, g * channels : (g + 1) * channels] for g in range(cut.groups)]
    )
