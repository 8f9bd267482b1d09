"""Numbers of actions in one inference: closed forms for a plan, independent of the event loop.

The work of each step is computed here and counted by the actions in :data:`~xbarsim.component.action.ACTIONS`. Every
window reads its whole kernel from the buffer; the overlap of windows is not reused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.component.action import ACTIONS
from xbarsim.component.quantity import count_formula, list_formulas
from xbarsim.component.work import NO_ARRAYS, ArrayWork, StepWork
from xbarsim.kept import KeptResults
from xbarsim.mapping import EpitomePlan, LayerPlan, Plan
from xbarsim.mapping.period import conversions_of
from xbarsim.timing.layout import Layout, StepLayout
from xbarsim.timing.program import written_cells
from xbarsim.timing.slots import result_bits

Counts = Mapping[str, int | float]
Ints = NDArray[np.int64]

_COUNTS: KeptResults[Counts] = KeptResults(4096)
_ARRAYS: KeptResults[ArrayWork] = KeptResults(1024)


class Moved(NamedTuple):
    """What a step moves in one inference; it depends on where replicas lie."""

    read_bits: int
    """Operands read from buffers."""
    bus_bits: int
    """Bits moved over the buses of tiles."""
    hop_bits: int
    """Partial sums and results, once for every link that they pass."""
    sent: int
    """Windows whose result leaves its tile."""
    arrivals: int
    """Results that arrive at other tiles."""


def count_actions(plan: Plan, layout: Layout) -> list[Counts]:
    """Count the actions of every step of the machine.

    Parameters
    ----------
    plan : Plan
        Network on hardware.
    layout : Layout
        Where the steps lie.

    Returns
    -------
    list of mapping
        Action -> count of one inference, by step; absent actions do not occur.
    """
    return [_count_step(plan, own, moved) for own, moved in zip(layout.steps, measure_moved(layout))]


def _count_step(plan: Plan, own: StepLayout, moved: Moved) -> Counts:
    """Count the actions of a step, anew only where hardware, replicas or what it moves differ."""
    layer = own.layer
    hardware = plan.hardware if layer is None else layer.hardware
    about = () if layer is None else (id(layer.node), layer.signed, layer.replicas, plan.turn_count > 1)
    key = (id(own.step), id(hardware), own.bits, moved, about, len(ACTIONS))
    found = _COUNTS.get(key)
    if found is None:
        work = describe_work(plan, own, moved)
        counts: dict[str, int | float] = {name: action.count(work) for name, action in ACTIONS.items()}
        counts |= {text: count_formula(text, work) for text in list_formulas(work.hardware)}
        records = (own.step, hardware) if layer is None else (own.step, hardware, layer.node)
        found = _COUNTS.put(key, records, {name: count for name, count in counts.items() if count})
    return found


def measure_moved(layout: Layout) -> list[Moved]:
    """Add up what the replicas of every step move.

    Parameters
    ----------
    layout : Layout
        Where the steps lie.

    Returns
    -------
    list of Moved
        By step.
    """
    sites, packets = layout.sites, layout.packets
    lengths = np.append(np.diff(packets.trees.first), 0)  # of packets, and of none
    partial = np.where(packets.is_gathered, lengths[packets.of_slot] * sites.outputs, 0)
    by_replica = np.stack(
        (
            _add_up(sites.rows, sites.first_slot), _add_up(partial, sites.first_slot),
            np.where(packets.is_sent, lengths[packets.of_replica], 0), np.diff(sites.first_reached),
        ),
        axis=1,
    )  # fmt: skip
    rows = iter(by_replica.tolist())
    return [_add_step(own, rows) for own in layout.steps]


def _add_up(values: Ints, first: Ints) -> Ints:
    """Return the sums of runs of values, each from its first one to that of the next."""
    sums = np.concatenate(([0], np.cumsum(values)))
    return np.diff(sums[first])


def _add_step(own: StepLayout, by_replica: Iterator[list[int]]) -> Moved:
    """Add up what the replicas of a step move; of each come rows, outputs times links, links, and tiles reached."""
    layer, step, window, count = own.layer, own.step, own.window, len(own.homes)
    operands, bits = window.operand_bits, window.result_bits
    read = bus = hops = sent = arrivals = 0
    for number, (rows, gathered, links, targets) in enumerate(itertools.islice(by_replica, count)):
        windows = step.windows if count == 1 else own.windows_of(number)
        if layer is not None:
            operands = rows * window.input_bits
            bus += windows * (operands + bits)
        elif own.is_write:
            bus += windows * operands
        read += windows * operands
        hops += windows * (links * bits + gathered * window.partial_bits)
        if targets:
            sent += windows
            arrivals += windows * targets
    return Moved(read, bus, hops, sent, arrivals)


def describe_work(plan: Plan, own: StepLayout, moved: Moved) -> StepWork:
    """Return the work of a step in one inference.

    Parameters
    ----------
    plan : Plan
        Network on hardware.
    own : StepLayout
        The step.
    moved : Moved
        What it moves, from :func:`measure_moved`.

    Returns
    -------
    StepWork
        What its actions are counted from.
    """
    step, layer, bits = own.step, own.layer, own.result_bits
    return StepWork(
        kind=step.kind,
        unit=own.window.unit.name,
        hardware=plan.hardware if layer is None else layer.hardware,
        written=written_cells(layer) if layer is not None and (plan.turn_count > 1 or layer.is_product) else 0,
        windows=step.windows,
        operations=step.operations,
        activated=step.activated,
        result_bits=bits,
        arrays=NO_ARRAYS if layer is None else _find_arrays(layer),
        **moved._asdict(),
    )


def _find_arrays(layer: LayerPlan) -> ArrayWork:
    key = (id(layer.node), id(layer.hardware), layer.signed)
    found = _ARRAYS.get(key)
    if found is None:
        found = _ARRAYS.put(key, (layer.node, layer.hardware), _describe_arrays(layer, result_bits(layer)))
    return found


def _describe_arrays(layer: LayerPlan, sum_bits: int) -> ArrayWork:
    """Work out what the arrays of a layer do for one window."""
    if layer.epitome is not None:
        return _describe_rounds(layer, layer.epitome, sum_bits)
    crossbars = rows = conversions = cells = results = additions = 0
    for index, times in ((0, layer.stripes - 1), (layer.stripes - 1, 1)):
        if times < 1:
            continue
        stripe = layer.stripe(index)
        blocks = len(stripe.row_starts) - 1
        used = layer.block_columns(index)
        converted = conversions_of(layer.hardware, int(used.sum()), len(used) * stripe.rounds)
        crossbars += times * stripe.crossbars * stripe.rounds
        rows += times * stripe.rows * stripe.col_blocks
        conversions += times * blocks * converted
        cells += times * stripe.rows * int(used.sum())
        results += times * blocks * stripe.cols
        additions += times * stripe.cols * (blocks - 1)
    return ArrayWork(
        streams=layer.streams, polarities=layer.polarities, crossbars=crossbars, rows=rows,
        conversions=conversions, cells=cells, input_bits=layer.activation_bits, results=results, sum_bits=sum_bits,
        additions=additions, input_additions=0, lookup_bits=0,
    )  # fmt: skip


def _describe_rounds(layer: LayerPlan, epitome: EpitomePlan, sum_bits: int) -> ArrayWork:
    """Work out what the arrays of an epitome, its tables and its joint module do for one window."""
    driven, wanted = epitome.driven(layer.row_starts), layer.wanted_columns
    rows_read, cols_read = (driven > 0).sum(axis=1), (wanted > 0).sum(axis=1)
    converted = np.array([[conversions_of(layer.hardware, n) if n else 0 for n in row] for row in wanted.tolist()])
    results = epitome.columns[:, 1] - epitome.columns[:, 0]
    return ArrayWork(
        streams=layer.streams,
        polarities=layer.polarities,
        crossbars=int((rows_read * cols_read).sum()),
        rows=int((driven.sum(axis=1) * cols_read).sum()),
        conversions=int((rows_read * converted.sum(axis=1)).sum()),
        cells=int((driven.sum(axis=1) * wanted.sum(axis=1)).sum()),
        input_bits=layer.input_bits,
        results=int((rows_read * results).sum()),
        sum_bits=sum_bits,
        additions=int(((rows_read - 1) * results).sum()) + epitome.joint_additions,
        input_additions=epitome.input_additions,
        lookup_bits=sum(epitome.lookup_bits.values()),
    )
