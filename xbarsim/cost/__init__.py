"""Counts and cycles -> energy, delay, area and EDAP, by layer and by component; peak ratings."""

from xbarsim.cost.array_read import describe_reads
from xbarsim.cost.layer import price_layer
from xbarsim.cost.peak import Peak, rate_chip, rate_tile
from xbarsim.cost.price import price
from xbarsim.cost.record import ComponentCost, Cost, LayerCost, Measured

__all__ = [
    "ComponentCost", "Cost", "LayerCost", "Measured", "Peak", "describe_reads", "price", "price_layer", "rate_chip",
    "rate_tile",
]  # fmt: skip
