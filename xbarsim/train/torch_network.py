"""A network as a PyTorch module whose weights train (extra ``torch``).

The module runs the graph node by node; weight layers go through a function that may be replaced, which is where a
model of the hardware comes in. Everything else computes what :mod:`xbarsim.network.operations` does.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numba
import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network import INPUT, Network, Node

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise ConfigError(f"training needs {error.name}: pip install 'xbarsim[torch]'") from None

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
                raise ConfigError(f"network {network.name}: {node.name}: cannot train through a {node.kind} node")
        self.network = network
        self.weights = nn.ParameterDict()
        self.biases = nn.ParameterDict()
        for node in network.layers:
            assert node.weight is not None
            bias = np.zeros(node.columns * node.groups, np.float32) if node.bias is None else node.bias
            self.weights[_key(node.name)] = nn.Parameter(torch.tensor(node.weight))
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
        return self.weights[_key(name)], self.biases[_key(name)]

    def to_network(self) -> Network:
        """Return the network with the weights of now."""
        changed = {}
        for node in self.network.layers:
            weight, bias = (part.detach().cpu().numpy().copy() for part in self.parameters_of(node.name))
            attributes = {key: value for key, value in node.attributes.items() if not key.startswith("weight_")}
            changed[node.name] = dataclasses.replace(node, weight=weight, bias=bias, attributes=attributes)
        return self.network.replace_nodes(changed)


def run_layer(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None, pad_value: float = 0.0) -> Tensor:
    """Compute a weight layer.

    Parameters
    ----------
    node : Node
        ``conv2d`` or ``linear``.
    x, weight, bias : Tensor
        Operands.
    pad_value : float
        What padding holds.

    Returns
    -------
    Tensor
        The layer's output.
    """
    if node.kind == "linear":
        return functional.linear(x, weight, bias)
    given = node.attributes
    top, left, bottom, right = given["padding"]
    padding: Any = (top, left)
    if (top, left) != (bottom, right) or pad_value:
        x, padding = functional.pad(x, (left, right, top, bottom), value=pad_value), 0
    return functional.conv2d(x, weight, bias, given["stride"], padding, given["dilation"], given["groups"])


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


def _pool(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    x, given = inputs[0], node.attributes
    top, left, bottom, right = given["padding"]
    ceil = bool(given.get("ceil_mode", False))
    if (top, left) != (bottom, right):
        raise ConfigError(f"{node.name}: cannot train through a pool with uneven padding {given['padding']}")
    if node.kind == "max_pool":
        dilation = given.get("dilation", (1, 1))
        return functional.max_pool2d(x, given["kernel"], given["stride"], (top, left), dilation, ceil)
    counts = bool(given.get("count_include_pad", False))
    return functional.avg_pool2d(x, given["kernel"], given["stride"], (top, left), ceil, counts)


def _mean(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    axes = tuple(node.attributes.get("axes", (2, 3)))
    return inputs[0].mean(dim=axes, keepdim=node.attributes.get("keepdims", True))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    def run(node: Node, inputs: Sequence[Tensor]) -> Tensor:
        constant = node.attributes.get("constant")
        if constant is not None:
            other = torch.as_tensor(np.asarray(constant), device=inputs[0].device)
            pair = (other, inputs[0]) if node.attributes.get("reverse") else (inputs[0], other)
            return function(*pair)
        result = inputs[0]
        for other in inputs[1:]:
            result = function(result, other)
        return result

    return run


def _scale(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    shape = (-1,) + (1,) * (inputs[0].ndim - 2)
    y = inputs[0]
    if node.weight is not None:
        y = y * torch.tensor(node.weight, device=y.device).reshape(shape)
    return y if node.bias is None else y + torch.tensor(node.bias, device=y.device).reshape(shape)


def _pad(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    given = node.attributes
    sides = [side for pair in reversed(given["pads"]) for side in pair]
    mode = {"edge": "replicate"}.get(given.get("mode", "constant"), given.get("mode", "constant"))
    if mode == "constant":
        return functional.pad(inputs[0], sides, value=float(given.get("value", 0.0)))
    while len(sides) > 2 and sides[-2:] == [0, 0]:
        sides = sides[:-2]
    return functional.pad(inputs[0], sides, mode=mode)


def _slice(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    y = inputs[0]
    for axis, (start, stop, step) in enumerate(node.attributes["ranges"], start=1):
        chosen = range(y.shape[axis])[slice(start, stop, step)]
        if len(chosen) < y.shape[axis] or chosen.step != 1:
            y = y.index_select(axis, torch.tensor(list(chosen), device=y.device))
    return y


def _layer_norm(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    x = inputs[0]
    weight, bias = (None if part is None else torch.tensor(part) for part in (node.weight, node.bias))
    return functional.layer_norm(x, x.shape[node.attributes["axis"] :], weight, bias, node.attributes["epsilon"])


def _gelu(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    return functional.gelu(inputs[0], approximate="tanh" if node.attributes.get("approximate") else "none")


def _elementwise(function: Callable[[Tensor], Tensor]) -> Operation:
    return lambda node, inputs: function(inputs[0])


OPERATIONS: dict[str, Operation] = {
    "matmul": lambda node, inputs: inputs[0] @ inputs[1],
    "scale": _scale, "layer_norm": _layer_norm, "gelu": _gelu, "pad": _pad, "slice": _slice,
    "relu": _elementwise(functional.relu), "sigmoid": _elementwise(torch.sigmoid), "tanh": _elementwise(torch.tanh),
    "erf": _elementwise(torch.erf), "sqrt": _elementwise(torch.sqrt), "hard_swish": _elementwise(functional.hardswish),
    "clip": lambda node, inputs: inputs[0].clamp(node.attributes.get("min"), node.attributes.get("max")),
    "leaky_relu": lambda node, inputs: functional.leaky_relu(inputs[0], node.attributes["alpha"]),
    "hard_sigmoid": lambda node, inputs: (inputs[0] * node.attributes["alpha"] + node.attributes["beta"]).clamp(0, 1),
    "softmax": lambda node, inputs: inputs[0].softmax(dim=node.attributes.get("axis", 1)),
    "max_pool": _pool, "avg_pool": _pool, "global_avg_pool": _mean, "mean": _mean,
    "add": _binary(torch.add), "sub": _binary(torch.sub), "mul": _binary(torch.mul), "div": _binary(torch.div),
    "concat": lambda node, inputs: torch.cat(list(inputs), dim=node.attributes.get("axis", 1)),
    "flatten": lambda node, inputs: inputs[0].reshape(len(inputs[0]), *node.shape),
    "reshape": lambda node, inputs: inputs[0].reshape(len(inputs[0]), *node.shape),
    "transpose": lambda node, inputs: inputs[0].permute(tuple(node.attributes["order"])),
}  # fmt: skip
"""Kind of node -> what it computes."""
