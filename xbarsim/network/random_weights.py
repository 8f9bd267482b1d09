"""Random weights with suitable standard deviations, for networks without weights.

Every layer draws from a normal distribution whose deviation makes its output's mean square one (He initialisation),
given mean and variance of its input as followed through the graph; values neither vanish nor explode with depth.
Trained weights are not normal: accuracy, clipping and cell levels of such a network say nothing about a trained one.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from xbarsim.network.graph import INPUT, Network, Node, rule_of
from xbarsim.network.kinds import KINDS
from xbarsim.rng import stream

_BIAS_DEVIATION = 0.05
"""Standard deviation of random biases [-]. Our choice."""


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
        moments[node.name] = KINDS[node.kind].moments(inputs)
        if node.is_layer:
            mean, variance = inputs[0]
            changed[node.name] = _randomised(node, mean**2 + variance, seed)
    return network.replace_nodes(changed)


def _randomised(node: Node, square: float, seed: int) -> Node:
    rng = stream(seed, "network.weights", node.name)
    outputs = node.columns * node.groups
    weight = rng.standard_normal(rule_of(node).weight_shape(node), dtype=np.float32)
    weight *= np.float32(1.0 / np.sqrt(node.rows * square))
    bias = np.float32(_BIAS_DEVIATION) * rng.standard_normal(outputs, dtype=np.float32)
    for values in (weight, bias):
        values.flags.writeable = False
    attributes = {key: value for key, value in node.attributes.items() if not key.startswith("weight_")}
    return dataclasses.replace(node, weight=weight, bias=bias, attributes=attributes)
