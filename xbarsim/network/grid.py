"""Networks with fixed quantisation scales of weights and activations, like files quantised by other tools.

Such a network is a :class:`~xbarsim.network.Network` with a ``quantize`` node, which has the scale of the input, before
every weight layer, and with quantised weights. It can be used like every other network, and the arrays store the
integers chosen here.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.graph import Network, Node
from xbarsim.network.quantize import QuantizedLayer, QuantizedNetwork
from xbarsim.network.sign import find_quantizer


def require_float(network: Network) -> None:
    """Refuse a network whose layers cannot be given grids: ConfigError names the first.

    Parameters
    ----------
    network : Network
        With weights.
    """
    network.require_weights()
    for layer in network.layers:
        if "weight_scale" in layer.attributes or find_quantizer(network, layer.inputs[0]) is not None:
            raise ConfigError(
                f"network {network.name}: layer {layer.name} is already quantised; give the float network that it was "
                "quantised from"
            )
        if layer.epitome is not None:
            raise ConfigError(
                f"network {network.name}: layer {layer.name} uses an epitome, whose integers are chosen by "
                "quantize_epitome; give a network without epitomes"
            )


def fix_grids(quantized: QuantizedNetwork) -> Network:
    """Return a network with the fixed scales of a quantised one.

    Parameters
    ----------
    quantized : QuantizedNetwork
        Of a network that :func:`require_float` accepts.

    Returns
    -------
    Network
        With a ``quantize`` node ``<layer>.input`` in front of every layer, and weights that are whole multiples of
        ``weight_scale``; :func:`~xbarsim.network.quantize_network` gives back the same integers.
    """
    nodes: list[Node] = []
    for node in quantized.network.nodes:
        if not node.is_layer:
            nodes.append(node)
            continue
        layer = quantized.layers[node.name]
        front = Node(name=f"{node.name}.input", kind="quantize", inputs=node.inputs, attributes=_input_grid(layer))
        nodes += [front, _on_grid(node, layer, front.name)]
    given = quantized.network
    return Network(name=given.name, nodes=tuple(nodes), input_shape=given.input_shape, output=given.output)


def _input_grid(layer: QuantizedLayer) -> dict[str, object]:
    return {
        "scale": layer.input_scale, "zero_point": layer.input_zero_point, "bits": layer.activation_bits,
        "signed": layer.signed,
    }  # fmt: skip


def _on_grid(node: Node, layer: QuantizedLayer, source: str) -> Node:
    scale = layer.weight_scale.astype(np.float32)
    along = scale.reshape((-1,) + (1,) * (layer.weight.ndim - 1))
    return dataclasses.replace(
        node,
        inputs=(source,),
        weight=layer.weight.astype(np.float32) * along,
        bias=layer.bias.astype(np.float32),
        attributes={**node.attributes, "weight_scale": scale, "weight_bits": layer.weight_bits},
    )
