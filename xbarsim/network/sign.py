"""Static analysis: can the input of a layer be negative?

Unsigned inputs are sent unchanged, signed ones by one of the codings of ``dac.signed``, so the answer determines the
number of input streams of a layer. Without data only the operations are known; the network's own input counts as
signed.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from xbarsim.network.graph import INPUT, Network
from xbarsim.network.kinds import KINDS, Codes

if TYPE_CHECKING:
    from xbarsim.network.graph import Node


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
        codes = KINDS[node.kind].codes
        if codes is Codes.SETS:
            return node
        if codes is not Codes.KEEPS:
            return None
        source = node.inputs[0]
    return None


@functools.lru_cache(maxsize=32)
def _nonnegative(network: Network) -> dict[str, bool]:
    found = {INPUT: False}
    for node in network.nodes:
        found[node.name] = KINDS[node.kind].sign(node, [found[source] for source in node.inputs])
    return found
