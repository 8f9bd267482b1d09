"""How often each component acts in one inference: closed forms over the plan, independent of the event loop.

Bits are counted for registers, buffer, bus, router, link and off_chip, operations for the rest. Every window reads
its whole kernel from the buffer; overlapping windows are not kept between passes.
"""

from __future__ import annotations

import numpy as np

from xbarsim.component.action import ACTIONS
from xbarsim.mapping import EpitomePlan, LayerPlan, Plan
from xbarsim.timing.dataflow import POOLS
from xbarsim.timing.layout import Layout, StepLayout
from xbarsim.timing.program import written_cells
from xbarsim.timing.rounds import wanted_columns
from xbarsim.timing.slots import conversions_of, result_bits

Counts = dict[str, int]


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
    list of dict
        Action -> count of one inference, by step; absent actions do not occur.
    """
    counted = []
    for each in layout.steps:
        step, layer, bits = each.step, each.layer, each.result_bits
        counts = dict.fromkeys(ACTIONS, 0)
        if layer is not None and layer.epitome is not None:
            _count_rounds(counts, layer, layer.epitome)
        elif layer is not None:
            _count_arrays(counts, layer)
        elif step.kind == "input":
            counts["off_chip"] += step.windows * bits
        elif step.kind == "output":
            counts["off_chip"] += step.windows * bits
            counts["buffer"] += step.windows * bits
        else:
            counts["pooling" if step.kind in POOLS else "vector"] += step.windows * step.operations
            counts["buffer"] += step.windows * step.operands * each.bits
        if layer is not None and plan.turn_count > 1:
            counts["write"] += written_cells(layer)
        if step.kind not in ("input", "output"):
            counts["tile_register"] += step.windows * bits
        counts["activation"] += step.windows * step.activated
        if step.kind != "output":
            _count_traffic(counts, each)
        counted.append({action: count for action, count in counts.items() if count})
    return counted


def _count_arrays(counts: Counts, layer: LayerPlan) -> None:
    """Add what the arrays of a layer and their converters do."""
    each, hardware = layer.polarities, layer.hardware
    passes = layer.windows * layer.streams
    for index, times in ((0, layer.stripes - 1), (layer.stripes - 1, 1)):
        if times < 1:
            continue
        stripe = layer.stripe(index)
        blocks = len(stripe.row_starts) - 1
        rows = stripe.rows * stripe.col_blocks
        used = layer.block_columns(index)
        conversions = blocks * sum(conversions_of(hardware, int(columns)) for columns in used)
        counts["array"] += times * passes * stripe.crossbars * each
        counts["dac"] += times * passes * rows * each
        for action in ("sample_hold", "adc", "shift_add"):
            counts[action] += times * passes * conversions
        counts["input_register"] += times * layer.windows * rows * layer.activation_bits
        counts["output_register"] += times * layer.windows * blocks * stripe.cols * result_bits(layer)
        counts["accumulate"] += times * layer.windows * stripe.cols * (blocks - 1)


def _count_rounds(counts: Counts, layer: LayerPlan, epitome: EpitomePlan) -> None:
    """Add what the arrays of an epitome, its tables and its joint module do."""
    each, windows = layer.polarities, layer.windows
    driven, wanted = epitome.driven(layer.row_starts), wanted_columns(layer, epitome)
    rows_read, cols_read = (driven > 0).sum(axis=1), (wanted > 0).sum(axis=1)
    converted = np.array([[conversions_of(layer.hardware, n) if n else 0 for n in row] for row in wanted.tolist()])
    conversions = int((rows_read * converted.sum(axis=1)).sum())
    results = epitome.columns[:, 1] - epitome.columns[:, 0]
    rows = int((driven.sum(axis=1) * cols_read).sum())
    counts["array"] += windows * layer.streams * int((rows_read * cols_read).sum()) * each
    counts["dac"] += windows * layer.streams * rows * each
    for action in ("sample_hold", "adc", "shift_add"):
        counts[action] += windows * layer.streams * conversions
    counts["input_register"] += windows * rows * layer.input_bits
    counts["output_register"] += windows * int((rows_read * results).sum()) * result_bits(layer)
    counts["accumulate"] += windows * (int(((rows_read - 1) * results).sum()) + epitome.joint_additions)
    counts["vector"] += windows * epitome.input_additions
    counts["index_table"] += windows * sum(epitome.lookup_bits.values())


def _count_traffic(counts: Counts, own: StepLayout) -> None:
    """Add what moves between buffers, copy by copy."""
    layer, bits = own.layer, own.result_bits
    for number, copy in enumerate(own.copies):
        windows, moved = own.windows_of(number), len(copy.result.links) * bits
        if layer is not None:
            rows = sum(slot.rows for slot in copy.slots)
            counts["buffer"] += windows * rows * layer.activation_bits
            counts["bus"] += windows * (rows * layer.activation_bits + bits)
            moved += copy.gathered_hops * result_bits(layer)
        counts["router"] += windows * moved
        counts["link"] += windows * moved
        targets = len(copy.result.ends)
        reread = 1 if targets and own.step.kind != "input" else 0
        counts["buffer"] += windows * bits * (1 + reread + targets)
