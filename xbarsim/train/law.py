"""Laws of the noise that training injects into cells, measured on drawn chips.

What a chip adds to a cell is described by the code that the cell holds: a mean, a standard deviation, and a part that
is the same on all chips (wires). The tables follow the weights while they move, because the noise of a cell depends on
its code and on the step of its output, not on the position. So a few chips give the law of all, and every training step
draws a chip of its own.

Several chips are measured at each of some times since programming. Laws give the same mean variance in other ways:
``measured`` by code, ``uniform`` alike for all cells of a layer, ``proportional`` to the code.

Neglected: correlation of the errors of cells, and of outputs beyond their means.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.config import Hardware
from xbarsim.network import Network, Node, QuantizedLayer, QuantizedNetwork
from xbarsim.train.hardware_model import round_input, visit_layers
from xbarsim.train.measure import CellErrors, cell_steps, measure_layer
from xbarsim.train.torch_network import Tensor, TorchNetwork, run_layer, torch

CHIPS = 2
"""Chips on which the law of the noise is measured."""
SMOOTHED = 32
"""Least number of cells with neighbouring codes whose errors are averaged."""


def _measured(variance: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return variance


def _uniform(variance: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return np.full(len(variance), variance[codes].mean())


def _proportional(variance: np.ndarray, codes: np.ndarray) -> np.ndarray:
    squares: np.ndarray = np.arange(len(variance), dtype=np.float64) ** 2
    found: np.ndarray = squares * variance[codes].mean() / max(float(squares[codes].mean()), 1.0)
    return found


NOISE_LAWS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "measured": _measured, "uniform": _uniform, "proportional": _proportional,
}  # fmt: skip
"""Name -> ``(variance by magnitude of the code, magnitudes of all cells) -> variance by magnitude of the code``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerLaw:
    """Errors of the cells and outputs of one layer at one time; cells in weight steps."""

    offset: Tensor
    """Mean error away from zero, by magnitude of the code, (codes,) [weight steps]."""
    fixed: Tensor
    """Error beyond it that is the same on all chips, shape of the weight or epitome [weight steps]."""
    deviation: Mapping[str, Tensor]
    """Law -> standard deviation between chips, by magnitude of the code, (codes,) [weight steps]."""
    mean: Tensor
    """Mean residual, (out,) [weight steps times input steps]."""
    residual: Tensor
    """Standard deviation of the residual, (out,) [weight steps times input steps]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkLaw:
    """Errors of all layers of a network."""

    quantized: QuantizedNetwork
    """What was measured, with its scales."""
    times: Sequence[Mapping[str, LayerLaw]]
    """Layer -> law, for each time since programming."""


def number_chips(first: int, is_random: bool) -> range:
    """Return the numbers of the chips on which a law is measured; where nothing is left to chance, one is enough."""
    return range(first, first + (CHIPS if is_random else 1))


def measure_law(
    network: Network,
    hardwares: Sequence[Hardware],
    calibration: np.ndarray,
    *,
    trials: range,
    seed: int,
    **choices: Any,
) -> NetworkLaw:
    """Measure the law of some hardware on several chips.

    Parameters
    ----------
    network : Network
        With weights.
    hardwares : sequence of Hardware
        The hardware, once for each time since programming.
    calibration : ndarray of float32, (images, *input_shape)
        Calibration images.
    trials : range
        Numbers of the chips.
    seed : int
        Seed of the device's random streams.
    **choices
        ``layers``, ``weight_bits``, ``activation_bits`` and ``threads`` of
        :func:`~xbarsim.train.hardware_model.visit_layers`.

    Returns
    -------
    NetworkLaw
        Of these weights; it stays valid while they move a little.
    """
    times = []
    for hardware in hardwares:
        draws: dict[str, list[CellErrors]] = {}

        def visit(node: Node, layer: QuantizedLayer, plan: Any, x: np.ndarray, draws: Any = draws) -> None:
            draws[node.name] = [measure_layer(node, layer, plan, x, seed=seed, trial=trial) for trial in trials]

        quantized = visit_layers(network, hardware, calibration, visit, **choices)
        times.append({name: pool_errors(found, quantized.layers[name].weight_bits) for name, found in draws.items()})
    return NetworkLaw(quantized=quantized, times=times)


def pool_errors(draws: Sequence[CellErrors], weight_bits: int) -> LayerLaw:
    """Combine the errors of a layer on several chips to its law.

    Parameters
    ----------
    draws : sequence of CellErrors
        Of the same weights; one where nothing is left to chance.
    weight_bits : int
        Width of a weight.

    Returns
    -------
    LayerLaw
        Of chips that are drawn anew.
    """
    codes = draws[0].codes
    magnitudes, signs = np.abs(codes).astype(np.int64), np.where(codes < 0, -1.0, 1.0)
    top = max(1, 2 ** (weight_bits - 1) - 1)
    errors = np.stack([draw.error for draw in draws])
    mean = errors.mean(axis=0)
    variance = errors.var(axis=0, ddof=1) if len(draws) > 1 else np.zeros_like(mean)
    smooth = functools.partial(_smooth_by_code, magnitudes.ravel(), top)
    offset, by_code = smooth((mean * signs).ravel()), smooth(variance.ravel())
    fixed = mean - offset[magnitudes] * signs
    # what chance leaves in a mean of few chips is no property of all
    power, chance = float(np.square(fixed).mean()), float(variance.mean()) / len(draws)
    fixed *= max(0.0, 1 - chance / power) if power > 0 else 0.0
    means = np.stack([draw.mean for draw in draws])
    residual = np.square([draw.deviation for draw in draws]).mean(axis=0)
    if len(draws) > 1:
        residual = residual + means.var(axis=0, ddof=1)
    held = magnitudes.ravel()
    return LayerLaw(
        offset=_tensor(offset),
        fixed=_tensor(fixed),
        deviation={name: _tensor(np.sqrt(law(by_code, held))) for name, law in NOISE_LAWS.items()},
        mean=_tensor(means.mean(axis=0)),
        residual=_tensor(np.sqrt(residual)),
    )


def _smooth_by_code(magnitudes: np.ndarray, top: int, values: np.ndarray) -> np.ndarray:
    """Return means of values over cells with neighbouring codes, for every code 0..top."""
    order = np.argsort(magnitudes, kind="stable")
    held, ordered = magnitudes[order], values[order]
    half = max(SMOOTHED, len(held) // 64) // 2
    ends = np.concatenate([[0.0], np.cumsum(ordered)])
    # windows reach over whole groups of one code, so that cells of one code have one value
    low = np.searchsorted(held, held[np.maximum(np.arange(len(held)) - half, 0)], side="left")
    high = np.searchsorted(held, held[np.minimum(np.arange(len(held)) + half, len(held) - 1)], side="right")
    first = np.unique(held, return_index=True)[1]
    low, high = np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)
    found: np.ndarray = np.interp(np.arange(top + 1), held[first], (ends[high] - ends[low]) / (high - low))
    return found


UNIFORM = 3.0**0.5
"""Half the width of a uniform distribution of variance 1 [-]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NoiseSource:
    """What draws the noise of a law."""

    generator: Any
    """A torch.Generator."""
    kind: str = "measured"
    """One of :data:`NOISE_LAWS`."""
    strength: float = 1.0
    """What standard deviations are multiplied by [-]."""


class NoisyLayer:
    """Computes one layer as chips of its law do, gradients passing straight through.

    Parameters
    ----------
    node : Node
        The layer.
    grid : QuantizedLayer
        Its grids when the law was measured.
    held : Tensor, shape of the weight or epitome
        What its cells held then; steps follow the largest weight of an output from there.
    """

    def __init__(self, node: Node, grid: QuantizedLayer, held: Tensor) -> None:
        self.node, self.grid = node, grid
        self.steps, self.top = _tensor(cell_steps(node, grid)), _top_of(held).detach()

    def run(
        self, x: Tensor, cells: Tensor, bias: Tensor | None, law: LayerLaw, noise: NoiseSource, expand: Any = None
    ) -> Tensor:
        """Compute the layer on a chip that is drawn for this call.

        Parameters
        ----------
        x : Tensor, (B, C, H, W) or (B, ..., features)
            Inputs.
        cells : Tensor, shape of the weight or epitome
            What its cells hold now, in float.
        bias : Tensor, (outputs,), or None
            Bias.
        law : LayerLaw
            Errors of its cells and outputs.
        noise : NoiseSource
            Draws them.
        expand : callable, optional
            ``cells -> weight``, where cells do not hold the weight itself.

        Returns
        -------
        Tensor, (B, outputs, OH, OW) or (B, ..., outputs)
            The layer's output.
        """
        steps, binary, grid = self.steps, self.grid.weight_bits == 1, self.grid
        if grid.epitome is None and not binary:  # steps follow the largest weight of an output
            steps = steps * torch.where(self.top > 0, _top_of(cells) / self.top, 1.0).clamp_min(1e-6)
        top = float(len(law.offset) - 1)
        with torch.no_grad():
            codes = torch.where(cells < 0, -1.0, 1.0) if binary else (cells / steps).round().clamp(-top, top)
            magnitudes = codes.abs().long()
            added = torch.where(codes < 0, -law.offset[magnitudes], law.offset[magnitudes]) + law.fixed
            spread = law.deviation[noise.kind][magnitudes]
            added += spread * (noise.strength * torch.randn(cells.shape, generator=noise.generator))
        rounded = cells + (codes * steps - cells).detach()
        real = rounded + added * steps
        y = run_layer(self.node, round_input(x, grid), real if expand is None else expand(real), bias).contiguous()
        unit = torch.as_tensor(grid.input_scale * grid.weight_scale, dtype=torch.float32)
        if grid.epitome is None:
            unit = unit * (steps.detach().reshape(-1) / self.steps.reshape(-1))
        # uniform, which converters make it rather than normal, and which is drawn faster
        residual = torch.empty_like(y).uniform_(-UNIFORM, UNIFORM, generator=noise.generator)
        shape = grid.along_outputs
        return y + residual.mul_((noise.strength * law.residual * unit).reshape(shape)).add_(
            (law.mean * unit).reshape(shape)
        )


class NoisyLayers:
    """Computes the layers of a module as chips of a law do, gradients passing straight through.

    Parameters
    ----------
    module : TorchNetwork
        The network in training, or one that was trained from the network of the law.
    law : NetworkLaw
        Errors of its layers. Weight steps follow the largest weights from those that it was measured with.
    noise : NoiseSource
        Draws times, cells and residuals.
    """

    def __init__(self, module: TorchNetwork, law: NetworkLaw, noise: NoiseSource) -> None:
        self.module, self.law, self.noise = module, law, noise
        self.time: Mapping[str, LayerLaw] = law.times[0]
        grids, measured = law.quantized.layers, TorchNetwork(law.quantized.network)
        self._layers = {
            node.name: NoisyLayer(node, grids[node.name], measured.cells_of(node.name))
            for node in module.network.layers
        }

    def draw_time(self) -> None:
        """Choose the time since programming at which the next chips are read."""
        if len(self.law.times) > 1:
            self.time = self.law.times[int(torch.randint(len(self.law.times), (1,), generator=self.noise.generator))]

    def __call__(self, node: Node, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Compute a layer on a chip drawn for this call; ``weight`` is read from the module's cells instead."""
        cells, expand = self.module.cells_of(node.name), functools.partial(self.module.expand, node)
        return self._layers[node.name].run(x, cells, bias, self.time[node.name], self.noise, expand)


def _top_of(cells: Tensor) -> Tensor:
    """Return the largest magnitude of each output, with axes kept."""
    return cells.abs().amax(dim=tuple(range(1, cells.ndim)), keepdim=True)


def _tensor(values: Any) -> Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32)
