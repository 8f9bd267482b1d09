"""The actions that the timing machine counts, one record each.

A component of the hardware file is charged for one of them: that of its own name, or its ``action``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """A kind of action that is counted for every layer and every inference."""

    name: str
    """What ``components.X.action`` says."""
    unit: Literal["bits", "operations"]
    """What one count is."""
    counted: str
    """What is counted."""


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


ACTIONS = tabulate_actions(
    Action(name="array", unit="operations", counted="reads of a physical array"),
    Action(name="dac", unit="operations", counted="word lines driven in an array read"),
    Action(name="sample_hold", unit="operations", counted="columns sampled in an array read"),
    Action(name="adc", unit="operations", counted="conversions"),
    Action(name="shift_add", unit="operations", counted="converted sums shifted and added"),
    Action(name="input_register", unit="bits", counted="inputs of the arrays"),
    Action(name="output_register", unit="bits", counted="results of the arrays"),
    Action(name="buffer", unit="bits", counted="values written to and read from the buffers of tiles"),
    Action(name="bus", unit="bits", counted="values moved over the buses of tiles"),
    Action(name="accumulate", unit="operations", counted="partial sums of row blocks added"),
    Action(name="activation", unit="operations", counted="values that pass an activation function"),
    Action(name="pooling", unit="operations", counted="values that are pooled"),
    Action(name="vector", unit="operations", counted="the other digital additions, multiplications and MACs"),
    Action(name="tile_register", unit="bits", counted="results of a layer or an operation, in its tile"),
    Action(name="router", unit="bits", counted="values that pass a router between tiles, once for each hop"),
    Action(name="link", unit="bits", counted="values that pass a link between tiles, once for each hop"),
    Action(name="off_chip", unit="bits", counted="inputs and outputs of the network"),
    Action(name="index_table", unit="bits", counted="entries read from the index tables of epitomes"),
    Action(name="write", unit="operations", counted="cells written where weights are reloaded in every inference"),
)
"""Name -> what the timing machine counts, in the order of the reports."""
