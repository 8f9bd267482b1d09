"""How many tiles share a step of the digital side: a product of activations, a softmax, a normalisation.

Steps that follow one another row by row (products, softmax, products again) share the same tiles, so that rows stay
where they are. Together they take as many tiles as they need to keep up with the slowest layer, at most all that hold
arrays, one class of windows in each in turn. What all rows need, such as keys and values, is sent to all these tiles.

Neglected: what only one of the tiles needs, such as a row of queries, is sent to all of them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config.hardware import Timing
from xbarsim.mapping import Plan
from xbarsim.mapping.period import window_cycles
from xbarsim.network.kinds import KINDS, TimingClass
from xbarsim.timing.dataflow import Dataflow, Step
from xbarsim.timing.part import BUFFER_READ, BUFFER_WRITE, VECTOR, part_width
from xbarsim.timing.slots import LayerSlots, result_bits

SPREAD = tuple(name for name, kind in KINDS.items() if kind.timing in (TimingClass.PRODUCT, TimingClass.VECTOR))
"""Kinds of step that several tiles share."""
FOLLOWING = tuple(name for name, kind in KINDS.items() if kind.timing is TimingClass.BINARY)
"""Kinds of step that stay where their last operand is."""
SIDES = 4
"""Links that enter a tile at most."""


def is_aligned(producer: Step, consumer: Step, need: np.ndarray) -> bool:
    """Say whether every class of a consumer needs the class of the producer at the same place, and no other.

    Parameters
    ----------
    producer, consumer : Step
        Steps.
    need : ndarray, (classes,)
        Last class of the producer that each class of the consumer needs.

    Returns
    -------
    bool
        True for rows of a softmax behind rows of a product.
    """
    return producer.classes == consumer.classes and bool(np.array_equal(need, np.arange(consumer.classes)))


class Share(NamedTuple):
    """Tiles of a step."""

    first: int
    """Number of the first step of those that share the same tiles."""
    tiles: int
    """Tiles that share it."""


def share_tiles(plan: Plan, flow: Dataflow, slots: Mapping[int, LayerSlots], bits: Sequence[int]) -> dict[int, Share]:
    """Choose the number of tiles that share each step of the digital side.

    Parameters
    ----------
    plan : Plan
        Network on hardware.
    flow : Dataflow
        Its steps.
    slots : mapping
        Number of a step -> shares of tiles of the replicas of its layer.
    bits : sequence of int
        Bits of a value of each step.

    Returns
    -------
    dict
        Number of a step -> its tiles, for steps of the kinds in :data:`SPREAD`.
    """
    if not any(step.kind in SPREAD for step in flow.steps):
        return {}
    chain: dict[int, int] = {}
    work: dict[int, NDArray[np.int64]] = {}
    most: dict[int, int] = {}
    for index, step in enumerate(flow.steps):
        aligned = [
            source for source, need in step.edges if source in chain and is_aligned(flow.steps[source], step, need)
        ]
        if step.kind in FOLLOWING and max((source for source, _ in step.edges), default=0) in aligned:
            chain[index] = chain[max(aligned)]
        if step.kind not in SPREAD:
            continue
        first = chain[index] = chain[max(aligned)] if aligned else index
        work[first] = work.get(first, 0) + _count_cycles(step, plan.hardware.timing, bits[index])
        most[first] = min(most.get(first, plan.tiles_used), step.classes)
    pace = max(_pace_layer(plan, flow.steps[at], bits[at], own) for at, own in slots.items())
    tiles = {first: min(most[first], -(-int(cycles.max()) // pace)) for first, cycles in work.items()}
    return {index: Share(first, tiles[first]) for index, first in chain.items() if flow.steps[index].kind in SPREAD}


def _pace_layer(plan: Plan, step: Step, bits: int, slots: LayerSlots) -> int:
    """Return the cycles that a layer takes at least: on its arrays, and on the links of the tile of its results.

    Partial sums enter a tile over at most :data:`SIDES` links, and results leave over one.
    """
    layer, link_bits = plan.layer(step.name), plan.hardware.timing.link_bits
    others = slots.outputs[1 : slots.sizes[0]]
    gathered = sum(-(-outputs * result_bits(layer) // link_bits) for outputs in others)
    cycles = (
        window_cycles(layer)[0],
        -(-step.values * bits // link_bits),
        gathered // min(SIDES, max(1, len(others))),
    )
    return -(-step.windows // len(slots.sizes)) * max(cycles)


def _count_cycles(step: Step, timing: Timing, bits: int) -> NDArray[np.int64]:
    """Return the cycles that a step takes of the vector unit and of both ports of the buffer of a single tile."""
    read = step.count_operands(timing.operand_bits, bits) * bits
    each = (
        -(-step.operations // part_width(VECTOR, timing)),
        -(-read // part_width(BUFFER_READ, timing)),
        -(-step.values * bits // part_width(BUFFER_WRITE, timing)),
    )
    return step.windows * np.array(each, dtype=np.int64)
