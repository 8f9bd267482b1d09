"""Static analysis: can the input of a layer be negative?

Unsigned inputs are sent as plain magnitudes, signed ones as two's complement, so the answer decides how many
bit streams a layer takes. Without data only the operations are known; the network's own input counts as signed.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from xbarsim.network.graph import INPUT, Network

if TYPE_CHECKING:
    from xbarsim.network.graph import Node

_NEVER_NEGATIVE = {"relu", "sigmoid", "hard_sigmoid", "softmax", "sqrt"}
_KEEPS_SIGN = {
    "max_pool", "avg_pool", "global_avg_pool", "mean", "flatten", "reshape", "transpose", "slice", "concat",
    "leaky_relu", "tanh", "hard_swish", "erf", "gelu", "matmul",
}  # fmt: skip
_KEEPS_VALUES = {"max_pool", "flatten", "reshape", "transpose", "slice", "relu"}


def input_is_signed(network: Network, layer: str) -> bool:
    """Say whether the input of a layer can be negative.

    Parameters
    ----------
    network : Network
        The network; weights are not needed.
    layer : str
        Name of the layer.

    Returns
    -------
    bool
        True where negative inputs are possible. A network quantised in its file answers with the sign of the
        codes that it feeds to the layer.
    """
    source = network.node(layer).inputs[0]
    quantizer = find_quantizer(network, source)
    if quantizer is not None:
        return bool(quantizer.attributes["signed"])
    return not _nonnegative(network)[source]


def find_quantizer(network: Network, source: str) -> Node | None:
    """Return the ``quantize`` node that fixes the grid of a value, looking through nodes that only move values."""
    while source != INPUT:
        node = network.node(source)
        if node.kind == "quantize":
            return node
        if node.kind not in _KEEPS_VALUES:
            return None
        source = node.inputs[0]
    return None


@functools.lru_cache(maxsize=32)
def _nonnegative(network: Network) -> dict[str, bool]:
    found = {INPUT: False}
    for node in network.nodes:
        found[node.name] = _is_nonnegative(node, [found[source] for source in node.inputs])
    return found


def _is_nonnegative(node: Node, inputs: list[bool]) -> bool:
    a = node.attributes
    if node.kind in _NEVER_NEGATIVE:
        return True
    if node.kind in _KEEPS_SIGN:
        return all(inputs)
    if node.kind == "clip":
        return a.get("min", -np.inf) >= 0 or (all(inputs) and a.get("max", np.inf) >= 0)
    if node.kind in ("add", "mul", "div"):
        return all(inputs) and bool(np.all(a.get("constant", np.zeros(1)) >= 0))
    if node.kind == "pad":
        return all(inputs) and a.get("value", 0.0) >= 0
    if node.kind == "scale":
        fields = [field for field in (node.weight, node.bias) if field is not None]
        return all(inputs) and node.weight is not None and all(bool(np.all(field >= 0)) for field in fields)
    if node.kind == "quantize":
        return all(inputs) or (not a["signed"] and a["zero_point"] == 0)
    return False
