"""Where a replica of a layer lies: its share of every tile, with the work of one window there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from xbarsim.kept import KeptResults
from xbarsim.mapping import LayerPlan, Plan
from xbarsim.timing.rounds import share_rounds


class Cut(NamedTuple):
    """What places of a layer's replicas have in common."""

    size: int
    """Physical arrays of a replica."""
    polarities: int
    """Physical arrays of a crossbar."""
    shares: dict[tuple[int, int], tuple[int, int]]
    """First crossbar and the one behind the last -> rows and outputs, as far as they were asked for."""


_CUTS: KeptResults[Cut] = KeptResults(1024)


class Slot(NamedTuple):
    """The arrays of one replica that lie in one tile."""

    tile: int
    """Position of the tile on its chip, chips one after the other."""
    arrays: int
    """Physical arrays."""
    rows: int
    """Distinct inputs of one window that the tile needs; of an epitome those of every round."""
    outputs: int
    """Outputs of one window that the tile holds at least a part of."""


def place_replica(plan: Plan, layer: LayerPlan, replica: int, places: Sequence[int]) -> list[Slot]:
    """Cut one replica of a layer by tiles.

    Parameters
    ----------
    plan : Plan
        Tile size.
    layer : LayerPlan
        The layer; its arrays lie stripe by stripe, column block by column block, row blocks side by side.
    replica : int
        Which replica, counted from 0.
    places : sequence of int
        Position of every tile of the plan.

    Returns
    -------
    list of Slot
        One for each tile, in the order in which arrays fill tiles.
    """
    per_tile, key = plan.hardware.chip.arrays_per_tile, (id(layer.node), id(layer.hardware))
    cut = _CUTS.get(key)
    if cut is None:
        cut = _CUTS.put(key, (layer.node, layer.hardware), Cut(layer.replica_arrays, layer.polarities, {}))
    size, each, shares = cut
    first = layer.first_array + replica * size
    slots = []
    for tile in range(first // per_tile, (first + size - 1) // per_tile + 1):
        before, behind = tile * per_tile - first, (tile + 1) * per_tile - first
        begin, end = before if before > 0 else 0, behind if behind < size else size
        part = (begin // each, -(-end // each))
        share = shares.get(part)
        if share is None:
            share = shares[part] = _share(layer, *part)
        slots.append(Slot(places[tile], end - begin, *share))
    return slots


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
        blocks = len(stripe.row_starts) - 1
        if high - low >= blocks:
            rows += stripe.rows
        else:
            starts = stripe.row_starts
            rows += sum(starts[i % blocks + 1] - starts[i % blocks] for i in range(low, high))
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
