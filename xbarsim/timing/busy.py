"""Busy cycles of shared resources in closed form; exact, since every request of a run is known before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xbarsim.timing._kernels import INPUT_STEP, OUTPUT_STEP

if TYPE_CHECKING:
    from xbarsim.timing.machine import EventTables

Cycles = NDArray[np.int64]


def count_resources(machine: EventTables) -> int:
    """Return the number of shared resources of a machine.

    Parameters
    ----------
    machine : EventTables
        From :func:`~xbarsim.timing.machine.build_machine`.

    Returns
    -------
    int
        Parts of all tiles, links, and the off-chip input and output.
    """
    return 1 + max(
        int(each.max())
        for each in (machine.unit, machine.tree_link, machine.merge_unit, machine.slot_buffer, machine.write_port)
        if each.size
    )


def count_busy(machine: EventTables) -> Cycles:
    """Count how long every shared resource is busy in one run.

    Parameters
    ----------
    machine : EventTables
        From :func:`~xbarsim.timing.machine.build_machine`.

    Returns
    -------
    ndarray, (resources,)
        Cycles.
    """
    steps = np.repeat(np.arange(machine.windows.size), machine.replicas)
    replicas = machine.replicas[steps]
    number = np.arange(steps.size) - machine.first_replica[steps]
    times = (machine.windows[steps] - number + replicas - 1) // replicas * machine.group[steps]
    each_slot = np.repeat(times, np.diff(machine.first_slot))
    each_entry = np.repeat(times, np.diff(machine.last_tree, prepend=0))
    writes = np.where((machine.kind == INPUT_STEP) | (machine.kind == OUTPUT_STEP), 0, machine.write_cycles)
    work = (
        (machine.slot_buffer, each_slot * machine.slot_read),
        (machine.slot_wires, each_slot * machine.slot_bus),
        (machine.unit, times * machine.unit_cycles[steps]),
        (machine.merge_unit, times * machine.merge_cycles),
        (machine.write_port, times * writes[steps]),
        (machine.tree_link, each_entry * machine.tree_cycles),
    )
    busy = np.zeros(count_resources(machine))
    for resource, cycles in work:
        busy += np.bincount(resource, weights=cycles, minlength=busy.size)  # floats are exact up to 2^53 cycles
    return busy.astype(np.int64)
