"""A super-network: all choices of a network, of which one is active in each layer.

Kernels have weights of their own; choices of hardware (array size, cell bits, converters) share them. Where the
backbone comes with weights, smaller and larger kernels start as its cut-out and its embedding in zeros; else every
convolution starts at random and is followed by batch normalisation, which folds into the weights at the end.

Binary gates as in ProxylessNAS (H. Cai et al., ICLR 2019), which NAX follows: an architecture step samples two options
of a layer, runs one of them and weighs the other by nought, so that the gates of both get a gradient.

Neglected: a zero operator inside a residual branch leaves the biases of later layers of the branch in place until the
branch is really taken out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network import INPUT, Network, Node
from xbarsim.network.graph import rule_of
from xbarsim.network.reshape import change_layer
from xbarsim.search.space import Point, Space
from xbarsim.train.torch_network import OPERATIONS, Tensor, nn, run_layer, torch

Paths = Mapping[int, tuple[int, ...]]
"""SearchSlot -> the active option, and in architecture steps the other one behind it."""


class _Gate(torch.autograd.Function):
    """``gates[0] * active + gates[1] * other`` for gates of (1, 0), without the arithmetic."""

    @staticmethod
    def forward(context: Any, active: Tensor, other: Tensor, gates: Tensor) -> Tensor:
        context.save_for_backward(active, other)
        return active.view_as(active)

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor, None, Tensor]:
        slope = slopes[0].flatten()
        return slopes[0], None, torch.stack([torch.dot(slope, path.flatten()) for path in context.saved_tensors])


class Candidate(nn.Module):
    """The weights of one kernel of one layer.

    Parameters
    ----------
    name : str
        Key of the candidate in its network.
    node : Node
        The layer with that kernel.
    weight, bias : ndarray
        First values.
    has_norm : bool
        Whether batch normalisation follows.
    """

    def __init__(self, name: str, node: Node, weight: np.ndarray, bias: np.ndarray, has_norm: bool) -> None:
        super().__init__()
        self.name = name
        self.node = node
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float32))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float32), requires_grad=not has_norm)
        self.norm = nn.BatchNorm2d(len(weight)) if has_norm else None

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer in float for ``x``, (B, C, H, W) or (B, ..., features)."""
        y = run_layer(self.node, x, self.weight, self.bias)
        return y if self.norm is None else self.norm(y)

    def fold(self) -> tuple[Tensor, Tensor]:
        """Return weight and bias with the normalisation inside, detached."""
        weight, bias = self.weight.detach(), self.bias.detach()
        if self.norm is None:
            return weight, bias
        norm: Any = self.norm
        gain = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
        return weight * gain.reshape(-1, 1, 1, 1), norm.bias.detach() + (bias - norm.running_mean) * gain


OnChip = Callable[[Candidate, Tensor, Tensor, Tensor, Any], Tensor]
"""(candidate, x, folded weight, folded bias, option) -> output on the hardware of an option."""


class SuperNetwork(nn.Module):
    """The backbone with all candidates and architecture parameters.

    Parameters
    ----------
    space : Space
        What can be chosen.
    seed : int
        Seed of random weights.

    Raises
    ------
    ConfigError
        If the space has an axis that weights cannot be shared along.
    """

    def __init__(self, space: Space, seed: int = 0) -> None:
        super().__init__()
        for slot in (*space.slots, *space.fixed):
            for axis in ("width", "epitome"):
                if axis in slot.axes:
                    raise ConfigError(f"space.{slot.name}.{axis}: cannot be an axis of a differentiable search")
        network = space.network
        for node in network.nodes:
            if not node.is_layer and node.kind not in OPERATIONS:
                raise ConfigError(f"network {network.name}: {node.name}: cannot train through a {node.kind} node")
        self.space, self.network = space, network
        self.alphas = nn.ParameterList([nn.Parameter(torch.zeros(slot.count)) for slot in space.slots])
        self.slot_of = {name: number for number, slot in enumerate(space.slots) for name in slot.layers}
        self.candidates = nn.ModuleDict()
        generator = torch.Generator().manual_seed(seed)
        for node in network.layers:
            source = network.shape_of(node.inputs[0])
            for kernel in self._kernels(node):
                changed = change_layer(node, source, kernel, 1.0)
                has_norm = node.has_kernel and not network.has_weights
                weight, bias = _first_weights(node, changed, generator)
                name = _key(node.name, kernel)
                self.candidates[name] = Candidate(name, changed, weight, bias, has_norm)

    def forward(
        self, images: Tensor, paths: Paths, gates: Mapping[int, Tensor] | None = None, on_chip: OnChip | None = None
    ) -> Tensor:
        """Run one path.

        Parameters
        ----------
        images : Tensor
            Normalised images.
        paths : mapping
            SearchSlot -> options.
        gates : mapping, optional
            SearchSlot -> (1, 0), for an architecture step: weights are folded and take no gradient.
        on_chip : callable, optional
            Computes a layer on the hardware of an option; ideal arrays if left out.

        Returns
        -------
        Tensor, (images, classes)
            Raw outputs.
        """
        values = {INPUT: images}
        for node in self.network.nodes:
            inputs = [values[source] for source in node.inputs]
            if not node.is_layer:
                values[node.name] = OPERATIONS[node.kind](node, inputs)
                continue
            number = self.slot_of.get(node.name)
            if gates is None:
                option = {} if number is None else self.space.slots[number].option(paths[number][0])
                values[node.name] = self._run(node, inputs[0], option)
            elif number is None:
                values[node.name] = self._run_folded(node, inputs[0], self._fixed(node), on_chip)
            else:
                options = [self.space.slots[number].option(index) for index in paths[number]]
                active = self._run_folded(node, inputs[0], options[0], on_chip)
                with torch.no_grad():
                    other = self._run_folded(node, inputs[0], options[1], on_chip)
                values[node.name] = _Gate.apply(active, other, gates[number])
        return values[self.network.output]

    def start_zeros(self, chance: float) -> None:
        """Give every zero operator a probability, the other options of its slot an equal share of the rest.

        Parameters
        ----------
        chance : float
            Between 0 and 1, both excluded [-].
        """
        with torch.no_grad():
            for slot, alpha in zip(self.space.slots, self.alphas):
                alpha.zero_()
                if slot.can_vanish and slot.count > 1:
                    alpha[-1] = math.log(chance * (slot.count - 1) / (1 - chance))

    def best(self, may_vanish: bool = True) -> Point:
        """Return the most likely option of every slot, zero operators among them or not."""
        parts = zip(self.space.slots, self.alphas)
        return tuple(int((a if may_vanish or not slot.can_vanish else a[:-1]).argmax()) for slot, a in parts)

    def candidate(self, name: str) -> Candidate:
        """Return the candidate of a key of ``candidates``."""
        found = self.candidates[name]
        assert isinstance(found, Candidate)
        return found

    def weights_of(self, network: Network, point: Point) -> Network:
        """Return a design's network with the weights of its candidates.

        Parameters
        ----------
        network : Network
            Of :meth:`~xbarsim.search.space.Space.design` at the point.
        point : tuple of int
            Option of every slot.

        Returns
        -------
        Network
            With weights, normalisation folded in.
        """
        changed = {}
        for node in network.layers:
            number = self.slot_of.get(node.name)
            option = self._fixed(node) if number is None else self.space.slots[number].option(point[number])
            weight, bias = (part.numpy().copy() for part in self._candidate(node, option).fold())
            changed[node.name] = dataclasses.replace(node, weight=weight, bias=bias)
        return network.replace_nodes(changed)

    def _run(self, node: Node, x: Tensor, option: Any) -> Tensor:
        if isinstance(option, str):
            return x.new_zeros((len(x), *node.shape))
        y: Tensor = self._candidate(node, option or self._fixed(node))(x)
        return y

    def _run_folded(self, node: Node, x: Tensor, option: Any, on_chip: OnChip | None) -> Tensor:
        if isinstance(option, str):
            return x.new_zeros((len(x), *node.shape))
        candidate = self._candidate(node, option)
        weight, bias = candidate.fold()
        if on_chip is None:
            return run_layer(candidate.node, x, weight, bias)
        return on_chip(candidate, x, weight, bias, option)

    def _fixed(self, node: Node) -> dict[str, Any]:
        """Return the only option of a layer without a choice."""
        return next((dict(slot.option(0)) for slot in self.space.fixed if node.name in slot.layers), {})  # type: ignore[arg-type]

    def _kernels(self, node: Node) -> tuple[int | None, ...]:
        for slot in (*self.space.slots, *self.space.fixed):
            if node.name in slot.layers and node.has_kernel and "kernel" in slot.axes:
                return slot.axes["kernel"]
        return (None,)

    def _candidate(self, node: Node, option: Mapping[str, Any] | str) -> Candidate:
        kernel = option.get("kernel") if node.has_kernel and not isinstance(option, str) else None
        return self.candidate(_key(node.name, kernel))


def _key(name: str, kernel: int | None) -> str:
    return f"{name.replace('.', '/')}:{kernel or ''}"


def _first_weights(node: Node, changed: Node, generator: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the first weights of a candidate: the backbone's, cut out or embedded; or random ones."""
    outputs = changed.columns * changed.groups
    bias = np.zeros(outputs, np.float32) if node.bias is None else np.array(node.bias)
    shape = rule_of(changed).weight_shape(changed)
    if node.weight is None:
        deviation = (2.0 / changed.rows) ** 0.5 if node.has_kernel else (1.0 / changed.rows) ** 0.5
        return (torch.randn(shape, generator=generator) * deviation).numpy(), bias
    if node.weight.shape == shape:
        return np.array(node.weight), bias
    weight = np.zeros(shape, np.float32)
    high, wide = (min(a, b) for a, b in zip(shape[2:], node.weight.shape[2:]))
    (top, left), (above, before) = (
        ((size[0] - high) // 2, (size[1] - wide) // 2) for size in (shape[2:], node.weight.shape[2:])
    )
    cut = node.weight[:, :, above : above + high, before : before + wide]
    weight[:, :, top : top + high, left : left + wide] = cut
    return weight, bias
