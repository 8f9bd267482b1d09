"""Canonical order of the operations of a network, which does not depend on their order in a file.

Where two operations ask for one resource in the same cycle, and where arrays are placed, the lower number goes first.
Weight layers are numbered by depth and then by name, so that a file that lists two branches in another order has the
same cost.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from xbarsim.network.graph import INPUT, Network, Node
from xbarsim.network.kinds import KINDS, TimingClass


def timing_class(node: Node) -> TimingClass:
    """Return the timing class of a node: a binary operation with a constant works on single values.

    Parameters
    ----------
    node : Node
        A node of a network.

    Returns
    -------
    TimingClass
        That of its kind, or ``VALUES``.
    """
    timing = KINDS[node.kind].timing
    return TimingClass.VALUES if timing is TimingClass.BINARY and len(node.inputs) == 1 else timing


def is_step(node: Node) -> bool:
    """Say whether a node is a step of its own: arrays or a digital unit work on it for every window.

    Parameters
    ----------
    node : Node
        A node of a network.

    Returns
    -------
    bool
        False where values only move, or where another step computes single values on its way.
    """
    return timing_class(node) not in (TimingClass.MOVE, TimingClass.VALUES)


@functools.lru_cache(maxsize=64)
def find_sources(network: Network) -> Mapping[str, frozenset[str]]:
    """Find the steps that compute the value of every node.

    Parameters
    ----------
    network : Network
        Shapes are enough.

    Returns
    -------
    mapping of str to frozenset of str
        Name of a node (or ``"input"``) -> names of steps; empty where values come from the input.
    """
    found: dict[str, frozenset[str]] = {INPUT: frozenset()}
    for node in network.nodes:
        read = frozenset().union(*(found[name] for name in node.inputs))
        found[node.name] = frozenset([node.name]) if is_step(node) else read
    return found


def count_activations(network: Network, step: str) -> int:
    """Count the activation functions that every result of a step passes before other steps read it.

    Parameters
    ----------
    network : Network
        Shapes are enough.
    step : str
        Name of a step, such as a weight layer.

    Returns
    -------
    int
        Functions, those on all ways to its readers together.
    """
    sources, found = find_sources(network), 0
    for node in network.nodes:
        if timing_class(node) is TimingClass.VALUES and step in sources[node.inputs[0]]:
            shapes = [network.shape_of(name) for name in node.inputs]
            found += KINDS[node.kind].work(node, shapes).activations
    return found


@functools.lru_cache(maxsize=64)
def number_steps(network: Network) -> Mapping[str, int]:
    """Number the steps of a network by depth, then by name.

    The depth of a step is the number of steps on the longest path from the input. At one depth, layers come first, by
    name; then digital operations, by kind, the numbers of what they read and their attributes, and by name only where
    all of these agree, since their names may be counters of a file.

    Parameters
    ----------
    network : Network
        Shapes are enough.

    Returns
    -------
    mapping of str to int
        Name of a node that is a step -> its number, from 0; a topological order.
    """
    depths: dict[str, int] = {INPUT: -1}
    sources = find_sources(network)
    levels: dict[int, list[Node]] = {}
    for node in network.nodes:
        depths[node.name] = max(depths[name] for name in node.inputs)
        if is_step(node):
            depths[node.name] += 1
            levels.setdefault(depths[node.name], []).append(node)
    numbers: dict[str, int] = {}

    def rank(node: Node) -> tuple[bool, str, list[int], str, str]:
        if node.is_layer:
            return False, "", [], "", node.name
        read = {name for source in node.inputs for name in sources[source]}
        return True, node.kind, sorted(numbers[name] for name in read), repr(sorted(node.attributes.items())), node.name

    for depth in sorted(levels):
        for node in sorted(levels[depth], key=rank):
            numbers[node.name] = len(numbers)
    return numbers
