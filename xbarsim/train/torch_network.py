"""A network as a PyTorch module with trainable weights (extra ``torch``).

The module evaluates the graph node by node. Weight layers are computed by a function that can be replaced, for example
by a model of the hardware. All other nodes are computed as defined in :mod:`xbarsim.network.kinds`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numba
import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network import INPUT, Network, Node
from xbarsim.network.compact import attach_epitome, freeze_values
from xbarsim.network.graph import rule_of
from xbarsim.network.kinds import KINDS, NO_TORCH

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise ConfigError(f"training needs {error.name}: pip install 'xbarsim[torch]'") from None

__all__ = [
    "OPERATIONS", "LayerFunction", "Tensor", "TorchNetwork", "functional", "nn", "run_layer", "torch", "use_threads",
    "write_state",
]  # fmt: skip

LayerFunction = Callable[[Node, Tensor, Tensor, Tensor], Tensor]
Operation = Callable[[Node, Sequence[Tensor]], Tensor]


class TorchNetwork(nn.Module):
    """A network whose weights are parameters.

    Parameters
    ----------
    network : Network
        With weights.

    Raises
    ------
    ConfigError
        If weights are missing, or a node cannot be trained through.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        if not network.has_weights:
            raise ConfigError(f"network {network.name}: has no weights to train")
        for node in network.nodes:
            if not node.is_layer and node.kind not in OPERATIONS:
                raise ConfigError(
                    f"network {network.name}: {node.name}: cannot train through a {node.kind} node; train the "
                    "PyTorch module with xs.nn.convert, which takes other operations than recurrent layers as they are"
                )
        self.network = network
        self._samples: dict[str, Tensor] = {}
        self.weights = nn.ParameterDict()
        self.biases = nn.ParameterDict()
        for node in network.layers:
            cells = node.weight if node.epitome is None else node.epitome.values
            assert cells is not None
            bias = np.zeros(node.columns * node.groups, np.float32) if node.bias is None else node.bias
            self.weights[_key(node.name)] = nn.Parameter(torch.tensor(cells))
            if node.epitome is not None:
                self._samples[node.name] = torch.tensor(node.epitome.sampler.index.astype(np.int64))
            self.biases[_key(node.name)] = nn.Parameter(torch.tensor(bias))

    def forward(self, images: Tensor, layer_function: LayerFunction | None = None) -> Tensor:
        """Run the graph.

        Parameters
        ----------
        images : Tensor, (images, *input_shape)
            Normalised images.
        layer_function : callable, optional
            ``(node, x, weight, bias) -> y`` for weight layers; plain float if left out.

        Returns
        -------
        Tensor, (images, classes)
            Raw outputs.
        """
        function = layer_function or run_layer
        values = {INPUT: images}
        for node in self.network.nodes:
            inputs = [values[source] for source in node.inputs]
            if node.is_layer:
                values[node.name] = function(node, inputs[0], *self.parameters_of(node.name))
            else:
                values[node.name] = OPERATIONS[node.kind](node, inputs)
        return values[self.network.output]

    def parameters_of(self, name: str) -> tuple[Tensor, Tensor]:
        """Return weight and bias of a layer."""
        return self.expand(self.network.node(name), self.cells_of(name)), self.biases[_key(name)]

    def cells_of(self, name: str) -> Tensor:
        """Return the parameter that the arrays of a layer store: its weight (outputs, ...), or its epitome
        (Cout_e, Cin_e, p, q).
        """
        found: Tensor = self.weights[_key(name)]
        return found

    def expand(self, node: Node, cells: Tensor) -> Tensor:
        """Return the weight of a layer for values of its cells, shape of :meth:`cells_of`."""
        if node.epitome is None:
            return cells
        weight = cells.reshape(-1)[self._samples[node.name]]
        gain = node.epitome.gain
        return weight if gain is None else weight * torch.as_tensor(gain, dtype=weight.dtype).reshape(-1, 1, 1, 1)

    def to_network(self) -> Network:
        """Return the network with the present weights."""
        changed = {}
        for node in self.network.layers:
            cells, bias = (
                part.detach().cpu().numpy().copy() for part in (self.cells_of(node.name), self.biases[_key(node.name)])
            )
            attributes = {key: value for key, value in node.attributes.items() if not key.startswith("weight_")}
            fresh = dataclasses.replace(node, bias=bias, attributes=attributes)
            if node.epitome is None:
                changed[node.name] = dataclasses.replace(fresh, weight=cells)
            else:
                epitome = dataclasses.replace(node.epitome, values=freeze_values(cells))
                changed[node.name] = attach_epitome(fresh, epitome)
        return self.network.replace_nodes(changed)


def run_layer(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None, pad_value: float = 0.0) -> Tensor:
    """Compute a weight layer.

    Parameters
    ----------
    node : Node
        A weight layer.
    x : Tensor, (B, C, H, W) or (B, ..., features)
        Inputs.
    weight : Tensor, (outputs, C / groups, kh, kw) or (outputs, features)
        Weights.
    bias : Tensor, (outputs,), optional
        Bias.
    pad_value : float
        What padding holds.

    Returns
    -------
    Tensor, (B, outputs, OH, OW) or (B, ..., outputs)
        The layer's output.
    """
    y: Tensor = rule_of(node).torch(torch, node, x, weight, bias, pad_value)
    return y


@contextlib.contextmanager
def use_threads(threads: int) -> Iterator[None]:
    """Let PyTorch use so many threads within a ``with`` statement.

    Parameters
    ----------
    threads : int
        Threads of one operation.
    """
    # both may run on one OpenMP library, where the start of Numba's threads would raise the number again
    numba.get_num_threads()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _key(name: str) -> str:
    return name.replace(".", "/")


OPERATIONS: dict[str, Operation] = {
    name: functools.partial(kind.torch, torch) for name, kind in KINDS.items() if kind.torch is not NO_TORCH
}
"""Kind of node -> what it computes; the records of kinds hold the functions."""


def write_state(state: Mapping[str, Any]) -> bytes:
    """Return what ``torch.save`` writes of a mapping; a signal that interrupts it stays a KeyboardInterrupt."""
    buffer = io.BytesIO()
    try:
        torch.save(state, buffer)
    except RuntimeError as error:  # PyTorch ends the archive in any case, which fails in the middle of an entry
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    return buffer.getvalue()
