"""Division of layers by outputs: several layers with the same input, joined by a concatenation.

The result is the same network: equal shapes, equal float results. Quantised, every part has a weight scale of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from xbarsim.errors import ConfigError
from xbarsim.network.graph import Network, Node, rule_of


def split_layers(network: Network, parts: Mapping[str, int]) -> Network:
    """Cut layers into parts of nearly equal numbers of outputs.

    Parameters
    ----------
    network : Network
        With or without weights.
    parts : mapping
        Name of a layer -> number of parts; part 0 of ``fc`` is called ``fc.part0``, and the concatenation ``fc``.

    Returns
    -------
    Network
        Of the same shapes.

    Raises
    ------
    ConfigError
        If a layer is no plain one (grouped convolutions and epitomes are not cut), or has fewer outputs than parts.
    """
    nodes: list[Node] = []
    for node in network.nodes:
        nodes.extend(_cut(node, parts[node.name]) if node.name in parts else (node,))
    return Network(name=network.name, nodes=tuple(nodes), input_shape=network.input_shape, output=network.output)


def name_parts(name: str, count: int) -> list[str]:
    """Name the parts of a layer that is cut.

    Parameters
    ----------
    name : str
        Name of the layer.
    count : int
        Parts.

    Returns
    -------
    list of str
        In the order of their outputs.
    """
    return [f"{name}.part{part}" for part in range(count)]


def _cut(node: Node, count: int) -> list[Node]:
    if not node.is_layer or node.groups > 1 or node.epitome is not None or not 1 <= count <= node.columns:
        raise ConfigError(f"node {node.name}: cannot be cut into {count} parts of its outputs")
    rule = rule_of(node)
    names, made = name_parts(node.name, count), []
    for part, name in enumerate(names):
        first, last = node.columns * part // count, node.columns * (part + 1) // count
        made.append(
            dataclasses.replace(
                node,
                name=name,
                attributes={**node.attributes, rule.outputs: last - first},
                weight=None if node.weight is None else node.weight[first:last],
                bias=None if node.bias is None else node.bias[first:last],
                shape=(),
            )
        )
    axis = rule.output_axis % (len(node.shape) + 1)
    return [*made, Node(name=node.name, kind="concat", inputs=tuple(names), attributes={"axis": axis})]
