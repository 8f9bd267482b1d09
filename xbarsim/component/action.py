"""The actions that the timing simulation counts, one record each.

A component of the hardware file is charged for one of them: that of its own name, or its ``action``. A record defines
how its action is counted from the work of a step. To count another action, add a record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from xbarsim.component.work import StepWork


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """A kind of action that is counted for every layer and every inference."""

    name: str
    """Name, as in ``components.X.action``."""
    unit: Literal["bits", "operations"]
    """Unit of one count."""
    counted: str
    """What is counted."""
    count: Callable[[StepWork], int]
    """Function that returns the number of actions of a step in one inference."""


def tabulate_actions(*records: Action) -> dict[str, Action]:
    """Key the records by their names.

    Parameters
    ----------
    *records : Action
        One for each action.

    Returns
    -------
    dict of str to Action
        In the given order.

    Raises
    ------
    ValueError
        If two records share a name.
    """
    table = {record.name: record for record in records}
    if len(table) < len(records):
        names = [record.name for record in records]
        raise ValueError(f"action {next(name for name in names if names.count(name) > 1)!r}: two records")
    return table


def _count_conversions(work: StepWork) -> int:
    return work.conversions


def _count_input_bits(work: StepWork) -> int:
    return work.windows * work.arrays.rows * work.arrays.input_bits


def _count_buffered_bits(work: StepWork) -> int:
    """Count operands read, and results written at home, read once more to be sent, and written where they arrive."""
    if work.kind == "output":
        return work.read_bits
    reread = 0 if work.kind == "input" else work.sent
    return work.read_bits + work.result_bits * (work.windows + reread + work.arrivals)


def _count_range_bits(work: StepWork) -> int:
    return work.conversions * RANGE_BITS if work.hardware.adc.step_per == "column" else 0


def _count_hop_bits(work: StepWork) -> int:
    return work.hop_bits


def _count_operations(work: StepWork, unit: str) -> int:
    return work.windows * work.operations if work.unit == unit and work.kind != OPAQUE else 0


RANGE_BITS = 4
"""Bits of the setting of a column's step: 0 to 8 binary places."""
OFF_CHIP = "off_chip"
"""Action of off-chip I/O, whose components are not part of the core area."""
OPAQUE = "opaque"
"""Kind of the operators that run in ONNX Runtime; their operations are not vector operations of the chip."""

ACTIONS = tabulate_actions(
    Action(
        name="array",
        unit="operations",
        counted="reads of a physical array",
        count=lambda work: work.reads * work.arrays.crossbars * work.arrays.polarities,
    ),
    Action(
        name="dac",
        unit="operations",
        counted="word lines driven in array reads; with `dac.coding: count`, pulses on them",
        count=lambda work: work.reads * work.arrays.rows * work.arrays.polarities * work.hardware.dac.starts,
    ),
    Action(
        name="integrator",
        unit="operations",
        counted="columns whose current in an array read is added to that of earlier reads (`dac.accumulate: analog`)",
        count=lambda work: work.reads * work.arrays.conversions if work.hardware.dac.accumulate == "analog" else 0,
    ),
    Action(
        name="sample_hold",
        unit="operations",
        counted="columns sampled for a conversion",
        count=_count_conversions,
    ),
    Action(
        name="adc",
        unit="operations",
        counted="conversions",
        count=_count_conversions,
    ),
    Action(
        name="shift_add",
        unit="operations",
        counted="converted sums shifted and added",
        count=_count_conversions,
    ),
    Action(
        name="input_register",
        unit="bits",
        counted="inputs written to the registers of the arrays",
        count=_count_input_bits,
    ),
    Action(
        name="output_register",
        unit="bits",
        counted="results written to the registers of the arrays",
        count=lambda work: work.windows * work.arrays.results * work.arrays.sum_bits,
    ),
    Action(
        name="buffer",
        unit="bits",
        counted="values written to and read from tile buffers",
        count=_count_buffered_bits,
    ),
    Action(
        name="bus",
        unit="bits",
        counted="values moved over tile buses",
        count=lambda work: work.bus_bits,
    ),
    Action(
        name="accumulate",
        unit="operations",
        counted="additions of partial sums of row blocks",
        count=lambda work: work.windows * work.arrays.additions,
    ),
    Action(
        name="activation",
        unit="operations",
        counted="values passed through an activation function",
        count=lambda work: work.windows * work.activated,
    ),
    Action(
        name="pooling",
        unit="operations",
        counted="values read by pooling operations",
        count=lambda work: _count_operations(work, "pooling"),
    ),
    Action(
        name="vector",
        unit="operations",
        counted="all other digital additions, multiplications and multiply-accumulates",
        count=lambda work: _count_operations(work, "vector") + work.windows * work.arrays.input_additions,
    ),
    Action(
        name="opaque",
        unit="operations",
        counted="operations of operators that run in ONNX Runtime, counted from tensor shapes (approximate)",
        count=lambda work: work.windows * work.operations if work.kind == OPAQUE else 0,
    ),
    Action(
        name="tile_register",
        unit="bits",
        counted="results of layers and operations, stored in their tiles",
        count=lambda work: 0 if work.is_end else work.windows * work.result_bits,
    ),
    Action(
        name="router",
        unit="bits",
        counted="values that pass a router, once for each hop",
        count=_count_hop_bits,
    ),
    Action(
        name="link",
        unit="bits",
        counted="values that pass a link between tiles, once for each hop",
        count=_count_hop_bits,
    ),
    Action(
        name=OFF_CHIP,
        unit="bits",
        counted="network inputs and outputs moved on and off the chip",
        count=lambda work: work.windows * work.result_bits if work.is_end else 0,
    ),
    Action(
        name="index_table",
        unit="bits",
        counted="entries read from the index tables of epitomes",
        count=lambda work: work.windows * work.arrays.lookup_bits,
    ),
    Action(
        name="column_range",
        unit="bits",
        counted="settings of the steps of columns, read for each conversion (`adc.step_per: column`)",
        count=_count_range_bits,
    ),
    Action(
        name="write",
        unit="operations",
        counted="cells written in an inference: reloaded weights, and operands of products on arrays",
        count=lambda work: work.written,
    ),
)
"""Name -> action, in the order of the reports."""
