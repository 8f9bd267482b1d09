"""Products of activations as layers whose weights are written into arrays in every inference."""

from __future__ import annotations

import functools
import math

from xbarsim.network.graph import Network, Node
from xbarsim.network.kinds.stored import STORE, STORED_PRODUCT

__all__ = ["STORE", "STORED_PRODUCT", "name_write", "store_products"]


def name_write(product: str) -> str:
    """Name the step that writes the second operand of a product.

    Parameters
    ----------
    product : str
        Name of the product.

    Returns
    -------
    str
        Such as ``scores.write``.
    """
    return f"{product}.write"


@functools.lru_cache(maxsize=64)
def store_products(network: Network) -> Network:
    """Move products of activations to arrays.

    Parameters
    ----------
    network : Network
        Shapes are enough.

    Returns
    -------
    Network
        The same, in which every ``matmul`` is a layer of one group for each matrix of a stack, its second operand
        written by a step of its own; the network itself where it has no such product.
    """
    nodes: list[Node] = []
    for node in network.nodes:
        if node.kind != "matmul":
            nodes.append(node)
            continue
        first, second = node.inputs
        *stack, _, inner = network.shape_of(first)
        groups = math.prod(stack)
        attributes = {"groups": groups, "in_features": groups * inner, "out_features": groups * node.shape[-1]}
        write = Node(name=name_write(node.name), kind=STORE, inputs=(second,), attributes={})
        nodes += [write, Node(name=node.name, kind=STORED_PRODUCT, inputs=(first, write.name), attributes=attributes)]
    if len(nodes) == len(network.nodes):
        return network
    return Network(name=network.name, nodes=tuple(nodes), input_shape=network.input_shape, output=network.output)
