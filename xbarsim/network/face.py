"""How networks and their quantised forms look in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim.notebook import Face, SmallTable, count_words

if TYPE_CHECKING:
    from xbarsim.network.graph import Network
    from xbarsim.network.quantize import QuantizedNetwork

MOST_LAYERS = 12
"""Layers that are shown one by one."""


def show_network(network: Network) -> Face:
    """Return what a notebook shows of a network.

    Parameters
    ----------
    network : Network
        Any network.

    Returns
    -------
    Face
        Shapes, weights and the first layers.
    """
    layers, shape = network.layers, " x ".join(map(str, network.input_shape))
    weights = sum(node.weight_count for node in layers)
    trained = "with weights" if network.has_weights else "shapes only"
    rows = [
        (node.name, node.kind, " x ".join(map(str, node.shape)), f"{node.weight_count:,}")
        for node in layers[:MOST_LAYERS]
    ]
    hidden = len(layers) - len(rows)
    return Face(
        title=f"Network {network.name}",
        text=f"{count_words(len(layers), 'layer')}, {count_words(weights, 'weight')}, input {shape}, {trained}",
        pairs=(
            ("input", shape),
            ("output", " x ".join(map(str, network.output_shape))),
            ("weights", f"{weights:,}, {trained}"),
            ("multiply-accumulates", f"{sum(node.macs for node in layers):,} in one inference"),
        ),
        tables=(SmallTable(("layer", "kind", "output", "weights"), rows),),
        note=f"{count_words(hidden, 'more layer')}" if hidden else "",
    )


def show_quantized(quantized: QuantizedNetwork) -> Face:
    """Return what a notebook shows of a network in integers.

    Parameters
    ----------
    quantized : QuantizedNetwork
        Any network in integers.

    Returns
    -------
    Face
        Its layers, and the images that have calibrated it.
    """
    of_float, images = show_network(quantized.network), quantized.scale_images
    calibrated = f"scales of {count_words(images, 'image')}" if images else "scales of its file"
    return Face(
        title=f"Quantized network {quantized.network.name}",
        text=f"{count_words(len(quantized.layers), 'layer')} in integers, {calibrated}",
        pairs=(*of_float.pairs, ("calibration", calibrated)),
        tables=of_float.tables,
        note=of_float.note,
    )
