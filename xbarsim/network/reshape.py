"""Networks with other kernels, other widths, and removed layers.

A kernel keeps the size of its output: its padding is adjusted equally on all sides. A width scales the output channels
of a layer, and the layers after it are adjusted. The zero operator removes the residual branch of a layer, so that the
block becomes its shortcut. Weights are kept where their shape is unchanged, and removed elsewhere.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping
from typing import Any

from xbarsim.errors import ConfigError
from xbarsim.network.graph import INPUT, Network, Node, rule_of
from xbarsim.network.order import count_activations
from xbarsim.network.shapes import infer_shape
from xbarsim.network.sign import input_is_signed


def reshape_network(
    network: Network,
    *,
    kernels: Mapping[str, int] | None = None,
    widths: Mapping[str, float] | None = None,
    removed: Collection[str] = (),
) -> Network:
    """Change the shape of a network.

    Parameters
    ----------
    network : Network
        The backbone.
    kernels : mapping, optional
        Convolution -> height and width of its kernel.
    widths : mapping, optional
        Layer -> factor of its output channels [-].
    removed : collection of str, optional
        Layers whose residual branch is taken out.

    Returns
    -------
    Network
        Checked anew.

    Raises
    ------
    ConfigError
        If a layer cannot take the change.
    """
    kernels, widths = kernels or {}, widths or {}
    if not kernels and not widths:
        return remove_branches(network, removed) if removed else network
    shapes = {INPUT: network.input_shape}
    changed = {}
    for node in network.nodes:
        new = change_layer(node, shapes[node.inputs[0]], kernels.get(node.name), widths.get(node.name, 1.0))
        shapes[node.name] = infer_shape(new, [shapes[source] for source in node.inputs])
        if new is not node:
            changed[node.name] = new
    if shapes[network.output] != network.output_shape:
        raise ConfigError(f"{network.output}: the output layer of the network cannot change its shape")
    result = network.replace_nodes(changed) if changed else network
    return remove_branches(result, removed) if removed else result


@functools.lru_cache(maxsize=64)
def find_branches(network: Network) -> Mapping[str, tuple[str, int]]:
    """Find the layers that a zero operator can take out.

    Parameters
    ----------
    network : Network
        The backbone.

    Returns
    -------
    mapping
        Layer -> (addition that its residual branch ends in, which of the addition's inputs the branch is). The branch
        with the fewest layers of an addition is its shortcut and stays.
    """
    found: dict[str, tuple[str, int]] = {}
    for node in network.nodes:
        if node.kind != "add" or len(set(node.inputs)) < 2:
            continue
        branches = [_trace_back(network, source) for source in node.inputs]
        shortcut = min(range(len(branches)), key=lambda number: (len(branches[number]), -number))
        for number, layers in enumerate(branches):
            if number != shortcut:
                found.update(dict.fromkeys(layers, (node.name, number)))
    return found


def remove_branches(network: Network, layers: Collection[str]) -> Network:
    """Take out the residual branches that layers stand on.

    Parameters
    ----------
    network : Network
        The backbone.
    layers : collection of str
        Layers of :func:`find_branches`.

    Returns
    -------
    Network
        Without the branches and what only they needed.

    Raises
    ------
    ConfigError
        If a layer stands on no residual branch.
    """
    branches = find_branches(network)
    cut: dict[str, set[int]] = {}
    for name in layers:
        if name not in branches:
            raise ConfigError(f"{network.node(name).name}: is not on a residual branch and cannot be left out")
        addition, number = branches[name]
        cut.setdefault(addition, set()).add(number)
    renamed: dict[str, str] = {}
    nodes = []
    for node in network.nodes:
        kept = [source for number, source in enumerate(node.inputs) if number not in cut.get(node.name, ())]
        inputs = tuple(renamed.get(source, source) for source in kept)
        if node.name in cut and len(inputs) == 1:
            renamed[node.name] = inputs[0]
        else:
            nodes.append(node if inputs == node.inputs else dataclasses.replace(node, inputs=inputs))
    output = renamed.get(network.output, network.output)
    return Network(
        name=network.name, nodes=tuple(_reach(nodes, output)), input_shape=network.input_shape, output=output
    )


def describe_layer(network: Network, name: str, kernel: int | None = None) -> tuple[str, dict[str, Any]]:
    """Return a layer as the oracle asks for it.

    Parameters
    ----------
    network : Network
        The network.
    name : str
        A layer.
    kernel : int, optional
        Another kernel, padded so that the output keeps its size.

    Returns
    -------
    tuple
        Kind and shape, as :meth:`~xbarsim.search.CostOracle.layer` takes them.

    Raises
    ------
    ConfigError
        If the layer cannot take the kernel.
    """
    node = network.node(name)
    source = network.shape_of(node.inputs[0])
    node = change_layer(node, source, kernel, 1.0)
    return node.kind, rule_of(node).query.describe(node, source)


def describe_context(network: Network, name: str) -> dict[str, Any]:
    """Return what the cost of a layer depends on besides its own shape and choice.

    Parameters
    ----------
    network : Network
        The network.
    name : str
        A layer.

    Returns
    -------
    dict
        ``signed`` and ``activations``, as :meth:`~xbarsim.search.CostOracle.layer` takes them.
    """
    return {"signed": input_is_signed(network, name), "activations": count_activations(network, name)}


def change_layer(node: Node, source: tuple[int, ...], kernel: int | None, width: float) -> Node:
    """Return a node with another kernel and width that fits the shape of its input.

    Parameters
    ----------
    node : Node
        Any node; only weight layers can change.
    source : tuple of int
        Shape of its input, without the batch.
    kernel : int or None
        Another kernel, padded so that the output keeps its size.
    width : float
        Factor of the output channels [-].

    Returns
    -------
    Node
        The node itself where nothing changes; without weights where their shape is another.

    Raises
    ------
    ConfigError
        If the node cannot take the change.
    """
    if not node.is_layer:
        if kernel is not None or width != 1.0:
            raise ConfigError(f"{node.name}: is not a weight layer")
        return node
    given, rule = dict(node.attributes), rule_of(node)
    inputs = (0, *source)[rule.output_axis]  # that axis counts the batch
    if node.groups > 1 and (width != 1.0 or inputs != given[rule.inputs]):
        raise ConfigError(f"{node.name}: the width of a grouped convolution is fixed by its groups")
    given[rule.inputs], given[rule.outputs] = inputs, _scale(given[rule.outputs], width)
    if kernel is not None:
        given.update(rule.resize(node, kernel))
    if given == dict(node.attributes):
        return node
    plain = dataclasses.replace(node, attributes=given, weight=None, bias=None)
    fits = node.weight is not None and plain.weight_count == node.weight_count and plain.rows == node.rows
    return dataclasses.replace(plain, weight=node.weight, bias=node.bias) if fits else plain


def _scale(channels: int, width: float) -> int:
    return max(1, round(channels * width))


def _trace_back(network: Network, source: str) -> list[str]:
    """Return the layers of the branch that ends in one input of an addition."""
    layers = []
    while source != INPUT:
        node = network.node(source)
        if len(network.consumers[source]) != 1 or len(node.inputs) != 1 or source == network.output:
            break
        if node.is_layer:
            layers.append(source)
        source = node.inputs[0]
    return layers


def _reach(nodes: list[Node], output: str) -> list[Node]:
    needed = {output}
    for node in reversed(nodes):  # topological order
        if node.name in needed:
            needed.update(node.inputs)
    return [node for node in nodes if node.name in needed]
