"""Random weights of a sensible size, for trying networks that come as shapes only.

Every layer draws from a normal distribution whose deviation makes its output's mean square one (He initialisation),
given mean and variance of its input as followed through the graph; values neither vanish nor explode with depth.
Trained weights are not normal: accuracy, clipping and cell levels of such a network say nothing about a trained one.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from xbarsim.network.graph import INPUT, Network, Node
from xbarsim.rng import stream

_BIAS_DEVIATION = 0.05


def with_random_weights(network: Network, seed: int = 0) -> Network:
    """Return a network whose layers hold random weights.

    Parameters
    ----------
    network : Network
        Shapes; weights it has are replaced.
    seed : int
        Stream ``"network.weights"``, one by layer name: a normal draw per weight, then one per output for the bias.

    Returns
    -------
    Network
        With weights.
    """
    moments = {INPUT: (0.0, 1.0)}
    changed = {}
    for node in network.nodes:
        inputs = [moments[source] for source in node.inputs]
        moments[node.name] = _moments(node, inputs)
        if node.is_layer:
            mean, variance = inputs[0]
            changed[node.name] = _randomised(node, mean**2 + variance, seed)
    return network.replace_nodes(changed)


def _randomised(node: Node, square: float, seed: int) -> Node:
    rng = stream(seed, "network.weights", node.name)
    outputs = node.columns * node.groups
    shape: tuple[int, ...] = (outputs, node.rows)
    if node.kind == "conv2d":
        shape = (outputs, node.attributes["in_channels"] // node.groups, *node.attributes["kernel"])
    weight = rng.standard_normal(shape, dtype=np.float32)
    weight *= np.float32(1.0 / np.sqrt(node.rows * square))
    bias = np.float32(_BIAS_DEVIATION) * rng.standard_normal(outputs, dtype=np.float32)
    for values in (weight, bias):
        values.flags.writeable = False
    attributes = {key: value for key, value in node.attributes.items() if not key.startswith("weight_")}
    return dataclasses.replace(node, weight=weight, bias=bias, attributes=attributes)


def _moments(node: Node, inputs: list[tuple[float, float]]) -> tuple[float, float]:
    """Estimate mean and variance of a node's output from those of its inputs, taken as normal and independent."""
    mean, variance = inputs[0]
    if node.is_layer:
        return 0.0, 1.0
    if node.kind in ("relu", "clip", "leaky_relu", "hard_swish", "gelu"):
        return _rectified(mean, variance)
    if node.kind in ("sigmoid", "hard_sigmoid"):
        return 0.5, 0.05
    if node.kind == "add":
        return sum(each for each, _ in inputs), sum(each for _, each in inputs)
    if node.kind == "mul" and len(inputs) > 1:
        other, spread = inputs[1]
        return mean * other, (mean**2 + variance) * (other**2 + spread) - (mean * other) ** 2
    return mean, variance


def _rectified(mean: float, variance: float) -> tuple[float, float]:
    """Return mean and variance of max(x, 0) for a normal x."""
    deviation = math.sqrt(variance)
    share = 0.5 * (1.0 + math.erf(mean / deviation / math.sqrt(2.0)))
    density = math.exp(-0.5 * mean**2 / variance) / math.sqrt(2.0 * math.pi)
    first = mean * share + deviation * density
    return first, (mean**2 + variance) * share + mean * deviation * density - first**2
