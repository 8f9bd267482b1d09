"""One draw of programmed arrays for a whole network, as a layer function of the torch twin."""

from dataclasses import dataclass

from xbarsim.network import QuantizedNetwork
from xbarsim.train.hardware_model import LayerChip, draw_layer, run_on_chip, visit_layers


@dataclass(frozen=True)
class DrawnChip:
    """What was programmed, with its scales, and the errors of every layer by name."""

    quantized: QuantizedNetwork
    layers: dict[str, LayerChip]


def draw_chip(network, hardware, calibration, *, seed=0, trial=0):
    """Program a network into arrays and measure the errors of every layer on the calibration images."""
    found = {}

    def draw(node, layer, plan, x):
        found[node.name] = draw_layer(node, layer, plan, x, seed=seed, trial=trial)

    return DrawnChip(visit_layers(network, hardware, calibration, draw), found)


def apply_chip(chip, generator):
    """Return ``(node, x, weight, bias) -> y`` that computes as the chip does; the generator draws residuals."""

    def function(node, x, weight, bias):
        return run_on_chip(node, x, weight, bias, chip.quantized.layers[node.name], chip.layers[node.name], generator)

    return function
