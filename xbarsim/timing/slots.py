"""Where a replica of a layer lies: its share of every tile, with the work of one window there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from xbarsim.kept import KeptResults
from xbarsim.mapping import LayerPlan, Plan
from xbarsim.timing.rounds import share_rounds


class TileParts(NamedTuple):
    """What tiles hold of a replica, tile by tile in the order in which arrays fill them."""

    rows: tuple[int, ...]
    """Distinct inputs of one window that each tile needs; of an epitome those of every round."""
    outputs: tuple[int, ...]
    """Outputs of one window that each tile holds at least a part of."""


class Cut(NamedTuple):
    """What places of a layer's replicas have in common."""

    size: int
    """Physical arrays of a replica."""
    polarities: int
    """Physical arrays of a crossbar."""
    parts: dict[int, TileParts]
    """Arrays of the first tile that lie before a replica -> its parts, as far as they were asked for."""


_CUTS: KeptResults[Cut] = KeptResults(1024)


class LayerSlots(NamedTuple):
    """Shares of tiles, replica by replica: a slot is the arrays of one replica that lie in one tile."""

    sizes: list[int]
    """Slots of each replica."""
    tiles: list[int]
    """By slot: position of the tile on its chip, chips one after the other."""
    rows: list[int]
    """By slot: distinct inputs of one window that the tile needs; of an epitome those of every round."""
    outputs: list[int]
    """By slot: outputs of one window that the tile holds at least a part of."""


def place_layer(plan: Plan, layer: LayerPlan, places: Sequence[int]) -> LayerSlots:
    """Cut all replicas of a layer by tiles.

    Parameters
    ----------
    plan : Plan
        Tile size.
    layer : LayerPlan
        The layer; its arrays lie stripe by stripe, column block by column block, row blocks side by side.
    places : sequence of int
        Position of every tile of the plan.

    Returns
    -------
    LayerSlots
        In the order in which arrays fill tiles.
    """
    per_tile, key = plan.hardware.chip.arrays_per_tile, (id(layer.node), id(layer.hardware))
    cut = _CUTS.get(key)
    if cut is None:
        cut = _CUTS.put(key, (layer.node, layer.hardware), Cut(layer.replica_arrays, layer.polarities, {}))
    sizes: list[int] = []
    tiles: list[int] = []
    rows: list[int] = []
    outputs: list[int] = []
    first = layer.first_array
    for _ in range(layer.replicas):
        tile, before = divmod(first, per_tile)
        part = cut.parts.get(before)
        if part is None:
            part = cut.parts[before] = _cut_replica(layer, cut, before, per_tile)
        sizes.append(len(part.rows))
        tiles += places[tile : tile + len(part.rows)]
        rows += part.rows
        outputs += part.outputs
        first += cut.size
    return LayerSlots(sizes, tiles, rows, outputs)


def _cut_replica(layer: LayerPlan, cut: Cut, before: int, per_tile: int) -> TileParts:
    """Cut a replica that begins so many arrays behind the begin of a tile."""
    shares = []
    for end in range(per_tile - before, cut.size + per_tile, per_tile):
        begin = max(0, end - per_tile)
        shares.append(_share(layer, begin // cut.polarities, -(-min(end, cut.size) // cut.polarities)))
    rows, outputs = zip(*shares)
    return TileParts(rows, outputs)


def _share(layer: LayerPlan, begin: int, end: int) -> tuple[int, int]:
    """Return distinct rows and outputs of the crossbars begin..end of a replica."""
    if layer.epitome is not None:
        return share_rounds(layer, layer.epitome, begin, end)
    rows = outputs = 0
    full, last = layer.partition.stripe, layer.partition.last
    each = full.crossbars
    for index in range(begin // each, min((end - 1) // each, layer.stripes - 1) + 1):
        stripe = last if index == layer.stripes - 1 else full
        low, high = max(begin - index * each, 0), min(end - index * each, stripe.crossbars)
        starts, blocks = stripe.row_starts, len(stripe.row_starts) - 1
        if high - low >= blocks:
            rows += stripe.rows
        else:
            first, behind = starts[low % blocks], starts[(high - 1) % blocks + 1]
            rows += behind - first if first < behind else stripe.rows - first + behind
        outputs += stripe.columns.count_touched(low // blocks, -(-high // blocks))
    return rows, outputs


def result_bits(layer: LayerPlan) -> int:
    """Return the bits of a sum of products, at most 32.

    Parameters
    ----------
    layer : LayerPlan
        The layer.

    Returns
    -------
    int
        Width of a partial sum.
    """
    return min(32, layer.weight_bits + layer.input_bits + max(1, math.ceil(math.log2(layer.rows))))
