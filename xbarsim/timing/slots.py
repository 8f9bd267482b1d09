"""Where a replica of a layer lies: its share of every tile, with the work of one window there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xbarsim.component import rate_component
from xbarsim.config import Hardware
from xbarsim.mapping import LayerPlan, Plan
from xbarsim.timing.rounds import share_rounds


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
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
    each = layer.polarities
    size = layer.partition.crossbars * each
    first = layer.first_array + replica * size
    slots = []
    for tile in range(first // plan.arrays_per_tile, (first + size - 1) // plan.arrays_per_tile + 1):
        begin = max(first, tile * plan.arrays_per_tile) - first
        end = min(first + size, (tile + 1) * plan.arrays_per_tile) - first
        rows, outputs = _share(layer, begin // each, -(-end // each))
        slots.append(Slot(tile=places[tile], arrays=end - begin, rows=rows, outputs=outputs))
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


def read_period(layer: LayerPlan) -> int:
    """Return the cycles between two array reads: the read itself or the converters' sweep, whichever is longer.

    The converters of a crossbar (``adc.per_array`` for each of its arrays) share the columns of its fullest column
    block (of one group, where groups are read one after the other) and its unit column, one conversion after the other
    at the rate of the component ``adc``.

    Parameters
    ----------
    layer : LayerPlan
        The layer.

    Returns
    -------
    int
        Period [cycles].
    """
    return sweep_period(layer.hardware, layer.partition.stripe.round_columns)


def sweep_period(hardware: Hardware, columns: int) -> int:
    """Return the cycles between two reads of a crossbar with so many used columns; see :func:`read_period`.

    Parameters
    ----------
    hardware : Hardware
        Converters and clock.
    columns : int
        Used columns of the crossbar.

    Returns
    -------
    int
        Period [cycles].
    """
    rate = rate_component("adc", hardware).rate_hz if "adc" in hardware.components else None
    if rate is None:
        return hardware.read_cycles
    converters = hardware.adc.per_array * hardware.arrays_per_crossbar
    sweep = conversions_of(hardware, columns) / converters * hardware.clock_hz / rate
    return max(hardware.read_cycles, math.ceil(min(sweep, 1e18) - 1e-9))


def window_cycles(layer: LayerPlan) -> tuple[int, int]:
    """Return how long one window occupies the arrays of a layer in all rounds, and how long it takes to come out.

    Parameters
    ----------
    layer : LayerPlan
        The layer.

    Returns
    -------
    int, int
        Occupancy and latency [cycles].
    """
    occupancy, latency = pass_cycles(layer.hardware, layer.streams, read_period(layer))
    return layer.rounds * occupancy, (layer.rounds - 1) * occupancy + latency


def pass_cycles(hardware: Hardware, streams: int, period: int) -> tuple[int, int]:
    """Return how long one window occupies its arrays, and how long it takes to come out.

    Every read waits for the converters' sweep of the last one; where an integrator adds reads up, they follow one
    another at the pace of the array, and the sweep of a window only has to be done before that of the next.

    Parameters
    ----------
    hardware : Hardware
        Stages behind the array, whether windows overlap, and where reads are added up.
    streams : int
        Array reads of one window.
    period : int
        Time of a read or of the converters' sweep, whichever is longer [cycles].

    Returns
    -------
    int, int
        Occupancy and latency [cycles].
    """
    reads = streams * period
    if hardware.dac.accumulate == "analog":
        reads = max(streams * hardware.read_cycles, period)
    latency = reads + hardware.timing.array_stages * period
    return (reads if hardware.timing.overlapped else latency), latency


def conversions_of(hardware: Hardware, columns: int, crossbars: int = 1) -> int:
    """Return the conversions of one read of crossbars with so many used columns.

    Parameters
    ----------
    hardware : Hardware
        Encoding of weights, and where differences are taken.
    columns : int
        Used columns of all these crossbars.
    crossbars : int
        Crossbars, each with a unit column where the encoding has one.

    Returns
    -------
    int
        Conversions, those of a unit column included.
    """
    unit = int(hardware.has_unit_column)
    twice = hardware.converted_polarities
    return (columns + crossbars * unit) * twice


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
