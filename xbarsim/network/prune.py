"""Structured pruning: removal of whole channels of a trained network, the weakest first.

A layer keeps the outputs whose weights have the largest norm (batch normalisation is folded into them), and the layers
after it lose the corresponding inputs; Li et al., arXiv 1608.08710, with the Euclidean norm. Nothing is trained
afterwards.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from xbarsim.errors import ConfigError
from xbarsim.network.graph import INPUT, Network, Node
from xbarsim.network.reshape import reshape_network

Ints = NDArray[np.int64]


def prune_channels(network: Network, shares: Mapping[str, float]) -> Network:
    """Keep a share of the output channels of some layers.

    Parameters
    ----------
    network : Network
        With or without weights.
    shares : mapping
        Layer -> share of its channels that stay [-]; at least one stays.

    Returns
    -------
    Network
        With weights where the network has them, and every layer's follow from its own.

    Raises
    ------
    ConfigError
        If the channels of a layer are tied to an addition, to groups or to the network's output.
    """
    small = reshape_network(network, widths=shares)
    if not network.has_weights:
        return small
    kept: dict[str, Ints | None] = {INPUT: None}
    changed = {}
    for node in small.nodes:
        full = network.node(node.name)
        before = kept[node.inputs[0]]
        if node.is_layer:
            kept[node.name] = _choose(full, node.columns * node.groups)
            if before is not None or kept[node.name] is not None:
                changed[node.name] = _cut_layer(full, node, kept[node.name], before)
        elif any(kept[source] is not None for source in node.inputs):
            kept[node.name] = _follow(network, full, [kept[source] for source in node.inputs])
            if full.weight is not None or full.bias is not None:
                changed[node.name] = _cut_vectors(full, node, kept[node.name])
        else:
            kept[node.name] = None
    return small.replace_nodes(changed) if changed else small


def _choose(full: Node, count: int) -> Ints | None:
    """Return the outputs with the largest norm in their order, or None where all stay."""
    assert full.weight is not None
    if count >= len(full.weight):
        return None
    norms = np.linalg.norm(full.weight.reshape(len(full.weight), -1).astype(np.float64), axis=1)
    return np.sort(np.argsort(-norms, kind="stable")[:count])


def _cut_layer(full: Node, node: Node, outputs: Ints | None, inputs: Ints | None) -> Node:
    assert full.weight is not None
    weight, bias = full.weight, full.bias
    if inputs is not None:
        weight = weight[:, inputs]
    if outputs is not None:
        weight, bias = weight[outputs], None if bias is None else bias[outputs]
    attributes = {
        key: value for key, value in node.attributes.items() if not key.startswith("weight_")
    }  # scales of old
    return dataclasses.replace(
        node, weight=_freeze(weight), bias=None if bias is None else _freeze(bias), attributes=attributes
    )


def _cut_vectors(full: Node, node: Node, kept: Ints | None) -> Node:
    """Cut the factors and offsets of a node between layers."""
    weight, bias = (part if part is None or kept is None else _freeze(part[kept]) for part in (full.weight, full.bias))
    return dataclasses.replace(node, weight=weight, bias=bias)


def _follow(network: Network, full: Node, kept: list[Ints | None]) -> Ints | None:
    """Return which channels are left behind a node that is no layer."""
    shapes = [network.shape_of(source) for source in full.inputs]
    if full.kind == "concat" and full.shape[0] == sum(shape[0] for shape in shapes):
        starts = np.cumsum([0, *(shape[0] for shape in shapes)])
        parts = [np.arange(shape[0]) if own is None else own for shape, own in zip(shapes, kept)]
        return np.concatenate([start + part for start, part in zip(starts, parts)])
    shape, own = shapes[0], kept[0]
    if own is None or any(other is None or not np.array_equal(own, other) for other in kept[1:]):
        raise ConfigError(f"{full.name}: its inputs would keep different channels; they must keep the same")
    if len(full.shape) == 1 and len(shape) > 1 and full.shape[0] == math.prod(shape):
        size = math.prod(shape[1:])
        return (own[:, None] * size + np.arange(size)).ravel()
    if full.shape[0] != shape[0]:
        raise ConfigError(f"{full.name}: a {full.kind} node cannot be pruned")
    return own


def _freeze(values: np.ndarray) -> np.ndarray:
    frozen = np.ascontiguousarray(values).copy()
    frozen.flags.writeable = False
    return frozen
