"""The output shape of a node, checked against its inputs. Rules stand in the records of kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xbarsim.errors import ConfigError
from xbarsim.network.kinds import KINDS, Kind
from xbarsim.network.kinds.rule import show_shapes

if TYPE_CHECKING:
    from xbarsim.network.graph import Node

Shape = tuple[int, ...]
_COUNTS = {1: "one input", 2: "two inputs"}


def infer_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    """Return the output shape of a node, after checking it against its inputs.

    Parameters
    ----------
    node : Node
        The node; weights, where present, are checked against the attributes.
    inputs : sequence of tuple of int
        Shapes of its inputs, without the batch.

    Returns
    -------
    tuple of int
        Shape of its output, without the batch.

    Raises
    ------
    ConfigError
        If the kind is unknown, or sizes do not fit; the message names the node.
    """
    kind = KINDS.get(node.kind)
    if kind is None:
        raise ConfigError(f"node {node.name}: unknown kind {node.kind!r}; known: {', '.join(sorted(KINDS))}")
    _check_count(node, kind, len(inputs))
    try:
        shape = kind.shape(node, inputs)
    except KeyError as error:
        raise ConfigError(f"node {node.name}: {node.kind} needs the attribute {error.args[0]!r}") from None
    if any(size < 1 for size in shape):
        raise ConfigError(f"node {node.name}: {node.kind} on {show_shapes(inputs)} gives an empty output {shape}")
    return shape


def _check_count(node: Node, kind: Kind, count: int) -> None:
    least, most = kind.inputs
    if not count:
        raise ConfigError(f"node {node.name}: {node.kind} has no input")
    if count < least or (most is not None and count > most):
        raise ConfigError(f"node {node.name}: {node.kind} takes {_COUNTS[least]}, not {count}")
