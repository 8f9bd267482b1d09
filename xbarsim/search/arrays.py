"""Layers of a super-network on the arrays of their options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from xbarsim.config import Hardware
from xbarsim.mapping import plan_network
from xbarsim.network import Network, QuantizedLayer, quantize_network, run_network
from xbarsim.search.design import choose_keys
from xbarsim.search.supernet import Candidate, SuperNetwork
from xbarsim.train.hardware_model import LayerChip, draw_layer, run_on_chip
from xbarsim.train.torch_network import Tensor, torch


class Arrays:
    """Layers on the hardware of their options, programmed at intervals and drawn when they are first needed.

    An array depends on the weights and inputs at the time when all arrays were programmed, not on the step that needs
    it first, so that a search that is resumed uses the same arrays.

    Parameters
    ----------
    hardware : Hardware
        Hardware of layers without a choice.
    seed : int
        Seed of chips and noise.
    """

    def __init__(self, hardware: Hardware, seed: int) -> None:
        self._hardware = hardware
        self._seed = seed
        self._drawn: dict[Any, tuple[QuantizedLayer, LayerChip]] = {}
        self._programmed: dict[str, Any] = {}
        self.generator = torch.Generator().manual_seed(seed + 1)

    def program(self, net: SuperNetwork, images: np.ndarray, trial: int) -> None:
        """Program another chip with the present weights.

        Parameters
        ----------
        net : SuperNetwork
            Network with the weights.
        images : ndarray of float32, (images, *input_shape)
            What layers see of them in float, behind the most likely layers, sets the ranges of inputs.
        trial : int
            Key of the chip's random streams.
        """
        point = net.best(may_vanish=False)
        network = net.weights_of(net.space.design(point).network, point)
        seen: dict[str, np.ndarray] = {}
        run_network(network, images, observe=seen.__setitem__, block=len(images))
        self._programmed = {
            "trial": trial,
            "weights": {name: [part.clone() for part in net.candidate(name).fold()] for name in net.candidates},
            "inputs": {node.name: torch.tensor(seen[node.inputs[0]]) for node in network.layers},
        }
        self._drawn.clear()

    def save(self) -> dict[str, Any]:
        """Return the state that determines arrays and noise."""
        return {"programmed": self._programmed, "noise": self.generator.get_state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore the state that :meth:`save` returned."""
        self._programmed = state["programmed"]
        self._drawn.clear()
        self.generator.set_state(state["noise"])

    def __call__(self, candidate: Candidate, x: Tensor, weight: Tensor, bias: Tensor, option: Any) -> Tensor:
        """Compute a layer on the hardware of an option."""
        key = (candidate.name, repr(sorted(option.items(), key=lambda item: item[0])))
        if key not in self._drawn:
            self._drawn[key] = self._draw(candidate, choose_keys(option))
        return run_on_chip(candidate.node, x, weight, bias, *self._drawn[key], self.generator)

    def _draw(self, candidate: Candidate, choice: dict[str, Any]) -> tuple[QuantizedLayer, LayerChip]:
        node = candidate.node
        sample = self._programmed["inputs"][node.name].numpy()
        weight, bias = (part.numpy() for part in self._programmed["weights"][candidate.name])
        alone = dataclasses.replace(node, inputs=("input",), weight=weight, bias=bias)
        network = Network(name=node.name, nodes=(alone,), input_shape=sample.shape[1:])
        choices = {node.name: choice} if choice else None
        plan = plan_network(network, self._hardware, layers=choices, may_cut=False).layer(node.name)
        layer = quantize_network(
            network, sample, weight_bits=plan.weight_bits, activation_bits=plan.activation_bits
        ).layers[node.name]
        trial = self._programmed["trial"]
        chip = draw_layer(network.node(node.name), layer, plan, sample, seed=self._seed, trial=trial)
        return layer, chip
