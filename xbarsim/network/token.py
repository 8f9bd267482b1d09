"""Activation scales by token: every input vector of a linear layer is divided by its own largest magnitude.

The division and the product that takes it back are digital, before and behind the arrays; what arrays read has one
scale as ever. In floats the network computes the same. Quantised, a token of small values keeps as many levels as one
of large values, while with one scale for all tokens the largest one sets the step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from xbarsim.errors import ConfigError
from xbarsim.names import match_names
from xbarsim.network.graph import Network, Node
from xbarsim.network.sign import find_quantizer


def scale_tokens(network: Network, layers: str | Sequence[str] = "*") -> Network:
    """Give layers input scales of their own for every token.

    Parameters
    ----------
    network : Network
        With or without weights.
    layers : str or sequence of str
        Names or globs of layers; convolutions, and layers whose input scale the network's file fixes, stay as they are.

    Returns
    -------
    Network
        The same in floats; layers keep their names, and ``NAME.scaled`` is the result of layer ``NAME``.

    Raises
    ------
    ConfigError
        If a glob matches no layer, or none of the layers can be scaled.
    """
    names = [layer.name for layer in network.layers]
    globs = [layers] if isinstance(layers, str) else list(layers)
    asked = {name for glob in globs for name in match_names(glob, names, "layers", f"layer of network {network.name}")}
    nodes: list[Node] = []
    renamed: dict[str, str] = {}
    made: set[str] = set()
    for given in network.nodes:
        node = dataclasses.replace(given, inputs=tuple(renamed.get(name, name) for name in given.inputs))
        free = node.is_layer and not node.has_kernel and find_quantizer(network, given.inputs[0]) is None
        if node.name not in asked or not free:
            nodes.append(node)
            continue
        source = node.inputs[0]
        if source not in made:
            made.add(source)
            nodes.append(Node(name=f"{source}.peak", kind="peak", inputs=(source,)))
            nodes.append(Node(name=f"{source}.unit", kind="div", inputs=(source, f"{source}.peak")))
        nodes.append(dataclasses.replace(node, inputs=(f"{source}.unit",), bias=None))
        product = Node(name=f"{node.name}.scaled", kind="mul", inputs=(node.name, f"{source}.peak"))
        renamed[node.name] = product.name
        if node.bias is not None:
            nodes.append(dataclasses.replace(product, name=f"{node.name}.product"))
            bias = {"constant": node.bias, "reverse": False}
            product = Node(name=product.name, kind="add", inputs=(f"{node.name}.product",), attributes=bias)
        nodes.append(product)
    if not renamed:
        raise ConfigError(
            f"network {network.name}: none of the layers takes scales by token: they are convolutions, or the file "
            "fixes the scales of their inputs"
        )
    return dataclasses.replace(network, nodes=tuple(nodes), output=renamed.get(network.output, network.output))
