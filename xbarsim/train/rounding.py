"""Learned rounding of weights to one of the two neighbouring codes, block by block (extra ``torch``).

The network is divided wherever a single tensor connects the layers before with the layers after; in a residual network
the pieces are its blocks. For each piece, with all earlier pieces quantised, rounding of the weights, steps of the
inputs and biases are learned so that the output of the piece on calibration images is closest to that of the float
network. Every weight moves between its two neighbouring codes along a stretched sigmoid, which a penalty drives to one
end (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020; blocks: Li et al.,
"BRECQ", ICLR 2021). In every step one half of the inputs, chosen at random, is not rounded, which reduces overfitting
to the rounding of single images (Wei et al., "QDrop", ICLR 2022). No labels are needed, and the graph is unchanged.

PyTorch runs on one thread: it adds in another order on another number of threads, and the smallest difference changes
which neighbour some weights end at. In pieces with operators that PyTorch does not compute (those that ONNX Runtime
runs), the layers are learned one by one, each against its own output.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network import INPUT, Network, Node, QuantizedLayer, QuantizedNetwork
from xbarsim.network.codes import code_range, is_binary
from xbarsim.network.refit import refit_nodes, run_float
from xbarsim.rng import stream
from xbarsim.train._kernels import pass_gradients, round_inputs
from xbarsim.train.torch_network import OPERATIONS, Tensor, functional, nn, run_layer, torch, use_threads

Progress = Callable[[str, int, int], None]
Rule = tuple[np.float32, np.float32, bool, np.ndarray]
"""Lowest and highest code, whether codes are signs, and the bits of values that are not rounded."""

RATES = {"rounding": 2e-2, "bias": 1e-3, "step": 1e-2}
"""Learning rates of Adam, falling to zero along a cosine; steps move by this share of themselves."""
PENALTY = 0.05
"""Weight of the penalty on undecided weights, relative to the error over the output's variance."""
WARM_UP = 0.2
"""Share of the iterations without a penalty.
Source: Nagel et al., Up or Down? Adaptive Rounding for Post-Training Quantization, ICML 2020."""
SHARPNESS = (20.0, 2.0)
"""Exponent of the penalty at its start and at its end.
Source: Nagel et al., Up or Down? Adaptive Rounding for Post-Training Quantization, ICML 2020."""
STRETCH = 0.1
"""Extension of the sigmoid beyond 0 and 1, so that weights can reach both ends.
Source: Nagel et al., Up or Down? Adaptive Rounding for Post-Training Quantization, ICML 2020."""


def learn_rounding(
    quantized: QuantizedNetwork,
    images: np.ndarray,
    *,
    iterations: int,
    batch: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> QuantizedNetwork:
    """Learn the rounding of all weights, the steps of all inputs and the biases.

    Parameters
    ----------
    quantized : QuantizedNetwork
        Starting point: weight scales are kept, all other parameters are learned. Input codes must have the zero point
        0.
    images : ndarray of float32, (images, *input_shape)
        Calibration images, normalised.
    iterations, batch : int
        Steps for each piece, and images of a step.
    seed : int
        Seed of the order of images and of the inputs that stay unrounded.
    progress : callable, optional
        ``("learned rounding", done, total)`` pieces.

    Returns
    -------
    QuantizedNetwork
        Of the same weight scales and widths.
    """
    network = quantized.network
    generator = stream(seed, "quantize.rounding")
    found: dict[str, QuantizedLayer] = {}
    pieces = cut_network(network)
    last = {source: index for index, node in enumerate(network.nodes) for source in node.inputs}
    exact, rounded = {INPUT: images}, {INPUT: images}
    done = 0
    with use_threads(1):
        for index, piece in enumerate(pieces):
            for part in _split_piece(piece):
                for node in part:
                    run_float(node, exact)
                layers = {n.name: _RoundedLayer(n, quantized.layers[n.name], generator) for n in part if n.is_layer}
                if layers:
                    inside = {node.name for node in part}
                    source = next(name for node in part for name in node.inputs if name not in inside)
                    given, wanted = torch.tensor(rounded[source]), torch.tensor(exact[part[-1].name])
                    _train(part, layers, given, wanted, iterations, batch, generator)
                settled = {name: layer.settle() for name, layer in layers.items()}
                done += len(part)
                later = {part[-1].name} | {source for source, reader in last.items() if reader >= done}
                found.update(refit_nodes(part, settled, exact, rounded, keep=later))
            if progress is not None:
                progress("learned rounding", index + 1, len(pieces))
    return dataclasses.replace(quantized, layers=found)


def cut_network(network: Network) -> list[list[Node]]:
    """Divide a network wherever a single tensor connects the layers before with the layers after.

    Parameters
    ----------
    network : Network
        Any graph.

    Returns
    -------
    list of list of Node
        Pieces in order, each with at least one weight layer if the network has any; every node in one of them. All
        that a piece reads from outside is the last value of the piece before it.
    """
    last = {source: index for index, node in enumerate(network.nodes) for source in node.inputs}
    pieces: list[list[Node]] = []
    current: list[Node] = []
    live = {INPUT}
    for index, node in enumerate(network.nodes):
        current.append(node)
        live = {name for name in live | {node.name} if last.get(name, -1) > index}
        if live <= {node.name}:
            if pieces and not any(member.is_layer for member in current):
                pieces[-1] += current
            else:
                pieces.append(current)
            current = []
    return pieces


def _split_piece(piece: list[Node]) -> list[list[Node]]:
    """Return a piece that PyTorch computes as it is, any other node by node."""
    if all(node.is_layer or node.kind in OPERATIONS for node in piece):
        return [piece]
    return [[node] for node in piece]


class RoundedInput(torch.autograd.Function):
    """Inputs rounded to codes, in one pass; PyTorch's own operations take ten, half of the time of a training step."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, rule: Rule) -> Tensor:
        """Round ``x``, float32 (B, ...); ``rule``: what :func:`round_inputs` takes after ``step``."""
        x = x.contiguous()
        out = torch.empty_like(x)
        ctx.save_for_backward(x, step)
        ctx.rule = rule
        round_inputs(_flat(x), np.float32(step.item()), *rule, _flat(out))
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of ``x``, (B, ...) like ``gradient``, and of ``step``."""
        x, step = ctx.saved_tensors
        by_x, by_step = torch.empty_like(x), torch.empty_like(x)
        flat = (_flat(part) for part in (gradient.contiguous(), by_x, by_step))
        pass_gradients(_flat(x), np.float32(step.item()), *ctx.rule, *flat)
        return by_x, by_step.sum(), None


def _flat(values: Tensor) -> np.ndarray:
    flat: np.ndarray = values.detach().numpy().reshape(-1)
    return flat


class _RoundedLayer(nn.Module):
    """A weight layer whose rounding, input step and bias are learned."""

    def __init__(self, node: Node, start: QuantizedLayer, generator: np.random.Generator) -> None:
        super().__init__()
        assert node.weight is not None
        if start.weight_bits == 1:
            raise ConfigError(
                f"layer {node.name}: weight_bits: 1 leaves nothing to round; give 2 or more, or method: nearest"
            )
        self.node, self.start, self.generator = node, start, generator
        scale = start.weight_scale.reshape((-1,) + (1,) * (node.weight.ndim - 1))
        steps = node.weight / scale
        self.limit = 2 ** (start.weight_bits - 1) - 1
        self.range = tuple(map(np.float32, code_range(start.activation_bits, start.signed)))
        self.is_binary = is_binary(start.activation_bits, start.signed)
        below = np.clip(np.floor(steps), -self.limit, self.limit)
        share = np.clip((steps - below + STRETCH) / (1 + 2 * STRETCH), 1e-2, 1 - 1e-2)
        self.scale, self.below = (torch.tensor(part, dtype=torch.float32) for part in (scale, below))
        self.position = nn.Parameter(torch.tensor(np.log(share / (1 - share)), dtype=torch.float32))
        self.bias = nn.Parameter(torch.tensor(start.bias, dtype=torch.float32))
        self.step = nn.Parameter(torch.tensor(start.input_scale, dtype=torch.float32))

    def share(self) -> Tensor:
        """Position of each weight between its lower (0) and upper (1) neighbour."""
        return torch.clamp(torch.sigmoid(self.position) * (1 + 2 * STRETCH) - STRETCH, 0, 1)

    def codes(self, share: Tensor) -> Tensor:
        """Weights in steps, given their positions between neighbours, shape of the weight."""
        return torch.clamp(self.below + share, -self.limit, self.limit)

    def undecided(self, sharpness: float) -> Tensor:
        """Sum over weights of a penalty that is 1 half-way and 0 at both neighbours."""
        return (1 - (2 * self.share() - 1).abs().pow(sharpness)).sum()

    def forward(self, x: Tensor) -> Tensor:
        """Round one half of the inputs, chosen at random, and multiply, (B, C, H, W) or (B, ..., features)."""
        kept = np.frombuffer(self.generator.bytes(-(-x.numel() // 8)), dtype=np.uint8)
        whole = RoundedInput.apply(x, self.step, (*self.range, self.is_binary, kept))
        return run_layer(self.node, whole, self.codes(self.share()) * self.scale, self.bias)

    def settle(self) -> QuantizedLayer:
        """Round every weight to the closer neighbour and return the quantised layer."""
        with torch.no_grad():
            # the step remains positive: it starts positive and changes by at most a hundredth in a training step
            self.step.clamp_(min=0.1 * self.start.input_scale)
            codes = self.codes((self.position > 0).to(torch.float32))
            return dataclasses.replace(
                self.start,
                weight=codes.numpy().astype(np.int32),
                input_scale=float(self.step),
                bias=self.bias.numpy().astype(np.float64),
            )


def _train(
    piece: Sequence[Node],
    layers: dict[str, _RoundedLayer],
    given: Tensor,
    wanted: Tensor,
    iterations: int,
    batch: int,
    generator: np.random.Generator,
) -> None:
    groups = [{"params": [layer.position], "lr": RATES["rounding"]} for layer in layers.values()]
    groups += [{"params": [layer.bias], "lr": RATES["bias"]} for layer in layers.values()]
    groups += [{"params": [layer.step], "lr": RATES["step"] * layer.start.input_scale} for layer in layers.values()]
    optimizer = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations)
    variance = float(wanted.var()) or 1.0
    weights = sum(layer.position.numel() for layer in layers.values())
    first, final = SHARPNESS
    size = min(batch, len(given))
    rounds = [generator.permutation(len(given)) for _ in range(-(-iterations * size // len(given)))]
    order = torch.from_numpy(np.concatenate(rounds))  # every image is seen equally often
    for iteration in range(iterations):
        chosen = order[iteration * size : (iteration + 1) * size]
        outputs = _run_piece(piece, given[chosen], lambda n, x: layers[n.name](x))
        loss = functional.mse_loss(outputs, wanted[chosen]) / variance
        done = (iteration / iterations - WARM_UP) / (1 - WARM_UP)
        if done > 0:
            sharpness = first + (final - first) * done
            loss = loss + PENALTY * sum(layer.undecided(sharpness) for layer in layers.values()) / weights
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _run_piece(piece: Sequence[Node], x: Tensor, compute: Callable[[Node, Tensor], Tensor]) -> Tensor:
    values: dict[str, Tensor] = {}
    for node in piece:
        inputs = [values.get(source, x) for source in node.inputs]
        values[node.name] = compute(node, inputs[0]) if node.is_layer else OPERATIONS[node.kind](node, inputs)
    return values[piece[-1].name]
