"""Networks: layer graph, import, executor, quantisation and the exact integer reference. Knows no hardware."""

from xbarsim.network.graph import INPUT, LAYER_KINDS, Network, Node, hash_network, make_conv2d, make_linear
from xbarsim.network.sign import input_is_signed

__all__ = [
    "INPUT", "LAYER_KINDS", "Network", "Node", "hash_network", "input_is_signed", "make_conv2d", "make_linear",
]  # fmt: skip
