"""The least delay and interval of a network with given replicas, in a small part of the time of the event loop.

Windows wait for their operands, for the arrays of their replica, and for the off-chip link. Links on the chip, buses,
buffers and units cost their time but are never busy with something else, and input registers are always free. The event
loop has all these rules and more of them, so that its times are never less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xbarsim.mapping import fit_chips
from xbarsim.timing._least import find_least
from xbarsim.timing.machine import STEPS
from xbarsim.timing.simulate import Activity


class Times(NamedTuple):
    """Times of an inference."""

    delay: float
    """Cycles of one inference."""
    interval: float
    """Cycles between two inferences."""

    def is_less(self, other: Times) -> bool:
        """Say whether one time is less and none is more.

        Parameters
        ----------
        other : Times
            What this is compared with.

        Returns
        -------
        bool
            False for equal times.
        """
        return self != other and self.delay <= other.delay and self.interval <= other.interval


def bound_times(like: Activity, replicas: Sequence[int]) -> Times:
    """Return the least times of a network with given replicas.

    Parameters
    ----------
    like : Activity
        The same network on the same hardware with other replicas.
    replicas : sequence of int, (layers,)
        Replicas of every layer, in the order of the plan.

    Returns
    -------
    Times
        Never more than those that :func:`~xbarsim.timing.simulate_plan` finds.
    """
    plan, machine, steps = like.plan, like.machine, like.layout.steps
    own = dict(zip([layer.name for layer in plan.layers], replicas))
    sizes = [layer.replica_arrays * layer.sets for layer in plan.layers]
    arrays = sum(count * size for count, size in zip(replicas, sizes))
    share = plan.hardware.chip.off_chip_share(fit_chips(arrays, plan.hardware)[0])
    io_bits = plan.hardware.timing.io_bits * share
    counts, paces, tails = [], machine.unit_cycles.copy(), machine.unit_cycles + machine.write_cycles
    for index, each in enumerate(steps):
        counts.append(0)
        if each.step.kind in STEPS:
            counts[index] = 1
            paces[index] = tails[index] = -(-each.result_bits // io_bits)
        elif each.is_write:  # how long that takes depends on where arrays lie
            tails[index] = 0
        elif each.layer is not None:
            counts[index], paces[index] = own[each.layer.name], each.window.occupancy
            tails[index] += each.window.latency
    busy = np.array(counts, dtype=np.int64)
    scratch = np.empty((2, int(machine.first_window[-1])), dtype=np.int64)
    delay = find_least(machine, busy, paces, tails, *scratch)
    if not plan.pipelined:
        return Times(delay, delay)
    taken = np.flatnonzero(busy)
    turns = -(-machine.windows[taken] // busy[taken]) * machine.group[taken]
    return Times(delay, int((turns * paces[taken]).max()))
