"""How often each component acts in one inference: closed forms over the plan, independent of the event loop.

A walk over :data:`~xbarsim.component.action.ACTIONS`; what each step does is worked out here. Every window reads its
whole kernel from the buffer; overlapping windows are not kept between passes.
"""

from __future__ import annotations

import numpy as np

from xbarsim.component.action import ACTIONS
from xbarsim.component.work import NO_ARRAYS, ArrayWork, CopyWork, StepWork
from xbarsim.mapping import EpitomePlan, LayerPlan, Plan
from xbarsim.timing.layout import Layout, StepCopy, StepLayout
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
        work = describe_work(plan, each)
        found = {name: action.count(work) for name, action in ACTIONS.items()}
        counted.append({name: count for name, count in found.items() if count})
    return counted


def describe_work(plan: Plan, own: StepLayout) -> StepWork:
    """Work out what a step does in one inference.

    Parameters
    ----------
    plan : Plan
        Network on hardware.
    own : StepLayout
        The step.

    Returns
    -------
    StepWork
        What its actions are counted from.
    """
    step, layer = own.step, own.layer
    return StepWork(
        kind=step.kind,
        unit=own.unit.name,
        hardware=plan.hardware if layer is None else layer.hardware,
        is_reloaded=layer is not None and plan.turn_count > 1,
        windows=step.windows,
        operations=step.operations,
        activated=step.activated,
        result_bits=own.result_bits,
        arrays=NO_ARRAYS if layer is None else _describe_arrays(layer),
        copies=tuple(_describe_copy(own, number, copy) for number, copy in enumerate(own.copies)),
    )


def _describe_copy(own: StepLayout, number: int, copy: StepCopy) -> CopyWork:
    moved, read, bus = len(copy.result.links) * own.result_bits, own.step.operands * own.bits, 0
    if own.layer is not None:
        read = sum(slot.rows for slot in copy.slots) * own.layer.activation_bits
        bus = read + own.result_bits
        moved += copy.gathered_hops * result_bits(own.layer)
    return CopyWork(
        windows=own.windows_of(number), read_bits=read, bus_bits=bus, hop_bits=moved, targets=len(copy.result.ends)
    )


def _describe_arrays(layer: LayerPlan) -> ArrayWork:
    """Work out what the arrays of a layer do for one window."""
    if layer.epitome is not None:
        return _describe_rounds(layer, layer.epitome)
    crossbars = rows = conversions = results = additions = 0
    for index, times in ((0, layer.stripes - 1), (layer.stripes - 1, 1)):
        if times < 1:
            continue
        stripe = layer.stripe(index)
        blocks = len(stripe.row_starts) - 1
        converted = sum(conversions_of(layer.hardware, int(columns)) for columns in layer.block_columns(index))
        crossbars += times * stripe.crossbars
        rows += times * stripe.rows * stripe.col_blocks
        conversions += times * blocks * converted
        results += times * blocks * stripe.cols
        additions += times * stripe.cols * (blocks - 1)
    return ArrayWork(
        streams=layer.streams, polarities=layer.polarities, crossbars=crossbars, rows=rows,
        conversions=conversions, input_bits=layer.activation_bits, results=results, sum_bits=result_bits(layer),
        additions=additions, input_additions=0, lookup_bits=0, cells=written_cells(layer),
    )  # fmt: skip


def _describe_rounds(layer: LayerPlan, epitome: EpitomePlan) -> ArrayWork:
    """Work out what the arrays of an epitome, its tables and its joint module do for one window."""
    driven, wanted = epitome.driven(layer.row_starts), wanted_columns(layer, epitome)
    rows_read, cols_read = (driven > 0).sum(axis=1), (wanted > 0).sum(axis=1)
    converted = np.array([[conversions_of(layer.hardware, n) if n else 0 for n in row] for row in wanted.tolist()])
    results = epitome.columns[:, 1] - epitome.columns[:, 0]
    return ArrayWork(
        streams=layer.streams,
        polarities=layer.polarities,
        crossbars=int((rows_read * cols_read).sum()),
        rows=int((driven.sum(axis=1) * cols_read).sum()),
        conversions=int((rows_read * converted.sum(axis=1)).sum()),
        input_bits=layer.input_bits,
        results=int((rows_read * results).sum()),
        sum_bits=result_bits(layer),
        additions=int(((rows_read - 1) * results).sum()) + epitome.joint_additions,
        input_additions=epitome.input_additions,
        lookup_bits=sum(epitome.lookup_bits.values()),
        cells=written_cells(layer),
    )
